"""The front of legacy completions."""

from collections.abc import Sequence

from models_registry.fronts.completions.request import echoed, turns_from
from models_registry.fronts.completions.writer import CompletionsWriter
from models_registry.fronts.openai_words import LEGACY_REASONS, NULL, to_wire
from models_registry.target import Target
from models_registry.turns.events import AnswerEvent
from models_registry.turns.facts import CallFacts
from models_registry.turns.surfaces import Surface
from models_registry.turns.whole import RefusalPart, TextPart, whole_of
from schema.chat import ChatRequest
from schema.completions import Completion, CompletionChoice, CompletionsRequest


class CompletionsFront:
    """Implements Front."""

    surface = Surface.COMPLETIONS

    def read(self, request: CompletionsRequest, target: Target) -> ChatRequest:
        return turns_from(request)

    def whole(
        self, events: Sequence[AnswerEvent], request: CompletionsRequest, target: Target, facts: CallFacts
    ) -> Completion:
        answer = whole_of(events)
        text = "".join(part.text for part in answer.parts if isinstance(part, TextPart | RefusalPart))
        choice = CompletionChoice(
            logprobs=NULL, text=echoed(request) + text, finish_reason=LEGACY_REASONS[answer.reason]
        )
        return Completion(
            id=answer.id or f"cmpl-{facts.request_id}",
            object="text_completion",
            created=facts.created,
            model=answer.model or target.model,
            choices=[choice],
            usage=None if answer.usage is None else to_wire(answer.usage),
        )

    def writer(self, request: CompletionsRequest, target: Target, facts: CallFacts) -> CompletionsWriter:
        options = request.stream_options
        return CompletionsWriter(
            id=f"cmpl-{facts.request_id}",
            created=facts.created,
            model=target.model,
            echo=echoed(request),
            include_usage=options is not None and bool(options.include_usage),
        )
