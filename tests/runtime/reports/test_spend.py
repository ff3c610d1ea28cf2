"""The contract of the `Spend` port, kept by the fake and by Postgres."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from functions.contract.roles import Reach, Scope
from functions.ports.spend import Spend
from runtime.books.insert import insert_rows
from runtime.postgres.database import Database
from runtime.postgres.partitions import ensure_partition, months_of
from runtime.reports.spend import SpendReader
from schema.errors.requests import InvalidRequest
from schema.ledger.rows import Outcome, SpendRow
from schema.spend import SpendDay, SpendQuery, period
from tests.fakes.spend import FakeSpend
from tests.runtime.attempts import ROW, make_row

Scenario = Callable[[Spend], Awaitable[None]]
Play = Callable[[Sequence[SpendRow], Scenario], None]

ALL = Scope(reaches=frozenset({Reach.ALL}))


def of_user(user_id: str) -> Scope:
    return Scope(reaches=frozenset({Reach.MINE}), user_id=user_id)


def of_key(key_hash: str) -> Scope:
    return Scope(reaches=frozenset({Reach.KEY}), key_hash=key_hash)


@pytest.fixture(params=["fake", "postgres"])
def play(request: pytest.FixtureRequest) -> Play:
    """Runs a scenario on a ledger that holds the rows given."""
    dsn = request.getfixturevalue("postgres_dsn") if request.param == "postgres" else None

    async def run(rows: Sequence[SpendRow], scenario: Scenario) -> None:
        if dsn is None:
            await scenario(FakeSpend(rows))
            return
        database = await Database.connect(dsn)
        async with database.connection() as connection:
            for month in months_of(rows):
                await ensure_partition(connection, month)
            await insert_rows(connection, rows)
        await scenario(SpendReader(database))
        await database.close()

    return lambda rows, scenario: asyncio.run(run(rows, scenario))


def at(day: int, hour: int = 12, second: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, 0, second, tzinfo=UTC)


def test_a_row_is_read_as_it_was_booked(play: Play) -> None:
    refused = make_row(
        "req-2",
        started_at=at(1),
        first_token_at=None,
        price_source=None,
        streamed=False,
        outcome=Outcome.REFUSED,
        http_status=404,
        error_class="ModelNotFound",
        error_message="no such model",
        key_alias=None,
        team_id=None,
        estimated=True,
    )

    async def scenario(spend: Spend) -> None:
        assert await spend.rows(SpendQuery(), scope=ALL) == [ROW, refused]

    play([ROW, refused], scenario)


def test_rows_are_newest_first_filtered_and_limited(play: Play) -> None:
    rows = [
        make_row("req-1", started_at=at(1)),
        make_row("req-2", started_at=at(2), key_hash="b" * 64),
        make_row("req-3", started_at=at(3), user_id="bob"),
        make_row("req-4", started_at=at(3, 23, 59)),
        make_row("req-5", started_at=at(4, 0)),
    ]

    async def scenario(spend: Spend) -> None:
        async def ids(query: SpendQuery, scope: Scope = ALL) -> str:
            found = await spend.rows(query, scope=scope)
            return "".join(row.request_id.removeprefix("req-") for row in found)

        assert await ids(SpendQuery()) == "54321"
        assert await ids(SpendQuery(limit=2)) == "54"
        assert await ids(SpendQuery(request_id="req-3")) == "3"
        assert await ids(SpendQuery(api_key="b" * 64)) == "2"
        assert await ids(SpendQuery(user_id="bob")) == "3"
        assert await ids(SpendQuery(), of_user("alice")) == "5421"
        assert await ids(SpendQuery(), Scope(reaches=frozenset({Reach.TEAM}), teams=frozenset({"red"}))) != ""
        assert await ids(SpendQuery(), Scope(reaches=frozenset({Reach.TEAM}))) == ""
        assert await ids(SpendQuery(user_id="bob"), of_user("alice")) == ""
        assert await ids(SpendQuery(api_key="b" * 64), of_key("a" * 64)) == ""
        assert await ids(SpendQuery(start_date="2026-03-03")) == "543"
        assert await ids(SpendQuery(end_date="2026-03-03")) == "4321"
        assert await ids(SpendQuery(start_date="2026-03-02", end_date="2026-03-02")) == "2"
        assert await ids(SpendQuery(end_date="2026-03-03 23:00:59")) == "4321"
        assert await ids(SpendQuery(end_date="2026-03-03 23:00:58")) == "321"
        assert await ids(SpendQuery(start_date="2026-03-04 00:00:00")) == "5"

    play(rows, scenario)


def test_a_call_is_found_by_each_of_its_ids_and_by_no_other_callers(play: Play) -> None:
    rows = [
        make_row("req-1", started_at=at(1), response_id="chatcmpl-x", user_id="ada"),
        make_row("req-2", started_at=at(2), response_id="chatcmpl-x", user_id="bob"),
        with_call_id(make_row("req-3-a1", started_at=at(3), user_id="ada", final=False), "mine"),
        with_call_id(make_row("req-3", started_at=at(3), response_id="chatcmpl-y", user_id="ada"), "mine"),
        make_row("req-1-c1", started_at=at(1), response_id="chatcmpl-x", user_id="ada", corrects="req-1"),
        make_row("chatcmpl-y", started_at=at(4), user_id="bob"),
    ]

    async def scenario(spend: Spend) -> None:
        async def ids(asked: str, scope: Scope = ALL) -> list[str]:
            return [row.request_id for row in await spend.rows(SpendQuery(request_id=asked), scope=scope)]

        assert await ids("chatcmpl-x") == ["req-2", "req-1"], "providers choose the ids"
        assert await ids("chatcmpl-x", of_user("ada")) == ["req-1"]
        assert await ids("chatcmpl-x", of_user("eve")) == []
        assert await ids("mine") == ["req-3"]
        assert await ids("mine", of_user("bob")) == []
        assert await ids("chatcmpl-y", of_user("ada")) == ["req-3"]
        assert await ids("req-3-a1") == ["req-3-a1"]
        assert await ids("req-1-c1") == ["req-1-c1"]
        assert await ids("") == []

    play(rows, scenario)


def with_call_id(row: SpendRow, call_id: str) -> SpendRow:
    return msgspec.structs.replace(row, call_id=call_id)


def test_days_sum_by_user_model_and_key(play: Play) -> None:
    rows = [
        make_row("req-1", started_at=at(1, 0), cost_nano=1_000_000_000),
        make_row("req-2", started_at=at(1, 23), cost_nano=500_000_000, user_id="bob", key_hash="b" * 64),
        make_row("req-3", started_at=at(2), cost_nano=250_000_000, model_group="mistral-local"),
        make_row("req-4", started_at=at(9), cost_nano=9_000_000_000),
    ]
    first = SpendDay(
        day="2026-03-01",
        spend=Decimal("1.5"),
        users={"alice": Decimal(1), "bob": Decimal("0.5")},
        models={"gpt-4": Decimal("1.5")},
        api_keys={"a" * 64: Decimal(1), "b" * 64: Decimal("0.5")},
    )
    second = SpendDay(
        day="2026-03-02",
        spend=Decimal("0.25"),
        users={"alice": Decimal("0.25")},
        models={"mistral-local": Decimal("0.25")},
        api_keys={"a" * 64: Decimal("0.25")},
    )
    query = SpendQuery(start_date="2026-03-01", end_date="2026-03-02")

    async def scenario(spend: Spend) -> None:
        assert await spend.days(query, scope=ALL) == [first, second]
        (own,) = await spend.days(query, scope=of_user("bob"))
        assert own.users == {"bob": Decimal("0.5")}
        assert await spend.days(query, scope=of_key("c" * 64)) == []

    play(rows, scenario)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        (SpendQuery(start_date="yesterday"), "start_date"),
        (SpendQuery(start_date="2026-02-30"), "start_date"),
        (SpendQuery(end_date="2026-03-01T00:00:00"), "end_date"),
        (SpendQuery(start_date="2026-03-02", end_date="2026-03-01"), "end_date"),
    ],
)
def test_a_date_that_is_none_is_named(play: Play, query: SpendQuery, param: str) -> None:
    async def scenario(spend: Spend) -> None:
        for asking in (spend.rows, spend.days):
            with pytest.raises(InvalidRequest) as refused:
                await asking(query, scope=ALL)
            assert refused.value.param == param

    play([], scenario)


def test_the_last_day_of_the_calendar_is_a_period() -> None:
    assert period(SpendQuery(start_date="0001-01-01", end_date="9999-12-31"))[1] == datetime.max.replace(
        tzinfo=UTC
    )


def test_filters_that_postgres_can_not_hold_are_the_callers_mistake(postgres_dsn: str) -> None:
    async def run() -> None:
        database = await Database.connect(postgres_dsn)
        reader = SpendReader(database)
        for asking in (reader.rows, reader.days):
            with pytest.raises(InvalidRequest):
                await asking(SpendQuery(user_id="nul\0"), scope=ALL)
        with pytest.raises(InvalidRequest):
            await reader.rows(SpendQuery(limit=10_001), scope=ALL)
        await database.close()

    asyncio.run(run())
