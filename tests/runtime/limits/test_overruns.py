"""Calls that cost more than was held for them. Every budget over such a call is charged at once, so that the
call is the last one that passes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from runtime.limits.refusals import refusal
from runtime.limits.rules import Level, Limits, money_rules
from runtime.limits.shortfalls import NotEnough
from runtime.limits.slices import Need, give_back
from schema.errors.overload import DatabaseUnavailable
from schema.fields import BudgetWindow, ModelBudget
from schema.limits import Meter, Rule
from tests.conftest import execute
from tests.runtime.limits.lease_worker import Worker, budget
from tests.runtime.limits.losing import Losing
from tests.runtime.limits.test_governor import (
    CENT,
    MAKE_TEAM,
    WAITING_FOR_A_LOCK,
    Unreachable,
    account,
    spent,
    until,
    with_workers,
)

LEVELS = ("key", "user", "team", "member", "organization", "customer", "tag", "project", "global")


@pytest.fixture
def dsn(postgres_dsn: str) -> str:
    execute(postgres_dsn, MAKE_TEAM)
    return postgres_dsn


async def refused(worker: Worker, rule: Rule, nano: int) -> bool:
    return await worker.admit((rule, nano)) is None


async def stands(worker: Worker, rule: Rule) -> tuple[int, int]:
    """What was spent of the team's budget, and what is leased."""
    return await spent(worker), (await account(worker, rule.account))["leased"]


async def overrun(worker: Worker, rule: Rule, *, held: int, cost: int) -> None:
    taken = await worker.admit((rule, held))
    assert taken is not None
    worker.settle(taken[0], cost)


async def heard(workers: Sequence[Worker]) -> None:
    """What a worker was told may make it return something, of which the others are told."""
    for _ in range(2):
        for worker in workers:
            await worker.hear()


def rules_of(kind: str) -> list[Rule]:
    """Each form of budget that somebody can have, of 60 cents."""
    sixty = Decimal("0.6")
    forms = (
        Limits(max_budget=sixty),
        Limits(max_budget=sixty, budget_duration="1d"),
        Limits(budget_limits=[BudgetWindow(budget_duration="1h", max_budget=sixty)]),
        Limits(model_max_budget={"gpt-4": ModelBudget(budget_limit=sixty)}),
    )
    part = "y" if kind == "member" else ""
    levels = [Level(kind=kind, who=kind, subject=kind, id=str(form), part=part) for form in range(len(forms))]
    return [rule for level, limits in zip(levels, forms, strict=True) for rule in money_rules(level, limits)]


