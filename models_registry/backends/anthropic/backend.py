"""Translates to Anthropic's Messages API, which has no embeddings.

`input_tokens` leaves out cached tokens, read and written, so they are added to it. Thinking is inside the
output. A stream reports its input at its start, and all counts at its end.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from models_registry.backends.anthropic.citations import cited
from models_registry.backends.anthropic.fitting import fitted
from models_registry.backends.anthropic.native import NativeMessages
from models_registry.backends.anthropic.request import ANSWER_TOOL, answers_by_tool, messages_request
from models_registry.backends.anthropic.stream import AnthropicParser
from models_registry.backends.anthropic.thinking import thought
from models_registry.backends.anthropic.usage import counts_in, stop_reason, usage_of
from models_registry.backends.anthropic.wire import decode_message, messages_headers, messages_url
from models_registry.backends.backend import Native, UpstreamRequest
from models_registry.backends.changes import Changes
from models_registry.backends.content import arguments_text, citations_in
from models_registry.backends.fitting import Fitted
from models_registry.backends.provider_errors import provider_error
from models_registry.target import Target
from models_registry.turns.events import (
    AnswerEvent,
    Began,
    Counted,
    Stopped,
    StopReason,
    Text,
    ToolArguments,
    ToolBegan,
)
from models_registry.turns.facts import CallFacts
from models_registry.turns.surfaces import Surface
from schema.chat import ChatRequest
from schema.dialects.anthropic import AnswerBlock
from schema.embeddings import EmbeddingList, EmbeddingsRequest
from schema.errors.requests import UnsupportedParameter
from schema.errors.upstream import UpstreamError, UpstreamMalformed
from schema.usage import Usage


class Anthropic:
    """Implements Backend."""

    natives: Mapping[Surface, Native[Any, Any]] = MappingProxyType({Surface.MESSAGES: NativeMessages()})

    def fitted(self, request: ChatRequest, target: Target) -> Fitted | None:
        """See `models_registry/backends/anthropic/fitting.py`."""
        return fitted(request, target)

    def chat_request(self, request: ChatRequest, target: Target, facts: CallFacts) -> UpstreamRequest:
        """POST /v1/messages."""
        changes = Changes()
        body = msgspec.json.encode(messages_request(request, target, changes))
        return UpstreamRequest(
            url=messages_url(target, streamed=bool(request.stream)),
            headers=messages_headers(target, facts),
            body=body,
            tls=target.tls,
            signing=target.signing,
            changed=changes.names,
        )

    def answer(
        self, body: bytes, request: ChatRequest, target: Target, facts: CallFacts
    ) -> list[AnswerEvent]:
        """Blocks of the provider's own tools are left out. Raises UpstreamMalformed for a body that is no
        message, and the mapped error for an error in a 200."""
        message = decode_message(body, target)
        counts = counts_in(message.usage)
        usage = None if counts is None else usage_of(counts)
        by_tool = answers_by_tool(request, target)
        reason = stop_reason(message.stop_reason)
        if by_tool and reason is StopReason.TOOLS:
            reason = StopReason.END
        return [
            Began(id=message.id, model=message.model),
            *_events(message.content, by_tool=by_tool),
            Stopped(reason, message.stop_sequence),
            *(() if usage is None else (Counted(usage),)),
        ]

    def events(self, request: ChatRequest, target: Target, facts: CallFacts) -> AnthropicParser:
        return AnthropicParser(target, answer_tool=ANSWER_TOOL if answers_by_tool(request, target) else None)

    def embeddings_request(
        self, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> UpstreamRequest:
        """Raises UnsupportedParameter, since Anthropic has no such endpoint."""
        raise UnsupportedParameter(
            f"The model '{target.public_name}' is Anthropic's, which has no embeddings. Ask another model.",
            param="model",
        )

    def embeddings_response(
        self, body: bytes, request: EmbeddingsRequest, target: Target, facts: CallFacts
    ) -> tuple[EmbeddingList, Usage | None]:
        raise UpstreamMalformed("Anthropic has no embeddings, so it can't have answered with some.")

    def error(self, status: int, headers: Mapping[str, str], body: bytes, target: Target) -> UpstreamError:
        return provider_error(status, headers, body, target)


def _events(blocks: list[AnswerBlock], *, by_tool: bool) -> list[AnswerEvent]:
    if by_tool:
        said = [block for block in blocks if block.kind == "tool_use" and block.name == ANSWER_TOOL]
        if said:
            return [Text(arguments_text(said[0].input), begins=True)]
    found: list[AnswerEvent] = []
    tools = 0
    for block in blocks:
        if block.kind == "text":
            found.append(Text(block.text or "", begins=True))
            found += [cited(each) for each in citations_in(block.citations)]
        elif block.kind == "tool_use":
            found.append(ToolBegan(tools, block.id or "", block.name or ""))
            found.append(ToolArguments(tools, arguments_text(block.input)))
            tools += 1
        elif (thinking := thought(block)) is not None:
            found.append(thinking)
    return found
