"""Turns a provider's error answer, in any shape, into an error of ours.

Client errors, and all errors of local models, keep the provider's words, since they say what is wrong. Every
error has the words in `said`, for the log and the row. The words have a limit on their length, and the
deployment's credentials and all that looks like a credential are cut out of them. A refused credential is the
gateway's own affair: the caller learns which deployment it was, and not what the provider wrote.
"""

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from types import MappingProxyType

import msgspec

from models_registry.backends.credentials import CUT, without_credentials
from models_registry.backends.envelopes import ENVELOPES, is_googles
from models_registry.backends.error_bodies import STATUS_FIELDS, ReadError, json_of, read_error, tells_error
from models_registry.target import Target
from schema.errors.upstream import ProviderAnswer, ProviderError, UpstreamError, UpstreamMalformed

MAX_MESSAGE_CHARS = 1000
MAX_WORD_CHARS = 200
STATUSES: Mapping[int, int] = MappingProxyType(
    {status: status for status in (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504)}
    | {
        498: 503,  # Groq: no flex capacity
        529: 503,  # Anthropic: overloaded
    }
)
"""The provider's statuses, each with the status that the caller gets. Any other 4xx stays as it is. Any other
5xx becomes 500, and 502 inside a 200."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
STATUS_BY_TYPE: Mapping[str, int] = MappingProxyType(
    {
        "invalid_request_error": 400,
        "context_length_exceeded": 400,
        "exceed_context_size_error": 400,
        "authentication_error": 401,
        "billing_error": 402,
        "permission_error": 403,
        "not_found_error": 404,
        "conflict_error": 409,
        "request_too_large": 413,
        "rate_limit_error": 429,
        "rate_limit_exceeded": 429,
        "insufficient_quota": 429,
        "api_error": 500,
        "server_error": 500,
        "internal_server_error": 500,
        "overloaded_error": 503,
        "timeout_error": 504,
        # Codes of OpenAI, Azure and others
        "content_filter": 400,
        "content_policy_violation": 400,
        "responsibleaipolicyviolation": 400,
        "cyber_policy": 400,
        "bad_request_error": 400,
        "badrequesterror": 400,
        "invalid_api_key": 401,
        "model_not_found": 404,
        "tokens_exceeded": 429,
        "rate_limit": 429,
        "too_many_requests": 429,
        "internal_error": 500,
        "internalservererror": 500,
        "service_unavailable": 503,
        "service_unavailable_error": 503,
        "server_overloaded": 503,
        # Google's
        "invalid_argument": 400,
        "failed_precondition": 400,
        "out_of_range": 400,
        "unauthenticated": 401,
        "permission_denied": 403,
        "not_found": 404,
        "already_exists": 409,
        "resource_exhausted": 429,
        "internal": 500,
        "unavailable": 503,
        "deadline_exceeded": 504,
    }
)
"""The status of an error inside a 200, by its `type`, `code` or `status` in lower case."""
CREDENTIAL_STATUSES = frozenset({401, 402, 403})
CONTEXT_CODE = "context_length_exceeded"
CONTENT_CODE = "content_policy_violation"
"""The code for a request that a provider refuses to answer because of its content."""
OVERFLOW = re.compile(
    r"exceed_context_size|exceeds the available context size"  # llama.cpp
    r"|maximum context length"  # OpenAI, vLLM, DeepSeek, OpenRouter
    r"|longer than the model's context length"  # SGLang
    r"|context length of only"  # LM Studio
    r"|`inputs` tokens \+ `max_new_tokens` must be <="  # TGI
    r"|maximum prompt length is"  # xAI
    r"|prompt is too long|exceed context limit"  # Anthropic
    r"|prompt too long|exceeds the context length"  # Ollama
    r"|input tokens exceeds maximum length|Input is too long for requested model"  # Bedrock
    r"|token count .{0,40}exceeds the maximum number of tokens"  # Google
    r"|too many tokens: size limit exceeded"  # Cohere
    r"|context_length_exceeded|context window",
    re.IGNORECASE,
)
CONTENT_CODES = frozenset({"content_policy_violation", "content_filter", "cyber_policy"})
CONTENT = re.compile(
    r"content_policy_violation|violating our usage policy|as a result of (the|our) safety system"  # OpenAI
    r"|ResponsibleAIPolicyViolation|content management policy"  # Azure
    r"|content filtering policy",  # Anthropic
    re.IGNORECASE,
)
MAX_WAIT_S = 86_400.0


def provider_error(status: int, headers: Mapping[str, str], body: bytes, target: Target) -> UpstreamError:
    """The error for a whole answer with a failing status. `headers` have lower-case names."""
    error: UpstreamError
    if status in REDIRECTS:
        error = UpstreamMalformed(f"{_who(target)} redirects (status {status}), which is not followed.")
    elif not 400 <= status < 600:
        error = UpstreamMalformed(f"{_who(target)} answered with the unexpected status {status}.")
    else:
        mapped = STATUSES.get(status, status if status < 500 else 500)
        error = build_error(mapped, read_error(body), target, retry_after_s=retry_after(headers))
    error.answer = whole_answer(status, body, target)
    return error


def whole_answer(status: int, body: bytes, target: Target) -> ProviderAnswer:
    """The status of a failing answer, and whether its body is an error of the dialect."""
    told = json_of(body)
    by_google = bool(target.body_version) and is_googles(told)
    return ProviderAnswer(status=status, in_envelope=by_google or ENVELOPES[target.dialect](told))


def error_inside(error: bytes, target: Target) -> UpstreamError:
    """The error for the `error` member (JSON) of a 200 answer or of a stream's event."""
    found = read_error(b'{"error":' + error + b"}")
    status = found.status
    if status is None:
        status = next((STATUS_BY_TYPE[word] for word in found.words if word in STATUS_BY_TYPE), 502)
    return build_error(STATUSES.get(status, status if status < 500 else 502), found, target)


