"""OpenAI's chat parameters as Bedrock's. Source: the model of `bedrock-runtime` in botocore 1.40.

What Converse has no field for goes to the model itself, in the words of its maker: thinking, `top_k`, the
level of reasoning.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.backends.bedrock.messages import FIELDS, cache_point, conversation
from models_registry.backends.bedrock.models import is_claude, is_nova, is_qwen, known_as, takes_any_tool
from models_registry.backends.bedrock.points import with_fit_points
from models_registry.backends.changes import Changes, name_left_out
from models_registry.backends.content import called_names
from models_registry.backends.parameters import (
    TRANSLATED,
    drops_params,
    refuse_unsupported,
    unsupported,
    with_defaults,
)
from models_registry.target import Target
from schema.chat import ChatRequest, Tool, ToolChoice
from schema.dialects.bedrock import (
    BedrockBlock,
    BedrockSchema,
    BedrockTool,
    BedrockToolConfig,
    BedrockToolSpec,
    ConverseRequest,
    InferenceConfig,
)
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.wire import ABSENT, MaybeRaw, present

HONOURED = TRANSLATED | {
    "stop",
    "service_tier",
    # Bedrock's and Anthropic's own, as LiteLLM takes them
    "top_k",
    "thinking",
    "guardrailConfig",
    "performanceConfig",
    "requestMetadata",
}
ANSWER_TOOL = "json_answer"
"""The tool whose arguments are the answer, where the model is held to JSON by a tool."""
_ANSWER = "Call this tool once, with the whole answer."
ANY_OBJECT = msgspec.Raw(b'{"type":"object","additionalProperties":true}')
NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')
ONLY_JSON = "Answer with one JSON object and nothing else: no text before it or after it, and no code fence."
CHOICES: Mapping[str, str] = MappingProxyType({"auto": "auto", "required": "any"})
NOVA_LEVELS: Mapping[str, str] = MappingProxyType(
    {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
)
CLAUDE_LEVELS = frozenset({"low", "medium", "high", "xhigh", "max"})
TIERS: Mapping[str, str] = MappingProxyType(
    {"auto": "default", "default": "default", "flex": "flex", "priority": "priority"}
)
JSON_KINDS = ("json_object", "json_schema")


class _RootedSchema(msgspec.Struct, frozen=True, rename={"kind": "type"}):
    kind: str = ""


def answers_by_tool(request: ChatRequest, target: Target) -> bool:
    """Whether the model gives its JSON as the arguments of a tool that it has to call."""
    wanted = request.response_format
    if wanted is None or wanted.kind not in JSON_KINDS or _is_native(request, target):
        return False
    thinks = present(request.raw.get("thinking", ABSENT)) or request.reasoning_effort not in (None, "none")
    can_force = takes_any_tool(known_as(target)) and not (thinks and is_claude(known_as(target)))
    return can_force and not request.tools and _is_object(request)


def converse_request(
    request: ChatRequest, target: Target, changes: Changes, betas: tuple[str, ...] = ()
) -> ConverseRequest:
    """The body of a request. `betas` are Anthropic's beta features that the caller asks for. Raises
    UnsupportedParameter or InvalidRequest, which name what can't be sent."""
    request = with_defaults(request, target)
    refuse_unsupported(request, target, HONOURED, changes)
    name_left_out(request, FIELDS, changes)
    system, turns = conversation(request.messages, changes)
    wanted = request.response_format
    output: MaybeRaw = ABSENT
    tools = _tool_config(request, target, changes)
    if answers_by_tool(request, target):
        tools = _answer_tool(request)
    elif wanted is not None and wanted.kind in JSON_KINDS:
        if _is_native(request, target):
            output = _output_config(request)
        else:
            system = [*system, BedrockBlock(text=_told_to_answer_json(request))]
    elif wanted is not None and wanted.kind != "text":
        if not drops_params(request, target):
            raise unsupported("response_format", target, f"it has no mode '{wanted.kind}'")
        changes.add("response_format")
    config = InferenceConfig(
        max_tokens=request.max_completion_tokens or request.max_tokens or target.max_output_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        stop_sequences=_stop(request, changes),
    )
    made = ConverseRequest(
        messages=turns,
        system=system or None,
        inference_config=None if config == InferenceConfig() else config,
        tool_config=tools,
        output_config=output,
        additional_model_request_fields=_of_the_model(request, target, betas, changes) or None,
        guardrail_config=_given(request, "guardrailConfig"),
        performance_config=_given(request, "performanceConfig"),
        request_metadata=_given(request, "requestMetadata"),
        service_tier=_tier(request, target),
    )
    return with_fit_points(made, known_as(target), changes)


