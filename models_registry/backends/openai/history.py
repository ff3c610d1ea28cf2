"""Earlier answers of other providers, as OpenAI's own hosts take them.

OpenAI refuses a message with a field that it does not declare, a part that is thinking, and the id of a tool
call with more than 40 characters. Answers of other models have all of these, and clients send them back.
"""

import hashlib
from collections.abc import Collection

import msgspec

from schema.chat import ChatRequest

FOREIGN = (
    "reasoning_content",
    "thinking_blocks",
    "provider_specific_fields",
    "reasoning",
    "reasoning_details",
)
"""Fields of answers that stand for no text of the conversation."""
THINKING = frozenset({b'"thinking"', b'"redacted_thinking"'})
"""Kinds of parts that are thinking."""
THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details")
MAX_ID_CHARS = 40
KEPT_CHARS = 23
HASH_CHARS = 16
_SIGNS = tuple(f'"{name}"'.encode() for name in (*FOREIGN, "thinking", "redacted_thinking"))
_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_TEXT = msgspec.json.Decoder(str)

_Object = dict[str, msgspec.Raw]


def may_be_foreign(request: ChatRequest) -> bool:
    """Whether a conversation may hold what OpenAI refuses. A first question never does."""
    answers = [message for message in request.messages if message.role == "assistant"]
    if not answers:
        return False
    if any(len(call.id or "") > MAX_ID_CHARS for each in answers for call in each.tool_calls or ()):
        return True
    messages = bytes((request.raw or request.fields())["messages"])
    return any(sign in messages for sign in _SIGNS)


def without_foreign(fields: _Object) -> list[str]:
    """Take out what OpenAI refuses. Gives the names."""
    messages = _OBJECTS.decode(fields["messages"])
    names: dict[str, None] = {}
    for message in messages:
        for name in FOREIGN:
            raw = message.pop(name, None)
            if raw is not None:
                names[f"messages.{name}"] = None
        _leave_out_thinking(message, names)
        _shorten_ids(message, names)
    if not names:
        return []
    fields["messages"] = msgspec.Raw(msgspec.json.encode(messages))
    return list(names)


def holds_any(request: ChatRequest, names: Collection[str]) -> bool:
    """Whether an earlier answer may have one of these fields."""
    if not any(message.role == "assistant" for message in request.messages):
        return False
    messages = bytes((request.raw or request.fields())["messages"])
    return any(f'"{name}"'.encode() in messages for name in names)


def without_fields(fields: _Object, names: Collection[str]) -> list[str]:
    """Take these fields out of messages. Gives the names of those that were there."""
    messages = _OBJECTS.decode(fields["messages"])
    found = {name: None for message in messages for name in names if message.pop(name, None) is not None}
    if found:
        fields["messages"] = msgspec.Raw(msgspec.json.encode(messages))
    return [f"messages.{name}" for name in found]


def lacks_thinking(request: ChatRequest) -> bool:
    """Whether a conversation with tools has an answer without its thinking."""
    answers = [message for message in request.messages if message.role == "assistant"]
    if not request.tools and not any(message.tool_calls for message in answers):
        return False
    return any(not message.reasoning_content for message in answers)


def with_thinking(fields: _Object) -> list[str]:
    """Give answers without their thinking a blank in its place. Gives the names that were changed."""
    messages = _OBJECTS.decode(fields["messages"])
    changed = False
    for message in messages:
        thought = any(_says(message, name) for name in THOUGHTS)
        if thought or bytes(message.get("role", b"")) != b'"assistant"':
            continue
        message[THOUGHTS[0]] = msgspec.Raw(b'" "')
        changed = True
    if changed:
        fields["messages"] = msgspec.Raw(msgspec.json.encode(messages))
    return [f"messages.{THOUGHTS[0]}"] if changed else []


def _says(message: _Object, name: str) -> bool:
    return bytes(message.get(name, b"null")) not in (b"null", b'""', b"[]")


def joined_content(fields: _Object) -> list[str]:
    """Make one text of each message whose parts are all text, a line for each part. Gives the names that were
    changed. A message with other parts stays as it is: the provider says what it thinks of it."""
    messages = _OBJECTS.decode(fields["messages"])
    changed = False
    for message in messages:
        parts = _objects(message.get("content"))
        texts = [_TEXT.decode(part["text"]) for part in parts if bytes(part.get("text", b""))[:1] == b'"']
        if parts and len(texts) == len(parts):
            message["content"] = _raw("\n".join(texts))
            changed = True
    if not changed:
        return []
    fields["messages"] = msgspec.Raw(msgspec.json.encode(messages))
    return ["messages.content"]


def _leave_out_thinking(message: _Object, names: dict[str, None]) -> None:
    parts = _objects(message.get("content"))
    kept = [part for part in parts if bytes(part.get("type", b"")) not in THINKING]
    if len(kept) < len(parts):
        names["messages.content.thinking"] = None
        message["content"] = _raw(kept) if kept else msgspec.Raw(b'""')


def _shorten_ids(message: _Object, names: dict[str, None]) -> None:
    calls = _objects(message.get("tool_calls"))
    changed = [_shorten(call, "id") for call in calls]
    if any(changed):
        message["tool_calls"] = _raw(calls)
    if any(changed) or _shorten(message, "tool_call_id"):
        names["messages.tool_calls.id"] = None


def _shorten(holder: _Object, name: str) -> bool:
    """Shorten an id. A call and its result get the same one."""
    raw = holder.get(name)
    if raw is None or memoryview(raw).nbytes <= MAX_ID_CHARS:
        return False
    try:
        id = _TEXT.decode(raw)
    except msgspec.DecodeError:
        return False
    if len(id) <= MAX_ID_CHARS:
        return False
    holder[name] = _raw(short_id(id))
    return True


def short_id(id: str) -> str:
    """A shorter id that stands for a long one, the same wherever it stands."""
    digest = hashlib.sha256(id.encode("utf-8", "replace")).hexdigest()[:HASH_CHARS]
    return f"{id[:KEPT_CHARS]}_{digest}"


def _objects(raw: msgspec.Raw | None) -> list[_Object]:
    if raw is None or bytes(raw)[:1] != b"[":
        return []
    try:
        return _OBJECTS.decode(raw)
    except msgspec.DecodeError:
        return []


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
