"""A conversation in Bedrock's form: system text apart, and user and assistant in turns.

Neighbouring messages of one role become one message, so that the results of parallel calls stand together.
Bedrock takes no text of blanks alone and no conversation that the user did not begin. Such a text is left
out, and a message of the user that would be empty is `FILLER`. A mark of the cache is a block of its own
behind what it marks."""

import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.backends.changes import Changes, MessageFields
from models_registry.backends.content import (
    SYSTEM_ROLES,
    address,
    data_uri,
    function_of,
    parts_of,
    refuse_legacy,
    signed_thinking,
)
from models_registry.backends.images import media_type_of
from models_registry.backends.tool_ids import ToolIds
from schema.chat import ImageUrl, Message, Part
from schema.dialects.bedrock import (
    BedrockBlock,
    BedrockDocument,
    BedrockMessage,
    BedrockPicture,
    BedrockReasoning,
    BedrockReasoningText,
    BedrockSource,
    BedrockToolResult,
    BedrockToolUse,
)
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.wire import MaybeRaw, present

FILLER = "."
"""A text that says nothing."""
AUTO = "auto"
MAX_ID_CHARS = 64
THINKING = ("thinking", "redacted_thinking")
FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "application/pdf": "pdf",
        "text/csv": "csv",
        "application/msword": "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
        "application/vnd.ms-excel": "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
        "text/html": "html",
        "text/plain": "txt",
        "text/markdown": "md",
    }
)
"""The media types of documents."""
PICTURES = frozenset({"png", "jpeg", "gif", "webp"})
MAX_NAME_CHARS = 200
_UNNAMED = re.compile(r"[^A-Za-z0-9 ()\[\]-]+")
_BLANKS = re.compile(r"\s{2,}")
FIELDS = MessageFields.with_more(message=("cache_control",), part=("file", "cache_control"))


class _BedrockFile(msgspec.Struct, frozen=True):
    file_data: str | None = None
    filename: str | None = None


class _Marked(msgspec.Struct, frozen=True):
    """Anthropic's `cache_control`."""

    ttl: str | None = None


def cache_point(raw: MaybeRaw) -> dict[str, str] | None:
    """The mark that a `cache_control` stands for. None: it marks nothing."""
    if not present(raw):
        return None
    try:
        ttl = msgspec.json.decode(raw, type=_Marked).ttl
    except msgspec.ValidationError:
        ttl = None
    return {"type": "default"} | ({"ttl": ttl} if ttl else {})


def conversation(
    messages: list[Message], changes: Changes
) -> tuple[list[BedrockBlock], list[BedrockMessage]]:
    """The system blocks, and the turns. Raises InvalidRequest or UnsupportedParameter, which name the
    message."""
    reading = _MessagesReader(changes)
    for i, message in enumerate(messages):
        reading.add(message, f"messages[{i}]")
    return reading.system, reading.ended()


