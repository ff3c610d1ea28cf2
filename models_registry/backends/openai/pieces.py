"""Messages and deltas in OpenAI's dialect as events of the core, for surfaces that are not chat.

Servers differ more than their documentation says. A content may be a list of parts (Mistral), thinking stands
in `reasoning_content` or in `reasoning`, and some servers give every tool call of an answer the same index,
or none, or leave its id out."""

import hashlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from models_registry.turns.events import (
    AnswerEvent,
    Cited,
    Media,
    Refused,
    Sealed,
    StopReason,
    Text,
    Thought,
    ToolArguments,
    ToolBegan,
)
from schema.wire import ABSENT, MaybeRaw

STOP_REASONS: Mapping[str, StopReason] = MappingProxyType(
    {
        "stop": StopReason.END,
        "length": StopReason.LENGTH,
        "tool_calls": StopReason.TOOLS,
        "function_call": StopReason.TOOLS,
        "content_filter": StopReason.FILTER,
    }
)
THINKING = ("reasoning_content", "reasoning")
MEDIA = ("images", "audio")
"""JsonFields that hold pictures and sound. The gateway does not look into them."""

JsonFields = dict[str, Any]  # any JSON


class Pieces:
    """Makes events of an answer's message, or of its deltas one after the other."""

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._open: dict[int, int] = {}
        """The tool call that goes on at each of the server's indices."""
        self._ids: list[str] = []
        self._has_arguments: list[bool] = []

    def of(self, fields: JsonFields, logprobs: object = None) -> Iterator[AnswerEvent]:
        """The events of one message or delta. A field of another shape than any known one says nothing."""
        yield from self._thinking(fields)
        yield from _content(fields.get("content"), _raw(logprobs) if logprobs else ABSENT)
        refusal = fields.get("refusal")
        if isinstance(refusal, str) and refusal:
            yield Refused(refusal)
        for annotation in _objects(fields.get("annotations")):
            yield _cited(annotation)
        for name in MEDIA:
            if fields.get(name):
                yield Media(name, _raw(fields[name]))
        for at, call in enumerate(_objects(fields.get("tool_calls"))):
            yield from self._tool(call, at)
        legacy = fields.get("function_call")
        if isinstance(legacy, dict) and (legacy.get("name") or 0 in self._open):
            yield from self._tool({"function": legacy}, 0)

    def ended(self, finish_reason: object) -> tuple[list[AnswerEvent], StopReason]:
        """The events that are still missing at the end, and why the answer ended. Some servers say `stop` for
        tool calls as well."""
        missing: list[AnswerEvent] = [
            ToolArguments(index, "{}") for index, has in enumerate(self._has_arguments) if not has
        ]
        reason = STOP_REASONS.get(str(finish_reason), StopReason.END)
        if self._ids and reason is StopReason.END:
            reason = StopReason.TOOLS
        return missing, reason

    def _thinking(self, fields: JsonFields) -> Iterator[AnswerEvent]:
        blocks = _objects(fields.get("thinking_blocks"))
        for block in blocks:
            if block.get("type") == "redacted_thinking":
                yield Sealed(_text(block.get("data")))
            else:
                yield Thought(_text(block.get("thinking")), _text(block.get("signature")), is_signed=True)
        said = next((fields[name] for name in THINKING if fields.get(name)), None)
        if said and not blocks:
            yield Thought(said if isinstance(said, str) else _raw_text(said))

    def _tool(self, call: JsonFields, position: int) -> Iterator[AnswerEvent]:
        index = call.get("index")
        place = index if isinstance(index, int) else position
        function = _called(call)
        id, name = _text(call.get("id")), _text(function.get("name"))
        known = self._open.get(place)
        if known is None or (id and id != self._ids[known]):
            known = self._open[place] = len(self._ids)
            id = id or _made_id(self._request_id, known)
            self._ids.append(id)
            self._has_arguments.append(False)
            yield ToolBegan(known, id, name)
        arguments = function.get("arguments")
        if arguments is None or arguments == "" or (arguments == "null" and not self._has_arguments[known]):
            return
        text = arguments if isinstance(arguments, str) else _raw_text(arguments)
        self._has_arguments[known] = True
        yield ToolArguments(known, text)


def _called(call: JsonFields) -> JsonFields:
    """The called function. The text for a custom tool becomes an object: `{"input": "..."}`."""
    function, custom = call.get("function"), call.get("custom")
    if isinstance(function, dict):
        return function
    if not isinstance(custom, dict):
        return {}
    return {"name": custom.get("name"), "arguments": {"input": custom.get("input")}}


def _content(content: object, logprobs: MaybeRaw) -> Iterator[AnswerEvent]:
    if isinstance(content, str):
        if content or logprobs:
            yield Text(content, logprobs)
        return
    if content is None:
        if logprobs:
            yield Text("", logprobs)
        return
    if not isinstance(content, list):
        yield Text(_raw_text(content), logprobs)
        return
    for part in content:
        if isinstance(part, str):
            yield Text(part)
        elif isinstance(part, dict):
            thinking = part.get("thinking")
            if thinking is not None:
                yield Thought(_joined(thinking), _text(part.get("signature")))
            elif part.get("text"):
                yield Text(_text(part["text"]))


def _joined(thinking: object) -> str:
    """The text of thinking. At Mistral it is a list of parts."""
    if isinstance(thinking, str):
        return thinking
    return "".join(_text(part.get("text")) for part in _objects(thinking))


def _cited(annotation: JsonFields) -> Cited:
    inside = annotation.get("url_citation")
    said = inside if isinstance(inside, dict) else annotation
    return Cited(_raw(annotation), _text(said.get("url")), _text(said.get("title")))


def _objects(found: object) -> list[JsonFields]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _raw(found: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(found))


def _raw_text(found: object) -> str:
    return msgspec.json.encode(found).decode()


def _made_id(request_id: str, index: int) -> str:
    return "call_" + hashlib.sha256(f"{request_id}/{index}".encode()).hexdigest()[:24]
