"""Translates to Google's generateContent: Gemini's API.

`promptTokenCount` has the cached tokens in it, and thinking comes beside the visible output. A stream reports
its usage with every event, and ends without a mark.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from models_registry.backends.backend import Native, UpstreamRequest
from models_registry.backends.changes import Changes
from models_registry.backends.fitting import Fitted, without_refused
from models_registry.backends.gemini.answer import AnswerReader, blocked, decode_answer, first_candidate
from models_registry.backends.gemini.embeddings import (
    embed_contents,
    embedded_contents,
    is_vertex,
    predict_request,
    predicted,
)
from models_registry.backends.gemini.request import generate_request
from models_registry.backends.gemini.stream import GeminiParser
from models_registry.backends.gemini.usage import usage_in
from models_registry.backends.headers import bearer, upstream_headers
from models_registry.backends.provider_errors import error_instead, provider_error
from models_registry.backends.tolerance import loosely
from models_registry.target import Target
from models_registry.turns.events import AnswerEvent, Began, Counted, Stopped, StopReason
from models_registry.turns.facts import CallFacts
from models_registry.turns.surfaces import Surface
from schema.chat import ChatRequest
from schema.embeddings import EmbeddingList, EmbeddingsRequest
from schema.errors.upstream import UpstreamError
from schema.usage import Usage

VERSION = "/v1beta"
TUNED = "tunedModels/"
MODELS = "models/"
_FOREIGN = ("anthropic-", "openai-")
_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")
REFUSED_KEY = "API_KEY_INVALID"
MAX_WAIT_S = 86_400.0


class Gemini:
    """Implements Backend."""

    natives: Mapping[Surface, Native[Any, Any]] = MappingProxyType({})

    def fitted(self, request: ChatRequest, target: Target) -> Fitted | None:
        """Leave out, under `drop_params`, what the model refuses."""
        return without_refused(request, target)

    def chat_request(self, request: ChatRequest, target: Target, facts: CallFacts) -> UpstreamRequest:
        """POST .../models/{model}:generateContent, or :streamGenerateContent."""
        changes = Changes()
        body = generate_request(request, target, changes)
        method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
        return _post(method, body, target, facts, changes.names)

    def answer(
        self, body: bytes, request: ChatRequest, target: Target, facts: CallFacts
    ) -> list[AnswerEvent]:
        """Raises UpstreamMalformed for a body that is no answer, and the mapped error for an error in a
        200."""
        answer = decode_answer(body, target)
        candidate = first_candidate(answer)
        usage = usage_in(answer.usage_metadata)
        reader = AnswerReader(facts.request_id, target)
        said: list[AnswerEvent] = []
        reason: StopReason | None = StopReason.FILTER
        if candidate is not None:
            said = reader.events(candidate)
            reason = reader.reason(candidate)
        elif not blocked(answer):
            raise error_instead(body, target, "The provider's answer has no candidate.")
        return [
            Began(id=answer.response_id or "", model=answer.model_version or ""),
            *said,
            Stopped(reason or StopReason.END),
            *(() if usage is None else (Counted(usage),)),
        ]

    def events(self, request: ChatRequest, target: Target, facts: CallFacts) -> GeminiParser:
        return GeminiParser(target, facts)

    def embeddings_request(
        self, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> UpstreamRequest:
        """POST .../models/{model}:batchEmbedContents; at Vertex AI :predict."""
        if is_vertex(target):
            return _post("predict", predict_request(request, target), target, facts)
        body = embed_contents(request, target, _name(target.model))
        return _post("batchEmbedContents", body, target, facts)

    def embeddings_response(
        self, body: bytes, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> tuple[EmbeddingList, Usage | None]:
        """See `models_registry/backends/gemini/embeddings.py`."""
        read = predicted if is_vertex(target) else embedded_contents
        return read(body, request, target)

    def error(self, status: int, headers: Mapping[str, str], body: bytes, target: Target) -> UpstreamError:
        """See Backend. Google says a refused key by 400, and when to try again in the body."""
        details = _details(body)
        if status == 400 and any(each.get("reason") == REFUSED_KEY for each in details):
            status = 401
        error = provider_error(status, headers, body, target)
        if error.retry_after_s is None:
            error.retry_after_s = _delay(details)
        return error


def _name(model: str) -> str:
    """A model's whole name: `models/gemini-2.5-pro`, `tunedModels/mine`; `endpoints/4711` for a model that
    was tuned on Vertex AI."""
    if model.isdecimal():
        return f"endpoints/{model}"
    kind = TUNED if model.startswith(TUNED) else MODELS
    return kind + quote(model.removeprefix(kind), safe="")


def _post(
    method: str, body: msgspec.Struct, target: Target, facts: CallFacts, changed: tuple[str, ...] = ()
) -> UpstreamRequest:
    base = target.api_base
    if not urlsplit(base).path:
        base += VERSION
    headers = upstream_headers(target, facts, credential=bearer(target), foreign=_FOREIGN)
    return UpstreamRequest(
        url=f"{base}/{_name(target.model)}:{method}",
        headers=headers,
        body=msgspec.json.encode(body),
        tls=target.tls,
        signing=target.signing,
        changed=changed,
    )


def _details(body: bytes) -> list[dict[str, Any]]:  # a provider's JSON
    try:
        told = loosely(body)
    except msgspec.DecodeError:
        return []
    if isinstance(told, list) and told:
        told = told[0]
    error = told.get("error") if isinstance(told, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    return [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []


def _delay(details: list[dict[str, Any]]) -> float | None:
    """The seconds to wait, of `"retryDelay": "48s"`. None: Google does not say it."""
    for each in details:
        found = _DELAY.fullmatch(str(each.get("retryDelay", "")))
        if found:
            return min(float(found.group(1)), MAX_WAIT_S)
    return None
