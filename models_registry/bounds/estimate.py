"""About how many tokens a conversation has, where no provider counts them. It is for clients that plan their
prompts, and never for money."""

import msgspec

from models_registry.bounds.input import BYTES_A_TOKEN, text_of
from schema.chat import ChatRequest

PER_MESSAGE = 4
"""The tokens of a message's role and separators, as most chat templates have them."""
PER_IMAGE = 1_600
"""The tokens of one picture: Anthropic's largest, and above that of most models."""


def estimated_input(turns: ChatRequest) -> int:
    """A quarter of the bytes of all texts, tools and schemas, a few tokens for each message, and
    PER_IMAGE for each picture."""
    fields = turns.raw or turns.fields()
    text = text_of(turns.messages, fields["messages"])
    size = text.max_bytes
    for name in ("tools", "response_format"):
        size += memoryview(fields.get(name, msgspec.Raw(b""))).nbytes
    return size // BYTES_A_TOKEN + PER_MESSAGE * len(turns.messages) + PER_IMAGE * text.images + 1
