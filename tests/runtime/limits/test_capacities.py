"""The limits and budgets of deployments: exact over workers, and no limit of the caller."""

import asyncio
from typing import Any

import msgspec
import pytest

from functions.contract.call import Call
from models_registry.target import Capacity, DeploymentBudget, Target
from runtime.limits.admission import NOTHING_HELD
from schema.errors.limits import BudgetExceeded, DeploymentAtLimit
from schema.limits import Meter, Rule
from tests.runtime.attempts import make_settled, make_target
from tests.runtime.limits.test_admission import PRICE, Desk, at_desk

DOLLAR = 10**9


def capped(model_id: str, **limits: Any) -> Target:
    return msgspec.structs.replace(make_target(model_id=model_id, price=PRICE), capacity=Capacity(**limits))


def test_a_limit_on_calls_at_once_is_exact_over_two_workers(postgres_dsn: str) -> None:
    target = capped("parallel-2", parallel=2)

    async def scenario(first: Desk) -> None:
        second = await first.beside(postgres_dsn)
        try:
            _, one = await first.admit([], target)
            _, two = await second.admit([], target)
            for desk in (first, second):
                with pytest.raises(DeploymentAtLimit) as caught:
                    await desk.admit([], target)
                assert caught.value.waits
            first.admissions.settle(one, make_settled())
            await first.admit([], target)
            assert two.taken[0].slice.rule.meter is Meter.PARALLEL
        finally:
            await second.leave()

    at_desk(postgres_dsn, scenario)


def test_a_slot_that_went_to_another_worker_is_not_here_for_the_next_call(postgres_dsn: str) -> None:
    target = capped("parallel-2", parallel=2)

    async def scenario(desk: Desk) -> None:
        (_, one), (_, two) = [await desk.admit([], target) for _ in range(2)]
        desk.admissions.settle(one, make_settled())
        assert desk.admissions.leaves_slot(one)
        _, again = await desk.admit([], target)
        account = two.taken[0].slice.rule.account
        desk.admissions._governor.recalled(f"1 {account}")
        desk.admissions.settle(two, make_settled())
        assert not desk.admissions.leaves_slot(two)
        desk.admissions._governor.recalled(f"0 {account}")
        desk.admissions.release(again)
        assert not desk.admissions.leaves_slot(again)
        assert desk.admissions.leaves_slot(NOTHING_HELD)

    at_desk(postgres_dsn, scenario)


def test_a_limit_on_requests_is_exact_over_two_workers(postgres_dsn: str) -> None:
    target = capped("rpm-5", rpm=5)

    async def scenario(first: Desk) -> None:
        second = await first.beside(postgres_dsn)
        try:
            tries = [desk.admit([], target) for _ in range(10) for desk in (first, second)]
            found = await asyncio.gather(*tries, return_exceptions=True)
        finally:
            await second.leave()
        refused = [each for each in found if isinstance(each, DeploymentAtLimit)]
        assert len(refused) == 15
        assert not refused[0].waits
        assert 0 < (refused[0].retry_after_s or 0) <= 60
        assert "rpm-5 is at its limit of requests a minute (5)" in refused[0].message

    at_desk(postgres_dsn, scenario)


