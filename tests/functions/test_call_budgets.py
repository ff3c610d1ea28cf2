"""The budgets over a call: what was spent of each before the call, who sees it, and what is not told."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from functions import call_budgets, corrections, keys, organizations, teams, users
from functions.contract.call import Caller
from functions.contract.roles import INTERNAL_USER
from runtime.reports import balances
from schema.call_budgets import CallBudget, CallBudgets
from schema.errors.rows import NotFound
from schema.ledger.rows import SpendRow
from tests.functions.contexts import ADMIN
from tests.functions.governed import DEFAULTS, House, in_house
from tests.functions.reported import book, row_at

USD = 10**9


async def peopled(house: House, **of_key: Any) -> str:
    """The team red of the organization acme, with 50 dollars a month and ada as a member. Gives the hash of
    her key of that team."""
    await house.call(
        organizations.new, {"organization_id": "acme", "organization_alias": "acme", "max_budget": 900}
    )
    await house.call(users.new, {"user_id": "ada", "auto_create_key": False})
    await house.call(
        teams.new,
        {
            "team_id": "red",
            "team_alias": "red",
            "organization_id": "acme",
            "max_budget": 50,
            "budget_duration": "30d",
        },
    )
    await house.call(
        teams.member_add,
        {"team_id": "red", "member": {"user_id": "ada", "role": "user"}, "max_budget_in_team": 20},
    )
    body = {"key_alias": "ci", "team_id": "red", "user_id": "ada", "max_budget": 10, **of_key}
    made = await house.call(keys.generate, body)
    return str(made.token)


def of_ada(number: int, day: int, key: str, dollars: int, **more: Any) -> SpendRow:
    facts = {"key_hash": key, "user_id": "ada", "team_id": "red", "organization_id": "acme"}
    return row_at(number, day, **{**facts, "cost_nano": dollars * USD, **more})


async def told(house: House, request_id: str = "req-9", by: Caller = ADMIN) -> CallBudgets:
    return await house.call(call_budgets.show, {"request_id": request_id}, by)


def figures(found: CallBudgets) -> dict[str, tuple[Decimal | None, Decimal | None, Decimal]]:
    return {each.of: (each.before, each.after, each.max_budget) for each in found.budgets}


def _short(dollars: Decimal | None) -> str:
    return "" if dollars is None else f"{dollars.normalize():f}"


def the(found: CallBudgets, of: str) -> CallBudget:
    (budget,) = (each for each in found.budgets if each.of == of)
    return budget


def test_each_budget_is_told_before_the_call_and_with_it(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        key = await peopled(house)
        october = datetime(2026, 10, 31, 23, tzinfo=UTC)
        await book(
            house,
            of_ada(1, 20, key, 1, started_at=october, first_token_at=None),
            of_ada(2, 3, key, 2),
            of_ada(3, 5, "b" * 64, 4, user_id="bob"),
            of_ada(4, 20, key, 1),
            of_ada(9, 20, key, 3),
            of_ada(10, 20, key, 1),
            of_ada(11, 21, key, 1),
            of_ada(12, 3, "c" * 64, 100, team_id="blue", organization_id=None),
        )
        found = await told(house)
        assert (found.request_id, found.spend, found.hidden, found.unknown) == ("req-9", Decimal(3), 0, None)
        assert figures(found) == {
            "api_key": (Decimal(4), Decimal(7), Decimal(10)),
            "team": (Decimal(7), Decimal(10), Decimal(50)),
            "team_member": (Decimal(4), Decimal(7), Decimal(20)),
            "organization": (Decimal(8), Decimal(11), Decimal(900)),
        }
        team = the(found, "team")
        assert team.window_start == datetime(2026, 11, 1, tzinfo=UTC)
        assert team.window_end == datetime(2026, 12, 1, tzinfo=UTC)
        assert (team.subject, team.duration, the(found, "api_key").window_start) == ("team red", "30d", None)

    in_house(postgres_dsn, scenario)


def test_a_window_begins_at_midnight_of_the_gateways_time_zone(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        key = await peopled(house, budget_duration="1d")
        at = {
            number: {"started_at": datetime(2026, 11, day, hour, 30, tzinfo=UTC), "first_token_at": None}
            for number, day, hour in ((1, 20, 22), (2, 20, 23), (3, 21, 4), (9, 21, 12))
        }
        await book(house, *(of_ada(number, 20, key, number, **more) for number, more in at.items()))
        budget = the(await told(house), "api_key")
        assert budget.window_start == datetime(2026, 11, 20, 23, tzinfo=UTC)
        assert (budget.before, budget.after) == (Decimal(5), Decimal(14))
        early = the(await told(house, "req-2"), "api_key")
        assert (early.before, early.after) == (Decimal(0), Decimal(2))

    berlin = msgspec.structs.replace(DEFAULTS, zone=ZoneInfo("Europe/Berlin"))
    in_house(postgres_dsn, scenario, berlin)


def test_corrections_of_calls_before_count_and_those_of_the_call_do_not(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        key = await peopled(house)
        await book(house, of_ada(1, 20, key, 1), of_ada(9, 20, key, 3))
        for request_id, cost in (("req-1", "0.25"), ("req-9", "2")):
            body = {"request_id": request_id, "cost": cost, "reason": "the invoice"}
            await house.call(corrections.correct, body)
        budget = the(await told(house), "api_key")
        assert (budget.before, budget.after) == (Decimal("0.25"), Decimal("3.25"))

    in_house(postgres_dsn, scenario)


def test_a_replaced_key_has_the_calls_under_its_hashes_and_says_where_one_is_lost(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        first = await peopled(house)
        await book(house, of_ada(1, 19, first, 1))
        second = await house.call(keys.regenerate, {"key": first})
        await book(house, of_ada(2, 19, second.token, 2), of_ada(9, 20, second.token, 3))
        budget = the(await told(house), "api_key")
        assert (budget.before, budget.after, budget.at_least) == (Decimal(3), Decimal(6), False)
        third = await house.call(keys.regenerate, {"key": second.token})
        await book(house, of_ada(10, 20, third.token, 4))
        budget = the(await told(house, "req-10"), "api_key")
        assert (budget.before, budget.after, budget.at_least) == (Decimal(1), Decimal(5), True)

    in_house(postgres_dsn, scenario)


def test_a_budget_of_one_model_counts_its_calls_alone(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        limits = {"gpt-4": {"budget_limit": 5, "time_period": "30d"}}
        key = await peopled(
            house, model_max_budget=limits, budget_limits=[{"budget_duration": "1d", "max_budget": 8}]
        )
        await book(
            house,
            of_ada(1, 19, key, 1),
            of_ada(2, 20, key, 2, model_group="claude"),
            of_ada(9, 20, key, 3),
        )
        found = await told(house)
        model = the(found, "model_per_key")
        assert (model.before, model.after) == (Decimal(1), Decimal(4))
        assert model.max_budget == Decimal(5)
        assert model.model == "gpt-4"
        of_key = [
            (each.duration, _short(each.before), _short(each.after))
            for each in found.budgets
            if each.of == "api_key"
        ]
        assert sorted(of_key, key=str) == [("1d", "2", "5"), (None, "3", "6")]

    in_house(postgres_dsn, scenario)


def test_who_sees_a_call_sees_the_budgets_that_it_reaches(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        key = await peopled(house)
        await book(house, of_ada(9, 20, key, 3))
        ada = Caller(role=INTERNAL_USER, key_hash=key, user_id="ada", teams={"red": "user"})
        own = await told(house, by=ada)
        assert (set(figures(own)), own.hidden) == ({"api_key", "team", "team_member"}, 1)
        bob = Caller(role=INTERNAL_USER, key_hash="0" * 64, user_id="bob", teams={"red": "admin"})
        assert set(figures(await told(house, by=bob))) == {"api_key", "team", "team_member"}
        eve = Caller(role=INTERNAL_USER, key_hash="0" * 64, user_id="eve")
        with pytest.raises(NotFound):
            await told(house, by=eve)

    in_house(postgres_dsn, scenario)


def test_of_a_key_that_is_gone_the_budgets_of_its_user_and_team_are_told(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        key = await peopled(house)
        await book(house, of_ada(9, 20, key, 3), row_at(10, 20, key_hash="f" * 64, user_id=""))
        await house.call(keys.delete, {"keys": [key]})
        found = await told(house)
        assert set(figures(found)) == {"team", "team_member", "organization"}
        nobody = await told(house, "req-10")
        assert (nobody.budgets, nobody.unknown) == ([], call_budgets.NOBODY)

    in_house(postgres_dsn, scenario)


def test_a_day_of_too_many_calls_is_not_added_up(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(house: House) -> None:
        key = await peopled(house)
        await book(house, *(of_ada(number, 20, key, 1) for number in (1, 2, 9)))
        monkeypatch.setattr(balances, "MAX_ROWS", 1)
        budget = the(await told(house), "api_key")
        assert (budget.before, budget.after, budget.untold) == (None, None, balances.TOO_MANY)

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize("everything", [False, True])
def test_of_a_key_that_moved_the_budgets_of_its_new_owners_are_not_told(
    postgres_dsn: str, everything: bool
) -> None:
    async def scenario(house: House) -> None:
        key = await peopled(house)
        await book(house, of_ada(9, 20, key, 3))
        await house.call(users.new, {"user_id": "bob", "auto_create_key": False, "max_budget": 55})
        await house.call(teams.new, {"team_id": "blue", "team_alias": "blue", "max_budget": 777})
        member = {"team_id": "blue", "member": {"user_id": "bob", "role": "user"}, "max_budget_in_team": 5}
        await house.call(teams.member_add, member)
        await house.call(keys.update, {"key": key, "team_id": "blue", "user_id": "bob"})
        lead = Caller(role=INTERNAL_USER, key_hash="0" * 64, user_id="ada", teams={"red": "admin"})
        found = await told(house, by=ADMIN if everything else lead)
        assert not {"blue", "bob"} & set(" ".join(each.subject for each in found.budgets).split())
        assert set(figures(found)) <= {"api_key"}
        assert found.hidden == 1 - len(found.budgets)
        assert found.unknown == call_budgets.MOVED

    in_house(postgres_dsn, scenario)
