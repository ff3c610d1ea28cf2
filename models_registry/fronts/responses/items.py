"""Items of a conversation as messages.

What one answer said is spread over several items: its thinking, its text, each call of a tool. Neighbouring
items of the assistant become one message again, since providers want an answer's calls together, and its
thinking in front of them.
"""

from collections.abc import Sequence

import msgspec

from models_registry.fronts.responses.reading import unsupported
from models_registry.fronts.responses.tools import custom_arguments, function_name
from models_registry.turns.sealed_thinking import MAX_UNSEALED_BYTES, UNSIGNED, TooMuchThinking, Unsealing
from schema.chat import CalledFunction, ImageUrl, Message, Part, ThinkingBlock, ToolCall
from schema.errors.requests import InvalidRequest
from schema.responses import InputItem, InputPart
from schema.wire import ABSENT, MaybeRaw, present

ASSISTANT = "assistant"
TEXTS = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})
LEFT_OUT = frozenset(
    {
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "mcp_list_tools",
        "compaction_trigger",
        "tool_search_call",
        "tool_search_output",
    }
)
"""Items that tell what OpenAI's own tools did in an earlier answer. The answer's text tells their results."""


def messages_of(items: Sequence[InputItem]) -> list[Message]:
    """The messages. Raises UnsupportedParameter, which names the item, for one that messages can't hold, and
    InvalidRequest for one that lacks what it needs."""
    reading = _ItemReader()
    for place, item in enumerate(items):
        reading.add(item, f"input[{place}]")
    reading.end()
    return reading.messages


class _ItemReader:
    """A conversation while it is read. An answer stays open until another role speaks."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._calls: list[ToolCall] = []
        self._blocks: list[ThinkingBlock] = []
        self._thoughts: list[str] = []
        self._unsealing = Unsealing()

    def add(self, item: InputItem, where: str) -> None:
        match item.kind:
            case "message":
                self._message(item, where)
            case "function_call":
                self._call(item, _text_of(item.arguments, f"{where}.arguments") or "{}", where)
            case "custom_tool_call":
                text = _text_of(item.input, f"{where}.input")
                self._call(item, custom_arguments(text), where)
            case "function_call_output" | "custom_tool_call_output":
                self.end()
                self.messages.append(_result(item, where))
            case "reasoning":
                self._reasoning(item, where)
            case kind if kind in LEFT_OUT:
                return
            case kind:
                raise unsupported(
                    f"{where}.type", f"an item of type '{kind}' has no place in its conversations"
                )

    def end(self) -> None:
        """Close the answer that stands open."""
        if self._texts or self._refusals or self._calls or self._blocks or self._thoughts:
            self.messages.append(
                Message(
                    role=ASSISTANT,
                    content="".join(self._texts) if self._texts or not self._calls else None,
                    refusal="".join(self._refusals) or None,
                    tool_calls=self._calls or None,
                    reasoning_content="\n".join(self._thoughts) or None,
                    thinking_blocks=_raw(self._blocks) if self._blocks else ABSENT,
                )
            )
        self._texts, self._calls, self._blocks, self._thoughts = [], [], [], []
        self._refusals = []

    def _message(self, item: InputItem, where: str) -> None:
        if item.role is None:
            raise InvalidRequest(f"'{where}.role' is missing.", param=f"{where}.role")
        if item.role != ASSISTANT:
            self.end()
            self.messages.append(Message(role=item.role, content=_content(item.content, f"{where}.content")))
            return
        if self._calls:
            self.end()
        if isinstance(item.content, str):
            self._texts.append(item.content)
            return
        for place, part in enumerate(item.content or ()):
            if part.kind == "refusal":
                self._refusals += [part.refusal] if part.refusal else []
            elif part.kind in TEXTS:
                self._texts.append(part.text or "")
            else:
                at = f"{where}.content[{place}]"
                raise unsupported(f"{at}.type", f"an answer has no part of type '{part.kind}'")

    def _call(self, item: InputItem, arguments: str, where: str) -> None:
        if not item.call_id or not item.name:
            name = "name" if item.call_id else "call_id"
            raise InvalidRequest(f"'{where}.{name}' is missing.", param=f"{where}.{name}")
        called = CalledFunction(name=function_name(item.name, item.namespace), arguments=arguments)
        self._calls.append(ToolCall(id=item.call_id, kind="function", function=called))

    def _reasoning(self, item: InputItem, where: str) -> None:
        """Thinking that this gateway sealed is sent back. That of another provider says nothing here."""
        block = self._unsealed(item.encrypted_content, where) if item.encrypted_content else None
        if block is None:
            self._thoughts += [part.text or "" for part in _parts(item.content) if part.kind in TEXTS]
            return
        if self._texts and not self._calls:
            self.end()
        if block.kind == UNSIGNED:
            self._thoughts.append(block.thinking or "")
        else:
            self._blocks.append(block)

    def _unsealed(self, text: str, where: str) -> ThinkingBlock | None:
        try:
            return self._unsealing.block_of(text)
        except TooMuchThinking as exc:
            at = f"{where}.encrypted_content"
            raise InvalidRequest(
                f"'{at}': the thinking of a conversation has at most {MAX_UNSEALED_BYTES} bytes.", param=at
            ) from exc


def _result(item: InputItem, where: str) -> Message:
    if not item.call_id:
        raise InvalidRequest(f"'{where}.call_id' is missing.", param=f"{where}.call_id")
    output = item.output
    try:
        found = msgspec.json.decode(output, type=str | list[InputPart]) if present(output) else ""
    except msgspec.ValidationError as exc:
        raise InvalidRequest(
            f"'{where}.output' must be a text, or a list of parts.", param=f"{where}.output"
        ) from exc
    return Message(role="tool", tool_call_id=item.call_id, content=_content(found, f"{where}.output"))


def _content(content: str | list[InputPart] | None, where: str) -> str | list[Part]:
    if content is None or isinstance(content, str):
        return content or ""
    parts = [_part(part, f"{where}[{place}]") for place, part in enumerate(content)]
    if len(parts) == 1 and parts[0].kind == "text" and not present(parts[0].cache_control):
        return parts[0].text or ""
    return parts


def _part(part: InputPart, where: str) -> Part:
    match part.kind:
        case kind if kind in TEXTS:
            return Part(kind="text", text=part.text or "", cache_control=part.cache_control)
        case "refusal":
            return Part(kind="text", text=part.refusal or "")
        case "input_image" if part.image_url:
            image = ImageUrl(url=part.image_url, detail=part.detail)
            return Part(kind="image_url", image_url=image, cache_control=part.cache_control)
        case "input_file" if part.file_data:
            file = {"file_data": part.file_data, "filename": part.filename or "file"}
            return Part(kind="file", file=_raw(file), cache_control=part.cache_control)
        case "input_file" if part.file_url:
            file = {"file_data": part.file_url, "filename": part.filename or "file"}
            return Part(kind="file", file=_raw(file), cache_control=part.cache_control)
        case "input_audio" if present(part.input_audio):
            return Part(kind="input_audio", input_audio=part.input_audio)
        case "input_image" | "input_file":
            name = "file_id" if part.file_id else "file_url"
            raise unsupported(f"{where}.{name}", "the picture or file has to stand in the request itself")
        case kind:
            raise unsupported(f"{where}.type", f"it knows no part of type '{kind}'")


def _parts(content: str | list[InputPart] | None) -> Sequence[InputPart]:
    return content if isinstance(content, list) else ()


def _text_of(raw: MaybeRaw, where: str) -> str:
    if not present(raw):
        return ""
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"'{where}' must be a text.", param=where) from exc


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
