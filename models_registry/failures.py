"""What an attempt's error means for its call's way: is it tried again, and where?

One table. The kinds are those of LiteLLM's retry policies, by whose names a config counts retries.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.backends.provider_errors import CONTENT_CODE, CONTEXT_CODE
from schema.errors import (
    ContextLengthExceeded,
    GatewayError,
    UnsupportedParameter,
    UpstreamError,
    UpstreamTimeout,
)


class Again(enum.Enum):
    """Where an attempt is worth another."""

    ANYWHERE = "anywhere"
    """At the same deployment too, after a while."""
    ELSEWHERE = "elsewhere"
    """At another deployment of the model alone: this one will say the same again."""
    NOWHERE = "nowhere"
    """Every deployment of the model will."""


class Kind(msgspec.Struct, frozen=True):
    """`policy` is the field of a retry policy that counts its retries."""

    policy: str
    again: Again


TIMEOUT = Kind("TimeoutErrorRetries", Again.ANYWHERE)
BROKEN = Kind("InternalServerErrorRetries", Again.ANYWHERE)
BAD_REQUEST = Kind("BadRequestErrorRetries", Again.NOWHERE)
CONTEXT_WINDOW = Kind("BadRequestErrorRetries", Again.NOWHERE)
CONTENT_POLICY = Kind("ContentPolicyViolationErrorRetries", Again.NOWHERE)
UNSUPPORTED = Kind("BadRequestErrorRetries", Again.ELSEWHERE)
CREDENTIAL = Kind("AuthenticationErrorRetries", Again.ELSEWHERE)

BY_STATUS: Mapping[int, Kind] = MappingProxyType(
    {
        401: CREDENTIAL,
        402: CREDENTIAL,
        403: CREDENTIAL,
        404: Kind("NotFoundErrorRetries", Again.ELSEWHERE),
        408: TIMEOUT,
        409: Kind("DefaultRetries", Again.ANYWHERE),
        429: Kind("RateLimitErrorRetries", Again.ANYWHERE),
        503: Kind("ServiceUnavailableErrorRetries", Again.ANYWHERE),
    }
)
"""Of errors of providers; any other 5xx is BROKEN, any other 4xx BAD_REQUEST."""
POLICIES = frozenset(
    {kind.policy for kind in (BROKEN, BAD_REQUEST, CONTENT_POLICY, *BY_STATUS.values())} | {"DefaultRetries"}
)
"""The fields of a retry policy."""


def kind_of(error: GatewayError) -> Kind | None:
    """None: an error of the caller's or of this gateway's own, which ends the call."""
    if isinstance(error, UnsupportedParameter):
        return UNSUPPORTED
    if isinstance(error, ContextLengthExceeded) or error.code == CONTEXT_CODE:
        return CONTEXT_WINDOW
    if not isinstance(error, UpstreamError):
        return None
    if error.code == CONTENT_CODE:
        return CONTENT_POLICY
    if isinstance(error, UpstreamTimeout):
        return TIMEOUT
    status = error.http_status
    return BY_STATUS.get(status, BROKEN if status >= 500 else BAD_REQUEST)
