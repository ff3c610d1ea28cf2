"""Bringing a database's tables up to date, before anything is served.

The usual start finds nothing to do: that costs one connection and two queries, and Piccolo is not
imported. An empty database gets its tables from one file (`runtime/postgres/new_database.py`). A database
that is behind is brought forward by `runtime/postgres/apply_migrations.py`, in a process of its own.
"""

import asyncio
import re
import sys
from collections.abc import Collection, Sequence

import asyncpg

from runtime.postgres.errors import AWAY_ERRORS
from runtime.postgres.new_database import ROOT, create_tables, take_turn
from schema.errors.overload import DatabaseUnavailable

FOLDER = ROOT / "schema" / "tables" / "piccolo_migrations"
TABLES = (
    "LiteLLM_UserTable",
    "LiteLLM_VerificationToken",
    "LiteLLM_DeletedVerificationToken",
    "LiteLLM_DeprecatedVerificationToken",
    "LiteLLM_SpendLogs",
    "LiteLLM_TeamTable",
    "LiteLLM_DeletedTeamTable",
    "LiteLLM_TeamMembership",
    "LiteLLM_OrganizationTable",
    "LiteLLM_OrganizationMembership",
    "LiteLLM_BudgetTable",
    "LiteLLM_EndUserTable",
    "LiteLLM_AccessGroupTable",
    "LiteLLM_TagTable",
    "LiteLLM_ProjectTable",
    "LiteLLM_AuditLog",
    "Switchgear_Bodies",
    "Switchgear_Account",
    "Switchgear_Lease",
    "Switchgear_Worker",
    "Switchgear_Journal",
    "Switchgear_Alert",
    "Switchgear_State",
    "Switchgear_Cache",
    "LiteLLM_ProxyModelTable",
    "LiteLLM_CredentialsTable",
    "LiteLLM_Config",
    "Switchgear_HostConfig",
    "Switchgear_Session",
    "Switchgear_SignIn",
    "Switchgear_Throttle",
    "Switchgear_Password",
    "LiteLLM_InvitationLink",
    "LiteLLM_SSOConfig",
    "Switchgear_SignInSecret",
    "Switchgear_Deployment",
    "LiteLLM_HealthCheckTable",
    "Switchgear_DailySpend",
    "Switchgear_DailyEndUserSpend",
    "Switchgear_DailyTagSpend",
    "Switchgear_DailyEndUserTotal",
    "Switchgear_Latency",
    "Switchgear_OwnerLatency",
    "Switchgear_ModelLatency",
    "Switchgear_SavedFilter",
)
CONNECT_TIMEOUT_S = 10.0
CREATE_TIMEOUT_S = 300.0
"""How long the tables of an empty database may take."""
APPLY_TIMEOUT_S = 7200.0
"""How long all pending migrations may take together. Some rewrite what a large database holds."""

_ID = re.compile(r'^ID = "([^"]+)"$', re.MULTILINE)
_LOOK = """
    SELECT current_schema() AS schema, current_setting('search_path') AS search_path,
           to_regclass('migration') IS NOT NULL AS has_ledger,
           array(SELECT relname::text FROM pg_class
                 WHERE relname = ANY($1) AND relkind IN ('r', 'p') AND pg_table_is_visible(oid)
                 ORDER BY relname) AS found
"""


class ForeignDatabase(Exception):
    """The database holds someone else's tables; nothing was written."""


class MigrationFailed(Exception):
    """A migration did not apply; all of them were rolled back."""


async def migrate(dsn: str) -> list[str]:
    """Apply the pending migrations; gives their ids. Safe to run from several servers at once.

    Raises ForeignDatabase, MigrationFailed, or DatabaseUnavailable.
    """
    connection = await _connected(dsn)
    try:
        done = await _applied(connection)
        pending = left = _missing(done)
        if pending and done is None:
            left = _missing(await _created(connection))
    finally:
        await connection.close()
    if left:
        await apply_pending(dsn)
    return pending


def known_migrations() -> list[str]:
    """The ids of this version's migrations, oldest first, read from the files without running them."""
    found = (_ID.search(path.read_text()) for path in FOLDER.glob("switchgear_*.py"))
    return sorted(match[1] for match in found if match)


