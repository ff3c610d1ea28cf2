"""Work that nobody asked for costs next to nothing: whatever is looked at again and again is looked at
cheaply."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from models_registry.dialects import Dialect
from runtime.books import booking as books_module
from runtime.books.booking import Books
from runtime.books.bookkeeper import Bookkeeper
from runtime.books.reader import JournalReader
from runtime.ledger.journal import Journal
from runtime.outbound import post_json
from runtime.telemetry.alerts import MAX_OF_CUSTOMERS, MAX_WAITING, Desk
from runtime.telemetry.snapshots import IDLE_TURNS, Snapshots
from runtime.telemetry.tally import Tally
from runtime.telemetry.unrouted import UnroutedReason
from schema.alerts import AlertKind
from tests.models_registry.backends.making import target as target_of
from tests.runtime.attempts import make_row, make_settled


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much each look through the rest of a segment found."""
    found: list[int] = []
    scan = JournalReader.tail_bytes

    def counted(self: JournalReader) -> int:
        found.append(scan(self))
        return found[-1]

    monkeypatch.setattr(JournalReader, "tail_bytes", counted)
    return found


def test_the_rest_of_a_journal_that_stands_is_looked_through_once_in_a_while(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scans: list[int]
) -> None:
    monkeypatch.setattr(books_module, "STUCK_S", 0.0)

    async def run() -> None:
        connection = await asyncpg.connect(postgres_dsn)
        journal = Journal(tmp_path)
        books = await Books.opened(connection, journal.folder)
        for _ in range(50):
            assert not await books.step(connection)
        assert scans == [0]
        journal.put(make_row("req-1"))
        assert books.has_news
        await books.step(connection)
        assert not books.has_news
        for _ in range(50):
            await books.step(connection)
        assert scans == [0, 0]
        books.close()
        await journal.close()
        await connection.close()

    asyncio.run(run())


def test_damage_is_passed_over_also_where_reading_stood_for_long_before(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scans: list[int]
) -> None:
    monkeypatch.setattr(books_module, "STUCK_S", 0.05)

    async def run() -> object:
        connection = await asyncpg.connect(postgres_dsn)
        journal = Journal(tmp_path)
        books = await Books.opened(connection, journal.folder)
        while not scans:
            await books.step(connection)
        begin = journal._segment.position
        journal.put(make_row("req-1"))
        journal._segment.data[begin + 20] ^= 1
        journal.put(make_row("req-2"))
        async with asyncio.timeout(5):
            while not await connection.fetchval('SELECT count(*) FROM "LiteLLM_SpendLogs"'):
                await books.step(connection)
        found = await connection.fetchval('SELECT request_id FROM "LiteLLM_SpendLogs"')
        books.close()
        await journal.close()
        await connection.close()
        return found

    assert asyncio.run(run()) == "req-2"


def test_what_comes_behind_a_damaged_record_is_booked_at_once_however_long_that_stood(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scans: list[int]
) -> None:
    monkeypatch.setattr(books_module, "STUCK_S", 0.0)
    monkeypatch.setattr(books_module, "TORN_LOOK_S", 0.0)

    async def run() -> object:
        connection = await asyncpg.connect(postgres_dsn)
        journal = Journal(tmp_path)
        books = await Books.opened(connection, journal.folder)
        begin = journal._segment.position
        journal.put(make_row("req-1"))
        journal._segment.data[begin + 20] ^= 1
        while len(scans) < 5:
            await books.step(connection)
        journal.put(make_row("req-2"))
        for _ in range(3):
            await books.step(connection)
        found = await connection.fetchval('SELECT request_id FROM "LiteLLM_SpendLogs"')
        books.close()
        await journal.close()
        await connection.close()
        return found

    assert asyncio.run(run()) == "req-2"


