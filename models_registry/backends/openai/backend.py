"""OpenAI's dialect: OpenAI itself and every compatible server. This is the byte path.

A request is forwarded with its fields as they came. Only `model` is replaced, the deployment's parameters are
added, and the gateway's own fields are taken out. An answer is decoded for what the gateway must know, and is
sent on with the bytes of its fields.

Cached tokens are inside the prompt's count (`prompt_tokens_details.cached_tokens`, DeepSeek's
`prompt_cache_hit_tokens`, Mistral's `num_cached_tokens`), and reasoning is inside the completion's. A stream
reports its usage only if it is asked for it. The gateway asks, and takes the chunk with the usage out again
where the client did not ask.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from models_registry.backends.backend import CallFacts, UpstreamRequest
from models_registry.backends.fitting import Fitted
from models_registry.backends.headers import bearer, upstream_headers
from models_registry.backends.openai.failures import FailedChoice, choice_error
from models_registry.backends.openai.fitting import fitted
from models_registry.backends.openai.stream import OpenAIStream
from models_registry.backends.parameters import add_defaults, keep_metadata_here, take_gateway_fields
from models_registry.backends.provider_errors import error_instead, provider_error, tells_error
from models_registry.backends.search import search_context, with_search
from models_registry.backends.tolerance import decoded, loosely
from models_registry.backends.usage import USAGES, embedded, from_wire, report_in
from models_registry.backends.vectors import as_asked
from models_registry.target import Target
from schema.chat import AnswerMessage, ChatCompletion, ChatRequest, Choice, WireUsage
from schema.embeddings import Embedding, EmbeddingList, EmbeddingsRequest, EmbeddingsUsage
from schema.errors import InvalidRequest, UpstreamError, UpstreamMalformed
from schema.usage import Usage
from schema.wire import ABSENT, MaybeRaw, present

ANSWERS = frozenset({"choices", "data"})
"""The fields of a chat completion and of a list of embeddings. An object with neither may be an error."""
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_COMPLETIONS = msgspec.json.Decoder(ChatCompletion)
_TRUE = msgspec.Raw(b"true")
_FOREIGN = ("anthropic-",)


class _LooseChoice(msgspec.Struct, frozen=True):
    """A choice whose message is not quite OpenAI's, such as content that is a list of parts or an object."""

    index: int = 0
    message: dict[str, msgspec.Raw] | None = None
    finish_reason: str | None = None


class _LooseCompletion(msgspec.Struct, frozen=True):
    choices: list[_LooseChoice]
    usage: MaybeRaw = ABSENT
    service_tier: Any = None  # text, as a rule


class _Embeddings(msgspec.Struct, frozen=True):
    data: list[Embedding]
    object: str = "list"
    model: str = ""
    usage: WireUsage | None = None


class _LooseEmbeddings(msgspec.Struct, frozen=True):
    data: list[Embedding]
    model: str = ""
    usage: Any = None  # an object, as a rule


class _FailedCompletion(msgspec.Struct, gc=False):
    choices: list[FailedChoice]


_FAILED = msgspec.json.Decoder(_FailedCompletion)
_EMBEDDINGS = msgspec.json.Decoder(_Embeddings)
_LOOSE_EMBEDDINGS = msgspec.json.Decoder(_LooseEmbeddings)
_LOOSE_COMPLETIONS = msgspec.json.Decoder(_LooseCompletion)


