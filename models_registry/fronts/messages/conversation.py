"""Anthropic's turns as chat's messages.

The results of tools stand in turns of the user, and become messages of their own, in their place. An answer's
text, thinking and tool calls become one message. `is_error` has no field in chat: the result's text says it.
"""

import msgspec

from schema.chat import CalledFunction, ImageUrl, Message, Part, ThinkingBlock, ToolCall
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.messages import ConversationTurn, TurnBlock, TurnSource
from schema.wire import ABSENT, MaybeRaw, present

_CONTENT: msgspec.json.Decoder[str | list[TurnBlock]] = msgspec.json.Decoder(str | list[TurnBlock])
THINKING, REDACTED = "thinking", "redacted_thinking"
FAILED = "The tool failed: "
"""What stands before the result of a tool that failed."""
PDF = "application/pdf"


def texts_of(raw: MaybeRaw, where: str, *, marks: bool) -> str | list[Part]:
    """A text, or a list of text blocks. Empty: there is nothing. Raises InvalidRequest."""
    content = _content(raw, where)
    if isinstance(content, str):
        return content
    parts = []
    for place, block in enumerate(content):
        if block.kind != "text":
            raise InvalidRequest(
                f"'{where}[{place}]' must be a text block; it is of type '{block.kind[:100]}'.",
                param=f"{where}[{place}]",
            )
        if block.text:
            parts.append(_text_part(block, marks=marks))
    return _plain(parts)


class Conversation:
    """The messages so far."""

    def __init__(self, *, marks: bool) -> None:
        """`marks`: whether marks of what is cached go on."""
        self._marks = marks
        self.messages: list[Message] = []

    def add_system(self, content: str | list[Part]) -> None:
        """Add an instruction. It may stand anywhere in a conversation."""
        self.messages.append(Message(role="system", content=content))

    def add(self, turn: ConversationTurn, where: str) -> None:
        """Add a turn. Raises InvalidRequest or UnsupportedParameter, which name the block."""
        match turn.role:
            case "user":
                self._user(_content(turn.content, f"{where}.content"), f"{where}.content")
            case "assistant":
                self._assistant(_content(turn.content, f"{where}.content"), f"{where}.content")
            case "system":
                text = texts_of(turn.content, f"{where}.content", marks=self._marks)
                if text:
                    self.add_system(text)
            case _:
                raise InvalidRequest(
                    f"'{where}.role' must be user, assistant or system.", param=f"{where}.role"
                )

    def _user(self, content: str | list[TurnBlock], where: str) -> None:
        if isinstance(content, str):
            self.messages.append(Message(role="user", content=content))
            return
        parts: list[Part] = []
        for place, block in enumerate(content):
            at = f"{where}[{place}]"
            if block.kind == "tool_result":
                self._flush(parts)
                self.messages.append(self._result(block, at))
            else:
                parts += self._parts(block, at)
        self._flush(parts)

    def _flush(self, parts: list[Part]) -> None:
        if parts:
            self.messages.append(Message(role="user", content=_plain(list(parts))))
            parts.clear()

    def _assistant(self, content: str | list[TurnBlock], where: str) -> None:
        if isinstance(content, str):
            self.messages.append(Message(role="assistant", content=content))
            return
        texts: list[Part] = []
        calls: list[ToolCall] = []
        thoughts: list[ThinkingBlock] = []
        for place, block in enumerate(content):
            at = f"{where}[{place}]"
            match block.kind:
                case "text":
                    texts += [_text_part(block, marks=self._marks)] if block.text else []
                case "tool_use":
                    calls.append(_call(block, at))
                case "thinking":
                    thoughts.append(
                        ThinkingBlock(kind=THINKING, thinking=block.thinking, signature=block.signature)
                    )
                case "redacted_thinking":
                    thoughts.append(ThinkingBlock(kind=REDACTED, data=block.data))
                case _:
                    raise _foreign(block, at)
        said = "".join(thought.thinking or "" for thought in thoughts)
        signed = [each for each in thoughts if each.signature or each.data]
        self.messages.append(
            Message(
                role="assistant",
                content=_joined(texts) if texts else None if calls else "",
                tool_calls=calls or None,
                reasoning_content=said or None,
                thinking_blocks=msgspec.Raw(msgspec.json.encode(signed)) if signed else ABSENT,
            )
        )

    def _result(self, block: TurnBlock, where: str) -> Message:
        if not block.tool_use_id:
            raise InvalidRequest(f"'{where}.tool_use_id' is missing.", param=f"{where}.tool_use_id")
        content = _content(block.content, f"{where}.content")
        if isinstance(content, str):
            parts = [Part(kind="text", text=content)]
        else:
            parts = [
                part
                for place, each in enumerate(content)
                for part in self._parts(each, f"{where}.content[{place}]")
            ]
        if block.is_error:
            parts.insert(0, Part(kind="text", text=FAILED))
        is_text = all(part.kind == "text" for part in parts)
        return Message(
            role="tool",
            tool_call_id=block.tool_use_id,
            content=_lines(parts) if is_text else parts,
            cache_control=block.cache_control if self._marks and present(block.cache_control) else ABSENT,
        )

    def _parts(self, block: TurnBlock, where: str) -> list[Part]:
        """A block of the user's as parts. Raises UnsupportedParameter for what chat can't hold."""
        mark = block.cache_control if self._marks and present(block.cache_control) else ABSENT
        match block.kind:
            case "text":
                return [_text_part(block, marks=self._marks)] if block.text else []
            case "image":
                url = ImageUrl(url=_image_url(block.source, f"{where}.source"))
                return [Part(kind="image_url", image_url=url, cache_control=mark)]
            case "document":
                return self._document(block, where)
            case _:
                raise _foreign(block, where)

    def _document(self, block: TurnBlock, where: str) -> list[Part]:
        """A document: a PDF as a file, and a text as text."""
        source = block.source
        match source.kind if source is not None else "":
            case "base64" if source is not None and source.data:
                file = {
                    "filename": block.title or "document.pdf",
                    "file_data": f"data:{source.media_type or PDF};base64,{source.data}",
                }
                return [Part(kind="file", file=msgspec.Raw(msgspec.json.encode(file)))]
            case "url" if source is not None and source.url:
                file = {"filename": block.title or "document.pdf", "file_data": source.url}
                return [Part(kind="file", file=msgspec.Raw(msgspec.json.encode(file)))]
            case "text" if source is not None and source.data is not None:
                title = f"{block.title}\n" if block.title else ""
                return [Part(kind="text", text=title + source.data)] if title + source.data else []
            case "content" if source is not None:
                inside = _content(source.content, f"{where}.source.content")
                if isinstance(inside, str):
                    return [Part(kind="text", text=inside)] if inside else []
                return [
                    part
                    for place, each in enumerate(inside)
                    if each.kind in ("text", "image")
                    for part in self._parts(each, f"{where}.source.content[{place}]")
                ]
        raise UnsupportedParameter(
            f"'{where}.source' must be base64, text or an address: another provider can't reach Anthropic's "
            "files.",
            param=f"{where}.source",
        )


