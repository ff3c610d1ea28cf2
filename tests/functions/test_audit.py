"""The audit log: it is complete, it can be filtered and exported, and nobody can change it."""

import csv
import hashlib
import io
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import httpx
import msgspec
import pytest

from functions import audit, budgets, keys, teams, users
from runtime.catalog import entries
from runtime.web.mount import mount
from schema.audit import AuditFilter, AuditRecord
from schema.errors.overload import DatabaseUnavailable
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from tests.functions.contexts import ADMIN, make_call
from tests.functions.governed import House, bodies, found, in_house
from tests.runtime.in_process import MASTER
from tests.runtime.in_process import House as InvokeHouse


async def exported(house: House, **query: str) -> bytes:
    download = await house.call(audit.export, dict(query))
    return b"".join([piece async for piece in download.pieces()])


def served(house: House) -> httpx.AsyncClient:
    """Everything mounted, with the house's stores."""
    gateway = msgspec.structs.replace(InvokeHouse().gateway, ports=house.ports)
    app = mount(entries(), gateway)
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]  # Litestar's scope is a TypedDict
    headers = {"authorization": f"Bearer {MASTER}"}
    return httpx.AsyncClient(transport=transport, base_url="http://gateway.test", headers=headers)


def test_changes_are_listed_with_who_made_them_and_from_where(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(budgets.new, {"budget_id": "b", "max_budget": 1})
        call = make_call(
            ADMIN,
            scope=ADMIN.scope(budgets.update.manifest.access),  # type: ignore[attr-defined]
            client_ip="192.0.2.7",
            claimed_by="someone else",
        )
        store = house.ports.budgets
        await store.change("b", {"max_budget": None}, call=call)
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
        by_object = await house.call(audit.audit, {"sort_by": "object_id", "sort_order": "asc"})
        names = [each.object_id for each in by_object.audit_logs]
        assert names == ["b0", "b0", "b1", "b1", "b2", "b2", "b3", "b3", "b4", "b4", "red", "red"]

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


@pytest.mark.parametrize("beginning", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_a_cell_is_no_formula(postgres_dsn: str, beginning: str) -> None:
    async def scenario(house: House) -> None:
        name = f"{beginning}cmd|' /C calc'!A0"
        await house.call(budgets.new, {"budget_id": name})
        rows = list(csv.reader(io.StringIO((await exported(house, format="csv")).decode())))
        assert dict(zip(rows[0], rows[1], strict=True))["object_id"] == f"'{name}"
        assert not any(cell.startswith(beginning) for row in rows for cell in row)

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/audit/export?start_date=yesterday", 400, "start_date"),
        ("/audit/export?format=xml", 400, "format"),
        ("/audit/export?page=2", 400, "page"),
        ("/audit?changedby=me", 400, "changedby"),
        ("/audit?sort_by=before_value", 400, "sort_by"),
        ("/audit/nope", 404, "no such entry"),
    ],
)
def test_what_the_log_does_not_understand_is_refused_before_it_answers(
    postgres_dsn: str, path: str, status: int, says: str
) -> None:
    async def scenario(house: House) -> None:
        async with served(house) as client:
            reply = await client.get(path)
        assert (reply.status_code, says in reply.text) == (status, True), reply.text
        assert set(reply.json()) == {"error"}

    in_house(postgres_dsn, scenario)


def test_over_http_a_claim_is_kept_as_a_claim_and_the_log_is_a_file(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        async with served(house) as client:
            made = await client.post(
                "/budget/new", json={"budget_id": "b"}, headers={"litellm-changed-by": "the boss"}
            )
            assert made.status_code == 200, made.text
            (entry,) = (await client.get("/audit", params={"object_id": "b"})).json()["audit_logs"]
            assert (entry["changed_by"], entry["claimed_by"]) == ("default_user_id", "the boss")
            assert (await client.get(f"/audit/{entry['id']}")).json() == entry
            for kind, media_type in (("jsonl", "application/jsonl"), ("csv", "text/csv; charset=utf-8")):
                reply = await client.get("/audit/export", params={"format": kind, "changed_by": "the boss"})
                assert (reply.status_code, reply.headers["content-type"]) == (200, media_type)
                assert reply.headers["content-disposition"] == f'attachment; filename="audit.{kind}"'
                assert "budget_id" not in reply.text, "nobody has authenticated as the boss"
                reply = await client.get("/audit/export", params={"format": kind, "object_id": "b"})
                assert entry["id"] in reply.text

    in_house(postgres_dsn, scenario)


def test_an_export_is_read_while_it_is_sent_and_cut_where_it_breaks(postgres_dsn: str) -> None:
    class Breaking:
        """Gives an entry twice, then the database is gone."""

        given = 0

        def __init__(self, record: AuditRecord) -> None:
            self._record = record

        async def everything(self, query: AuditFilter) -> AsyncIterator[AuditRecord]:
            for _ in range(2):
                self.given += 1
                yield self._record
            raise DatabaseUnavailable("gone")

    async def scenario(house: House) -> None:
        await house.call(budgets.new, {"budget_id": "b"})
        log = Breaking((await house.call(audit.audit)).audit_logs[0])
        house.give(audit=log)
        download = await house.call(audit.export, {})
        assert log.given == 1, "the rest is read while it is sent"
        lines: list[bytes] = []

        async def read() -> None:
            async for piece in download.pieces():
                lines.append(piece)

        with pytest.raises(DatabaseUnavailable):
            await read()
        assert len(lines) == 2

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
    chosen = ("sk-chosen-by-hand-0123456789", "sk-chosen-again-0123456789")

    async def scenario(house: House) -> None:
        made = await house.call(keys.generate, {"key_alias": "k"})
        again = await house.call(keys.regenerate_named, {"key": made.key})
        await house.call(keys.generate, {"key": chosen[0]})
        await house.call(
            keys.regenerate_named, {"key": chosen[0], "new_key": chosen[1], "grace_period": "1h"}
        )
        first = (await house.call(users.new, {"user_id": "ada"})).key
        await house.call(keys.delete, {"key_aliases": ["k"]})
        log = await exported(house)
        assert hashlib.sha256(made.key.encode()).hexdigest().encode() in log
        for secret in (made.key, again.key, first, *chosen):
            assert secret is not None
            assert secret.encode() not in log

    in_house(postgres_dsn, scenario)
