"""The daily sums are the sums of the ledger's rows, whoever writes the rows and in whatever pieces."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.books import latency, rollups
from runtime.books.insert import insert_rows
from runtime.books.rollup_key import key_of
from runtime.postgres.partitions import ensure_partition, months_of
from schema.ledger.measures import MEASURE_NAMES
from schema.ledger.rows import Outcome, SpendRow, earlier_id
from schema.tables.rollup_fill import FILL
from tests.conftest import execute
from tests.runtime.attempts import make_row

SUMMED = [(rollup.table, (*rollup.key, *MEASURE_NAMES)) for rollup in rollups.ROLLUPS]
COUNTED = [(each.table, (*each.key, *latency.COUNTS)) for each in latency.HISTOGRAMS]
CONTENT = tuple(
    f'SELECT {", ".join(("id", *columns))} FROM "{table}" ORDER BY id'
    for table, columns in (*SUMMED, *COUNTED)
)
EMPTY = tuple(f'TRUNCATE "{each.table}"' for each in (*rollups.ROLLUPS, *latency.HISTOGRAMS))
Content = list[list[tuple[object, ...]]]

NAMES = st.sampled_from(["", "a", "b", "ü", "a\x1fb"])
MAYBE = st.one_of(st.none(), st.sampled_from(["x", "y"]))
DAY = datetime(2026, 3, 31, tzinfo=UTC)


def row_of(
    number: int, second: float, outcome: Outcome, names: tuple[str, str, str], maybes: Sequence[str | None],
    tags: list[str], counts: tuple[int, int, int], first_s: float | None,
) -> SpendRow:  # fmt: skip
    started_at = DAY + timedelta(seconds=second)
    user_id, model, model_group = names
    final = number % 4 != 3
    return make_row(
        f"req-{number}" if final else earlier_id(f"req-{number}", 1),
        final=final,
        started_at=started_at,
        first_token_at=None if first_s is None else started_at + timedelta(seconds=first_s),
        outcome=outcome,
        http_status=429 if outcome is Outcome.REFUSED and model else 200,
        error_class="ModelNotFound" if outcome is Outcome.REFUSED and model_group == "a" else None,
        user_id=user_id,
        model=model,
        model_group=model_group,
        team_id=maybes[0],
        organization_id=maybes[1],
        end_user=maybes[2],
        tags=tuple(tags),
        cost_nano=counts[0],
        prompt_tokens=counts[1],
        duration_ms=counts[2],
    )


ROWS = st.lists(
    st.tuples(
        st.floats(0, 2 * 86_400 - 0.001),
        st.sampled_from(list(Outcome)),
        st.tuples(NAMES, NAMES, NAMES),
        st.tuples(MAYBE, MAYBE, MAYBE),
        st.lists(st.sampled_from(["t1", "t2", "ü"]), max_size=4),
        st.tuples(st.integers(0, 10**18), st.integers(0, 2**31 - 1), st.integers(0, 10**6)),
        st.one_of(st.none(), st.floats(0, 100)),
    ),
    max_size=30,
)


async def content(connection: asyncpg.Connection) -> Content:
    return [[tuple(row) for row in await connection.fetch(query)] for query in CONTENT]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=ROWS, cut=st.integers(0, 30))
def test_the_sums_are_those_of_the_log_however_it_was_written(
    postgres_dsn: str, found: list[tuple[float, Outcome, tuple[str, str, str], tuple[str | None, ...],
    list[str], tuple[int, int, int], float | None]], cut: int
) -> None:  # fmt: skip
    """Plain SQL adds up the log; the writer's code must have come to the same."""
    rows = [row_of(number, *facts) for number, facts in enumerate(found)]

    async def run() -> None:
        connection = await asyncpg.connect(postgres_dsn)
        try:
            await connection.execute('TRUNCATE "LiteLLM_SpendLogs"; ' + "; ".join(EMPTY))
            for month in months_of(rows):
                await ensure_partition(connection, month)
            for batch in (rows[:cut], rows[cut:], rows[:cut]):  # the last one is there already
                if batch:
                    await insert_rows(connection, batch)
            written = await content(connection)
            await connection.execute("; ".join([*EMPTY, *FILL]))
            assert written == await content(connection)
            spend = await connection.fetchval('SELECT coalesce(sum(spend), 0) FROM "Switchgear_DailySpend"')
            assert spend == Decimal(sum(row.cost_nano for row in rows)).scaleb(-9)
        finally:
            await connection.close()

    asyncio.run(run())


