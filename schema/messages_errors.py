"""Errors in Anthropic's form: an `error` with its `type` and `message`, and the `request_id`."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from schema.errors.base import GatewayError
from schema.errors.forms import WireError
from schema.errors.limits import BudgetExceeded

TYPES: Mapping[int, str] = MappingProxyType(
    {
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        408: "timeout_error",
        409: "conflict_error",
        413: "request_too_large",
        429: "rate_limit_error",
        503: "overloaded_error",
        504: "timeout_error",
        529: "overloaded_error",
    }
)
"""Anthropic's word for a status. Any other 4xx is `invalid_request_error`, and any other 5xx `api_error`."""


class ErrorDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    error_code: str
    """Anthropic's word where it has one, such as `thread_unsupported_request`, else the gateway's
    `reason`."""
    param: str | None = None


class MessagesErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    message: str
    details: ErrorDetails


class MessagesError(WireError, frozen=True, kw_only=True):
    """What every failed call on this surface answers, and the data of an `error` event."""

    type: str = "error"
    error: MessagesErrorBody
    request_id: str | None = None


def anthropic_form(error: GatewayError, request_id: str | None) -> MessagesError:
    """An ErrorForm: Anthropic's."""
    return MessagesError(
        error=MessagesErrorBody(
            type=error_type(error),
            message=error.message,
            details=ErrorDetails(error_code=error.reason, param=error.param),
        ),
        request_id=request_id,
    )


def error_type(error: GatewayError) -> str:
    """Anthropic's type of an error, by its status. A spent budget is `billing_error` at any status."""
    if isinstance(error, BudgetExceeded):
        return "billing_error"
    status = error.http_status
    return TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
