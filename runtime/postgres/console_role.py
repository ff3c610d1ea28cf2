"""The database role of pgAdmin: it reads what people look for, changes users, and never sees sessions,
passwords, prompts and the credentials of providers.

Whatever is not in `READ` is not seen: a table of a later version is hidden until somebody adds it here.
"""

import asyncpg

ROLE = "switchgear_console"
CONNECTIONS = 20
READ = (
    "LiteLLM_UserTable",
    "LiteLLM_VerificationToken",
    "LiteLLM_SpendLogs",
    "LiteLLM_TeamTable",
    "LiteLLM_TeamMembership",
    "LiteLLM_OrganizationTable",
    "LiteLLM_OrganizationMembership",
    "LiteLLM_ProjectTable",
    "LiteLLM_BudgetTable",
    "LiteLLM_EndUserTable",
    "LiteLLM_TagTable",
    "LiteLLM_AccessGroupTable",
    "LiteLLM_AuditLog",
    "LiteLLM_HealthCheckTable",
    "LiteLLM_DeletedTeamTable",
    "LiteLLM_DeletedVerificationToken",
    "Switchgear_Account",
    "Switchgear_Alert",
    "Switchgear_DailySpend",
    "Switchgear_DailyEndUserSpend",
    "Switchgear_DailyEndUserTotal",
    "Switchgear_DailyTagSpend",
    "Switchgear_Deployment",
    "Switchgear_Latency",
    "Switchgear_Lease",
    "Switchgear_ModelLatency",
    "Switchgear_OwnerLatency",
    "Switchgear_Worker",
)
"""Keys stand in their table as hashes. Hidden are sessions, passwords, invitations, sign-in settings, stored
models and credentials, stored state, answers and prompts."""
CHANGE = ("LiteLLM_UserTable",)
"""Set a role, or spend, by SQL. The triggers write the audit row and announce the change."""
ADD = ("LiteLLM_AuditLog",)
"""What those triggers write into, as whoever makes the change. Nobody can change an entry."""
_MAKE = f"""
    DO $$ BEGIN
        CREATE ROLE {ROLE} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION
            CONNECTION LIMIT {CONNECTIONS};
    EXCEPTION WHEN duplicate_object THEN NULL; END $$
"""
_SETTINGS = (
    "statement_timeout = '5min'",
    "lock_timeout = '5s'",
    "idle_in_transaction_session_timeout = '10min'",
)


async def make_console_role(dsn: str, password: str) -> None:
    """Make the role in this database, or make it anew what it should be. Raises asyncpg.PostgresError where
    the address's user may make no roles, and OSError where nobody answers."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(_MAKE)
            secret = await connection.fetchval(
                f"SELECT format('ALTER ROLE {ROLE} PASSWORD %L', $1::text)", password
            )
            await connection.execute(secret)
            for setting in _SETTINGS:
                await connection.execute(f"ALTER ROLE {ROLE} SET {setting}")
            await connection.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {ROLE}")
            await connection.execute(f"GRANT USAGE ON SCHEMA public TO {ROLE}")
            for right, tables in (("SELECT", READ), ("UPDATE", CHANGE), ("INSERT", ADD)):
                named = ", ".join(f'"{table}"' for table in tables)
                await connection.execute(f"GRANT {right} ON {named} TO {ROLE}")
    finally:
        await connection.close()
