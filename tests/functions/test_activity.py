"""Activity by day: what a page of it holds. The parts of a day add up to the day."""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from functions import activity, customers, keys, organizations, teams, users
from functions.contract.call import Caller
from functions.contract.roles import INTERNAL_USER
from schema.activity import Breakdown, DailyActivity
from schema.errors.requests import InvalidRequest
from schema.ledger.rows import Outcome
from schema.ledger.sums import Metrics, total
from tests.functions.governed import Body, House, in_house
from tests.functions.reported import MONTH, book, row_at
from tests.functions.test_audit import served

USD = 10**9
LIMITED: dict[str, Any] = {
    "outcome": Outcome.REFUSED,
    "http_status": 429,
    "error_class": "RateLimited",
    "cost_nano": 0,
}
ROWS = (
    row_at(1, 20, cost_nano=1 * USD, organization_id="acme", end_user="eve", tags=("t", "u")),
    row_at(2, 21, cost_nano=2 * USD, user_id="bob", key_hash="b" * 64, team_id=None),
    row_at(3, 21, cost_nano=4 * USD, model="claude-x", model_group="claude", provider="anthropic",
           call_type="aembedding", organization_id="acme", end_user="max", tags=("t",)),
    row_at(4, 21, prompt_tokens=0, completion_tokens=0, **LIMITED),
)  # fmt: skip
Report = Callable[..., Awaitable[DailyActivity]]


def spent(parts: Mapping[str, Any]) -> dict[str, Decimal]:
    return {name: part.metrics.spend for name, part in parts.items()}


def test_a_day_is_broken_down_by_everything_that_a_call_has(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(keys.generate, {"key_alias": "ci", "team_id": None})
        await house.call(users.new, {"user_id": "bob", "user_email": "bob@x.test", "auto_create_key": False})
        await book(house, *ROWS, row_at(5, 21, key_hash=made.token, cost_nano=8 * USD))
        answer = await house.call(activity.user, MONTH)
        assert [day.date for day in answer.results] == ["2026-11-21", "2026-11-20"]
        day = answer.results[0]
        metrics = day.metrics
        assert (metrics.spend, metrics.api_requests, metrics.successful_requests) == (Decimal(14), 4, 3)
        assert (metrics.failed_requests, metrics.refused_requests, metrics.rate_limited_requests) == (1, 1, 1)
        assert (metrics.prompt_tokens, metrics.completion_tokens, metrics.total_tokens) == (300, 150, 450)
        assert (metrics.total_response_time_ms, metrics.timed_requests) == (12_000, 3)
        parts = day.breakdown
        assert spent(parts.models) == {"gpt-4-0613": Decimal(10), "claude-x": Decimal(4)}
        assert spent(parts.model_groups) == {"gpt-4": Decimal(10), "claude": Decimal(4)}
        assert spent(parts.providers) == {"openai": Decimal(10), "anthropic": Decimal(4)}
        assert spent(parts.endpoints) == {"acompletion": Decimal(10), "aembedding": Decimal(4)}
        assert spent(parts.entities) == {"alice": Decimal(12), "bob": Decimal(2)}
        assert spent(parts.api_keys) == {
            "a" * 64: Decimal(4),
            "b" * 64: Decimal(2),
            made.token: Decimal(8),
        }
        assert parts.mcp_servers == {}
        assert parts.entities["bob"].metadata == {"user_alias": "bob@x.test"}
        assert parts.api_keys[made.token].metadata.key_alias == "ci"
        shares = parts.models["gpt-4-0613"].api_key_breakdown
        assert spent(shares) == {"a" * 64: Decimal(0), "b" * 64: Decimal(2), made.token: Decimal(8)}
        assert (answer.metadata.total_spend, answer.metadata.total_api_requests) == (Decimal(15), 5)
        assert (answer.metadata.page, answer.metadata.total_pages, answer.metadata.has_more) == (1, 1, False)

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("report", "query", "entities"),
    [
        (activity.user, {"user_id": "bob"}, {"bob": 2}),
        (activity.user, {"user_id": "bob,alice"}, {"bob": 2, "alice": 5}),
        (activity.user, {"model": "claude-x"}, {"alice": 4}),
        (activity.user, {"api_key": "b" * 64 + "," + "c" * 64}, {"bob": 2}),
        (activity.user, {"end_date": "2026-11-20"}, {"alice": 1}),
        (activity.team, {}, {"red": 5}),
        (activity.team, {"team_ids": "blue"}, {}),
        (activity.team, {"exclude_team_ids": "red"}, {}),
        (activity.organization, {}, {"acme": 5}),
        (activity.organization, {"exclude_organization_ids": "umbrella"}, {"acme": 5}),
        (activity.customer, {}, {"eve": 1, "max": 4}),
        (activity.customer, {"end_user_ids": "max"}, {"max": 4}),
        (activity.customer, {"exclude_end_user_ids": "max"}, {"eve": 1}),
        (activity.tag, {}, {"t": 5, "u": 1}),
        (activity.tag, {"tags": "u"}, {"u": 1}),
        (activity.tag, {"exclude_tags": "t"}, {"u": 1}),
    ],
)
def test_it_is_of_whom_is_asked_for(
    postgres_dsn: str, report: Report, query: Body, entities: dict[str, int]
) -> None:
    async def scenario(house: House) -> None:
        await book(house, *ROWS)
        answer = await house.call(report, {**MONTH, **query})
        got: dict[str, Decimal] = {}
        for day in answer.results:
            for name, amount in spent(day.breakdown.entities).items():
                got[name] = got.get(name, Decimal(0)) + amount
        assert got == {name: Decimal(amount) for name, amount in entities.items()}

    in_house(postgres_dsn, scenario)


