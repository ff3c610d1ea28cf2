"""OpenAI's chat parameters as Cohere's. Source: Cohere's API reference of `/v2/chat`."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.backends.changes import Changes, name_left_out
from models_registry.backends.cohere.messages import FIELDS, conversation
from models_registry.backends.parameters import (
    TRANSLATED,
    drops_params,
    refuse_unsupported,
    unsupported,
    with_defaults,
)
from models_registry.target import Target
from schema.chat import ChatRequest, Tool, ToolChoice
from schema.dialects.cohere import (
    CohereFormat,
    CohereFunctionSpec,
    CohereRequest,
    CohereThinking,
    CohereTool,
)
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.wire import ABSENT, MaybeRaw, present

HONOURED = TRANSLATED | {
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "stop",
    "logprobs",
    # Anthropic's and Cohere's own, as LiteLLM takes them
    "top_k",
    "thinking",
    "documents",
    "citation_options",
    "safety_mode",
}
NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')
CHOICES: Mapping[str, str | None] = MappingProxyType({"auto": None, "required": "REQUIRED", "none": "NONE"})
JSON = "json_object"


class _ThinkingWords(msgspec.Struct, frozen=True, rename={"kind": "type"}):
    """Anthropic's words, or Cohere's own."""

    kind: str = ""
    budget_tokens: int | None = None
    token_budget: int | None = None


class _ObjectSchema(msgspec.Struct, frozen=True):
    """What a JSON schema says of an object's fields."""

    properties: dict[str, msgspec.Raw] = {}
    required: list[str] = []


_THINKING = msgspec.json.Decoder(_ThinkingWords)
_FIELDS = msgspec.json.Decoder(_ObjectSchema)


def chat_body(request: ChatRequest, target: Target, changes: Changes) -> CohereRequest:
    """The body of a request. Raises UnsupportedParameter or InvalidRequest, which name what can't be sent."""
    request = with_defaults(request, target)
    refuse_unsupported(request, target, HONOURED, changes)
    name_left_out(request, FIELDS, changes)
    facts = target.facts
    thinks = facts is not None and facts.reasoning is True
    tools = [_tool(tool, f"tools[{i}]") for i, tool in enumerate(request.tools or ())]
    return CohereRequest(
        model=target.model,
        messages=conversation(request.messages, changes, thinks=thinks),
        stream=bool(request.stream),
        max_tokens=request.max_completion_tokens or request.max_tokens or target.max_output_tokens,
        temperature=request.temperature,
        p=request.top_p,
        k=_given(request, "top_k"),
        seed=request.seed,
        frequency_penalty=request.frequency_penalty,
        presence_penalty=request.presence_penalty,
        stop_sequences=_stop(request),
        tools=tools or None,
        tool_choice=_choice(request, target, changes),
        response_format=_format(request, target, changes),
        thinking=_thinking(request, target, changes),
        documents=_given(request, "documents"),
        citation_options=_given(request, "citation_options"),
        safety_mode=_given(request, "safety_mode"),
        logprobs=request.logprobs or None,
        strict_tools=_strict(request, target, changes) or None,
    )


def _given(request: ChatRequest, name: str) -> MaybeRaw:
    raw = request.raw.get(name)
    return ABSENT if raw is None or not present(raw) else raw


def _stop(request: ChatRequest) -> list[str] | None:
    sequences = [request.stop] if isinstance(request.stop, str) else request.stop
    return sequences or None


def _tool(tool: Tool, where: str) -> CohereTool:
    if tool.kind != "function" or tool.function is None:
        raise UnsupportedParameter(
            f"'{where}.type' is '{tool.kind}'; the provider takes function tools.", param=f"{where}.type"
        )
    function = tool.function
    return CohereTool(
        function=CohereFunctionSpec(
            name=function.name,
            description=function.description or None,
            parameters=function.parameters if present(function.parameters) else NO_PARAMETERS,
        )
    )


def _strict(request: ChatRequest, target: Target, changes: Changes) -> bool:
    """Whether calls are held to the schemas of their tools. Cohere holds the calls of all tools to them or of
    none, and takes no tool then whose fields are all optional."""
    functions = [tool.function for tool in request.tools or () if tool.function is not None]
    if not any(function.strict for function in functions):
        return False
    for i, function in enumerate(functions):
        if not present(function.parameters) or not _all_optional(function.parameters):
            continue
        if not drops_params(request, target):
            why = f"it holds all tools to their schemas or none, and no field of tools[{i}] is required"
            raise unsupported("tools.function.strict", target, why)
        changes.add("tools.function.strict")
        return False
    return True


def _all_optional(parameters: msgspec.Raw) -> bool:
    try:
        fields = _FIELDS.decode(parameters)
    except msgspec.DecodeError:
        return False
    return bool(fields.properties) and not fields.required


def _choice(request: ChatRequest, target: Target, changes: Changes) -> str | None:
    """Cohere can be made to call some tool. It can be made to call a certain one where there is no other."""
    choice = request.tool_choice
    if choice is None or not request.tools:
        return None
    if isinstance(choice, ToolChoice):
        names = [tool.function.name for tool in request.tools if tool.function is not None]
        if choice.kind == "function" and choice.function is not None and names == [choice.function.name]:
            return "REQUIRED"
        if not drops_params(request, target):
            raise unsupported("tool_choice", target, "it can't be made to call one tool of several")
        changes.add("tool_choice")
        return None
    if choice not in CHOICES:
        raise unsupported("tool_choice", target, f"'{choice}' is not auto, none or required")
    return CHOICES[choice]


def _format(request: ChatRequest, target: Target, changes: Changes) -> CohereFormat | None:
    wanted = request.response_format
    if wanted is None or wanted.kind == "text":
        return None
    if wanted.kind == JSON:
        return CohereFormat(kind=JSON)
    if wanted.kind == "json_schema":
        if wanted.json_schema is None or not present(wanted.json_schema.body):
            raise InvalidRequest(
                "'response_format.json_schema.schema' is missing.", param="response_format.json_schema.schema"
            )
        return CohereFormat(kind=JSON, json_schema=wanted.json_schema.body)
    if not drops_params(request, target):
        raise unsupported("response_format", target, f"it has no mode '{wanted.kind}'")
    changes.add("response_format")
    return None


def _thinking(request: ChatRequest, target: Target, changes: Changes) -> CohereThinking | None:
    """Thinking is on or off. Each level of `reasoning_effort` but `none` switches it on, and is then named in
    `changes`."""
    raw, effort = _given(request, "thinking"), request.reasoning_effort
    if present(raw):
        try:
            asked = _THINKING.decode(raw)
        except msgspec.DecodeError as exc:
            raise InvalidRequest(f"'thinking' is malformed: {exc}", param="thinking") from exc
        kind = "disabled" if asked.kind == "disabled" else "enabled"
        budget = asked.token_budget if asked.budget_tokens is None else asked.budget_tokens
        return CohereThinking(kind=kind, token_budget=budget if kind == "enabled" else None)
    if effort is None:
        return None
    if effort == "none":
        return CohereThinking(kind="disabled")
    changes.add("reasoning_effort")
    return CohereThinking(kind="enabled")
