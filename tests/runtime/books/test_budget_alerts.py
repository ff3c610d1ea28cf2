"""Every kind of budget tells its thresholds: from the rows that an admin wrote, through the rules of a key
and the leases of a call, to the alert."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

import msgspec
import pytest

from functions.contract.policy import Policy
from models_registry.bounds.chat import ChatBounds
from models_registry.prices.price import Price
from runtime.books.booking import alerts_of
from runtime.books.crossings import CustomerBudget
from runtime.books.insert import insert_rows
from runtime.identity.authority_reader import AuthorityReader
from runtime.limits.admission import Admissions
from runtime.limits.end_users import EndUsers
from runtime.limits.governor import Governor
from runtime.limits.leases import Leases
from runtime.postgres.database import Database
from runtime.postgres.look_ups import LookUps
from runtime.postgres.partitions import ensure_partition
from runtime.telemetry.alerts import Desk
from schema.alerts import AlertKind
from schema.ledger.rows import Charge, SpendRow
from tests.conftest import execute
from tests.fakes.authority import Silence
from tests.functions.booked import fetch
from tests.models_registry.backends.making import chat
from tests.runtime.attempts import make_call, make_row, make_settled, make_target
from tests.runtime.telemetry.test_alerts import HOOKS, Posts

T = TypeVar("T")
CENT = 10**7
PRICE = Price(input=0, output=10**13)
"""A cent a token of output, so that a call costs exactly what was held for it."""
B85, B95, REACHED = AlertKind.BUDGET_85, AlertKind.BUDGET_95, AlertKind.BUDGET_REACHED
SOFT = AlertKind.SOFT_BUDGET

WINDOWS = """'[{"budget_duration": "1d", "max_budget": 1}]'"""
MODELS = """'{"gpt-4": {"max_budget": 1, "budget_duration": "30d"}, "another": {"max_budget": 0.01}}'"""
KEY = """INSERT INTO "LiteLLM_VerificationToken" (token, user_id, team_id, organization_id)
         VALUES ('k', {user}, {team}, {organization})"""
ADA = """INSERT INTO "LiteLLM_UserTable" (user_id) VALUES ('ada')"""
RED = """INSERT INTO "LiteLLM_TeamTable" (team_id) VALUES ('red')"""
MEMBER = """INSERT INTO "LiteLLM_TeamMembership" (team_id, user_id) VALUES ('red', 'ada')"""
CARL = """INSERT INTO "LiteLLM_EndUserTable" (user_id) VALUES ('carl')"""
NOBODYS = KEY.format(user="null", team="null", organization="null")
ADAS = KEY.format(user="'ada'", team="null", organization="null")
OF_RED = KEY.format(user="'ada'", team="'red'", organization="null")
OF_ACME = KEY.format(user="null", team="null", organization="'acme'")
ACME = """INSERT INTO "LiteLLM_OrganizationTable" (organization_id, organization_alias, budget_id)
          VALUES ('acme', 'Acme', 'b')"""


def shared(**columns: str) -> str:
    """A budget by name."""
    names, values = ", ".join(columns), ", ".join(columns.values())
    return f"INSERT INTO \"LiteLLM_BudgetTable\" (budget_id, {names}) VALUES ('b', {values})"


def changed(table: str, **columns: str) -> str:
    return f'UPDATE "{table}" SET {", ".join(f"{name} = {value}" for name, value in columns.items())}'


class Gateway:
    """One worker's admission, and the books of its calls."""

    def __init__(self, database: Database, governor: Governor, policy: Policy) -> None:
        customers = EndUsers(policy, Silence(), database, LookUps())
        self.database = database
        self._policy = policy
        self._admissions = Admissions(governor, customers, policy)
        self._reader = AuthorityReader(policy, database)

    async def call(self, cents: int, customer: str | None = None, model: str = "gpt-4") -> SpendRow:
        """A call of the key that costs so much: held and settled, and not booked yet."""
        authority = await self._reader.find("k")
        assert authority is not None
        caller = authority.caller
        assert caller is not None, authority.refusal
        call = msgspec.structs.replace(make_call(str(uuid.uuid4())), caller=caller, reply_headers={})
        target = msgspec.structs.replace(make_target(price=PRICE), public_name=model)
        bounds = ChatBounds(chat(max_tokens=cents), target)
        admission = await self._admissions.admit(call, target, bounds, customer)
        nano = cents * CENT
        assert admission.ceiling_nano in (None, nano)
        self._admissions.settle(admission, make_settled(call.request_id, cost_nano=nano))
        charges = tuple(
            Charge(
                each.account,
                each.epoch,
                each.worker,
                each.taken_nano,
                nano,
                each.kind,
                each.object_id,
                each.part,
            )
            for each in admission.charges
        )
        return make_row(
            call.request_id,
            cost_nano=nano,
            charges=charges,
            key_hash="k",
            key_id="k",
            user_id=caller.user_id,
            team_id=caller.team_id,
            organization_id=caller.organization_id,
            end_user=customer,
        )

    async def booked(self, *rows: SpendRow) -> list[tuple[AlertKind, str, str, datetime | None]]:
        """The alerts of a batch."""
        policy = self._policy
        customer_budget = CustomerBudget(
            budget_id=policy.customer_budget_id, max_budget=policy.customer_budget
        )
        async with self.database.connection() as connection:
            await ensure_partition(connection, rows[0].started_at.date())
            return list(alerts_of(rows, await insert_rows(connection, rows, customer_budget)))


