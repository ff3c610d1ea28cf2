"""About how many tokens a conversation has, where no provider counts them. It is for clients that plan their
prompts, and never for money."""

import re
from collections.abc import Mapping

import msgspec

from models_registry.bounds.input import BYTES_A_TOKEN, text_of
from schema.chat import ChatRequest

PER_MESSAGE = 4
"""The tokens of a message's role and separators, as most chat templates have them."""
_TEXTS = ("messages", "input", "prompt", "system", "instructions", "tools")
"""The fields of a request that are read by the model, on all surfaces."""
LONG_BYTES = 4_096
_DATA = re.compile(rb"[A-Za-z0-9+/=_-]{2048,}+")
"""Base64: no language has such long words."""
PER_IMAGE = 1_600
"""The tokens of one picture: Anthropic's largest, and above that of most models."""


def input_tokens(fields: Mapping[str, msgspec.Raw]) -> int:
    """About how many tokens a request of any surface has, by its body. What looks like a picture or a file
    counts PER_IMAGE, whatever its size. 0: nobody can say."""
    size = images = 0
    for name in _TEXTS:
        raw = fields.get(name)
        if raw is None:
            continue
        text = memoryview(raw)
        size += text.nbytes
        if text.nbytes >= LONG_BYTES:
            for found in _DATA.finditer(text):
                size -= found.end() - found.start()
                images += 1
    return size // BYTES_A_TOKEN + images * PER_IMAGE


def estimated_input(turns: ChatRequest) -> int:
    """A quarter of the bytes of all texts, tools and schemas, a few tokens for each message, and
    PER_IMAGE for each picture."""
    fields = turns.raw or turns.fields()
    text = text_of(turns.messages, fields["messages"])
    size = text.max_bytes
    for name in ("tools", "response_format"):
        size += memoryview(fields.get(name, msgspec.Raw(b""))).nbytes
    return size // BYTES_A_TOKEN + PER_MESSAGE * len(turns.messages) + PER_IMAGE * text.images + 1
