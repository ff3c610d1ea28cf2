"""The tables, their migrations and a migrated database say the same."""

import asyncio
import importlib
from pkgutil import iter_modules

import asyncpg
from piccolo.apps.migrations.commands.new import AutoMigrationManager
from piccolo.table import Table

from runtime.postgres.migrations import TABLES
from schema import tables
from schema.tables.authority import AuthorityView
from schema.tables.piccolo_app import APP_CONFIG
from tests.conftest import execute

VIEWS = (AuthorityView,)
TYPES = {
    "Text": "text",
    "Numeric": "numeric",
    "DoublePrecision": "double precision",
    "BigInt": "bigint",
    "Integer": "integer",
    "Boolean": "boolean",
    "Bytea": "bytea",
    "JSONB": "jsonb",
    "Timestamp": "timestamp without time zone",
    "Timestamptz": "timestamp with time zone",
    "Array": "ARRAY",
    "Date": "date",
}


def test_auto_generation_after_migrating_is_empty() -> None:
    alterations = asyncio.run(AutoMigrationManager().get_alter_statements(app_config=APP_CONFIG))
    assert [statement for found in alterations for statement in found.statements] == []


def test_the_guard_against_foreign_databases_knows_every_table() -> None:
    assert {table._meta.tablename for table in APP_CONFIG.table_classes} == set(TABLES)


def test_every_table_that_is_declared_is_migrated() -> None:
    modules = [
        importlib.import_module(f"schema.tables.{each.name}") for each in iter_modules(tables.__path__)
    ]
    declared = {
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Table) and each.__module__ == module.__name__
    }
    assert declared == {*APP_CONFIG.table_classes, *VIEWS}


def test_a_migrated_database_has_no_other_table(postgres_dsn: str) -> None:
    async def found() -> set[str]:
        connection = await asyncpg.connect(postgres_dsn)
        rows = await connection.fetch(
            "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = 'public'::regnamespace"
        )
        await connection.close()
        return {row["relname"] for row in rows}

    assert asyncio.run(found()) == {*TABLES, "migration"}


def test_a_migrated_database_has_the_columns_that_the_tables_declare(postgres_dsn: str) -> None:
    async def columns(table: type[Table]) -> dict[str, tuple[str, bool]]:
        connection = await asyncpg.connect(postgres_dsn)
        rows = await connection.fetch(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns"
            " WHERE table_name = $1",
            table._meta.tablename,
        )
        await connection.close()
        return {row["column_name"]: (row["data_type"], row["is_nullable"] == "YES") for row in rows}

    for table in APP_CONFIG.table_classes:
        declared = {
            str(column._meta.db_column_name): (TYPES[type(column).__name__], column._meta.null)
            for column in table._meta.columns
        }
        assert asyncio.run(columns(table)) == declared


def test_an_administrator_is_made_by_sql(postgres_dsn: str) -> None:
    execute(
        postgres_dsn,
        """INSERT INTO "LiteLLM_UserTable" (user_id, user_email) VALUES ('u1', 'admin@deeprunner.ai')""",
        """UPDATE "LiteLLM_UserTable" SET user_role = 'proxy_admin'
WHERE user_email = 'admin@deeprunner.ai';""",
    )

    async def role() -> object:
        connection = await asyncpg.connect(postgres_dsn)
        found = await connection.fetchval(
            """SELECT user_role FROM "LiteLLM_UserTable" WHERE user_id = 'u1'"""
        )
        await connection.close()
        return found

    assert asyncio.run(role()) == "proxy_admin"
