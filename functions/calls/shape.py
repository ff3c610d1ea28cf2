"""What the body of a request says that decides about deployments."""

from collections.abc import Mapping
from functools import partial
from hashlib import blake2b
from typing import Protocol

import msgspec

from models_registry.bounds.estimate import input_tokens
from models_registry.routing.choice import Shape

STREAMED = b"true"
_CONVERSATIONS = ("messages", "input", "prompt")
_OPENING = 2
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])


class WithRaw(Protocol):
    """A request that keeps its fields as they came."""

    @property
    def raw(self) -> Mapping[str, msgspec.Raw]: ...


def shape_of(request: WithRaw, stays: str = "") -> Shape:
    """What a body says that decides about deployments."""
    return Shape(
        streamed=bytes(request.raw.get("stream", b"")) == STREAMED,
        input_tokens=partial(input_tokens, request.raw),
        opening=partial(_opening, request),
        stays=stays,
    )


def _opening(request: WithRaw) -> str:
    """What stands for the beginning of a conversation: a hash of its first two messages, which stay the same
    while it grows. Empty: it has none."""
    fields = request.raw
    for name in _CONVERSATIONS:
        raw = fields.get(name)
        if raw is None:
            continue
        try:
            first = _RAWS.decode(raw)[:_OPENING]
        except msgspec.DecodeError:
            first = [raw]
        head = b"\0".join(map(bytes, first))
        instructions = bytes(fields.get("system", b"")) + bytes(fields.get("instructions", b""))
        return blake2b(head + b"\0" + instructions, digest_size=16).hexdigest()
    return ""