def at_work(
    dsn: str, scenario: Callable[[Gateway], Awaitable[T]], *statements: str, policy: Policy | None = None
) -> T:
    execute(dsn, *statements)

    async def run() -> T:
        database = await Database.connect(dsn)
        governor = Governor(Leases(database, UTC))
        await governor.start()
        try:
            return await scenario(Gateway(database, governor, policy or Policy()))
        finally:
            await governor.close()
            await database.close()

    return asyncio.run(run())


OF_EVERYTHING = Policy(budget=Decimal(1), budget_duration="30d")
OF_CUSTOMERS = Policy(customer_budget=Decimal(1))
OF_CUSTOMERS_BY_NAME = Policy(customer_budget_id="b")
BY_NAME_OR_ELSE = Policy(customer_budget_id="b", customer_budget=Decimal(900))

KINDS: dict[str, tuple[Policy, str, Sequence[str]]] = {
    "a key's window": (
        Policy(),
        "window 1d of key:k",
        [NOBODYS, changed("LiteLLM_VerificationToken", budget_limits=WINDOWS)],
    ),
    "a user's window": (
        Policy(),
        "window 1d of user:ada",
        [ADA, ADAS, changed("LiteLLM_UserTable", budget_limits=WINDOWS)],
    ),
    "a team's window": (
        Policy(),
        "window 1d of team:red",
        [ADA, RED, OF_RED, changed("LiteLLM_TeamTable", budget_limits=WINDOWS)],
    ),
    "a member's window": (
        Policy(),
        "window 1d of member:red:ada",
        [
            shared(budget_limits=WINDOWS),
            *(ADA, RED, MEMBER, OF_RED),
            changed("LiteLLM_TeamMembership", budget_id="'b'"),
        ],
    ),
    "a window of a member by default": (
        Policy(),
        "window 1d of member:red:ada",
        [
            shared(budget_limits=WINDOWS),
            *(ADA, RED, MEMBER, OF_RED),
            changed("LiteLLM_TeamTable", member_budget_id="'b'"),
        ],
    ),
    "an organization's window": (
        Policy(),
        "window 1d of organization:acme",
        [shared(budget_limits=WINDOWS), ACME, OF_ACME],
    ),
    "a window of a key's budget by name": (
        Policy(),
        "window 1d of key:k",
        [shared(budget_limits=WINDOWS), NOBODYS, changed("LiteLLM_VerificationToken", budget_id="'b'")],
    ),
    "a key's budget of a model": (
        Policy(),
        "model gpt-4 of key:k",
        [NOBODYS, changed("LiteLLM_VerificationToken", model_max_budget=MODELS)],
    ),
    "a user's budget of a model": (
        Policy(),
        "model gpt-4 of user:ada",
        [ADA, ADAS, changed("LiteLLM_UserTable", model_max_budget=MODELS)],
    ),
    "a team's budget of a model": (
        Policy(),
        "model gpt-4 of team:red",
        [ADA, RED, OF_RED, changed("LiteLLM_TeamTable", model_max_budget=MODELS)],
    ),
    "a member's budget of a model": (
        Policy(),
        "model gpt-4 of member:red:ada",
        [
            shared(model_max_budget=MODELS),
            *(ADA, RED, MEMBER, OF_RED),
            changed("LiteLLM_TeamTable", member_budget_id="'b'"),
        ],
    ),
    "an organization's budget of a model": (
        Policy(),
        "model gpt-4 of organization:acme",
        [shared(model_max_budget=MODELS), ACME, OF_ACME],
    ),
    "the gateway's budget": (OF_EVERYTHING, "gateway", [NOBODYS]),
    "a member's budget": (
        Policy(),
        "member:red:ada",
        [
            shared(max_budget="1"),
            *(ADA, RED, MEMBER, OF_RED),
            changed("LiteLLM_TeamMembership", budget_id="'b'"),
        ],
    ),
    "a member's budget by default": (
        Policy(),
        "member:red:ada",
        [
            shared(max_budget="1"),
            *(ADA, RED, MEMBER, OF_RED),
            changed("LiteLLM_TeamTable", member_budget_id="'b'"),
        ],
    ),
    "a customer's own budget": (
        OF_CUSTOMERS,
        "customer:carl",
        [shared(max_budget="1"), CARL, changed("LiteLLM_EndUserTable", budget_id="'b'"), NOBODYS],
    ),
    "a customer's budget by default": (OF_CUSTOMERS, "customer:carl", [CARL, NOBODYS]),
    "a customer's budget by default and name": (
        BY_NAME_OR_ELSE,
        "customer:carl",
        [shared(max_budget="1"), CARL, NOBODYS],
    ),
    "a customer's budget by default where that of the name is gone": (
        Policy(customer_budget_id="gone", customer_budget=Decimal(1)),
        "customer:carl",
        [CARL, NOBODYS],
    ),
    "a window of a customer's budget by default": (
        OF_CUSTOMERS_BY_NAME,
        "window 1d of customer:carl",
        [shared(budget_limits=WINDOWS), CARL, NOBODYS],
    ),
    "a stranger's budget by default": (OF_CUSTOMERS, "customer:carl", [NOBODYS]),
    "a stranger's budget by default and name": (
        BY_NAME_OR_ELSE,
        "customer:carl",
        [shared(max_budget="1"), NOBODYS],
    ),
    "a window of a stranger's budget by default": (
        OF_CUSTOMERS_BY_NAME,
        "window 1d of customer:carl",
        [shared(budget_limits=WINDOWS), NOBODYS],
    ),
    "a stranger's budget of a model by default": (
        OF_CUSTOMERS_BY_NAME,
        "model gpt-4 of customer:carl",
        [shared(model_max_budget=MODELS), NOBODYS],
    ),
}
"""What a budget of a dollar is, its config, what an alert calls it, and the rows that make it."""


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_budget_tells_each_threshold_once(postgres_dsn: str, kind: str) -> None:
    policy, name, statements = KINDS[kind]
    customer = "carl" if "customer" in name else None

    async def scenario(gateway: Gateway) -> None:
        found = []
        for cents in (50, 36, 5, 5, 4):
            row = await gateway.call(cents, customer)
            found.append([each[:2] for each in await gateway.booked(row)])
            assert await gateway.booked(row) == [], "it is there already"
        assert found == [[], [(B85, name)], [], [(B95, name)], [(REACHED, name)]]

    at_work(postgres_dsn, scenario, *statements, policy=policy)


