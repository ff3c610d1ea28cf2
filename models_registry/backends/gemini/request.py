"""OpenAI's chat parameters as Google's. Source: the types of Google's Python SDK, google-genai 3.4."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.backends.changes import Changes, name_left_out
from models_registry.backends.gemini.contents import FIELDS, conversation
from models_registry.backends.gemini.models import (
    always_thinks,
    takes_budget,
    validates_calls,
    wants_signatures,
)
from models_registry.backends.gemini.schemas import fit_parameters, fit_schema
from models_registry.backends.parameters import (
    TRANSLATED,
    drops_params,
    refuse_unsupported,
    unsupported,
    with_defaults,
)
from models_registry.target import Target
from schema.chat import ChatRequest, Tool, ToolChoice
from schema.dialects.gemini import (
    GeminiChoice,
    GeminiFunction,
    GeminiThinking,
    GeminiTool,
    GeminiToolConfig,
    GeminiTurn,
    GenerateRequest,
    GenerationConfig,
)
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.wire import ABSENT, MaybeRaw, present

HONOURED = TRANSLATED | {
    "stop",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "logprobs",
    "top_logprobs",
    "modalities",
    # Google's own, and Anthropic's, as LiteLLM takes them
    "top_k",
    "thinking",
    "safety_settings",
    "cached_content",
    "labels",
}
MAX_STOPS = 5
VALIDATED = "VALIDATED"
CHOICES: Mapping[str, str] = MappingProxyType({"auto": "AUTO", "none": "NONE", "required": "ANY"})
BUDGETS: Mapping[str, int] = MappingProxyType(
    {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 24_576, "max": 24_576}
)
"""The budget of thinking in tokens for a level of `reasoning_effort`, at models that take one. Every such
model takes these, but for `none`."""
LEAST_BUDGET = 128
"""The least budget of the models that always think."""
LEVELS: Mapping[str, str] = MappingProxyType(
    {"minimal": "minimal", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
)
MODALITIES: Mapping[str, str] = MappingProxyType({"text": "TEXT", "image": "IMAGE"})
JSON_TYPE = "application/json"
_MODALITIES = msgspec.json.Decoder(list[str])


class _AskedBudget(msgspec.Struct, frozen=True, rename={"kind": "type"}):
    """Anthropic's `thinking`."""

    kind: str = ""
    budget_tokens: int | None = None


def generate_request(request: ChatRequest, target: Target, changes: Changes) -> GenerateRequest:
    """The body of a request. Raises UnsupportedParameter or InvalidRequest, which name what can't be sent."""
    request = with_defaults(request, target)
    refuse_unsupported(request, target, HONOURED, changes)
    name_left_out(request, FIELDS, changes)
    facts = target.facts
    said = conversation(
        request.messages,
        changes,
        takes_system=facts is None or facts.system is not False,
        wants_signatures=wants_signatures(target.model),
    )
    functions = [_function(tool, f"tools[{i}]") for i, tool in enumerate(request.tools or ())]
    config = _config(request, target, changes)
    return GenerateRequest(
        contents=said.turns,
        system_instruction=GeminiTurn(parts=said.system) if said.system else None,
        tools=[GeminiTool(function_declarations=functions)] if functions else None,
        tool_config=_tool_config(request, target, changes),
        safety_settings=_given(request, "safety_settings"),
        labels=_given(request, "labels"),
        cached_content=_given(request, "cached_content"),
        generation_config=None if config == GenerationConfig() else config,
    )


def _given(request: ChatRequest, name: str) -> MaybeRaw:
    raw = request.raw.get(name)
    return ABSENT if raw is None or not present(raw) else raw


def _config(request: ChatRequest, target: Target, changes: Changes) -> GenerationConfig:
    kind, schema = _format(request, target, changes)
    wants_logprobs = bool(request.logprobs)
    return GenerationConfig(
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=_given(request, "top_k"),
        max_output_tokens=request.max_completion_tokens or request.max_tokens,
        stop_sequences=_stop(request, target, changes),
        seed=request.seed,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        response_logprobs=True if wants_logprobs else None,
        logprobs=request.top_logprobs if wants_logprobs else None,
        response_mime_type=kind,
        response_json_schema=schema,
        response_modalities=_modalities(request, target),
        thinking_config=_thinking(request, target, changes),
    )


def _stop(request: ChatRequest, target: Target, changes: Changes) -> list[str] | None:
    sequences = [request.stop] if isinstance(request.stop, str) else (request.stop or [])
    kept = [sequence for sequence in sequences if sequence]
    if len(kept) > MAX_STOPS:
        if not drops_params(request, target):
            raise unsupported("stop", target, f"it takes {MAX_STOPS} sequences at most")
        kept = kept[:MAX_STOPS]
    if len(kept) < len(sequences):
        changes.add("stop")
    return kept or None


def _modalities(request: ChatRequest, target: Target) -> list[str] | None:
    raw = _given(request, "modalities")
    if not present(raw):
        return None
    try:
        asked = _MODALITIES.decode(raw)
    except msgspec.DecodeError as exc:
        raise InvalidRequest("'modalities' must be a list of words.", param="modalities") from exc
    unknown = [word for word in asked if word not in MODALITIES]
    if unknown:
        raise unsupported("modalities", target, "an answer can have text and image there")
    return [MODALITIES[word] for word in asked]


