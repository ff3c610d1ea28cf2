"""A conversation in Anthropic's form: system text apart, and user and assistant in turns.

Neighbouring messages of one role become one message. So the results of parallel tool calls stand together in
the message after the calls, as Anthropic demands.

A conversation may have begun at another provider. Anthropic takes no text of blanks alone, no message without
content, no blank at the end of an answer that it shall go on with, and no conversation that the user did not
begin. Such a text is left out, and a message of the user that would be empty is `FILLER`. It is one token,
which the allowance for each message covers.
"""

import msgspec

from models_registry.backends.anthropic.thinking import has_thinking, signed_blocks, signed_part
from models_registry.backends.changes import Changes, MessageFields
from models_registry.backends.content import (
    SYSTEM_ROLES,
    address,
    data_uri,
    function_of,
    parts_of,
    refuse_legacy,
)
from models_registry.backends.images import media_type_of
from models_registry.backends.tool_ids import ToolIds
from schema.chat import ImageUrl, Message, Part
from schema.dialects.anthropic import AnthropicMessage, AnthropicSource, Block
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.wire import ABSENT, MaybeRaw, present

FILLER = "."
"""A text that says nothing."""
UNMARKED = ("thinking", "redacted_thinking")
"""Kinds of blocks that take no `cache_control`."""
AUTO = "auto"
FIELDS = MessageFields.with_more(message=("cache_control",), part=("file", "cache_control"))


class _File(msgspec.Struct, frozen=True):
    file_data: str | None = None
    file_id: str | None = None


def conversation(messages: list[Message], changes: Changes) -> tuple[list[Block], list[AnthropicMessage]]:
    """The system blocks, and the turns. What has no place in Anthropic's messages is left out and named in
    `changes`. Raises InvalidRequest or UnsupportedParameter, which name the message."""
    reading = _Reading(changes)
    for i, message in enumerate(messages):
        reading.add(message, f"messages[{i}]")
    return reading.system, reading.ended()


def marked(raw: MaybeRaw) -> MaybeRaw:
    """A `cache_control` that marks something. Null marks nothing."""
    return raw if present(raw) else ABSENT


