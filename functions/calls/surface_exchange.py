"""One attempt at a surface: by the provider's own bytes where it has the surface, else over the core."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from functions.calls.attempt import Exchange
from functions.calls.cached import CacheUse, CopiedStream, NotedHold, ReplayedStream
from functions.calls.guarded import Guarding
from functions.calls.guarded_stream import GuardedStream, LateHold
from functions.calls.readers import Readers
from functions.calls.relay import EventWait, Relay
from functions.contract.function import EventStream
from functions.ports.models import Hold, UpstreamResponse
from models_registry.backends import native_at
from models_registry.backends.addresses import NamedFile, refuse_addresses, wanted, with_files
from models_registry.backends.backend import Native, UpstreamRequest
from models_registry.backends.cache_points import caching
from models_registry.backends.dropping import WithFields
from models_registry.backends.injection_points import pointed
from models_registry.backends.parameters import CACHE_POINTS_FIELD, with_defaults
from models_registry.bounds.chat import ChatBounds
from models_registry.bounds.surfaces import native_bounds
from models_registry.bounds.text import TextBounds
from models_registry.fronts.front import Front
from models_registry.target import Target
from models_registry.turns.events import AnswerEvent, Counted, said_bytes
from models_registry.turns.facts import CallFacts
from models_registry.turns.one_call import OneCallParser, first_call_alone
from models_registry.turns.stream import TranslatedStream
from schema.chat import ChatRequest
from schema.usage import Usage
from schema.wire import with_body


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
    blank: ClassVar[Any]
    """An answer without content, which stands for one that was kept as bytes. Its type is `A`."""

    def __init__(self, request: R, target: Target, facts: CallFacts) -> None:
        if CACHE_POINTS_FIELD in request.raw:
            target = pointed(target, request.raw)
        if facts.caches_prompts:
            target = caching(target)
        super().__init__(request, target, facts)
        self._native: Native[R, A] | None = native_at(target, self.front.surface)
        self._turns: ChatRequest | None = None
        if self._native is not None:
            if facts.stays_local:
                refuse_addresses(request.raw)
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

    @property
    def _calls_once(self) -> bool:
        """Whether the gateway sees to it that no answer has two tool calls."""
        if self.target.dialect.facts.limits_calls:
            return False
        return with_defaults(self.turns, self.target).parallel_tool_calls is False

    def outgoing(self) -> UpstreamRequest:
        if self._native is not None:
            return self._native.request(self.request, self.target, self.facts)
        turns = with_files(self.turns, self.target, self.facts)
        return self.backend.chat_request(turns, self.target, self.facts)

    def wanted(self) -> Sequence[NamedFile]:
        return () if self._native is not None else wanted(self.turns, self.target, self.facts)

    def bounds(self) -> TextBounds:
        native = None if self._native is None else native_bounds(self.front.surface)
        return ChatBounds(self.turns, self.target) if native is None else native(self.request, self.target)

    def answer(self, body: bytes, bounds: TextBounds) -> tuple[A | EventStream, Usage]:
        native = self._native
        if native is not None:
            answer, usage = native.answer(body, self.request, self.target)
            return answer, bounds.completed(usage, len(body), lambda: native.told_bytes(answer))
        events = self.backend.answer(body, self.turns, self.target, self.facts)
        if self._calls_once:
            events = first_call_alone(events)
        answer = self.front.whole(events, self.request, self.target, self.facts)
        return answer, bounds.completed(_counted(events), len(body), lambda: sum(map(said_bytes, events)))

    def relay(
        self, response: UpstreamResponse, hold: Hold, bounds: TextBounds, wait: EventWait
    ) -> Awaitable[Relay]:
        if self._native is not None:
            parser = self._native.stream(self.request, self.target)
        else:
            events = self.backend.events(self.turns, self.target, self.facts)
            parser = TranslatedStream(
                OneCallParser(events) if self._calls_once else events,
                self.front.writer(self.request, self.target, self.facts),
            )
        return Relay.begin(response, parser, hold=hold, bounds=bounds, wait=wait, name=self.name)

    def copied(self, stream: A | EventStream, use: CacheUse, hold: NotedHold) -> EventStream:
        assert isinstance(stream, (Relay, GuardedStream)), "`relay` or `guarded` gives one"
        return CopiedStream(stream, use, hold)

    async def guarded(
        self,
        stream: A | EventStream,
        hold: LateHold,
        guarding: Guarding[Any],
        readers: Readers,
        changed: Callable[[], None],
    ) -> EventStream:
        assert isinstance(stream, Relay), "`relay` gives one"
        model = self.target.public_name
        made = GuardedStream(stream, hold, guarding, readers, model=model, changed=changed)
        await made.begin()
        return made

    def replayed(self, body: bytes) -> A | EventStream:
        return ReplayedStream(body) if self.streamed else with_body(self.blank, body)


def _counted(events: Sequence[AnswerEvent]) -> Usage | None:
    return next((event.usage for event in reversed(events) if isinstance(event, Counted)), None)
