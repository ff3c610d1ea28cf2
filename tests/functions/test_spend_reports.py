"""What a key, user, team or organization cost in a period."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from functions import spend_reports
from functions.contract.call import Caller
from functions.contract.roles import INTERNAL_USER, SERVICE_KEY
from schema.errors.requests import InvalidRequest
from tests.functions.contexts import ADMIN
from tests.functions.governed import House, in_house
from tests.functions.reported import MONTH, book, row_at

USD = 10**9
ROWS = (
    row_at(1, cost_nano=1 * USD, organization_id="acme"),
    row_at(2, cost_nano=2 * USD, model="claude-x", organization_id="acme"),
    row_at(3, cost_nano=4 * USD, user_id="bob", team_id="blue", key_hash="b" * 64),
)
Report = Callable[..., Awaitable[Any]]


@pytest.mark.parametrize(
    ("report", "body", "wanted"),
    [
        (spend_reports.key, {"api_key": "a" * 64}, 3),
        (spend_reports.key, {"api_key": "b" * 64}, 4),
        (spend_reports.user, {"internal_user_id": "alice"}, 3),
        (spend_reports.team, {"team_id": "blue"}, 4),
        (spend_reports.organization, {"organization_id": "acme"}, 3),
    ],
)
def test_a_report_is_by_key_and_model_the_dearest_first(
    postgres_dsn: str, report: Report, body: dict[str, str], wanted: int
) -> None:
    async def scenario(house: House) -> None:
        await book(house, *ROWS)
        (cost,) = await house.call(report, {**MONTH, **body})
        assert (cost.total_cost, cost.total_input_tokens) == (wanted, 100 * len(cost.model_details))
        assert cost.model_details == sorted(
            cost.model_details, key=lambda each: each.total_cost, reverse=True
        )
        assert await house.call(report, {**MONTH, **body, "end_date": "2026-11-19"}) == []

    in_house(postgres_dsn, scenario)


def test_without_a_name_it_is_the_callers_own(postgres_dsn: str) -> None:
    alice = Caller(
        role=INTERNAL_USER, key_hash="a" * 64, user_id="alice", team_id="red", organization_id="acme"
    )

    async def scenario(house: House) -> None:
        await book(house, *ROWS)
        for report in (spend_reports.key, spend_reports.user, spend_reports.team, spend_reports.organization):
            (cost,) = await house.call(report, MONTH, alice)
            assert cost.total_cost == 3

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("report", "param"),
    [(spend_reports.user, "internal_user_id"), (spend_reports.team, "team_id"),
     (spend_reports.organization, "organization_id")],
)  # fmt: skip
def test_who_has_no_name_has_to_say_whose(postgres_dsn: str, report: Report, param: str) -> None:
    nobody = Caller(role=SERVICE_KEY, key_hash="a" * 64, user_id="")

    async def scenario(house: House) -> None:
        with pytest.raises(InvalidRequest) as refused:
            await house.call(report, MONTH, nobody)
        assert refused.value.param == param
        with pytest.raises(InvalidRequest) as refused:
            await house.call(report, {"end_date": "2026-11-30", param: "x"}, ADMIN)
        assert refused.value.param == "start_date"

    in_house(postgres_dsn, scenario)
