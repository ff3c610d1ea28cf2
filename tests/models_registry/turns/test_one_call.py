"""One tool call at a time, where the provider has no word for it."""

from models_registry.turns.events import (
    AnswerEvent,
    Began,
    Stopped,
    StopReason,
    Text,
    ToolArguments,
    ToolBegan,
    Unshown,
)
from models_registry.turns.one_call import OneCallParser, first_call_alone
from models_registry.turns.stream import Parsed
from schema.usage import Usage

FIRST: list[AnswerEvent] = [
    Began(),
    Text("I look."),
    ToolBegan(0, "a", "weather"),
    ToolArguments(0, '{"city":"Rome"}'),
]
SECOND: list[AnswerEvent] = [ToolBegan(1, "b", "weather"), ToolArguments(1, '{"city":"Oslo"}')]
END: list[AnswerEvent] = [Stopped(StopReason.TOOLS)]


def test_the_first_call_is_told_alone_and_the_others_count() -> None:
    assert first_call_alone([*FIRST, *SECOND, *END]) == [*FIRST, Unshown(7), Unshown(15), *END]


def test_an_answer_with_one_call_stays_as_it_is() -> None:
    events = [*FIRST, *END]
    assert first_call_alone(events) is events


class Told:
    service_tier = "flex"
    usage = Usage(prompt_tokens=1)
    done = True

    def feed(self, data: bytes) -> Parsed:
        return Parsed(FIRST)

    def close(self) -> Parsed:
        return Parsed([*SECOND, *END])


def test_a_stream_tells_its_first_call_alone() -> None:
    parser = OneCallParser(Told())
    assert parser.feed(b"").events == FIRST
    assert parser.close().events == [Unshown(7), Unshown(15), *END]
    assert (parser.usage, parser.service_tier, parser.done) == (Told.usage, "flex", True)
