"""Alerts on a real Postgres: one row, one log line and one webhook for each kind and object."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
import pytest

from runtime.outbound import Unreachable
from runtime.telemetry import alerts
from runtime.telemetry.alerts import MAX_WAITING, Desk
from runtime.telemetry.webhooks import Style, Webhook
from schema.alerts import AlertKind
from schema.secret import Secret
from tests.conftest import execute

T = TypeVar("T")
EXCEEDED, AWAY = AlertKind.HOLD_EXCEEDED, AlertKind.POSTGRES_AWAY
HOOKS = (
    Webhook(style=Style.SLACK, url=Secret("https://slack.example/x")),
    Webhook(style=Style.GENERIC, url=Secret("https://generic.example/x")),
)


class Posts:
    """What was posted. `failing` says how often each address fails first."""

    def __init__(self, failing: dict[str, int] | None = None) -> None:
        self.took: list[str] = []
        self.failing = failing or {}

    async def __call__(self, url: str, content: object, timeout_s: float) -> None:
        if self.failing.get(url, 0):
            self.failing[url] -= 1
            raise Unreachable("status 500")
        self.took.append(url.split("/")[2])


def at_desk(
    dsn: str,
    scenario: Callable[[Desk, asyncpg.Connection], Awaitable[T]],
    posts: Posts,
    hooks: tuple[Webhook, ...] = HOOKS,
) -> T:
    async def run() -> T:
        connection = await asyncpg.connect(dsn)
        desk = Desk(hooks, posts, host="here")
        try:
            return await scenario(desk, connection)
        finally:
            await desk.close()
            await connection.close()

    return asyncio.run(run())


async def rows(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    return list(await connection.fetch('SELECT * FROM "Switchgear_Alert" ORDER BY first_at'))


async def settled(desk: Desk) -> None:
    while desk._telling:
        await asyncio.gather(*desk._telling)


def test_what_happens_again_only_counts(postgres_dsn: str) -> None:
    posts = Posts()

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        for number in range(5):
            desk.raised(EXCEEDED, "gpt-4", f"call {number}")
            if number % 2:
                await desk.store(connection)
        await desk.store(connection)
        desk.raised(EXCEEDED, "claude", "another object")
        await desk.store(connection)
        await settled(desk)
        await desk.store(connection)
        first, other = await rows(connection)
        assert (first["times"], first["message"], first["ended_at"]) == (5, "call 0", None)
        assert other["object"] == "claude"
        assert None not in (first["told_at"], other["told_at"])

    at_desk(postgres_dsn, scenario, posts)
    assert sorted(posts.took) == ["generic.example"] * 2 + ["slack.example"] * 2


def test_two_desks_raise_one_alert(postgres_dsn: str) -> None:
    posts = Posts()

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        other = Desk(HOOKS, posts, host="there")
        for each in (desk, other):
            each.raised(AlertKind.BUDGET_95, "team:red", "95 of 100")
            await each.store(connection)
            await settled(each)
        assert [row["times"] for row in await rows(connection)] == [2]

    at_desk(postgres_dsn, scenario, posts)
    assert len(posts.took) == 2


def test_what_is_over_and_begins_again_is_another_alert(postgres_dsn: str) -> None:
    posts = Posts()

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        for _ in range(2):
            desk.raised(AlertKind.JOURNAL_FILLING, "here", "half")
            await desk.store(connection)
            desk.ended(AlertKind.JOURNAL_FILLING, "here")
            await desk.store(connection)
        await settled(desk)
        assert all(row["ended_at"] is not None for row in await rows(connection))
        assert len(await rows(connection)) == 2

    at_desk(postgres_dsn, scenario, posts)
    assert len(posts.took) == 4


def test_an_event_is_another_alert_a_day_later(postgres_dsn: str) -> None:
    posts = Posts()

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        desk.raised(EXCEEDED, "gpt-4", "today")
        await desk.store(connection)
        await connection.execute(
            """UPDATE "Switchgear_Alert" SET first_at = first_at - interval '25 hours'"""
        )
        desk.raised(EXCEEDED, "gpt-4", "tomorrow")
        await desk.store(connection)
        await settled(desk)
        assert [row["message"] for row in await rows(connection)] == ["today", "tomorrow"]

    at_desk(postgres_dsn, scenario, posts)
    assert len(posts.took) == 4


def test_what_can_not_be_stored_is_told_once_and_stored_later(postgres_dsn: str) -> None:
    posts = Posts()

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        for _ in range(3):
            desk.raised(AWAY, "here", "nobody answers")
            desk.say_unstored(AWAY)
        await settled(desk)
        assert len(posts.took) == 2
        desk.ended(AWAY, "here")
        await desk.store(connection)
        await settled(desk)
        (row,) = await rows(connection)
        assert row["times"] == 3
        assert None not in (row["told_at"], row["ended_at"])

    at_desk(postgres_dsn, scenario, posts)
    assert len(posts.took) == 2


def test_a_place_that_fails_is_asked_again_and_the_others_are_not(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "FIRST_PAUSE_S", 0.001)
    posts = Posts({"https://slack.example/x": 3})

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        desk.raised(EXCEEDED, "gpt-4", "dear")
        await desk.store(connection)
        await settled(desk)

    at_desk(postgres_dsn, scenario, posts)
    assert posts.took == ["generic.example", "slack.example"]


def test_what_was_not_told_before_a_restart_is_told_after_it(postgres_dsn: str) -> None:
    async def cut_off(desk: Desk, connection: asyncpg.Connection) -> None:
        desk.raised(EXCEEDED, "gpt-4", "dear")
        await desk.store(connection)

    async def again(desk: Desk, connection: asyncpg.Connection) -> None:
        await desk.store(connection)
        await settled(desk)

    first = Posts({hook.url.reveal(): 10 for hook in HOOKS})
    at_desk(postgres_dsn, cut_off, first)
    assert first.took == []
    second = Posts()
    at_desk(postgres_dsn, again, second)
    assert sorted(second.took) == ["generic.example", "slack.example"]


def test_without_a_webhook_there_are_the_row_and_the_log_line(
    postgres_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        for _ in range(2):
            desk.raised(EXCEEDED, "gpt-4", "dear")
            await desk.store(connection)
        assert len(await rows(connection)) == 1

    at_desk(postgres_dsn, scenario, Posts(), ())
    assert capsys.readouterr().out.count("dear") == 1


def test_what_waits_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk((), Posts(), host="here")
    for number in range(MAX_WAITING + 5):
        desk.raised(EXCEEDED, f"model-{number}", "x" * 5_000)
    assert len(desk._waiting) == MAX_WAITING
    assert "has none" in caplog.text


def test_a_row_that_another_transaction_holds_keeps_what_was_raised(postgres_dsn: str) -> None:
    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        desk.raised(EXCEEDED, "gpt-4", "dear")
        await desk.store(connection)
        holder = await asyncpg.connect(postgres_dsn)
        async with holder.transaction():
            await holder.execute('UPDATE "Switchgear_Alert" SET times = times')
            await connection.execute("SET lock_timeout = '50ms'")
            desk.raised(EXCEEDED, "gpt-4", "dear")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await desk.store(connection)
        await holder.close()
        await desk.store(connection)
        assert [row["times"] for row in await rows(connection)] == [2]

    at_desk(postgres_dsn, scenario, Posts())


def test_the_table_refuses_a_second_open_alert(postgres_dsn: str) -> None:
    insert = """INSERT INTO "Switchgear_Alert" (id, kind, object, first_at, last_at)
                VALUES ('{}', 'k', 'o', now(), now())"""
    execute(postgres_dsn, insert.format(1))
    with pytest.raises(asyncpg.UniqueViolationError):
        execute(postgres_dsn, insert.format(2))
