"""Sums from the rollups against the rows that they were booked from."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.contract.roles import Reach, Scope
from runtime.books import rollups
from runtime.books.insert import insert_rows
from runtime.postgres.database import Database
from runtime.postgres.partitions import ensure_partition, months_of
from runtime.reports import sums
from runtime.reports.sums import ReportReader
from schema.dates import Days
from schema.errors.requests import InvalidRequest
from schema.ledger.rows import SpendRow
from schema.ledger.sums import Dimension, SumsQuery
from schema.money import usd
from tests.runtime.attempts import make_row

T = TypeVar("T")
D = Dimension
ALL = Scope(reaches=frozenset({Reach.ALL}))
RED = Scope(reaches=frozenset({Reach.MINE, Reach.TEAM}), user_id="a", teams=frozenset({"b"}))
NAMES = st.sampled_from(["", "a", "b"])
FIRST = datetime(2026, 3, 30, tzinfo=UTC)
OF: Mapping[Dimension, Callable[[SpendRow], str]] = {
    D.DATE: lambda row: row.started_at.strftime("%Y-%m-%d"),
    D.API_KEY: lambda row: row.key_hash,
    D.USER: lambda row: row.user_id,
    D.TEAM: lambda row: row.team_id or "",
    D.ORGANIZATION: lambda row: row.organization_id or "",
    D.MODEL_GROUP: lambda row: row.model_group,
    D.MODEL: lambda row: row.model,
    D.PROVIDER: lambda row: row.provider,
    D.ENDPOINT: lambda row: row.call_type,
    D.END_USER: lambda row: row.end_user or "",
}


@st.composite
def made_rows(draw: st.DrawFn) -> list[SpendRow]:
    """Over three days and the end of a month, in no order: some come late."""
    rows = []
    for number in range(draw(st.integers(0, 20))):
        fields: dict[str, str | None] = {
            name: draw(NAMES)
            for name in ("key_hash", "user_id", "model", "model_group", "provider", "call_type")
        }
        fields |= {name: draw(NAMES) or None for name in ("team_id", "organization_id", "end_user")}
        rows.append(
            make_row(
                f"req-{number}",
                started_at=FIRST + timedelta(hours=draw(st.integers(0, 71))),
                cost_nano=draw(st.integers(0, 10**17)),
                prompt_tokens=draw(st.integers(0, 10**9)),
                tags=tuple(draw(st.lists(NAMES.filter(bool), max_size=3))),
                **fields,
            )
        )
    return rows


def reading(dsn: str, rows: list[SpendRow], scenario: Callable[[ReportReader], Awaitable[T]]) -> T:
    async def run() -> T:
        connection = await asyncpg.connect(dsn)
        tables = ", ".join(f'"{rollup.table}"' for rollup in rollups.ROLLUPS)
        await connection.execute(f'TRUNCATE "LiteLLM_SpendLogs", {tables}')
        if rows:
            for month in months_of(rows):
                await ensure_partition(connection, month)
            for batch in (rows[::2], rows[1::2], rows[:1]):
                if batch:
                    await insert_rows(connection, batch)
        await connection.close()
        database = await Database.connect(dsn)
        try:
            return await scenario(ReportReader(database))
        finally:
            await database.close()

    return asyncio.run(run())


def reached(row: SpendRow, scope: Scope) -> bool:
    return Reach.ALL in scope.reaches or row.user_id == scope.user_id or row.team_id in scope.teams


GROUPINGS = st.lists(
    st.sets(st.sampled_from(list(OF)), max_size=3), min_size=1, max_size=3, unique_by=frozenset
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=made_rows(),
    by=GROUPINGS,
    where=st.dictionaries(st.sampled_from(list(OF)[1:]), st.sets(NAMES, max_size=2), max_size=2),
    without=st.dictionaries(st.sampled_from(list(OF)[1:]), st.sets(NAMES, max_size=2), max_size=1),
    days=st.builds(
        Days, st.sampled_from([None, "2026-03-31"]), st.sampled_from([None, "2026-03-31", "2026-04-01"])
    ),
    scope=st.sampled_from([ALL, RED]),
)
def test_sums_are_those_of_the_rows(
    postgres_dsn: str, rows: list[SpendRow], by: list[set[Dimension]],
    where: dict[Dimension, set[str]], without: dict[Dimension, set[str]], days: Days, scope: Scope,
) -> None:  # fmt: skip
    groupings = tuple(tuple(sorted(each, key=lambda kind: kind.value)) for each in by)
    query = SumsQuery(
        by=groupings,
        days=days,
        where={kind: tuple(values) for kind, values in where.items()},
        without={kind: tuple(values) for kind, values in without.items()},
    )
    used = {kind for each in by for kind in each} | where.keys() | without.keys()
    wanted: dict[tuple[int, tuple[str, ...]], list[SpendRow]] = defaultdict(list)
    for row in rows:
        day = OF[D.DATE](row)
        if (
            (days.first or "") <= day <= (days.last or "9")
            and reached(row, scope)
            and all(OF[kind](row) in values for kind, values in where.items())
            and all(OF[kind](row) not in values for kind, values in without.items())
            and (row.end_user or D.END_USER not in used)
        ):
            for number, kinds in enumerate(groupings):
                wanted[number, tuple(OF[kind](row) for kind in kinds)].append(row)
    for number, kinds in enumerate(groupings):
        if not kinds:
            wanted.setdefault((number, ()), [])

    async def scenario(reports: ReportReader) -> None:
        found = await reports.sums(query, scope=scope)
        got = {
            (each.group, tuple(each.of[kind] for kind in groupings[each.group])): each.metrics
            for each in found
        }
        assert len(got) == len(found)
        assert got.keys() == wanted.keys()
        for key, metrics in got.items():
            of_rows = wanted[key]
            assert metrics.spend == usd(sum(row.cost_nano for row in of_rows))
            assert metrics.prompt_tokens == sum(row.prompt_tokens for row in of_rows)
            assert metrics.api_requests == len(of_rows)

    reading(postgres_dsn, rows, scenario)


def test_the_dearest_come_first_and_no_more_than_asked(postgres_dsn: str) -> None:
    rows = [make_row(f"req-{n}", model=f"m{n}", cost_nano=n % 4) for n in range(8)]

    async def scenario(reports: ReportReader) -> None:
        found = await reports.sums(SumsQuery(by=((D.MODEL,),), top=3), scope=ALL)
        assert [each.of[D.MODEL] for each in found] == ["m3", "m7", "m2"]
        only = await reports.sums(SumsQuery(by=((D.MODEL,),), only=("api_requests",)), scope=ALL)
        assert (only[3].metrics.api_requests, only[3].metrics.spend) == (1, Decimal(0))

    reading(postgres_dsn, rows, scenario)


def test_a_report_that_is_too_large_is_refused(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [make_row(f"req-{n}", model=f"m{n}") for n in range(8)]
    for limit in ("MAX_GROUPS", "MAX_LINES", "MAX_PAGED"):
        monkeypatch.setattr(sums, limit, 7)

    async def scenario(reports: ReportReader) -> None:
        for asked in (
            reports.sums(SumsQuery(by=((D.MODEL,),)), scope=ALL),
            reports.lines(SumsQuery(by=((D.DATE,),)), scope=ALL),
        ):
            with pytest.raises(InvalidRequest) as refused:
                await asked
            assert refused.value.param == "start_date"
        query = SumsQuery(by=((D.MODEL,),))
        with pytest.raises(InvalidRequest) as refused:
            await reports.rows(query, page=2, size=5, scope=ALL)
        assert refused.value.param == "page"
        assert (await reports.rows(query, page=1, size=5, scope=ALL)).total == 7, "no more are counted"

    reading(postgres_dsn, rows, scenario)


@pytest.mark.parametrize("scope", [ALL, RED])
def test_end_users_are_summed_whoever_asks(postgres_dsn: str, scope: Scope) -> None:
    """An admin's sums come out of a rollup of their own."""
    rows = [
        make_row(f"req-{n}", user_id="a", model=f"m{n}", end_user=f"eve-{n % 2}", cost_nano=n)
        for n in range(5)
    ]

    async def scenario(reports: ReportReader) -> None:
        for by in ((D.END_USER,), (D.DATE, D.END_USER)):
            found = await reports.sums(SumsQuery(by=(by,)), scope=scope)
            assert [(each.of[D.END_USER], each.metrics.spend) for each in found] == [
                ("eve-0", usd(6)),
                ("eve-1", usd(4)),
            ]

    reading(postgres_dsn, rows, scenario)


