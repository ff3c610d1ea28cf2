"""Ollama's native API: `/api/chat` and `/api/embed`.

Source: ollama/ollama `api/types.go`, main of August 2026. Durations are nanoseconds and are not read.
"""

import msgspec

from schema.wire import ABSENT, MaybeRaw

Option = int | float | list[str] | msgspec.Raw


class OllamaFunction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`arguments` is a JSON object, not text as at OpenAI."""

    name: str = ""
    arguments: MaybeRaw = ABSENT


class OllamaToolCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Older servers send no `id`."""

    id: str | None = None
    function: OllamaFunction


class OllamaMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`images` are bare base64. `tool_name` and `tool_call_id` belong to role tool."""

    role: str | None = None
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[OllamaToolCall] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class OllamaFunctionSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    description: str | None = None
    parameters: MaybeRaw = ABSENT


class OllamaTool(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    kind: str = "function"
    function: OllamaFunctionSpec


class OllamaChat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """POST /api/chat. `stream`, `truncate` and `shift` are always written: true is what the server
    takes for an absent one."""

    model: str
    messages: list[OllamaMessage]
    stream: bool
    truncate: bool
    shift: bool
    options: dict[str, Option]
    format: MaybeRaw = ABSENT
    tools: list[OllamaTool] | None = None
    think: bool | str | None = None
    keep_alive: MaybeRaw = ABSENT
    logprobs: bool | None = None
    top_logprobs: int | None = None


class OllamaAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer, or one line of a stream; the counts are on the line with `done`."""

    model: str = ""
    message: OllamaMessage | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: MaybeRaw = ABSENT
    eval_count: MaybeRaw = ABSENT
    logprobs: MaybeRaw = ABSENT
    error: MaybeRaw = ABSENT


class OllamaEmbed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """POST /api/embed."""

    model: str
    input: list[str]
    truncate: bool
    dimensions: int | None = None
    keep_alive: MaybeRaw = ABSENT
    options: dict[str, Option] | None = None


class OllamaEmbeddings(msgspec.Struct, frozen=True, kw_only=True):
    model: str = ""
    embeddings: list[list[float]]
    prompt_eval_count: int | float | str | None = None
