"""Turns a provider's error answer, in any shape, into an error of ours.

Client errors, and all errors of local models, keep the provider's words, since they say what is wrong. Every
error has the words in `said`, for the log and the row. The words have a limit on their length, and the
deployment's credentials and all that looks like a credential are cut out of them. A refused credential is the
gateway's own affair: the caller learns which deployment it was, and not what the provider wrote.
"""

import math
import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any  # a provider's JSON, without types

import msgspec

from models_registry.backends.credentials import CUT, without_credentials
from models_registry.backends.tolerance import decoded
from models_registry.dialects import Dialect
from models_registry.target import Target
from schema.errors.upstream import ProviderAnswer, ProviderError, UpstreamError, UpstreamMalformed

_ANYTHING = msgspec.json.Decoder()
MAX_MESSAGE_CHARS = 1000
MAX_WORD_CHARS = 200
MAX_TEXT_BYTES = 16 * 1024
"""A longer plain text is no message."""
MAX_ERRORS = 20
"""The errors of a list that are told."""
MAX_DEPTH = 4
STATUS_DIGITS = 3
MAX_ERROR_BYTES = 256 * 1024
"""A longer error body is not looked into."""

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
STATUS_FIELDS = ("status_code", "status", "code", "http_status", "statusCode", "error_code")
"""Fields of an error object that may hold its status."""
MESSAGE_FIELDS = (
    "message",
    "Message",
    "detail",
    "msg",
    "error_message",
    "error_description",
    "reason",
    "title",
)
"""Fields of an error object that may hold its message, the likeliest first."""

