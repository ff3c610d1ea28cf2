"""Turns made of a front's fields."""

from collections.abc import Mapping

import msgspec

from schema.chat import ChatRequest
from schema.wire import typed_body


def turns_of(fields: Mapping[str, msgspec.Raw]) -> ChatRequest:
    """The question with these fields of a chat request, which are sent and held for. Raises InvalidRequest
    for a field of the wrong type."""
    raw = dict(fields)
    return typed_body(_TURNS, msgspec.json.encode(raw), raw)


_TURNS = msgspec.json.Decoder(ChatRequest)
