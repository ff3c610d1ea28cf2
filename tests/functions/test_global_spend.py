"""Spend as a whole: the charts of 30 days, the report, the reset."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from functions import global_spend, keys, teams, users
from functions.contract.call import Caller
from functions.contract.policy import Policy
from functions.contract.roles import INTERNAL_USER, PROXY_ADMIN
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest
from tests.functions.governed import Body, House, in_house
from tests.functions.reported import MONTH, book, row_at
from tests.functions.test_audit import served

USD = 10**9
D = Decimal
ROWS = (
    row_at(1, 20, cost_nano=1 * USD, end_user="eve", tags=("t",)),
    row_at(2, 20, cost_nano=2 * USD, team_id=None, key_hash="b" * 64, end_user="eve"),
    row_at(3, 21, cost_nano=4 * USD, model="claude-x", provider="anthropic", end_user="max", tags=("t", "u")),
    row_at(4, 21, cost_nano=8 * USD, team_id="blue"),
    row_at(5, 21, cost_nano=0, model="", provider=""),
)  # the last was refused before it had a model
LONG_AGO = row_at(6, started_at=ROWS[0].started_at.replace(month=10, day=24), cost_nano=16 * USD)
"""31 days before the calls of these tests."""


async def report(house: House, body: Body) -> list[Any]:
    """Of whichever of its shapes."""
    return list(await house.call(global_spend.report, body))


def as_json(answer: object) -> Any:  # whatever the answer's shape
    return json.loads(msgspec.json.encode(answer))


def test_the_charts_are_of_the_last_30_days(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house, *ROWS, LONG_AGO)
        total = await house.call(global_spend.total)
        assert (total.spend, total.max_budget) == (Decimal(15), Decimal(100))
        days = await house.call(global_spend.logs)
        assert [(day.date, day.spend) for day in days] == [("2026-11-20", D(3)), ("2026-11-21", D(12))]
        (day,) = await house.call(global_spend.logs, {"api_key": "b" * 64})
        assert (day.date, day.spend, day.api_key) == ("2026-11-20", D(2), "b" * 64)
        models = await house.call(global_spend.models, {"limit": 5})
        assert [(each.model, each.total_spend, each.total_tokens) for each in models] == [
            ("gpt-4-0613", D(11), 450),
            ("claude-x", D(4), 150),
        ]
        assert len(await house.call(global_spend.models, {"limit": 1})) == 1

    in_house(postgres_dsn, scenario, Policy(budget=Decimal(100)))


def test_keys_are_named_also_after_they_are_deleted(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(keys.generate, {"key_alias": "ci"})
        await book(house, row_at(1, key_hash=made.token), row_at(2, key_hash="c" * 64, cost_nano=1))
        await house.call(keys.delete, {"key_aliases": ["ci"]})
        named, unknown = await house.call(global_spend.keys)
        assert (named.api_key, named.key_alias, named.key_name) == (made.token, "ci", made.key_name)
        assert (unknown.api_key, unknown.key_alias, unknown.key_name) == ("c" * 64, None, None)

    in_house(postgres_dsn, scenario)


def test_teams_are_summed_by_day_under_their_names(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(teams.new, {"team_id": "red", "team_alias": "Reds"})
        await book(house, *ROWS)
        answer = as_json(await house.call(global_spend.teams))
        assert answer["daily_spend"] == [
            {"date": "2026-11-20", "Unassigned": 2, "Reds": 1},
            {"date": "2026-11-21", "blue": 8, "Reds": 4},
        ]
        assert answer["teams"] == ["blue", "Reds", "Unassigned"]
        totals = [(each["team_id"], Decimal(each["total_spend"])) for each in answer["total_spend_per_team"]]
        assert totals == [("blue", D(8)), ("Reds", D(5)), ("Unassigned", D(2))]

    in_house(postgres_dsn, scenario)


def test_providers_tags_and_end_users_are_summed(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house, *ROWS, LONG_AGO)
        providers = await house.call(global_spend.provider, MONTH)
        assert [(each.provider, each.spend) for each in providers] == [("openai", D(11)), ("anthropic", D(4))]
        tags = (await house.call(global_spend.tags, MONTH)).spend_per_tag
        assert [(tag.name, tag.spend, tag.log_count) for tag in tags] == [("t", D(5), 2), ("u", D(4), 1)]
        for text, wanted in (("u", ["u"]), ("u,t", ["t", "u"]), ("all-tags", ["t", "u"]), ("v", [])):
            tags = (await house.call(global_spend.tags, {**MONTH, "tags": text})).spend_per_tag
            assert [tag.name for tag in tags] == wanted
        end_users: list[tuple[Body, list[tuple[str, int, Any]]]] = [
            ({}, [("max", 1, 4), ("eve", 2, 3)]),
            ({"api_key": "b" * 64}, [("eve", 1, 2)]),
            ({"startTime": "2026-11-21T00:00:00Z"}, [("max", 1, 4)]),
            ({"endTime": "2026-11-21T01:00:00+02:00"}, [("eve", 2, 3)]),
        ]
        for body, found in end_users:
            got = await house.call(global_spend.end_users, body)
            assert [(each.end_user, each.total_count, each.total_spend) for each in got] == found, body
        for name, moment in (
            ("startTime", "0001-01-01T00:00:00+23:59"),
            ("endTime", "9999-12-31T23:59:59-23:59"),
        ):
            with pytest.raises(InvalidRequest) as refused:
                await house.call(global_spend.end_users, {name: moment})
            assert refused.value.param == name

    in_house(postgres_dsn, scenario)


def test_the_report_is_by_day_and_team_and_in_it_by_model_and_key(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(teams.new, {"team_id": "red", "team_alias": "Reds"})
        await book(house, *ROWS, row_at(7, 20, model='quo"te', cost_nano=3))
        async with served(house) as client:
            first, second = json.loads(
                (await client.get("/global/spend/report", params=MONTH)).text, parse_float=Decimal
            )
        assert (first["group_by_day"], second["group_by_day"]) == ("2026-11-20", "2026-11-21")
        nobody, reds = first["teams"]
        assert (nobody["team_name"], nobody["team_id"], nobody["total_spend"]) == ("Unassigned Team", "", 2)
        assert (reds["team_name"], reds["total_spend"]) == ("Reds", Decimal("1.000000003"))
        lines = sorted(reds["metadata"], key=lambda line: str(line["model"]))
        assert lines == [
            {"model": "gpt-4-0613", "api_key": "a" * 64, "spend": 1, "total_tokens": 150},
            {"model": 'quo"te', "api_key": "a" * 64, "spend": Decimal("0.000000003"), "total_tokens": 150},
        ]
        assert {team["team_name"]: team["total_spend"] for team in second["teams"]} == {"Reds": 4, "blue": 8}
        (day,) = await report(house, {**MONTH, "team_id": "blue"})
        assert [team.team_id for team in day.teams] == ["blue"]

    in_house(postgres_dsn, scenario)


def test_the_report_is_by_customer_or_by_key(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house, *ROWS)
        days = await report(house, {**MONTH, "group_by": "customer"})
        found = [[(each.customer, each.total_spend) for each in day.customers] for day in days]
        assert found == [[("eve", 3)], [("max", 4)]]
        (day,) = await report(house, {**MONTH, "customer_id": "max"})
        assert [each.customer for each in day.customers] == ["max"]
        costs = await report(house, {**MONTH, "group_by": "api_key"})
        assert [(key.api_key[0], key.total_cost, key.total_input_tokens) for key in costs] == [
            ("a", 13, 400),
            ("b", 2, 100),
        ]
        models = [(model.model, model.total_cost) for model in costs[0].model_details]
        assert models == [("gpt-4-0613", 9), ("claude-x", 4), ("", 0)]
        for body in ({"api_key": "b" * 64}, {"internal_user_id": "alice", "api_key": "b" * 64}):
            (cost,) = await report(house, {**MONTH, **body})
            assert (cost.api_key, cost.total_cost) == ("b" * 64, 2)

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/global/spend/keys?limit=0", "limit"),
        ("/global/spend/models?limit=1001", "limit"),
        ("/global/spend/models?limit=x", "limit"),
        ("/global/spend/provider", "start_date"),
        ("/global/spend/provider?start_date=2026-11-01", "end_date"),
        ("/global/spend/tags?start_date=2026-11-01&end_date=2026-11-31", "end_date"),
        ("/global/spend/tags?start_date=2026-11-02&end_date=2026-11-01", "end_date"),
        (f"/global/spend/tags?start_date=2026-11-02&end_date=2026-11-02&tags={'a,' * 501}", "tags"),
        ("/global/spend/report?start_date=2026-11-01 10:00:00&end_date=2026-11-02", "start_date"),
        ("/global/spend/report?start_date=2026-11-01&end_date=2026-11-02&group_by=model", "group_by"),
    ],
)
def test_what_can_not_be_asked_is_refused_by_name(postgres_dsn: str, path: str, param: str) -> None:
    async def scenario(house: House) -> None:
        async with served(house) as client:
            reply = await client.get(path)
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, param), reply.text

    in_house(postgres_dsn, scenario)


def test_the_master_key_resets_what_was_spent_and_nothing_of_the_ledger(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(keys.generate, {})
        await house.call(teams.new, {"team_id": "red"})
        await house.call(users.new, {"user_id": "alice", "auto_create_key": False})
        await book(house, row_at(1, key_hash=made.token, cost_nano=5))
        pool = house.database.pool
        spent = 'SELECT sum(spend) FROM "{}"'
        tables = ("LiteLLM_VerificationToken", "LiteLLM_TeamTable", "LiteLLM_UserTable")
        assert [await pool.fetchval(spent.format(table)) for table in tables] == [Decimal("5E-9")] * 3
        for caller in (
            Caller(role=PROXY_ADMIN, key_hash="0" * 64, user_id="boss"),
            Caller(role=INTERNAL_USER, key_hash="0" * 64, user_id="ada"),
        ):
            with pytest.raises(NotAllowed):
                await house.call(global_spend.reset, {}, caller)
        answer = await house.call(global_spend.reset, {})
        assert answer.status == "success"
        assert [await pool.fetchval(spent.format(table)) for table in tables] == [0, 0, Decimal("5E-9")]
        assert (await house.call(global_spend.total)).spend == Decimal("5E-9")
        actions = await pool.fetch("SELECT table_name FROM \"LiteLLM_AuditLog\" WHERE action = 'reset'")
        assert {row["table_name"] for row in actions} == set(tables[:2])

    in_house(postgres_dsn, scenario)
