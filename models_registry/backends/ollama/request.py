"""OpenAI's chat and embeddings parameters as Ollama's. Source: ollama/ollama `api/types.go`."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.backends.changes import Changes, name_left_out
from models_registry.backends.embedding import asked_for
from models_registry.backends.ollama.forcing import forced
from models_registry.backends.ollama.messages import FIELDS, conversation
from models_registry.backends.ollama.options import RUNNER, SAMPLING, options_of, set_options
from models_registry.backends.parameters import (
    TRANSLATED,
    drops_params,
    refuse_unsupported,
    unsupported,
    with_defaults,
)
from models_registry.target import Target
from schema.chat import ChatRequest
from schema.dialects.ollama import OllamaChat, OllamaEmbed, OllamaFunctionSpec, OllamaMessage, OllamaTool
from schema.embeddings import EmbeddingsRequest
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.wire import ABSENT, MaybeRaw, present

HONOURED = (
    TRANSLATED
    | SAMPLING
    | RUNNER
    | {
        "seed",
        "stop",
        "frequency_penalty",
        "presence_penalty",
        "logprobs",
        "top_logprobs",
        # Ollama's own
        "options",
        "keep_alive",
        "think",
        "format",
    }
)
EMBED_FIELDS = RUNNER | {"options", "keep_alive", "truncate"}
EFFORTS: Mapping[str, bool | str] = MappingProxyType(
    {
        "none": False,
        "minimal": "low",
        "low": "low",
        "medium": "medium",
        "high": "high",
        "xhigh": "max",
        "max": "max",
    }
)
JSON_MODE = msgspec.Raw(b'"json"')


def chat_body(request: ChatRequest, target: Target, changes: Changes, *, loaded: int) -> OllamaChat:
    """The body of a chat request. The server is told to cut nothing, so a prompt that is too long is an
    error, and no shorter prompt. `loaded` is the context that the model is loaded with, 0 where it is not.
    Raises UnsupportedParameter or InvalidRequest, which name what can't be sent."""
    caller, request = request, with_defaults(request, target)
    refuse_unsupported(request, target, HONOURED, changes)
    name_left_out(request, FIELDS, changes)
    messages = conversation(request.messages, changes)
    must = forced(request)
    if must is not None:
        messages = [OllamaMessage(role="system", content=must.words), *messages]
    return OllamaChat(
        model=target.model,
        messages=messages,
        stream=bool(request.stream),
        truncate=False,
        shift=False,
        options=options_of(caller, request.tools or [], messages, target, loaded),
        format=_format(request, target, changes) if must is None else must.schema,
        tools=_tools(request, target, changes),
        think=_think(caller, target, changes),
        keep_alive=_given(request.raw, "keep_alive"),
        logprobs=request.logprobs or None,
        top_logprobs=request.top_logprobs or None,
    )


def embed_body(request: EmbeddingsRequest, target: Target) -> OllamaEmbed:
    """The body of an embeddings request. Ollama cuts a text that is too long, unless `truncate` is false.
    Raises
    what `asked_for` raises."""
    texts, merged = asked_for(request, target, EMBED_FIELDS)
    return OllamaEmbed(
        model=target.model,
        input=texts,
        truncate=bytes(_given(merged, "truncate") or b"true") != b"false",
        dimensions=request.dimensions,
        keep_alive=_given(merged, "keep_alive"),
        options={**set_options(target.params), **set_options(request.fields())} or None,
    )


def _given(fields: Mapping[str, msgspec.Raw], name: str) -> MaybeRaw:
    raw = fields.get(name)
    return ABSENT if raw is None or not present(raw) else raw


def _format(request: ChatRequest, target: Target, changes: Changes) -> MaybeRaw:
    """The form of the answer: OpenAI's `response_format`, else Ollama's own `format`."""
    wanted = request.response_format
    if wanted is None:
        return _given(request.raw, "format")
    if present(request.raw.get("format", ABSENT)):
        changes.add("format")
    if wanted.kind == "text":
        return ABSENT
    if wanted.kind == "json_object":
        return JSON_MODE
    if wanted.kind == "json_schema":
        if wanted.json_schema is None or not present(wanted.json_schema.body):
            raise InvalidRequest(
                "'response_format.json_schema.schema' is missing.", param="response_format.json_schema.schema"
            )
        return wanted.json_schema.body
    if drops_params(request, target):
        changes.add("response_format")
        return ABSENT
    raise unsupported("response_format", target, f"it has no mode '{wanted.kind}'")


def _tools(request: ChatRequest, target: Target, changes: Changes) -> list[OllamaTool] | None:
    """The tools to send. Ollama has no `tool_choice`: for `none` no tool is sent."""
    tools = []
    for i, tool in enumerate(request.tools or ()):
        if tool.kind != "function" or tool.function is None:
            raise UnsupportedParameter(
                f"'tools[{i}].type' is '{tool.kind}'; the provider takes function tools.",
                param=f"tools[{i}].type",
            )
        function = tool.function
        spec = OllamaFunctionSpec(
            name=function.name, description=function.description, parameters=function.parameters
        )
        tools.append(OllamaTool(function=spec))
    chosen = _chosen(tools, request, target, changes)
    if chosen and any(tool.function and tool.function.strict for tool in request.tools or ()):
        changes.add("tools.function.strict")
    return chosen or None


def _chosen(
    tools: list[OllamaTool], request: ChatRequest, target: Target, changes: Changes
) -> list[OllamaTool]:
    """The tools that the model may call. A model that must call one is told of them otherwise."""
    choice = request.tool_choice
    if choice in (None, "auto") or not tools:
        return tools
    if choice == "none":
        return []
    if forced(request) is not None:
        return []
    if drops_params(request, target):
        changes.add("tool_choice")
        return tools
    raise unsupported(
        "tool_choice", target, "it can't be made to call one of several tools whose schemas have references"
    )


def _think(request: ChatRequest, target: Target, changes: Changes) -> bool | str | None:
    """Whether the model thinks, and how much: the caller's word before the config's, and Ollama's own `think`
    before `reasoning_effort`."""
    for fields in (request.raw or request.fields(), target.params):
        own, effort = _given(fields, "think"), _given(fields, "reasoning_effort")
        if present(own):
            return _own_think(own)
        if present(effort):
            return _think_of(msgspec.json.decode(effort, type=str), request, target, changes)
    return None


def _own_think(raw: msgspec.Raw) -> bool | str:
    try:
        return msgspec.json.decode(raw, type=bool | str)
    except msgspec.ValidationError as exc:
        raise InvalidRequest("'think' must be true, false or a level, such as 'low'.", param="think") from exc


def _think_of(effort: str, request: ChatRequest, target: Target, changes: Changes) -> bool | str | None:
    if effort in EFFORTS:
        return EFFORTS[effort]
    if drops_params(request, target):
        changes.add("reasoning_effort")
        return None
    raise unsupported("reasoning_effort", target, f"'{effort}' is not one of its levels")
