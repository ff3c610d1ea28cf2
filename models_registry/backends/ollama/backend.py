"""Translates to Ollama's native API, since Ollama's OpenAI endpoints drop parameters and cut long prompts in
silence.

`prompt_eval_count` counts the whole prompt, and Ollama does not say which part of it came from a cache. The
last line of a stream always has the counts.
"""

import shlex
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from models_registry.backends.backend import Native, UpstreamRequest
from models_registry.backends.changes import Changes
from models_registry.backends.embedding import listed, read_vectors
from models_registry.backends.error_bodies import read_error
from models_registry.backends.fitting import Fitted
from models_registry.backends.headers import bearer, upstream_headers
from models_registry.backends.ollama.answer import decode_answer, message_events, stop_reason, usage_of
from models_registry.backends.ollama.forcing import ForcedAnswer, forced
from models_registry.backends.ollama.request import chat_body, embed_body
from models_registry.backends.ollama.stream import OllamaParser
from models_registry.backends.parameters import with_defaults
from models_registry.backends.provider_errors import provider_error, retry_after, scrubbed, whole_answer
from models_registry.backends.usage import count_of
from models_registry.target import Target
from models_registry.turns.events import AnswerEvent, Began, Counted, Stopped, ToolBegan
from models_registry.turns.facts import CallFacts
from models_registry.turns.surfaces import Surface
from schema.chat import ChatRequest
from schema.dialects.ollama import OllamaEmbeddings, Option
from schema.embeddings import EmbeddingList, EmbeddingsRequest
from schema.errors.upstream import ProviderError, UpstreamCut, UpstreamError
from schema.usage import Usage

QUEUE_RETRY_S = 5.0
"""The seconds of Retry-After when Ollama's queue is full, since Ollama names no time itself."""
CONTAINER = "litellm-ollama"
"""The name of the Ollama container in the compose project."""

_FOREIGN = ("anthropic-", "openai-")

_EMBEDDED = msgspec.json.Decoder(OllamaEmbeddings)


class Ollama:
    """Implements Backend."""

    natives: Mapping[Surface, Native[Any, Any]] = MappingProxyType({})

    def fitted(self, request: ChatRequest, target: Target) -> Fitted | None:
        return None

    def chat_request(self, request: ChatRequest, target: Target, facts: CallFacts) -> UpstreamRequest:
        """POST /api/chat."""
        changes = Changes()
        body = chat_body(request, target, changes, loaded=facts.loaded_context)
        made = _post(f"{target.api_base}/api/chat", body, target, facts, changes.names)
        context = body.options.get("num_ctx", 0)
        return msgspec.structs.replace(made, context_tokens=count_of(_number(context)) or 0)

    def answer(
        self, body: bytes, request: ChatRequest, target: Target, facts: CallFacts
    ) -> list[AnswerEvent]:
        """Raises UpstreamMalformed for a body that is no answer, and UpstreamCut for an answer that is not
        complete."""
        answer = decode_answer(body, target)
        if not answer.done:
            raise UpstreamCut("The provider's answer broke off before it was complete.")
        said = message_events(answer, 0, facts.request_id)
        called_tools = any(isinstance(each, ToolBegan) for each in said)
        usage = usage_of(answer)
        events = [
            Began(model=answer.model or ""),
            *said,
            Stopped(stop_reason(answer, called_tools=called_tools)),
            *(() if usage is None else (Counted(usage),)),
        ]
        must = forced(with_defaults(request, target))
        return events if must is None else ForcedAnswer(must, facts.request_id).calls(events)

    def events(self, request: ChatRequest, target: Target, facts: CallFacts) -> OllamaParser:
        must = forced(with_defaults(request, target))
        return OllamaParser(target, facts, None if must is None else ForcedAnswer(must, facts.request_id))

    def embeddings_request(
        self, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> UpstreamRequest:
        """POST /api/embed."""
        return _post(f"{target.api_base}/api/embed", embed_body(request, target), target, facts)

    def embeddings_response(
        self, body: bytes, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> tuple[EmbeddingList, Usage | None]:
        """Raises what `read_vectors` and `listed` raise."""
        found = read_vectors(_EMBEDDED, body, target)
        return listed(found.embeddings, count_of(found.prompt_eval_count), request, target, model=found.model)

    def error(self, status: int, headers: Mapping[str, str], body: bytes, target: Target) -> UpstreamError:
        """See Backend. The error for a missing model has the commands that pull it."""
        said = scrubbed(read_error(body).message, target)
        text = said.lower()
        error: UpstreamError
        if status == 404 and "model" in text and "not found" in text:
            pull = f"ollama pull {shlex.quote(target.model)}"
            error = ProviderError(
                f"The model '{target.model}' is not pulled on the Ollama host of '{target.public_name}'. "
                f"Pull it with: {pull} (with docker compose: docker exec {CONTAINER} {pull})",
                status=404,
                code="model_not_found",
            )
        elif status == 503:
            reason = f" It says: {said}" if said and target.local else ""
            error = ProviderError(
                f"The Ollama host of '{target.public_name}' has no room in its queue. Try again.{reason}",
                status=503,
                kind="service_unavailable",
                retry_after_s=retry_after(headers) or QUEUE_RETRY_S,
            )
        else:
            return provider_error(status, headers, body, target)
        error.said = said
        error.answer = whole_answer(status, body, target)
        return error


def _number(option: Option) -> object:
    return msgspec.json.decode(option) if isinstance(option, msgspec.Raw) else option


def _post(
    url: str, body: msgspec.Struct, target: Target, facts: CallFacts, changed: tuple[str, ...] = ()
) -> UpstreamRequest:
    headers = upstream_headers(target, facts, credential=bearer(target), foreign=_FOREIGN)
    encoded = msgspec.json.encode(body)
    return UpstreamRequest(url=url, headers=headers, body=encoded, tls=target.tls, changed=changed)
