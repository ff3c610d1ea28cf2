"""Amazon Bedrock's Converse: what the gateway sends, and what it reads of the answers.

Field names are camelCase on the wire. Source: the model of `bedrock-runtime` in botocore 1.40.
"""

import msgspec

from schema.wire import ABSENT, MaybeRaw


class BedrockSource(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of a picture or document, as base64."""

    bytes: str


class BedrockPicture(msgspec.Struct, frozen=True, kw_only=True):
    """`format` is png, jpeg, gif or webp."""

    format: str
    source: BedrockSource


class BedrockDocument(msgspec.Struct, frozen=True, kw_only=True):
    """`format` is pdf, csv, doc, docx, xls, xlsx, html, txt or md. `name` is shown to the model."""

    format: str
    name: str
    source: BedrockSource


class BedrockToolUse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    tool_use_id: str = ""
    name: str = ""
    input: MaybeRaw = ABSENT
    """A JSON object; in a stream, a piece of its text."""


class BedrockToolResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    tool_use_id: str
    content: "list[BedrockBlock]"


class BedrockReasoningText(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    text: str = ""
    signature: str | None = None


class BedrockReasoning(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Thinking: a text with its signature, or what only the provider can read. A stream has the members of
    the text one by one."""

    reasoning_text: BedrockReasoningText | None = None
    redacted_content: str | None = None
    text: str | None = None
    signature: str | None = None


class BedrockBlock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One shared piece of content, as sent: exactly one member."""

    text: str | None = None
    image: BedrockPicture | None = None
    document: BedrockDocument | None = None
    tool_use: BedrockToolUse | None = None
    tool_result: BedrockToolResult | None = None
    reasoning_content: BedrockReasoning | None = None
    cache_point: dict[str, str] | None = None


class BedrockMessage(msgspec.Struct, frozen=True, kw_only=True):
    """`role` is user or assistant."""

    role: str
    content: list[BedrockBlock]


class BedrockSchema(msgspec.Struct, frozen=True, kw_only=True):
    json: msgspec.Raw


class BedrockToolSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    name: str
    description: str | None = None
    input_schema: BedrockSchema
    strict: bool | None = None


class BedrockTool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    tool_spec: BedrockToolSpec | None = None
    cache_point: dict[str, str] | None = None


class BedrockToolConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """`tool_choice` is {"auto": {}}, {"any": {}} or {"tool": {"name": ...}}."""

    tools: list[BedrockTool]
    tool_choice: dict[str, dict[str, str]] | None = None


class InferenceConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: list[str] | None = None


class ConverseRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """POST /model/{model}/converse."""

    messages: list[BedrockMessage]
    system: list[BedrockBlock] | None = None
    inference_config: InferenceConfig | None = None
    tool_config: BedrockToolConfig | None = None
    output_config: MaybeRaw = ABSENT
    additional_model_request_fields: dict[str, msgspec.Raw] | None = None
    guardrail_config: MaybeRaw = ABSENT
    performance_config: MaybeRaw = ABSENT
    request_metadata: MaybeRaw = ABSENT
    service_tier: dict[str, str] | None = None


class BedrockCitations(msgspec.Struct, frozen=True, kw_only=True):
    """A text with its sources."""

    content: "list[BedrockAnswerBlock] | None" = None
    citations: list[msgspec.Raw] | None = None


class BedrockAnswerBlock(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One shared piece of content, as received."""

    text: str | None = None
    tool_use: BedrockToolUse | None = None
    reasoning_content: BedrockReasoning | None = None
    citations_content: BedrockCitations | None = None


class BedrockAnswerMessage(msgspec.Struct, frozen=True, kw_only=True):
    content: list[BedrockAnswerBlock] | None = None


class ConverseOutput(msgspec.Struct, frozen=True, kw_only=True):
    message: BedrockAnswerMessage | None = None


class ConverseAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    output: ConverseOutput
    stop_reason: str | None = None
    usage: MaybeRaw = ABSENT


class BedrockStart(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    tool_use: BedrockToolUse | None = None


class BedrockDelta(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    text: str | None = None
    tool_use: BedrockToolUse | None = None
    reasoning_content: BedrockReasoning | None = None
    citation: MaybeRaw = ABSENT


class ConverseEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An event of a stream; its name stands in the frame."""

    content_block_index: int = 0
    start: BedrockStart | None = None
    delta: BedrockDelta | None = None
    stop_reason: str | None = None
    usage: MaybeRaw = ABSENT
    message: str | None = None
    """Of an exception."""


class BedrockCacheDetail(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was written to the cache for how long."""

    input_tokens: int | None = None
    ttl: str | None = None


class BedrockUsage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`input_tokens` is what was neither read from nor written to the cache."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    cache_details: MaybeRaw = ABSENT


class BedrockCitation(msgspec.Struct, frozen=True, kw_only=True):
    title: str | None = None
    location: MaybeRaw = ABSENT
