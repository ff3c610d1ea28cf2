"""Months that are wholly too old are dropped, by one worker, whoever holds a lock on them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, tzinfo

import asyncpg
import pytest

from runtime.bodies.storage_policy import StoragePolicy
from runtime.books import retention
from runtime.books.retention import LOCK_KEY, Retention
from runtime.postgres.database import Database
from runtime.postgres.partitions import ensure_partition
from schema.ledger.rows import SpendRow
from schema.tables.partitions import BODIES, TOO_OLD, month_of
from tests.conftest import execute
from tests.functions.booked import OWNED, OWNERS, book, counters, fetch
from tests.runtime.attempts import make_row

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
KEPT = StoragePolicy(retention="90d")
JANUARY, FEBRUARY, MARCH, APRIL = (datetime(2026, month, 15, tzinfo=UTC) for month in range(1, 5))
"""Ninety days before NOW is the first of April, at noon."""


def run(dsn: str, scenario: Callable[[Database], Awaitable[None]]) -> None:
    async def play() -> None:
        database = await Database.connect(dsn)
        try:
            await scenario(database)
        finally:
            await database.close()

    asyncio.run(play())


def kept(dsn: str, *, now: datetime = NOW, lock_timeout_s: float = 0.2) -> Retention:
    return Retention(dsn, KEPT, at(now), lock_timeout_s=lock_timeout_s)


def at(moment: datetime) -> Callable[[asyncpg.Connection], Awaitable[datetime]]:
    """A database where it is always then."""

    async def now(_: asyncpg.Connection) -> datetime:
        return moment

    return now


async def booked(database: Database) -> str:
    rows = await fetch(database, 'SELECT request_id FROM "LiteLLM_SpendLogs" ORDER BY 1')
    return " ".join(row["request_id"] for row in rows)


async def months(database: Database) -> set[str]:
    rows = await fetch(
        database,
        r"""SELECT relname::text AS name FROM pg_class WHERE relkind = 'r' AND relname ~ '_2026_0[1-6]$'""",
    )
    return {row["name"] for row in rows}


def rows_of(**moments: datetime) -> list[SpendRow]:
    return [make_row(name, started_at=moment, **OWNED) for name, moment in moments.items()]


def test_only_months_that_are_wholly_too_old_are_dropped(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        await book(database, *rows_of(jan=JANUARY, feb=FEBRUARY, mar=MARCH, apr=APRIL))
        async with database.connection() as connection:
            await ensure_partition(connection, month_of(MARCH.date()), BODIES)
        assert await kept(postgres_dsn, now=NOW.replace(hour=0, day=29)).sweep()
        assert await booked(database) == "apr mar"  # the last of March is not ninety days ago yet
        assert await kept(postgres_dsn).sweep()
        assert await booked(database) == "apr"
        assert await months(database) == {"LiteLLM_SpendLogs_2026_04"}

    run(postgres_dsn, scenario)


def test_the_month_under_way_is_never_dropped_and_counters_stay(postgres_dsn: str) -> None:
    execute(postgres_dsn, *OWNERS)
    shortest = Retention(postgres_dsn, StoragePolicy(retention="1s"), at(APRIL.replace(day=30, hour=23)))

    async def scenario(database: Database) -> None:
        await book(database, *rows_of(jan=JANUARY, mar=MARCH, apr=APRIL))
        before = await counters(database)
        assert await shortest.sweep()
        assert await booked(database) == "apr"
        assert await counters(database) == before
        assert before[0] > 0

    run(postgres_dsn, scenario)


def test_the_month_of_the_newest_row_stays_whatever_the_clock_says(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        await book(database, *rows_of(jan=JANUARY, feb=FEBRUARY))
        async with database.connection() as connection:
            await ensure_partition(connection, month_of(JANUARY.date()), BODIES)
            await ensure_partition(connection, month_of(FEBRUARY.date()), BODIES)
        assert await kept(postgres_dsn, now=NOW + timedelta(days=400)).sweep()
        assert await booked(database) == "feb"
        assert await months(database) == {"LiteLLM_SpendLogs_2026_02", "Switchgear_Bodies_2026_02"}
        await book(database, *rows_of(mar=MARCH))
        assert await kept(postgres_dsn, now=NOW + timedelta(days=400)).sweep()
        assert await months(database) == {"LiteLLM_SpendLogs_2026_03"}

    run(postgres_dsn, scenario)


class Ahead(datetime):
    """The clock of a host that is 400 days ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Ahead":
        return super().now(tz) + timedelta(days=400)


