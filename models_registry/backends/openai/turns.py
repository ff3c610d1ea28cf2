"""Turns of other surfaces in the form that OpenAI's chat takes.

Anthropic's clients have tools with names of up to 128 characters, pictures in the results of tools, and
signed thinking. OpenAI takes names of 64 characters: a longer one is sent shortened, and the answer gets the
long name back. A result of a tool holds text alone: its pictures follow in a message of the user. Signed
thinking is its provider's own, and only its text goes on.
"""

import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from models_registry.backends.content import FOLLOWS
from models_registry.turns.events import AnswerEvent, ToolBegan
from schema.chat import ChatRequest, Message, Part, Tool, ToolCall, ToolChoice
from schema.wire import ABSENT

MAX_TOOL_NAME_CHARS = 64
KEPT_NAME_CHARS = 47
NAME_HASH_CHARS = 16
NO_NAMES: Mapping[str, str] = MappingProxyType({})


def as_chat(request: ChatRequest) -> ChatRequest:
    """The request in OpenAI's form. It is the same one where nothing is to be changed."""
    messages = [_message(message) for message in _with_pictures_after(request.messages)]
    tools = [_tool(tool) for tool in request.tools or ()]
    choice = _choice(request.tool_choice)
    if messages == request.messages and tools == (request.tools or []) and choice == request.tool_choice:
        return request
    fields = request.fields()
    fields["messages"] = msgspec.Raw(msgspec.json.encode(messages))
    if tools:
        fields["tools"] = msgspec.Raw(msgspec.json.encode(tools))
    if choice is not None:
        fields["tool_choice"] = msgspec.Raw(msgspec.json.encode(choice))
    changed = msgspec.json.decode(msgspec.json.encode(fields), type=ChatRequest)
    changed.with_raw(fields)
    return changed


def long_names(request: ChatRequest) -> Mapping[str, str]:
    """The names of tools that are sent shortened, by what they are sent as."""
    names = [tool.function.name for tool in request.tools or () if tool.function is not None]
    if all(len(name) <= MAX_TOOL_NAME_CHARS for name in names):
        return NO_NAMES
    return {short_name(name): name for name in names if len(name) > MAX_TOOL_NAME_CHARS}


def short_name(name: str) -> str:
    """A name as OpenAI takes it. Two long names never become one."""
    if len(name) <= MAX_TOOL_NAME_CHARS:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:NAME_HASH_CHARS]
    return f"{name[:KEPT_NAME_CHARS]}_{digest}"


def stops_of(request: ChatRequest) -> frozenset[str]:
    """The stop sequences of a request."""
    return frozenset((request.stop,) if isinstance(request.stop, str) else request.stop or ())


def with_long_names(events: Sequence[AnswerEvent], names: Mapping[str, str]) -> Sequence[AnswerEvent]:
    """The events with the names that the client knows."""
    if not names:
        return events
    return [
        ToolBegan(event.index, event.id, names.get(event.name, event.name))
        if isinstance(event, ToolBegan)
        else event
        for event in events
    ]


def _with_pictures_after(messages: Sequence[Message]) -> list[Message]:
    """The messages, with the pictures of results in a message of the user behind the results: nothing may
    stand between the results of one answer."""
    found: list[Message] = []
    waiting: list[Part] = []
    for message in messages:
        if message.role != "tool" and waiting:
            found.append(Message(role="user", content=list(waiting)))
            waiting.clear()
        content = message.content
        if message.role == "tool" and isinstance(content, list):
            texts = [part.text or "" for part in content if part.kind == "text"]
            waiting += [part for part in content if part.kind != "text"]
            text = "\n".join(texts) or (FOLLOWS if waiting else "")
            message = msgspec.structs.replace(message, content=text)
        found.append(message)
    if waiting:
        found.append(Message(role="user", content=waiting))
    return found


def _message(message: Message) -> Message:
    calls = message.tool_calls
    if message.thinking_blocks is not ABSENT:
        message = msgspec.structs.replace(message, thinking_blocks=ABSENT)
    if not calls or all(_fits(call) for call in calls):
        return message
    return msgspec.structs.replace(message, tool_calls=[_call(call) for call in calls])


def _fits(call: ToolCall) -> bool:
    return call.function is None or len(call.function.name or "") <= MAX_TOOL_NAME_CHARS


def _call(call: ToolCall) -> ToolCall:
    function = call.function
    if function is None or function.name is None:
        return call
    return msgspec.structs.replace(
        call, function=msgspec.structs.replace(function, name=short_name(function.name))
    )


def _tool(tool: Tool) -> Tool:
    function = tool.function
    if function is None or len(function.name) <= MAX_TOOL_NAME_CHARS:
        return tool
    return msgspec.structs.replace(
        tool, function=msgspec.structs.replace(function, name=short_name(function.name))
    )


def _choice(choice: str | ToolChoice | None) -> str | ToolChoice | None:
    if not isinstance(choice, ToolChoice) or choice.function is None:
        return choice
    function = msgspec.structs.replace(choice.function, name=short_name(choice.function.name))
    return msgspec.structs.replace(choice, function=function)
