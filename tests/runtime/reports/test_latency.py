"""A report on durations is the same from each table of histograms that has it, and reads the shortest."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import asyncpg
import pytest

from functions.contract.roles import Reach, Scope
from runtime.books.insert import insert_rows
from runtime.books.latency import HISTOGRAMS, OF_ALL, OF_MODELS, OF_OWNERS, Histograms
from runtime.postgres.database import Database
from runtime.postgres.partitions import ensure_partition, months_of
from runtime.reports import latency
from runtime.reports.latency import LatencyReader, histograms_for
from schema.latency import LatencyGroup, LatencyStep, TimedCalls, WantedLatency
from tests.runtime.attempts import make_row

T = TypeVar("T")
G = LatencyGroup
ALL = Scope(reaches=frozenset({Reach.ALL}))
RED = Scope(reaches=frozenset({Reach.MINE, Reach.TEAM}), user_id="user-1", teams=frozenset({"team-2"}))
FIRST = datetime(2026, 3, 30, tzinfo=UTC)
ROWS = [
    make_row(
        f"req-{n}",
        started_at=FIRST + timedelta(hours=n % 50),
        duration_ms=7 * n,
        key_hash=f"key-{n % 5}",
        user_id=f"user-{n % 3}",
        team_id=f"team-{n % 4}" if n % 4 else None,
        organization_id=f"org-{n % 2}" if n % 2 else None,
        model_group=f"model-{n % 7}",
        model=f"vendor-model-{n % 7}",
        provider=f"vendor-{n % 2}",
    )
    for n in range(200)
]


def wanted(by: LatencyGroup, step: LatencyStep = LatencyStep.DAY, **where: tuple[str, ...]) -> WantedLatency:
    filters = {G(name): values for name, values in where.items()}
    return WantedLatency(first="2026-03-30", last="2026-03-31", step=step, by=by, where=filters)


def reading(dsn: str, scenario: Callable[[LatencyReader], Awaitable[T]]) -> T:
    async def run() -> T:
        connection = await asyncpg.connect(dsn)
        for month in months_of(ROWS):
            await ensure_partition(connection, month)
        for batch in (ROWS[::2], ROWS[1::2]):
            await insert_rows(connection, batch)
        await connection.close()
        database = await Database.connect(dsn)
        try:
            return await scenario(LatencyReader(database))
        finally:
            await database.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("asked", "scope", "found"),
    [
        (wanted(G.NONE), ALL, OF_MODELS),
        (wanted(G.MODEL), ALL, OF_MODELS),
        (wanted(G.PROVIDER, model=("model-1",)), ALL, OF_MODELS),
        (wanted(G.NONE), RED, OF_OWNERS),
        (wanted(G.KEY), ALL, OF_OWNERS),
        (wanted(G.TEAM, user=("user-1",)), RED, OF_OWNERS),
        (wanted(G.NONE, team=("team-1",)), ALL, OF_OWNERS),
        (wanted(G.MODEL), RED, OF_ALL),
        (wanted(G.KEY, model=("model-1",)), ALL, OF_ALL),
        (wanted(G.MODEL, team=("team-1",)), ALL, OF_ALL),
    ],
)
def test_the_shortest_table_is_read(asked: WantedLatency, scope: Scope, found: Histograms) -> None:
    assert histograms_for(asked, scope) == found


def test_every_table_that_can_answer_gives_the_same(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {each: {*each.subject} for each in HISTOGRAMS}

    async def scenario(reader: LatencyReader) -> None:
        for scope in (ALL, RED):
            for step in LatencyStep:
                for by in G:
                    for where in ({}, {"model": ("model-1", "model-2")}, {"team": ("team-1",)}):
                        asked = wanted(by, step, **where)
                        used = {latency.COLUMNS[each] for each in (by, *asked.where) if each is not G.NONE}
                        used |= set() if scope.everything else {*OF_OWNERS.subject}
                        answers: list[list[TimedCalls]] = []
                        for table in (each for each in HISTOGRAMS if used <= columns[each]):
                            monkeypatch.setattr(latency, "histograms_for", lambda *_, table=table: table)
                            answers.append(await reader.timed(asked, scope=scope))
                        assert answers[0]
                        assert all(each == answers[0] for each in answers)
        monkeypatch.undo()
        (all_of_them,) = await reader.timed(wanted(G.NONE, LatencyStep.TOTAL), scope=ALL)
        assert all_of_them.duration_ms.calls == sum(
            row.started_at < FIRST + timedelta(days=2) for row in ROWS
        )

    reading(postgres_dsn, scenario)


def test_a_report_on_everything_needs_the_shortest_table_alone(postgres_dsn: str) -> None:
    async def scenario(reader: LatencyReader) -> list[TimedCalls]:
        connection = await asyncpg.connect(postgres_dsn)
        await connection.execute(f'TRUNCATE "{OF_ALL.table}", "{OF_OWNERS.table}"')
        await connection.close()
        return await reader.timed(wanted(G.MODEL, LatencyStep.TOTAL), scope=ALL)

    assert [each.group for each in reading(postgres_dsn, scenario)] == [f"model-{n}" for n in range(7)]