def test_time_is_the_databases(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    monkeypatch.setattr(retention, "datetime", Ahead)

    async def scenario(database: Database) -> None:
        times = {"now": now, "lately": now - timedelta(days=70), "old": now - timedelta(days=200)}
        await book(database, *rows_of(**times))
        assert await Retention(postgres_dsn, KEPT).sweep()
        assert await booked(database) == "lately now"

    run(postgres_dsn, scenario)


def test_a_late_row_makes_its_month_again_and_the_next_run_drops_it(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        await book(database, *rows_of(first=JANUARY, apr=APRIL))
        assert await kept(postgres_dsn).sweep()
        assert await booked(database) == "apr"
        await book(database, *rows_of(late=JANUARY))
        assert await booked(database) == "apr late"
        assert await kept(postgres_dsn).sweep()
        assert await booked(database) == "apr"

    run(postgres_dsn, scenario)


def test_a_lock_that_is_held_for_a_moment_is_waited_for(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        await book(database, *rows_of(jan=JANUARY, apr=APRIL))
        async with database.connection() as reader:
            transaction = reader.transaction()
            await transaction.start()
            await reader.fetch('SELECT * FROM "LiteLLM_SpendLogs"')
            sweeping = asyncio.create_task(kept(postgres_dsn, lock_timeout_s=20).sweep())
            await asyncio.sleep(0.3)
            assert not sweeping.done()
            await transaction.commit()
            assert await sweeping
        assert await booked(database) == "apr"

    run(postgres_dsn, scenario)


def test_a_lock_that_is_held_for_long_leaves_the_month_to_the_next_run(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        await book(database, *rows_of(jan=JANUARY, feb=FEBRUARY, apr=APRIL))
        async with database.connection() as reader, reader.transaction():
            await reader.fetch('SELECT * FROM "LiteLLM_SpendLogs"')
            assert not await kept(postgres_dsn).sweep()
            await book(database, make_row("now", started_at=APRIL))  # nobody else waits
        assert await kept(postgres_dsn).sweep()
        assert await booked(database) == "apr now"
        assert await months(database) == {"LiteLLM_SpendLogs_2026_04"}

    run(postgres_dsn, scenario)


def test_while_one_worker_is_at_it_the_others_do_nothing(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        await book(database, *rows_of(jan=JANUARY, apr=APRIL))
        async with database.connection() as other:
            await other.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
            assert await kept(postgres_dsn).sweep()
            assert await booked(database) == "apr jan"
            await other.execute("SELECT pg_advisory_unlock($1)", LOCK_KEY)
        await asyncio.gather(*(kept(postgres_dsn).sweep() for _ in range(4)))
        assert await booked(database) == "apr"

    run(postgres_dsn, scenario)


def test_a_month_that_was_detached_and_not_dropped_is_used_again_or_dropped(postgres_dsn: str) -> None:
    name = '"LiteLLM_SpendLogs_2026_01"'

    async def scenario(database: Database) -> None:
        await book(database, *rows_of(jan=JANUARY, apr=APRIL))
        for _ in range(2):
            await fetch(database, f'ALTER TABLE "LiteLLM_SpendLogs" DETACH PARTITION {name}')
            await fetch(database, f"COMMENT ON TABLE {name} IS '{TOO_OLD}'")
            await book(database, *rows_of(late=JANUARY))
            assert await booked(database) == "apr jan late"
        await fetch(database, f'ALTER TABLE "LiteLLM_SpendLogs" DETACH PARTITION {name}')
        await fetch(database, f"COMMENT ON TABLE {name} IS '{TOO_OLD}'")
        assert await kept(postgres_dsn).sweep()
        assert await months(database) == {"LiteLLM_SpendLogs_2026_04"}

    run(postgres_dsn, scenario)


def test_a_month_that_somebody_keeps_is_neither_dropped_nor_attached_again(
    postgres_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    table, beside = '"LiteLLM_SpendLogs_2026_01"', "LiteLLM_SpendLogs_2026_01_2"

    async def scenario(database: Database) -> None:
        await book(database, *rows_of(jan=JANUARY, apr=APRIL))
        await fetch(database, f'ALTER TABLE "LiteLLM_SpendLogs" DETACH PARTITION {table}')
        await book(database, *rows_of(late=JANUARY))
        await book(database, *rows_of(later=JANUARY))
        assert await booked(database) == "apr late later"
        (told,) = [each.getMessage() for each in caplog.records if beside in each.getMessage()]
        assert table.strip('"') in told
        assert await kept(postgres_dsn).sweep()
        assert await booked(database) == "apr"
        assert [row["request_id"] for row in await fetch(database, f"SELECT * FROM {table}")] == ["jan"]
        await book(database, *rows_of(last=JANUARY))
        await fetch(database, f"DROP TABLE {table}")
        await book(database, *rows_of(more=JANUARY))  # the second one is still there
        assert await booked(database) == "apr last more"

    run(postgres_dsn, scenario)


def test_a_month_that_somebody_is_detaching_is_not_dropped_either(postgres_dsn: str) -> None:
    table = '"LiteLLM_SpendLogs_2026_01"'

    async def scenario(database: Database) -> None:
        await book(database, *rows_of(jan=JANUARY, feb=FEBRUARY, apr=APRIL))
        async with database.connection() as reader, reader.transaction():
            await reader.fetch('SELECT * FROM "LiteLLM_SpendLogs"')
            other = await asyncpg.connect(postgres_dsn, server_settings={"lock_timeout": "200ms"})
            with pytest.raises(asyncpg.LockNotAvailableError):
                await other.execute(f'ALTER TABLE "LiteLLM_SpendLogs" DETACH PARTITION {table} CONCURRENTLY')
            await other.close()
        assert not await kept(postgres_dsn).sweep()  # Postgres lets one at a time be half detached
        assert await booked(database) == "apr feb"
        await book(database, *rows_of(late=JANUARY))
        assert await booked(database) == "apr feb late"
        assert await kept(postgres_dsn).sweep()
        assert [row["request_id"] for row in await fetch(database, f"SELECT * FROM {table}")] == ["jan"]

    run(postgres_dsn, scenario)


def test_a_table_of_somebody_elses_is_no_month(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        await fetch(database, "CREATE TABLE archive (at timestamp) PARTITION BY RANGE (at)")
        await fetch(
            database,
            'CREATE TABLE "LiteLLM_SpendLogs_2026_01" PARTITION OF archive'
            " FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
        )
        await book(database, *rows_of(jan=JANUARY, apr=APRIL))
        assert await booked(database) == "apr jan"
        assert await kept(postgres_dsn).sweep()
        assert await booked(database) == "apr"
        assert "LiteLLM_SpendLogs_2026_01" in await months(database)
        await fetch(database, "DROP TABLE archive")

    run(postgres_dsn, scenario)


def test_a_month_whose_detaching_was_broken_off_takes_late_rows(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        await book(database, *rows_of(jan=JANUARY, apr=APRIL))
        async with database.connection() as reader, reader.transaction():
            await reader.fetch('SELECT * FROM "LiteLLM_SpendLogs"')
            assert not await kept(postgres_dsn).sweep()
        assert await booked(database) == "apr"  # half detached: no query sees it
        await book(database, *rows_of(late=JANUARY))
        assert await booked(database) == "apr jan late"
        assert await kept(postgres_dsn).sweep()
        assert await booked(database) == "apr"

    run(postgres_dsn, scenario)


def test_the_task_sweeps_by_itself_and_ends_when_it_is_told(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "FIRST_S", 0.01)

    async def scenario(database: Database) -> None:
        await book(database, *rows_of(jan=JANUARY, apr=APRIL))
        nobody = Retention(postgres_dsn, StoragePolicy())
        nobody.start()
        await nobody.close()
        task = kept(postgres_dsn)
        task.start()
        async with asyncio.timeout(10):
            while await booked(database) != "apr":  # noqa: ASYNC110  (Postgres tells nobody)
                await asyncio.sleep(0.01)
        await task.close()
        connection = await asyncpg.connect(postgres_dsn)
        others = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'switchgear-retention'"
        )
        await connection.close()
        assert others == 0

    run(postgres_dsn, scenario)
