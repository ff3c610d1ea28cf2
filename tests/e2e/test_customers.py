"""Customers that nobody entered, over real workers: their budgets, their rows and their blocks hold."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import httpx
import pytest

from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.gateway import Gateway, query, serving, until
from tests.fakes.answers import COMPLETION_TOKENS
from tests.fakes.hostile_upstream import HostileUpstream

CALL_USD = Decimal(COMPLETION_TOKENS) / 1000
CALLS = 5
"""How many calls the default budget of a customer is enough for, and a part of the next."""
OF_KEY = 2
"""The same of the budget that a key gives its customers."""
ASK = {"model": "paid", "messages": [{"role": "user", "content": "hi"}], "max_tokens": COMPLETION_TOKENS}


@pytest.fixture(scope="module")
def shop(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway of two workers."""
    execute(postgres_server, f"CREATE DATABASE shop TEMPLATE {migrated_template}")
    params = {
        "model": "openai/gpt-x",
        "api_base": f"{upstream.url}/v1",
        "api_key": "sk-upstream",
        "input_cost_per_token": 0,
        "output_cost_per_token": 0.001,
    }
    config = {
        "model_list": [{"model_name": "paid", "litellm_params": params}],
        "litellm_settings": {"max_end_user_budget": float(CALL_USD * (CALLS + Decimal("0.5")))},
    }
    folder, dsn = tmp_path_factory.mktemp("shop"), dsn_of(postgres_server, "shop")
    with serving(folder, config, dsn, "--workers", "2") as gateway:
        yield gateway
    execute(postgres_server, "DROP DATABASE shop WITH (FORCE)")


def statuses(gateway: Gateway, key: str, customers: list[str], times: int) -> dict[str, Counter[int]]:
    """The statuses of calls that are made at once, on connections of their own, by customer."""

    async def one(http: httpx.AsyncClient, customer: str) -> tuple[str, int]:
        headers = {"authorization": f"Bearer {key}", "x-litellm-customer-id": customer, "connection": "close"}
        answer = await http.post(f"{gateway.url}/v1/chat/completions", json=ASK, headers=headers)
        return customer, answer.status_code

    async def run() -> dict[str, Counter[int]]:
        found: dict[str, Counter[int]] = {customer: Counter() for customer in customers}
        async with httpx.AsyncClient(timeout=60) as http:
            calls = [one(http, customer) for _ in range(times) for customer in customers]
            for customer, status in await asyncio.gather(*calls):
                found[customer][status] += 1
        return found

    return asyncio.run(run())


def row_of(gateway: Gateway, customer: str) -> dict[str, object] | None:
    sql = """SELECT spend, created_by, blocked FROM "LiteLLM_EndUserTable" WHERE user_id = $1"""
    found = asyncio.run(query(gateway.dsn, sql, customer))
    return dict(found[0]) if found else None


def test_a_customer_that_nobody_entered_spends_its_default_budget_and_no_more(shop: Gateway) -> None:
    key = shop.virtual_key("of-the-shop")
    customers = [f"stranger-{number}" for number in range(6)]
    first = statuses(shop, key, customers, 2)
    assert all(found == {200: 2} for found in first.values())
    until(lambda: all(row_of(shop, each) is not None for each in customers), what="the customers' rows")
    rest = statuses(shop, key, customers, 12)
    for customer in customers:
        assert rest[customer] == {200: CALLS - 2, 422: 14 - CALLS}, customer
    spent = CALL_USD * CALLS
    until(
        lambda: all((row_of(shop, each) or {}).get("spend") == spent for each in customers),
        what="what the customers spent",
    )
    info = shop.get("/customer/info?end_user_id=stranger-0").json()
    assert (Decimal(str(info["spend"])), info["blocked"]) == (spent, False)
    assert str(info["created_by"]).startswith("key:")


def test_the_row_frees_and_blocks_the_customer_at_once(shop: Gateway) -> None:
    key = shop.virtual_key("of-the-other-shop")
    assert statuses(shop, key, ["freed"], CALLS + 1)["freed"][200] == CALLS
    until(
        lambda: (row_of(shop, "freed") or {}).get("spend") == CALL_USD * CALLS, what="what the customer spent"
    )
    assert statuses(shop, key, ["freed"], 1)["freed"] == {422: 1}
    execute(shop.dsn, """UPDATE "LiteLLM_EndUserTable" SET spend = 0 WHERE user_id = 'freed'""")
    until(lambda: statuses(shop, key, ["freed"], 1)["freed"] == {200: 1}, 2.0, what="the reset")
    assert shop.post("/customer/block", user_ids=["freed"]).status_code == 200
    until(lambda: statuses(shop, key, ["freed"], 1)["freed"] == {403: 1}, 1.5, what="the block")


def test_the_budget_that_a_key_gives_its_customers_is_each_ones_own(shop: Gateway) -> None:
    budget = {"budget_id": "of-the-key", "max_budget": float(CALL_USD * (OF_KEY + Decimal("0.5")))}
    assert shop.post("/budget/new", **budget).status_code == 200  # type: ignore[arg-type]
    key = shop.virtual_key("gives", end_user_budget_id="of-the-key")
    again = shop.virtual_key("gives-too", end_user_budget_id="of-the-key")
    found = statuses(shop, key, ["u1", "u2"], 4)
    assert found == {"u1": {200: OF_KEY, 422: 2}, "u2": {200: OF_KEY, 422: 2}}
    assert statuses(shop, again, ["u1"], 1)["u1"] == {422: 1}, "whichever key names it"
    assert statuses(shop, shop.virtual_key("plain"), ["u1"], 1)["u1"] == {200: 1}, (
        "another key's do not count"
    )
    assert shop.post("/customer/new", user_id="own", max_budget=100).status_code == 200
    assert statuses(shop, key, ["own"], OF_KEY + 1)["own"] == {200: OF_KEY + 1}, "its own counts first"
    answer = shop.post("/budget/update", budget_id="of-the-key", max_budget=100)
    assert answer.status_code == 200
    until(lambda: statuses(shop, key, ["u2"], 1)["u2"] == {200: 1}, 1.5, what="the larger budget")
    assert shop.post("/budget/delete", id="of-the-key").status_code == 200
    until(lambda: statuses(shop, key, ["u2"], 1)["u2"] == {403: 1}, 1.5, what="the end of the budget")
