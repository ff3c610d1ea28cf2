"""What is written in journals reaches Postgres exactly once, whatever happens to Postgres or to the
bookkeeper."""

import asyncio
import os
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import asyncpg
import msgspec
import pytest

from runtime.books import booking as books_module
from runtime.books.booking import BATCH_ROWS, Books, Raised
from runtime.books.bookkeeper import Bookkeeper, books_lock
from runtime.books.crossings import CustomerBudget
from runtime.books.insert import COLUMN_NAMES
from runtime.books.reader import ReadPlace
from runtime.ledger.frames import FRAME
from runtime.ledger.journal import Journal
from runtime.local.postgres import EmbeddedPostgres
from runtime.postgres.database import Database
from runtime.postgres.migrations import migrate
from schema.errors.overload import DatabaseUnavailable
from schema.ledger.journal import HeldCharge
from schema.ledger.rows import Outcome, SpendRow
from tests.conftest import execute
from tests.runtime.attempts import make_held, make_row, make_settled

COUNT = 'SELECT count(*) FROM "LiteLLM_SpendLogs"'
PLACES = 'SELECT rows, finished_at IS NOT NULL AS finished FROM "Switchgear_Journal"'


@asynccontextmanager
async def keeping(dsn: str, journals: Path) -> AsyncIterator[tuple[Database, Journal, Bookkeeper]]:
    """A writer, and a bookkeeper at work; at the end all is booked."""
    database = await Database.connect(dsn)
    journal = Journal(journals, sync_s=0.01)
    journal.start()
    keeper = Bookkeeper(journals, dsn, interval_s=0.01)
    task = asyncio.create_task(keeper.run())
    try:
        yield database, journal, keeper
        await journal.close()
        keeper.stop()
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await database.close()


async def fetchval(database: Database, sql: str) -> object:
    async with database.connection() as connection:
        return await connection.fetchval(sql)


