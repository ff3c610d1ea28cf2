"""A provider or a local host did not deliver."""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from schema.errors.base import GatewayError


class ProviderAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A complete answer, head and body. `status` is the provider's own, such as 529; the caller may be told
    another one."""

    status: int
    in_envelope: bool
    """True where the body is an error in the provider's dialect, so that no proxy in between wrote it."""


class UpstreamError(GatewayError):
    """A provider did not deliver."""

    status = 502
    type = "upstream_error"
    word = "upstream_error"

    answer: ProviderAnswer | None = None
    """The failing answer; None where none was complete, or the error stood inside a 200."""
    said: str = ""
    """The provider's own words without credentials, for the log and the row. `message` may lack them."""


class Unreached(enum.Enum):
    """How far the way to a provider went."""

    ADDRESS = "address"
    """Nobody listens there, or the address can't be written."""
    NAME = "name"
    """The host's name has no address."""
    PROXY = "proxy"
    TLS = "tls"
    """The host could not prove who it is."""
    CREDENTIAL = "credential"
    """There is nothing to sign the call with."""


class UpstreamUnreachable(UpstreamError):
    """No connection could be made: the provider did no work and charges nothing."""

    status = 500
    type = "internal_server_error"
    word = "upstream_unreachable"

    def __init__(self, message: str, *, at: Unreached = Unreached.ADDRESS, **more: Any) -> None:
        """`more` as with every error."""
        super().__init__(message, **more)
        self.at = at


class UpstreamNotInTime(UpstreamUnreachable):
    """No connection could be made within the deployment's deadline, or within the call's own."""

    status = 408
    type = "timeout_error"
    word = "upstream_connect_timeout"


class UpstreamBusy(UpstreamUnreachable):
    """All connections that may be open to a provider are in use."""

    status = 503
    type = "overloaded_error"
    word = "upstream_busy"


class UpstreamTimeout(UpstreamError):
    status = 408
    type = "timeout_error"
    word = "upstream_timeout"


class UpstreamMalformed(UpstreamError):
    word = "upstream_malformed"


class UpstreamCut(UpstreamError):
    word = "upstream_cut"


PROVIDER_ERROR_TYPES: Mapping[int, str] = MappingProxyType(
    {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        408: "timeout_error",
        413: "invalid_request_error",
        422: "invalid_request_error",
        429: "rate_limit_error",
    }
)
"""The `type` an answer gets by its status, where the provider gave none (LiteLLM's words)."""


class ProviderError(UpstreamError):
    """The provider answered with an error of its own; status, code and Retry-After are kept."""

    word = "provider_error"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        kind: str | None = None,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, param=param, code=code, retry_after_s=retry_after_s)
        self._status = status
        fallback = "invalid_request_error" if status < 500 else "internal_server_error"
        self._kind = kind or PROVIDER_ERROR_TYPES.get(status, fallback)

    @property
    def http_status(self) -> int:
        return self._status

    @property
    def error_type(self) -> str:
        return self._kind


class LocalHostFailed(GatewayError):
    """A local host did not answer, or says why it does not do what it was asked for."""

    status = 502
    type = "upstream_error"
    word = "local_host_failed"
