"""OpenAI's chat parameters as Anthropic's. Source: Anthropic's Messages API, 2023-06-01."""

from types import MappingProxyType

import msgspec

from models_registry.backends.anthropic.messages import FIELDS, conversation, marked
from models_registry.backends.changes import Changes, name_left_out
from models_registry.backends.parameters import (
    TRANSLATED,
    drops_params,
    refuse_unsupported,
    unsupported,
    with_defaults,
)
from models_registry.target import Target
from schema.chat import ChatRequest, Tool, ToolChoice
from schema.dialects.anthropic import (
    AnthropicMetadata,
    AnthropicRequest,
    Block,
    OutputConfig,
    OutputFormat,
    ToolSpec,
    ToolUse,
)
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.wire import ABSENT, MaybeRaw, present

DEFAULT_MAX_TOKENS = 4096
ANSWER_TOOL = "json_answer"
"""The tool whose arguments are the answer, where the model is held to JSON by a tool."""
_ANSWER = "Call this tool once, with the whole answer."
JSON_KINDS = ("json_object", "json_schema")
ANY_OBJECT = msgspec.Raw(b'{"type":"object","additionalProperties":true}')
ONLY_JSON = "Answer with one JSON object and nothing else: no text before it or after it, and no code fence."
NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')
THINKING_OFF = msgspec.Raw(b'{"type":"disabled"}')

