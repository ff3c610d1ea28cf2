"""Google's `generateContent`: what the gateway sends, and what it reads of the answers.

Field names are camelCase on the wire. Source: the types of Google's Python SDK, google-genai 3.4.
"""

import msgspec

from schema.wire import ABSENT, MaybeRaw


class GeminiBlob(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Bytes in the request itself, as base64."""

    mime_type: str
    data: str


class GeminiFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Something that Google reads from an address."""

    mime_type: str | None = None
    file_uri: str


class GeminiCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The call of a function. `args` is a JSON object."""

    id: str | None = None
    name: str = ""
    args: MaybeRaw = ABSENT


class GeminiResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a function gave. `response` is a JSON object."""

    name: str
    response: msgspec.Raw


class GeminiPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One piece of a turn, as sent: exactly one of its kinds, and what stands beside it."""

    text: str | None = None
    inline_data: GeminiBlob | None = None
    file_data: GeminiFile | None = None
    function_call: GeminiCall | None = None
    function_response: GeminiResult | None = None
    thought: bool | None = None
    thought_signature: str | None = None


class GeminiTurn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`role` is user or model. The system's instruction has none."""

    role: str | None = None
    parts: list[GeminiPart]


class GeminiFunction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    name: str
    description: str | None = None
    parameters_json_schema: MaybeRaw = ABSENT


class GeminiTool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    function_declarations: list[GeminiFunction] | None = None
    google_search: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class GeminiChoice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """`mode` is AUTO, ANY, NONE or VALIDATED: AUTO, with the arguments of calls held to their schemas."""

    mode: str
    allowed_function_names: list[str] | None = None


class GeminiToolConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    function_calling_config: GeminiChoice


class GeminiThinking(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A budget in tokens (0: off; -1: the model decides) or a level, by model."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class GenerationConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    temperature: float | None = None
    top_p: float | None = None
    top_k: MaybeRaw = ABSENT
    max_output_tokens: int | None = None
    stop_sequences: list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_logprobs: bool | None = None
    logprobs: int | None = None
    response_mime_type: str | None = None
    response_json_schema: MaybeRaw = ABSENT
    response_modalities: list[str] | None = None
    thinking_config: GeminiThinking | None = None


class GenerateRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """POST .../models/{model}:generateContent."""

    contents: list[GeminiTurn]
    system_instruction: GeminiTurn | None = None
    tools: list[GeminiTool] | None = None
    tool_config: GeminiToolConfig | None = None
    safety_settings: MaybeRaw = ABSENT
    generation_config: GenerationConfig | None = None
    labels: MaybeRaw = ABSENT
    cached_content: MaybeRaw = ABSENT


class GeminiAnswerPart(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One piece of an answer. Pieces of Google's own tools have more."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: GeminiCall | None = None
    inline_data: GeminiBlob | None = None
    executable_code: MaybeRaw = ABSENT
    code_execution_result: MaybeRaw = ABSENT
    tool_call: MaybeRaw = ABSENT


class GeminiContent(msgspec.Struct, frozen=True, kw_only=True):
    parts: list[GeminiAnswerPart] | None = None


class GeminiCandidate(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    index: int | None = None
    content: GeminiContent | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    citation_metadata: MaybeRaw = ABSENT
    grounding_metadata: MaybeRaw = ABSENT
    logprobs_result: MaybeRaw = ABSENT


class GeminiFeedback(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    block_reason: str | None = None


class GenerateAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A whole answer, or one event of a stream."""

    candidates: list[GeminiCandidate] | None = None
    prompt_feedback: GeminiFeedback | None = None
    usage_metadata: MaybeRaw = ABSENT
    model_version: str | None = None
    response_id: str | None = None
    error: MaybeRaw = ABSENT


class GeminiCount(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The tokens of one kind: TEXT, IMAGE, AUDIO, VIDEO or DOCUMENT."""

    modality: str | None = None
    token_count: int | None = None


class GeminiUsage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`prompt_token_count` has the cached tokens in it, `candidates_token_count` no thinking. In a stream
    each report is the whole so far."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: MaybeRaw = ABSENT
    candidates_tokens_details: MaybeRaw = ABSENT
    cache_tokens_details: MaybeRaw = ABSENT
    service_tier: str | None = None


class GeminiLogprob(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    token: str = ""
    log_probability: float = 0.0


class GeminiTop(msgspec.Struct, frozen=True, kw_only=True):
    candidates: list[GeminiLogprob] = []


class GeminiLogprobs(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    chosen_candidates: list[GeminiLogprob] = []
    top_candidates: list[GeminiTop] = []


class GeminiSource(msgspec.Struct, frozen=True, kw_only=True):
    uri: str | None = None
    title: str | None = None


class GeminiChunk(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One source of a grounded answer: a page, or a text of one's own."""

    web: GeminiSource | None = None
    retrieved_context: GeminiSource | None = None


class GeminiGrounding(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    grounding_chunks: list[msgspec.Raw] | None = None
    web_search_queries: list[str] | None = None


class GeminiCitations(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    citation_sources: list[msgspec.Raw] | None = None
    citations: list[msgspec.Raw] | None = None


class GeminiEmbedding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One text of a `batchEmbedContents` request."""

    model: str
    content: GeminiTurn
    task_type: MaybeRaw = ABSENT
    output_dimensionality: int | None = None


class EmbedContents(msgspec.Struct, frozen=True, kw_only=True):
    requests: list[GeminiEmbedding]


class GeminiVector(msgspec.Struct, frozen=True, kw_only=True):
    values: list[float]


class EmbeddedContents(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    embeddings: list[GeminiVector]
    usage_metadata: MaybeRaw = ABSENT


class PredictInstance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One text of a `predict` request at Vertex AI. Its names are not camelCase."""

    content: str
    task_type: MaybeRaw = ABSENT


class PredictRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    instances: list[PredictInstance]
    parameters: dict[str, int] | msgspec.UnsetType = msgspec.UNSET


class PredictStatistics(msgspec.Struct, frozen=True, kw_only=True):
    token_count: float | None = None


class PredictVector(msgspec.Struct, frozen=True, kw_only=True):
    values: list[float]
    statistics: PredictStatistics = PredictStatistics()


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    embeddings: PredictVector


class PredictAnswer(msgspec.Struct, frozen=True, kw_only=True):
    predictions: list[Prediction]
