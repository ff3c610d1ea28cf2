"""Customers that calls name and that nobody entered: who gets a row, and with what in it."""

import asyncio
from decimal import Decimal

import asyncpg
import pytest

from runtime.books import strangers
from runtime.books.insert import insert_rows
from runtime.postgres.partitions import ensure_partition
from schema.ledger.rows import Charge, Outcome, SpendRow
from tests.conftest import execute
from tests.runtime.attempts import make_row

USD = 10**9
CARL = "money:customer:carl"


def booked(dsn: str, *batches: list[SpendRow]) -> list[tuple[str, Decimal, str]]:
    """Book batches; gives the customers that have rows, with what they spent and who made them."""

    async def run() -> list[tuple[str, Decimal, str]]:
        connection = await asyncpg.connect(dsn)
        try:
            for rows in batches:
                await ensure_partition(connection, rows[0].started_at.date())
                await insert_rows(connection, rows)
            found = await connection.fetch(
                'SELECT user_id, spend, created_by FROM "LiteLLM_EndUserTable" ORDER BY user_id'
            )
            return [(each["user_id"], each["spend"], each["created_by"]) for each in found]
        finally:
            await connection.close()

    return asyncio.run(run())


def called(request_id: str, customer: str | None, **more: object) -> SpendRow:
    fields: dict[str, object] = {"end_user": customer, "cost_nano": USD, "key_hash": "k", "key_id": "k"}
    return make_row(request_id, **{**fields, **more})


def account(*, spent: int, kind: str = "") -> str:
    return f"""INSERT INTO "Switchgear_Account" (account, kind, object_id, epoch, spent, leased, ceiling)
        VALUES ('{CARL}', '{kind}', '{"carl" if kind else ""}', 1, {spent}, 0, {100 * USD})"""


def charge() -> Charge:
    return Charge(CARL, 1, "w", USD, USD, "", "", "")


def test_a_customer_that_a_call_names_gets_a_row_with_what_the_calls_cost(postgres_dsn: str) -> None:
    first = [called("1", "carl"), called("2", "carl", cost_nano=2 * USD), called("3", None)]
    assert booked(postgres_dsn, first) == [("carl", Decimal(3), "key:k")]
    again = [called("4", "carl"), called("5", "dora", cost_nano=0, key_hash="other")]
    assert booked(postgres_dsn, again) == [
        ("carl", Decimal(4), "key:k"),
        ("dora", Decimal(0), "key:other"),
    ]


def test_a_row_that_is_booked_twice_counts_once(postgres_dsn: str) -> None:
    rows = [called("1", "carl")]
    assert booked(postgres_dsn, rows, rows) == [("carl", Decimal(1), "key:k")]


@pytest.mark.parametrize("customer", ["x" * 257, "a\nb", ""])
def test_an_id_that_nobody_could_enter_gets_no_row(postgres_dsn: str, customer: str) -> None:
    assert booked(postgres_dsn, [called("1", customer)]) == []


def test_a_call_that_was_refused_makes_no_customer(postgres_dsn: str) -> None:
    assert booked(postgres_dsn, [called("1", "carl", outcome=Outcome.REFUSED, cost_nano=0)]) == []


def test_a_key_enters_so_many_customers_a_day_and_no_more(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "MOST_A_DAY", 2)
    monkeypatch.setattr(strangers, "AT_ONCE", 1)
    rows = [called(name, name) for name in ("a", "b", "c")]
    made = booked(postgres_dsn, rows, [called("o", "d", key_hash="other"), called("e", "e")])
    assert [name for name, _, _ in made] == ["a", "b", "d"]
    execute(
        postgres_dsn,
        """UPDATE "LiteLLM_EndUserTable" SET created_at = created_at - interval '1 day'
            WHERE user_id = 'a'""",
    )
    made = booked(postgres_dsn, [called("f", "f"), called("g", "g")])
    assert [name for name, _, _ in made] == ["a", "b", "d", "f"], "yesterday's do not count"