def _content(raw: MaybeRaw, where: str) -> str | list[TurnBlock]:
    if not present(raw):
        return ""
    try:
        return _CONTENT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise InvalidRequest(f"'{where}' is malformed: {exc}", param=where) from exc


def _text_part(block: TurnBlock, *, marks: bool) -> Part:
    marked = marks and present(block.cache_control)
    return Part(kind="text", text=block.text, cache_control=block.cache_control if marked else ABSENT)


def _plain(parts: list[Part]) -> str | list[Part]:
    """The parts, or their text where it is one text without a mark."""
    if len(parts) == 1 and parts[0].kind == "text" and not parts[0].cache_control:
        return parts[0].text or ""
    return parts or ""


def _joined(parts: list[Part]) -> str | list[Part]:
    """An answer's texts belong together, unless one has a mark."""
    if any(part.cache_control for part in parts):
        return parts
    return "".join(part.text or "" for part in parts)


def _lines(parts: list[Part]) -> str:
    """The result of a tool as one text, a line for each part."""
    texts = [part.text or "" for part in parts]
    return texts[0] + "\n".join(texts[1:]) if texts and texts[0] == FAILED else "\n".join(texts)


def _call(block: TurnBlock, where: str) -> ToolCall:
    if not block.id or not block.name:
        raise InvalidRequest(f"'{where}' must have an 'id' and a 'name'.", param=where)
    arguments = bytes(block.input).decode("utf-8", "replace") if present(block.input) else "{}"
    function = CalledFunction(name=block.name, arguments=arguments)
    return ToolCall(id=block.id, kind="function", function=function)


def _image_url(source: TurnSource | None, where: str) -> str:
    if source is not None and source.kind == "url" and source.url:
        return source.url
    if source is not None and source.kind == "base64" and source.data:
        return f"data:{source.media_type or 'image/png'};base64,{source.data}"
    raise UnsupportedParameter(
        f"'{where}' must be base64 or an address: another provider can't reach Anthropic's files.",
        param=where,
    )


def _foreign(block: TurnBlock, where: str) -> UnsupportedParameter:
    kind = block.kind[:100]
    return UnsupportedParameter(
        f"'{where}' is a block of type '{kind}', which only Anthropic's models take.",
        param=f"{where}.{kind}",
    )
