"""The front of Anthropic's Messages."""

from collections.abc import Sequence

from models_registry.fronts.messages.request import turns_from
from models_registry.fronts.messages.words import (
    REFUSAL,
    STOP_WORDS,
    citation_of,
    input_of,
    to_messages_usage,
    tool_use_id,
)
from models_registry.fronts.messages.writer import SEALED, TEXT, THINKING, TOOL, MessagesWriter
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
from schema.chat import ChatRequest
from schema.messages import MessagesAnswer, MessagesRequest, SaidBlock


class MessagesFront:
    """Implements Front."""

    surface = Surface.MESSAGES

    def read(self, request: MessagesRequest, target: Target) -> ChatRequest:
        return turns_from(request, target)

    def whole(
        self, events: Sequence[AnswerEvent], request: MessagesRequest, target: Target, facts: CallFacts
    ) -> MessagesAnswer:
        answer = whole_of(events)
        refused = any(isinstance(part, RefusalPart) for part in answer.parts)
        return MessagesAnswer(
            id=answer.id or f"msg_{facts.request_id}",
            model=answer.model or target.model,
            content=[block for part in answer.parts if (block := _block(part)) is not None],
            stop_reason=REFUSAL if refused else STOP_WORDS[answer.reason],
            stop_sequence=answer.sequence,
            usage=to_messages_usage(answer.usage),
        )

    def writer(self, request: MessagesRequest, target: Target, facts: CallFacts) -> MessagesWriter:
        return MessagesWriter(id=f"msg_{facts.request_id}", model=target.model, request_id=facts.request_id)


def _block(part: AnswerPart) -> SaidBlock | None:
    """A part of the answer as a block. None: it says nothing, or has no place in this form."""
    match part:
        case TextPart():
            cited = [found for each in part.sources if (found := citation_of(each)) is not None]
            if not part.text and not cited:
                return None
            return SaidBlock(kind=TEXT, text=part.text, citations=cited or None)
        case RefusalPart():
            return SaidBlock(kind=TEXT, text=part.text)
        case ThoughtPart():
            if not part.text and not part.signature:
                return None
            return SaidBlock(kind=THINKING, thinking=part.text, signature=part.signature)
        case Sealed():
            return SaidBlock(kind=SEALED, data=part.data)
        case ToolPart():
            return SaidBlock(
                kind=TOOL, id=tool_use_id(part.id), name=part.name, input=input_of(part.arguments)
            )
        case _:
            return None
