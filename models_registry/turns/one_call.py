"""One tool call at a time (`parallel_tool_calls: false`), where the provider has no word for it.

The answer's first call is told, and the others are left out. The model asks again once it has the result.
"""

from collections.abc import Sequence

from models_registry.turns.events import AnswerEvent, ToolArguments, ToolBegan, Unshown, said_bytes
from models_registry.turns.stream import EventParser, Parsed
from schema.usage import Usage


def first_call_alone(events: Sequence[AnswerEvent]) -> Sequence[AnswerEvent]:
    """The events without the calls after the first. What is left out counts as output all the same."""
    if all(not isinstance(event, ToolBegan | ToolArguments) or not event.index for event in events):
        return events
    return [
        Unshown(said_bytes(event)) if isinstance(event, ToolBegan | ToolArguments) and event.index else event
        for event in events
    ]


class OneCallParser:
    """A parser of which no call after the first is told. Implements EventParser."""

    def __init__(self, parser: EventParser) -> None:
        self._parser = parser

    @property
    def usage(self) -> Usage | None:
        return self._parser.usage

    @property
    def service_tier(self) -> str | None:
        return self._parser.service_tier

    @property
    def done(self) -> bool:
        return self._parser.done

    def feed(self, data: bytes) -> Parsed:
        """See EventParser."""
        found = self._parser.feed(data)
        return Parsed(first_call_alone(found.events), found.failure)

    def close(self) -> Parsed:
        """See EventParser."""
        found = self._parser.close()
        return Parsed(first_call_alone(found.events), found.failure)
