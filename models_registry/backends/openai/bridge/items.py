"""A conversation as items of Responses. An answer of the model becomes several: its thinking, its text, each
call of a tool."""

from types import MappingProxyType

import msgspec

from models_registry.backends.changes import Changes, MessageFields
from models_registry.backends.content import REDACTED, address, parts_of, role_of, thinking_blocks
from models_registry.backends.openai.history import MAX_ID_CHARS, short_id
from models_registry.backends.signatures import openais
from schema.chat import ImageUrl, Message, Part
from schema.dialects.openai_responses import SentItem, SentPart
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.wire import MaybeRaw, present

FIELDS = MessageFields.with_more(part=("file",))
ROLES = MappingProxyType(
    {"system": "system", "developer": "developer", "user": "user", "assistant": "assistant", "tool": "tool"}
)
ASSISTANT, TOOL = "assistant", "tool"


class _FileGiven(msgspec.Struct, frozen=True):
    file_id: str | None = None
    file_data: str | None = None
    filename: str | None = None


_FILES = msgspec.json.Decoder(_FileGiven)


def items_of(messages: list[Message], changes: Changes) -> list[SentItem]:
    """The items of a conversation. What has no place is left out and named in `changes`. Raises
    InvalidRequest or UnsupportedParameter, which name the message."""
    if not messages:
        raise InvalidRequest("'messages' must not be empty.", param="messages")
    found: list[SentItem] = []
    for place, message in enumerate(messages):
        found += _items(message, f"messages[{place}]", changes)
    return found


def _items(message: Message, where: str, changes: Changes) -> list[SentItem]:
    role = role_of(message, where, changes, roles=ROLES)
    if role == TOOL:
        return [_result(message, where, changes)]
    if role != ASSISTANT:
        return [SentItem(kind="message", role=role, content=_input(message, where, changes))]
    said = _said(message, where, changes)
    return [
        *_thinking(message, changes),
        *([SentItem(kind="message", role=role, content=said)] if said else []),
        *_calls(message, where),
    ]


def _input(message: Message, where: str, changes: Changes) -> str | list[SentPart]:
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    parts = []
    for place, part in enumerate(message.content):
        parts += _part(part, f"{where}.content[{place}]", changes)
    return parts


def _part(part: Part, where: str, changes: Changes) -> list[SentPart]:
    match part.kind:
        case "text" if part.text is not None:
            return [SentPart(kind="input_text", text=part.text)]
        case "refusal" if part.refusal is not None:
            return [SentPart(kind="input_text", text=part.refusal)]
        case "thinking" | "redacted_thinking":
            changes.add("messages.content.thinking")
            return []
        case "image_url":
            return [_picture(part.image_url, f"{where}.image_url")]
        case "file" if present(part.file):
            return [_file(part.file, f"{where}.file")]
        case kind:
            raise UnsupportedParameter(
                f"'{where}' is a part of type '{kind}', which the provider does not take.",
                param=f"{where}.{kind}",
            )


def _picture(image: ImageUrl | str | None, where: str) -> SentPart:
    detail = image.detail if isinstance(image, ImageUrl) else None
    return SentPart(kind="input_image", image_url=address(image, where), detail=detail or "auto")


def _file(raw: MaybeRaw, where: str) -> SentPart:
    try:
        file = _FILES.decode(raw if present(raw) else b"{}")
    except msgspec.DecodeError as exc:
        raise InvalidRequest(f"'{where}' is malformed: {exc}", param=where) from exc
    if file.file_data:
        if file.file_data[:8].lower() == "https://":
            return SentPart(kind="input_file", file_url=file.file_data)
        return SentPart(kind="input_file", file_data=file.file_data, filename=file.filename or "file")
    if not file.file_id:
        raise InvalidRequest(f"'{where}' must have 'file_data' or 'file_id'.", param=where)
    return SentPart(kind="input_file", file_id=file.file_id)


def _said(message: Message, where: str, changes: Changes) -> list[SentPart]:
    """What the model said in an earlier answer."""
    found = []
    for place, part in enumerate(parts_of(message.content)):
        if part.kind == "text":
            found += [SentPart(kind="output_text", text=part.text)] if part.text else []
        elif part.kind == "refusal":
            found += [SentPart(kind="refusal", refusal=part.refusal)] if part.refusal else []
        elif part.kind in ("thinking", "redacted_thinking"):
            changes.add("messages.content.thinking")
        else:
            at = f"{where}.content[{place}]"
            raise UnsupportedParameter(
                f"'{at}' is a part of type '{part.kind}', which an answer can't have here.",
                param=f"{at}.type",
            )
    if message.refusal:
        found.append(SentPart(kind="refusal", refusal=message.refusal))
    return found


def _thinking(message: Message, changes: Changes) -> list[SentItem]:
    """The thinking that the provider sealed. It can't read any other."""
    sealed = [openais(block.data) for block in thinking_blocks(message) if block.kind == REDACTED]
    found = [text for text in sealed if text]
    if message.reasoning_content and not found:
        changes.add("messages.reasoning_content")
    return [SentItem(kind="reasoning", summary=[], encrypted_content=text) for text in found]


def _calls(message: Message, where: str) -> list[SentItem]:
    found = []
    for place, call in enumerate(message.tool_calls or ()):
        at = f"{where}.tool_calls[{place}]"
        function = call.function
        if call.kind not in (None, "function") or function is None or not function.name:
            raise UnsupportedParameter(f"'{at}' must be the call of a function with a name.", param=at)
        if not call.id:
            raise InvalidRequest(f"'{at}.id' is missing.", param=f"{at}.id")
        found.append(
            SentItem(
                kind="function_call",
                call_id=_short(call.id),
                name=function.name,
                arguments=function.arguments or "{}",
            )
        )
    return found


def _result(message: Message, where: str, changes: Changes) -> SentItem:
    if not message.tool_call_id:
        raise InvalidRequest(f"'{where}.tool_call_id' is missing.", param=f"{where}.tool_call_id")
    output = _input(message, where, changes)
    return SentItem(kind="function_call_output", call_id=_short(message.tool_call_id), output=output)


def _short(id: str) -> str:
    return short_id(id) if len(id) > MAX_ID_CHARS else id
