"""What a row is charged, and what it says about its price, with the real ledger and the real Postgres."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from functions.contract.roles import Reach, Scope
from models_registry.bounds.chat import ChatBounds
from models_registry.prices.charges import attempt_parts
from models_registry.prices.price import FEMTO_PER_NANO, Price, Service, cost_nano
from models_registry.target import Target
from runtime.books.insert import insert_rows
from runtime.ledger.attempts import AttemptHold
from runtime.limits.ceilings import full_ceiling
from runtime.postgres.database import Database
from runtime.postgres.partitions import ensure_partition
from runtime.reports.spend import SpendReader
from schema.errors.upstream import UpstreamTimeout
from schema.ledger.journal import row_of, unsettled
from schema.ledger.rows import Outcome, SpendRow, usage_of
from schema.spend import SpendLog, SpendQuery, spend_log
from schema.tables.partitions import month_of
from schema.usage import UNKNOWN_TIER, RareMeters, Usage
from tests.fakes.ledger import FakeLedger
from tests.models_registry.backends.making import PIXEL, chat
from tests.models_registry.config.test_deployments import compiled
from tests.runtime.attempts import make_call, make_row, make_target

USD = 10**9
PRICE = Price(
    input=2 * USD,
    output=8 * USD,
    image=10**12,
    services=(
        Service(name="flex", price=Price(input=1 * USD, output=4 * USD)),
        Service(name="priority", price=Price(input=5 * USD, output=20 * USD)),
    ),
    version="v1",
    effective=date(2026, 3, 1),
)


def held(target: Target, **fields: Any) -> tuple[AttemptHold, FakeLedger, ChatBounds]:
    ledger, bounds = FakeLedger(), ChatBounds(chat(**fields), target)
    hold = asyncio.run(ledger.hold(make_call(), target, streamed=True, bounds=bounds, customer=None))
    return hold, ledger, bounds


PICTURE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]}]


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": 100},
        {"max_tokens": 100, "service_tier": "default"},
        {"max_tokens": 100, "service_tier": "flex"},
        {"max_tokens": 100, "service_tier": "priority"},
        {"max_tokens": 100, "messages": PICTURE},
    ],
)
def test_a_call_that_nobody_knows_the_end_of_costs_exactly_what_its_hold_took(fields: dict[str, Any]) -> None:
    target = make_target(price=PRICE)
    hold, ledger, bounds = held(target, **fields)
    hold.fail(UpstreamTimeout("slow"))
    (row,) = ledger.rows
    assert row.cost_nano == full_ceiling(target, bounds)
    assert row.estimated


def test_a_call_whose_worker_died_costs_the_same_again_at_the_same_price(postgres_dsn: str) -> None:
    _, ledger, _ = held(make_target(price=PRICE), max_tokens=100, messages=PICTURE)
    (written,) = ledger.sink.held.values()
    row = stored(postgres_dsn, row_of(written, unsettled(written, written.started_at)))
    assert row.cost_nano == written.ceiling_nano > PRICE.image // FEMTO_PER_NANO
    assert sum(attempt_parts(PRICE, row.outcome, usage_of(row), row.duration_ms)) == row.cost_nano


@pytest.mark.parametrize("end", [lambda h, usage: h.cancel(usage), lambda h, usage: h.settle(usage)])
def test_a_bound_is_never_above_the_hold_nor_below_the_tier_that_may_have_been_served(
    end: Callable[[AttemptHold, Usage], None],
) -> None:
    target = make_target(price=PRICE)
    hold, ledger, bounds = held(target, max_tokens=100)
    end(hold, bounds.produced(60, whole=True))
    (row,) = ledger.rows
    dearest = cost_nano(
        PRICE.services[1].price, Usage(prompt_tokens=bounds.prompt_tokens, completion_tokens=60)
    )
    ceiling = full_ceiling(target, bounds)
    assert ceiling is not None
    assert row.service_tier == UNKNOWN_TIER
    assert dearest == row.cost_nano <= ceiling
    asked = bounds.produced(10**9)
    assert asked.completion_tokens == 100


def test_a_bound_of_a_call_at_the_list_price_is_charged_at_it() -> None:
    hold, ledger, bounds = held(make_target(price=PRICE), max_tokens=100, service_tier="default")
    hold.cancel(bounds.produced(60, whole=True))
    (row,) = ledger.rows
    assert row.service_tier == ""
    assert row.cost_nano == bounds.prompt_tokens * 2_000 + 60 * 8_000


def test_a_tier_that_the_price_does_not_know_is_an_estimate_at_the_dearest_and_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    used = Usage(prompt_tokens=1_000, completion_tokens=100, cached_tokens=900, service_tier="scale")
    ledger, target = FakeLedger(), make_target(price=PRICE)
    for _ in range(2):
        bounds = ChatBounds(chat(), target)
        coroutine = ledger.hold(make_call(), target, streamed=False, bounds=bounds, customer=None)
        asyncio.run(coroutine).settle(used)
    for row in ledger.rows:
        assert (row.cost_nano, row.estimated, row.service_tier) == (
            1_000 * 5_000 + 100 * 20_000,
            True,
            "scale",
        )
        assert (row.cached_tokens, row.outcome) == (900, Outcome.OK)
    assert [record.getMessage() for record in caplog.records if "'scale'" in record.getMessage()] == [
        "gpt-4 was served at the tier 'scale', and its price has no rates for it: booked at the dearest"
    ]


def test_a_tier_costs_nothing_where_the_price_is_free() -> None:
    hold, ledger, _ = held(make_target(price=Price(source="local")))
    hold.settle(Usage(prompt_tokens=10, completion_tokens=5, service_tier="scale"))
    assert (ledger.rows[0].cost_nano, ledger.rows[0].estimated) == (0, False)


def test_a_row_says_what_the_cache_saved_against_the_plain_price() -> None:
    price = msgspec.structs.replace(PRICE, cached=USD // 5, cache_write=3 * USD)
    used = Usage(prompt_tokens=1_000, completion_tokens=10, cached_tokens=800, cache_write_tokens=100)
    hold, ledger, _ = held(make_target(price=price))
    hold.settle(used)
    (row,) = ledger.rows
    assert row.cache_saved_nano == 800 * (2_000 - 200)
    log = msgspec.json.decode(msgspec.json.encode(spend_log(row)), type=SpendLog)
    assert log.metadata.cache_saved == Decimal("0.00144")
    hold, ledger, _ = held(make_target(price=price))
    hold.fail(UpstreamTimeout("slow"))
    assert b"cache_saved" not in msgspec.json.encode(spend_log(ledger.rows[0]))


def stored(dsn: str, row: SpendRow) -> SpendRow:
    """The row, written to Postgres and read back."""

    async def run() -> SpendRow:
        database = await Database.connect(dsn)
        async with database.connection() as connection:
            await ensure_partition(connection, month_of(row.started_at.date()))
            await insert_rows(connection, [row])
        (found,) = await SpendReader(database).rows(SpendQuery(), scope=Scope(reaches=frozenset({Reach.ALL})))
        await database.close()
        return found

    return asyncio.run(run())


def test_the_price_its_source_version_and_date_and_every_meter_stay_with_the_row(postgres_dsn: str) -> None:
    rare = RareMeters(cache_write_1h_tokens=7, audio_input_tokens=5, web_searches=2, search_context="high")
    used = Usage(
        prompt_tokens=900,
        completion_tokens=80,
        cached_tokens=300,
        cache_write_tokens=20,
        reasoning_tokens=30,
        service_tier="priority",
        rare=rare,
    )
    price = msgspec.structs.replace(PRICE, image=0)
    hold, ledger, _ = held(make_target(price=price))
    hold.settle(used)
    (booked,) = ledger.rows
    row = stored(postgres_dsn, booked)
    assert (row.price_source, row.price_version, row.price_effective) == ("config", "v1", date(2026, 3, 1))
    assert usage_of(row) == used
    assert row.cost_nano == cost_nano(price, usage_of(row), row.duration_ms) == sum(row.cost_parts)
    log = msgspec.json.decode(msgspec.json.encode(spend_log(row)), type=SpendLog)
    assert (log.price_version, log.service_tier) == ("v1", "priority")


def test_a_bound_whose_input_was_reported_is_read_back_as_one(postgres_dsn: str) -> None:
    used = Usage(
        prompt_tokens=900, completion_tokens=80, cached_tokens=800, estimated=True, input_reported=True
    )
    price = Price(input=3 * USD, cached=1 * USD, cache_write=9 * USD, output=5 * USD)
    hold, ledger, _ = held(make_target(price=price))
    hold.cancel(used)
    row = stored(postgres_dsn, ledger.rows[0])
    assert usage_of(row) == used
    assert row.cost_nano == 100 * 3_000 + 800 * 1_000 + 80 * 5_000 == cost_nano(price, usage_of(row))


def test_a_stored_row_can_be_costed_again_at_the_price_of_another_date(postgres_dsn: str) -> None:
    target = compiled(model="openai/o3")
    hold, ledger, _ = held(msgspec.structs.replace(target, local=False))
    hold.settle(Usage(prompt_tokens=1_000, completion_tokens=1_000, reasoning_tokens=900))
    row = stored(postgres_dsn, ledger.rows[0])
    before = target.pricing.price(row.model, datetime(2025, 6, 9, tzinfo=UTC))
    assert before is not None
    assert (row.cost_nano, row.price_effective) == (10_000_000, date(2025, 6, 10))
    assert cost_nano(before, usage_of(row), row.duration_ms) == 50_000_000


@pytest.mark.parametrize("held_nano", [1_500_000_000, None])
def test_a_row_that_cost_more_than_was_held_says_so(postgres_dsn: str, held_nano: int | None) -> None:
    row = msgspec.structs.replace(make_row("req-dear", cost_nano=9 * 10**9), held_nano=held_nano)
    assert stored(postgres_dsn, row).held_nano == held_nano
