"""The chat front. Its requests are turns as they come."""

from collections.abc import Sequence

import msgspec

from models_registry.fronts.chat.words import (
    REDACTED,
    THINKING,
    annotated,
    joined_logprobs,
    with_text,
)
from models_registry.fronts.chat.writer import ChatWriter
from models_registry.fronts.openai_words import FINISH_REASONS, to_wire
from models_registry.target import Target
from models_registry.turns.events import AnswerEvent, Sealed
from models_registry.turns.facts import CallFacts
from models_registry.turns.surfaces import Surface
from models_registry.turns.whole import (
    AnswerPart,
    RefusalPart,
    TextPart,
    ThoughtPart,
    ToolPart,
    whole_of,
)
from schema.chat import (
    AnswerMessage,
    CalledFunction,
    ChatCompletion,
    ChatRequest,
    Choice,
    CitationFields,
    ThinkingBlock,
    ToolCall,
)
from schema.wire import ABSENT


class ChatFront:
    """Implements Front."""

    surface = Surface.CHAT

    def read(self, request: ChatRequest, target: Target) -> ChatRequest:
        return request

    def whole(
        self, events: Sequence[AnswerEvent], request: ChatRequest, target: Target, facts: CallFacts
    ) -> ChatCompletion:
        answer = whole_of(events)
        choice = Choice(
            index=0,
            message=_message(answer.parts),
            finish_reason=FINISH_REASONS[answer.reason],
            logprobs=joined_logprobs(
                [each for part in answer.parts if isinstance(part, TextPart) for each in part.logprobs]
            ),
        )
        return ChatCompletion(
            id=answer.id or f"chatcmpl-{facts.request_id}",
            object="chat.completion",
            created=facts.created,
            model=answer.model or target.model,
            choices=[choice],
            usage=None if answer.usage is None else to_wire(answer.usage),
        )

    def writer(self, request: ChatRequest, target: Target, facts: CallFacts) -> ChatWriter:
        options = request.stream_options
        return ChatWriter(
            id=f"chatcmpl-{facts.request_id}",
            created=facts.created,
            model=target.model,
            include_usage=options is not None and bool(options.include_usage),
        )


def _message(parts: Sequence[AnswerPart]) -> AnswerMessage:
    texts = [part for part in parts if isinstance(part, TextPart)]
    thoughts = [part for part in parts if isinstance(part, ThoughtPart)]
    calls = [
        ToolCall(
            id=part.id, kind="function", function=CalledFunction(name=part.name, arguments=part.arguments)
        )
        for part in parts
        if isinstance(part, ToolPart)
    ]
    refusal = "".join(part.text for part in parts if isinstance(part, RefusalPart))
    signed = [block for part in parts if (block := _thinking_block(part)) is not None]
    message = AnswerMessage(
        content="".join(part.text for part in texts) or (None if calls or refusal else ""),
        refusal=refusal or None,
        reasoning_content="".join(part.text for part in thoughts) or msgspec.UNSET,
        tool_calls=calls or msgspec.UNSET,
        thinking_blocks=_raw(signed) if signed else ABSENT,
    )
    return _with_sources(message, texts)


def _thinking_block(part: AnswerPart) -> ThinkingBlock | None:
    """A part of the answer as LiteLLM's `thinking_blocks` have it. None: it is nothing to send back."""
    if isinstance(part, ThoughtPart) and part.is_signed:
        return ThinkingBlock(kind=THINKING, thinking=part.text, signature=part.signature)
    return ThinkingBlock(kind=REDACTED, data=part.data) if isinstance(part, Sealed) else None


def _with_sources(message: AnswerMessage, texts: Sequence[TextPart]) -> AnswerMessage:
    """The message with the sources of its texts, in OpenAI's form and in LiteLLM's."""
    if not any(part.sources for part in texts):
        return message
    annotations, lists, at = [], [], 0
    for part in texts:
        end = at + len(part.text)
        if part.sources:
            lists.append([with_text(source, part.text) for source in part.sources])
            annotations += annotated(part.sources, at, end)
        at = end
    return msgspec.structs.replace(
        message,
        annotations=_raw(annotations) if annotations else ABSENT,
        provider_specific_fields=_raw(CitationFields(citations=lists)),
    )


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
