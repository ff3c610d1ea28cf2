"""What the ledger itself costs: a call's two records in the journal, and rows a second into Postgres.

Both are measured apart from the servers, each in a process of its own on an embedded Postgres. The rest of a
call's cost (building the records, finding the price) is part of the servers' figures.
"""

import asyncio
import shutil
import tempfile
import time
from pathlib import Path

import msgspec

from runtime.books.bookkeeper import Bookkeeper
from runtime.ledger.journal import Journal
from runtime.local.postgres import EmbeddedPostgres
from runtime.postgres.migrations import migrate
from tests.runtime.attempts import make_held, make_settled

CALLS = 20_000
ROWS = 50_000
KEYS = 50
"""How many keys call in turn, so that not all calls are summed up in one row."""


class Bookkeeping(msgspec.Struct, frozen=True, kw_only=True):
    journal_us: float
    """The microseconds of a call, for its hold and its end together."""
    bytes_a_call: float
    rows_per_s: float
    """Rows a second from the journal into Postgres, with counters and daily sums."""


def measure_bookkeeping() -> Bookkeeping:
    folder = Path(tempfile.mkdtemp(prefix="switchgear-bench-"))
    try:
        journal_us, size = asyncio.run(_journal(folder / "journal"))
        rows_per_s = _books(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Bookkeeping(journal_us=journal_us, bytes_a_call=size, rows_per_s=rows_per_s)


async def _journal(parent: Path) -> tuple[float, float]:
    records = [(make_held(f"req-{n}"), make_settled(f"req-{n}")) for n in range(CALLS)]
    journal = Journal(parent)
    journal.start()
    await asyncio.sleep(0.1)
    spent = 0.0
    for begin in range(0, CALLS, 100):
        before = time.perf_counter()
        for held, settled in records[begin : begin + 100]:
            journal.hold(held)
            journal.settle(settled)
        spent += time.perf_counter() - before
        await asyncio.sleep(0)  # the tasks of the journal have their turn, as in a server
    size = journal.waiting_bytes / CALLS
    await journal.close()
    return spent / CALLS * 1e6, size


def _books(folder: Path) -> float:
    postgres = EmbeddedPostgres(folder / "own" / "postgres")
    dsn = postgres.start()
    try:
        asyncio.run(migrate(dsn))
        return asyncio.run(_booked(folder / "journals", dsn))
    finally:
        postgres.stop()


async def _booked(parent: Path, dsn: str) -> float:
    journal = Journal(parent)
    for number in range(ROWS):
        name = f"req-{number}"
        journal.hold(make_held(name, key_hash=f"{number % KEYS:064x}", user_id=f"user-{number % KEYS}"))
        journal.settle(make_settled(name))
    await journal.close()
    keeper = Bookkeeper(parent, dsn)
    began = time.perf_counter()
    await keeper.catch_up()
    took_s = time.perf_counter() - began
    await keeper.close()
    return ROWS / took_s
