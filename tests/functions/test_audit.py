"""The audit log: complete, filtered, exported, and not to be changed."""

import csv
import io
from datetime import timedelta

import asyncpg
import msgspec
import pytest

from functions import audit, budgets, keys, teams
from functions.audit import Exported
from schema.audit import AuditRecord
from schema.errors import InvalidRequest, NotFound
from tests.functions.contexts import ADMIN, make_call
from tests.functions.governed import House, bodies, found, in_house


async def exported(house: House, **query: str) -> bytes:
    download = await house.call(audit.export, dict(query))
    assert isinstance(download, Exported)
    return b"".join([piece async for piece in download.pieces()])


def test_changes_are_listed_with_who_made_them_and_from_where(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(budgets.new, {"budget_id": "b", "max_budget": 1})
        call = make_call(
            ADMIN,
            scope=ADMIN.scope(budgets.update.manifest.access),  # type: ignore[attr-defined]
            client_ip="192.0.2.7",
            claimed_by="someone else",
        )
        store = house.ports["budgets"]
        await store.change("b", {"max_budget": None}, call=call)  # type: ignore[attr-defined]
        page = await house.call(audit.audit, {"object_id": "b"})
        assert [each.action for each in page.audit_logs] == ["updated", "created"]
        latest = page.audit_logs[0]
        assert (latest.changed_by, latest.claimed_by, latest.source_address, latest.request_id) == (
            "default_user_id",
            "someone else",
            "192.0.2.7",
            "0190-call",
        )
        assert latest.before_value is not None
        assert latest.updated_values is not None
        assert (bytes(latest.before_value["max_budget"]), bytes(latest.updated_values["max_budget"])) == (
            b"1",
            b"null",
        )
        assert (await house.call(audit.one, {"id": latest.id})) == latest
        with pytest.raises(NotFound):
            await house.call(audit.one, {"id": "nope"})

    in_house(postgres_dsn, scenario)


def test_the_log_is_filtered_and_paged(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        for number in range(5):
            await house.call(budgets.new, {"budget_id": f"b{number}"})
        await house.call(teams.new, {"team_id": "red"})
        await house.call(teams.block, {"team_id": "red"})
        await house.database.pool.execute("""UPDATE "LiteLLM_BudgetTable" SET rpm_limit = 1""")
        today = (await house.call(audit.audit)).audit_logs[0].updated_at.date()
        for query, total in found(
            ({}, 12),
            ({"table_name": "LiteLLM_TeamTable"}, 2),
            ({"action": "blocked"}, 1),
            ({"changed_by": "default_user_id"}, 7),
            ({"object_id": "b1", "action": "created"}, 1),
            ({"start_date": str(today), "end_date": str(today)}, 12),
            ({"end_date": str(today - timedelta(days=1))}, 0),
        ):
            assert (await house.call(audit.audit, query)).total == total, query
        page = await house.call(audit.audit, {"page_size": 5, "page": 3, "sort_order": "asc"})
        assert (len(page.audit_logs), page.total_pages) == (2, 3)
        for query in bodies({"page_size": 0}, {"start_date": "yesterday"}):
            with pytest.raises(InvalidRequest):
                await house.call(audit.audit, query)

    in_house(postgres_dsn, scenario)


def test_everything_is_exported_batch_by_batch(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.database.pool.execute(
            """INSERT INTO "LiteLLM_BudgetTable" (budget_id)
               SELECT 'b' || n FROM generate_series(1, 1203) AS n"""
        )
        lines = (await exported(house)).splitlines()
        records = [msgspec.json.decode(line, type=AuditRecord) for line in lines]
        assert len({record.object_id for record in records}) == 1203
        assert [record.updated_at for record in records] == sorted(record.updated_at for record in records)
        rows = list(csv.reader(io.StringIO((await exported(house, format="csv", object_id="b7")).decode())))
        assert rows[0] == list(AuditRecord.__struct_fields__)
        assert dict(zip(rows[0], rows[1], strict=True))["object_id"] == "b7"

    in_house(postgres_dsn, scenario)


def test_a_cell_is_no_formula(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(budgets.new, {"budget_id": "=cmd|' /C calc'!A0"})
        text = (await exported(house, format="csv")).decode()
        assert "'=cmd" in text
        assert ",=cmd" not in text

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    "sql",
    [
        """UPDATE "LiteLLM_AuditLog" SET changed_by = 'nobody'""",
        'DELETE FROM "LiteLLM_AuditLog"',
        'TRUNCATE "LiteLLM_AuditLog"',
    ],
)
def test_the_gateways_own_role_can_only_append(postgres_dsn: str, sql: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(budgets.new, {"budget_id": "b"})
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await house.database.pool.execute(sql)
        assert (await house.call(audit.audit)).total == 1

    in_house(postgres_dsn, scenario)


def test_no_key_is_in_it(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(keys.generate, {"key_alias": "k"})
        await house.call(keys.regenerate_named, {"key": made.key})
        await house.call(keys.delete, {"key_aliases": ["k"]})
        assert made.key.encode() not in await exported(house)

    in_house(postgres_dsn, scenario)