def test_a_call_that_is_larger_than_the_whole_limit_goes_elsewhere(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        with pytest.raises(DeploymentAtLimit, match="takes 50 tokens a minute"):
            await desk.admit([], capped("tpm-50", tpm=50), max_tokens=5_000)

    at_desk(postgres_dsn, scenario)


def test_a_budget_of_a_provider_is_shared_by_its_deployments(postgres_dsn: str) -> None:
    budget = DeploymentBudget(provider="acme", limit_nano=DOLLAR // 10, duration="1d")
    one, two = capped("acme-1", budgets=(budget,)), capped("acme-2", budgets=(budget,))

    async def scenario(desk: Desk) -> None:
        _, held = await desk.admit([], one, max_tokens=9_000)  # 9 cents of 10
        assert held.charges[0].account == "money:provider:acme:1d"
        with pytest.raises(DeploymentAtLimit) as caught:
            await desk.admit([], two, max_tokens=9_000)
        assert caught.value.message.startswith("The provider acme is at its limit of budget; try again in")
        desk.admissions.release(held)
        await desk.admit([], two, max_tokens=9_000)

    at_desk(postgres_dsn, scenario)


def test_limits_of_a_deployment_are_in_no_header_of_the_answer(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        call, _ = await desk.admit([], capped("quiet", rpm=5, parallel=3))
        assert call.limit_headers == []

    at_desk(postgres_dsn, scenario)


def test_a_deployment_without_limits_holds_nothing(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        _, held = await desk.admit([], make_target(price=PRICE))
        assert held is NOTHING_HELD

    at_desk(postgres_dsn, scenario)


def budgeted(cents: int, model_id: str = "dear", peers: int = 1) -> Target:
    """A deployment with a budget, whose longest answer costs a dollar."""
    budget = DeploymentBudget(limit_nano=cents * DOLLAR // 100, duration="1d")
    target = capped(model_id, budgets=(budget,))
    return msgspec.structs.replace(target, max_output_tokens=100_000, peers=peers)


def key_budget(cents: int) -> Rule:
    nano = cents * DOLLAR // 100
    return Rule(account="money:key:k", meter=Meter.MONEY, who="api_key", subject="key k", limit=nano)


def test_a_deployments_budget_limits_an_answer_where_the_call_comes_again_alone(postgres_dsn: str) -> None:
    """Another deployment may give the whole answer. Where none does, a limited one is better than none."""

    async def scenario(desk: Desk) -> None:
        target, calls = budgeted(5), list[Call]()
        with pytest.raises(DeploymentAtLimit) as caught:
            await desk.admit([], target, calls)
        assert caught.value.takes_less
        _, held = await desk.admit([], target, calls)
        assert held.output_limit == 4_096
        desk.admissions.release(held)
        with pytest.raises(DeploymentAtLimit) as whole:
            await desk.admit([], target, max_tokens=50_000)  # what the caller asked for is never lowered
        assert not whole.value.takes_less
        small = budgeted(2, "small")  # no room for 4,096 tokens: other deployments have it
        for takes_less in (True, False):
            with pytest.raises(DeploymentAtLimit) as caught:
                await desk.admit([], small, calls)
            assert caught.value.takes_less is takes_less

    at_desk(postgres_dsn, scenario)


def test_the_callers_budget_decides_how_long_an_answer_is_and_not_the_deployments(postgres_dsn: str) -> None:
    async def scenario(desk: Desk) -> None:
        _, held = await desk.admit([key_budget(2)], budgeted(3, "a"))
        assert held.output_limit is not None
        assert 1_500 < held.output_limit < 2_000  # two cents' worth
        desk.admissions.release(held)
        with pytest.raises(DeploymentAtLimit):  # and not half a cent's worth
            await desk.admit(
                [key_budget(2)], msgspec.structs.replace(budgeted(1, "b"), max_output_tokens=None)
            )

    at_desk(postgres_dsn, scenario)


def test_a_budget_of_the_caller_that_is_used_up_is_told_before_a_slot_is_waited_for(
    postgres_dsn: str,
) -> None:
    async def scenario(desk: Desk) -> None:
        target = capped("busy", parallel=1)
        await desk.admit([], target)
        spent = msgspec.structs.replace(key_budget(1), account="money:zz:k")
        with pytest.raises(BudgetExceeded):
            await desk.admit([spent], target, max_tokens=50_000)
        both = msgspec.structs.replace(
            budgeted(1, "busy-2"),
            capacity=Capacity(
                parallel=1, budgets=(DeploymentBudget(limit_nano=DOLLAR // 100, duration="1d"),)
            ),
        )
        await desk.admit([], both, max_tokens=10)
        with pytest.raises(DeploymentAtLimit) as caught:
            await desk.admit([], both, max_tokens=50_000)
        assert not caught.value.waits

    at_desk(postgres_dsn, scenario)
