"""OpenAI's Responses: request, answer, events of a stream.

What a request asks of the model (`input`, `tools` ...) is kept as its bytes, which a provider that has
Responses reads. A translation reads them by the shapes at the end: items, tools, the form of the text. These
are lenient where clients differ. Source: OpenAI's OpenAPI document 2.3.0, `CreateResponse`, `Response`,
`Response*Event`, `InputItem`, `Tool`, `ToolChoiceParam`.
"""

from typing import Annotated, Literal

import msgspec

from schema.chat import TokenLimit
from schema.wire import ABSENT, MaybeRaw, Wire

OBJECT = "response"
NULL = msgspec.Raw(b"null")
AUTO = msgspec.Raw(b'"auto"')
NOTHING = msgspec.Raw(b"{}")
NONE_OF_THEM = msgspec.Raw(b"[]")


class ResponsesRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /v1/responses. Fields that aren't declared here are in `raw`."""

    model: str
    input: MaybeRaw = ABSENT
    """A text, or a list of items."""
    instructions: str | None = None
    stream: bool | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    max_output_tokens: TokenLimit | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    tools: MaybeRaw = ABSENT
    tool_choice: MaybeRaw = ABSENT
    parallel_tool_calls: bool | None = None
    text: MaybeRaw = ABSENT
    reasoning: MaybeRaw = ABSENT
    include: list[str] | None = None
    truncation: str | None = None
    metadata: MaybeRaw = ABSENT
    user: str | None = None


