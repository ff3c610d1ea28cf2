"""Rows reach Postgres exactly once, whatever becomes of Postgres."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest

from runtime.database import Database
from runtime.embedded_postgres import EmbeddedPostgres
from runtime.ledger_writer import BATCH_ROWS, LedgerWriter
from runtime.migrations import migrate
from runtime.spend_insert import COLUMNS, insert_rows
from schema.spend import Outcome
from tests.conftest import execute
from tests.runtime.attempts import make_row

COUNT = 'SELECT count(*) FROM "LiteLLM_SpendLogs"'


@asynccontextmanager
async def writing(dsn: str, **options: int) -> AsyncIterator[tuple[Database, LedgerWriter]]:
    database = await Database.connect(dsn)
    writer = LedgerWriter(database, interval_s=0.01, **options)
    writer.start()
    try:
        yield database, writer
    finally:
        await writer.close(5.0)
        await database.close()


async def fetchval(database: Database, sql: str) -> object:
    async with database.connection() as connection:
        return await connection.fetchval(sql)


async def until(condition: Callable[[], Awaitable[bool]], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not await condition():  # noqa: ASYNC110  (Postgres tells nobody)
            await asyncio.sleep(0.01)


def test_closing_books_every_row_in_the_queue(postgres_dsn: str) -> None:
    async def run() -> object:
        async with writing(postgres_dsn) as (database, writer):
            for number in range(BATCH_ROWS * 2 + 7):
                writer.put(make_row(f"req-{number}"))
            assert await writer.close(10.0) == 0
            return await fetchval(database, COUNT)

    assert asyncio.run(run()) == BATCH_ROWS * 2 + 7


def test_rows_are_booked_without_a_close(postgres_dsn: str) -> None:
    async def run() -> None:
        async with writing(postgres_dsn) as (database, writer):
            for round_number in range(3):
                writer.put(make_row(f"req-{round_number}"))

                async def booked(expected: int = round_number + 1) -> bool:
                    return await fetchval(database, COUNT) == expected

                await until(booked)

    asyncio.run(run())


def test_a_row_reads_in_sql_as_litellms_users_expect(postgres_dsn: str) -> None:
    async def run() -> asyncpg.Record:
        async with writing(postgres_dsn) as (database, writer):
            writer.put(make_row(outcome=Outcome.FAILED, http_status=429, error_class="ProviderError"))
            await writer.close(5.0)
            async with database.connection() as connection:
                return await connection.fetchrow('SELECT * FROM "LiteLLM_SpendLogs"')

    row = asyncio.run(run())
    assert {name for name, _ in COLUMNS} <= set(row.keys())
    assert row["spend"] == Decimal("0.001234567")
    assert row["startTime"] == datetime(2026, 3, 14, 15, 9, 26, 535_897)
    assert (row["total_tokens"], row["status"], row["outcome"], row["ttft_ms"]) == (
        150,
        "failure",
        "failed",
        1000,
    )
    assert '"user_api_key_alias": "alice\'s"' in row["metadata"]
    assert '"error_class": "ProviderError"' in row["metadata"]
    assert abs((datetime.now(UTC).replace(tzinfo=None) - row["created_at"]).total_seconds()) < 60


def test_the_counters_of_key_and_user_grow_with_the_rows_and_only_with_new_ones(postgres_dsn: str) -> None:
    execute(
        postgres_dsn,
        f"""INSERT INTO "LiteLLM_VerificationToken" (token, spend) VALUES ('{"a" * 64}', 1)""",
        """INSERT INTO "LiteLLM_UserTable" (user_id) VALUES ('alice')""",
    )

    async def run() -> tuple[object, object]:
        async with writing(postgres_dsn) as (database, writer):
            rows = [make_row(f"req-{number}") for number in range(3)]
            for row in [*rows, make_row("req-free", cost_nano=0)]:
                writer.put(row)
            await writer.close(5.0)
            async with database.connection() as connection:
                await insert_rows(connection, rows)  # as after a commit whose answer was lost
            return (
                await fetchval(database, 'SELECT spend FROM "LiteLLM_VerificationToken"'),
                await fetchval(database, 'SELECT spend FROM "LiteLLM_UserTable"'),
            )

    assert asyncio.run(run()) == (Decimal("1.003703701"), Decimal("0.003703701"))


def test_missing_partitions_are_made_for_late_and_early_rows(postgres_dsn: str) -> None:
    async def run() -> object:
        async with writing(postgres_dsn) as (database, writer):
            for year, month in ((2019, 12), (2020, 1), (2031, 7), (2031, 12)):
                moment = datetime(year, month, 28, 23, 59, 59, tzinfo=UTC)
                writer.put(make_row(f"req-{year}-{month}", started_at=moment))
            await writer.close(5.0)
            return await fetchval(
                database,
                """SELECT array_agg(tableoid::regclass::text ORDER BY 1) FROM "LiteLLM_SpendLogs" """,
            )

    assert asyncio.run(run()) == [
        '"LiteLLM_SpendLogs_2019_12"',
        '"LiteLLM_SpendLogs_2020_01"',
        '"LiteLLM_SpendLogs_2031_07"',
        '"LiteLLM_SpendLogs_2031_12"',
    ]


def test_a_partition_that_retention_dropped_is_made_again(postgres_dsn: str) -> None:
    async def run() -> object:
        async with writing(postgres_dsn) as (database, writer):
            writer.put(make_row("req-1"))
            await until(lambda: _empty(writer))
            async with database.connection() as connection:
                await connection.execute('DROP TABLE "LiteLLM_SpendLogs_2026_03"')
            writer.put(make_row("req-2"))
            await until(lambda: _empty(writer))
            return await fetchval(database, COUNT)

    assert asyncio.run(run()) == 1


def test_two_workers_that_need_the_same_partition_do_not_collide(postgres_dsn: str) -> None:
    async def run() -> object:
        async with writing(postgres_dsn) as (_, one), writing(postgres_dsn) as (database, other):
            moment = datetime(2040, 5, 5, tzinfo=UTC)
            one.put(make_row("req-1", started_at=moment))
            other.put(make_row("req-2", started_at=moment))
            await asyncio.gather(one.close(5.0), other.close(5.0))
            return await fetchval(database, COUNT)

    assert asyncio.run(run()) == 2


def test_one_row_that_can_not_be_stored_does_not_hold_up_the_others(
    postgres_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> object:
        async with writing(postgres_dsn) as (database, writer):
            for number in range(5):
                writer.put(make_row(f"req-{number}", model="bad\0" if number == 2 else "good"))
            await writer.close(5.0)
            assert writer.unstorable_rows == 1
            return await fetchval(database, COUNT)

    assert asyncio.run(run()) == 4
    assert "req-2 can't be stored" in caplog.text


REFUSED = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.model = 'bad' THEN RAISE EXCEPTION 'no bad ones'; END IF; RETURN NEW; END $$"""
ON_INSERT = """
    CREATE TRIGGER refuse BEFORE INSERT ON "LiteLLM_SpendLogs" FOR EACH ROW EXECUTE FUNCTION refuse()"""


