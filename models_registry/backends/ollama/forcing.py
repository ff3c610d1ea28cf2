"""Tools that the model must call (`tool_choice` with `required`, or with a name). Ollama has no word for it.

The model is told of the tools in words, and its answer is held to their schema (`format`): the text that it
writes is the call. One tool's text is its arguments. Of several tools the text also says which one.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from models_registry.backends.ollama.answer import made_id
from models_registry.turns.events import (
    AnswerEvent,
    Stopped,
    StopReason,
    Text,
    ToolArguments,
    ToolBegan,
    Unshown,
)
from schema.chat import ChatRequest, FunctionSpec, ToolChoice
from schema.errors.requests import InvalidRequest
from schema.wire import present

REQUIRED = ("required", "any")
REFERENCES = (b'"$ref"', b'"$defs"', b'"definitions"')
ANY_OBJECT = b'{"type":"object"}'


class Forced(NamedTuple):
    """The tools of which the model must call one."""

    tools: Sequence[FunctionSpec]

    @property
    def schema(self) -> msgspec.Raw:
        """The schema of the text that the model writes."""
        if len(self.tools) == 1:
            return msgspec.Raw(_parameters(self.tools[0]))
        calls = [
            b'{"type":"object","properties":{"name":{"const":%b},"arguments":%b},'
            b'"required":["name","arguments"]}' % (json.dumps(tool.name).encode(), _parameters(tool))
            for tool in self.tools
        ]
        return msgspec.Raw(b'{"anyOf":[%b]}' % b",".join(calls))

    @property
    def words(self) -> str:
        """What the model is told, since a schema alone says nothing of what to do."""
        if len(self.tools) == 1:
            return f"Call this function: answer with its arguments as JSON alone.\n{_told(self.tools[0])}"
        told = "\n".join(map(_told, self.tools))
        return f'Call one of these functions: answer with its "name" and "arguments" as JSON alone.\n{told}'


def forced(request: ChatRequest) -> Forced | None:
    """The tools that a request forces. None: the model may answer in words, or the schemas can't stand side
    by side. Raises InvalidRequest for a name that is no tool's."""
    choice = request.tool_choice
    tools = [tool.function for tool in request.tools or () if tool.function is not None]
    if isinstance(choice, ToolChoice) and choice.kind == "function" and choice.function is not None:
        name = choice.function.name
        named = [tool for tool in tools if tool.name == name]
        if not named:
            raise InvalidRequest(
                f"'tool_choice' names '{name}', which is not among the tools.", param="tool_choice"
            )
        return Forced(named[:1])
    kind = choice.kind if isinstance(choice, ToolChoice) else choice
    if kind not in REQUIRED or not tools:
        return None
    if len(tools) > 1 and any(sign in _parameters(tool) for tool in tools for sign in REFERENCES):
        return None
    return Forced(tools)


class ForcedAnswer:
    """Makes calls of the text of a forced answer."""

    def __init__(self, forced: Forced, request_id: str) -> None:
        self._name = forced.tools[0].name if len(forced.tools) == 1 else None
        self._id = made_id(0, request_id)
        self._begun = False
        self._text = ""
        """What was read of a call that has to be whole before it can be told."""

    def calls(self, events: Sequence[AnswerEvent]) -> list[AnswerEvent]:
        """The events with calls in place of text."""
        found: list[AnswerEvent] = []
        for event in events:
            if isinstance(event, Text):
                found += self._written(event.text)
            elif isinstance(event, ToolBegan):
                self._begun = True
                found.append(event)
            elif isinstance(event, Stopped):
                found += self._rest()
                is_end = event.reason is StopReason.END and self._begun
                found.append(Stopped(StopReason.TOOLS) if is_end else event)
            else:
                found.append(event)
        return found

    def _written(self, text: str) -> list[AnswerEvent]:
        if self._name is None:
            self._text += text
            return [Unshown(len(text.encode()))] if text else []
        if not text:
            return []
        begun, self._begun = self._begun, True
        arguments = ToolArguments(0, text)
        return [arguments] if begun else [ToolBegan(0, self._id, self._name), arguments]

    def _rest(self) -> list[AnswerEvent]:
        """The call of one of several tools. A text that is none, since it was cut, is told as it is."""
        if not self._text:
            return []
        try:
            call = msgspec.json.decode(self._text, type=_WrittenCall)
        except (msgspec.DecodeError, RecursionError):
            return [Text(self._text)]
        self._begun = True
        arguments = bytes(call.arguments).decode() if present(call.arguments) else "{}"
        return [ToolBegan(0, self._id, call.name), ToolArguments(0, arguments)]


class _WrittenCall(msgspec.Struct, frozen=True):
    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


def _parameters(tool: FunctionSpec) -> bytes:
    return bytes(tool.parameters) if present(tool.parameters) else ANY_OBJECT


def _told(tool: FunctionSpec) -> str:
    described = f": {tool.description}" if tool.description else ""
    return f"{tool.name}{described}\n{_parameters(tool).decode('utf-8', 'replace')}"