class UrlAnnotation(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """The source of a part of a text. The indices count characters of the text."""

    kind: str = "url_citation"
    url: str
    title: str = ""
    start_index: int
    end_index: int


class OutputPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    """A part of an item: `output_text`, `refusal`, `summary_text`. The type says which fields count."""

    kind: str
    text: str | msgspec.UnsetType = msgspec.UNSET
    annotations: list[UrlAnnotation] | msgspec.UnsetType = msgspec.UNSET
    logprobs: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET
    refusal: str | msgspec.UnsetType = msgspec.UNSET


class OutputItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    """One thing that the model made: `message`, `reasoning`, `function_call`, `custom_tool_call`. The type
    says which fields count."""

    id: str
    kind: str
    status: str | msgspec.UnsetType = msgspec.UNSET
    role: str | msgspec.UnsetType = msgspec.UNSET
    content: list[OutputPart] | msgspec.UnsetType = msgspec.UNSET
    summary: list[OutputPart] | msgspec.UnsetType = msgspec.UNSET
    encrypted_content: str | msgspec.UnsetType = msgspec.UNSET
    call_id: str | msgspec.UnsetType = msgspec.UNSET
    namespace: str | msgspec.UnsetType = msgspec.UNSET
    name: str | msgspec.UnsetType = msgspec.UNSET
    arguments: str | msgspec.UnsetType = msgspec.UNSET
    """JSON as text."""
    input: str | msgspec.UnsetType = msgspec.UNSET


class ResponseInputDetails(msgspec.Struct, frozen=True, kw_only=True):
    cached_tokens: int = 0
    cache_write_tokens: int = 0


class ResponseOutputDetails(msgspec.Struct, frozen=True, kw_only=True):
    reasoning_tokens: int = 0


class ResponseUsage(msgspec.Struct, frozen=True, kw_only=True):
    input_tokens: int
    input_tokens_details: ResponseInputDetails
    output_tokens: int
    output_tokens_details: ResponseOutputDetails
    total_tokens: int


class ResponseError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a response failed. `code` is OpenAI's word, such as `server_error`."""

    code: str
    message: str


class IncompleteDetails(msgspec.Struct, frozen=True, kw_only=True):
    """`reason` is `max_output_tokens` or `content_filter`."""

    reason: str


class Response(Wire, frozen=True, kw_only=True, dict=True, omit_defaults=False):
    """The answer. It tells what was asked too. `wire` is set where it came over the byte path."""

    id: str
    object: str = OBJECT
    created_at: int
    status: str
    """`in_progress`, `completed`, `incomplete` or `failed`."""
    background: bool = False
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    metadata: MaybeRaw = ABSENT
    model: str
    output: list[OutputItem] = []
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    reasoning: MaybeRaw = ABSENT
    store: bool = False
    temperature: float | None = None
    text: MaybeRaw = ABSENT
    tool_choice: MaybeRaw = ABSENT
    tools: MaybeRaw = ABSENT
    top_p: float | None = None
    truncation: str = "disabled"
    usage: ResponseUsage | msgspec.UnsetType = msgspec.UNSET
    """Missing until the answer is complete, and where the provider reports none."""
    user: str | msgspec.UnsetType = msgspec.UNSET


class ResponseEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    """One event of a stream. `type` says which fields count. `sequence_number` rises by one with each."""

    kind: str
    sequence_number: int = -1
    response: Response | msgspec.UnsetType = msgspec.UNSET
    output_index: int | msgspec.UnsetType = msgspec.UNSET
    item: OutputItem | msgspec.UnsetType = msgspec.UNSET
    item_id: str | msgspec.UnsetType = msgspec.UNSET
    content_index: int | msgspec.UnsetType = msgspec.UNSET
    summary_index: int | msgspec.UnsetType = msgspec.UNSET
    annotation_index: int | msgspec.UnsetType = msgspec.UNSET
    part: OutputPart | msgspec.UnsetType = msgspec.UNSET
    annotation: UrlAnnotation | msgspec.UnsetType = msgspec.UNSET
    delta: str | msgspec.UnsetType = msgspec.UNSET
    text: str | msgspec.UnsetType = msgspec.UNSET
    logprobs: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET
    refusal: str | msgspec.UnsetType = msgspec.UNSET
    name: str | msgspec.UnsetType = msgspec.UNSET
    arguments: str | msgspec.UnsetType = msgspec.UNSET
    input: str | msgspec.UnsetType = msgspec.UNSET


class ErrorEvent(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """The event that ends a stream that failed before its response began."""

    kind: str = "error"
    code: str | None
    message: str
    param: str | None
    sequence_number: int


class InputPart(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """A part of a content: `input_text`, `output_text`, `refusal`, `input_image`, `input_file`,
    `input_audio`, `summary_text`, `reasoning_text`."""

    kind: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    file_data: str | None = None
    filename: str | None = None
    input_audio: MaybeRaw = ABSENT
    cache_control: MaybeRaw = ABSENT


class InputItem(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """A piece of the conversation. An item without a type is a message."""

    kind: str = "message"
    id: str | None = None
    role: str | None = None
    content: str | list[InputPart] | None = None
    summary: list[InputPart] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    namespace: str | None = None
    name: str | None = None
    arguments: MaybeRaw = ABSENT
    """JSON as text."""
    input: MaybeRaw = ABSENT
    """The text for a custom tool."""
    output: MaybeRaw = ABSENT
    """What a tool gave: a text, or a list of parts."""


class CustomFormat(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """`type` is `text` or `grammar`. `syntax` is `lark` or `regex`."""

    kind: str = "text"
    syntax: str | None = None
    definition: str | None = None


class ToolSpecification(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """A tool: `function`, `custom`, `namespace` (a group of the other two), or one that OpenAI runs."""

    kind: str
    name: str | None = None
    description: str | None = None
    parameters: MaybeRaw = ABSENT
    """A JSON Schema."""
    strict: bool | None = None
    format: CustomFormat | None = None
    tools: "list[ToolSpecification] | None" = None
    cache_control: MaybeRaw = ABSENT


class NamedTool(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """A tool that is chosen by its name."""

    kind: str
    name: str | None = None
    namespace: str | None = None
    mode: str | None = None
    tools: "list[NamedTool] | None" = None
    """The tools that `allowed_tools` allows."""


class TextFormat(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type", "body": "schema"}):
    """`type` is text, json_object or json_schema."""

    kind: str
    name: str | None = None
    description: str | None = None
    body: MaybeRaw = ABSENT
    strict: bool | None = None


class TextOptions(msgspec.Struct, frozen=True, kw_only=True):
    format: TextFormat | None = None
    verbosity: str | None = None


class ReasoningOptions(msgspec.Struct, frozen=True, kw_only=True):
    effort: str | None = None
    summary: str | None = None


class StoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway keeps of a response: the response as its client got it, and everything that the model
    read before it, item by item."""

    response: msgspec.Raw
    input: list[msgspec.Raw]
    deployment: str = ""
    """The id of the deployment that gave it. The next call of the conversation goes there too: thinking that
    is sealed for an account can be read by that account alone."""
    stays_local: bool = False
    """Whether the call had to stay local. The conversation goes on at local deployments alone."""


class ResponseQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /v1/responses/{response_id}. A stored response is complete, so it can't be streamed."""

    response_id: str
    stream: bool | None = None


class ResponseNamed(Wire, frozen=True, kw_only=True, dict=True):
    """A call that names a stored response in its path alone."""

    response_id: str = ""
    """It stands in the path."""


class DeletedResponse(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = OBJECT
    deleted: bool = True


class InputItemsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /v1/responses/{response_id}/input_items. The latest items come first, unless `order` is `asc`."""

    response_id: str
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    """The id of the item that the list goes on after."""


class InputItemList(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: list[msgspec.Raw]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ShownResponse(Wire, frozen=True, kw_only=True, dict=True):
    """A stored response, sent as the bytes that its client got."""
