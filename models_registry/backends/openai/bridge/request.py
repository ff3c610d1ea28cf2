"""OpenAI's chat parameters as those of Responses. Source: OpenAI's OpenAPI document 2.3.0,
`CreateResponse`."""

import msgspec

from models_registry.backends.changes import Changes, name_left_out
from models_registry.backends.openai.bridge.items import FIELDS, items_of
from models_registry.backends.parameters import (
    TRANSLATED,
    drops_params,
    refuse_unsupported,
    unsupported,
    with_defaults,
)
from models_registry.target import Target
from schema.chat import ChatRequest, ResponseFormat, Tool, ToolChoice
from schema.dialects.openai_responses import (
    SentChoice,
    SentFormat,
    SentReasoning,
    SentResponse,
    SentText,
    SentTool,
)
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.wire import ABSENT, MaybeRaw, present

HONOURED = TRANSLATED | {
    "logprobs",
    "top_logprobs",
    "verbosity",
    "service_tier",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
}
SEALED_THINKING = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
LEAST_LIMIT = 16
WORDS = frozenset({"auto", "none", "required"})
NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')


def response_body(request: ChatRequest, target: Target, changes: Changes) -> SentResponse:
    """The body of a request. Nothing is stored there, so that thinking comes sealed where the model thinks:
    the next call needs it. Raises UnsupportedParameter or InvalidRequest, which name what can't be sent."""
    request = with_defaults(request, target)
    refuse_unsupported(request, target, HONOURED, changes)
    name_left_out(request, FIELDS, changes)
    facts = target.facts
    include = [SEALED_THINKING] if facts is not None and facts.reasoning is True else []
    if request.logprobs:
        include.append(LOGPROBS)
    tools = [_tool(tool, f"tools[{i}]") for i, tool in enumerate(request.tools or ())]
    return SentResponse(
        model=target.model,
        input=items_of(request.messages, changes),
        store=False,
        stream=True if request.stream else None,
        max_output_tokens=_limit(request, target, changes),
        temperature=request.temperature,
        top_p=request.top_p,
        top_logprobs=request.top_logprobs if request.logprobs else None,
        tools=tools or None,
        tool_choice=_choice(request, target) if tools else None,
        parallel_tool_calls=request.parallel_tool_calls if tools else None,
        text=_text(request, target, changes),
        reasoning=None
        if request.reasoning_effort is None
        else SentReasoning(effort=request.reasoning_effort),
        include=include or None,
        service_tier=_given(request, "service_tier"),
        user=request.user,
        safety_identifier=_given(request, "safety_identifier"),
        prompt_cache_key=_given(request, "prompt_cache_key"),
        prompt_cache_retention=_given(request, "prompt_cache_retention"),
    )


def _limit(request: ChatRequest, target: Target, changes: Changes) -> int | None:
    """The limit on the output. OpenAI refuses one below LEAST_LIMIT here."""
    asked = request.max_completion_tokens or request.max_tokens
    if asked is None or asked >= LEAST_LIMIT:
        return asked or target.max_output_tokens
    changes.add("max_tokens" if request.max_completion_tokens is None else "max_completion_tokens")
    return LEAST_LIMIT


def _given(request: ChatRequest, name: str) -> MaybeRaw:
    raw = request.raw.get(name)
    return ABSENT if raw is None or not present(raw) else raw


def _tool(tool: Tool, where: str) -> SentTool:
    if tool.kind != "function" or tool.function is None:
        raise UnsupportedParameter(
            f"'{where}.type' is '{tool.kind}'; the translation takes function tools.", param=f"{where}.type"
        )
    function = tool.function
    return SentTool(
        kind="function",
        name=function.name,
        description=function.description,
        parameters=function.parameters if present(function.parameters) else NO_PARAMETERS,
        strict=bool(function.strict),
    )


def _choice(request: ChatRequest, target: Target) -> str | SentChoice | None:
    choice = request.tool_choice
    if choice is None or (isinstance(choice, str) and choice in WORDS):
        return choice
    if isinstance(choice, ToolChoice) and choice.kind == "function" and choice.function is not None:
        return SentChoice(kind="function", name=choice.function.name)
    raise unsupported("tool_choice", target, "it is auto, none, required, or names a function")


def _text(request: ChatRequest, target: Target, changes: Changes) -> SentText | None:
    wanted, verbosity = request.response_format, _given(request, "verbosity")
    form = None if wanted is None or wanted.kind == "text" else _format(wanted, request, target, changes)
    return None if form is None and not verbosity else SentText(format=form, verbosity=verbosity)


def _format(
    wanted: ResponseFormat, request: ChatRequest, target: Target, changes: Changes
) -> SentFormat | None:
    if wanted.kind == "json_object":
        return SentFormat(kind="json_object")
    if wanted.kind == "json_schema":
        schema = wanted.json_schema
        if schema is None or not present(schema.body):
            raise InvalidRequest(
                "'response_format.json_schema.schema' is missing.", param="response_format.json_schema.schema"
            )
        return SentFormat(
            kind="json_schema",
            name=schema.name or "answer",
            description=schema.description,
            body=schema.body,
            strict=schema.strict,
        )
    if not drops_params(request, target):
        raise unsupported("response_format", target, f"it has no mode '{wanted.kind}'")
    changes.add("response_format")
    return None
