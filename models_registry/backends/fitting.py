"""Fits a request to what its model takes, by the table of model facts: what all backends share.

The fitted request is what is sent, held for and billed. Nothing that the caller sent is lowered. A field that
was changed or left out is named in the reply's header `x-switchgear-changed`.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

from models_registry.backends.parameters import add_defaults, drops_params
from models_registry.facts.refusals import IS_DEFAULT
from models_registry.facts.table import EFFORTS
from models_registry.target import Target
from schema.chat import ChatRequest
from schema.errors.base import GatewayError

MAX_NAMES = 100
_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
CACHE_CONTROL = "cache_control"
REASONING = "reasoning_effort"


class Fitted(NamedTuple):
    """A request as its deployment gets it."""

    request: ChatRequest
    target: Target
    """The deployment. Its own parameters stand in the request."""
    changed: tuple[str, ...]
    """The fields that were changed or left out."""


def merged(request: ChatRequest, target: Target) -> dict[str, msgspec.Raw]:
    """The request's fields, with the deployment's parameters where the caller sent none."""
    fields = request.fields()
    add_defaults(fields, target)
    return fields


def refitted(fields: Mapping[str, msgspec.Raw], target: Target, changed: Collection[str]) -> Fitted:
    """The request with these fields. Raises GatewayError where a parameter of the deployment has the wrong
    type."""
    try:
        request = msgspec.json.decode(msgspec.json.encode(fields), type=ChatRequest)
    except msgspec.ValidationError as exc:
        raise GatewayError(
            f"The deployment '{target.model_id}' of '{target.public_name}' has a wrong litellm_params: {exc}"
        ) from exc
    request.with_raw(fields)
    names = tuple(dict.fromkeys(changed))[:MAX_NAMES]
    return Fitted(request, msgspec.structs.replace(target, params={}), names)


def without_refused(request: ChatRequest, target: Target) -> Fitted | None:
    """The request without what its model refuses, under `drop_params`. None: it is fit as it came. The
    translation sees to `reasoning_effort` itself."""
    if not target.refuses or not drops_params(request, target):
        return None
    fields = merged(request, target)
    left = [
        name
        for name in sorted(target.refuses & fields.keys() - {REASONING})
        if bytes(fields[name]) != b"null" and bytes(fields[name]) not in IS_DEFAULT.get(name, ())
    ]
    for name in left:
        del fields[name]
    return refitted(fields, target, left) if left else None


def nearest(effort: str, levels: Collection[str]) -> str | None:
    """The level of reasoning nearest to the wanted one; of two as near, the lower. None: the wanted one is no
    level at all, or there is none."""
    known = [level for level in EFFORTS if level in levels]
    if effort not in EFFORTS or not known:
        return None
    wanted = EFFORTS.index(effort)
    return min(known, key=lambda level: abs(EFFORTS.index(level) - wanted))


def without_cache_control(fields: dict[str, msgspec.Raw]) -> bool:
    """Take `cache_control` out of messages, their parts, and tools. Gives whether there was any."""
    found = False
    for name in ("messages", "tools"):
        raw = fields.get(name)
        if raw is None or b'"cache_control"' not in bytes(raw):
            continue
        try:
            objects = _OBJECTS.decode(raw)
        except msgspec.DecodeError:
            continue
        stripped = [_strip(each) for each in objects]
        if any(stripped):
            found = True
            fields[name] = msgspec.Raw(msgspec.json.encode(objects))
    return found


def _strip(each: dict[str, msgspec.Raw]) -> bool:
    """Take it out of one message or tool."""
    found = each.pop(CACHE_CONTROL, None) is not None
    for name, decoder in (("content", _OBJECTS), ("function", _OBJECT)):
        raw = each.get(name)
        if raw is None or bytes(raw)[:1] not in (b"[", b"{"):
            continue
        try:
            inside = decoder.decode(raw)
        except msgspec.DecodeError:
            continue
        objects = inside if isinstance(inside, list) else [inside]
        stripped = [part.pop(CACHE_CONTROL, None) is not None for part in objects]
        if any(stripped):
            found = True
            each[name] = msgspec.Raw(msgspec.json.encode(inside))
    return found