def _given(request: ChatRequest, name: str) -> MaybeRaw:
    raw = request.raw.get(name)
    return ABSENT if raw is None or not present(raw) else raw


def _stop(request: ChatRequest, changes: Changes) -> list[str] | None:
    sequences = [request.stop] if isinstance(request.stop, str) else (request.stop or [])
    kept = [sequence for sequence in sequences if sequence.strip()]
    if len(kept) < len(sequences):
        changes.add("stop")
    return kept or None


def _tier(request: ChatRequest, target: Target) -> dict[str, str] | None:
    raw = _given(request, "service_tier")
    if not present(raw):
        return None
    tier = TIERS.get(bytes(raw).strip(b'"').decode("utf-8", "replace"))
    if tier is None:
        raise unsupported("service_tier", target, f"it has the tiers {', '.join(sorted(TIERS))}")
    return None if tier == "default" else {"type": tier}


def _of_the_model(
    request: ChatRequest, target: Target, betas: tuple[str, ...], changes: Changes
) -> dict[str, msgspec.Raw]:
    """What goes to the model in the words of its maker."""
    found: dict[str, msgspec.Raw] = {}
    model, effort = known_as(target), request.reasoning_effort
    top_k, thinking = _given(request, "top_k"), _given(request, "thinking")
    if present(top_k):
        found |= {"inferenceConfig": _raw({"topK": top_k})} if is_nova(model) else {"top_k": top_k}
    if present(thinking):
        found["thinking"] = thinking
    if betas and is_claude(model):
        found["anthropic_beta"] = _raw(betas)
    if effort is None or (effort == "none" and not is_claude(model)):
        return found
    if is_claude(model):
        found |= _claudes_effort(effort, target, request, changes)
    elif is_nova(model):
        level = NOVA_LEVELS.get(effort, "low")
        found["reasoningConfig"] = _raw({"type": "enabled", "maxReasoningEffort": level})
    else:
        found["reasoning_config" if is_qwen(model) else "reasoning_effort"] = _raw(effort)
    return found


def _claudes_effort(
    effort: str, target: Target, request: ChatRequest, changes: Changes
) -> dict[str, msgspec.Raw]:
    """A level that no budget of thinking took the place of (`models_registry/backends/claude_fitting.py`)."""
    if effort == "none":
        return {"thinking": _raw({"type": "disabled"})}
    if effort in CLAUDE_LEVELS:
        return {"output_config": _raw({"effort": effort})}
    if not drops_params(request, target):
        raise unsupported("reasoning_effort", target, f"'{effort}' is not one of its levels")
    changes.add("reasoning_effort")
    return {}


def _schema_of(request: ChatRequest) -> msgspec.Raw | None:
    wanted = request.response_format
    if wanted is None or wanted.kind != "json_schema":
        return None
    if wanted.json_schema is None or not present(wanted.json_schema.body):
        raise InvalidRequest(
            "'response_format.json_schema.schema' is missing.", param="response_format.json_schema.schema"
        )
    return wanted.json_schema.body


def _is_native(request: ChatRequest, target: Target) -> bool:
    """Whether the schema goes to Bedrock's own structured output."""
    facts = target.facts
    return _schema_of(request) is not None and facts is not None and facts.native_structured is True


def _is_object(request: ChatRequest) -> bool:
    schema = _schema_of(request)
    try:
        return schema is None or msgspec.json.decode(schema, type=_RootedSchema).kind == "object"
    except msgspec.ValidationError:
        return False


