"""The log's pages and files against a plain list of rows."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, TypeVar

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.contract.roles import Reach, Scope
from runtime.books.insert import insert_rows
from runtime.postgres.database import Database
from runtime.postgres.partitions import ensure_partition, months_of
from runtime.reports import log as log_reader
from runtime.reports.log import LogReader
from runtime.reports.sums import ReportReader
from schema.errors.requests import InvalidRequest
from schema.ledger.rows import Outcome, SpendRow
from schema.log_page import LogFilter, LogPageQuery, LogPlace
from tests.conftest import execute
from tests.runtime.attempts import make_row

T = TypeVar("T")
ALL = Scope(reaches=frozenset({Reach.ALL}))
FIRST = datetime(2026, 3, 31, 23, tzinfo=UTC)
MONTHS: dict[str, Any] = {"start_date": "2026-03-01", "end_date": "2026-04-30"}
NAMES = st.sampled_from(["a", "b", "c"])
MAYBE = st.one_of(st.none(), NAMES)
FIELDS = {
    "api_key": "key_hash",
    "user_id": "user_id",
    "team_id": "team_id",
    "organization_id": "organization_id",
    "end_user": "end_user",
    "model": "model",
    "model_group": "model_group",
    "session_id": "session_id",
}
"""Filters, and the field of a row that they are about."""


@st.composite
def made_rows(draw: st.DrawFn) -> list[SpendRow]:
    """Many at the same moment, over the end of a month."""
    rows = []
    for number in range(draw(st.integers(0, 25))):
        values: dict[str, str | None] = {
            field: draw(NAMES) for field in ("key_hash", "user_id", "model", "model_group")
        }
        values |= {field: draw(MAYBE) for field in ("team_id", "organization_id", "end_user", "session_id")}
        outcome = draw(st.sampled_from([Outcome.OK, Outcome.REFUSED]))
        rows.append(
            make_row(
                f"req-{number}",
                started_at=FIRST + timedelta(minutes=draw(st.integers(0, 4)) * 30),
                cost_nano=draw(st.integers(0, 3)),
                prompt_tokens=draw(st.integers(0, 3)),
                tags=tuple(draw(st.lists(NAMES, max_size=2))),
                outcome=outcome,
                **values,
            )
        )
    return rows


FILTERS = st.fixed_dictionaries({}, optional={**dict.fromkeys(FIELDS, NAMES), "tag": NAMES,
    "status_filter": st.sampled_from(["success", "failure"]),
    "outcome": st.sampled_from(["ok", "refused", "failed"])})  # fmt: skip
SCOPES = st.one_of(
    st.just(ALL),
    st.builds(
        lambda user, key, teams, organizations: Scope(
            reaches=frozenset({Reach.MINE, Reach.TEAM, Reach.ORGANIZATION}),
            user_id=user,
            key_hash=key,
            teams=frozenset(teams),
            organizations=frozenset(organizations),
        ),
        NAMES, st.just("nobody's"), st.sets(NAMES, max_size=2), st.sets(NAMES, max_size=1),
    ),
)  # fmt: skip


def fits(row: SpendRow, query: dict[str, Any], scope: Scope) -> bool:
    for name, value in query.items():
        if name == "tag":
            matches = value in row.tags
        elif name == "status_filter":
            matches = (row.outcome is Outcome.OK) == (value == "success")
        elif name == "outcome":
            matches = row.outcome.value == value
        else:
            matches = getattr(row, FIELDS[name]) == value
        if not matches:
            return False
    return (
        Reach.ALL in scope.reaches
        or row.user_id == scope.user_id
        or row.team_id in scope.teams
        or row.organization_id in scope.organizations
    )


def reading(dsn: str, rows: list[SpendRow], scenario: Callable[[LogReader], Awaitable[T]]) -> T:
    async def run() -> T:
        connection = await asyncpg.connect(dsn)
        await connection.execute(
            'TRUNCATE "LiteLLM_SpendLogs", "Switchgear_DailySpend", "Switchgear_DailyTagSpend"'
        )
        if rows:
            for month in months_of(rows):
                await ensure_partition(connection, month)
            await insert_rows(connection, rows)
        await connection.close()
        database = await Database.connect(dsn)
        try:
            return await scenario(LogReader(database, ReportReader(database)))
        finally:
            await database.close()

    return asyncio.run(run())


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=made_rows(),
    query=FILTERS,
    scope=SCOPES,
    sort=st.sampled_from(["startTime", "spend", "total_tokens"]),
    order=st.sampled_from(["asc", "desc"]),
    size=st.integers(1, 7),
)
def test_pages_and_files_hold_what_fits_in_order(
    postgres_dsn: str, rows: list[SpendRow], query: dict[str, Any], scope: Scope, sort: str, order: str,
    size: int,
) -> None:  # fmt: skip
    fitting = [row for row in rows if fits(row, query, scope)]
    by_time = sorted(fitting, key=attrgetter("started_at", "request_id"))
    keys: dict[str, Callable[[SpendRow], int]] = {
        "startTime": lambda row: 0,
        "spend": attrgetter("cost_nano"),
        "total_tokens": lambda row: row.prompt_tokens + row.completion_tokens,
    }
    wanted = sorted(by_time, key=keys[sort])
    if order == "desc":
        wanted.reverse()

    async def scenario(log: LogReader) -> None:
        exported = [row async for row in log.everything(LogFilter(**MONTHS, **query), scope=scope)]
        assert exported == by_time
        asked = {**MONTHS, **query, "sort_by": sort, "sort_order": order, "page_size": size}
        seen: list[SpendRow] = []
        for number in range(1, len(fitting) // size + 2):
            page = await log.page(LogPageQuery(**asked, page=number), after=None, scope=scope)
            assert (page.total, page.total_is) == (len(fitting), "exact")
            seen += page.rows
            assert page.more == (len(seen) < len(fitting))
        assert seen == wanted
        if sort == "startTime":
            seen, after = [], None
            while True:
                page = await log.page(LogPageQuery(**asked), after=after, scope=scope)
                seen += page.rows
                if not page.more:
                    break
                after = LogPlace(page.rows[-1].started_at, page.rows[-1].request_id)
            assert seen == wanted

    reading(postgres_dsn, rows, scenario)


def test_a_file_is_read_in_batches_that_begin_where_the_last_ended(postgres_dsn: str) -> None:
    rows = [make_row(f"req-{n:04}", started_at=FIRST + timedelta(minutes=n // 700)) for n in range(2_500)]

    async def scenario(log: LogReader) -> None:
        read = log.everything(LogFilter(), scope=ALL)
        assert [row.request_id async for row in read] == [row.request_id for row in rows]

    assert len(rows) > log_reader.BATCH
    reading(postgres_dsn, rows, scenario)


def test_many_rows_of_an_outcome_that_the_rollups_count_are_counted_by_them(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = [Outcome.OK] * 5 + [Outcome.REFUSED] * 4 + [Outcome.UNCERTAIN] * 3 + [Outcome.FAILED] * 3
    rows = [make_row(f"req-{n}", started_at=FIRST, outcome=each) for n, each in enumerate(outcomes)]
    monkeypatch.setattr(log_reader, "COUNTED", 2)

    async def scenario(log: LogReader) -> None:
        for outcome, told in (
            ("ok", (5, "rollups")),
            ("refused", (4, "rollups")),
            ("uncertain", (3, "rollups")),
            ("failed", (3, "at_least")),
        ):
            query = msgspec.convert({**MONTHS, "outcome": outcome, "page_size": 3}, LogPageQuery)
            page = await log.page(query, after=None, scope=ALL)
            assert (page.total, page.total_is) == told, outcome

    reading(postgres_dsn, rows, scenario)


def test_rows_that_no_index_finds_are_looked_for_so_long_and_no_longer(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row level policy that sleeps stands for ten million rows."""
    execute(
        postgres_dsn,
        """CREATE FUNCTION slow() RETURNS boolean LANGUAGE plpgsql VOLATILE AS
           $$ BEGIN PERFORM pg_sleep(0.02); RETURN true; END $$""",
        'ALTER TABLE "LiteLLM_SpendLogs" ENABLE ROW LEVEL SECURITY',
        'ALTER TABLE "LiteLLM_SpendLogs" FORCE ROW LEVEL SECURITY',
        'CREATE POLICY slow ON "LiteLLM_SpendLogs" USING (slow())',
        "CREATE ROLE reader LOGIN",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO reader",
    )
    rows = [make_row(f"req-{n:04}", started_at=FIRST + timedelta(seconds=n)) for n in range(20)]
    monkeypatch.setattr(log_reader, "SEARCH_S", 0.2)

    async def fill(log: LogReader) -> None:
        page = await log.page(LogPageQuery(**MONTHS), after=None, scope=ALL)
        assert page.total_is == "exact"

    async def scenario() -> None:
        database = await Database.connect(postgres_dsn.replace("postgres@", "reader@"))
        log = LogReader(database, ReportReader(database))
        few = await log.page(LogPageQuery(**MONTHS, page_size=3), after=None, scope=ALL)
        assert (len(few.rows), few.total, few.total_is) == (3, 20, "rollups"), "not worth the wait"
        with pytest.raises(InvalidRequest) as refused:
            await log.page(LogPageQuery(**MONTHS), after=None, scope=ALL)
        assert refused.value.param == "start_date"
        with pytest.raises(InvalidRequest) as refused:
            await log.page(LogPageQuery(**MONTHS, sort_by="model"), after=None, scope=ALL)
        assert refused.value.param == "sort_by"
        await database.close()

    reading(postgres_dsn, rows, fill)
    try:
        asyncio.run(scenario())
    finally:
        execute(postgres_dsn, "DROP OWNED BY reader", "DROP ROLE reader")