@pytest.mark.parametrize("by", ["team", "default", "stranger"])
def test_a_soft_budget_by_default_is_told_too(postgres_dsn: str, by: str) -> None:
    both = shared(max_budget="1", soft_budget="0.3")
    members = [ADA, RED, MEMBER, OF_RED, changed("LiteLLM_TeamTable", member_budget_id="'b'")]
    rows = {"team": members, "default": [CARL, NOBODYS], "stranger": [NOBODYS]}[by]
    name = "member:red:ada" if by == "team" else "customer:carl"

    async def scenario(gateway: Gateway) -> None:
        found = []
        for cents in (20, 20, 20, 30):
            row = await gateway.call(cents, None if by == "team" else "carl")
            found.append([each[:2] for each in await gateway.booked(row)])
        assert found == [[], [(SOFT, name)], [], [(B85, name)]]

    at_work(postgres_dsn, scenario, both, *rows, policy=OF_CUSTOMERS_BY_NAME)


def test_a_budget_of_ones_own_goes_before_the_one_by_default(postgres_dsn: str) -> None:
    mine = """INSERT INTO "LiteLLM_BudgetTable" (budget_id, max_budget) VALUES ('mine', 10), ('free', NULL)"""

    async def scenario(gateway: Gateway) -> None:
        assert await gateway.booked(await gateway.call(96, "carl")) == []
        assert await gateway.booked(await gateway.call(96, "eve")) == []

    at_work(
        postgres_dsn,
        scenario,
        *(shared(max_budget="1"), mine, ADA, RED, MEMBER, OF_RED, CARL),
        """INSERT INTO "LiteLLM_EndUserTable" (user_id, budget_id) VALUES ('eve', 'free')""",
        changed("LiteLLM_TeamTable", member_budget_id="'b'"),
        changed("LiteLLM_TeamMembership", budget_id="'mine'"),
        """UPDATE "LiteLLM_EndUserTable" SET budget_id = 'mine' WHERE user_id = 'carl'""",
        policy=OF_CUSTOMERS_BY_NAME,
    )