def error_instead(body: bytes, target: Target, otherwise: str) -> UpstreamError:
    """The error that stands in the place of an answer or a chunk. UpstreamMalformed with the message
    `otherwise`: the body tells no error."""
    value = json_of(body)
    if not isinstance(value, dict) or not tells_error(body):
        return UpstreamMalformed(otherwise)
    error = value.get("error") or value
    if error is value:
        return error_inside(body, target)
    beside = {name: value[name] for name in STATUS_FIELDS if name in value}
    if isinstance(error, dict):
        error = {**beside, **error}
    elif isinstance(error, str):
        error = {**beside, "message": error}
    return error_inside(msgspec.json.encode(error), target)


def build_error(
    status: int, found: ReadError, target: Target, *, retry_after_s: float | None = None
) -> ProviderError:
    """The error with a status of ours, by what the provider's body says."""
    code = found.code
    overflow = OVERFLOW.search(f"{code} {found.kind} {found.message}") is not None
    if overflow and status in (400, 413, 422, 500):
        status, code = 400, CONTEXT_CODE
    elif status in (400, 403, 422) and (code in CONTENT_CODES or CONTENT.search(found.message)):
        status, code = 400, CONTENT_CODE
    said = scrubbed(found.message, target)
    if status in CREDENTIAL_STATUSES:
        refused = ProviderError(
            f"{_who(target)} refused the gateway's credential (status {status}). "
            "An administrator has to check that deployment's key and account.",
            status=status,
            code=_word(code, target),
            retry_after_s=retry_after_s,
        )
        refused.said = said
        return refused
    message = said if status < 500 or target.local else ""
    error = ProviderError(
        message or f"{_who(target)} failed with status {status}.",
        status=status,
        kind=_word(found.kind, target),
        param=_word(found.param, target),
        code=_word(code, target),
        retry_after_s=retry_after_s,
    )
    error.said = said
    return error


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds to wait by `retry-after-ms` or `retry-after`, a day at most. A `retry-after` that is a date
    counts from the answer's own `date`. None: no header says it."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            wait_s = float(headers.get(name, "")) / scale
        except ValueError:
            continue
        if math.isfinite(wait_s) and wait_s >= 0:
            return min(wait_s, MAX_WAIT_S)
    try:
        until, now = (parsedate_to_datetime(headers[name]) for name in ("retry-after", "date"))
        return min(max((until - now).total_seconds(), 0.0), MAX_WAIT_S)
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _who(target: Target) -> str:
    return f"The provider '{target.provider}' of '{target.public_name}'"


def _word(value: str | None, target: Target) -> str | None:
    return _scrub(value, target)[:MAX_WORD_CHARS] if value else None


def scrubbed(text: str, target: Target) -> str:
    """A provider's words without credentials, MAX_MESSAGE_CHARS long at most."""
    return _scrub(text, target)[:MAX_MESSAGE_CHARS]


def _scrub(text: str, target: Target) -> str:
    secrets = [value for value in target.headers.values() if len(value) >= 8]
    if target.api_key is not None:
        secrets.append(target.api_key.reveal())
    for secret in secrets:
        if secret:
            text = text.replace(secret, CUT)
    return without_credentials(text)
