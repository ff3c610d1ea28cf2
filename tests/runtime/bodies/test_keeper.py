"""Bodies on their way to Postgres: which are wanted, which fit, and which are lost and counted."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
import pytest

from functions.contract.call import Call
from models_registry.turns.sse import failure_frame
from runtime.bodies import copy
from runtime.bodies.keeper import REDACTION_HEADER, BodyKeeper
from runtime.bodies.storage_policy import StoragePolicy
from runtime.books.retention import Retention
from runtime.postgres.database import Database
from schema.chat import ChatRequest
from schema.errors.base import GatewayError
from schema.wire import decode_body
from tests.fakes import answers
from tests.functions.booked import book, fetch
from tests.functions.contexts import MEMBER, make_call
from tests.runtime.attempts import make_row

ON = StoragePolicy(stores_bodies=True)
ASK = {"model": "gpt", "messages": [{"role": "user", "content": "the key is sk-abcdefghijklmnop"}], "top": 1}


def request(**more: object) -> ChatRequest:
    body = msgspec.json.encode(ASK | more)
    return decode_body(msgspec.json.Decoder(ChatRequest), body)


def call(request_id: str = "call-1", **more: Any) -> Call:
    return make_call(MEMBER, **({"request_id": request_id, "call_type": "acompletion"} | more))


def run(dsn: str, scenario: Callable[[Database], Awaitable[None]]) -> None:
    async def play() -> None:
        database = await Database.connect(dsn)
        try:
            await scenario(database)
        finally:
            await database.close()

    asyncio.run(play())


async def stored(database: Database) -> list[dict[str, Any]]:
    rows = await fetch(database, 'SELECT * FROM "Switchgear_Bodies" ORDER BY request_id')
    return [dict(row) for row in rows]


class Pieces:
    """A stream of these."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self.closed: list[GatewayError | None] = []

    async def events(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece

    def failed(self, error: GatewayError) -> bytes:
        return failure_frame(error)

    def close(self, error: GatewayError | None = None) -> None:
        self.closed.append(error)


async def sent(stream: Any) -> list[bytes]:
    found = [piece async for piece in stream.events()]
    stream.close()
    stream.close()
    return found


@pytest.mark.parametrize(
    ("policy", "said", "header", "wanted"),
    [
        (StoragePolicy(), None, None, False),
        (ON, None, None, True),
        (ON, False, None, False),
        (StoragePolicy(), True, None, True),
        (ON, None, "true", False),
        (StoragePolicy(), True, "True ", False),
        (ON, None, "false", True),
        (StoragePolicy(stores_bodies=True, bodies_forbidden=True), True, None, False),
    ],
)
def test_whose_bodies_are_kept(
    policy: StoragePolicy, said: bool | None, header: str | None, wanted: bool
) -> None:
    async def ask() -> bool:
        bodies = BodyKeeper(None, policy)  # type: ignore[arg-type]  # nothing is written
        by = msgspec.structs.replace(MEMBER, stores_bodies=said)
        return bodies.wants(make_call(by), {} if header is None else {REDACTION_HEADER: header})

    assert asyncio.run(ask()) is wanted


@pytest.mark.parametrize("allowed", [False, True])
def test_bodies_of_a_call_that_stays_local_are_kept_where_its_team_allows_it(allowed: bool) -> None:
    async def ask() -> bool:
        bodies = BodyKeeper(None, ON)  # type: ignore[arg-type]  # nothing is written
        by = msgspec.structs.replace(MEMBER, keeps_local_bodies=allowed)
        return bodies.wants(make_call(by, stays_local="team"), {})

    assert asyncio.run(ask()) is allowed


def test_a_plain_call_is_written_redacted_and_in_its_month(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        bodies = BodyKeeper(database, ON, interval_s=0.01)
        bodies.start()
        late = datetime(2025, 2, 28, 23, 59, tzinfo=UTC)
        answer = answers.openai_chat()
        assert bodies.take(call(received_at=late), request(api_key="mine"), answer) is answer
        await bodies.close(5.0)
        (row,) = await stored(database)
        assert (row["request_id"], row["startTime"]) == ("call-1", late.replace(tzinfo=None))
        assert msgspec.json.decode(row["request"]) == {
            **ASK,
            "messages": [{"role": "user", "content": "the key is [redacted]"}],
            "api_key": "[redacted]",
        }
        assert msgspec.json.decode(row["response"]) == msgspec.json.decode(answer)
        assert (row["request_truncated"], row["response_truncated"]) == (False, False)
        assert (bodies.queue.lost, bodies.queue.held_bytes) == (0, 0)

    run(postgres_dsn, scenario)


def test_a_stream_is_sent_untouched_and_kept_as_one_answer(postgres_dsn: str) -> None:
    secret = ["sk-", "abcdefgh", "ijklmnop", "qrst"]  # no piece of it is one
    pieces = answers.sse({"choices": [{"index": 0, "delta": {"content": each}}]} for each in secret)

    async def scenario(database: Database) -> None:
        bodies = BodyKeeper(database, ON, interval_s=0.01)
        bodies.start()
        stream = Pieces(*pieces)
        assert await sent(bodies.take(call(), request(), stream)) == pieces
        assert stream.closed == [None, None]
        await bodies.close(5.0)
        (row,) = await stored(database)
        assert msgspec.json.decode(row["response"])["choices"][0]["message"] == {"content": "[redacted]"}
        assert (bodies.queue.lost, bodies.queue.held_bytes) == (0, 0)

    run(postgres_dsn, scenario)


def test_vectors_are_not_kept(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        bodies = BodyKeeper(database, ON)
        bodies.start()
        bodies.take(call(call_type="aembedding"), request(), answers.openai_embeddings())
        await bodies.close(5.0)
        (row,) = await stored(database)
        assert row["request"] is not None
        assert (row["response"], row["response_truncated"]) == (None, False)

    run(postgres_dsn, scenario)


def test_what_is_longer_than_the_limit_is_cut_and_marked(postgres_dsn: str) -> None:
    policy = msgspec.structs.replace(ON, max_body_bytes=50, redacted_patterns=(re.compile("hello"),))

    async def scenario(database: Database) -> None:
        bodies = BodyKeeper(database, policy)
        bodies.start()
        bodies.take(call(), request(user="x" * 100), answers.openai_chat())
        await bodies.close(5.0)
        (row,) = await stored(database)
        assert (row["request_truncated"], row["response_truncated"]) == (True, True)
        assert len(row["request"]) == len(row["response"]) == 50

    run(postgres_dsn, scenario)


def test_what_is_too_long_to_be_looked_at_is_not_kept_and_takes_no_room(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy, "MAX_RAW_BYTES", 1_000)
    monkeypatch.setattr("runtime.bodies.keeper.MAX_RAW_BYTES", 1_000)

    async def scenario(database: Database) -> None:
        bodies = BodyKeeper(database, ON)
        long = bodies.take(call("long"), request(), Pieces(b"x" * 600, b"y" * 600, b"z"))
        assert await sent(long) == [b"x" * 600, b"y" * 600, b"z"]
        assert bodies.queue.held_bytes < 1_500
        bodies.take(call("wide"), request(user="x" * 2_000), answers.openai_chat())
        bodies.start()
        await bodies.close(5.0)
        long_row, wide_row = await stored(database)
        assert (long_row["response"], long_row["response_truncated"]) == (None, True)
        assert (wide_row["request"], wide_row["request_truncated"]) == (None, True)
        assert (wide_row["response_truncated"], bodies.queue.held_bytes) == (False, 0)

    run(postgres_dsn, scenario)


def test_a_full_queue_loses_bodies_and_counts_them_and_no_call_notices(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        bodies = BodyKeeper(database, ON, max_waiting_bytes=4_000)
        answer = answers.openai_chat()
        for number in range(10):
            assert bodies.take(call(f"call-{number}"), request(), answer) is answer
            assert bodies.queue.held_bytes <= 4_000
        assert 0 < bodies.queue.lost < 10
        lost = bodies.queue.lost
        stream = bodies.take(call("stream"), request(), Pieces(*[b"x" * 900] * 6))
        assert await sent(stream) == [b"x" * 900] * 6
        assert bodies.queue.lost == lost + 1
        bodies.start()
        await bodies.close(5.0)
        assert len(await stored(database)) == 10 - lost
        assert bodies.queue.held_bytes == 0

    run(postgres_dsn, scenario)


def test_a_stream_that_outgrows_the_room_is_sent_whole_and_lost(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        bodies = BodyKeeper(database, ON, max_waiting_bytes=3_000)
        stream = bodies.take(call("stream"), request(), Pieces(*[b"x" * 900] * 6))
        assert await sent(stream) == [b"x" * 900] * 6
        assert (bodies.queue.lost, bodies.queue.held_bytes) == (1, 0)

    run(postgres_dsn, scenario)


def test_bodies_that_can_not_be_written_are_lost_and_the_next_are_not(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        bodies = BodyKeeper(database, ON, interval_s=0.01)
        bodies.start()
        await fetch(database, 'ALTER TABLE "Switchgear_Bodies" RENAME TO "gone"')
        bodies.take(call("lost"), request(), answers.openai_chat())
        async with asyncio.timeout(10):
            while not bodies.queue.lost:  # noqa: ASYNC110  (the writer tells nobody)
                await asyncio.sleep(0.01)
        await fetch(database, 'ALTER TABLE "gone" RENAME TO "Switchgear_Bodies"')
        bodies.take(call("kept"), request(), answers.openai_chat())
        await bodies.close(5.0)
        assert [row["request_id"] for row in await stored(database)] == ["kept"]
        assert (bodies.queue.lost, bodies.queue.held_bytes) == (1, 0)

    run(postgres_dsn, scenario)


async def june(_: asyncpg.Connection) -> datetime:
    return datetime(2026, 6, 30, tzinfo=UTC)


def test_retention_drops_bodies_with_their_rows_and_a_dropped_month_is_made_anew(postgres_dsn: str) -> None:
    january, april = datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 4, 15, tzinfo=UTC)
    retention = Retention(postgres_dsn, StoragePolicy(retention="90d"), june)

    async def scenario(database: Database) -> None:
        bodies = BodyKeeper(database, ON, interval_s=0.01)
        bodies.start()
        await book(database, make_row("old", started_at=january), make_row("new", started_at=april))
        for request_id, moment in (("old", january), ("new", april)):
            bodies.take(call(request_id, received_at=moment), request(), answers.openai_chat())
        async with asyncio.timeout(10):
            while len(await stored(database)) < 2:  # noqa: ASYNC110  (Postgres tells nobody)
                await asyncio.sleep(0.01)
        assert await retention.sweep()
        assert [row["request_id"] for row in await stored(database)] == ["new"]
        rows = await fetch(database, 'SELECT request_id FROM "LiteLLM_SpendLogs"')
        assert [row["request_id"] for row in rows] == ["new"]
        bodies.take(call("late", received_at=january), request(), answers.openai_chat())
        await bodies.close(5.0)
        assert [row["request_id"] for row in await stored(database)] == ["late", "new"]
        assert bodies.queue.lost == 0

    run(postgres_dsn, scenario)


def test_what_waits_when_time_is_up_is_counted(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        bodies = BodyKeeper(database, ON)
        bodies.start()
        async with database.connection() as connection, connection.transaction():
            await connection.execute('LOCK TABLE "Switchgear_Bodies"')
            bodies.take(call("first"), request(), answers.openai_chat())
            await asyncio.sleep(0)
            await bodies.close(0.2)
        assert (bodies.queue.lost, bodies.queue.held_bytes) == (1, 0)

    run(postgres_dsn, scenario)
