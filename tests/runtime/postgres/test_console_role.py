"""pgAdmin's role in a real database: what it sees, what it may change, and what is hidden from it."""

import asyncio
from typing import Any

import asyncpg
import pytest

from runtime.postgres.console_role import ADD, CHANGE, READ, ROLE, make_console_role
from tests.conftest import execute

DOCUMENT = """
    UPDATE "LiteLLM_UserTable" SET user_role = 'proxy_admin'
    WHERE user_email = 'admin@deeprunner.ai'
"""
HIDDEN = (
    "Switchgear_Session",
    "Switchgear_Password",
    "Switchgear_SignIn",
    "Switchgear_SignInSecret",
    "Switchgear_State",
    "Switchgear_Cache",
    "Switchgear_Bodies",
    "LiteLLM_CredentialsTable",
    "LiteLLM_ProxyModelTable",
    "LiteLLM_InvitationLink",
    "LiteLLM_SSOConfig",
    "LiteLLM_Config",
)


def as_console(dsn: str, *statements: str) -> str:
    """Run statements as the role. Gives the last one's status."""

    async def run() -> Any:
        await make_console_role(dsn, "its 'password")
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(f"SET SESSION AUTHORIZATION {ROLE}")
            told = [await connection.execute(statement) for statement in statements]
        finally:
            await connection.close()
        return told[-1]

    last: str = asyncio.run(run())
    return last


def test_the_role_reads_the_three_tables_and_runs_the_documents_update(postgres_dsn: str) -> None:
    user = "INSERT INTO \"LiteLLM_UserTable\" (user_id, user_email) VALUES ('ada', 'admin@deeprunner.ai')"
    execute(postgres_dsn, user)
    for table in ("LiteLLM_UserTable", "LiteLLM_VerificationToken", "LiteLLM_SpendLogs"):
        assert as_console(postgres_dsn, f'SELECT * FROM "{table}"').startswith("SELECT")
    assert as_console(postgres_dsn, DOCUMENT) == "UPDATE 1"
    assert as_console(postgres_dsn, 'UPDATE "LiteLLM_UserTable" SET spend = 0') == "UPDATE 1"

    async def notes() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(postgres_dsn)
        try:
            return list(
                await connection.fetch('SELECT * FROM "LiteLLM_AuditLog" WHERE action = $1', "updated")
            )
        finally:
            await connection.close()

    assert any(row["database_user"] == ROLE for row in asyncio.run(notes()))


@pytest.mark.parametrize("table", HIDDEN)
def test_the_role_does_not_see_secrets(postgres_dsn: str, table: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        as_console(postgres_dsn, f'SELECT * FROM "{table}"')


@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE "LiteLLM_SpendLogs" SET spend = 0',
        'DELETE FROM "LiteLLM_AuditLog"',
        'DELETE FROM "LiteLLM_UserTable"',
        "INSERT INTO \"LiteLLM_VerificationToken\" (token) VALUES ('x')",
        "CREATE TABLE x (a int)",
        "CREATE ROLE another SUPERUSER",
        "COPY (SELECT 1) TO PROGRAM 'id'",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
def test_the_role_changes_nothing_else(postgres_dsn: str, statement: str) -> None:
    with pytest.raises(asyncpg.PostgresError):
        as_console(postgres_dsn, statement)


def test_what_is_taken_from_the_list_is_taken_from_the_role(postgres_dsn: str) -> None:
    as_console(postgres_dsn, "SELECT 1")
    execute(postgres_dsn, f'GRANT SELECT ON "Switchgear_Session" TO {ROLE}')
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        as_console(postgres_dsn, 'SELECT * FROM "Switchgear_Session"')


def test_every_table_is_seen_or_hidden_by_decision() -> None:
    assert not set(READ) & set(HIDDEN)
    assert set(CHANGE) | set(ADD) <= set(READ)