def _format(request: ChatRequest, target: Target, changes: Changes) -> tuple[str | None, MaybeRaw]:
    """The answer's media type and its schema."""
    wanted = request.response_format
    if wanted is None or wanted.kind == "text":
        return None, ABSENT
    if wanted.kind == "json_object":
        return JSON_TYPE, ABSENT
    if wanted.kind == "json_schema":
        if wanted.json_schema is None or not present(wanted.json_schema.body):
            raise InvalidRequest(
                "'response_format.json_schema.schema' is missing.", param="response_format.json_schema.schema"
            )
        return JSON_TYPE, fit_schema(wanted.json_schema.body)
    if not drops_params(request, target):
        raise unsupported("response_format", target, f"it has no mode '{wanted.kind}'")
    changes.add("response_format")
    return None, ABSENT


def _function(tool: Tool, where: str) -> GeminiFunction:
    if tool.kind != "function" or tool.function is None:
        raise UnsupportedParameter(
            f"'{where}.type' is '{tool.kind}'; the provider takes function tools.", param=f"{where}.type"
        )
    function = tool.function
    schema = fit_parameters(function.parameters) if present(function.parameters) else ABSENT
    return GeminiFunction(
        name=function.name, description=function.description or None, parameters_json_schema=schema
    )


def _tool_config(request: ChatRequest, target: Target, changes: Changes) -> GeminiToolConfig | None:
    """The choice of tools. A forced call follows its schema anyway. With `strict` at a tool, every call does:
    Google has one word for all tools."""
    choice = request.tool_choice
    if not request.tools:
        if choice in (None, "none", "auto"):
            return None
        raise InvalidRequest("'tool_choice' is set without 'tools'.", param="tool_choice")
    if choice in (None, "auto") and any(tool.function and tool.function.strict for tool in request.tools):
        if validates_calls(target.model):
            return GeminiToolConfig(function_calling_config=GeminiChoice(mode=VALIDATED))
        changes.add("tools.function.strict")
    if choice is None:
        return None
    if isinstance(choice, ToolChoice):
        if choice.kind != "function" or choice.function is None:
            raise unsupported("tool_choice", target, f"it can't choose a '{choice.kind}'")
        return GeminiToolConfig(
            function_calling_config=GeminiChoice(mode="ANY", allowed_function_names=[choice.function.name])
        )
    if choice not in CHOICES:
        raise unsupported("tool_choice", target, f"'{choice}' is not auto, none or required")
    return GeminiToolConfig(function_calling_config=GeminiChoice(mode=CHOICES[choice]))


def _thinking(request: ChatRequest, target: Target, changes: Changes) -> GeminiThinking | None:
    """How much the model thinks, and whether its thinking is shown: Anthropic's `thinking` before
    `reasoning_effort`."""
    raw = _given(request, "thinking")
    if present(raw):
        try:
            asked = msgspec.json.decode(raw, type=_AskedBudget)
        except msgspec.ValidationError as exc:
            raise InvalidRequest(f"'thinking' is malformed: {exc}", param="thinking") from exc
        return _of_budget(asked, request, target)
    effort = request.reasoning_effort
    facts = target.facts
    if effort is None or (facts is not None and facts.reasoning is False):
        return _without_reasoning(effort, request, target, changes)
    if effort not in BUDGETS:
        if not drops_params(request, target):
            raise unsupported("reasoning_effort", target, f"'{effort}' is not one of its levels")
        changes.add("reasoning_effort")
        return None
    if takes_budget(target):
        budget = BUDGETS[effort]
        if not budget and always_thinks(target):
            budget = LEAST_BUDGET
            changes.add("reasoning_effort")
        return GeminiThinking(include_thoughts=bool(budget), thinking_budget=budget)
    level = _level(effort, target)
    if level != effort:
        changes.add("reasoning_effort")
    return GeminiThinking(include_thoughts=effort != "none", thinking_level=level)


def _without_reasoning(
    effort: str | None, request: ChatRequest, target: Target, changes: Changes
) -> GeminiThinking | None:
    """Nothing to send: no level is asked for, or the model does not reason."""
    if effort in (None, "none"):
        return None
    if not drops_params(request, target):
        raise unsupported("reasoning_effort", target, "the model does not reason")
    changes.add("reasoning_effort")
    return None


def _of_budget(asked: _AskedBudget, request: ChatRequest, target: Target) -> GeminiThinking:
    if asked.kind == "disabled":
        return _off(target)
    if takes_budget(target):
        budget = asked.budget_tokens
        return GeminiThinking(include_thoughts=True, thinking_budget=-1 if budget is None else budget)
    effort = request.reasoning_effort or _effort_of(asked.budget_tokens)
    return GeminiThinking(include_thoughts=True, thinking_level=_level(effort, target) if effort else None)


def _off(target: Target) -> GeminiThinking:
    """As little thinking as the model can do."""
    if not takes_budget(target):
        return GeminiThinking(thinking_level=_level("none", target))
    return GeminiThinking(thinking_budget=LEAST_BUDGET if always_thinks(target) else 0)


def _effort_of(budget: int | None) -> str | None:
    """The level that a budget of thinking comes to."""
    if budget is None:
        return None
    return next((effort for effort in ("low", "medium") if budget <= BUDGETS[effort]), "high")


def _level(effort: str, target: Target) -> str:
    """The level of a model that takes levels: the nearest one that it has. `none` is the least."""
    facts = target.facts
    levels = [level for level in LEVELS if level in (facts.efforts if facts is not None else LEVELS)]
    known = [LEVELS[level] for level in levels] or list(LEVELS.values())
    wanted = LEVELS.get(effort, known[0])
    if wanted in known:
        return wanted
    order = list(dict.fromkeys(LEVELS.values()))
    return min(known, key=lambda level: abs(order.index(level) - order.index(wanted)))
