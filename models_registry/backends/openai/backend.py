"""OpenAI's dialect: OpenAI itself and every compatible server. This is the byte path.

A request is forwarded with its fields as they came. Only `model` is replaced, the deployment's parameters are
added, and the gateway's own fields are taken out. An answer is decoded for what the gateway must know, and is
sent on with the bytes of its fields.

Cached tokens are inside the prompt's count (`prompt_tokens_details.cached_tokens`, DeepSeek's
`prompt_cache_hit_tokens`, Mistral's `num_cached_tokens`), and reasoning is inside the completion's. A stream
reports its usage only if it is asked for it. The gateway asks, and takes the chunk with the usage out again
where the client did not ask.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from models_registry.backends.backend import Native, UpstreamRequest
from models_registry.backends.fitting import Fitted
from models_registry.backends.openai.chat import NativeChat
from models_registry.backends.openai.completions import NativeCompletions
from models_registry.backends.openai.parser import OpenAIParser, answer_events
from models_registry.backends.openai.responses import NativeResponses
from models_registry.backends.openai.turns import as_chat, long_names, stops_of, with_long_names
from models_registry.backends.openai.wire import fields_of, outgoing, post
from models_registry.backends.provider_errors import provider_error
from models_registry.backends.search import search_context
from models_registry.backends.tolerance import decoded, loosely
from models_registry.backends.usage import USAGES, embedded, report_in
from models_registry.backends.vectors import as_asked
from models_registry.target import Target
from models_registry.turns.events import AnswerEvent
from models_registry.turns.facts import CallFacts
from models_registry.turns.surfaces import Surface
from schema.chat import ChatRequest, WireUsage
from schema.embeddings import Embedding, EmbeddingList, EmbeddingsRequest, EmbeddingsUsage
from schema.errors.upstream import UpstreamError, UpstreamMalformed
from schema.usage import Usage


class _Embeddings(msgspec.Struct, frozen=True):
    data: list[Embedding]
    object: str = "list"
    model: str = ""
    usage: WireUsage | None = None


class _LooseEmbeddings(msgspec.Struct, frozen=True):
    data: list[Embedding]
    model: str = ""
    usage: Any = None  # an object, as a rule


_EMBEDDINGS = msgspec.json.Decoder(_Embeddings)
_LOOSE_EMBEDDINGS = msgspec.json.Decoder(_LooseEmbeddings)


CHAT = NativeChat()


class OpenAI:
    """Implements Backend."""

    natives: Mapping[Surface, Native[Any, Any]] = MappingProxyType(
        {
            Surface.CHAT: CHAT,
            Surface.COMPLETIONS: NativeCompletions(),
            Surface.RESPONSES: NativeResponses(),
        }
    )

    def fitted(self, request: ChatRequest, target: Target) -> Fitted | None:
        return CHAT.fitted(request, target)

    def chat_request(self, request: ChatRequest, target: Target, facts: CallFacts) -> UpstreamRequest:
        """POST /chat/completions."""
        return CHAT.request(as_chat(request), target, facts)

    def answer(
        self, body: bytes, request: ChatRequest, target: Target, facts: CallFacts
    ) -> Sequence[AnswerEvent]:
        """Raises what the native answer raises."""
        _, usage = CHAT.answer(body, request, target)
        return with_long_names(answer_events(body, usage, facts, stops_of(request)), long_names(request))

    def events(self, request: ChatRequest, target: Target, facts: CallFacts) -> OpenAIParser:
        return OpenAIParser(
            target,
            facts,
            search=search_context(request, target),
            names=long_names(request),
            stops=stops_of(request),
        )

    def embeddings_request(
        self, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> UpstreamRequest:
        """POST /embeddings."""
        fields = outgoing(request.fields(), target, stored_there=False)
        return post("/embeddings", fields, target, facts)

    def embeddings_response(
        self, body: bytes, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> tuple[EmbeddingList, Usage | None]:
        """Vectors are given in the format asked for, also from servers that know only one format. The answer
        keeps its bytes where no vector had to be changed. Raises UpstreamMalformed, or the mapped error for
        an `error` inside the body."""
        fields_of(body, target)
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
