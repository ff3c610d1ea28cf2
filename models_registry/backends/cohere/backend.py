"""Translates to Cohere's v2 chat and embed."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from models_registry.backends.backend import Native, UpstreamRequest
from models_registry.backends.changes import Changes
from models_registry.backends.cohere.answer import decode_answer, said_events, stop_reason
from models_registry.backends.cohere.embeddings import embed_body, embedded
from models_registry.backends.cohere.request import chat_body
from models_registry.backends.cohere.stream import CohereParser
from models_registry.backends.cohere.usage import logprobs_in, usage_in
from models_registry.backends.fitting import Fitted, without_refused
from models_registry.backends.headers import bearer, upstream_headers
from models_registry.backends.provider_errors import provider_error
from models_registry.target import Target
from models_registry.turns.events import AnswerEvent, Began, Counted, Stopped, Text, with_logprobs
from models_registry.turns.facts import CallFacts
from models_registry.turns.surfaces import Surface
from schema.chat import ChatRequest
from schema.embeddings import EmbeddingList, EmbeddingsRequest
from schema.errors.upstream import UpstreamError
from schema.usage import Usage

EMBED_PATH = "/v2/embed"
_FOREIGN = ("anthropic-", "openai-")


class Cohere:
    """Implements Backend."""

    natives: Mapping[Surface, Native[Any, Any]] = MappingProxyType({})

    def fitted(self, request: ChatRequest, target: Target) -> Fitted | None:
        """Leave out, under `drop_params`, what the model refuses."""
        return without_refused(request, target)

    def chat_request(self, request: ChatRequest, target: Target, facts: CallFacts) -> UpstreamRequest:
        """POST /v2/chat."""
        changes = Changes()
        body = chat_body(request, target, changes)
        return _post(target.dialect.facts.chat_path, body, target, facts, changes.names)

    def answer(
        self, body: bytes, request: ChatRequest, target: Target, facts: CallFacts
    ) -> list[AnswerEvent]:
        """Raises UpstreamMalformed for a body that is no answer, UpstreamCut for one that broke off, and the
        mapped error for an error in a 200."""
        answer = decode_answer(body, target)
        usage = usage_in(answer.usage)
        said = said_events(answer.message)
        text = "".join(event.text for event in said if isinstance(event, Text))
        return [
            Began(id=answer.id),
            *with_logprobs(said, logprobs_in(answer.logprobs, text)),
            Stopped(stop_reason(answer.finish_reason)),
            *(() if usage is None else (Counted(usage),)),
        ]

    def events(self, request: ChatRequest, target: Target, facts: CallFacts) -> CohereParser:
        return CohereParser(target)

    def embeddings_request(
        self, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> UpstreamRequest:
        """POST /v2/embed. Raises what `embed_body` raises."""
        return _post(EMBED_PATH, embed_body(request, target), target, facts)

    def embeddings_response(
        self, body: bytes, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> tuple[EmbeddingList, Usage | None]:
        """See `models_registry/backends/cohere/embeddings.py`."""
        return embedded(body, request, target)

    def error(self, status: int, headers: Mapping[str, str], body: bytes, target: Target) -> UpstreamError:
        return provider_error(status, headers, body, target)


def _post(
    path: str, body: msgspec.Struct, target: Target, facts: CallFacts, changed: tuple[str, ...] = ()
) -> UpstreamRequest:
    return UpstreamRequest(
        url=f"{target.api_base}{path}",
        headers=upstream_headers(target, facts, credential=bearer(target), foreign=_FOREIGN),
        body=msgspec.json.encode(body),
        tls=target.tls,
        changed=changed,
    )