def test_histograms_of_the_same_calls_are_told_apart_by_fewer_columns() -> None:
    rows = [
        make_row("req-1", model="a", model_group="a", duration_ms=3),
        make_row("req-2", model="b", model_group="b", duration_ms=3),
        make_row("req-3", model="b", model_group="b", duration_ms=5, user_id="bob"),
    ]
    all_of_them, of_owners, of_models = latency.counts_of(rows, list(map(key_of, rows)))
    days = [{key: counts for key, counts in each.items() if not key[1]} for each in (all_of_them, of_owners)]
    assert [len(each) for each in days] == [3, 2]
    (shared,) = [counts for key, counts in of_owners.items() if key[3] == "alice" and not key[1]]
    assert shared[0] == {3: 2}
    assert {key[2:]: counts[0] for key, counts in of_models.items() if not key[1]} == {
        ("a", "openai"): {3: 1},
        ("b", "openai"): {3: 1, 5: 1},
    }
    assert len(of_models) == 4


def test_a_day_ends_at_midnight_utc() -> None:
    rows = [
        make_row("req-1", started_at=datetime(2026, 3, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        make_row("req-2", started_at=datetime(2026, 4, 1, tzinfo=UTC)),
    ]
    everything, *_ = rollups.sums_of(rows)
    assert [key[0] for key in everything] == ["2026-03-31", "2026-04-01"]


def test_what_was_refused_counts_as_a_request_and_takes_no_time() -> None:
    rows = [
        make_row("req-1", outcome=Outcome.OK, duration_ms=10),
        make_row("req-2", outcome=Outcome.REFUSED, duration_ms=99, first_token_at=None, cost_nano=0),
        make_row("req-3", outcome=Outcome.UNCERTAIN, duration_ms=30, cost_nano=5),
        make_row("req-4", outcome=Outcome.CANCELLED, duration_ms=2),
    ]
    (measures,) = rollups.sums_of(rows)[0].values()
    found = dict(zip(MEASURE_NAMES, measures, strict=True))
    counts = ("api", "successful", "failed", "refused", "uncertain", "timed", "ttft")
    assert [found[f"{name}_requests"] for name in counts] == [4, 1, 3, 1, 1, 3, 3]
    assert (found["total_response_time_ms"], found["uncertain_spend"]) == (42, 5)


def test_an_attempt_after_which_the_call_went_on_is_money_and_no_request() -> None:
    rows = [
        make_row("req-1-a1", final=False, outcome=Outcome.UNCERTAIN, http_status=500, cost_nano=7),
        make_row("req-1-a2", final=False, outcome=Outcome.FAILED, http_status=429, cost_nano=0),
        make_row("req-1", cost_nano=2, duration_ms=5),
    ]
    (measures,) = rollups.sums_of(rows)[0].values()
    found = dict(zip(MEASURE_NAMES, measures, strict=True))
    counts = ("api", "successful", "failed", "refused", "uncertain", "timed", "ttft", "rate_limited")
    assert [found[f"{name}_requests"] for name in counts] == [1, 1, 0, 0, 0, 1, 1, 0]
    assert (found["spend"], found["uncertain_spend"], found["total_response_time_ms"]) == (9, 7, 5)


def test_a_name_that_is_no_models_makes_no_row_of_its_own() -> None:
    rows = [
        make_row(f"req-{n}", model_group=f"made up {n}", model="", error_class="ModelNotFound")
        for n in range(9)
    ]
    assert len(rollups.sums_of(rows)[0]) == 1


def test_texts_of_any_length_have_a_sum(postgres_dsn: str) -> None:
    """An index entry of them all would be over Postgres' limit."""
    row = make_row(
        "req-1", model_group="\U0001f600" * 500, model="\U0001f601" * 500, end_user="\U0001f602" * 500
    )

    async def run() -> object:
        connection = await asyncpg.connect(postgres_dsn)
        await ensure_partition(connection, row.started_at.date().replace(day=1))
        await insert_rows(connection, [row])
        found = await connection.fetchval('SELECT sum(spend) FROM "Switchgear_DailyEndUserSpend"')
        await connection.close()
        return found

    assert asyncio.run(run()) == Decimal("0.001234567")


def test_two_writers_at_once_add_up_and_never_deadlock(postgres_dsn: str) -> None:
    def batch(writer: int, number: int) -> list[SpendRow]:
        models = [f"model-{n}" for n in range(40)]
        if writer % 2:
            models.reverse()
        return [
            make_row(f"req-{writer}-{number}-{model}", model=model, end_user=model, tags=("a", "b"),
                     user_id="", team_id=None, key_hash="k")
            for model in models
        ]  # fmt: skip

    async def write(writer: int) -> None:
        connection = await asyncpg.connect(postgres_dsn)
        for number in range(15):
            await insert_rows(connection, batch(writer, number))
        await connection.close()

    async def run() -> None:
        connection = await asyncpg.connect(postgres_dsn)
        await ensure_partition(connection, batch(0, 0)[0].started_at.date().replace(day=1))
        await asyncio.gather(*(write(writer) for writer in range(4)))
        for (table, _), times in zip(rollups.ROLLUPS, (1, 1, 2, 1), strict=True):
            found = await connection.fetchrow(f'SELECT count(*), sum(api_requests) AS n FROM "{table}"')
            assert (found["count"], found["n"]) == (40 * times, 4 * 15 * 40 * times)
        for (table, _), rows in zip(latency.HISTOGRAMS, (40, 1, 1), strict=True):
            for grain in ("=", "<>"):
                counted = await connection.fetchrow(
                    f"""SELECT count(*), sum((SELECT sum(calls) FROM unnest(duration_counts) AS calls)) AS n
                    FROM "{table}" WHERE hour {grain} ''"""
                )
                assert (counted["count"], counted["n"]) == (rows, 4 * 15 * 40)
        await connection.close()

    asyncio.run(run())


def test_a_batch_that_is_rolled_back_leaves_no_sum(postgres_dsn: str) -> None:
    async def run() -> object:
        connection = await asyncpg.connect(postgres_dsn)
        transaction = connection.transaction()
        await transaction.start()
        await rollups.add(connection, [make_row()])
        await transaction.rollback()
        count = await connection.fetchval('SELECT count(*) FROM "Switchgear_DailySpend"')
        await connection.close()
        return count

    assert asyncio.run(run()) == 0


PEERS = {
    "LiteLLM_DailyUserSpend": "user_id",
    "LiteLLM_DailyTeamSpend": "team_id",
    "LiteLLM_DailyOrganizationSpend": "organization_id",
    "LiteLLM_DailyEndUserSpend": "end_user_id",
    "LiteLLM_DailyTagSpend": "tag",
    "LiteLLM_DailyGlobalSpend": None,
}
DAILY = {
    "id", "date", "model", "model_group", "custom_llm_provider", "mcp_namespaced_tool_name", "endpoint",
    "prompt_tokens", "completion_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
    "compression_saved_tokens", "api_requests", "successful_requests", "failed_requests",
    "total_response_time_ms", "timed_requests", "spend", "compression_savings_spend",
    "prompt_caching_savings_spend", "gateway_injected_caching_savings_spend", "autorouter_savings_spend",
    "created_at", "updated_at",
}  # fmt: skip


@pytest.mark.parametrize(("view", "entity"), PEERS.items())
def test_a_daily_table_of_the_peer_is_a_view_with_its_columns(
    postgres_dsn: str, view: str, entity: str | None
) -> None:
    wanted = DAILY | ({entity, "api_key"} if entity else set())

    async def run() -> None:
        connection = await asyncpg.connect(postgres_dsn)
        row = make_row(started_at=datetime.now(UTC), organization_id="acme", end_user="eve", tags=("t",))
        await insert_rows(connection, [row, make_row("req-2", started_at=row.started_at, team_id=None)])
        found = await connection.fetch(f'SELECT * FROM "{view}" ORDER BY spend DESC')
        assert wanted <= set(found[0].keys())
        assert sum(each["api_requests"] for each in found) == (2 if entity in ("user_id", None) else 1)
        await connection.close()

    asyncio.run(run())


def test_the_peers_views_say_the_same_of_thirty_days(postgres_dsn: str) -> None:
    now = datetime.now(UTC)
    execute(
        postgres_dsn,
        f"""INSERT INTO "LiteLLM_VerificationToken" (token, key_alias, key_name)
            VALUES ('{"a" * 64}', 'ci', 'sk-...1234')""",
    )
    rows = [
        make_row("req-1", started_at=now, end_user="eve", tags=("t",)),
        make_row("req-2", started_at=now, model="other", cost_nano=10**9),
        make_row("req-3", started_at=now - timedelta(days=31), cost_nano=10**12),
    ]

    async def run() -> None:
        connection = await asyncpg.connect(postgres_dsn)
        for month in months_of(rows):
            await ensure_partition(connection, month)
        await insert_rows(connection, rows)

        async def view(name: str) -> list[tuple[object, ...]]:
            return [tuple(row) for row in await connection.fetch(f'SELECT * FROM "{name}"')]

        day, spend, first = now.date(), Decimal("1.001234567"), Decimal("0.001234567")
        assert await view("MonthlyGlobalSpend") == [(day, spend)]
        assert await view("MonthlyGlobalSpendPerKey") == [(day, spend, "a" * 64)]
        assert await view("MonthlyGlobalSpendPerUserPerKey") == [(day, spend, "a" * 64, "alice")]
        assert await view("Last30dKeysBySpend") == [("a" * 64, "ci", "sk-...1234", spend)]
        assert await view("Last30dModelsBySpend") == [("other", Decimal(1)), ("gpt-4-0613", first)]
        assert await view("Last30dTopEndUsersSpend") == [("eve", 1, first)]
        assert await view("DailyTagSpend") == [("t", day, 1, first)]
        await connection.close()

    asyncio.run(run())
