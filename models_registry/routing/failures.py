"""What the error of an attempt means for the call: whether it is tried again, and where.

One table. The kinds are those of LiteLLM's retry policies, by whose names a config counts retries.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType

from models_registry.backends.provider_errors import CONTENT_CODE, CONTEXT_CODE
from schema.errors import (
    ContextLengthExceeded,
    GatewayError,
    UnsupportedParameter,
    UpstreamError,
    UpstreamMalformed,
    UpstreamTimeout,
)


class Again(enum.Enum):
    """Where another attempt is worth making."""

    ANYWHERE = "anywhere"
    """At another deployment, and after a while at the same one."""
    ELSEWHERE = "elsewhere"
    """Only at another deployment of the model: this one would say the same again."""
    NOWHERE = "nowhere"
    """At no deployment of the model: each one would say the same."""


class Kind(enum.Enum):
    """A kind of error. The value has its name, the field of a retry policy that says how often it is tried
    again, and where retries go."""

    TIMEOUT = ("timeout", "TimeoutErrorRetries", Again.ANYWHERE)
    BROKEN = ("broken", "InternalServerErrorRetries", Again.ANYWHERE)
    MALFORMED = ("malformed", "InternalServerErrorRetries", Again.ELSEWHERE)
    UNAVAILABLE = ("unavailable", "ServiceUnavailableErrorRetries", Again.ANYWHERE)
    RATE_LIMIT = ("rate limit", "RateLimitErrorRetries", Again.ANYWHERE)
    CONFLICT = ("conflict", "DefaultRetries", Again.ANYWHERE)
    CREDENTIAL = ("credential", "AuthenticationErrorRetries", Again.ELSEWHERE)
    NOT_FOUND = ("not found", "NotFoundErrorRetries", Again.ELSEWHERE)
    UNSUPPORTED = ("unsupported parameter", "BadRequestErrorRetries", Again.ELSEWHERE)
    BAD_REQUEST = ("bad request", "BadRequestErrorRetries", Again.NOWHERE)
    CONTEXT_WINDOW = ("context window", "BadRequestErrorRetries", Again.NOWHERE)
    CONTENT_POLICY = ("content policy", "ContentPolicyViolationErrorRetries", Again.NOWHERE)

    @property
    def policy(self) -> str:
        return self.value[1]

    @property
    def again(self) -> Again:
        return self.value[2]


BY_STATUS: Mapping[int, Kind] = MappingProxyType(
    {
        401: Kind.CREDENTIAL,
        402: Kind.CREDENTIAL,
        403: Kind.CREDENTIAL,
        404: Kind.NOT_FOUND,
        408: Kind.TIMEOUT,
        409: Kind.CONFLICT,
        429: Kind.RATE_LIMIT,
        503: Kind.UNAVAILABLE,
    }
)
"""The kinds of providers' errors by status. Any other 5xx is BROKEN, any other 4xx BAD_REQUEST."""
POLICIES = frozenset({kind.policy for kind in Kind} | {"DefaultRetries"})
"""The fields of a retry policy."""


def kind_of(error: GatewayError) -> Kind | None:
    """The kind of an error. None: the error is the caller's or this gateway's own, and ends the call."""
    if isinstance(error, UnsupportedParameter):
        return Kind.UNSUPPORTED
    if isinstance(error, ContextLengthExceeded) or error.code == CONTEXT_CODE:
        return Kind.CONTEXT_WINDOW
    if not isinstance(error, UpstreamError):
        return None
    if error.code == CONTENT_CODE:
        return Kind.CONTENT_POLICY
    if isinstance(error, UpstreamTimeout):
        return Kind.TIMEOUT
    if isinstance(error, UpstreamMalformed):
        return Kind.MALFORMED
    status = error.http_status
    return BY_STATUS.get(status, Kind.BROKEN if status >= 500 else Kind.BAD_REQUEST)
