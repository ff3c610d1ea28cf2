"""Budgets and limits over all calls that have a tag."""

import asyncio
from collections.abc import Awaitable, Callable

from runtime.limits.tag_budgets import TagBudgets
from runtime.postgres.database import Database
from schema.limits import Meter
from tests.conftest import execute

TAGS = """
    INSERT INTO "LiteLLM_BudgetTable" (budget_id, max_budget, rpm_limit, model_max_budget, budget_limits)
        VALUES ('small', 5, 10, '{}', '[]'), ('wrong', -5, NULL, '{}', '[]');
    INSERT INTO "LiteLLM_TagTable" (tag_name, budget_id)
        VALUES ('alpha', 'small'), ('beta', 'small'), ('free', NULL), ('broken', 'wrong');
"""


def run(dsn: str, scenario: Callable[[TagBudgets], Awaitable[None]]) -> None:
    async def whole() -> None:
        database = await Database.connect(dsn)
        found = TagBudgets(database)
        try:
            await found.start()
            await scenario(found)
        finally:
            await found.close()
            await database.close()

    asyncio.run(whole())


def test_each_tag_has_a_budget_of_its_own(postgres_dsn: str) -> None:
    execute(postgres_dsn, TAGS)

    async def scenario(found: TagBudgets) -> None:
        rules = found.rules(["alpha", "free", "nosuch", "beta", "alpha"])
        accounts = [rule.account for rule in rules]
        assert accounts == ["money:tag:alpha", "rpm:tag:alpha", "money:tag:beta", "rpm:tag:beta"]
        money = rules[0]
        assert (money.limit, money.holder.kind, money.holder.object_id) == (5_000_000_000, "tag", "alpha")
        assert set(money.topics) == {"tag:alpha", "budget:small"}
        assert found.rules([]) == ()

    run(postgres_dsn, scenario)


def test_a_budget_that_sql_wrote_wrong_lets_nothing_pass(postgres_dsn: str) -> None:
    execute(postgres_dsn, TAGS)

    async def scenario(found: TagBudgets) -> None:
        (rule,) = found.rules(["broken"])
        assert (rule.meter, rule.limit) == (Meter.REQUESTS, 0)

    run(postgres_dsn, scenario)


def test_a_change_is_heard_of(postgres_dsn: str) -> None:
    async def scenario(found: TagBudgets) -> None:
        assert found.known == {}
        await asyncio.to_thread(execute, postgres_dsn, TAGS)
        found.heard("key:x")
        assert found.known == {}
        found.heard("tag:alpha")
        for _ in range(2_000):
            if found.known:
                break
            await asyncio.sleep(0.005)
        assert set(found.known) == {"alpha", "beta", "broken"}

    run(postgres_dsn, scenario)
