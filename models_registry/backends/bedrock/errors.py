"""Amazon's errors. The kind stands in the header `x-amzn-errortype`, or is a stream's exception."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.backends.error_bodies import ReadError, read_error
from models_registry.backends.provider_errors import build_error, provider_error, retry_after, whole_answer
from models_registry.target import Target
from schema.errors.upstream import ProviderError, UpstreamError

STATUSES: Mapping[str, int] = MappingProxyType(
    {
        "validationexception": 400,
        "accessdeniedexception": 403,
        "unrecognizedclientexception": 401,
        "invalidsignatureexception": 401,
        "expiredtokenexception": 401,
        "incompletesignatureexception": 401,
        "missingauthenticationtokenexception": 401,
        "resourcenotfoundexception": 404,
        "modeltimeoutexception": 504,
        "modelnotreadyexception": 503,
        "modelerrorexception": 500,
        "modelstreamerrorexception": 500,
        "throttlingexception": 429,
        "servicequotaexceededexception": 429,
        "serviceunavailableexception": 503,
        "internalserverexception": 500,
    }
)
"""The statuses of Bedrock's errors, by their kinds in lower case."""
KIND = "x-amzn-errortype"


def answer_error(status: int, headers: Mapping[str, str], body: bytes, target: Target) -> UpstreamError:
    """The error for a failing answer. The kind says more than the status: a signature that is refused comes
    as 403, and is a matter of the credential."""
    kind = headers.get(KIND, "").partition(":")[0].lower()
    known = STATUSES.get(kind)
    if known is None or not 400 <= status < 600:
        return provider_error(status, headers, body, target)
    found = read_error(body)
    error = build_error(known, _with_kind(found, kind), target, retry_after_s=retry_after(headers))
    error.answer = whole_answer(status, body, target)
    return error


def exception_error(kind: str, message: str, target: Target) -> ProviderError:
    """The error for an exception in a stream."""
    return build_error(STATUSES.get(kind.lower(), 500), ReadError(message=message, kind=kind), target)


def _with_kind(found: ReadError, kind: str) -> ReadError:
    return msgspec.structs.replace(found, kind=found.kind or kind)
