"""Translates to OpenAI's Responses, for models that have no chat: `gpt-5-codex`, `o3-pro`, deep research."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from models_registry.backends.backend import Native, UpstreamRequest
from models_registry.backends.changes import Changes
from models_registry.backends.fitting import Fitted, without_refused
from models_registry.backends.headers import bearer, upstream_headers
from models_registry.backends.openai.bridge.answer import said_events, stop_reason
from models_registry.backends.openai.bridge.request import response_body
from models_registry.backends.openai.bridge.stream import ResponsesParser
from models_registry.backends.openai.responses import FAILED, NativeResponses
from models_registry.backends.openai.responses_usage import AnswerFacts, usage_in
from models_registry.backends.openai.wire import FOREIGN, address_of
from models_registry.backends.provider_errors import error_instead, provider_error
from models_registry.backends.tolerance import decoded
from models_registry.target import Target
from models_registry.turns.events import AnswerEvent, Began, Counted, Stopped, ToolBegan
from models_registry.turns.facts import CallFacts
from models_registry.turns.surfaces import Surface
from schema.chat import ChatRequest
from schema.dialects.openai_responses import AnsweredOutput
from schema.embeddings import EmbeddingList, EmbeddingsRequest
from schema.errors.requests import UnsupportedParameter
from schema.errors.upstream import UpstreamError, UpstreamMalformed
from schema.usage import Usage
from schema.wire import present

_FACTS = msgspec.json.Decoder(AnswerFacts)
_OUTPUTS = msgspec.json.Decoder(AnsweredOutput)


class Responses:
    """Implements Backend."""

    natives: Mapping[Surface, Native[Any, Any]] = MappingProxyType({Surface.RESPONSES: NativeResponses()})

    def fitted(self, request: ChatRequest, target: Target) -> Fitted | None:
        """Leave out, under `drop_params`, what the model refuses."""
        return without_refused(request, target)

    def chat_request(self, request: ChatRequest, target: Target, facts: CallFacts) -> UpstreamRequest:
        """POST /responses."""
        changes = Changes()
        body = response_body(request, target, changes)
        return UpstreamRequest(
            url=address_of(target, target.dialect.facts.chat_path),
            headers=upstream_headers(target, facts, credential=bearer(target), foreign=FOREIGN),
            body=msgspec.json.encode(body),
            tls=target.tls,
            signing=target.signing,
            changed=changes.names,
        )

    def answer(
        self, body: bytes, request: ChatRequest, target: Target, facts: CallFacts
    ) -> list[AnswerEvent]:
        """Raises UpstreamMalformed for a body that is no response, and the mapped error for an error in a
        200."""
        try:
            found, said = decoded(_FACTS, body), decoded(_OUTPUTS, body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise error_instead(body, target, f"The provider's answer is not a response: {exc}") from exc
        if present(found.error):
            raise error_instead(body, target, "The provider's answer is an error.")
        if said.output is None:
            raise error_instead(body, target, "The provider's answer has no output.")
        if found.status == FAILED:
            raise UpstreamMalformed("The provider's response failed, and it does not say why.")
        events, usage, why = said_events(said.output), usage_in(found), said.incomplete_details
        calls = any(isinstance(event, ToolBegan) for event in events)
        return [
            Began(id=found.id or "", model=found.model or "", created=int(found.created_at or 0)),
            *events,
            Stopped(stop_reason(found.status, why.reason if why else None, calls=calls)),
            *(() if usage is None else (Counted(usage),)),
        ]

    def events(self, request: ChatRequest, target: Target, facts: CallFacts) -> ResponsesParser:
        return ResponsesParser(target)

    def embeddings_request(
        self, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> UpstreamRequest:
        """Raises UnsupportedParameter."""
        raise UnsupportedParameter(
            f"The model '{target.public_name}' is called by Responses, which have no embeddings.",
            param="model",
        )

    def embeddings_response(
        self, body: bytes, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> tuple[EmbeddingList, Usage | None]:
        raise UpstreamMalformed("Responses have no embeddings, so none can have been the answer.")

    def error(self, status: int, headers: Mapping[str, str], body: bytes, target: Target) -> UpstreamError:
        return provider_error(status, headers, body, target)