def _output_config(request: ChatRequest) -> msgspec.Raw:
    wanted, schema = request.response_format, _schema_of(request)
    name = wanted.json_schema.name if wanted is not None and wanted.json_schema is not None else None
    told = {"name": name or "answer", "schema": bytes(schema or b"{}").decode()}
    return _raw({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": told}}})


def _told_to_answer_json(request: ChatRequest) -> str:
    schema = _schema_of(request)
    return ONLY_JSON if schema is None else f"{ONLY_JSON} It fits this JSON schema: {bytes(schema).decode()}"


def _answer_tool(request: ChatRequest) -> BedrockToolConfig:
    schema = _schema_of(request) or ANY_OBJECT
    spec = BedrockToolSpec(name=ANSWER_TOOL, description=_ANSWER, input_schema=BedrockSchema(json=schema))
    return BedrockToolConfig(tools=[BedrockTool(tool_spec=spec)], tool_choice={"tool": {"name": ANSWER_TOOL}})


def _tool(tool: Tool, where: str) -> list[BedrockTool]:
    if tool.kind != "function" or tool.function is None:
        raise UnsupportedParameter(
            f"'{where}.type' is '{tool.kind}'; the provider takes function tools.", param=f"{where}.type"
        )
    function = tool.function
    schema = function.parameters if present(function.parameters) else NO_PARAMETERS
    spec = BedrockToolSpec(
        name=function.name,
        description=function.description or None,
        input_schema=BedrockSchema(json=schema),
        strict=function.strict or None,
    )
    point = cache_point(tool.cache_control if present(tool.cache_control) else function.cache_control)
    return [BedrockTool(tool_spec=spec), *([BedrockTool(cache_point=point)] if point else [])]


def _tool_config(request: ChatRequest, target: Target, changes: Changes) -> BedrockToolConfig | None:
    """The tools and the choice. Bedrock has no `none`: then no tool is sent, unless the conversation has
    calls, which need their tools."""
    choice = request.tool_choice
    has_calls = any(message.tool_calls or message.role == "tool" for message in request.messages)
    if not request.tools:
        if choice not in (None, "none", "auto"):
            raise InvalidRequest("'tool_choice' is set without 'tools'.", param="tool_choice")
        return _earlier_tools(request, changes) if has_calls else None
    if choice == "none" and not has_calls:
        return None
    tools = [each for i, tool in enumerate(request.tools) for each in _tool(tool, f"tools[{i}]")]
    return BedrockToolConfig(tools=tools, tool_choice=_choice(request, target, changes))


def _earlier_tools(request: ChatRequest, changes: Changes) -> BedrockToolConfig | None:
    """The tools that were called earlier, where the request has none: Bedrock wants them declared."""
    names = called_names(request.messages)
    if not names:
        return None
    changes.add("tools")
    specs = [BedrockToolSpec(name=name, input_schema=BedrockSchema(json=NO_PARAMETERS)) for name in names]
    return BedrockToolConfig(tools=[BedrockTool(tool_spec=spec) for spec in specs])


def _choice(request: ChatRequest, target: Target, changes: Changes) -> dict[str, dict[str, str]] | None:
    choice = request.tool_choice
    if choice == "none":
        changes.add("tool_choice")
    if choice in (None, "auto", "none"):
        return None
    if isinstance(choice, ToolChoice):
        if choice.kind != "function" or choice.function is None:
            raise unsupported("tool_choice", target, f"it can't choose a '{choice.kind}'")
        made = {"tool": {"name": choice.function.name}}
    elif choice in CHOICES:
        made = {CHOICES[choice]: {}}
    else:
        raise unsupported("tool_choice", target, f"'{choice}' is not auto, none or required")
    if takes_any_tool(known_as(target)):
        return made
    if not drops_params(request, target):
        raise unsupported("tool_choice", target, "the model can't be made to call a tool")
    changes.add("tool_choice")
    return None


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