def test_one_batch_tells_every_budget_that_it_crossed_and_each_once(postgres_dsn: str) -> None:
    async def scenario(gateway: Gateway) -> None:
        rows = [await gateway.call(24, "carl") for _ in range(4)]
        found = {each[:2] for each in await gateway.booked(*rows)}
        names = ("window 1d of key:k", "model gpt-4 of key:k", "gateway", "customer:carl")
        assert found == {(B95, name) for name in names}
        assert {each[1] for each in await gateway.booked(await gateway.call(4, "carl"))} == set(names)

    at_work(
        postgres_dsn,
        scenario,
        NOBODYS,
        changed("LiteLLM_VerificationToken", budget_limits=WINDOWS, model_max_budget=MODELS),
        policy=msgspec.structs.replace(OF_EVERYTHING, customer_budget=Decimal(1)),
    )


def test_a_budget_of_one_model_is_not_crossed_by_another(postgres_dsn: str) -> None:
    async def scenario(gateway: Gateway) -> None:
        assert await gateway.booked(await gateway.call(96, model="third")) == []

    budgets = changed("LiteLLM_VerificationToken", model_max_budget=MODELS)
    at_work(postgres_dsn, scenario, NOBODYS, budgets)


@pytest.mark.parametrize(("kind", "words"), [
    ("a team's window", "team:red has spent $0.96 of $1 in its window of 1d."),
    ("a key's budget of a model", "key:k has spent $0.96 of $1 on the model gpt-4."),
    ("the gateway's budget", "The gateway has spent $0.96 of $1."),
    ("a stranger's budget by default", "customer:carl has spent $0.96 of $1."),
])  # fmt: skip
def test_the_message_says_who_spent_what_of_which_budget(postgres_dsn: str, kind: str, words: str) -> None:
    policy, name, statements = KINDS[kind]

    async def scenario(gateway: Gateway) -> None:
        row = await gateway.call(96, "carl" if "customer" in name else None)
        assert [each[2] for each in await gateway.booked(row)] == [words]

    at_work(postgres_dsn, scenario, *statements, policy=policy)


WINDOW_OVER = """UPDATE "Switchgear_Account" SET window_end = now() - interval '1 s'"""
BEGAN = 'SELECT DISTINCT window_start FROM "Switchgear_Account"'


@pytest.mark.parametrize("kind", ["a team's window", "a user's budget of a model", "the gateway's budget"])
def test_the_next_window_tells_anew_and_a_late_call_of_the_last_one_nothing(
    postgres_dsn: str, kind: str
) -> None:
    policy, name, statements = KINDS[kind]

    async def spent(gateway: Gateway) -> SpendRow:
        """86 percent; a further call is not booked yet."""
        (alert,) = await gateway.booked(await gateway.call(86))
        (began,) = await fetch(gateway.database, BEGAN)
        assert alert[:2] == (B85, name)
        assert alert[3] is not None
        assert alert[3] == began["window_start"]
        return await gateway.call(10)

    async def booked(gateway: Gateway) -> None:
        assert await gateway.booked(late) == []
        assert [each[0] for each in await gateway.booked(in_time)] == [B95]

    late = at_work(postgres_dsn, spent, *statements, policy=policy)
    in_time = at_work(postgres_dsn, spent, WINDOW_OVER, policy=policy)
    at_work(postgres_dsn, booked, policy=policy)


@pytest.mark.parametrize("kind", ["a team's window", "a key's budget of a model", "the gateway's budget"])
def test_a_crossing_is_one_row_and_one_call_of_each_webhook(postgres_dsn: str, kind: str) -> None:
    policy, name, statements = KINDS[kind]
    posts = Posts()

    async def scenario(gateway: Gateway) -> None:
        desk = Desk(HOOKS, posts, host="here")
        for cents in (86, 10, 3):
            for alert in await gateway.booked(await gateway.call(cents)):
                desk.raised(*alert)
            async with gateway.database.connection() as connection:
                await desk.store(connection)
        await desk.finish()
        found = await fetch(
            gateway.database, 'SELECT kind, object, times FROM "Switchgear_Alert" ORDER BY first_at'
        )
        assert [tuple(each) for each in found] == [(B85.value, name, 1), (B95.value, name, 1)]

    at_work(postgres_dsn, scenario, *statements, policy=policy)
    assert sorted(posts.took) == ["generic.example"] * 2 + ["slack.example"] * 2


def test_what_a_given_up_worker_was_charged_for_is_no_crossing_when_it_is_booked(postgres_dsn: str) -> None:
    policy, _, statements = KINDS["the gateway's budget"]

    async def scenario(gateway: Gateway) -> None:
        row = await gateway.call(90)
        await fetch(gateway.database, """UPDATE "Switchgear_Worker" SET seen_at = now() - interval '2 h'""")
        await fetch(gateway.database, "SELECT * FROM switchgear_give_up(interval '1 h')")
        (spent,) = await fetch(gateway.database, 'SELECT spent FROM "Switchgear_Account"')
        assert spent["spent"] >= 90 * CENT
        assert await gateway.booked(row) == []

    at_work(postgres_dsn, scenario, *statements, policy=policy)
