"""Corrections of booked calls: they are rows of their own, and the counters follow them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from functions import corrections
from functions.contract.call import Caller
from functions.contract.roles import INTERNAL_USER
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import NotFound
from schema.ledger.rows import Charge, Outcome
from schema.wire import to_json
from tests.conftest import execute
from tests.functions.booked import OWNED, OWNERS, book, counters, fetch, total
from tests.functions.governed import Body, House, bodies, in_house
from tests.runtime.attempts import ROW, make_row

REASON = "the provider's invoice of March"


def uncertain(request_id: str, **changes: Any) -> Any:
    facts: dict[str, Any] = {
        "outcome": Outcome.UNCERTAIN,
        "estimated": True,
        "http_status": 408,
        "cost_nano": 2_000_000_000,
        **OWNED,
    }
    return make_row(request_id, **(facts | changes))


def test_a_correction_is_a_row_of_its_own_beside_an_untouched_original(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house.database, uncertain("req-1"))
        before = await fetch(house.database, 'SELECT * FROM "LiteLLM_SpendLogs"')
        report = await house.call(
            corrections.correct, {"request_id": "req-1", "cost": "0.123456789", "reason": REASON}
        )
        assert (report.correction_id, report.spend_before, report.spend, report.difference) == (
            "req-1-c1",
            Decimal(2),
            Decimal("0.123456789"),
            Decimal("-1.876543211"),
        )
        rows = await fetch(house.database, 'SELECT * FROM "LiteLLM_SpendLogs" ORDER BY request_id')
        assert dict(rows[0]) == dict(before[0])
        original, made = rows
        for name in ("startTime", "api_key", "user", "team_id", "organization_id", "end_user", "model"):
            assert made[name] == original[name]
        assert (made["corrects"], made["call_type"], made["reason"]) == ("req-1", "correction", REASON)
        assert (made["corrected_by"], made["correction"]) == ("default_user_id", "manual")
        assert made["spend"] == Decimal("-1.876543211")
        assert (made["total_tokens"], made["prompt_tokens"], made["ttft_ms"]) == (0, 0, None)
        assert made["created_at"] - made["startTime"] > timedelta(days=30)

    in_house(postgres_dsn, scenario)


def test_sums_inside_metadata_stay_with_the_original(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house.database, uncertain("req-1"))
        metadata = '{"user_api_key_alias": "x", "usage_object": 9, "cost_breakdown": {"total_cost": 1}}'
        await fetch(house.database, """UPDATE "LiteLLM_SpendLogs" SET metadata = $1::jsonb""", metadata)
        await house.call(corrections.correct, {"request_id": "req-1", "cost": 1, "reason": REASON})
        rows = await fetch(house.database, 'SELECT metadata FROM "LiteLLM_SpendLogs" ORDER BY request_id')
        assert [msgspec.json.decode(row["metadata"]) for row in rows] == [
            msgspec.json.decode(metadata),
            {"user_api_key_alias": "x"},
        ]

    in_house(postgres_dsn, scenario)


def test_every_counter_of_the_call_follows(postgres_dsn: str) -> None:
    execute(postgres_dsn, *OWNERS)

    async def scenario(house: House) -> None:
        await book(house.database, uncertain("req-1"), make_row("req-2", cost_nano=500_000_000, **OWNED))
        assert await counters(house.database) == [Decimal("2.5")] * 6
        for cost in ("0.5", "3", "0"):
            await house.call(corrections.correct, {"request_id": "req-1", "cost": cost, "reason": REASON})
            assert await counters(house.database) == [Decimal(cost) + Decimal("0.5")] * 6
            assert await total(house.database, "req-1") == Decimal(cost)
        rows = await fetch(house.database, 'SELECT total_spend FROM "LiteLLM_TeamMembership"')
        assert rows[0]["total_spend"] == Decimal("0.5")

    in_house(postgres_dsn, scenario)


def test_the_same_correction_again_writes_nothing(postgres_dsn: str) -> None:
    execute(postgres_dsn, *OWNERS)

    async def scenario(house: House) -> None:
        await book(house.database, uncertain("req-1"))
        body = {"request_id": "req-1", "cost": 0.25, "reason": REASON}
        first = await house.call(corrections.correct, body)
        again = await house.call(corrections.correct, body)
        assert (first.correction_id, again.correction_id) == ("req-1-c1", None)
        assert (again.spend, again.difference) == (Decimal("0.25"), Decimal(0))
        rows = await fetch(house.database, 'SELECT count(*) AS rows FROM "LiteLLM_SpendLogs"')
        assert rows[0]["rows"] == 2
        assert await counters(house.database) == [Decimal("0.25")] * 6

    in_house(postgres_dsn, scenario)


def test_that_a_bound_was_right_is_a_correction_of_nothing(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house.database, uncertain("req-1"))
        body = {"request_id": "req-1", "cost": 2, "reason": REASON}
        assert (await house.call(corrections.correct, body)).correction_id == "req-1-c1"
        assert (await house.call(corrections.correct, body)).correction_id is None
        assert (await house.call(corrections.uncertain)).data == []

    in_house(postgres_dsn, scenario)


def test_what_was_really_used_is_priced_and_the_counts_follow(postgres_dsn: str) -> None:
    config_row = msgspec.structs.replace(
        ROW, request_id="req-1", model_group="gpt", model="gpt-4", provider="openai", cost_nano=9_000_000_000
    )

    async def scenario(house: House) -> None:
        await book(house.database, config_row)
        usage = {"prompt_tokens": 1_000, "completion_tokens": 100}
        report = await house.call(
            corrections.correct, {"request_id": "req-1", "usage": usage, "reason": REASON}
        )
        assert report.spend == Decimal("0.036")  # 30 and 60 dollars a million
        sums = (
            "sum(prompt_tokens) AS p, sum(completion_tokens) AS c, sum(total_tokens) AS t,"
            " sum(cached_tokens) AS k"
        )
        rows = await fetch(house.database, f'SELECT {sums} FROM "LiteLLM_SpendLogs"')
        assert tuple(rows[0]) == (1_000, 100, 1_100, 0)
        both = {"request_id": "req-1", "cost": "0.04", "usage": usage, "reason": REASON}
        assert (await house.call(corrections.correct, both)).correction_id == "req-1-c2"
        assert (await house.call(corrections.correct, both)).correction_id is None

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"cost": -1}, "cost"),
        ({"cost": "0.1234567891"}, "cost"),
        ({"cost": None}, "cost"),
        ({"cost": None, "usage": {"prompt_tokens": 1, "cached_tokens": 2}}, "usage.prompt_tokens"),
        ({"cost": None, "usage": {"prompt_tokens": -1}}, "usage.prompt_tokens"),
        ({"cost": None, "usage": {"prompt_tokens": 1}}, "cost"),
        ({"request_id": "req-1-c1"}, "request_id"),
        ({"spend": 3}, "spend"),
    ],
)
def test_what_can_not_be_corrected_so_is_named(postgres_dsn: str, body: Body, param: str) -> None:
    async def scenario(house: House) -> None:
        await book(house.database, uncertain("req-1", model_group="nobody's"))
        await house.call(corrections.correct, {"request_id": "req-1", "cost": 1, "reason": REASON})
        with pytest.raises((InvalidRequest, UnsupportedParameter)) as refused:
            await house.call(corrections.correct, {"request_id": "req-1", "cost": 2, "reason": REASON} | body)
        assert refused.value.param == param

    in_house(postgres_dsn, scenario)


def test_a_row_that_is_not_there_is_not_found(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        for body in bodies({"cost": 1}, {"usage": {"prompt_tokens": 1}}):
            with pytest.raises(NotFound):
                await house.call(corrections.correct, {"request_id": "nope", "reason": REASON} | body)

    in_house(postgres_dsn, scenario)


def test_who_corrected_what_and_why_is_in_the_audit_log(postgres_dsn: str) -> None:
    execute(postgres_dsn, *OWNERS)

    async def scenario(house: House) -> None:
        await book(house.database, uncertain("req-1"))
        await house.call(corrections.correct, {"request_id": "req-1", "cost": "0.5", "reason": REASON})
        (entry,) = await fetch(
            house.database, """SELECT * FROM "LiteLLM_AuditLog" WHERE table_name = 'LiteLLM_SpendLogs'"""
        )
        assert (entry["action"], entry["object_id"], entry["changed_by"]) == (
            "corrected",
            "req-1",
            "default_user_id",
        )
        assert msgspec.json.decode(entry["before_value"]) == {"spend": "2"}
        assert msgspec.json.decode(entry["updated_values"]) == {
            "spend": "0.5",
            "correction": "manual",
            "correction_id": "req-1-c1",
            "reason": REASON,
        }
        changed = await fetch(house.database, """SELECT * FROM "LiteLLM_AuditLog" WHERE action = 'updated'""")
        assert changed == []  # counters are bookkeeping

    in_house(postgres_dsn, scenario)


def test_a_window_that_is_over_is_left_alone(postgres_dsn: str) -> None:
    execute(
        postgres_dsn,
        *OWNERS,
        """INSERT INTO "Switchgear_Account"
               (account, kind, object_id, duration, epoch, window_start, window_end)
           VALUES ('money:team:red', 'team', 'red', '1mo', 1, '2026-03-15', '2026-04-15'),
                  ('money:user:alice', 'user', 'alice', '1mo', 1, '2026-03-01', '2026-04-01')""",
    )

    async def scenario(house: House) -> None:
        await book(house.database, uncertain("req-1"))  # on the 14th
        await house.call(corrections.correct, {"request_id": "req-1", "cost": "0.5", "reason": REASON})
        by_name = dict(zip(("key", "user", "team", "member"), await counters(house.database), strict=False))
        assert by_name == {
            "key": Decimal("0.5"),
            "user": Decimal("0.5"),
            "team": Decimal(2),
            "member": Decimal("0.5"),
        }

    in_house(postgres_dsn, scenario)


def test_budgets_that_keep_their_own_account_follow_in_the_window_that_was_charged(postgres_dsn: str) -> None:
    execute(
        postgres_dsn,
        """INSERT INTO "Switchgear_Account" (account, duration, epoch, spent)
           VALUES ('money:global', null, 0, 7), ('money:team:red:window:1d', '1d', 4, 7)""",
    )
    charges = (
        Charge("money:global", 0, "w", 2_000_000_000, 2_000_000_000, "", "", ""),
        Charge("money:team:red:window:1d", 4, "w", 2_000_000_000, 2_000_000_000, "", "", ""),
    )
    accounts = 'SELECT account, spent FROM "Switchgear_Account" ORDER BY account'

    async def scenario(house: House) -> None:
        await book(house.database, uncertain("req-1", charges=charges))
        await house.call(corrections.correct, {"request_id": "req-1", "cost": "0.5", "reason": REASON})
        assert [row["spent"] for row in await fetch(house.database, accounts)] == [500_000_007] * 2
        await fetch(
            house.database, """UPDATE "Switchgear_Account" SET epoch = 5, spent = 0 WHERE epoch = 4"""
        )
        await house.call(corrections.correct, {"request_id": "req-1", "cost": "1.5", "reason": REASON})
        assert [row["spent"] for row in await fetch(house.database, accounts)] == [1_500_000_007, 0]

    in_house(postgres_dsn, scenario)


def test_a_counter_that_was_set_back_does_not_fall_below_zero(postgres_dsn: str) -> None:
    execute(postgres_dsn, *OWNERS)

    async def scenario(house: House) -> None:
        await book(house.database, uncertain("req-1"))
        await fetch(house.database, """UPDATE "LiteLLM_TeamTable" SET spend = 0""")
        await house.call(corrections.correct, {"request_id": "req-1", "cost": 0, "reason": REASON})
        assert await counters(house.database) == [0] * 6

    in_house(postgres_dsn, scenario)


def test_the_key_that_was_replaced_is_charged_under_its_old_id(postgres_dsn: str) -> None:
    execute(
        postgres_dsn,
        """INSERT INTO "LiteLLM_VerificationToken" (token, key_id, spend) VALUES ('third', 'first', 2)""",
    )

    async def scenario(house: House) -> None:
        await book(house.database, uncertain("req-1", key_hash="second", key_id="first"))
        await house.call(corrections.correct, {"request_id": "req-1", "cost": 1, "reason": REASON})
        rows = await fetch(house.database, 'SELECT spend FROM "LiteLLM_VerificationToken"')
        assert rows[0]["spend"] == 3

    in_house(postgres_dsn, scenario)


def test_what_waits_for_a_correction_is_listed_page_by_page(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        start = datetime(2026, 3, 1, tzinfo=UTC)
        rows = [uncertain(f"req-{n}", started_at=start + timedelta(days=n // 2)) for n in range(5)]
        rows.append(make_row("left", outcome=Outcome.CANCELLED, estimated=True, user_id="bob", team_id=None))
        await book(house.database, *rows, make_row("sure"))
        await house.call(corrections.correct, {"request_id": "req-3", "cost": 1, "reason": REASON})
        found, after = [], None
        for _ in range(4):
            query: Body = {"page_size": 2} | ({"after": after} if after else {})
            page = await house.call(corrections.uncertain, query)
            found += [row.request_id for row in page.data]
            after = page.next
            if after is None:
                break
        assert found == ["req-0", "req-1", "req-2", "req-4", "left"]
        bob = Caller(role=INTERNAL_USER, key_hash="b" * 64, user_id="bob")
        assert [row.request_id for row in (await house.call(corrections.uncertain, by=bob)).data] == ["left"]
        day = {"start_date": "2026-03-02", "end_date": "2026-03-02"}
        (only,) = (await house.call(corrections.uncertain, day)).data
        assert (only.request_id, only.spend) == ("req-2", Decimal(2))
        assert b'"spend":2' in to_json(only)
        assert (await house.call(corrections.uncertain, {"model": "nope"})).data == []

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"page_size": 0}, "page_size"),
        ({"page_size": 1_001}, "page_size"),
        ({"after": "yesterday"}, "after"),
        ({"after": "2026-03-01T00:00:00+00:00~x"}, "after"),
        ({"start_date": "x"}, "start_date"),
    ],
)
def test_a_page_that_is_none_is_named(postgres_dsn: str, query: Body, param: str) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises(InvalidRequest) as refused:
            await house.call(corrections.uncertain, query)
        assert refused.value.param == param

    in_house(postgres_dsn, scenario)
