"""Cohere's v2 chat: `/v2/chat`. Sources: Cohere's API reference, recordings of 2026."""

import msgspec

from schema.wire import ABSENT, MaybeRaw


class CohereFunction(msgspec.Struct, frozen=True, kw_only=True):
    """`arguments` is JSON as text; in a stream, a piece of it."""

    name: str = ""
    arguments: str = ""


class CohereToolCall(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    id: str = ""
    kind: str = "function"
    function: CohereFunction = CohereFunction()


class CohereImage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`url` is an https address or a data URI."""

    url: str
    detail: str | None = None


class CoherePart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    """A piece of a message's content: `text`, `thinking` or `image_url`."""

    kind: str
    text: str | None = None
    thinking: str | None = None
    image_url: CohereImage | None = None


class CohereMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    role: str
    content: str | list[CoherePart] | None = None
    tool_plan: str | None = None
    """What the model wrote in front of its tool calls."""
    tool_calls: list[CohereToolCall] | None = None
    tool_call_id: str | None = None


class CohereFunctionSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    description: str | None = None
    parameters: msgspec.Raw


class CohereTool(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    kind: str = "function"
    function: CohereFunctionSpec


class CohereFormat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    kind: str
    json_schema: MaybeRaw = ABSENT


class CohereThinking(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    """`type` is enabled or disabled."""

    kind: str
    token_budget: int | None = None


class CohereRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """POST /v2/chat."""

    model: str
    messages: list[CohereMessage]
    stream: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    p: float | None = None
    k: MaybeRaw = ABSENT
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop_sequences: list[str] | None = None
    tools: list[CohereTool] | None = None
    tool_choice: str | None = None
    """`REQUIRED` or `NONE`."""
    response_format: CohereFormat | None = None
    thinking: CohereThinking | None = None
    documents: MaybeRaw = ABSENT
    citation_options: MaybeRaw = ABSENT
    safety_mode: MaybeRaw = ABSENT
    logprobs: bool | None = None
    strict_tools: bool | None = None
    """Whether the arguments of every tool's calls follow its schema."""


class CohereLogprobs(msgspec.Struct, frozen=True, kw_only=True):
    """The log probabilities of the tokens that make up a piece of text."""

    text: str | None = None
    logprobs: list[float] | None = None


class CohereUnits(msgspec.Struct, frozen=True, kw_only=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None


class CohereUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What is on the bill, and what the model read and wrote. The second has Cohere's own text too."""

    billed_units: CohereUnits | None = None
    tokens: CohereUnits | None = None


class CohereSaid(msgspec.Struct, frozen=True, kw_only=True):
    """The assistant's message. In a stream each event has a part of it, in other forms than here."""

    content: list[CoherePart] | None = None
    tool_plan: str | None = None
    tool_calls: list[CohereToolCall] | None = None
    citations: MaybeRaw = ABSENT


class CohereAnswer(msgspec.Struct, frozen=True, kw_only=True):
    id: str = ""
    message: CohereSaid
    finish_reason: str | None = None
    usage: MaybeRaw = ABSENT
    logprobs: MaybeRaw = ABSENT
    """A list of CohereLogprobs, or null."""
    error: MaybeRaw = ABSENT


class CohereSaidPiece(msgspec.Struct, frozen=True, kw_only=True):
    """What an event adds to the message: one content, one call, one citation. An event that begins the
    message has empty lists there."""

    content: MaybeRaw = ABSENT
    tool_plan: str | None = None
    tool_calls: MaybeRaw = ABSENT
    citations: MaybeRaw = ABSENT


class CohereDelta(msgspec.Struct, frozen=True, kw_only=True):
    message: CohereSaidPiece | None = None
    finish_reason: str | None = None
    usage: MaybeRaw = ABSENT
    error: MaybeRaw = ABSENT


class CohereEvent(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """One event of a stream, such as `content-delta`."""

    kind: str = ""
    id: str | None = None
    index: int | None = None
    delta: CohereDelta | None = None
    logprobs: MaybeRaw = ABSENT
    """The CohereLogprobs of a `content-delta`, or null."""
    error: MaybeRaw = ABSENT


class CohereEmbed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """POST /v2/embed. Vectors are asked for as floats."""

    model: str
    texts: list[str]
    input_type: MaybeRaw = ABSENT
    embedding_types: list[str] = msgspec.field(default_factory=lambda: ["float"])
    output_dimension: int | None = None
    truncate: MaybeRaw = ABSENT


class CohereVectors(msgspec.Struct, frozen=True, rename={"floats": "float"}):
    """The vectors, by their type."""

    floats: list[list[float]] | None = None


class CohereEmbedded(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. `meta` has the bill."""

    embeddings: CohereVectors
    meta: MaybeRaw = ABSENT
