"""Turns a provider's error answer, in any shape, into an error of ours.

Client errors keep the provider's words, since they say what is wrong with the request. The words have a limit
on their length, and the deployment's credentials and all that looks like a credential are cut out of them. A
refused credential is the gateway's own affair: the caller learns which deployment it was, and not what the
provider wrote.
"""

import math
import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from types import MappingProxyType

import msgspec

from models_registry.backends.credentials import CUT, without_credentials
from models_registry.backends.tolerance import decoded
from models_registry.target import Dialect, Target
from schema.errors import ProviderError, UpstreamError, UpstreamMalformed, WholeAnswer

_ANYTHING = msgspec.json.Decoder()
MAX_MESSAGE_CHARS = 1000
MAX_WORD_CHARS = 200
MAX_ERROR_BYTES = 256 * 1024
"""A longer error body is not looked into."""

STATUSES: Mapping[int, int] = MappingProxyType(
    {status: status for status in (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504)}
    | {
        498: 503,  # Groq: no flex capacity
        529: 503,  # Anthropic: overloaded
    }
)
"""The provider's statuses, each with the status that the caller gets. In a whole answer any other 5xx becomes
500, and any other 4xx stays as it is. Inside a 200, any other status becomes 502."""

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
    }
)
"""The status of an error inside a 200, by its `type` or `code` (OpenAI's and Anthropic's words)."""

CREDENTIAL_STATUSES = frozenset({401, 402, 403})
CONTEXT_CODE = "context_length_exceeded"
CONTENT_CODE = "content_policy_violation"
"""The code for a request that a provider refuses to answer because of its content."""
OVERFLOW = re.compile(
    r"exceed_context_size|exceeds the available context size"  # llama.cpp
    r"|maximum context length"  # OpenAI, vLLM, DeepSeek, OpenRouter
    r"|prompt is too long|exceed context limit"  # Anthropic
    r"|prompt too long|exceeds the context length"  # Ollama
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


class ReadError(msgspec.Struct, frozen=True, kw_only=True):
    """What an error body says."""

    message: str = ""
    kind: str | None = None
    code: str | None = None
    param: str | None = None
    status: int | None = None


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


def whole_answer(status: int, body: bytes, target: Target) -> WholeAnswer:
    """The status of a failing answer, and whether its body is an error of the dialect."""
    return WholeAnswer(status=status, in_envelope=ENVELOPES[target.dialect](_json(body)))


def error_inside(error: bytes, target: Target) -> UpstreamError:
    """The error for the `error` member (JSON) of a 200 answer or of a stream's event."""
    found = read_error(b'{"error":' + error + b"}")
    status = found.status
    if status is None:
        status = STATUS_BY_TYPE.get(found.kind or "") or STATUS_BY_TYPE.get(found.code or "") or 502
    return build_error(STATUSES.get(status, 502), found, target, retry_after_s=None)


def build_error(
    status: int, found: ReadError, target: Target, *, retry_after_s: float | None
) -> ProviderError:
    """The error with a status of ours, by what the provider's body says."""
    code = found.code
    overflow = OVERFLOW.search(f"{code} {found.kind} {found.message}") is not None
    if overflow and status in (400, 413, 422, 500):
        status, code = 400, CONTEXT_CODE
    elif status in (400, 403, 422) and (code in CONTENT_CODES or CONTENT.search(found.message)):
        status, code = 400, CONTENT_CODE
    if status in CREDENTIAL_STATUSES:
        return ProviderError(
            f"{_who(target)} refused the gateway's credential (status {status}). "
            "An administrator has to check that deployment's key and account.",
            status=status,
            code=_word(code, target),
            retry_after_s=retry_after_s,
        )
    message = _scrub(found.message, target)[:MAX_MESSAGE_CHARS] if status < 500 else ""
    return ProviderError(
        message or f"{_who(target)} failed with status {status}.",
        status=status,
        kind=_word(found.kind, target),
        param=_word(found.param, target),
        code=_word(code, target),
        retry_after_s=retry_after_s,
    )


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


def read_error(body: bytes) -> ReadError:
    """Find the message in the shapes of OpenAI, Anthropic, Ollama, FastAPI and the like. Gives an empty
    ReadError for HTML, garbage and bodies over MAX_ERROR_BYTES."""
    value = _json(body)
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return ReadError()
    inner = value.get("error")
    if isinstance(inner, str):
        return ReadError(message=inner, kind=_text(value.get("type")), code=_text(value.get("code")))
    fields = inner if isinstance(inner, dict) else value
    message = fields.get("message") or fields.get("detail") or fields.get("msg") or ""
    return ReadError(
        message=message if isinstance(message, str) else msgspec.json.encode(message).decode(),
        kind=_text(fields.get("type")),
        code=_text(fields.get("code")),
        param=_text(fields.get("param")),
        status=_status(fields.get("status_code")) or _status(fields.get("code")),
    )


def _json(body: bytes) -> object:
    """The decoded body. None: it is no JSON, or longer than MAX_ERROR_BYTES."""
    if len(body) > MAX_ERROR_BYTES:
        return None
    try:
        return decoded(_ANYTHING, body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _is_openais(value: object) -> bool:
    """Whether a body is an error of OpenAI's dialect: `{"error": {"message": ...}}` (OpenAI, llama.cpp, and
    Gemini in a list of one), `{"error": "..."}` (xAI, Venice) or `{"object": "error", "message": ...}` (vLLM,
    Mistral)."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return False
    error = value.get("error")
    if isinstance(error, dict):
        return isinstance(error.get("message"), str)
    says = error if error is not None else value.get("object") == "error" and value.get("message")
    return isinstance(says, str) and bool(says)


def _is_anthropics(value: object) -> bool:
    """Whether a body is an error of Anthropic's: `{"type": "error", "error": {"type": ..., "message":
    ...}}`."""
    if not isinstance(value, dict) or value.get("type") != "error":
        return False
    error = value.get("error")
    return isinstance(error, dict) and isinstance(error.get("type"), str)


def _is_ollamas(value: object) -> bool:
    """Whether a body is an error of Ollama's: `{"error": "..."}`."""
    if not isinstance(value, dict):
        return False
    error = value.get("error")
    return isinstance(error, str) and bool(error)


ENVELOPES: Mapping[Dialect, Callable[[object], bool]] = MappingProxyType(
    {
        Dialect.OPENAI: _is_openais,
        Dialect.ANTHROPIC: _is_anthropics,
        Dialect.OLLAMA: _is_ollamas,
    }
)
"""Whether a decoded body is an error of the dialect. JSON of another shape, such as `{"message": "Service
Unavailable"}`, is what proxies say."""


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _status(value: object) -> int | None:
    return value if isinstance(value, int) and 400 <= value < 600 else None


def _who(target: Target) -> str:
    return f"The provider '{target.provider}' of '{target.public_name}'"


def _word(value: str | None, target: Target) -> str | None:
    return _scrub(value, target)[:MAX_WORD_CHARS] if value else None


def _scrub(text: str, target: Target) -> str:
    secrets = [value for value in target.headers.values() if len(value) >= 8]
    if target.api_key is not None:
        secrets.append(target.api_key.reveal())
    for secret in secrets:
        if secret:
            text = text.replace(secret, CUT)
    return without_credentials(text)