def test_the_row_begins_with_what_the_account_had_spent(postgres_dsn: str) -> None:
    execute(postgres_dsn, account(spent=5 * USD))
    assert booked(postgres_dsn, [called("1", "carl", charges=(charge(),))]) == [("carl", Decimal(6), "key:k")]
    assert the_account(postgres_dsn) == ("customer", "carl", 0)
    assert booked(postgres_dsn, [called("2", "carl", charges=(charge(),))]) == [
        ("carl", Decimal(7), "key:k")
    ], "a hold of before counts in the row"


def test_a_customer_whose_account_is_not_charged_waits_for_the_next_call(postgres_dsn: str) -> None:
    execute(postgres_dsn, account(spent=5 * USD))
    assert booked(postgres_dsn, [called("1", "carl", cost_nano=0)]) == []
    assert the_account(postgres_dsn) == ("", "", 5 * USD)


def test_a_hold_of_an_earlier_version_counts_under_the_present_name(postgres_dsn: str) -> None:
    execute(postgres_dsn, account(spent=5 * USD, kind="customer"))
    execute(postgres_dsn, """INSERT INTO "LiteLLM_EndUserTable" (user_id, spend) VALUES ('carl', 5)""")
    former = Charge("money:customer-default:carl", 1, "w", USD, USD, "", "", "")
    (carl,) = booked(postgres_dsn, [called("1", "carl", charges=(former,))])
    assert carl[1] == Decimal(6)


def test_what_bookkeeping_enters_is_announced_and_not_audited(postgres_dsn: str) -> None:
    async def run() -> tuple[list[str], int]:
        heard: list[str] = []
        listening = await asyncpg.connect(postgres_dsn)
        await listening.add_listener("switchgear_authority", lambda *given: heard.append(given[3]))
        await asyncio.to_thread(booked, postgres_dsn, [called(str(n), f"c{n:03}") for n in range(150)])
        await listening.fetchval("SELECT 1")
        audited = await listening.fetchval('SELECT count(*) FROM "LiteLLM_AuditLog"')
        await listening.close()
        return heard, audited

    heard, audited = asyncio.run(run())
    assert (len(heard), "all" in heard, audited) == (150, False, 0)


def the_account(dsn: str) -> tuple[str, str, int]:
    async def run() -> tuple[str, str, int]:
        connection = await asyncpg.connect(dsn)
        try:
            row = await connection.fetchrow(
                'SELECT kind, object_id, spent FROM "Switchgear_Account" WHERE account = $1', CARL
            )
            return (row["kind"], row["object_id"], row["spent"])
        finally:
            await connection.close()

    return asyncio.run(run())


LEASE = """SELECT state, spent FROM switchgear_lease('w', interval '3 s', ARRAY['money:customer:carl'],
    ARRAY[$1], ARRAY[$2], ARRAY[''], ARRAY[NULL::text], ARRAY[NULL::timestamptz], ARRAY[NULL::timestamptz],
    ARRAY[10000000000], ARRAY[$3::bigint], 1)"""


def test_a_worker_that_has_not_heard_of_the_row_leases_from_the_same_account(postgres_dsn: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(postgres_dsn)

        async def lease(kind: str, needs: int) -> tuple[str, int]:
            row = await connection.fetchrow(LEASE, kind, "carl" if kind else "", needs * USD)
            return row["state"], row["spent"] // USD

        await connection.execute(
            """INSERT INTO "Switchgear_Worker" (worker, started_at, seen_at) VALUES ('w', now(), now())"""
        )
        assert await lease("", 6) == ("granted", 0)
        await connection.execute("""INSERT INTO "LiteLLM_EndUserTable" (user_id, spend) VALUES ('carl', 3)""")
        assert await lease("customer", 2) == ("short", 3), "6 of the stranger's are still held"
        assert await lease("", 2) == ("short", 3), "the row counts for whoever has not heard of it"
        assert await lease("", 1) == ("granted", 3)
        await connection.execute('DELETE FROM "LiteLLM_EndUserTable"')
        assert await lease("", 1) == ("granted", 0), "without a row the account says it again"
        await connection.close()

    asyncio.run(run())