class _Reading:
    """A conversation while it is read."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._ids = ToolIds(changes)
        self.system: list[Block] = []
        self.turns: list[AnthropicMessage] = []

    def add(self, message: Message, where: str) -> None:
        """Add a message to the system's text or to the turns."""
        if message.role in SYSTEM_ROLES:
            self.system += self._marked(self._texts(message, where), message)
            return
        role, blocks = self._turn(message, where)
        blocks = self._marked(blocks, message)
        if self.turns and self.turns[-1].role == role:
            self.turns[-1].content.extend(blocks)
        elif blocks or role == "user":
            self.turns.append(AnthropicMessage(role=role, content=blocks))

    def ended(self) -> list[AnthropicMessage]:
        """The turns, once all messages are read."""
        turns, changes = self.turns, self._changes
        if turns and turns[-1].role == "assistant":
            self._cut_blanks(turns[-1].content)
            if not turns[-1].content:
                turns.pop()
        for turn in turns:
            if not turn.content:
                turn.content.append(Block(kind="text", text=FILLER))
                changes.add("messages.content")
        if not turns and not self.system:
            raise InvalidRequest("'messages' must hold a message of the user.", param="messages")
        if not turns or turns[0].role != "user":
            turns.insert(0, AnthropicMessage(role="user", content=[Block(kind="text", text=FILLER)]))
            changes.add("messages")
        return turns

    def _cut_blanks(self, blocks: list[Block]) -> None:
        """Cut the blanks off the end of an answer that the model shall go on with."""
        while blocks and blocks[-1].kind == "text":
            text = blocks[-1].text or ""
            if text == text.rstrip():
                return
            self._changes.add("messages.content")
            last = blocks.pop()
            if text.strip():
                blocks.append(msgspec.structs.replace(last, text=text.rstrip()))

    def _marked(self, blocks: list[Block], message: Message) -> list[Block]:
        """The blocks of a message with its `cache_control`, which marks the last one."""
        if not present(message.cache_control):
            return blocks
        if not blocks or blocks[-1].kind in UNMARKED:
            self._changes.add("messages.cache_control")
            return blocks
        return [*blocks[:-1], msgspec.structs.replace(blocks[-1], cache_control=message.cache_control)]

    def _turn(self, message: Message, where: str) -> tuple[str, list[Block]]:
        refuse_legacy(message, where)
        if message.name and message.role != "tool":
            self._changes.add("messages.name")
        match message.role:
            case "user":
                return "user", self._blocks(message, where)
            case "assistant":
                thinking = self._thinking(message)
                return "assistant", thinking + self._blocks(message, where) + self._calls(message, where)
            case "tool":
                return "user", [self._result(message, where)]
            case _:
                raise UnsupportedParameter(
                    f"'{where}.role' is '{message.role}', which the provider does not know.",
                    param=f"{where}.role",
                )

    def _thinking(self, message: Message) -> list[Block]:
        """The thinking that goes in front of an answer. Thinking among the parts stays in its place."""
        blocks = signed_blocks(message)
        if not blocks and has_thinking(message):
            name = "thinking_blocks" if present(message.thinking_blocks) else "reasoning_content"
            self._changes.add(f"messages.{name}")
        return blocks

    def _calls(self, message: Message, where: str) -> list[Block]:
        blocks = []
        for j, call in enumerate(message.tool_calls or ()):
            at = f"{where}.tool_calls[{j}]"
            name, arguments = function_of(call, at, self._changes)
            if not call.id:
                raise InvalidRequest(f"'{at}.id' is missing.", param=f"{at}.id")
            blocks.append(
                Block(
                    kind="tool_use",
                    id=self._ids.of_call(call.id),
                    name=name,
                    input=arguments,
                    cache_control=marked(call.cache_control),
                )
            )
        return blocks

    def _result(self, message: Message, where: str) -> Block:
        if not message.tool_call_id:
            raise InvalidRequest(f"'{where}.tool_call_id' is missing.", param=f"{where}.tool_call_id")
        content: str | list[Block] = ""
        if isinstance(message.content, str):
            content = message.content if message.content.strip() else ""
            if message.content and not content:
                self._changes.add("messages.content")
        else:
            content = self._blocks(message, where)
        id = self._ids.of_result(message.tool_call_id)
        return Block(kind="tool_result", tool_use_id=id, content=content or msgspec.UNSET)

    def _texts(self, message: Message, where: str) -> list[Block]:
        blocks = self._blocks(message, where)
        for j, block in enumerate(blocks):
            if block.kind != "text":
                raise UnsupportedParameter(
                    f"'{where}.content[{j}]' must be text in a {message.role} message.",
                    param=f"{where}.content[{j}]",
                )
        return blocks

    def _blocks(self, message: Message, where: str) -> list[Block]:
        """The content of a message as blocks. An empty text says nothing, and one of blanks hardly more."""
        blocks: list[Block] = []
        for j, part in enumerate(parts_of(message.content)):
            if part.kind in UNMARKED:
                thinking = signed_part(part) if message.role == "assistant" else None
                if thinking is None:
                    self._changes.add("messages.content.thinking")
                else:
                    blocks.append(thinking)
            elif part.kind != "text" or part.text is None or part.text.strip():
                blocks.append(self._block(part, f"{where}.content[{j}]"))
            elif part.text or present(part.cache_control):
                self._changes.add("messages.content")
        if message.refusal and message.refusal.strip():
            blocks.append(Block(kind="text", text=message.refusal))
        return blocks

    def _block(self, part: Part, where: str) -> Block:
        cache_control = marked(part.cache_control)
        match part.kind:
            case "text" if part.text is not None:
                return Block(kind="text", text=part.text, cache_control=cache_control)
            case "refusal" if part.refusal is not None:
                return Block(kind="text", text=part.refusal or FILLER, cache_control=cache_control)
            case "image_url":
                source = self._image(part.image_url, f"{where}.image_url")
                return Block(kind="image", source=source, cache_control=cache_control)
            case "file" if present(part.file):
                source = _document(part.file, where)
                return Block(kind="document", source=source, cache_control=cache_control)
            case kind:
                raise UnsupportedParameter(
                    f"'{where}' is a part of type '{kind}', which the provider does not take.",
                    param=f"{where}.{kind}",
                )

    def _image(self, image: ImageUrl | str | None, where: str) -> AnthropicSource:
        url = address(image, where)
        if isinstance(image, ImageUrl) and image.detail not in (None, AUTO):
            self._changes.add("messages.content.image_url.detail")
        inline = data_uri(url, where)
        if inline is not None:
            media_type = media_type_of(inline)
            if media_type != inline.media_type:
                self._changes.add("messages.content.image_url")
            return AnthropicSource(kind="base64", media_type=media_type, data=inline.data)
        if url.lower().startswith(("http://", "https://")):
            return AnthropicSource(kind="url", url=url)
        raise UnsupportedParameter(f"'{where}' must be an http(s) address or a data URI.", param=where)


def _document(raw: msgspec.Raw, where: str) -> AnthropicSource:
    try:
        file = msgspec.json.decode(raw, type=_File)
    except msgspec.ValidationError as exc:
        raise InvalidRequest(f"'{where}.file' is malformed: {exc}", param=f"{where}.file") from exc
    text = file.file_data or file.file_id
    if text and text.lower().startswith("https://"):
        return AnthropicSource(kind="url", url=text)
    inline = data_uri(text, f"{where}.file.file_data") if text else None
    if inline is None or inline.media_type != "application/pdf":
        raise UnsupportedParameter(
            f"'{where}.file' must have 'file_data': a PDF as a data URI in base64.", param=f"{where}.file"
        )
    return AnthropicSource(kind="base64", media_type=inline.media_type, data=inline.data)