CREDENTIAL_STATUSES = frozenset({401, 402, 403})
CONTEXT_CODE = "context_length_exceeded"
CONTENT_CODE = "content_policy_violation"
"""The code for a request that a provider refuses to answer because of its content."""
OVERFLOW = re.compile(
    r"exceed_context_size|exceeds the available context size"  # llama.cpp
    r"|maximum context length"  # OpenAI, vLLM, DeepSeek, OpenRouter
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


class ReadError(msgspec.Struct, frozen=True, kw_only=True):
    """What an error body says."""

    message: str = ""
    kind: str | None = None
    code: str | None = None
    param: str | None = None
    status: int | None = None
    words: tuple[str, ...] = ()
    """Words of the error that may stand for a status."""


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
    told = _json(body)
    by_google = bool(target.body_version) and _is_googles(told)
    return ProviderAnswer(status=status, in_envelope=by_google or ENVELOPES[target.dialect](told))


def error_inside(error: bytes, target: Target) -> UpstreamError:
    """The error for the `error` member (JSON) of a 200 answer or of a stream's event."""
    found = read_error(b'{"error":' + error + b"}")
    status = found.status
    if status is None:
        status = next((STATUS_BY_TYPE[word] for word in found.words if word in STATUS_BY_TYPE), 502)
    return build_error(STATUSES.get(status, status if status < 500 else 502), found, target)


def tells_error(body: bytes) -> bool:
    """Whether a JSON object that should have been an answer or a chunk tells an error: `{"error": ...}`,
    `{"object": "error", ...}`, `{"detail": ...}`, `{"errors": [...]}` or `{"message": ...}`."""
    value = _json(body)
    if not isinstance(value, dict):
        return False
    if "error" in (value.get("object"), value.get("type")):
        return True
    if any(value.get(name) for name in ("error", "detail", "errors")):
        return True
    return isinstance(value.get("message"), str) and "id" not in value


def error_instead(body: bytes, target: Target, otherwise: str) -> UpstreamError:
    """The error that stands in the place of an answer or a chunk. UpstreamMalformed with the message
    `otherwise`: the body tells no error."""
    value = _json(body)
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


def read_error(body: bytes) -> ReadError:
    """Find the message in the shapes of OpenAI, Anthropic, Ollama, FastAPI and the like. A plain text is the
    message itself. Gives an empty ReadError for HTML, garbage and bodies over MAX_ERROR_BYTES."""
    value = _json(body)
    if value is None:
        return ReadError(message=_plain_text(body))
    if isinstance(value, str):
        return ReadError(message=value)
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return ReadError()
    inner = value.get("error")
    fields: dict[str, Any] = inner if isinstance(inner, dict) else value
    if isinstance(inner, dict) and isinstance(inner.get("error"), dict):
        fields = {**inner, **inner["error"]}
    message = _message(inner if isinstance(inner, str | list) and inner else fields)
    for listed in (inner, fields.get("errors")):
        if isinstance(listed, list) and listed and isinstance(listed[0], dict):
            fields = {**listed[0], **fields}
    kind, code = _text(fields.get("type")), _text(fields.get("code"))
    words = (kind, code, _text(fields.get("status")))
    return ReadError(
        message=message,
        kind=kind,
        code=code,
        param=_text(fields.get("param")),
        status=next((found for name in STATUS_FIELDS if (found := _status(fields.get(name)))), None),
        words=tuple(word.lower() for word in words if word),
    )


def _message(told: object, depth: int = 0) -> str:
    """The words of an error, whatever holds them: a text, a list of errors, an object. A host's own upstream
    may have said more than the host itself (`metadata.raw`, OpenRouter)."""
    if isinstance(told, str):
        return told
    if isinstance(told, list) and told and depth < MAX_DEPTH:
        if all(isinstance(each, str) or _message_of(each) is not None for each in told):
            return "; ".join(filter(None, (_message(each, depth + 1) for each in told[:MAX_ERRORS])))
        return msgspec.json.encode(told).decode()
    if not isinstance(told, dict):
        return msgspec.json.encode(told).decode() if told else ""
    found = _message_of(told)
    if found is None:
        errors = told.get("errors")
        return _message(errors, depth + 1) if errors and depth < MAX_DEPTH else ""
    text = _message(found, depth + 1) if depth < MAX_DEPTH else ""
    metadata = told.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    return f"{text}: {raw}" if isinstance(raw, str) and raw else text


def _message_of(told: object) -> object:
    """The member that holds the message of an error object. None: it has none. FastAPI's items have `loc`,
    and are shown whole."""
    if not isinstance(told, dict) or "loc" in told:
        return None
    return next((told[name] for name in MESSAGE_FIELDS if told.get(name)), None)


def _plain_text(body: bytes) -> str:
    """A body that is a text for people. Empty for markup, for what is no UTF-8, and for JSON that broke."""
    if len(body) > MAX_TEXT_BYTES:
        return ""
    try:
        text = body.decode().strip()
    except UnicodeDecodeError:
        return ""
    return "" if text == "null" or text[:1] in ("<", "{", "[") or not _printable(text) else text


def _printable(text: str) -> bool:
    return all(char.isprintable() or char in "\r\n\t" for char in text)


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


def _is_googles(value: object) -> bool:
    """Whether a body is an error of Google's: `{"error": {"code": 400, "message": ..., "status": ...}}`,
    alone or in a list of one."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    error = value.get("error") if isinstance(value, dict) else None
    return isinstance(error, dict) and isinstance(error.get("message"), str) and "code" in error


def _is_amazons(value: object) -> bool:
    """Whether a body is an error of Amazon's: `{"message": ...}`, or `Message`."""
    return isinstance(value, dict) and any(
        isinstance(value.get(name), str) for name in ("message", "Message")
    )


def _is_anthropics(value: object) -> bool:
    """Whether a body is an error of Anthropic's: `{"type": "error", "error": {"type": ..., "message":
    ...}}`."""
    if not isinstance(value, dict) or value.get("type") != "error":
        return False
    error = value.get("error")
    return isinstance(error, dict) and isinstance(error.get("type"), str)


def _is_coheres(value: object) -> bool:
    """Whether a body is an error of Cohere's: `{"id": ..., "message": ...}`."""
    return isinstance(value, dict) and isinstance(value.get("message"), str) and "id" in value


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
        Dialect.GEMINI: _is_googles,
        Dialect.BEDROCK: _is_amazons,
        Dialect.COHERE: _is_coheres,
        Dialect.RESPONSES: _is_openais,
    }
)
"""Whether a decoded body is an error of the dialect. JSON of another shape, such as `{"message": "Service
Unavailable"}`, is what proxies say."""


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _status(value: object) -> int | None:
    """A status as a number, or as text such as "400"."""
    if isinstance(value, str) and len(value) == STATUS_DIGITS and value.isascii() and value.isdigit():
        value = int(value)
    return value if isinstance(value, int) and 400 <= value < 600 else None


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
