"""A caller who is no admin gets the sums of its own rows: those that an admin would get if there were no
other rows."""

from typing import Any

from functions import spend
from functions.contract.call import Caller
from functions.contract.roles import DEVOPS, INTERNAL_USER, PROXY_ADMIN_VIEWER, SERVICE_KEY
from runtime.catalog import CATALOG
from schema.ledger.rows import Outcome
from schema.wire import to_json
from tests.functions.contexts import ADMIN
from tests.functions.governed import House, in_house
from tests.functions.reported import CHARTS, MONTH, book, row_at, text_of

OWN = "a" * 64
REPORTS = ("spend", "spend_reports", "global_spend", "activity", "latency")
"""The families of reports."""
OTHER = "b" * 64
LABELS: dict[str, Any] = {"end_user": "eve", "tags": ("t", "u")}
MINE = (
    row_at(1, team_id="red", organization_id="acme", **LABELS),
    row_at(2, 21, team_id="red", organization_id="acme", cost_nano=5 * 10**9, **LABELS),
    row_at(3, 21, team_id="red", organization_id="acme", outcome=Outcome.REFUSED, http_status=429,
           cost_nano=0, **LABELS),
)  # fmt: skip
FOREIGN = (
    row_at(11, key_hash=OTHER, user_id="bob", team_id="blue", organization_id="umbrella", **LABELS),
    row_at(12, 21, key_hash=OTHER, user_id="bob", team_id=None, organization_id=None, http_status=429,
           **LABELS),
    row_at(13, 22, key_hash=OTHER, user_id="", team_id=None, model="other", model_group="other",
           provider="other", **LABELS),
)  # fmt: skip
CALLERS = {
    "a member": Caller(role=INTERNAL_USER, key_hash="0" * 64, user_id="alice"),
    "a team admin": Caller(role=INTERNAL_USER, key_hash="0" * 64, user_id="tim", teams={"red": "admin"}),
    "an organization admin": Caller(
        role=INTERNAL_USER, key_hash="0" * 64, user_id="olga", organizations={"acme": "org_admin"}
    ),
    "a service key": Caller(role=SERVICE_KEY, key_hash=OWN, user_id="", team_id="red"),
}
STRANGERS = {
    "a member": Caller(role=INTERNAL_USER, key_hash="0" * 64, user_id="mallory"),
    "a plain member of the team": Caller(
        role=INTERNAL_USER, key_hash="0" * 64, user_id="mallory", teams={"red": "user"}
    ),
    "a member without a user": Caller(role=INTERNAL_USER, key_hash="0" * 64, user_id=""),
    "a service key": Caller(role=SERVICE_KEY, key_hash="0" * 64, user_id=""),
}


async def answers(house: House, by: Caller) -> list[bytes]:
    return [to_json(await house.call(function, body, by)) for function, body in CHARTS]


def test_every_report_is_of_ones_own_rows_alone(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        nothing = await answers(house, ADMIN)
        await book(house, *MINE)
        alone = await answers(house, ADMIN)
        await book(house, *FOREIGN)
        everything = await answers(house, ADMIN)
        for (function, body), few, all_of_them in zip(CHARTS, alone, everything, strict=True):
            asks_for_own = {"api_key", "internal_user_id", "team_id", "organization_id"} & body.keys()
            assert (few != all_of_them) or asks_for_own, f"{function} {body} would show nothing here"
        for name, caller in CALLERS.items():
            for (function, body), got, wanted in zip(
                CHARTS, await answers(house, caller), alone, strict=True
            ):
                assert got == wanted, f"{name}: {function.__name__} {body}"
        for name, caller in STRANGERS.items():
            for (function, body), got, wanted in zip(
                CHARTS, await answers(house, caller), nothing, strict=True
            ):
                assert got == wanted, f"{name}: {function.__name__} {body}"
        for role in (PROXY_ADMIN_VIEWER, DEVOPS):
            assert await answers(house, Caller(role=role, key_hash="0" * 64, user_id="v")) == everything

    in_house(postgres_dsn, scenario)


def test_pages_files_and_single_calls_are_of_ones_own_rows_alone(postgres_dsn: str) -> None:
    async def ids(house: House, by: Caller) -> tuple[list[str], int, list[str]]:
        page = await house.call(spend.log_page, MONTH, by)
        file = await text_of((await house.call(spend.export, {**MONTH, "format": "csv"}, by)).pieces())
        exported = [line.split(",")[0] for line in file.splitlines()[1:]]
        return [row.request_id for row in page.data], page.total, exported

    async def scenario(house: House) -> None:
        await book(house, *MINE, *FOREIGN)
        for caller in CALLERS.values():
            assert await ids(house, caller) == (["req-3", "req-2", "req-1"], 3, ["req-1", "req-2", "req-3"])
        for caller in STRANGERS.values():
            assert await ids(house, caller) == ([], 0, [])
        assert (await ids(house, ADMIN))[1] == 6

    in_house(postgres_dsn, scenario)


def test_no_report_reads_the_log(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house, *MINE, *FOREIGN)
        before = await answers(house, ADMIN)
        await house.database.pool.execute('DROP TABLE "LiteLLM_SpendLogs" CASCADE')
        assert await answers(house, ADMIN) == before

    in_house(postgres_dsn, scenario)


def test_every_report_that_is_mounted_is_asked_here() -> None:
    rows = {spend.log_page, spend.export}
    counters = {spend.keys, spend.users, spend.teams}
    asked = {function for function, _ in CHARTS} | rows | counters
    mounted = {function for function in CATALOG if function.__module__.rpartition(".")[2] in REPORTS}
    assert {function.__name__ for function in mounted - asked} == {"reset"}