async def until(condition: Callable[[], Awaitable[bool]], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not await condition():  # noqa: ASYNC110  (nobody tells)
            await asyncio.sleep(0.01)


async def booked(journal: Journal) -> None:
    """Wait until Postgres has all of it."""

    async def empty() -> bool:
        return journal.waiting_rows == 0

    await until(empty)


def after(dsn: str, journals: Path, rows: list[SpendRow], sql: str) -> list[asyncpg.Record]:
    """What a query finds when these rows are booked, and their writer has ended."""

    async def run() -> list[asyncpg.Record]:
        journal = Journal(journals)
        for row in rows:
            journal.put(row)
        await journal.close()
        keeper = Bookkeeper(journals, dsn)
        await keeper.catch_up()
        await keeper.close()
        connection = await asyncpg.connect(dsn)
        try:
            return list(await connection.fetch(sql))
        finally:
            await connection.close()

    return asyncio.run(run())


def test_every_row_is_booked_and_then_the_journal_is_gone(postgres_dsn: str, tmp_path: Path) -> None:
    rows = [make_row(f"req-{number}") for number in range(BATCH_ROWS * 2 + 7)]
    (found,) = after(postgres_dsn, tmp_path, rows, COUNT)
    assert found["count"] == len(rows)
    assert list(tmp_path.iterdir()) == []


def test_rows_are_booked_while_the_writer_goes_on(postgres_dsn: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with keeping(postgres_dsn, tmp_path) as (database, journal, _):
            for number in range(3):
                journal.hold(make_held(f"req-{number}"))
                journal.settle(make_settled(f"req-{number}"))
                await booked(journal)
                assert await fetchval(database, COUNT) == number + 1

    asyncio.run(run())


def test_a_row_reads_in_sql_as_litellms_users_expect(postgres_dsn: str, tmp_path: Path) -> None:
    row = make_row(outcome=Outcome.FAILED, http_status=429, error_class="ProviderError")
    (found,) = after(postgres_dsn, tmp_path, [row], 'SELECT * FROM "LiteLLM_SpendLogs"')
    assert set(COLUMN_NAMES) <= set(found.keys())
    assert found["spend"] == Decimal("0.001234567")
    assert found["startTime"] == datetime(2026, 3, 14, 15, 9, 26, 535_897)
    assert (found["total_tokens"], found["status"], found["outcome"], found["ttft_ms"]) == (
        150,
        "failure",
        "failed",
        1000,
    )
    assert '"user_api_key_alias": "alice\'s"' in found["metadata"]
    assert '"error_class": "ProviderError"' in found["metadata"]
    assert abs((datetime.now(UTC).replace(tzinfo=None) - found["created_at"]).total_seconds()) < 60


def test_the_counters_of_key_and_user_grow_with_the_rows(postgres_dsn: str, tmp_path: Path) -> None:
    execute(
        postgres_dsn,
        f"""INSERT INTO "LiteLLM_VerificationToken" (token, spend) VALUES ('{"a" * 64}', 1)""",
        """INSERT INTO "LiteLLM_UserTable" (user_id) VALUES ('alice')""",
    )
    rows = [make_row(f"req-{number}") for number in range(3)] + [make_row("req-free", cost_nano=0)]
    sql = 'SELECT k.spend AS key, u.spend AS "user" FROM "LiteLLM_VerificationToken" k, "LiteLLM_UserTable" u'
    (found,) = after(postgres_dsn, tmp_path, rows, sql)
    assert (found["key"], found["user"]) == (Decimal("1.003703701"), Decimal("0.003703701"))


def test_missing_partitions_are_made_for_late_and_early_rows(postgres_dsn: str, tmp_path: Path) -> None:
    months = ((2019, 12), (2020, 1), (2031, 7), (2031, 12))
    rows = [
        make_row(f"req-{year}-{month}", started_at=datetime(year, month, 28, 23, 59, 59, tzinfo=UTC))
        for year, month in months
    ]
    sql = """SELECT array_agg(tableoid::regclass::text ORDER BY 1) AS names FROM "LiteLLM_SpendLogs" """
    (found,) = after(postgres_dsn, tmp_path, rows, sql)
    assert found["names"] == [f'"LiteLLM_SpendLogs_{year}_{month:02d}"' for year, month in months]


def test_a_partition_that_retention_dropped_is_made_again(postgres_dsn: str, tmp_path: Path) -> None:
    async def run() -> object:
        async with keeping(postgres_dsn, tmp_path) as (database, journal, _):
            journal.put(make_row("req-1"))
            await booked(journal)
            async with database.connection() as connection:
                await connection.execute('DROP TABLE "LiteLLM_SpendLogs_2026_03"')
            journal.put(make_row("req-2"))
            await booked(journal)
            return await fetchval(database, COUNT)

    assert asyncio.run(run()) == 1


def test_two_bookkeepers_that_need_the_same_partition_do_not_collide(
    postgres_dsn: str, tmp_path: Path
) -> None:
    async def run() -> object:
        moment = datetime(2040, 5, 5, tzinfo=UTC)
        async with (
            keeping(postgres_dsn, tmp_path / "one") as (database, one, _),
            keeping(postgres_dsn, tmp_path / "other") as (_, other, _),
        ):
            one.put(make_row("req-1", started_at=moment))
            other.put(make_row("req-2", started_at=moment))
            await asyncio.gather(booked(one), booked(other))
            return await fetchval(database, COUNT)

    assert asyncio.run(run()) == 2


def test_a_batch_is_not_applied_twice_however_often_it_is_read(postgres_dsn: str, tmp_path: Path) -> None:
    """The commit's answer was lost: what is booked stands in Postgres, and reading goes on behind it, also
    after the rows' partition was dropped."""

    async def run() -> tuple[object, object]:
        journal = Journal(tmp_path)
        for number in range(5):
            journal.put(make_row(f"req-{number}"))
        connection = await asyncpg.connect(postgres_dsn)
        books = [await Books.opened(connection, journal.folder) for _ in range(2)]
        await books[0].step(connection)
        await connection.execute('DROP TABLE "LiteLLM_SpendLogs_2026_03"')
        assert await books[1].step(connection)  # it finds out, and reads on
        assert not await books[1].step(connection)
        journal.put(make_row("req-5"))
        await books[1].step(connection)
        place = await connection.fetchrow(PLACES)
        count = await connection.fetchval(COUNT)
        await connection.close()
        return place["rows"], count

    assert asyncio.run(run()) == (6, 1)


def test_a_bookkeeper_that_is_killed_anywhere_books_each_row_once(postgres_dsn: str, tmp_path: Path) -> None:
    """Before and after every statement of a batch the connection is cut, and another one takes over."""

    async def run() -> tuple[object, int]:
        journal = Journal(tmp_path)
        journal.leases_as("worker-1")
        for number in range(20):
            journal.hold(make_held(f"req-{number}"))
            if number % 4:
                journal.settle(make_settled(f"req-{number}"))
        os.close(journal._lock)
        cuts = 0
        for statement in range(60):
            connection = await asyncpg.connect(postgres_dsn)
            left = statement

            def count_down(_: object, connection: asyncpg.Connection = connection) -> None:
                nonlocal left
                left -= 1
                if left < 0:
                    connection.terminate()

            connection.add_query_logger(count_down)
            try:
                books = await Books.opened(connection, journal.folder)
                while not books.finished:
                    await books.step(connection)
                break
            except (DatabaseUnavailable, asyncpg.PostgresError, OSError, asyncpg.InterfaceError):
                cuts += 1
            finally:
                connection.terminate()
        check = await asyncpg.connect(postgres_dsn)
        rows = await check.fetch(
            'SELECT outcome, count(*) AS n FROM "LiteLLM_SpendLogs" GROUP BY 1 ORDER BY 1'
        )
        await check.close()
        return [(row["outcome"], row["n"]) for row in rows], cuts

    rows, cuts = asyncio.run(run())
    assert rows == [("ok", 15), ("uncertain", 5)]
    assert cuts > 5


def test_a_copy_of_a_journal_books_nothing_again(postgres_dsn: str, tmp_path: Path) -> None:
    """A folder restored from a backup under another name: the rows are there already."""
    execute(
        postgres_dsn,
        f"""INSERT INTO "LiteLLM_VerificationToken" (token, spend) VALUES ('{"a" * 64}', 0)""",
    )

    async def run() -> tuple[object, object]:
        async with keeping(postgres_dsn, tmp_path / "one") as (_, journal, _):
            journal.put(make_row("req-1"))
            await booked(journal)
        async with keeping(postgres_dsn, tmp_path / "copy") as (database, journal, _):
            journal.put(make_row("req-1"))
            journal.put(make_row("req-2"))
            await booked(journal)
            spend = await fetchval(database, 'SELECT spend FROM "LiteLLM_VerificationToken"')
            return await fetchval(database, COUNT), spend

    assert asyncio.run(run()) == (2, Decimal("0.002469134"))


def test_a_row_with_texts_that_can_not_be_stored_is_booked_without_them(
    postgres_dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [make_row(f"req-{number}", model="bad\0" if number == 2 else "good") for number in range(5)]
    found = after(
        postgres_dsn, tmp_path, rows, 'SELECT request_id, model, spend FROM "LiteLLM_SpendLogs" ORDER BY 1'
    )
    assert [row["model"] for row in found] == ["good", "good", "bad", "good", "good"]
    assert {row["spend"] for row in found} == {Decimal("0.001234567")}
    assert "req-2 can't be stored" in caplog.text


def test_a_row_that_can_not_be_stored_at_all_is_kept_beside_the_ledger(
    postgres_dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    execute(
        postgres_dsn, """ALTER TABLE "LiteLLM_SpendLogs" ADD CONSTRAINT good CHECK (request_id <> 'req-1')"""
    )
    rows = [make_row(f"req-{number}") for number in range(3)]
    found = after(postgres_dsn, tmp_path, rows, 'SELECT request_id FROM "LiteLLM_SpendLogs" ORDER BY 1')
    assert [row["request_id"] for row in found] == ["req-0", "req-2"]
    (aside,) = tmp_path.glob("unstorable-*/unstorable.jsonl")
    assert msgspec.json.decode(aside.read_bytes(), type=SpendRow) == rows[1]
    assert "req-1 is kept in" in caplog.text


REFUSE = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.model = 'bad' THEN RAISE EXCEPTION 'no bad ones'; END IF; RETURN NEW; END $$"""
ON_INSERT = """
    CREATE TRIGGER refuse BEFORE INSERT ON "LiteLLM_SpendLogs" FOR EACH ROW EXECUTE FUNCTION refuse()"""


def test_an_error_of_somebodys_own_trigger_waits_and_loses_nothing(
    postgres_dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    execute(postgres_dsn, REFUSE, ON_INSERT)

    async def run() -> object:
        async with keeping(postgres_dsn, tmp_path) as (database, journal, _):
            journal.put(make_row("req-good"))
            journal.put(make_row("req-bad", model="bad"))
            journal.put(make_row("req-behind"))

            async def said() -> bool:
                return "no bad ones" in caplog.text

            await until(said)
            assert journal.waiting_rows > 0

            async def repaired() -> bool:
                try:
                    await fetchval(database, 'DROP TRIGGER refuse ON "LiteLLM_SpendLogs"')
                except asyncpg.DeadlockDetectedError:  # the bookkeeper was trying again
                    return False
                return True

            await until(repaired)
            await booked(journal)
            return await fetchval(database, COUNT)

    assert asyncio.run(run()) == 3


def test_a_table_that_is_away_costs_no_row(postgres_dsn: str, tmp_path: Path) -> None:
    async def run() -> object:
        async with keeping(postgres_dsn, tmp_path) as (database, journal, _):
            async with database.connection() as connection:
                await connection.execute('ALTER TABLE "LiteLLM_SpendLogs" RENAME TO away')
            for number in range(4):
                journal.put(make_row(f"req-{number}"))
            await asyncio.sleep(0.3)
            assert journal.waiting_rows == 4
            async with database.connection() as connection:
                await connection.execute('ALTER TABLE away RENAME TO "LiteLLM_SpendLogs"')
            await booked(journal)
            return await fetchval(database, COUNT)

    assert asyncio.run(run()) == 4


def test_rows_outlive_a_postgres_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    dsn = server.start()

    async def run() -> tuple[object, object]:
        await migrate(dsn)
        async with keeping(dsn, tmp_path / "journals") as (database, journal, _):
            journal.put(make_row("req-before"))
            await booked(journal)
            await asyncio.to_thread(server.stop)
            for number in range(20):
                journal.put(make_row(f"req-{number}"))
            await asyncio.sleep(0.3)
            assert journal.waiting_rows == 20
            assert await asyncio.to_thread(server.start) == dsn
            await booked(journal)
            distinct = 'SELECT count(DISTINCT request_id) FROM "LiteLLM_SpendLogs"'
            return await fetchval(database, COUNT), await fetchval(database, distinct)

    try:
        assert asyncio.run(run()) == (21, 21)
    finally:
        server.stop()


def test_what_could_not_be_booked_waits_on_disk_for_the_next_bookkeeper(
    postgres_dsn: str, tmp_path: Path
) -> None:
    async def write() -> None:
        journal = Journal(tmp_path)
        journal.hold(make_held("req-1"))
        journal.settle(make_settled("req-1"))
        await journal.close()
        keeper = Bookkeeper(tmp_path, "postgresql://nobody@127.0.0.1:1/none")
        with pytest.raises(DatabaseUnavailable):
            await keeper.catch_up()
        await keeper.close()

    asyncio.run(write())
    (found,) = after(postgres_dsn, tmp_path, [], COUNT)
    assert found["count"] == 1


def test_a_journal_that_can_not_be_read_is_put_aside_and_the_others_go_on(
    postgres_dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Journal(tmp_path)
    broken._segment.data[:4] = b"junk"
    os.close(broken._lock)
    (found,) = after(postgres_dsn, tmp_path, [make_row("req-1")], COUNT)
    assert found["count"] == 1
    assert [path.name for path in tmp_path.iterdir()] == [f"unreadable-{broken.name}"]
    assert "can't be read and is put aside" in caplog.text


def test_a_journal_that_fails_keeps_no_other_waiting(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is first in line, its writer lives, and what is wrong with it ends."""
    failing = Journal(tmp_path)
    failing.put(make_row("req-first"))
    real = Books.opened

    async def refused(
        connection: asyncpg.Connection, folder: Path, raised: Raised, customer_budget: CustomerBudget
    ) -> Books:
        if folder == failing.folder:
            raise PermissionError("not yours")
        return await real(connection, folder, raised, customer_budget)

    monkeypatch.setattr(Books, "opened", refused)
    (found,) = after(postgres_dsn, tmp_path, [make_row(f"req-{number}") for number in range(5)], COUNT)
    assert found["count"] == 5
    monkeypatch.undo()
    os.close(failing._lock)
    (found,) = after(postgres_dsn, tmp_path, [], COUNT)
    assert found["count"] == 6


def test_what_is_no_journal_is_left_alone(postgres_dsn: str, tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (found,) = after(postgres_dsn, tmp_path, [make_row()], COUNT)
    assert found["count"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["lost+found"]


def test_a_damaged_journal_is_booked_as_far_as_it_can_be_and_kept(postgres_dsn: str, tmp_path: Path) -> None:
    async def run() -> object:
        journal = Journal(tmp_path)
        journal.put(make_row("req-1"))
        begin = journal._segment.position
        journal.put(make_row("req-2"))
        journal._segment.data[begin + 20] ^= 1
        journal.put(make_row("req-3"))
        await journal.close()
        return journal.name

    name = asyncio.run(run())
    found = after(postgres_dsn, tmp_path, [], 'SELECT request_id FROM "LiteLLM_SpendLogs" ORDER BY 1')
    assert [row["request_id"] for row in found] == ["req-1", "req-3"]
    (kept,) = tmp_path.glob("*/*.journal")
    assert kept == tmp_path / f"damaged-{name}" / "00000000.journal"
    assert not (tmp_path / str(name)).exists()


def test_what_a_living_writer_damaged_is_passed_over_after_a_while(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books_module, "STUCK_S", 0.2)

    async def run() -> object:
        async with keeping(postgres_dsn, tmp_path) as (database, journal, _):
            begin = journal._segment.position
            journal.put(make_row("req-1"))
            journal._segment.data[begin + 20] ^= 1
            journal.put(make_row("req-2"))

            async def is_booked() -> bool:
                return await fetchval(database, COUNT) == 1

            await until(is_booked)
            return await fetchval(database, 'SELECT request_id FROM "LiteLLM_SpendLogs"')

    assert asyncio.run(run()) == "req-2"


def test_a_journal_of_a_later_version_waits_for_it(
    postgres_dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path)
    journal.put(make_row("req-1"))
    payload = bytes([99]) + b"something"
    journal._append(FRAME.pack(len(payload), zlib.crc32(payload)) + payload)
    journal.put(make_row("req-2"))
    os.close(journal._lock)
    after(postgres_dsn, tmp_path, [], COUNT)
    assert journal.folder.exists()
    assert "its rows wait, trying again" in caplog.text


def test_a_postgres_that_lost_its_last_commits_is_told_and_given_the_rest(
    postgres_dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As a standby is that was promoted before it had everything."""

    async def write() -> Journal:
        journal = Journal(tmp_path)
        while journal._segment.number == 0:
            journal.put(make_row(f"req-{journal._rows}"))
        keeper = Bookkeeper(tmp_path, postgres_dsn)
        await keeper.catch_up()
        await keeper.close()
        journal.put(make_row("req-last"))
        await journal.close()
        return journal

    journal = asyncio.run(write())
    execute(
        postgres_dsn,
        'UPDATE "Switchgear_Journal" SET segment = 0, position = 16',
        'TRUNCATE "LiteLLM_SpendLogs"',
    )
    (found,) = after(postgres_dsn, tmp_path, [], f"{COUNT} WHERE request_id = 'req-last'")
    assert found["count"] == 1
    assert "Postgres has forgotten" in caplog.text
    assert not journal.folder.exists()


def test_a_dead_workers_open_calls_find_a_partition_and_wait_for_no_row_that_fails(
    postgres_dsn: str, tmp_path: Path
) -> None:
    async def write() -> None:
        journal = Journal(tmp_path)
        journal.hold(make_held("req-1", user_agent="bad\0"))
        journal.hold(make_held("req-2"))
        await journal.close()

    asyncio.run(write())
    found = after(
        postgres_dsn, tmp_path, [], 'SELECT request_id, outcome FROM "LiteLLM_SpendLogs" ORDER BY 1'
    )
    assert [(row["request_id"], row["outcome"]) for row in found] == [
        ("req-1", "uncertain"),
        ("req-2", "uncertain"),
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_counter_that_somebody_locks_keeps_no_lease_waiting(postgres_dsn: str, tmp_path: Path) -> None:
    execute(postgres_dsn, f"""INSERT INTO "LiteLLM_VerificationToken" (token) VALUES ('{"a" * 64}')""")

    async def run() -> object:
        async with keeping(postgres_dsn, tmp_path) as (database, journal, _):
            async with database.connection() as connection, connection.transaction():
                await connection.execute('UPDATE "LiteLLM_VerificationToken" SET spend = spend')
                journal.put(make_row())
                await asyncio.sleep(1.0)
                assert journal.waiting_rows == 1
            await booked(journal)
            return await fetchval(database, COUNT)

    assert asyncio.run(run()) == 1


def test_one_process_a_directory_keeps_the_books(tmp_path: Path) -> None:
    with books_lock(tmp_path) as mine:
        assert mine
        with books_lock(tmp_path) as also_mine:
            assert not also_mine
    with books_lock(tmp_path) as mine:
        assert mine


def test_charges_leave_the_lease_and_stand_in_the_counter(postgres_dsn: str, tmp_path: Path) -> None:
    execute(
        postgres_dsn,
        """INSERT INTO "LiteLLM_TeamTable" (team_id, models, team_member_permissions, access_group_ids)
           VALUES ('red', '{}', '{}', '{}')""",
        """INSERT INTO "Switchgear_Worker" VALUES ('worker-1', now(), now())""",
        """INSERT INTO "Switchgear_Account" (account, kind, object_id, epoch, leased)
           VALUES ('money:team:red', 'team', 'red', 0, 5000000)""",
        """INSERT INTO "Switchgear_Lease" (account, epoch, worker, amount)
           VALUES ('money:team:red', 0, 'worker-1', 5000000)""",
    )
    charge = HeldCharge("money:team:red", 0, "worker-1", 2_000_000, "team", "red", "")

    async def run() -> asyncpg.Record:
        async with keeping(postgres_dsn, tmp_path) as (database, journal, _):
            journal.leases_as("worker-1")
            journal.hold(make_held(charges=(charge,), ceiling_nano=2_000_000))
            journal.settle(make_settled(cost_nano=1_500_000))
            await booked(journal)
            async with database.connection() as connection:
                return await connection.fetchrow(
                    'SELECT a.leased, l.amount, t.spend FROM "Switchgear_Account" a,'
                    ' "Switchgear_Lease" l, "LiteLLM_TeamTable" t'
                )

    row = asyncio.run(run())
    assert (row["leased"], row["amount"], row["spend"]) == (3_500_000, 3_500_000, Decimal("0.0015"))


def test_place_orders_as_a_journal_is_read() -> None:
    assert ReadPlace(0, 900) < ReadPlace(1, 16) < ReadPlace(1, 17)