async def max_connections(dsn: str) -> int:
    """How many Postgres has for everybody. Raises DatabaseUnavailable."""
    connection = await _connected(dsn)
    try:
        return int(await connection.fetchval("SHOW max_connections"))
    finally:
        await connection.close()


async def _connected(dsn: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
    except ValueError:  # the address can't be read; the error's text may hold the password
        raise DatabaseUnavailable("The database can't be reached: its address can't be read.") from None
    except AWAY_ERRORS as exc:
        raise DatabaseUnavailable(f"The database can't be reached: {exc}. {_cure_of(exc)}") from exc
    except asyncpg.PostgresError as exc:
        raise DatabaseUnavailable(
            f"The database refuses the connection: {exc}. Check the parameters behind the ? of its address."
        ) from exc


def _cure_of(exc: BaseException) -> str:
    """What to do, by what Postgres or the system said."""
    match exc:
        case asyncpg.InvalidCatalogNameError():
            return "Make it with CREATE DATABASE, or name another one at the end of the address."
        case asyncpg.InvalidAuthorizationSpecificationError():
            return "Check user, password and sslmode of the address."
        case asyncpg.InsufficientResourcesError():
            return "Raise max_connections of Postgres, or start fewer workers."
        case asyncpg.CantChangeRuntimeParamError() | asyncpg.InsufficientPrivilegeError():
            return "Check the parameters behind the ? of the address, and the rights of its user."
        case FileNotFoundError():
            return "Check the files and the socket that the address names."
        case OSError():
            return "Check host and port of the address, and that Postgres runs there."
    return "Check the address, and that Postgres takes connections."


def _missing(done: Collection[str] | None) -> list[str]:
    return [migration for migration in known_migrations() if migration not in (done or ())]


async def _applied(connection: asyncpg.Connection) -> set[str] | None:
    """The ids in Piccolo's ledger; None where the database has no ledger. Raises ForeignDatabase, or
    DatabaseUnavailable where the schema that the address names is missing."""
    row = await connection.fetchrow(_LOOK, [*TABLES, "_prisma_migrations"])
    if row["schema"] is None:
        raise DatabaseUnavailable(
            f"The database has no schema {row['search_path']}, which its address names: make it with "
            f"CREATE SCHEMA {row['search_path']}, or leave `schema` out of the address."
        )
    done: set[str] | None = None
    if row["has_ledger"]:
        rows = await connection.fetch("SELECT name FROM migration WHERE app_name = 'switchgear'")
        done = {found["name"] for found in rows}
    _refuse_foreign(row["found"], ours=bool(done))
    return done


async def _created(connection: asyncpg.Connection) -> set[str] | None:
    """Make the tables of a new database, unless another server has done so meanwhile. Gives the ids in the
    ledger then. Raises ForeignDatabase or MigrationFailed."""
    try:
        async with asyncio.timeout(CREATE_TIMEOUT_S), connection.transaction():
            await take_turn(connection)
            if await _applied(connection) is None:
                await create_tables(connection)
            return await _applied(connection)
    except (*AWAY_ERRORS, asyncpg.PostgresError) as exc:
        raise MigrationFailed(f"The migrations were rolled back: {str(exc) or type(exc).__name__}") from exc


def _refuse_foreign(found: Sequence[str], *, ours: bool) -> None:
    """Raise ForeignDatabase where a LiteLLM gateway lives, or tables that we did not make."""
    if "_prisma_migrations" in found or (found and not ours):
        names = ", ".join(f'"{name}"' for name in found)
        raise ForeignDatabase(
            f"The database has {names}, which Switchgear did not create: it looks like a LiteLLM gateway's "
            "database. Nothing was written to it. Point DATABASE_URL at an empty database; importing a "
            "LiteLLM database is not in this version."
        )


async def apply_pending(dsn: str) -> None:
    """Apply the migrations that the ledger does not have, one after the other. Raises MigrationFailed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "runtime.postgres.apply_migrations",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(APPLY_TIMEOUT_S):
            _, stderr = await process.communicate(f"{dsn}\n".encode())
    except TimeoutError:
        raise MigrationFailed(
            f"The migrations were rolled back: they took longer than {APPLY_TIMEOUT_S:g} seconds"
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        said = stderr.decode(errors="replace").strip().splitlines()
        reason = said[-1] if said else f"exit status {process.returncode}"
        raise MigrationFailed(f"The migrations were rolled back: {reason}")
