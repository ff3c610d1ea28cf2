"""Reads a provider's error body, in any shape: its message, and the words beside it."""

from typing import Any  # a provider's JSON, without types

import msgspec

from models_registry.backends.tolerance import decoded

_ANYTHING = msgspec.json.Decoder()
MAX_TEXT_BYTES = 16 * 1024
"""A longer plain text is no message."""
MAX_ERRORS = 20
"""The errors of a list that are told."""
MAX_DEPTH = 4
STATUS_DIGITS = 3
MAX_ERROR_BYTES = 256 * 1024
"""A longer error body is not looked into."""
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


class ReadError(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of an error that a provider sent, such as `{"error": {"message": ..., "code": ...}}`."""

    message: str = ""
    kind: str | None = None
    code: str | None = None
    param: str | None = None
    status: int | None = None
    words: tuple[str, ...] = ()
    """Words of the error that may stand for a status."""


def read_error(body: bytes) -> ReadError:
    """Find the message in the shapes of OpenAI, Anthropic, Ollama, FastAPI and the like. A plain text is the
    message itself. Gives an empty ReadError for HTML, garbage and bodies over MAX_ERROR_BYTES."""
    value = json_of(body)
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


def tells_error(body: bytes) -> bool:
    """Whether a JSON object that should have been an answer or a chunk tells an error: `{"error": ...}`,
    `{"object": "error", ...}`, `{"detail": ...}`, `{"errors": [...]}` or `{"message": ...}`."""
    value = json_of(body)
    if not isinstance(value, dict):
        return False
    if "error" in (value.get("object"), value.get("type")):
        return True
    if any(value.get(name) for name in ("error", "detail", "errors")):
        return True
    return isinstance(value.get("message"), str) and "id" not in value


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


def json_of(body: bytes) -> object:
    """The decoded body. None: it is no JSON, or longer than MAX_ERROR_BYTES."""
    if len(body) > MAX_ERROR_BYTES:
        return None
    try:
        return decoded(_ANYTHING, body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _status(value: object) -> int | None:
    """A status as a number, or as text such as "400"."""
    if isinstance(value, str) and len(value) == STATUS_DIGITS and value.isascii() and value.isdigit():
        value = int(value)
    return value if isinstance(value, int) and 400 <= value < 600 else None
