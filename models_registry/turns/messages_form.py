"""What Anthropic's streams hold beside the answer: named events, the ping, and the event of a failure."""

import msgspec

from models_registry.turns.sse import event_frame
from schema.errors.base import GatewayError
from schema.messages_errors import anthropic_form


def named_event(name: str, data: bytes) -> bytes:
    """One event with a name, whose data is a JSON text."""
    return event_frame(name.encode(), data)


PING_EVENT = named_event("ping", b'{"type": "ping"}')


def failure_event(error: GatewayError, request_id: str | None) -> bytes:
    """The event that ends a stream that broke off. SDKs raise on it."""
    return named_event("error", msgspec.json.encode(anthropic_form(error, request_id)))
