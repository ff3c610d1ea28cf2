"""Translates to Amazon Bedrock's Converse, which has one form for the models of many makers.

`inputTokens` leaves out cached tokens, read and written, so they are added to it. A stream is a binary event
stream, with its usage in the last event.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import msgspec

from models_registry.backends.backend import Native, UpstreamRequest
from models_registry.backends.bedrock.answer import answer_events, decode_answer, stop_reason
from models_registry.backends.bedrock.embeddings import embed_body, embedded
from models_registry.backends.bedrock.errors import answer_error
from models_registry.backends.bedrock.fitting import fitted
from models_registry.backends.bedrock.models import is_claude, known_as, model_and_region
from models_registry.backends.bedrock.request import ANSWER_TOOL, answers_by_tool, converse_request
from models_registry.backends.bedrock.stream import BedrockParser
from models_registry.backends.bedrock.usage import usage_in
from models_registry.backends.changes import Changes
from models_registry.backends.content import arguments_text
from models_registry.backends.fitting import Fitted
from models_registry.backends.headers import bearer, upstream_headers
from models_registry.target import Target
from models_registry.turns.events import AnswerEvent, Began, Counted, Stopped, StopReason, Text
from models_registry.turns.facts import CallFacts
from models_registry.turns.surfaces import Surface
from schema.chat import ChatRequest
from schema.embeddings import EmbeddingList, EmbeddingsRequest
from schema.errors.upstream import UpstreamError
from schema.usage import Usage

_FOREIGN = ("anthropic-", "openai-")
BETA = "anthropic-beta"


class Bedrock:
    """Implements Backend."""

    natives: Mapping[Surface, Native[Any, Any]] = MappingProxyType({})

    def fitted(self, request: ChatRequest, target: Target) -> Fitted | None:
        """See `models_registry/backends/bedrock/fitting.py`."""
        return fitted(request, target)

    def chat_request(self, request: ChatRequest, target: Target, facts: CallFacts) -> UpstreamRequest:
        """POST /model/{model}/converse, or /converse-stream."""
        changes = Changes()
        betas = tuple(each.strip() for each in facts.pass_on.get(BETA, "").split(",") if each.strip())
        body = converse_request(request, target, changes, betas)
        method = "converse-stream" if request.stream else "converse"
        return _post(method, body, target, facts, changes.names)

    def answer(
        self, body: bytes, request: ChatRequest, target: Target, facts: CallFacts
    ) -> list[AnswerEvent]:
        """Raises UpstreamMalformed for a body that is no answer, and the mapped error for an error in a
        200."""
        answer = decode_answer(body, target)
        message = answer.output.message
        blocks = message.content if message is not None and message.content else []
        usage = usage_in(answer.usage)
        reason = stop_reason(answer.stop_reason, has_said=bool(blocks))
        said = answer_events(blocks, signs=is_claude(known_as(target)))
        if answers_by_tool(request, target):
            used = [block.tool_use for block in blocks if block.tool_use is not None]
            mine = next((each for each in used if each.name == ANSWER_TOOL), None)
            if mine is not None:
                said = [Text(arguments_text(mine.input), begins=True)]
                reason = StopReason.END if reason is StopReason.TOOLS else reason
        return [Began(), *said, Stopped(reason), *(() if usage is None else (Counted(usage),))]

    def events(self, request: ChatRequest, target: Target, facts: CallFacts) -> BedrockParser:
        return BedrockParser(target, answer_tool=ANSWER_TOOL if answers_by_tool(request, target) else None)

    def embeddings_request(
        self, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> UpstreamRequest:
        """POST /model/{model}/invoke, since Converse has no embeddings."""
        body = embed_body(request, target)
        return _post("invoke", body, target, facts)

    def embeddings_response(
        self, body: bytes, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> tuple[EmbeddingList, Usage | None]:
        """See `models_registry/backends/bedrock/embeddings.py`."""
        return embedded(body, request, target)

    def error(self, status: int, headers: Mapping[str, str], body: bytes, target: Target) -> UpstreamError:
        """See `models_registry/backends/bedrock/errors.py`."""
        return answer_error(status, headers, body, target)


def _post(
    method: str, body: object, target: Target, facts: CallFacts, changed: tuple[str, ...] = ()
) -> UpstreamRequest:
    model, _ = model_and_region(target.model)
    return UpstreamRequest(
        url=f"{target.api_base}/model/{quote(model, safe='')}/{method}",
        headers=upstream_headers(target, facts, credential=bearer(target), foreign=_FOREIGN),
        body=msgspec.json.encode(body),
        tls=target.tls,
        signing=target.signing,
        changed=changed,
    )
