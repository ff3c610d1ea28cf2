"""One attempt at a surface: by the provider's own bytes where it has the surface, else over the core."""

from collections.abc import Awaitable, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from functions.calls.attempt import Exchange
from functions.calls.relay import EventWait, Relay
from functions.contract.function import EventStream
from functions.ports.models import Hold, UpstreamResponse
from models_registry.backends import native_at
from models_registry.backends.backend import Native, UpstreamRequest
from models_registry.backends.dropping import WithFields
from models_registry.bounds.chat import ChatBounds
from models_registry.bounds.surfaces import native_bounds
from models_registry.bounds.text import TextBounds
from models_registry.fronts.front import Front
from models_registry.target import Target
from models_registry.turns.events import AnswerEvent, Counted, said_bytes
from models_registry.turns.facts import CallFacts
from models_registry.turns.stream import TranslatedStream
from schema.chat import ChatRequest
from schema.usage import Usage


class Streamable(WithFields, Protocol):
    """A request that may ask for a stream."""

    @property
    def stream(self) -> bool | None: ...


R = TypeVar("R", bound=Streamable)
A = TypeVar("A")


class SurfaceExchange(Exchange[R, TextBounds, A | EventStream], Generic[R, A]):
    """A request on one surface sent to one deployment, and its answer. A subclass says its front."""

    __slots__ = ("_native", "_turns")
    front: ClassVar[Front[Any, Any]]

    def __init__(self, request: R, target: Target, facts: CallFacts) -> None:
        super().__init__(request, target, facts)
        self._native: Native[R, A] | None = native_at(target, self.front.surface)
        self._turns: ChatRequest | None = None
        if self._native is not None:
            fitted = self._native.fitted(request, target)
            if fitted is not None:
                self.request, self.target, self.changed = fitted
            return
        self._turns = self.front.read(request, target)
        refitted = self.backend.fitted(self._turns, target)
        if refitted is not None:
            self._turns, self.target, self.changed = refitted

    @property
    def turns(self) -> ChatRequest:
        """The request as turns. The byte path builds none, but where a chat request is its own turns."""
        if self._turns is None:
            self._turns = self.front.read(self.request, self.target)
        return self._turns

    @property
    def is_native(self) -> bool:
        """Whether the provider has the surface itself."""
        return self._native is not None

    @property
    def streamed(self) -> bool:
        return bool(self.request.stream)

    def outgoing(self) -> UpstreamRequest:
        if self._native is not None:
            return self._native.request(self.request, self.target, self.facts)
        return self.backend.chat_request(self.turns, self.target, self.facts)

    def bounds(self) -> TextBounds:
        native = None if self._native is None else native_bounds(self.front.surface)
        return ChatBounds(self.turns, self.target) if native is None else native(self.request, self.target)

    def answer(self, body: bytes, bounds: TextBounds) -> tuple[A | EventStream, Usage]:
        native = self._native
        if native is not None:
            answer, usage = native.answer(body, self.request, self.target)
            return answer, bounds.completed(usage, len(body), lambda: native.told_bytes(answer))
        events = self.backend.answer(body, self.turns, self.target, self.facts)
        answer = self.front.whole(events, self.request, self.target, self.facts)
        return answer, bounds.completed(_counted(events), len(body), lambda: sum(map(said_bytes, events)))

    def relay(
        self, response: UpstreamResponse, hold: Hold, bounds: TextBounds, wait: EventWait
    ) -> Awaitable[Relay]:
        if self._native is not None:
            parser = self._native.stream(self.request, self.target)
        else:
            parser = TranslatedStream(
                self.backend.events(self.turns, self.target, self.facts),
                self.front.writer(self.request, self.target, self.facts),
            )
        return Relay.begin(response, parser, hold=hold, bounds=bounds, wait=wait)


def _counted(events: Sequence[AnswerEvent]) -> Usage | None:
    return next((event.usage for event in reversed(events) if isinstance(event, Counted)), None)