def test_texts_that_postgres_can_not_hold_are_the_callers_mistake(postgres_dsn: str) -> None:
    async def scenario(log: LogReader) -> None:
        for query in (LogPageQuery(search="nul\0"), LogPageQuery(tag="nul\0"), LogPageQuery(model="nul\0")):
            with pytest.raises(InvalidRequest):
                await log.page(query, after=None, scope=ALL)

    reading(postgres_dsn, [], scenario)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=made_rows(),
    query=FILTERS,
    scope=SCOPES,
    sort=st.sampled_from(["startTime", "spend"]),
    order=st.sampled_from(["asc", "desc"]),
    page=st.integers(1, 3),
    size=st.integers(1, 4),
)
def test_a_page_of_sessions_has_each_sessions_newest_row_and_sums(
    postgres_dsn: str, rows: list[SpendRow], query: dict[str, Any], scope: Scope, sort: str, order: str,
    page: int, size: int,
) -> None:  # fmt: skip
    groups: dict[str, list[SpendRow]] = {}
    for row in rows:
        if fits(row, query, scope):
            groups.setdefault(row.session_id or row.request_id, []).append(row)
    expected = []
    for group in groups.values():
        newest = max(group, key=attrgetter("started_at", "request_id"))
        nano = sum(row.cost_nano for row in group)
        expected.append((nano if sort == "spend" else 0, newest.started_at, newest.request_id, len(group)))
    expected.sort(reverse=order == "desc")
    paged: dict[str, Any] = {"sort_by": sort, "sort_order": order, "page": page, "page_size": size}
    asked = LogPageQuery(**MONTHS, **query, **paged, group_by_session=True)

    async def scenario(log: LogReader) -> None:
        found = await log.sessions(asked, scope=scope)
        assert found.total == len(expected)
        assert [(each.row.request_id, each.calls) for each in found.sessions] == [
            (request_id, count) for _, _, request_id, count in expected[(page - 1) * size : page * size]
        ]
        for each in found.sessions:
            of_session = groups[each.row.session_id or each.row.request_id]
            assert each.spend * 10**9 == sum(row.cost_nano for row in of_session)

    reading(postgres_dsn, rows, scenario)


def test_too_many_rows_are_not_grouped(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "SORTED", 2)
    rows = [make_row(f"req-{number}", started_at=FIRST, session_id="s") for number in range(3)]

    async def scenario(log: LogReader) -> None:
        with pytest.raises(InvalidRequest, match="group_by_session"):
            await log.sessions(LogPageQuery(**MONTHS, group_by_session=True), scope=ALL)
        with pytest.raises(InvalidRequest, match="page"):
            await log.sessions(LogPageQuery(**MONTHS, group_by_session=True, page=10**6), scope=ALL)

    reading(postgres_dsn, rows, scenario)