def test_while_postgres_refuses_it_is_asked_ever_more_rarely_and_the_trouble_stands(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.books.bookkeeper.INTERVAL_S", 0.01)
    asked: list[object] = []

    async def refused(*args: object, **kwargs: object) -> None:
        asked.append(args)
        raise ConnectionRefusedError

    monkeypatch.setattr("runtime.books.bookkeeper.asyncpg.connect", refused)

    async def run() -> None:
        journal = Journal(tmp_path)
        journal.put(make_row("req-1"))
        keeper = Bookkeeper(tmp_path, postgres_dsn)
        task = asyncio.create_task(keeper.run())
        while len(asked) < 2:  # noqa: ASYNC110  (nobody tells)
            await asyncio.sleep(0.01)
        steps: list[float] = []
        monkeypatch.setattr(keeper, "_step_taken", lambda: steps.append(1.0))
        while len(asked) < 5:
            await asyncio.sleep(0.05)
            assert keeper._trouble is not None
        assert not steps
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await journal.close()

    asyncio.run(run())


def test_a_bookkeeper_without_news_opens_no_journal_anew(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    step = Books.step

    async def counted(self: Books, connection: asyncpg.Connection) -> bool:
        steps.append(self.folder.name)
        return await step(self, connection)

    monkeypatch.setattr(Books, "step", counted)

    async def run() -> None:
        journal = Journal(tmp_path)
        keeper = Bookkeeper(tmp_path, postgres_dsn, interval_s=0.001)
        task = asyncio.create_task(keeper.run())
        await asyncio.sleep(0.3)
        assert 1 <= len(steps) <= 4
        journal.put(make_row("req-1"))
        async with asyncio.timeout(0.8):  # sooner than the next whole look
            while journal.waiting_rows:  # noqa: ASYNC110  (nobody tells)
                await asyncio.sleep(0.005)
        await journal.close()
        keeper.stop()
        await task

    asyncio.run(run())


def test_a_journal_that_nobody_writes_is_not_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    sync = os.fdatasync

    def synced_too(fd: int) -> None:
        synced.append(fd)
        sync(fd)

    async def run() -> None:
        journal = Journal(tmp_path, sync_s=0.001)
        turns = 0
        journal_sync = journal._sync

        async def counted() -> None:
            nonlocal turns
            turns += 1
            await journal_sync()

        monkeypatch.setattr(journal, "_sync", counted)
        journal.start()
        await asyncio.sleep(0.05)
        monkeypatch.setattr(os, "fdatasync", synced_too)
        assert turns == 0
        journal.put(make_row("req-1"))
        async with asyncio.timeout(5):
            while not synced:  # noqa: ASYNC110  (nobody tells)
                await asyncio.sleep(0.002)
        await asyncio.sleep(0.05)
        assert turns == len(synced) == 1
        await journal.close()

    asyncio.run(run())


def test_a_state_that_is_over_is_stored_once(postgres_dsn: str) -> None:
    class Counting:
        def __init__(self, connection: asyncpg.Connection) -> None:
            self.connection, self.said = connection, 0

        async def execute(self, *args: Any) -> Any:
            self.said += 1
            return await self.connection.execute(*args)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.connection, name)

    async def run() -> None:
        connection = Counting(await asyncpg.connect(postgres_dsn))
        desk = Desk((), post_json, host="here")
        for _ in range(5):
            desk.ended(AlertKind.POSTGRES_AWAY, "here")
            await desk.store(connection)
        assert connection.said == 1
        desk.raised(AlertKind.POSTGRES_AWAY, "here", "It is away.")
        await desk.store(connection)
        desk.ended(AlertKind.POSTGRES_AWAY, "here")
        await desk.store(connection)
        assert (
            await connection.fetchval('SELECT count(*) FROM "Switchgear_Alert" WHERE ended_at IS NULL') == 0
        )
        await desk.close()
        await connection.connection.close()

    asyncio.run(run())


def test_a_state_that_begins_again_while_its_end_is_stored_ends_again(postgres_dsn: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(postgres_dsn)
        desk = Desk((), post_json, host="here")
        desk.raised(AlertKind.BOOKS_BEHIND, "here", "It is behind.")
        await desk.store(connection)

        class Between:
            """Raises the state anew while its end is on its way."""

            async def execute(self, sql: str, *args: Any) -> Any:
                done = await connection.execute(sql, *args)
                desk.raised(AlertKind.BOOKS_BEHIND, "here", "It is behind again.")
                return done

            def __getattr__(self, name: str) -> Any:
                return getattr(connection, name)

        desk.ended(AlertKind.BOOKS_BEHIND, "here")
        await desk.store(Between())
        await desk.store(connection)
        desk.ended(AlertKind.BOOKS_BEHIND, "here")
        await desk.store(connection)
        assert (
            await connection.fetchval('SELECT count(*) FROM "Switchgear_Alert" WHERE ended_at IS NULL') == 0
        )
        await desk.close()
        await connection.close()

    asyncio.run(run())


def test_many_customers_do_not_keep_other_alerts_from_being_raised() -> None:
    desk = Desk((), post_json, host="here")
    for number in range(MAX_WAITING):
        desk.raised(AlertKind.BUDGET_REACHED, f"window 1d of customer:{number}", "It is spent.")
        desk.raised(AlertKind.BUDGET_REACHED, f"customer:{number}", "It is spent.")
    desk.raised(AlertKind.BUDGET_REACHED, "team:red", "It is spent.")
    assert any(name == "team:red" for _, name in desk._waiting)
    assert len(desk._waiting) == MAX_OF_CUSTOMERS + 1


def test_every_count_is_something_new_to_write() -> None:
    tally = Tally(())
    settled = make_settled()
    target = target_of(Dialect.OPENAI)
    counts: list[Callable[[], None]] = [
        lambda: tally.request("chat", 200, 1.0),
        lambda: tally.attempt(target, settled, None),
        lambda: tally.unrouted("chat", UnroutedReason.UNKNOWN),
        tally.hold_exceeded,
    ]
    for count in counts:
        before = tally.additions
        count()
        assert tally.additions == before + 1


def test_a_worker_that_counts_nothing_writes_no_metrics_but_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.telemetry.snapshots.EVERY_S", 0.001)
    written = 0

    async def run() -> None:
        nonlocal written
        tally = Tally(())
        snapshots = Snapshots(tmp_path, tally)
        turns = 0
        sleep = asyncio.sleep

        async def turned(seconds: float) -> None:
            nonlocal turns
            turns += 1
            await sleep(seconds)

        def wrote(*, gauges: object) -> None:
            nonlocal written
            written += 1

        monkeypatch.setattr(snapshots, "_write", wrote)
        monkeypatch.setattr("runtime.telemetry.snapshots.asyncio.sleep", turned)
        snapshots.start()
        while turns <= IDLE_TURNS * 3:
            await sleep(0)
        idle = written
        assert idle <= 4
        tally.request("chat", 200, 1.0)
        while written == idle:
            await sleep(0)
        await snapshots.close()

    asyncio.run(run())
