"""Alerts on a real Postgres: one row, one log line and one webhook for each kind and object."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import asyncpg
import pytest

from runtime.outbound import Unreachable
from runtime.telemetry import alerts, deliveries
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
        await desk.finish()
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
            await each.finish()
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
        await desk.finish()
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
        await desk.finish()
        assert [row["message"] for row in await rows(connection)] == ["today", "tomorrow"]

    at_desk(postgres_dsn, scenario, posts)
    assert len(posts.took) == 4


def test_what_can_not_be_stored_is_told_once_and_stored_later(postgres_dsn: str) -> None:
    posts = Posts()

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        for _ in range(3):
            desk.raised(AWAY, "here", "nobody answers")
            desk.say_unstored(AWAY)
        await desk.finish()
        assert len(posts.took) == 2
        desk.ended(AWAY, "here")
        await desk.store(connection)
        await desk.finish()
        (row,) = await rows(connection)
        assert row["times"] == 3
        assert None not in (row["told_at"], row["ended_at"])

    at_desk(postgres_dsn, scenario, posts)
    assert len(posts.took) == 2


def test_a_place_that_fails_is_asked_again_and_the_others_are_not(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "FIRST_PAUSE_S", 0.001)
    posts = Posts({"https://slack.example/x": 3})

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        desk.raised(EXCEEDED, "gpt-4", "dear")
        await desk.store(connection)
        await desk.finish()

    at_desk(postgres_dsn, scenario, posts)
    assert posts.took == ["generic.example", "slack.example"]


def test_what_was_not_told_before_a_restart_is_told_after_it(postgres_dsn: str) -> None:
    async def cut_off(desk: Desk, connection: asyncpg.Connection) -> None:
        desk.raised(EXCEEDED, "gpt-4", "dear")
        await desk.store(connection)

    async def again(desk: Desk, connection: asyncpg.Connection) -> None:
        await desk.store(connection)
        await desk.finish()

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


def test_events_and_states_that_nobody_renews_are_ended_by_time(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "END_OLD_S", 0.0)

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        kinds = (EXCEEDED, AlertKind.BUDGET_95, AWAY, AlertKind.BOOKS_BEHIND)
        for kind in kinds:
            desk.raised(kind, "old", "long ago")
            desk.raised(kind, "new", "just now")
        await desk.store(connection)
        assert all(row["ended_at"] is None for row in await rows(connection))
        await connection.execute(
            """UPDATE "Switchgear_Alert" SET first_at = first_at - interval '25 hours',
               last_at = last_at - interval '20 minutes' WHERE object = 'old'"""
        )
        await desk.store(connection)
        still_open = {
            (row["kind"], row["object"]) for row in await rows(connection) if row["ended_at"] is None
        }
        assert still_open == {(kind.value, "new") for kind in kinds}

    at_desk(postgres_dsn, scenario, Posts())


def test_a_state_that_is_renewed_stays_open_however_old_it_is(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "END_OLD_S", 0.0)

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        desk.raised(AlertKind.JOURNAL_FILLING, "here", "half")
        await desk.store(connection)
        await connection.execute("""UPDATE "Switchgear_Alert" SET first_at = first_at - interval '3 days'""")
        for _ in range(2):
            desk.raised(AlertKind.JOURNAL_FILLING, "here", "half")
            await desk.store(connection)
        (row,) = await rows(connection)
        assert (row["ended_at"], row["times"]) == (None, 3)

    at_desk(postgres_dsn, scenario, Posts())


@pytest.mark.parametrize("kind", [AlertKind.BUDGET_REACHED, AlertKind.BUDGET_85, AlertKind.SOFT_BUDGET])
def test_a_budget_of_the_next_window_is_told_however_early_in_it(postgres_dsn: str, kind: AlertKind) -> None:
    posts = Posts()

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        day = timedelta(days=1)
        midnight = datetime.now(UTC) - timedelta(hours=1)
        for number in range(6):  # each day 10 minutes earlier
            desk.raised(kind, "team:red", f"day {number}", midnight)
            desk.raised(kind, "team:red", f"day {number} again", midnight)
            await desk.store(connection)
            await connection.execute(
                """UPDATE "Switchgear_Alert" SET first_at = first_at - $1::interval""",
                day - timedelta(minutes=10),
            )
        await desk.finish()
        assert [row["message"] for row in await rows(connection)] == [f"day {each}" for each in range(6)]

    at_desk(postgres_dsn, scenario, posts)
    assert len(posts.took) == 12


def test_two_data_directories_of_one_host_do_not_end_each_others_states(postgres_dsn: str) -> None:
    posts = Posts()

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        one, other = (Desk(HOOKS, posts, host=f"web-1/{id}") for id in ("11111111", "22222222"))
        for _ in range(10):
            one.raised(AlertKind.JOURNAL_FILLING, one.host, "half")
            other.ended(AlertKind.JOURNAL_FILLING, other.host)
            for each in (one, other):
                await each.store(connection)
                await each.finish()
        (row,) = await rows(connection)
        assert (row["times"], row["ended_at"]) == (10, None)

    at_desk(postgres_dsn, scenario, posts)
    assert len(posts.took) == 2


@pytest.mark.parametrize(("host", "tells"), [("web-1/22222222", 0), ("web-2/11111111", 2)])
def test_what_was_not_told_is_told_by_its_own_data_directory(
    postgres_dsn: str, host: str, tells: int
) -> None:
    posts = Posts()

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        before = Desk(HOOKS, Posts({hook.url.reveal(): 10 for hook in HOOKS}), host="web-1/11111111")
        before.raised(EXCEEDED, "gpt-4", "dear")
        await before.store(connection)
        await before.close()
        after = Desk(HOOKS, posts, host=host)
        await after.store(connection)
        await after.finish()

    at_desk(postgres_dsn, scenario, posts)
    assert len(posts.took) == tells


@pytest.mark.parametrize(
    "error", [ImportError("socksio"), OverflowError("port"), ExceptionGroup("two", [OverflowError()])]
)
def test_a_place_that_breaks_the_client_keeps_no_other_waiting(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    monkeypatch.setattr(deliveries, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(deliveries, "LAST_PAUSE_S", 0.001)
    took: list[str] = []
    tries: list[str] = []

    async def post(url: str, content: object, timeout_s: float) -> None:
        if "slack" in url:
            tries.append(url)
            raise error
        took.append(url)

    async def run() -> None:
        connection = await asyncpg.connect(postgres_dsn)
        desk = Desk(HOOKS, post, host="here")
        desk.raised(EXCEEDED, "gpt-4", "dear")
        await desk.store(connection)
        await desk.finish()
        await connection.close()

    asyncio.run(run())
    assert took == ["https://generic.example/x"]
    assert len(tries) == deliveries.MAX_TRIES
    assert type(error).__name__ in caplog.text
    assert "slack.example" not in caplog.text


def test_a_place_that_hangs_keeps_no_other_waiting(postgres_dsn: str) -> None:
    async def run() -> None:
        told = asyncio.Event()

        async def post(url: str, content: object, timeout_s: float) -> None:
            if "slack" in url:
                await asyncio.Event().wait()
            told.set()

        connection = await asyncpg.connect(postgres_dsn)
        desk = Desk(HOOKS, post, host="here")
        desk.raised(EXCEEDED, "gpt-4", "dear")
        await desk.store(connection)
        await asyncio.wait_for(told.wait(), 10.0)
        await desk.close()
        await connection.close()

    asyncio.run(run())


def test_what_was_told_is_kept_until_it_is_stored_as_told(postgres_dsn: str) -> None:
    posts = Posts()

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        desk.raised(EXCEEDED, "gpt-4", "dear")
        await desk.store(connection)
        await desk.finish()
        broken = await asyncpg.connect(postgres_dsn)
        await broken.close()
        with pytest.raises(asyncpg.InterfaceError):
            await desk.store(broken)
        await desk.store(connection)
        after = Desk(HOOKS, posts, host="here")
        await after.store(connection)
        await after.finish()

    at_desk(postgres_dsn, scenario, posts)
    assert len(posts.took) == 2


@pytest.mark.parametrize("name", ["team:\0red", "team:\ud800"])
def test_a_name_that_postgres_does_not_take_is_cleaned(postgres_dsn: str, name: str) -> None:
    posts = Posts()

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        desk.raised(AlertKind.BUDGET_95, name, f"{name} has spent $95")
        desk.raised(EXCEEDED, "gpt-4", "dear")
        desk.raised(AlertKind.BOOKS_BEHIND, name, name)
        await desk.store(connection)
        desk.ended(AlertKind.BOOKS_BEHIND, name)
        await desk.store(connection)
        assert [row["ended_at"] is None for row in await rows(connection)] == [True, True, False]

    at_desk(postgres_dsn, scenario, posts)
    assert len(posts.took) == 6


def test_an_alert_that_postgres_refuses_is_told_once_and_keeps_no_other_waiting(
    postgres_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    posts = Posts()

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        await connection.execute("""ALTER TABLE "Switchgear_Alert" ADD CHECK (object <> 'refused')""")
        for _ in range(2):
            desk.raised(AlertKind.JOURNAL_FILLING, "refused", "half")
            desk.raised(EXCEEDED, "gpt-4", "dear")
            await desk.store(connection)
        await desk.finish()
        assert [(row["object"], row["times"]) for row in await rows(connection)] == [("gpt-4", 2)]

    at_desk(postgres_dsn, scenario, posts)
    assert len(posts.took) == 4
    assert "can't be stored" in caplog.text


def test_a_row_that_is_locked_keeps_no_other_alert_waiting(postgres_dsn: str) -> None:
    posts = Posts()

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        desk.raised(EXCEEDED, "locked", "dear")
        await desk.store(connection)
        holder = await asyncpg.connect(postgres_dsn)
        async with holder.transaction():
            await holder.execute('UPDATE "Switchgear_Alert" SET times = times')
            await connection.execute("SET lock_timeout = '50ms'")
            desk.raised(EXCEEDED, "locked", "dear")
            desk.raised(EXCEEDED, "free", "dear")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await desk.store(connection)
        await holder.close()
        assert {row["object"] for row in await rows(connection)} == {"locked", "free"}

    at_desk(postgres_dsn, scenario, posts)


def test_what_is_raised_while_it_is_stored_is_counted_and_told_once(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    posts = Posts()
    insert = Desk._insert

    async def meanwhile(desk: Desk, connection: asyncpg.Connection, key: tuple[str, str], alert: Any) -> bool:
        is_new = await insert(desk, connection, key, alert)
        if alert.times == 1 and not posts.took:
            desk.raised(EXCEEDED, "gpt-4", "dear")
        return is_new

    monkeypatch.setattr(Desk, "_insert", meanwhile)

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        desk.raised(EXCEEDED, "gpt-4", "dear")
        for _ in range(3):
            await desk.store(connection)
            await desk.finish()
        assert [row["times"] for row in await rows(connection)] == [2]

    at_desk(postgres_dsn, scenario, posts)
    assert len(posts.took) == 2


@pytest.mark.parametrize("kind", [AlertKind.JOURNAL_FILLING, AlertKind.BOOKS_BEHIND])
def test_a_state_that_is_open_is_not_told_again_while_nothing_can_be_stored(
    postgres_dsn: str, kind: AlertKind
) -> None:
    posts = Posts()

    async def scenario(desk: Desk, connection: asyncpg.Connection) -> None:
        desk.raised(kind, "here", "it began")
        await desk.store(connection)
        for _ in range(3):
            desk.raised(kind, "here", "it goes on")
            desk.say_unstored(kind)
        await desk.finish()
        assert len(posts.took) == 2
        desk.ended(kind, "here")
        await desk.store(connection)
        desk.raised(kind, "here", "it began again")
        desk.say_unstored(kind)
        await desk.finish()

    at_desk(postgres_dsn, scenario, posts)
    assert len(posts.took) == 4