class OpenAI:
    """Implements Backend."""

    def fitted(self, request: ChatRequest, target: Target) -> Fitted | None:
        """See `models_registry/backends/openai/fitting.py`."""
        return fitted(request, target)

    def chat_request(self, request: ChatRequest, target: Target, facts: CallFacts) -> UpstreamRequest:
        """POST /chat/completions. A stream is asked for its usage unless the server refuses that."""
        fields = _outgoing(request.fields(), target, stored_there=target.takes_metadata)
        if request.stream and target.asks_for_usage:
            fields["stream_options"] = _with_usage(fields.get("stream_options"))
        return _post(f"{target.api_base}/chat/completions", fields, target, facts)

    def chat_response(
        self, body: bytes, request: ChatRequest, target: Target, facts: CallFacts
    ) -> tuple[ChatCompletion, Usage | None]:
        """Raises UpstreamMalformed for a body that is no chat completion or has no choices, and the mapped
        error for an `error` inside it."""
        try:
            completion = decoded(_COMPLETIONS, body)
        except msgspec.ValidationError:
            _fields_of(body, target)
            completion = _loosely(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise UpstreamMalformed("The provider's answer is not a JSON object.") from exc
        if b'"error"' in body:
            _fields_of(body, target)
            _check_choices(body, target)
        if not completion.choices:
            raise UpstreamMalformed("The provider's answer has no choices.")
        completion.with_wire(body)
        usage = from_wire(completion.usage, completion.service_tier) if completion.usage is not None else None
        return completion, with_search(usage, search_context(request, target))

    def chat_stream(self, request: ChatRequest, target: Target, facts: CallFacts) -> OpenAIStream:
        options = request.stream_options
        keep_usage = options is not None and bool(options.include_usage)
        return OpenAIStream(
            target,
            choices=request.n or 1,
            keep_usage=keep_usage,
            search=search_context(request, target),
        )

    def embeddings_request(
        self, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> UpstreamRequest:
        """POST /embeddings."""
        fields = _outgoing(request.fields(), target, stored_there=False)
        return _post(f"{target.api_base}/embeddings", fields, target, facts)

    def embeddings_response(
        self, body: bytes, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> tuple[EmbeddingList, Usage | None]:
        """Vectors are given in the format asked for, also from servers that know only one format. The answer
        keeps its bytes where no vector had to be changed. Raises UpstreamMalformed, or the mapped error for
        an `error` inside the body."""
        _fields_of(body, target)
        try:
            found = _embeddings(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise UpstreamMalformed(f"The provider's answer is not a list of embeddings: {exc}") from exc
        data = [as_asked(embedding, request.encoding_format) for embedding in found.data]
        usage = embedded(found.usage)
        tokens = usage.total_tokens if usage is not None else 0
        answer = EmbeddingList(
            object="list",
            data=data,
            model=found.model,
            usage=EmbeddingsUsage(prompt_tokens=tokens, total_tokens=tokens),
        )
        if all(mine is theirs for mine, theirs in zip(data, found.data, strict=True)):
            answer.with_wire(body)
        return answer, usage

    def error(self, status: int, headers: Mapping[str, str], body: bytes, target: Target) -> UpstreamError:
        return provider_error(status, headers, body, target)


def _outgoing(
    fields: dict[str, msgspec.Raw], target: Target, *, stored_there: bool
) -> dict[str, msgspec.Raw]:
    take_gateway_fields(fields, target)
    fields["model"] = msgspec.Raw(msgspec.json.encode(target.model))
    add_defaults(fields, target)
    keep_metadata_here(fields, stored_there=stored_there)
    return fields


def _post(url: str, fields: dict[str, msgspec.Raw], target: Target, facts: CallFacts) -> UpstreamRequest:
    headers = upstream_headers(target, facts, credential=bearer(target), foreign=_FOREIGN)
    return UpstreamRequest(url=url, headers=headers, body=msgspec.json.encode(fields), tls=target.tls)


def _with_usage(options: msgspec.Raw | None) -> msgspec.Raw:
    if options is None or not present(options):
        return msgspec.Raw(b'{"include_usage":true}')
    try:
        fields = _FIELDS.decode(options)
    except msgspec.ValidationError as exc:
        raise InvalidRequest("'stream_options' must be an object.", param="stream_options") from exc
    fields["include_usage"] = _TRUE
    return msgspec.Raw(msgspec.json.encode(fields))


def _fields_of(body: bytes, target: Target) -> dict[str, msgspec.Raw]:
    try:
        fields = decoded(_FIELDS, body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise UpstreamMalformed("The provider's answer is not a JSON object.") from exc
    error = fields.get("error")
    may_fail = (error is not None and present(error)) or not ANSWERS.intersection(fields)
    if may_fail and tells_error(body):
        raise error_instead(body, target, "The provider's answer is an error.")
    return fields


def _check_choices(body: bytes, target: Target) -> None:
    """Raise the error that stands in a choice, or that a choice ended with."""
    try:
        choices = decoded(_FAILED, body).choices
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    for choice in choices:
        if choice.failed:
            raise choice_error(choice.error, target)


def _loosely(body: bytes) -> ChatCompletion:
    """An answer with a message or usage of another shape. Its bytes are sent on all the same. For code, the
    text of such a message is the JSON that stands there."""
    try:
        found = decoded(_LOOSE_COMPLETIONS, body)
    except (msgspec.ValidationError, UnicodeDecodeError) as exc:
        raise UpstreamMalformed(f"The provider's answer is not a chat completion: {exc}") from exc
    choices = [
        Choice(
            index=choice.index,
            message=AnswerMessage(content=_text(choice.message.get("content")) if choice.message else None),
            finish_reason=choice.finish_reason,
        )
        for choice in found.choices
    ]
    tier = found.service_tier if isinstance(found.service_tier, str) else None
    return ChatCompletion(choices=choices, usage=report_in(found.usage, USAGES), service_tier=tier)


def _embeddings(body: bytes) -> _Embeddings:
    """Embeddings whose numbers or usage may be odd."""
    try:
        return decoded(_EMBEDDINGS, body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        found = decoded(_LOOSE_EMBEDDINGS, body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = msgspec.convert(loosely(body), _LooseEmbeddings)
    usage = report_in(msgspec.Raw(msgspec.json.encode(found.usage)), USAGES)
    return _Embeddings(data=found.data, model=found.model, usage=usage)


def _text(content: msgspec.Raw | None) -> str | None:
    if content is None or not present(content):
        return None
    try:
        return msgspec.json.decode(content, type=str)
    except msgspec.ValidationError:
        return bytes(content).decode("utf-8", "replace")
