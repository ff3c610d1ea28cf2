"""What a front is: pure functions from a client's request to turns, and from an answer's events to the form
that the client reads. No IO, no clock, no await."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from models_registry.target import Target
from models_registry.turns.events import AnswerEvent
from models_registry.turns.facts import CallFacts
from models_registry.turns.stream import EventWriter
from models_registry.turns.surfaces import Surface
from schema.chat import ChatRequest

R = TypeVar("R", contravariant=True)
A = TypeVar("A", covariant=True)


class Front(Protocol[R, A]):
    """One surface. `R` is its request, `A` its whole answer."""

    @property
    def surface(self) -> Surface: ...

    def read(self, request: R, target: Target) -> ChatRequest:
        """The request as turns. Its `raw` has the fields that are sent and held for. Raises InvalidRequest,
        or UnsupportedParameter which names the field, for what turns can't carry. `target` says what may be
        left out (`drop_params`)."""
        ...

    def whole(self, events: Sequence[AnswerEvent], request: R, target: Target, facts: CallFacts) -> A:
        """The answer in one piece."""
        ...

    def writer(self, request: R, target: Target, facts: CallFacts) -> EventWriter:
        """A writer for one stream."""
        ...
