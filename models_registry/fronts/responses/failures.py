"""How Responses tells an error in a stream."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.turns.sse import event_frame
from schema.errors.base import GatewayError
from schema.responses import ErrorEvent, ResponseError

CODES: Mapping[int, str] = MappingProxyType({429: "rate_limit_exceeded"})


def response_error(error: GatewayError) -> ResponseError:
    """The error inside of a response. Its code is OpenAI's where OpenAI has one."""
    return ResponseError(code=_code(error), message=error.message)


def error_frame(error: GatewayError, number: int = 0) -> bytes:
    """The event that ends a stream without a response. SDKs raise on it."""
    event = ErrorEvent(code=error.code, message=error.message, param=error.param, sequence_number=number)
    return event_frame(b"error", msgspec.json.encode(event))


def _code(error: GatewayError) -> str:
    if error.code and not error.code.isdigit():
        return error.code
    status = error.http_status
    return CODES.get(status, "invalid_prompt" if status == 400 else "server_error")
