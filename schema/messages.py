"""Anthropic's Messages: request, answer, token count.

The byte path reads few fields of a request, so contents stay bytes here until a front needs them. Fields that
aren't declared pass on the byte path. Source: the types of Anthropic's Python SDK 2.12.
"""

from typing import Annotated

import msgspec

from schema.wire import ABSENT, MaybeRaw, Wire

AnswerLimit = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
"""A limit on the output in tokens. 0 only fills the prompt cache at Anthropic."""


class ConversationTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the conversation. `content` is a text or a list of TurnBlock."""

    role: str
    content: MaybeRaw = ABSENT


class TurnSource(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """Where a picture or a document is: `base64`, `url`, `text`, `content` or `file`."""

    kind: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: MaybeRaw = ABSENT


class TurnBlock(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """One shared piece of a message's content; `type` says which fields count."""

    kind: str
    text: str | None = None
    source: TurnSource | None = None
    title: str | None = None
    id: str | None = None
    name: str | None = None
    input: MaybeRaw = ABSENT
    tool_use_id: str | None = None
    content: MaybeRaw = ABSENT
    """Of a `tool_result`: a text or a list of blocks."""
    is_error: bool | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    cache_control: MaybeRaw = ABSENT


class DeclaredTool(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """A tool. One without a type, or of the type `custom`, is the caller's own."""

    kind: str | None = None
    name: str | None = None
    description: str | None = None
    input_schema: MaybeRaw = ABSENT
    strict: bool | None = None
    cache_control: MaybeRaw = ABSENT


class ToolUseChoice(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """`auto`, `any`, `none`, or `tool` with its name."""

    kind: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class MessagesRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /v1/messages."""

    model: str
    messages: list[ConversationTurn]
    max_tokens: AnswerLimit | None = None
    system: MaybeRaw = ABSENT
    """A text, or a list of text blocks."""
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    tools: MaybeRaw = ABSENT
    """A list of DeclaredTool and of Anthropic's own tools."""
    tool_choice: MaybeRaw = ABSENT
    """A ToolUseChoice."""
    thinking: MaybeRaw = ABSENT
    output_config: MaybeRaw = ABSENT
    metadata: MaybeRaw = ABSENT
    thread: MaybeRaw = ABSENT
    service_tier: str | None = None


class CountRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /v1/messages/count_tokens: a MessagesRequest without what concerns the answer."""

    model: str
    messages: list[ConversationTurn]
    system: MaybeRaw = ABSENT
    tools: MaybeRaw = ABSENT
    tool_choice: MaybeRaw = ABSENT
    thinking: MaybeRaw = ABSENT
    output_config: MaybeRaw = ABSENT


class CountedTokens(Wire, frozen=True, kw_only=True, dict=True):
    """The tokens of the input."""

    input_tokens: int


class WrittenFor(msgspec.Struct, frozen=True, kw_only=True):
    """What was written to the cache, by how long it is kept."""

    ephemeral_5m_input_tokens: int
    ephemeral_1h_input_tokens: int


class ThoughtTokens(msgspec.Struct, frozen=True, kw_only=True):
    thinking_tokens: int


class SearchesMade(msgspec.Struct, frozen=True, kw_only=True):
    """How often the provider's own tools ran. Nobody but Anthropic counts fetches."""

    web_search_requests: int
    web_fetch_requests: int = 0


class MessagesUsage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`input_tokens` leaves out what was read from the cache or written to it."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int
    cache_creation: WrittenFor | None = None
    output_tokens_details: ThoughtTokens | None = None
    server_tool_use: SearchesMade | None = None
    service_tier: str | None = None


class SaidBlock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    """One piece of an answer; `type` says which fields it has."""

    kind: str
    text: str | None = None
    citations: list[msgspec.Raw] | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: MaybeRaw = ABSENT


class MessagesAnswer(Wire, frozen=True, kw_only=True, dict=True, omit_defaults=False):
    """The answer, and the message of a stream's first event. `stop_reason` and `stop_sequence` are written
    where they are null too."""

    id: str = ""
    type: str = "message"
    role: str = "assistant"
    model: str = ""
    content: list[SaidBlock]
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: MessagesUsage | None = None
