"""Anthropic's Messages API: what the gateway sends, and what it reads of the answers.

One flat struct a family (`type` says which fields count), so that block and event types that are
not known yet decode as well. Source: the types of Anthropic's Python SDK 2.12, API 2023-06-01.
"""

import msgspec

from schema.wire import ABSENT, MaybeRaw


class AnthropicSource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    """Where an image or document is: `base64` with `media_type` and `data`, or `url`."""

    kind: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None


class Block(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    """One shared piece of content, as sent."""

    kind: str
    text: str | None = None
    source: AnthropicSource | None = None
    id: str | None = None
    name: str | None = None
    input: MaybeRaw = ABSENT
    """A tool call's arguments: a JSON object."""
    tool_use_id: str | None = None
    content: "str | list[Block] | msgspec.UnsetType" = msgspec.UNSET
    """Of a `tool_result` alone."""
    thinking: str | None = None
    """Of a `thinking` block, with its `signature`. Anthropic takes it unchanged alone."""
    signature: str | None = None
    data: str | None = None
    """Of a `redacted_thinking` block."""
    cache_control: MaybeRaw = ABSENT


class AnswerBlock(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """One shared piece of content, as received. Blocks of the provider's own tools have more."""

    kind: str
    text: str | None = None
    citations: MaybeRaw = ABSENT
    """A list of objects, or null."""
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: MaybeRaw = ABSENT
    """A tool call's arguments: a JSON object, empty at the start of a stream's block."""


class AnthropicMessage(msgspec.Struct, frozen=True, kw_only=True):
    """`role` is user or assistant."""

    role: str
    content: list[Block]


class ToolSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    description: str | None = None
    input_schema: msgspec.Raw
    strict: bool | None = None
    cache_control: MaybeRaw = ABSENT


class ToolUse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    """`tool_choice`: auto, any, none, or tool with its name."""

    kind: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class OutputFormat(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type", "body": "schema"}):
    kind: str
    body: msgspec.Raw


class OutputConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`effort` is low, medium, high, xhigh or max."""

    effort: str | None = None
    format: OutputFormat | None = None


class AnthropicMetadata(msgspec.Struct, frozen=True, kw_only=True):
    user_id: str


class AnthropicRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """POST /v1/messages."""

    model: str = ""
    """Empty where the address names it."""
    anthropic_version: str = ""
    """Empty where a header says it."""
    max_tokens: int
    messages: list[AnthropicMessage]
    system: list[Block] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: MaybeRaw = ABSENT
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    tools: list[ToolSpec] | None = None
    tool_choice: ToolUse | None = None
    thinking: MaybeRaw = ABSENT
    output_config: OutputConfig | None = None
    metadata: AnthropicMetadata | None = None
    cache_control: MaybeRaw = ABSENT
    """It marks the last block that can be cached."""


class OutputDetails(msgspec.Struct, frozen=True, kw_only=True):
    thinking_tokens: int | None = None


class CacheCreation(msgspec.Struct, frozen=True, kw_only=True):
    """Of what was written to the cache, for how long."""

    ephemeral_1h_input_tokens: int | None = None


class ServerToolUse(msgspec.Struct, frozen=True, kw_only=True):
    """How often the provider's own tools ran. Fetches cost their tokens alone."""

    web_search_requests: int | None = None


class AnthropicUsage(msgspec.Struct, frozen=True, kw_only=True):
    """`input_tokens` is what was neither read from nor written to the cache. In a stream, a later
    report replaces the fields it has."""

    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None
    cache_creation: CacheCreation | None = None
    server_tool_use: ServerToolUse | None = None
    service_tier: str | None = None
    """`standard`, `priority` (committed in advance, at the standard rates) or `batch`."""
    speed: str | None = None
    """`fast` has prices of its own."""


class MessagesResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, and the `message` of a `message_start` event."""

    id: str
    model: str = ""
    content: list[AnswerBlock]
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: MaybeRaw = ABSENT
    """An AnthropicUsage."""


class BlockDelta(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """The `delta` of a block; that of a `message_delta` event, which has a `stop_reason`."""

    kind: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: MaybeRaw = ABSENT
    partial_json: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class MessageEvent(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """One event of a stream."""

    kind: str
    index: int = 0
    message: MessagesResponse | None = None
    content_block: AnswerBlock | None = None
    delta: BlockDelta | None = None
    usage: MaybeRaw = ABSENT
    """An AnthropicUsage."""
    error: MaybeRaw = ABSENT
