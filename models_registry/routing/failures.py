"""What the error of an attempt means for the call: whether it is tried again, and where.

One table. The kinds are those of LiteLLM's retry policies, by whose names a config counts retries.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType

from models_registry.backends.provider_errors import CONTENT_CODE, CONTEXT_CODE
from schema.errors.base import GatewayError
from schema.errors.limits import DeploymentAtLimit
from schema.errors.models import NotLocal
from schema.errors.requests import ContextLengthExceeded, UnsupportedParameter
from schema.errors.upstream import UpstreamError, UpstreamMalformed, UpstreamTimeout


class Again(enum.Enum):
    """Where another attempt is worth making."""

    ANYWHERE = "anywhere"
    """At another deployment, and after a while at the same one."""
    ELSEWHERE = "elsewhere"
    """Only at another deployment of the model: this one would say the same again."""
    NOWHERE = "nowhere"
    """At no deployment of the model: each one would say the same."""


class FailureKind(enum.Enum):
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
    NOT_LOCAL = ("not local", "DefaultRetries", Again.ELSEWHERE)
    AT_LIMIT = ("at its limit", "DefaultRetries", Again.ANYWHERE)
    CONTENT_POLICY = ("content policy", "ContentPolicyViolationErrorRetries", Again.NOWHERE)

    @property
    def policy(self) -> str:
        return self.value[1]

    @property
    def again(self) -> Again:
        return self.value[2]


BY_STATUS: Mapping[int, FailureKind] = MappingProxyType(
    {
        401: FailureKind.CREDENTIAL,
        402: FailureKind.CREDENTIAL,
        403: FailureKind.CREDENTIAL,
        404: FailureKind.NOT_FOUND,
        408: FailureKind.TIMEOUT,
        409: FailureKind.CONFLICT,
        429: FailureKind.RATE_LIMIT,
        503: FailureKind.UNAVAILABLE,
    }
)
"""The kinds of providers' errors by status. Any other 5xx is BROKEN, any other 4xx BAD_REQUEST."""
POLICIES = frozenset({kind.policy for kind in FailureKind} | {"DefaultRetries"})
"""The fields of a retry policy."""


def kind_of(error: GatewayError) -> FailureKind | None:
    """The kind of an error. AT_LIMIT and NOT_LOCAL are no failures: nothing was sent. None: the error is the
    caller's or this gateway's own, and ends the call."""
    if isinstance(error, UnsupportedParameter):
        return FailureKind.UNSUPPORTED
    if isinstance(error, ContextLengthExceeded) or error.code == CONTEXT_CODE:
        return FailureKind.CONTEXT_WINDOW
    if isinstance(error, DeploymentAtLimit):
        return FailureKind.AT_LIMIT
    if isinstance(error, NotLocal):
        return FailureKind.NOT_LOCAL
    if not isinstance(error, UpstreamError):
        return None
    if error.code == CONTENT_CODE:
        return FailureKind.CONTENT_POLICY
    if isinstance(error, UpstreamTimeout):
        return FailureKind.TIMEOUT
    if isinstance(error, UpstreamMalformed):
        return FailureKind.MALFORMED
    status = error.http_status
    return BY_STATUS.get(status, FailureKind.BROKEN if status >= 500 else FailureKind.BAD_REQUEST)