def test_teams_organizations_and_customers_are_named(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(organizations.new, {"organization_id": "acme", "organization_alias": "Acme Ltd."})
        await house.call(teams.new, {"team_id": "red", "team_alias": "Reds"})
        await house.call(customers.new, {"user_id": "eve", "alias": "Eve"})
        await book(house, ROWS[0])
        for report, id, metadata in (
            (activity.team, "red", {"team_alias": "Reds"}),
            (activity.organization, "acme", {"organization_alias": "Acme Ltd."}),
            (activity.customer, "eve", {"alias": "Eve"}),
        ):
            (day,) = (await house.call(report, MONTH)).results
            assert day.breakdown.entities[id].metadata == metadata

    in_house(postgres_dsn, scenario)


def test_pages_are_of_the_sums_rows_and_add_up(postgres_dsn: str) -> None:
    rows = [
        row_at(n, 1 + n % 7, cost_nano=n * USD, model=f"m{n % 5}", user_id=f"u{n % 3}") for n in range(100)
    ]

    async def scenario(house: House) -> None:
        await book(house, *rows)
        pages: list[DailyActivity] = []
        while True:
            query = {**MONTH, "page": len(pages) + 1, "page_size": 7}
            pages.append(await house.call(activity.user, query))
            if not pages[-1].metadata.has_more:
                break
        lines = len({(row.started_at.date(), row.model, row.user_id) for row in rows})
        assert [page.metadata.total_pages for page in pages] == [-(-lines // 7)] * len(pages)
        assert len(pages) == -(-lines // 7)
        whole = await house.call(activity.user, {**MONTH, "page_size": 1000})
        together = total([day.metrics for page in pages for day in page.results])
        assert together == total([day.metrics for day in whole.results])
        assert together.spend == Decimal(sum(range(100)))
        assert sum(page.metadata.total_spend for page in pages) == together.spend

    in_house(postgres_dsn, scenario)


def parts_of(answer: DailyActivity) -> dict[tuple[str, str, str], Metrics]:
    return {
        (day.date, kind, name): part.metrics
        for day in answer.results
        for kind in ("models", "model_groups", "providers", "endpoints", "api_keys", "entities")
        for name, part in getattr(day.breakdown, kind).items()
    }


def names_of(answer: DailyActivity) -> list[dict[str, dict[str, str]]]:
    return [{id: part.metadata for id, part in day.breakdown.entities.items()} for day in answer.results]


def test_aggregated_says_what_all_pages_together_say(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house, *ROWS)
        for query in ({}, {"user_id": "alice"}, {"model": "claude-x"}, {"api_key": "b" * 64}):
            paged = await house.call(activity.user, {**MONTH, **query, "page_size": 1000})
            whole = await house.call(activity.user_aggregated, {**MONTH, **query})
            assert [(day.date, day.metrics) for day in whole.results] == [
                (day.date, day.metrics) for day in paged.results
            ]
            assert parts_of(whole) == parts_of(paged)
            assert whole.metadata == paged.metadata

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("pages", "aggregated", "queries"),
    [
        (activity.team, activity.team_aggregated, [{"team_ids": "red"}, {"team_ids": "none"}]),
        (activity.organization, activity.organization_aggregated, [{"organization_ids": "acme"}]),
        (activity.customer, activity.customer_aggregated, [{"end_user_ids": "eve,max"}]),
        (activity.tag, activity.tag_aggregated, [{"tags": "u"}]),
    ],
    ids=["team", "organization", "customer", "tag"],
)
def test_each_aggregated_report_says_what_its_pages_together_say(
    postgres_dsn: str, pages: Report, aggregated: Report, queries: list[Body]
) -> None:
    async def scenario(house: House) -> None:
        await book(house, *ROWS)
        for query in ({}, {"model": "claude-x"}, {"api_key": "b" * 64}, *queries):
            paged = await house.call(pages, {**MONTH, **query, "page_size": 1000})
            whole = await house.call(aggregated, {**MONTH, **query})
            assert [(day.date, day.metrics) for day in whole.results] == [
                (day.date, day.metrics) for day in paged.results
            ]
            wanted = parts_of(paged)
            if pages is activity.customer:
                wanted = {part: found for part, found in wanted.items() if part[1] == "entities"}
            assert parts_of(whole) == wanted
            assert msgspec.structs.replace(whole.metadata, total_pages=paged.metadata.total_pages) == (
                paged.metadata
            )
            labels = [
                {id: part.metadata for id, part in day.breakdown.entities.items()} for day in whole.results
            ]
            assert labels == [
                {id: part.metadata for id, part in day.breakdown.entities.items()} for day in paged.results
            ]

    in_house(postgres_dsn, scenario)


def test_aggregated_reports_have_the_rows_that_the_caller_reaches_and_no_others(postgres_dsn: str) -> None:
    bob = Caller(role=INTERNAL_USER, key_hash="b" * 64, user_id="bob")

    async def scenario(house: House) -> None:
        await book(house, *ROWS, row_at(6, 21, user_id="bob", end_user="mia", tags=("v",), cost_nano=USD))
        for report, ids in (
            (activity.team_aggregated, {"red"}),
            (activity.customer_aggregated, {"mia"}),
            (activity.tag_aggregated, {"v"}),
        ):
            (day,) = (await house.call(report, MONTH, bob)).results
            assert set(day.breakdown.entities) == ids
            assert (day.metrics.api_requests, day.metrics.spend) == (1, Decimal(1))

    in_house(postgres_dsn, scenario)


def test_aggregated_breaks_days_down_by_what_was_asked_for_and_no_more(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house, *ROWS)
        for report, names in (
            (
                activity.user_aggregated,
                ("models", "model_groups", "providers", "endpoints", "api_keys", "entities"),
            ),
            (activity.team_aggregated, ("providers", "entities")),
            (activity.customer_aggregated, ("entities",)),
        ):
            whole = await house.call(report, MONTH)
            for asked in (*((name,) for name in names), names):
                part = await house.call(report, {**MONTH, "breakdown": ",".join(asked)})
                assert part.metadata == whole.metadata
                for day, found in zip(whole.results, part.results, strict=True):
                    assert found.metrics == day.metrics
                    kept = {name: getattr(day.breakdown, name) for name in asked}
                    assert found.breakdown == Breakdown(**kept)
            bare = await house.call(report, {**MONTH, "breakdown": "none"})
            assert [(day.metrics, day.breakdown) for day in bare.results] == [
                (day.metrics, Breakdown()) for day in whole.results
            ]
        with pytest.raises(InvalidRequest, match=r"breakdown: expected models, .* found 'colours'"):
            await house.call(activity.user_aggregated, {**MONTH, "breakdown": "models,colours"})

    in_house(postgres_dsn, scenario)


def test_aggregated_lists_the_hundred_dearest_keys_and_counts_all(postgres_dsn: str) -> None:
    rows = [row_at(n, key_hash=f"key-{n:03}", user_id=f"u{n:03}", cost_nano=n) for n in range(1, 131)]

    async def scenario(house: House) -> None:
        await book(house, *rows)
        (day,) = (await house.call(activity.user_aggregated, MONTH)).results
        assert set(day.breakdown.api_keys) == {f"key-{n:03}" for n in range(31, 131)}
        assert set(day.breakdown.entities) == {f"u{n:03}" for n in range(31, 131)}
        assert day.metrics.api_requests == 130

    in_house(postgres_dsn, scenario)


def test_requests_tokens_and_refusals_are_counted_by_day(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house, *ROWS)
        days = await house.call(activity.requests, MONTH)
        assert [(day.date, day.api_requests, day.total_tokens) for day in days.daily_data] == [
            ("2026-11-20", 1, 150),
            ("2026-11-21", 3, 300),
        ]
        assert (days.sum_api_requests, days.sum_total_tokens) == (4, 450)
        first, second = await house.call(activity.models, MONTH)
        assert (first.model, first.sum_api_requests, first.sum_total_tokens) == ("gpt-4", 3, 300)
        assert [day.date for day in first.daily_data] == ["2026-11-20", "2026-11-21"]
        assert (second.model, second.sum_api_requests) == ("claude", 1)
        limited = await house.call(activity.exceptions, {**MONTH, "model_group": "gpt-4"})
        assert [(day.date, day.num_rate_limit_exceptions) for day in limited.daily_data] == [
            ("2026-11-20", 0),
            ("2026-11-21", 1),
        ]
        assert limited.sum_num_rate_limit_exceptions == 1
        cached = await house.call(activity.cache_hits, MONTH)
        assert (
            sum(each.total_rows for each in cached)
            == (await house.call(activity.requests, MONTH)).sum_api_requests
        )
        assert {each.cache_hit_true_rows for each in cached} == {0}
        assert all(each.model and each.call_type for each in cached)

    in_house(postgres_dsn, scenario)


def test_what_the_response_cache_answered_is_counted_apart(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        hit = row_at(6, 21, cost_nano=0, completion_tokens=7, cache_hit=True)
        await book(house, ROWS[0], hit)
        (found,) = await house.call(activity.cache_hits, MONTH)
        assert (found.total_rows, found.cache_hit_true_rows) == (2, 1)
        assert (found.generated_completion_tokens, found.cached_completion_tokens) == (50, 7)

    in_house(postgres_dsn, scenario)


DATES = "start_date=2026-11-01&end_date=2026-11-30"


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/user/daily/activity", "start_date"),
        ("/team/daily/activity?start_date=2026-11-01", "end_date"),
        ("/tag/daily/activity?start_date=1&end_date=2026-11-01", "start_date"),
        ("/organization/daily/activity?start_date=2026-11-02&end_date=2026-11-01", "end_date"),
        (f"/customer/daily/activity?{DATES}&page=0", "page"),
        (f"/end_user/daily/activity?{DATES}&page=201&page_size=1000", "page"),
        (f"/user/daily/activity?{DATES}&page_size=0", "page_size"),
        (f"/user/daily/activity?{DATES}&page_size=1001", "page_size"),
        (f"/tag/daily/activity?{DATES}&tags={'a,' * 501}", "tags"),
        (f"/user/daily/activity/aggregated?{DATES}&api_key={'a,' * 501}", "api_key"),
        ("/user/daily/activity/aggregated?end_date=2026-11-01", "start_date"),
        ("/team/daily/activity/aggregated?start_date=2026-11-01", "end_date"),
        (
            f"/organization/daily/activity/aggregated?{DATES}&organization_ids={'a,' * 501}",
            "organization_ids",
        ),
        (f"/end_user/daily/activity/aggregated?{DATES}&end_user_ids={'a,' * 501}", "end_user_ids"),
        (f"/tag/daily/activity/aggregated?{DATES}&tags={'a,' * 501}", "tags"),
        ("/global/activity", "start_date"),
        ("/global/activity/model?start_date=2026-11-01", "end_date"),
        (f"/global/activity/exceptions?{DATES}", "model_group"),
    ],
)
def test_what_can_not_be_asked_is_refused_by_name(postgres_dsn: str, path: str, param: str) -> None:
    async def scenario(house: House) -> None:
        async with served(house) as client:
            reply = await client.get(path)
        error = reply.json()["error"]
        assert reply.status_code == 400, reply.text
        assert error["param"] == param or f"missing required field `{param}`" in error["message"]

    in_house(postgres_dsn, scenario)
