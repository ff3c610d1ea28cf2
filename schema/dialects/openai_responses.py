"""OpenAI's Responses as a provider is asked by them. The answers are read for what the core has events for.
Source: OpenAI's OpenAPI document 2.3.0, `CreateResponse`, `InputItem`, `Response`."""

import msgspec

from schema.wire import ABSENT, MaybeRaw


class SentPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    """A piece of a content: `input_text`, `input_image`, `input_file`, `output_text`, `refusal`."""

    kind: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None


class SentItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    """A piece of the conversation: `message`, `reasoning`, `function_call`, `function_call_output`."""

    kind: str
    role: str | None = None
    content: str | list[SentPart] | None = None
    summary: list[SentPart] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[SentPart] | None = None


class SentTool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    """`strict` is always written: OpenAI takes a missing one for true here, and for false in chat."""

    kind: str
    name: str
    description: str | None = None
    parameters: MaybeRaw = ABSENT
    strict: bool


class SentChoice(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    kind: str
    name: str


class SentFormat(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type", "body": "schema"}
):
    """`text`, `json_object` or `json_schema`."""

    kind: str
    name: str | None = None
    description: str | None = None
    body: MaybeRaw = ABSENT
    strict: bool | None = None


class SentText(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    format: SentFormat | None = None
    verbosity: MaybeRaw = ABSENT


class SentReasoning(msgspec.Struct, frozen=True, kw_only=True):
    effort: str


class SentResponse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """POST /responses. `store` is always written: OpenAI takes a missing one for true."""

    model: str
    input: list[SentItem]
    store: bool
    stream: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    tools: list[SentTool] | None = None
    tool_choice: str | SentChoice | None = None
    parallel_tool_calls: bool | None = None
    text: SentText | None = None
    reasoning: SentReasoning | None = None
    include: list[str] | None = None
    service_tier: MaybeRaw = ABSENT
    user: str | None = None
    safety_identifier: MaybeRaw = ABSENT
    prompt_cache_key: MaybeRaw = ABSENT
    prompt_cache_retention: MaybeRaw = ABSENT


class AnsweredPart(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """A piece of what the model said: `output_text`, `refusal`, `summary_text`, `reasoning_text`."""

    kind: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: MaybeRaw = ABSENT
    logprobs: MaybeRaw = ABSENT


class AnsweredItem(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """One thing that the model made: `message`, `reasoning`, `function_call`, or a call of a tool that the
    provider runs."""

    kind: str = ""
    content: list[AnsweredPart] | None = None
    summary: list[AnsweredPart] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: MaybeRaw = ABSENT
    """JSON as text. OpenAI's own search for tools has an object."""


class AnsweredWhy(msgspec.Struct, frozen=True, kw_only=True):
    reason: str | None = None


class AnsweredOutput(msgspec.Struct, frozen=True, kw_only=True):
    """What a response says beside its id, usage and status."""

    output: list[AnsweredItem] | None = None
    incomplete_details: AnsweredWhy | None = None


class AnsweredEvent(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """An event of a stream. The type says which fields count."""

    kind: str = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    item: AnsweredItem | None = None
    delta: str | None = None
    text: str | None = None
    arguments: str | None = None
    annotation: MaybeRaw = ABSENT
    logprobs: MaybeRaw = ABSENT
    response: MaybeRaw = ABSENT
