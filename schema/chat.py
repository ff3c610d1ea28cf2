"""OpenAI's chat completions: request, answer, stream chunk.

Lenient where clients and providers differ (unknown roles, part types and fields pass), strict
in the types of what is declared. Source: OpenAI's OpenAPI document 2.3.0, `CreateChatCompletion*`.
"""

from typing import Annotated

import msgspec

from schema.wire import ABSENT, MaybeRaw, Wire

MAX_ANSWERS = 128
"""The maximum of `n` at OpenAI."""
TokenLimit = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
"""A limit on tokens. It is at least 1: some servers take -1 for "no limit" and 0 for their own limit, so that
neither would limit anything."""


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    """One shared piece of a message's content; `type` says which field counts."""

    kind: str
    text: str | None = None
    refusal: str | None = None
    image_url: "ImageUrl | str | None" = None
    input_audio: MaybeRaw = ABSENT
    file: MaybeRaw = ABSENT
    thinking: MaybeRaw = ABSENT
    """Text at Anthropic, with its `signature`; a list of parts at Mistral."""
    signature: str | None = None
    data: str | None = None
    """Thinking that Anthropic sends encrypted (`redacted_thinking`)."""
    cache_control: MaybeRaw = ABSENT


class ImageUrl(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`url` is an http(s) address or a data URI."""

    url: str
    detail: str | None = None


class CalledFunction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`arguments` is JSON as text; in a stream, a piece of it."""

    name: str | None = None
    arguments: str | None = None


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    """One call of a tool. Only a stream has `index`."""

    index: int | None = None
    id: str | None = None
    kind: str | None = None
    function: CalledFunction | None = None
    cache_control: MaybeRaw = ABSENT


class ThinkingBlock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    """A piece of signed thinking, by LiteLLM's names: `thinking` with `thinking` and `signature`, or
    `redacted_thinking` with `data`. In a stream, a piece of one: the signature comes last."""

    kind: str
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message of the conversation, as sent by the client."""

    role: str
    content: str | list[Part] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    function_call: CalledFunction | None = None
    reasoning_content: str | None = None
    thinking_blocks: MaybeRaw = ABSENT
    """A list of ThinkingBlock."""
    cache_control: MaybeRaw = ABSENT


class FunctionSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`parameters` is a JSON Schema, kept as its bytes."""

    name: str
    description: str | None = None
    parameters: MaybeRaw = ABSENT
    strict: bool | None = None
    cache_control: MaybeRaw = ABSENT


class Tool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    kind: str
    function: FunctionSpec | None = None
    cache_control: MaybeRaw = ABSENT


class ChosenFunction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    kind: str
    function: ChosenFunction | None = None


class JsonSchema(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"body": "schema"}):
    name: str | None = None
    description: str | None = None
    body: MaybeRaw = ABSENT
    strict: bool | None = None


class ResponseFormat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    """`type` is text, json_object or json_schema."""

    kind: str
    json_schema: JsonSchema | None = None


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /v1/chat/completions. Fields that aren't declared here are in `raw`: forwarded where
    the upstream speaks OpenAI's dialect, refused by name where the request is translated."""

    model: str
    messages: list[Message]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: TokenLimit | None = None
    max_completion_tokens: TokenLimit | None = None
    max_output_tokens: TokenLimit | None = None
    max_new_tokens: TokenLimit | None = None
    n_predict: TokenLimit | None = None
    num_predict: TokenLimit | None = None
    """This field and the next three are other servers' names for a limit: see
    `models_registry/bounds/field_costs.py`."""
    n: Annotated[int, msgspec.Meta(ge=1, le=MAX_ANSWERS)] | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[Tool] | None = None
    tool_choice: str | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    user: str | None = None


class PromptDetails(msgspec.Struct, frozen=True, kw_only=True):
    cached_tokens: int | None = None
    audio_tokens: int | None = None
    cache_write_tokens: int | None = None
    image_tokens: int | msgspec.UnsetType | None = msgspec.UNSET
    """Few providers report image tokens, so the field is written only where the number is known."""


class CompletionDetails(msgspec.Struct, frozen=True, kw_only=True):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | msgspec.UnsetType | None = msgspec.UNSET


class WireUsage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """OpenAI's `usage` object. Each count may be null at some compatible server. The last two fields are
    DeepSeek's and Mistral's names for cached tokens."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    num_cached_tokens: int | None = None


class UrlCitation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The source of a part of the answer's text. The indices count characters of the text."""

    start_index: int
    end_index: int
    url: str
    title: str | None = None


class Annotation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    kind: str
    url_citation: UrlCitation


class CitationFields(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Citations as the provider has them. A whole answer has `citations`, a list for each text that cites; a
    stream has one `citation` at a time."""

    citations: list[list[msgspec.Raw]] | None = None
    citation: msgspec.Raw | None = None


class AnswerMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The assistant's message. `content` is written even when it is null, since clients read it without a
    check."""

    role: str | None = "assistant"
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | msgspec.UnsetType | None = msgspec.UNSET
    tool_calls: list[ToolCall] | msgspec.UnsetType | None = msgspec.UNSET
    thinking_blocks: MaybeRaw = ABSENT
    """A list of ThinkingBlock. Whoever continues the conversation sends it back as it came."""
    annotations: MaybeRaw = ABSENT
    provider_specific_fields: MaybeRaw = ABSENT
    """LiteLLM's place for what OpenAI has no field for, such as `citations`."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    index: int = 0
    message: AnswerMessage
    finish_reason: str | None = None
    logprobs: MaybeRaw = ABSENT


class ChatCompletion(Wire, frozen=True, kw_only=True, dict=True):
    """The answer to a call without a stream. `raw` is set when the answer came over the byte path."""

    id: str = ""
    object: str = ""
    created: int = 0
    model: str = ""
    choices: list[Choice]
    usage: WireUsage | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None


class Delta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    thinking_blocks: list[ThinkingBlock] | None = None
    annotations: "list[Annotation] | None" = None
    provider_specific_fields: "CitationFields | None" = None
    images: MaybeRaw = ABSENT
    audio: MaybeRaw = ABSENT


class ChunkChoice(msgspec.Struct, frozen=True, kw_only=True):
    """`finish_reason` is written as null until the last chunk, as OpenAI does."""

    index: int = 0
    delta: Delta
    finish_reason: str | None = None
    logprobs: MaybeRaw = ABSENT


class ChatChunk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event of a stream. All chunks of a stream share `id`, `created` and `model`."""

    id: str
    object: str
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: WireUsage | None = None