HONOURED = TRANSLATED | {
    "stop",
    "user",
    # Anthropic's own, as LiteLLM takes them
    "top_k",
    "thinking",
    "cache_control",
}
EFFORTS = MappingProxyType(
    {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
)
CHOICES = MappingProxyType({"auto": "auto", "none": "none", "required": "any"})


class _Rooted(msgspec.Struct, frozen=True, rename={"kind": "type"}):
    kind: str = ""


class _ThinkingField(msgspec.Struct, frozen=True):
    budget_tokens: int | None = None


def answers_by_tool(request: ChatRequest, target: Target) -> bool:
    """Whether the model gives its JSON as the arguments of a tool that it has to call. So models from before
    structured output, and answers without a schema, are held to JSON."""
    wanted = request.response_format
    if wanted is None or wanted.kind not in ("json_object", "json_schema") or _is_native(request, target):
        return False
    facts = target.facts
    can_force = facts is None or facts.forced_tools is not False
    return can_force and not request.tools and not _thinks(request) and _is_object(request)


def _is_native(request: ChatRequest, target: Target) -> bool:
    """Whether the schema goes to the provider's own structured output."""
    wanted, facts = request.response_format, target.facts
    by_schema = wanted is not None and wanted.kind == "json_schema"
    return by_schema and (facts is None or facts.native_structured is True)


def _thinks(request: ChatRequest) -> bool:
    raw = request.raw.get("thinking", ABSENT)
    return present(raw) and b'"disabled"' not in bytes(raw)


def _schema_of(request: ChatRequest) -> msgspec.Raw | None:
    wanted = request.response_format
    if wanted is None or wanted.json_schema is None or not present(wanted.json_schema.body):
        return None
    return wanted.json_schema.body


def _is_object(request: ChatRequest) -> bool:
    """Whether the answer is a JSON object, which a tool's arguments have to be."""
    schema = _schema_of(request)
    try:
        return schema is None or msgspec.json.decode(schema, type=_Rooted).kind == "object"
    except msgspec.ValidationError:
        return False


def messages_request(request: ChatRequest, target: Target, changes: Changes) -> AnthropicRequest:
    """The body of a Messages request. Raises UnsupportedParameter or InvalidRequest, which name what can't be
    sent."""
    request = with_defaults(request, target)
    refuse_unsupported(request, target, HONOURED, changes)
    name_left_out(request, FIELDS, changes)
    system, turns = conversation(request.messages, changes)
    thinking, output = _reasoning(request, target, changes)
    tools = [_tool(tool, f"tools[{i}]") for i, tool in enumerate(request.tools or ())]
    choice = _tool_choice(request, target)
    wanted = request.response_format
    if answers_by_tool(request, target):
        schema = _schema_of(request) or ANY_OBJECT
        tools = [ToolSpec(name=ANSWER_TOOL, description=_ANSWER, input_schema=schema)]
        choice = ToolUse(kind="tool", name=ANSWER_TOOL)
    elif wanted is not None and wanted.kind in JSON_KINDS and not _is_native(request, target):
        system = [*system, Block(kind="text", text=_told_to_answer_json(request))]
    return AnthropicRequest(
        model="" if target.body_version else target.model,
        anthropic_version=target.body_version,
        max_tokens=_max_tokens(request, target),
        messages=turns,
        system=system or None,
        temperature=_temperature(request, target, changes),
        top_p=request.top_p,
        top_k=request.raw.get("top_k", ABSENT),
        stop_sequences=_stop(request, target, changes),
        stream=True if request.stream else None,
        tools=tools or None,
        tool_choice=choice,
        thinking=thinking,
        output_config=output,
        metadata=AnthropicMetadata(user_id=request.user) if request.user else None,
        cache_control=marked(request.raw.get("cache_control", ABSENT)),
    )


def _told_to_answer_json(request: ChatRequest) -> str:
    """The instruction where neither structured output nor a tool can hold the model to JSON."""
    schema = _schema_of(request)
    return ONLY_JSON if schema is None else f"{ONLY_JSON} It fits this JSON schema: {bytes(schema).decode()}"


def _max_tokens(request: ChatRequest, target: Target) -> int:
    """The limit on the answer. Anthropic requires one, so a default is sent where the caller has none."""
    if request.max_completion_tokens is not None:
        return request.max_completion_tokens
    if request.max_tokens is not None:
        return request.max_tokens
    return target.max_output_tokens or _thinking_budget(request) + DEFAULT_MAX_TOKENS


def _thinking_budget(request: ChatRequest) -> int:
    """The tokens of a budget for thinking, 0 without one. The budget is a part of `max_tokens`, which must be
    larger. A budget that is no number is left for Anthropic to refuse."""
    raw = request.raw.get("thinking", ABSENT)
    if not present(raw):
        return 0
    try:
        return max(0, msgspec.json.decode(raw, type=_ThinkingField).budget_tokens or 0)
    except msgspec.ValidationError:
        return 0


def _temperature(request: ChatRequest, target: Target, changes: Changes) -> float | None:
    if request.temperature is None or request.temperature <= 1:
        return request.temperature
    if drops_params(request, target):
        changes.add("temperature")
        return None
    raise unsupported("temperature", target, f"it goes from 0 to 1 there, and this is {request.temperature}")


def _stop(request: ChatRequest, target: Target, changes: Changes) -> list[str] | None:
    sequences = [request.stop] if isinstance(request.stop, str) else (request.stop or [])
    kept = [sequence for sequence in sequences if sequence.strip()]
    if len(kept) < len(sequences):
        if not drops_params(request, target):
            raise unsupported("stop", target, "it takes no sequence of blanks alone")
        changes.add("stop")
    return kept or None


def _reasoning(
    request: ChatRequest, target: Target, changes: Changes
) -> tuple[MaybeRaw, OutputConfig | None]:
    """The fields `thinking` and `output_config`. A `reasoning_effort` of `none` switches thinking off."""
    thinking: MaybeRaw = request.raw.get("thinking", ABSENT)
    effort: str | None = None
    if request.reasoning_effort == "none":
        if present(thinking):
            raise InvalidRequest(
                "'reasoning_effort' is 'none' and 'thinking' is set: send one of them.",
                param="reasoning_effort",
            )
        thinking = THINKING_OFF
    elif request.reasoning_effort is not None:
        effort = EFFORTS.get(request.reasoning_effort)
        if effort is None:
            if not drops_params(request, target):
                raise unsupported(
                    "reasoning_effort", target, f"'{request.reasoning_effort}' is not one of its levels"
                )
            changes.add("reasoning_effort")
    output_format = None
    if _is_native(request, target):
        output_format = _format(request, target)
    else:
        _check_format(request, target, changes)
    if effort is None and output_format is None:
        return thinking, None
    return thinking, OutputConfig(effort=effort, format=output_format)


def _format(request: ChatRequest, target: Target) -> OutputFormat | None:
    wanted = request.response_format
    if wanted is None or wanted.kind == "text":
        return None
    if wanted.kind == "json_schema":
        if wanted.json_schema is None or not present(wanted.json_schema.body):
            raise InvalidRequest(
                "'response_format.json_schema.schema' is missing.", param="response_format.json_schema.schema"
            )
        return OutputFormat(kind="json_schema", body=wanted.json_schema.body)
    return None


def _check_format(request: ChatRequest, target: Target, changes: Changes) -> None:
    """Check the kind of a `response_format` that is not sent as such."""
    wanted = request.response_format
    if wanted is None or wanted.kind in ("text", "json_object"):
        return
    if wanted.kind == "json_schema":
        _format(request, target)
    elif not drops_params(request, target):
        raise unsupported("response_format", target, f"it has no mode '{wanted.kind}'; send a json_schema")
    else:
        changes.add("response_format")


def _tool(tool: Tool, where: str) -> ToolSpec:
    if tool.kind != "function" or tool.function is None:
        raise UnsupportedParameter(
            f"'{where}.type' is '{tool.kind}'; the provider takes function tools.", param=f"{where}.type"
        )
    function = tool.function
    return ToolSpec(
        name=function.name,
        description=function.description,
        input_schema=function.parameters if present(function.parameters) else NO_PARAMETERS,
        strict=function.strict or None,
        cache_control=tool.cache_control if present(tool.cache_control) else marked(function.cache_control),
    )


def _tool_choice(request: ChatRequest, target: Target) -> ToolUse | None:
    """The tool choice in Anthropic's form. `parallel_tool_calls: false` is a field of it there, so the choice
    is written out as `auto` where the caller made none."""
    choice = request.tool_choice
    if not request.tools:
        if choice in (None, "none", "auto"):
            return None
        raise InvalidRequest("'tool_choice' is set without 'tools'.", param="tool_choice")
    one_call = True if request.parallel_tool_calls is False else None
    if choice is None:
        return ToolUse(kind="auto", disable_parallel_tool_use=True) if one_call else None
    if isinstance(choice, ToolChoice):
        if choice.kind != "function" or choice.function is None:
            raise unsupported("tool_choice", target, f"it can't choose a '{choice.kind}'")
        return ToolUse(kind="tool", name=choice.function.name, disable_parallel_tool_use=one_call)
    if choice not in CHOICES:
        raise unsupported("tool_choice", target, f"'{choice}' is not auto, none or required")
    kind = CHOICES[choice]
    return ToolUse(kind=kind, disable_parallel_tool_use=None if kind == "none" else one_call)
