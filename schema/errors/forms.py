"""How an error is written for a client: OpenAI's envelope. Anthropic's form is in
`schema/messages_errors.py`."""

from collections.abc import Callable
from typing import ClassVar

import msgspec

from schema.errors.base import GatewayError


class WireError(msgspec.Struct, frozen=True, kw_only=True):
    """An error as a dialect writes it: the whole body of the answer."""

    media_type: ClassVar[str] = "application/json"


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The inside of OpenAI's error envelope, with `reason` added."""

    message: str
    type: str
    param: str | None
    code: str
    """A word where OpenAI has one for the error, or the provider gave one. Else the status as text."""
    reason: str
    """Our own word for what went wrong, such as `budget_exceeded`."""
    status: int | msgspec.UnsetType = msgspec.UNSET
    """The status of the call, in a stream whose head said 200."""


class ErrorEnvelope(WireError, frozen=True, kw_only=True):
    """What every failed call answers, and what an `error` event in a stream carries."""

    error: ErrorBody


def envelope(error: GatewayError, *, in_stream: bool = False) -> ErrorEnvelope:
    """The error as its wire form. In a stream it says its status too."""
    return ErrorEnvelope(
        error=ErrorBody(
            message=error.message,
            type=error.error_type,
            param=error.param,
            code=error.code,
            reason=error.reason,
            status=error.http_status if in_stream else msgspec.UNSET,
        )
    )


ErrorForm = Callable[[GatewayError, str | None], WireError]
"""How a dialect writes an error. The second argument is the id of the call; None: there is no call yet."""


def openai_form(error: GatewayError, _request_id: str | None) -> ErrorEnvelope:
    """An ErrorForm: OpenAI's, which has no id in it."""
    return envelope(error)
