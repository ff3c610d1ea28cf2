"""`python -m tests.bench.ledger_rows --rows 10000000`: how long reports and the log page take over a ledger
of that size. It is in a real embedded Postgres, in a folder that is removed afterwards.

Every figure is of the whole function behind a path, through the real readers, with its answer written as
JSON. Each time the function is called with other filters. Further figures are sizes, the cost of each index,
how fast rows are booked and exported, and how long dropping a month takes.
"""

import argparse
import asyncio
import shutil
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from functions import spend
from runtime.books.insert import insert_rows
from runtime.local.postgres import EmbeddedPostgres
from runtime.postgres.database import Database
from runtime.postgres.migrations import migrate
from schema.tables.partitions import month_of, partition_name
from tests.bench.ledger_fill import DAYS, MODELS, TEAMS, USERS, fill
from tests.bench.ledger_questions import Bench, key_of, log_pages, reports
from tests.runtime.attempts import make_row


async def sizes(bench: Bench) -> None:
    rows = await bench.database.pool.fetch(
        """SELECT relname AS name, relkind = 'i' AS is_index, pg_relation_size(oid) / 1e6 AS mb,
                  reltuples::bigint AS n FROM pg_class
           WHERE relname ~ '^(LiteLLM_SpendLogs_20|Switchgear_Daily)' AND relkind IN ('r', 'i')
             AND pg_relation_size(oid) > 100000 ORDER BY relkind DESC, 3 DESC"""
    )
    print(f"\n{'table or index':<75}{'MB':>9}{'rows':>13}")
    for row in rows:
        print(f"{row['name']:<75}{row['mb']:9.1f}{row['n']:13,}")


async def booking(bench: Bench, label: str, batches: int) -> None:
    """Measure the rows a second of one writer, in batches of 500 as the bookkeeper makes them."""
    numbers = iter(range(10**9))
    at = datetime.combine(bench.last, datetime.min.time(), UTC)

    def batch() -> list[Any]:
        return [
            make_row(
                f"{label}-{number}",
                started_at=at + timedelta(milliseconds=number),
                user_id=f"user-{number % USERS}",
                team_id=f"team-{number % TEAMS}",
                key_hash=key_of(bench.draws),
                model_group=f"model-{number % MODELS}",
                model=f"vendor-model-{number % MODELS}-2026",
                end_user=f"customer-{number % 50}" if number % 10 < 3 else None,
                tags=("env:prod", f"app:{number % 50}") if number % 10 < 2 else (),
            )
            for number, _ in zip(numbers, range(500), strict=False)
        ]

    made = [batch() for _ in range(batches)]
    async with bench.database.connection() as connection:
        began = time.perf_counter()
        for rows in made:
            await insert_rows(connection, rows)
        taken = time.perf_counter() - began
    print(
        f"booking, {label:<40}{batches * 500 / taken:10,.0f} rows/s{taken / batches * 1000:9.1f} ms a batch"
    )


NEW_INDEXES = (
    "model_group_startTime",
    "model_startTime",
    "end_user_startTime",
    "session_id",
    "failure",
    "spend",
)


async def run(rows: int, times: int, folder: Path, *, keep: bool) -> None:
    server = EmbeddedPostgres(folder / "postgres")
    try:
        dsn = server.start()
        await migrate(dsn)
        database = await Database.connect(dsn)
        last_month = month_of(datetime.now(UTC).date()) - timedelta(days=1)
        bench = Bench(database, month_of(last_month))
        if not await database.pool.fetchval('SELECT EXISTS (SELECT FROM "LiteLLM_SpendLogs")'):
            async with database.connection() as connection:
                begin = datetime.combine(bench.first, datetime.min.time())
                await fill(connection, rows, begin, DAYS, lambda text: print(text, flush=True))
                await connection.execute("RESET ALL")
        print(f"\n{'milliseconds':<58}{'p50':>9}{'p95':>9}{'p99':>9}{'KiB':>10}")
        await reports(bench, times)
        await log_pages(bench, times)
        await sizes(bench)
        if not keep:
            await after(bench)
        await database.close()
    finally:
        server.stop()


async def after(bench: Bench) -> None:
    """Measure an export, booking with and without the log page's indexes, and dropping the month."""
    began = time.perf_counter()
    day = str(bench.first)
    size = len(await bench.ask(spend.export, {"start_date": day, "end_date": day}))
    count = await bench.database.pool.fetchval(
        """SELECT count(*) FROM "LiteLLM_SpendLogs" WHERE "startTime" < $1""",
        datetime.combine(bench.first + timedelta(days=1), datetime.min.time()),
    )
    taken = time.perf_counter() - began
    print(f"\nexport: {count:,} rows, {size / 1e6:.0f} MB in {taken:.1f} s, {count / taken:,.0f} rows/s")
    await booking(bench, "warm-up", 20)
    await booking(bench, "all indexes", 100)
    for name in NEW_INDEXES:
        await bench.database.pool.execute(f'DROP INDEX IF EXISTS "LiteLLM_SpendLogs_{name}_idx"')
        await booking(bench, f"without {name}", 100)
    name = partition_name(bench.first)
    for doing, statement in (
        ("detaching", f'ALTER TABLE "LiteLLM_SpendLogs" DETACH PARTITION "{name}"'),
        ("dropping", f'DROP TABLE "{name}"'),
    ):
        began = time.perf_counter()
        await bench.database.pool.execute(statement)
        print(f"{doing} {name}: {(time.perf_counter() - began) * 1000:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--times", type=int, default=40, help="how often each is asked")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the ledger here, for the next time")
    asked = parser.parse_args()
    folder = asked.keep or Path(tempfile.mkdtemp(prefix="switchgear-ledger-rows-"))
    try:
        asyncio.run(run(asked.rows, asked.times, folder, keep=asked.keep is not None))
    finally:
        if asked.keep is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
