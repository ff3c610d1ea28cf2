"""When the bookkeeper looks for alerts, and that booking never waits for them."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from runtime.books import bookkeeper
from runtime.books.booking import Books
from runtime.books.bookkeeper import Bookkeeper
from runtime.ledger.journal import Journal
from runtime.telemetry.alerts import Desk
from runtime.telemetry.webhooks import Style, Webhook
from schema.alerts import AlertKind
from schema.secret import Secret
from tests.runtime.attempts import make_row

HOOK = Webhook(style=Style.GENERIC, url=Secret("https://hook.example/x"))

TIMES = 'SELECT coalesce(max(times), 0) FROM "Switchgear_Alert"'


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bookkeeper, "LOOK_S", 0.02)
    monkeypatch.setattr(bookkeeper, "BEHIND_S", 0.1)


class Told:
    """A webhook, and what it was told."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.first = asyncio.Event()

    async def __call__(self, url: str, content: object, timeout_s: float) -> None:
        assert isinstance(content, dict)
        self.kinds.append(content["event"])
        self.first.set()


def at_work(dsn: str, journals: Path, scenario: Callable[[Desk, Told], Awaitable[None]]) -> None:
    """A bookkeeper that runs, with one row to book."""

    async def run() -> None:
        told = Told()
        desk = Desk([HOOK], told, host="here")
        journal = Journal(journals)
        journal.put(make_row("req-1"))
        await journal.close()
        keeper = Bookkeeper(journals, dsn, interval_s=0.01, desk=desk)
        task = asyncio.create_task(keeper.run())
        try:
            await asyncio.wait_for(scenario(desk, told), 10.0)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_a_backlog_is_told_while_it_lasts(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never_done(books: Books, connection: asyncpg.Connection) -> bool:
        await asyncio.sleep(0.001)
        books.behind_s = 600.0
        return True

    monkeypatch.setattr(Books, "step", never_done)

    async def scenario(desk: Desk, told: Told) -> None:
        await told.first.wait()
        assert told.kinds == ["books_behind"]

    at_work(postgres_dsn, tmp_path, scenario)


def test_a_step_that_hangs_is_told_while_it_hangs(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(books: Books, connection: asyncpg.Connection) -> bool:
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr(Books, "step", hangs)

    async def scenario(desk: Desk, told: Told) -> None:
        await told.first.wait()
        connection = await asyncpg.connect(postgres_dsn)
        while await connection.fetchval(TIMES) < 5:  # noqa: ASYNC110  (nobody tells)
            await asyncio.sleep(0.01)
        await connection.close()
        assert told.kinds == ["books_behind"]

    at_work(postgres_dsn, tmp_path, scenario)


@pytest.mark.parametrize("kind", [AlertKind.HOLD_EXCEEDED, AlertKind.JOURNAL_FILLING])
def test_every_other_alert_is_told_during_a_backlog_too(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: AlertKind
) -> None:
    monkeypatch.setattr(bookkeeper, "BEHIND_S", 600.0)

    async def never_done(books: Books, connection: asyncpg.Connection) -> bool:
        await asyncio.sleep(0.001)
        return True

    monkeypatch.setattr(Books, "step", never_done)

    async def scenario(desk: Desk, told: Told) -> None:
        desk.raised(kind, "something", "of a row in the backlog")
        await told.first.wait()
        assert told.kinds == [kind.value]

    at_work(postgres_dsn, tmp_path, scenario)


@pytest.mark.parametrize("outcome", ["hangs", "fails"])
def test_booking_waits_for_no_alert(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    async def store(desk: Desk, connection: asyncpg.Connection) -> None:
        if outcome == "fails":
            raise ValueError("an alert that can't be stored")
        await asyncio.Event().wait()

    monkeypatch.setattr(Desk, "store", store)

    async def scenario(desk: Desk, told: Told) -> None:
        while os.listdir(tmp_path):  # noqa: ASYNC110  (nobody tells)
            await asyncio.sleep(0.01)
        connection = await asyncpg.connect(postgres_dsn)
        assert await connection.fetchval('SELECT count(*) FROM "LiteLLM_SpendLogs"') == 1
        await connection.close()

    at_work(postgres_dsn, tmp_path, scenario)


def test_a_look_that_fails_ends_no_booking(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(keeper: Bookkeeper) -> None:
        raise PermissionError("a folder that can't be read")

    monkeypatch.setattr(Bookkeeper, "_look_at_journals", fails)

    async def scenario(desk: Desk, told: Told) -> None:
        while os.listdir(tmp_path) or "can't look" not in caplog.text:  # noqa: ASYNC110  (nobody tells)
            await asyncio.sleep(0.01)

    at_work(postgres_dsn, tmp_path, scenario)