def test_tags_and_end_users_have_no_sums_together(postgres_dsn: str) -> None:
    async def scenario(reports: ReportReader) -> None:
        with pytest.raises(InvalidRequest) as refused:
            await reports.sums(SumsQuery(by=((D.TAG,),), where={D.END_USER: ("eve",)}), scope=ALL)
        assert refused.value.param == "end_user"

    reading(postgres_dsn, [], scenario)


class Line(msgspec.Struct):
    model: str
    api_key: str
    spend: Decimal
    total_tokens: int


ODD = st.sampled_from(["", "a", 'say "b"\\', "ü\n"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=made_rows(), odd=st.lists(ODD, min_size=20, max_size=20), top=st.integers(1, 3))
def test_large_reports_say_what_plain_sums_say(
    postgres_dsn: str, rows: list[SpendRow], odd: list[str], top: int
) -> None:
    """To the last digit, as NUMERIC writes it: they are made in ways of their own."""
    rows = [
        msgspec.structs.replace(row, model=name, key_hash=name) for row, name in zip(rows, odd, strict=False)
    ]
    summed: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        day, key, team = OF[D.DATE](row), row.key_hash, row.team_id or ""
        tokens = row.prompt_tokens + row.completion_tokens
        for group in (
            ("line", day, team, row.model, key),
            ("team", day, team),
            ("key", day, key),
            ("user", day, row.user_id),
            ("all", key),
        ):
            summed[group][0] += row.cost_nano
            summed[group][1] += tokens

    async def scenario(reports: ReportReader) -> None:
        found = await reports.lines(SumsQuery(by=((D.DATE, D.TEAM),)), scope=ALL)
        of_teams = [("team", each.of[D.DATE], each.of[D.TEAM]) for each in found]
        assert of_teams == sorted(group for group in summed if group[0] == "team")
        assert [str(each.spend) for each in found] == [str(usd(summed[group][0])) for group in of_teams]
        lines = [
            ("line", each.of[D.DATE], each.of[D.TEAM], line.model, line.api_key, str(line.spend),
             line.total_tokens)
            for each in found
            for line in msgspec.json.decode(each.lines, type=list[Line])
        ]  # fmt: skip
        assert sorted(lines) == sorted(
            (*group, str(usd(nano)), tokens) for group, (nano, tokens) in summed.items() if group[0] == "line"
        )
        by_day = await reports.spent_by_day((D.API_KEY, D.USER), SumsQuery(by=()), scope=ALL)
        assert {
            ("key" if kind is D.API_KEY else "user", day, name): str(spend)
            for day, kind, spent in by_day
            for name, spend in spent.items()
        } == {group: str(usd(nano)) for group, (nano, _) in summed.items() if group[0] in ("key", "user")}
        assert all(list(spent) == sorted(spent) for _, _, spent in by_day)
        dearest = await reports.days_of_the_dearest(SumsQuery(by=((D.API_KEY,),), top=top), scope=ALL)
        keys = sorted((-nano, group[1]) for group, (nano, _) in summed.items() if group[0] == "all")[:top]
        listed = {key for _, key in keys}
        assert [
            ("key", each.of[D.DATE], each.of[D.API_KEY], str(each.metrics.spend), each.metrics.total_tokens)
            for each in dearest
        ] == sorted(
            (*group, str(usd(nano)), tokens)
            for group, (nano, tokens) in summed.items()
            if group[0] == "key" and group[2] in listed
        )

    reading(postgres_dsn, rows, scenario)
