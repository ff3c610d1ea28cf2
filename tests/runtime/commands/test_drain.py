"""How a backup waits for journals, and what it says of rows that it lacks."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import pytest

from runtime.books.booking import Books
from runtime.commands.drain import UnbookedRows, drained
from runtime.ledger.journal import Journal
from schema.secret import Secret
from tests.fakes.json_server import json_server
from tests.runtime.attempts import make_row

NOWHERE = "http://127.0.0.1:9"


def written(journals: Path, names: Sequence[str]) -> Path:
    """A journal with rows, whose writer is gone."""

    async def write() -> Path:
        journal = Journal(journals)
        for name in names:
            journal.put(make_row(name))
        await journal.close()
        return journal.folder

    return asyncio.run(write())


def booked(folder: Path, dsn: str, *, steps: int) -> None:
    async def book() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            books = await Books.opened(connection, folder)
            for _ in range(steps):
                await books.step(connection)
            books.close()
        finally:
            await connection.close()

    asyncio.run(book())


def test_a_gateway_with_another_folder_is_waited_for(tmp_path: Path, postgres_dsn: str) -> None:
    waiting = [b"2", b"1", b"0"]
    dsn = Secret(postgres_dsn)
    with json_server(lambda asked: (200, b'{"ledger_rows_waiting":%s}' % waiting.pop(0))) as gateway:
        assert drained(gateway.url, tmp_path, dsn) == UnbookedRows()
        assert len(gateway.asked) == 3
    with json_server(lambda asked: (200, b'{"ledger_rows_waiting":7}')) as gateway:
        assert drained(gateway.url, tmp_path, dsn, deadline_s=0.3).rows == 7


def test_nothing_waits_where_no_gateway_runs_and_no_journal_is(tmp_path: Path, postgres_dsn: str) -> None:
    assert drained(NOWHERE, tmp_path / "none", Secret(postgres_dsn)) == UnbookedRows()


@pytest.mark.parametrize("answer", [b"[]", b"{}", b'{"ledger_rows_waiting":"many"}'])
def test_what_is_no_gateway_leaves_a_doubt(tmp_path: Path, postgres_dsn: str, answer: bytes) -> None:
    with json_server(lambda asked: (200, answer)) as other:
        (doubt,) = drained(other.url, tmp_path, Secret(postgres_dsn), deadline_s=0.1).doubts
    assert "something else than a gateway" in doubt


def test_a_gateway_that_is_not_ready_leaves_a_doubt(tmp_path: Path, postgres_dsn: str) -> None:
    with json_server(lambda asked: (503, b'{"error":{"message":"the ledger is full"}}')) as gateway:
        found = drained(gateway.url, tmp_path, Secret(postgres_dsn), deadline_s=0.3)
    assert found.rows == 0
    assert "is not ready (status 503)" in found.doubts[0]


def test_the_rows_of_all_journals_of_the_folder_count(tmp_path: Path, postgres_dsn: str) -> None:
    first = written(tmp_path, ["a", "b"])
    written(tmp_path, ["c"])
    with json_server(lambda asked: (200, b'{"ledger_rows_waiting":0}')) as gateway:
        assert drained(gateway.url, tmp_path, Secret(postgres_dsn), deadline_s=0.1).rows == 3
    booked(first, postgres_dsn, steps=1)
    assert drained(NOWHERE, tmp_path, Secret(postgres_dsn)) == UnbookedRows(rows=1)


def test_a_journal_that_can_not_be_read_leaves_a_doubt(tmp_path: Path, postgres_dsn: str) -> None:
    folder = written(tmp_path, ["a"])
    for segment in folder.glob("*.journal"):
        segment.write_bytes(b"")
    (doubt,) = drained(NOWHERE, tmp_path, Secret(postgres_dsn)).doubts
    assert doubt == f"the journal {folder.name} can't be read (UnreadableJournal)"