@pytest.mark.parametrize("kind", LEVELS)
def test_every_form_of_budget_is_shut_by_the_call_that_exceeds_it(dsn: str, kind: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        for rule in rules_of(kind):
            passed = 0
            for number in range(6):
                worker = workers[number % 2]
                taken = await worker.admit((rule, CENT))
                if taken is not None:
                    passed += 1
                    worker.settle(taken[0], 50 * CENT)
                    await heard(workers)
            assert passed == 2, rule.account

    with_workers(dsn, 2, scenario)


def test_a_call_charges_all_budgets_over_it_at_once(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        rules = [rule for kind in LEVELS for rule in rules_of(kind)]
        admitted = await worker.admit(*[(rule, CENT) for rule in rules])
        assert admitted is not None
        for taken in admitted:
            worker.settle(taken, 70 * CENT)
        for rule in rules:
            assert await refused(worker, rule, 1), rule.account

    with_workers(dsn, 1, scenario)


@pytest.mark.parametrize("booked", ["before", "after", "never"])
def test_spent_and_leased_rise_by_the_cost_whichever_comes_first(dsn: str, booked: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        worker, other = workers
        rule = budget("red", 100 * CENT)
        taken = await worker.admit((rule, 20 * CENT))
        assert taken is not None
        before = sum(await stands(worker, rule))
        if booked == "before":
            worker.database.pool = Losing(worker.database.pool, "switchgear_return", done=False)
        worker.settle(taken[0], 90 * CENT)
        if booked == "before":
            await worker.flush()
            assert await spent(worker) == 90 * CENT
            assert await refused(other, rule, 11 * CENT), "what is below zero is no room for others"
        await worker.hear()
        if booked == "after":
            await worker.flush()
        assert sum(await stands(worker, rule)) == before + 70 * CENT
        assert await refused(other, rule, 11 * CENT)
        assert await other.admit((rule, 10 * CENT)) is not None

    with_workers(dsn, 2, scenario)


@pytest.mark.parametrize("done", [True, False])
def test_a_debt_whose_return_has_no_answer_is_charged_once(dsn: str, done: bool) -> None:
    async def scenario(workers: list[Worker]) -> None:
        worker, other = workers
        rule = budget("red", 100 * CENT)
        taken = await worker.admit((rule, 50 * CENT))
        assert taken is not None
        worker.database.pool = Losing(worker.database.pool, "switchgear_return", done=done)
        worker.settle(taken[0], 80 * CENT)
        assert await refused(worker, rule, 21 * CENT)
        await worker.hear()
        assert await stands(worker, rule) == (0, 80 * CENT)
        await worker.flush()
        assert await stands(worker, rule) == (80 * CENT, 0)
        assert await other.admit((rule, 20 * CENT)) is not None

    with_workers(dsn, 2, scenario)


def test_slices_of_other_workers_are_recalled(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        worker, other = workers
        rule = budget("red", 1_000 * CENT)
        under_way = await other.admit((rule, 5 * CENT))
        assert under_way is not None
        assert other.governor.slices.remaining(rule) > 100 * CENT
        await overrun(worker, rule, held=CENT, cost=2_000 * CENT)
        await heard(workers)
        assert await refused(other, rule, 1)
        other.settle(under_way[0], CENT)
        assert await refused(other, rule, 1), "nor what a call gives back meanwhile"

    with_workers(dsn, 2, scenario)


def test_what_other_calls_give_back_does_not_open_a_budget_again(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        rule = budget("red", 100 * CENT)
        calls = [await worker.admit((rule, 10 * CENT)) for _ in range(10)]
        dear, *rest = [taken[0] for taken in calls if taken is not None]
        worker.settle(dear, 500 * CENT)
        for taken in rest:
            worker.settle(taken, CENT)
            assert await refused(worker, rule, 1)
        await worker.flush()
        assert await refused(worker, rule, 1)
        assert await spent(worker) == 509 * CENT

    with_workers(dsn, 1, scenario)


def test_a_worker_killed_before_it_could_say_so_is_charged_from_its_journal(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        alive = workers[0]
        dead = await Worker.start(dsn, alive.journals)
        rule = budget("red", 1_000 * CENT)
        assert await alive.admit((rule, CENT)) is not None, "it has a slice"
        taken, under_way = await dead.admit((rule, CENT)), await dead.admit((rule, 3 * CENT))
        assert taken is not None
        assert under_way is not None
        dead.database.pool = Losing(dead.database.pool, "switchgear_return", "switchgear_return", done=False)
        dead.settle(taken[0], 2_000 * CENT)
        await dead.die()
        await alive.flush()
        await alive.hear()
        assert await spent(alive) == 2_003 * CENT
        assert await refused(alive, rule, 1)

    with_workers(dsn, 1, scenario)


def test_a_worker_that_was_given_up_in_debt_is_charged_exactly_what_its_calls_cost(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        alive = workers[0]
        dead = await Worker.start(dsn, alive.journals)
        rule = budget("red", 10_000 * CENT)
        taken, late = await dead.admit((rule, CENT)), await dead.admit((rule, CENT))
        assert taken is not None
        assert late is not None
        dead.database.pool = Losing(dead.database.pool, "switchgear_return", done=False)
        dead.settle(taken[0], 4_000 * CENT)
        await alive.flush()
        dead.settle(late[0], 3_000 * CENT)
        await dead.die()
        await alive.database.pool.execute(
            """UPDATE "Switchgear_Worker" SET seen_at = seen_at - interval '61 s' WHERE worker = $1""",
            dead.governor.worker,
        )
        alive.governor._orphan_after_s = 60.0
        await alive.governor.tidy()
        assert (await account(alive, rule.account))["leased"] == 0
        await alive.flush()
        assert await stands(alive, rule) == (7_000 * CENT, 0)

    with_workers(dsn, 1, scenario)


def test_a_debt_is_nothing_to_the_next_window(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        rule = budget("red", 10 * CENT, duration="1s")
        early, late = await worker.admit((rule, CENT)), await worker.admit((rule, CENT))
        assert early is not None
        assert late is not None
        worker.settle(early[0], 500 * CENT)
        assert await refused(worker, rule, 1)
        await until(worker, 'SELECT now() >= max(window_end) FROM "Switchgear_Account"')
        fresh = await worker.admit((rule, 10 * CENT))
        assert fresh is not None
        worker.settle(late[0], 500 * CENT)
        await worker.hear()
        await worker.flush()
        assert await spent(worker) == 0
        assert fresh[0].slice.free == 0

    with_workers(dsn, 1, scenario)


def test_tokens_beyond_an_estimate_are_owed_by_the_next_window(dsn: str) -> None:
    rule = Rule(
        account="tpm:k", meter=Meter.TOKENS, who="api_key", subject="key k", limit=1_000, duration="1s"
    )

    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        taken = await worker.admit((rule, 100))
        assert taken is not None
        give_back(taken[0], 100 - 1_600)
        worker.governor.changed("all")
        await until(worker, 'SELECT now() >= max(window_end) FROM "Switchgear_Account"')
        assert await refused(worker, rule, 600)

    with_workers(dsn, 1, scenario)


def test_while_postgres_is_away_who_knows_refuses_and_the_others_go_on(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        worker, other = workers
        rule = budget("red", 1_000 * CENT)
        taken, elsewhere = await worker.admit((rule, CENT)), await other.admit((rule, CENT))
        assert taken is not None
        assert elsewhere is not None
        pools = [each.database.pool for each in workers]
        for each in workers:
            each.database.pool = Unreachable()
        worker.settle(taken[0], 2_000 * CENT)
        with pytest.raises(DatabaseUnavailable):
            await worker.admit((rule, CENT))
        assert await other.admit((rule, CENT)) is not None
        for each, pool in zip(workers, pools, strict=True):
            each.database.pool = pool
        await until(worker, f'SELECT leased > {2_000 * CENT} FROM "Switchgear_Account"')
        await heard(workers)
        assert await refused(other, rule, 1)

    with_workers(dsn, 2, scenario)


def test_a_call_that_no_cost_was_expected_of_is_charged_too(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        worker, other = workers
        rule = budget("red", 100 * CENT)
        await overrun(worker, rule, held=0, cost=100 * CENT)
        await heard(workers)
        assert await refused(other, rule, 1)
        await worker.flush()
        assert await stands(worker, rule) == (100 * CENT, 0)
        assert await other.admit((rule, 0)) is not None, "what costs nothing passes"

    with_workers(dsn, 2, scenario)


def test_an_empty_lease_is_forgotten_once_nobody_can_ask_for_it_again(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        rule, held = budget("red", 100 * CENT), budget("red", 100 * CENT)
        await overrun(worker, rule, held=CENT, cost=100 * CENT)
        await worker.hear()
        await worker.flush()
        worker.governor.changed("all")
        await worker.hear()
        leases = 'SELECT count(*) FROM "Switchgear_Lease"'
        assert await worker.database.pool.fetchval(leases) == 1
        async with worker.governor._leases._turns.turn([held.account]):
            await worker.governor._leases.tidy()
        assert await worker.database.pool.fetchval(leases) == 0

    with_workers(dsn, 1, scenario)


class Late:
    """A pool whose first answer to a lease comes when it is told to."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.answered, self.go_on = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pool, name)

    @asynccontextmanager
    async def acquire(self, timeout: float) -> AsyncIterator[Any]:
        async with self.pool.acquire(timeout=timeout) as connection:
            yield connection
            if not self.answered.is_set():
                self.answered.set()
                await self.go_on.wait()


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_lease_that_was_under_way_when_its_account_was_overdrawn_is_not_spent_from(
    dsn: str, elsewhere: bool
) -> None:
    async def scenario(workers: list[Worker]) -> None:
        worker, other = workers
        rule = budget("red", 1_000 * CENT)
        dear = await (other if elsewhere else worker).admit((rule, 100 * CENT))
        assert dear is not None
        pool = worker.database.pool
        late = worker.database.pool = Late(pool)
        under_way = asyncio.create_task(worker.admit((rule, CENT)))
        await late.answered.wait()
        (other if elsewhere else worker).settle(dear[0], 5_000 * CENT)
        if elsewhere:
            await other.hear()
            worker.governor.overdrawn_elsewhere(rule.account)
        late.go_on.set()
        await under_way
        worker.database.pool = Unreachable()
        with pytest.raises(DatabaseUnavailable):
            await worker.admit((rule, CENT))
        worker.database.pool = pool
        await heard(workers)
        assert await refused(worker, rule, 1)

    with_workers(dsn, 2, scenario)


def test_a_debt_does_not_wait_for_another_account_that_is_locked(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        worker, other = workers
        key = Rule(
            account="money:key:k", meter=Meter.MONEY, who="api_key", subject="key k", limit=1_000 * CENT
        )
        team = budget("red", 60 * CENT)
        admitted = await worker.admit((key, CENT), (team, CENT))
        assert admitted is not None
        async with other.database.pool.acquire() as holder, holder.transaction():
            locked = 'SELECT 1 FROM "Switchgear_Account" WHERE account = $1 FOR UPDATE'
            await holder.execute(locked, key.account)
            stuck = asyncio.create_task(worker.admit((key, 900 * CENT)))
            await until(other, WAITING_FOR_A_LOCK)
            for taken in admitted:
                give_back(taken, CENT - 500 * CENT)
            worker.governor.overdrawn(admitted)
            for _ in range(5):
                assert await refused(worker, team, 1)
                assert await refused(other, team, 1)
        await stuck

    with_workers(dsn, 2, scenario)


def test_workers_are_told_of_an_overrun_only_where_there_is_no_room_for_it(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        worker, other = workers
        rule = budget("red", 100_000 * CENT)
        assert await other.admit((rule, CENT)) is not None
        before = other.governor.slices.remaining(rule)
        for _ in range(3):
            await overrun(worker, rule, held=CENT, cost=20_000 * CENT)
            await heard(workers)
            await worker.flush()
        await heard(workers)
        assert other.governor.slices.remaining(rule) == before
        await overrun(worker, rule, held=CENT, cost=50_000 * CENT)
        await heard(workers)
        assert await refused(other, rule, 1)

    with_workers(dsn, 2, scenario)


def test_who_waited_behind_a_refused_call_is_told_the_same_sum(dsn: str) -> None:
    async def scenario(workers: list[Worker]) -> None:
        (worker,) = workers
        rule = budget("red", 100 * CENT)
        taken = await worker.admit((rule, 90 * CENT))
        assert taken is not None
        worker.settle(taken[0], 90 * CENT)
        needs = [[Need(rule, amount * CENT)] for amount in (20, 60, 95)]
        told = await asyncio.gather(*map(worker.governor.admit, needs), return_exceptions=True)
        for error, (need,) in zip(told, needs, strict=True):
            assert isinstance(error, NotEnough)
            (standing,) = error.standings
            said = refusal(standing, need.amount, held=0, now_s=0.0, budget_status=422).message
            assert "settled and not yet booked: 0.9; " in said

    with_workers(dsn, 1, scenario)