@pytest.mark.parametrize(
    "statements",
    [
        (REFUSED, ON_INSERT),
        ("""ALTER TABLE "LiteLLM_SpendLogs" ADD CONSTRAINT good CHECK (model <> 'bad')""",),
    ],
    ids=["an error of its own", "a constraint that is no partition's"],
)
def test_rows_that_postgres_refuses_for_any_reason_let_the_others_pass(
    postgres_dsn: str, statements: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> object:
        async with writing(postgres_dsn) as (database, writer):
            writer.put(make_row("req-first"))  # makes the partition
            await until(lambda: _empty(writer))
            async with database.connection() as connection:
                for statement in statements:
                    await connection.execute(statement)
            for number in range(6):
                writer.put(make_row(f"req-{number}", model="bad" if number in (1, 2) else "good"))
            await until(lambda: _empty(writer))
            assert writer.unstorable_rows == 2
            writer.put(make_row("req-later"))
            await until(lambda: _empty(writer))
            return await fetchval(database, COUNT)

    assert asyncio.run(run()) == 6
    assert "req-1 can't be stored" in caplog.text


def test_a_table_that_is_away_costs_no_row(postgres_dsn: str) -> None:
    async def run() -> tuple[object, int]:
        async with writing(postgres_dsn) as (database, writer):
            async with database.connection() as connection:
                await connection.execute('ALTER TABLE "LiteLLM_SpendLogs" RENAME TO away')
            for number in range(4):
                writer.put(make_row(f"req-{number}"))
            await asyncio.sleep(0.5)
            assert writer.waiting_rows == 4
            async with database.connection() as connection:
                await connection.execute('ALTER TABLE away RENAME TO "LiteLLM_SpendLogs"')
            await until(lambda: _empty(writer))
            return await fetchval(database, COUNT), writer.unstorable_rows

    assert asyncio.run(run()) == (4, 0)


def test_a_full_queue_says_so_and_still_takes_rows_of_calls_begun(postgres_dsn: str) -> None:
    async def run() -> None:
        async with writing(postgres_dsn, capacity_rows=3) as (_, writer):
            for number in range(3):
                assert not writer.full
                writer.put(make_row(f"req-{number}"))
            assert writer.full
            writer.put(make_row("req-begun"))
            assert await writer.close(5.0) == 0
            assert not writer.full

    asyncio.run(run())


def test_rows_outlive_a_postgres_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    dsn = server.start()

    async def run() -> tuple[object, object]:
        await migrate(dsn)
        async with writing(dsn) as (database, writer):
            writer.put(make_row("req-before"))
            await until(lambda: _empty(writer))
            await asyncio.to_thread(server.stop)
            for number in range(20):
                writer.put(make_row(f"req-{number}"))
            await asyncio.sleep(0.3)
            assert writer.waiting_rows == 20
            assert await asyncio.to_thread(server.start) == dsn
            await until(lambda: _empty(writer))
            distinct = 'SELECT count(DISTINCT request_id) FROM "LiteLLM_SpendLogs"'
            return await fetchval(database, COUNT), await fetchval(database, distinct)

    try:
        assert asyncio.run(run()) == (21, 21)
    finally:
        server.stop()


def test_closing_without_postgres_ends_in_time_and_counts_what_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    dsn = server.start()

    async def run() -> int:
        database = await Database.connect(dsn)
        writer = LedgerWriter(database, interval_s=0.01)
        writer.start()
        await asyncio.to_thread(server.stop)
        writer.put(make_row("req-lost"))
        left = await writer.close(0.3)
        await database.close()
        return left

    try:
        assert asyncio.run(run()) == 1
    finally:
        server.stop()
    assert "1 rows not booked: req-lost" in caplog.text


async def _empty(writer: LedgerWriter) -> bool:
    return writer.waiting_rows == 0
