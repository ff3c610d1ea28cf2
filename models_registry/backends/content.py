"""Pieces of OpenAI messages that every translation reads the same way."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from models_registry.backends.changes import Changes
from models_registry.backends.signatures import googles, openais
from schema.chat import CalledFunction, ImageUrl, Message, Part, ThinkingBlock, ToolCall
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.wire import MaybeRaw, present

SYSTEM_ROLES = frozenset({"system", "developer"})
"""The roles of messages that a provider with one instruction for the model takes for it."""
ROLES: Mapping[str, str] = MappingProxyType(
    {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
)
"""The roles of messages, in the words of providers that know no `developer`."""
THINKING, REDACTED = "thinking", "redacted_thinking"
NO_ARGUMENTS = msgspec.Raw(b"{}")
NOTHING = ("", "null")
"""Texts of arguments that say that there are none."""
FOLLOWS = "The result follows in the next message."
"""The text of a tool's result that was pictures alone, at providers whose results hold text."""
_THINKING = msgspec.json.Decoder(list[ThinkingBlock])
_OBJECTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LISTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


class DataUri(msgspec.Struct, frozen=True):
    """A data URI, taken apart: `image/png`, and the data as base64 text."""

    media_type: str
    data: str


def address(image: ImageUrl | str | None, where: str) -> str:
    """The address of an image part. Raises InvalidRequest where it has none."""
    url = image.url if isinstance(image, ImageUrl) else image
    if not url:
        raise InvalidRequest(f"'{where}' must have a 'url'.", param=where)
    return url


def data_uri(url: str, where: str) -> DataUri | None:
    """A `data:` address, taken apart. None: the address has another scheme. Raises InvalidRequest where the
    data is not base64."""
    if url[:5].lower() != "data:":
        return None
    head, comma, data = url[5:].partition(",")
    media_type, _, encoding = head.partition(";")
    if not comma or encoding.rpartition(";")[2].lower() != "base64":
        raise InvalidRequest(
            f"'{where}' must be a data URI in base64: data:<media type>;base64,<data>.", param=where
        )
    return DataUri(media_type.lower(), data)


def parts_of(content: str | list[Part] | None) -> list[Part]:
    """A message's content as parts. A string becomes one text part."""
    if isinstance(content, str):
        return [Part(kind="text", text=content)]
    return content or []


def function_of(call: ToolCall, where: str, changes: Changes) -> tuple[str, msgspec.Raw]:
    """The name of the called function, and its arguments as a JSON object. Arguments that were cut, or are no
    object, stand as they are in an object of their own: `{"arguments": "{\\"city\\": \\"Ro"}`. Raises
    UnsupportedParameter for a call of anything but a function."""
    function = call.function
    if call.kind not in (None, "function") or function is None or not function.name:
        raise UnsupportedParameter(f"'{where}' must be the call of a function with a name.", param=where)
    return function.name, _arguments(function, changes)


def arguments_text(raw: MaybeRaw) -> str:
    """A call's arguments as OpenAI has them, JSON as text, from a provider that sends an object. Some servers
    send the text itself."""
    if not present(raw):
        return "{}"
    text = bytes(raw).decode("utf-8", "replace")
    if not text.startswith('"'):
        return text
    try:
        return msgspec.json.decode(raw, type=str) or "{}"
    except msgspec.DecodeError:
        return text


def thinking_text(message: Message) -> str | None:
    """The thinking of an earlier answer as text: `reasoning_content`, else that of `thinking_blocks`."""
    if message.reasoning_content or not present(message.thinking_blocks):
        return message.reasoning_content
    return "".join(block.thinking or "" for block in thinking_blocks(message)) or None


def thinking_blocks(message: Message) -> list[ThinkingBlock]:
    """The `thinking_blocks` of an earlier answer. Empty: it has none, or they can't be read."""
    if not present(message.thinking_blocks):
        return []
    try:
        return _THINKING.decode(message.thinking_blocks)
    except msgspec.DecodeError:
        return []


def signed_thinking(message: Message) -> list[ThinkingBlock]:
    """The thinking of an earlier answer that a Claude model takes back: whole blocks with their signatures. A
    client that collected a stream may send the pieces one by one: a block's text ends with the piece that has
    the signature. Thinking of Google's or
    OpenAI's, or without a signature, is left out."""
    blocks: list[ThinkingBlock] = []
    text: list[str] = []
    for piece in thinking_blocks(message):
        if piece.kind == REDACTED and piece.data and not openais(piece.data):
            blocks.append(ThinkingBlock(kind=REDACTED, data=piece.data))
        elif piece.kind == THINKING and googles(piece.signature):
            text.clear()
        elif piece.kind == THINKING:
            text.append(piece.thinking or "")
            if piece.signature:
                whole = "".join(text)
                blocks.append(ThinkingBlock(kind=THINKING, thinking=whole, signature=piece.signature))
                text.clear()
    return blocks


def citations_in(raw: MaybeRaw) -> list[msgspec.Raw]:
    """The citations in a provider's list, each as it has them. Empty: there are none that can be read."""
    if not present(raw):
        return []
    try:
        return [msgspec.Raw(msgspec.json.encode(each)) for each in _LISTS.decode(raw)]
    except msgspec.DecodeError:
        return []


def role_of(message: Message, where: str, changes: Changes, *, roles: Mapping[str, str] = ROLES) -> str:
    """The role of a message in the provider's words. A participant's name is named in `changes`, since the
    provider has no place for it. Raises UnsupportedParameter for a role that is not in `roles`, and for
    `function_call`."""
    refuse_legacy(message, where)
    role = roles.get(message.role)
    if role is None:
        raise UnsupportedParameter(
            f"'{where}.role' is '{message.role}', which the provider does not know.", param=f"{where}.role"
        )
    if message.name and role != "tool":
        changes.add("messages.name")
    return role


def called_names(messages: Iterable[Message]) -> list[str]:
    """The names of the functions that a conversation has calls of, each once, in the order of the first
    calls."""
    names = (
        call.function.name
        for message in messages
        for call in message.tool_calls or ()
        if call.function is not None and call.function.name
    )
    return list(dict.fromkeys(names))


def refuse_legacy(message: Message, where: str) -> None:
    """Refuse `function_call`, which tools replaced. Raises UnsupportedParameter."""
    if message.function_call is not None:
        raise UnsupportedParameter(
            f"'{where}.function_call' is not supported here: use 'tool_calls'.",
            param=f"{where}.function_call",
        )


def _arguments(function: CalledFunction, changes: Changes) -> msgspec.Raw:
    text = function.arguments
    if text is None or text.strip() in NOTHING:
        return NO_ARGUMENTS
    try:
        _OBJECTS.decode(text)
    except (msgspec.DecodeError, RecursionError):
        changes.add("messages.tool_calls.function.arguments")
        return msgspec.Raw(msgspec.json.encode({"arguments": text}))
    return msgspec.Raw(text.encode())
