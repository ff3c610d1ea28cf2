"""Streams to clients, and clients that leave: what is sent, stopped and booked."""

import asyncio
import json
from collections.abc import AsyncIterator

import msgspec
import pytest

from functions.contract.function import EventStream, function
from functions.contract.roles import Access
from models_registry.turns.sse import failure_frame
from schema.errors.base import GatewayError
from schema.errors.overload import SHUTTING_DOWN, ShuttingDown
from schema.errors.upstream import UpstreamCut
from schema.ledger.rows import Outcome
from schema.wire import Wire
from tests.fakes import answers
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import CONFIG, make_router
from tests.runtime.in_process import (
    Client,
    House,
    Message,
    ask,
    body_of,
    handle,
    scope_of,
)


def test_a_stream_is_sent_as_it_comes_and_ends_once() -> None:
    house = House(FakeUpstream(Answer(chunks=answers.openai_stream())))
    client = handle(house.route(), ask(stream=True))
    assert client.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert client.headers["x-accel-buffering"] == "no"
    assert "content-length" not in client.headers
    assert client.body.endswith(b"data: [DONE]\n\n")
    assert [message.get("more_body") for message in client.got[1:]][-1] is False
    assert len(client.got) > 5
    assert [row.outcome for row in house.sink.rows] == [Outcome.OK]


def test_a_stream_that_breaks_ends_in_an_error_event() -> None:
    broken = Answer(chunks=answers.openai_stream()[:3], error=UpstreamCut("It broke off."))
    house = House(FakeUpstream(broken))
    client = handle(house.route(), ask(stream=True))
    assert client.status == 200
    last = client.body.split(b"\n\n")[-2]
    assert json.loads(last.removeprefix(b"data: "))["error"]["reason"] == "upstream_cut"
    assert b"[DONE]" not in client.body
    assert client.got[-1]["more_body"] is False
    assert [row.outcome for row in house.sink.rows] == [Outcome.FAILED]


def test_a_client_that_leaves_stops_a_plain_call() -> None:
    async def run() -> House:
        house = House(FakeUpstream(Answer(stalls=True)))
        client = Client(ask())
        task = asyncio.create_task(house.route().handle(scope_of(), client.receive, client.send))
        async with asyncio.timeout(5):
            while not house.upstream.responses:  # noqa: ASYNC110  (the fake tells nobody)
                await asyncio.sleep(0)
            client.leave()
            await task
        assert client.got == []
        return house

    house = asyncio.run(run())
    assert house.upstream.responses[0].closed
    (row,) = house.sink.rows
    assert (row.outcome, row.http_status, row.estimated) == (Outcome.CANCELLED, 499, True)


def test_a_client_that_leaves_between_two_attempts_has_a_row_of_the_call() -> None:
    async def run() -> House:
        waiting = asyncio.Event()

        async def sleep(seconds: float) -> None:
            waiting.set()
            await asyncio.Event().wait()

        house = House(FakeUpstream(Answer(status=500)))
        house.give(routes=make_router(CONFIG, sleep))
        client = Client(ask())
        task = asyncio.create_task(house.route().handle(scope_of(), client.receive, client.send))
        async with asyncio.timeout(5):
            await waiting.wait()
            client.leave()
            await task
        return house

    house = asyncio.run(run())
    first, call = house.sink.rows
    assert (first.outcome, first.final) == (Outcome.UNCERTAIN, False)
    assert (call.outcome, call.http_status, call.cost_nano) == (Outcome.CANCELLED, 499, 0)
    assert first.request_id == f"{call.request_id}-a1"


@pytest.mark.parametrize("reads", [True, False])
def test_a_client_that_leaves_stops_a_stream(reads: bool) -> None:
    """Also when it had stopped reading, so that a send is under way."""

    async def run() -> House:
        house = House(FakeUpstream(Answer(chunks=answers.openai_stream()[:4], stalls=True)))
        client = Client(ask(stream=True), stops_reading_after=None if reads else 3)
        task = asyncio.create_task(house.route().handle(scope_of(), client.receive, client.send))
        async with asyncio.timeout(5):
            while len(client.got) < (4 if reads else 3):
                client.progress.clear()
                await client.progress.wait()
            client.leave()
            await task
        return house

    house = asyncio.run(run())
    assert house.upstream.responses[0].closed
    (row,) = house.sink.rows
    assert (row.outcome, row.streamed, row.estimated) == (Outcome.CANCELLED, True, True)
    assert row.completion_tokens > 0


def test_a_deadline_from_outside_cancels_the_call_and_books_it() -> None:
    """What a drain does: unlike a client's leaving, it is not swallowed."""

    async def run() -> House:
        house = House(FakeUpstream(Answer(chunks=answers.openai_stream()[:4], stalls=True)))
        client = Client(ask(stream=True))
        task = asyncio.create_task(house.route().handle(scope_of(), client.receive, client.send))
        await client.progress.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return house

    house = asyncio.run(run())
    assert house.upstream.responses[0].closed
    assert [row.outcome for row in house.sink.rows] == [Outcome.CANCELLED]


class Spoken(Wire, frozen=True, kw_only=True, dict=True):
    model: str = ""


class Counting:
    """A stream that counts its closes."""

    def __init__(self) -> None:
        self.closed = 0
        self.why: list[GatewayError | None] = []

    async def events(self) -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        yield b"data: 2\n\n"

    def failed(self, error: GatewayError) -> bytes:
        return failure_frame(error)

    def close(self, error: GatewayError | None = None) -> None:
        self.closed += 1
        self.why.append(error)


class CountingContext(msgspec.Struct, frozen=True, kw_only=True):
    readiness: Counting


@function("POST", "/count", access=Access.MODEL)
async def count(request: Spoken, ctx: CountingContext) -> EventStream:
    """Count."""
    return ctx.readiness


def test_a_stream_is_closed_exactly_once_even_if_the_reply_cannot_be_sent() -> None:
    async def broken_send(message: Message) -> None:
        raise ConnectionResetError

    async def run() -> None:
        house, stream = House(), Counting()
        house.give(readiness=stream)
        route = house.route(count)
        client = Client(body_of(b"{}"))
        with pytest.raises(ConnectionResetError):
            await route.handle(scope_of(), client.receive, broken_send)
        assert stream.closed == 1
        client = Client(body_of(b"{}"))
        await route.handle(scope_of(), client.receive, client.send)
        assert stream.closed == 2
        assert client.body == b"data: 1\n\ndata: 2\n\n"

    asyncio.run(run())


def test_a_stream_cut_at_the_drain_deadline_is_no_client_that_left() -> None:
    async def run() -> Counting:
        house, stream = House(), Counting()
        house.give(readiness=stream)
        stuck = asyncio.Event()

        async def slow_send(message: Message) -> None:
            if message.get("body"):
                stuck.set()
                await asyncio.Event().wait()

        handling = house.route(count).handle(scope_of(), Client(body_of(b"{}")).receive, slow_send)
        task = asyncio.create_task(handling)
        await stuck.wait()
        task.cancel(SHUTTING_DOWN)
        with pytest.raises(asyncio.CancelledError):
            await task
        return stream

    assert isinstance(asyncio.run(run()).why[0], ShuttingDown)
