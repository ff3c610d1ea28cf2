"""A provider's comments in a stream: they are no events, and extend no deadline."""

import asyncio

import pytest

from functions.calls.relay import EventWait, Relay
from models_registry.backends import BACKENDS
from models_registry.bounds.chat import ChatBounds
from models_registry.dialects import Dialect
from models_registry.turns.surfaces import Surface
from schema.errors.upstream import UpstreamTimeout
from tests.fakes import answers
from tests.fakes.ledger import FakeLedger
from tests.fakes.upstream import Answer, FakeResponse
from tests.functions.contexts import make_call
from tests.models_registry.backends.making import chat, target

COMMENT = b": working\n\n"
OPENAI = target(Dialect.OPENAI)


class Heard:
    """A Silence that keeps what it is told."""

    def __init__(self) -> None:
        self.comments: list[bytes] = []

    def sent(self) -> None:
        raise AssertionError("an attempt says it, and no relay")

    def comment(self, data: bytes) -> None:
        self.comments.append(data)


async def begun(chunks: list[bytes], heard: Heard, *, first_s: float, idle_s: float) -> Relay:
    request = chat(stream=True)
    bounds = ChatBounds(request, OPENAI)
    hold = await FakeLedger().hold(make_call(), OPENAI, streamed=True, bounds=bounds, customer=None)
    return await Relay.begin(
        FakeResponse(Answer(chunks=chunks)),
        BACKENDS[Dialect.OPENAI].natives[Surface.CHAT].stream(request, OPENAI),
        hold=hold,
        bounds=bounds,
        wait=EventWait(heard, first_s, idle_s),
    )


def test_comments_before_the_first_event_are_told_and_are_no_event() -> None:
    heard = Heard()
    relay = asyncio.run(begun([COMMENT, COMMENT, *answers.openai_stream()], heard, first_s=60, idle_s=0))
    assert heard.comments == [COMMENT, COMMENT]
    relay.close()


def test_comments_alone_end_at_the_deadline_of_the_first_event() -> None:
    with pytest.raises(UpstreamTimeout, match="nothing but comments"):
        asyncio.run(begun([COMMENT] * 9, Heard(), first_s=0, idle_s=60))


@pytest.mark.parametrize(("comments", "is_cut"), [(1, False), (2, True)])
def test_comments_in_mid_stream_end_at_the_deadline_of_silence(comments: int, is_cut: bool) -> None:
    async def scenario() -> bytes:
        first, *rest = answers.openai_stream()
        chunks = [first, *[COMMENT] * comments, *rest]
        relay = await begun(chunks, Heard(), first_s=60, idle_s=0)
        return b"".join([piece async for piece in relay.events()])

    if is_cut:
        with pytest.raises(UpstreamTimeout, match="nothing but comments"):
            asyncio.run(scenario())
    else:
        assert COMMENT in asyncio.run(scenario())
