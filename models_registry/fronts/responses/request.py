"""A Responses request as turns."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.fronts.responses.items import messages_of
from models_registry.fronts.responses.reading import REASONINGS, TEXTS, read, read_items, unsupported
from models_registry.fronts.responses.tools import ToolBox
from models_registry.target import Target
from models_registry.turns.asked import turns_of
from schema.chat import ChatRequest, JsonSchema, Message, ResponseFormat
from schema.errors.requests import InvalidRequest
from schema.responses import ResponsesRequest, TextFormat
from schema.wire import present

IGNORED: Mapping[str, str] = MappingProxyType(
    {
        "include": "thinking that was sealed comes in any case, and OpenAI's own tools run at OpenAI alone",
        "truncation": "nothing is cut: a conversation that is too long is refused",
        "max_tool_calls": "it limits OpenAI's own tools, which run at OpenAI alone",
        "stream_options": "no event is obfuscated",
        "client_metadata": "a label for OpenAI's logs; the answer is the same",
        "text.verbosity": "a hint for the length of the answer, which other models do not take",
        "reasoning.summary": "thinking that the provider shows is shown as the summary",
    }
)
"""Fields that a translation leaves out, each with the reason why."""
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "prompt": "it names a prompt that OpenAI keeps",
        "context_management": "the conversation is compacted by OpenAI alone",
        "moderation": "the answer is moderated by OpenAI alone",
    }
)
"""Fields that OpenAI alone can honour."""
CHAT_ALONE = ("messages", "n", "functions", "function_call", "audio", "modalities")
"""Chat's fields that ask for what a response can't hold, or that stand here under another name."""
ONE = b"1"
LOGPROBS = "message.output_text.logprobs"
_READ = frozenset(
    {
        "input",
        "instructions",
        "tools",
        "tool_choice",
        "text",
        "reasoning",
        "max_output_tokens",
        "top_logprobs",
        "store",
        "background",
        "previous_response_id",
        "conversation",
    }
)
"""Fields that chat has in another form, or the gateway honours itself."""
DROP_PARAMS = "drop_params"


def turns_from(request: ResponsesRequest, target: Target) -> ChatRequest:
    """The request as turns. Raises InvalidRequest, and UnsupportedParameter for what no other provider has a
    way to honour."""
    drops = drops_params(request, target)
    for name, why in REFUSED.items():
        if present(request.raw.get(name, msgspec.UNSET)) and not drops:
            raise unsupported(name, why)
    for name in CHAT_ALONE:
        raw = request.raw.get(name, msgspec.UNSET)
        if present(raw) and not drops and not (name == "n" and bytes(raw) == ONE):
            raise unsupported(name, "it belongs to /v1/chat/completions")
    left_out = _READ | IGNORED.keys() | REFUSED.keys() | set(CHAT_ALONE)
    fields = {name: raw for name, raw in request.fields().items() if name not in left_out}
    fields["messages"] = _raw(_messages(request))
    box = ToolBox(request, drops=drops)
    if box.functions:
        fields["tools"] = _raw(box.functions)
    else:
        fields.pop("parallel_tool_calls", None)
    if box.choice is not None:
        fields["tool_choice"] = _raw(box.choice)
    if request.max_output_tokens is not None:
        fields[target.limit_field] = _raw(request.max_output_tokens)
    if request.top_logprobs or (request.include and LOGPROBS in request.include):
        fields["logprobs"] = _raw(True)
    if request.top_logprobs:
        fields["top_logprobs"] = _raw(request.top_logprobs)
    text, reasoning = read(TEXTS, request.text, "text"), read(REASONINGS, request.reasoning, "reasoning")
    if text is not None and text.format is not None and text.format.kind != "text":
        fields["response_format"] = _raw(_format(text.format))
    if reasoning is not None and reasoning.effort is not None:
        fields["reasoning_effort"] = _raw(reasoning.effort)
    return turns_of(fields)


def drops_params(request: ResponsesRequest, target: Target) -> bool:
    """Whether a field that can't be honoured is left out: as the caller says, else as the deployment says."""
    raw = request.raw.get(DROP_PARAMS)
    return target.drop_params if raw is None else bytes(raw) == b"true"


def _messages(request: ResponsesRequest) -> list[Message]:
    messages = messages_of(read_items(request.input))
    if request.instructions:
        messages.insert(0, Message(role="system", content=request.instructions))
    if not messages:
        raise InvalidRequest("'input' must hold a text or a message.", param="input")
    return messages


def _format(wanted: TextFormat) -> ResponseFormat:
    if wanted.kind != "json_schema":
        return ResponseFormat(kind=wanted.kind)
    schema = JsonSchema(
        name=wanted.name, description=wanted.description, body=wanted.body, strict=wanted.strict
    )
    return ResponseFormat(kind=wanted.kind, json_schema=schema)


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