class _MessagesReader:
    """A conversation while it is read."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._ids = ToolIds(changes, MAX_ID_CHARS)
        self._documents = 0
        self.system: list[BedrockBlock] = []
        self.turns: list[BedrockMessage] = []

    def add(self, message: Message, where: str) -> None:
        """Add a message to the system's text or to the turns."""
        refuse_legacy(message, where)
        if message.role in SYSTEM_ROLES:
            self.system += self._marked(self._texts(message, where), message.cache_control)
            return
        if message.name and message.role != "tool":
            self._changes.add("messages.name")
        match message.role:
            case "user":
                role, blocks = "user", self._blocks(message, where)
            case "assistant":
                role = "assistant"
                blocks = self._thinking(message) + self._blocks(message, where) + self._calls(message, where)
            case "tool":
                role, blocks = "user", self._result(message, where)
            case _:
                raise UnsupportedParameter(
                    f"'{where}.role' is '{message.role}', which the provider does not know.",
                    param=f"{where}.role",
                )
        blocks = self._marked(blocks, message.cache_control)
        if self.turns and self.turns[-1].role == role:
            self.turns[-1].content.extend(blocks)
        elif blocks or role == "user":
            self.turns.append(BedrockMessage(role=role, content=blocks))

    def ended(self) -> list[BedrockMessage]:
        """The turns, once all messages are read."""
        turns = self.turns
        for turn in turns:
            if not turn.content:
                turn.content.append(BedrockBlock(text=FILLER))
                self._changes.add("messages.content")
        if not turns and not self.system:
            raise InvalidRequest("'messages' must hold a message of the user.", param="messages")
        if not turns or turns[0].role != "user":
            turns.insert(0, BedrockMessage(role="user", content=[BedrockBlock(text=FILLER)]))
            self._changes.add("messages")
        last = turns[-1]
        if last.role == "assistant" and last.content[-1].text is not None:
            text = last.content[-1].text
            if text != text.rstrip():
                last.content[-1] = BedrockBlock(text=text.rstrip())
                self._changes.add("messages.content")
        return turns

    def _marked(self, blocks: list[BedrockBlock], raw: MaybeRaw) -> list[BedrockBlock]:
        """The blocks with a mark of the cache behind them."""
        point = cache_point(raw)
        if point is None or not blocks:
            return blocks
        return [*blocks, BedrockBlock(cache_point=point)]

    def _thinking(self, message: Message) -> list[BedrockBlock]:
        """The thinking that goes in front of an answer: what has a signature of a Claude model."""
        blocks = [
            BedrockBlock(
                reasoning_content=BedrockReasoning(redacted_content=each.data)
                if each.data
                else BedrockReasoning(
                    reasoning_text=BedrockReasoningText(text=each.thinking or "", signature=each.signature)
                )
            )
            for each in signed_thinking(message)
        ]
        if not blocks and (message.reasoning_content or present(message.thinking_blocks)):
            name = "thinking_blocks" if present(message.thinking_blocks) else "reasoning_content"
            self._changes.add(f"messages.{name}")
        return blocks

    def _calls(self, message: Message, where: str) -> list[BedrockBlock]:
        blocks: list[BedrockBlock] = []
        for j, call in enumerate(message.tool_calls or ()):
            at = f"{where}.tool_calls[{j}]"
            name, arguments = function_of(call, at, self._changes)
            if not call.id:
                raise InvalidRequest(f"'{at}.id' is missing.", param=f"{at}.id")
            use = BedrockToolUse(tool_use_id=self._ids.of_call(call.id), name=name, input=arguments)
            blocks += self._marked([BedrockBlock(tool_use=use)], call.cache_control)
        return blocks

    def _result(self, message: Message, where: str) -> list[BedrockBlock]:
        """The result, and the mark behind it: Bedrock takes none inside of it."""
        if not message.tool_call_id:
            raise InvalidRequest(f"'{where}.tool_call_id' is missing.", param=f"{where}.tool_call_id")
        blocks = self._blocks(message, where)
        content = [block for block in blocks if block.cache_point is None]
        inside = [block for block in blocks if block.cache_point is not None][-1:]
        id = self._ids.of_result(message.tool_call_id)
        empty = [BedrockBlock(text=FILLER)]
        result = BedrockBlock(tool_result=BedrockToolResult(tool_use_id=id, content=content or empty))
        return [result] if present(message.cache_control) else [result, *inside]

    def _texts(self, message: Message, where: str) -> list[BedrockBlock]:
        blocks = self._blocks(message, where)
        if any(block.text is None and block.cache_point is None for block in blocks):
            raise UnsupportedParameter(
                f"'{where}.content' must be text in a {message.role} message.", param=f"{where}.content"
            )
        return blocks

    def _blocks(self, message: Message, where: str) -> list[BedrockBlock]:
        blocks: list[BedrockBlock] = []
        for j, part in enumerate(parts_of(message.content)):
            if part.kind in THINKING:
                self._changes.add("messages.content.thinking")
            elif part.kind != "text" or part.text is None or part.text.strip():
                blocks += self._marked([self._block(part, f"{where}.content[{j}]")], part.cache_control)
            elif part.text:
                self._changes.add("messages.content")
        if message.refusal and message.refusal.strip():
            blocks.append(BedrockBlock(text=message.refusal))
        return blocks

    def _block(self, part: Part, where: str) -> BedrockBlock:
        match part.kind:
            case "text" if part.text is not None:
                return BedrockBlock(text=part.text)
            case "refusal" if part.refusal is not None:
                return BedrockBlock(text=part.refusal or FILLER)
            case "image_url":
                return BedrockBlock(image=self._image(part.image_url, f"{where}.image_url"))
            case "file" if present(part.file):
                return BedrockBlock(document=self._document(part.file, f"{where}.file"))
            case kind:
                raise UnsupportedParameter(
                    f"'{where}' is a part of type '{kind}', which the provider does not take.",
                    param=f"{where}.{kind}",
                )

    def _image(self, image: ImageUrl | str | None, where: str) -> BedrockPicture:
        if isinstance(image, ImageUrl) and image.detail not in (None, AUTO):
            self._changes.add("messages.content.image_url.detail")
        inline = data_uri(address(image, where), where)
        if inline is None:
            raise UnsupportedParameter(
                f"'{where}' must be a data URI in base64: the provider fetches no address.", param=where
            )
        kind = media_type_of(inline).removeprefix("image/")
        if kind not in PICTURES:
            raise UnsupportedParameter(f"'{where}' must be a png, jpeg, gif or webp.", param=where)
        return BedrockPicture(format=kind, source=BedrockSource(bytes=inline.data))

    def _document(self, raw: MaybeRaw, where: str) -> BedrockDocument:
        try:
            given = msgspec.json.decode(raw, type=_BedrockFile)  # type: ignore[arg-type]  # it is there
        except msgspec.ValidationError as exc:
            raise InvalidRequest(f"'{where}' is malformed: {exc}", param=where) from exc
        inline = data_uri(given.file_data, f"{where}.file_data") if given.file_data else None
        if inline is None or inline.media_type not in FORMATS:
            raise UnsupportedParameter(
                f"'{where}' must have 'file_data': a document as a data URI in base64, of one of the types "
                f"{', '.join(sorted(set(FORMATS.values())))}.",
                param=where,
            )
        self._documents += 1
        return BedrockDocument(
            format=FORMATS[inline.media_type],
            name=self._name(given.filename),
            source=BedrockSource(bytes=inline.data),
        )

    def _name(self, filename: str | None) -> str:
        """A document's name. Bedrock takes few characters, and each name once in a conversation."""
        plain = _BLANKS.sub(" ", _UNNAMED.sub(" ", (filename or "document").rpartition("/")[2])).strip()
        return f"{plain[:MAX_NAME_CHARS] or 'document'} {self._documents}"
