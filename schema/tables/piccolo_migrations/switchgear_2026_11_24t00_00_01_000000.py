"""What Piccolo has no words for: the ledger's partitions and composite key, indexes, UTC defaults.

Piccolo runs a migration's SQL before it creates the migration's tables, so this is the second file;
both are applied in one transaction. The ledger has no index on "startTime" alone, as LiteLLM has:
("startTime", request_id) serves the same queries, and each index is paid for on every call.
"""

from datetime import UTC, datetime

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

from schema.tables.partitions import create_partition, month_after, month_of

ID = "2026-11-24T00:00:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "partitions, composite key, indexes, UTC defaults"

PARTITION_THE_LEDGER = (
    'ALTER TABLE "LiteLLM_SpendLogs" RENAME TO "LiteLLM_SpendLogs_flat"',
    'CREATE TABLE "LiteLLM_SpendLogs" (LIKE "LiteLLM_SpendLogs_flat" INCLUDING DEFAULTS)'
    ' PARTITION BY RANGE ("startTime")',
    'DROP TABLE "LiteLLM_SpendLogs_flat"',
    'ALTER TABLE "LiteLLM_SpendLogs" ADD CONSTRAINT "LiteLLM_SpendLogs_pkey"'
    ' PRIMARY KEY (request_id, "startTime")',
)

INDEXES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("LiteLLM_VerificationToken", ("user_id", "team_id")),
    ("LiteLLM_VerificationToken", ("team_id",)),
    ("LiteLLM_DeletedVerificationToken", ("token",)),
    ("LiteLLM_DeletedVerificationToken", ("deleted_at",)),
    ("LiteLLM_DeletedVerificationToken", ("user_id",)),
    ("LiteLLM_DeletedVerificationToken", ("team_id",)),
    ("LiteLLM_DeletedVerificationToken", ("key_alias",)),
    ("LiteLLM_SpendLogs", ("startTime", "request_id")),
    ("LiteLLM_SpendLogs", ("api_key", "startTime")),
    ("LiteLLM_SpendLogs", ("user", "startTime")),
    ("LiteLLM_SpendLogs", ("team_id", "startTime")),
    ("LiteLLM_SpendLogs", ("end_user",)),
    ("LiteLLM_SpendLogs", ("litellm_call_id",)),
)

ONE_KEY_AN_ALIAS = (
    'CREATE UNIQUE INDEX "LiteLLM_VerificationToken_key_alias_key"'
    ' ON "LiteLLM_VerificationToken" (key_alias) WHERE key_alias IS NOT NULL'
)

UTC_DEFAULTS: tuple[tuple[str, str], ...] = (
    ("LiteLLM_UserTable", "created_at"),
    ("LiteLLM_UserTable", "updated_at"),
    ("LiteLLM_VerificationToken", "created_at"),
    ("LiteLLM_VerificationToken", "updated_at"),
    ("LiteLLM_DeletedVerificationToken", "deleted_at"),
    ("LiteLLM_SpendLogs", "created_at"),
    ("LiteLLM_SpendLogs", "updated_at"),
)


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


def statements() -> list[str]:
    month = month_of(datetime.now(UTC).date())
    sql = list(PARTITION_THE_LEDGER)
    for table, columns in INDEXES:
        listed = ", ".join(f'"{column}"' for column in columns)
        sql.append(f'CREATE INDEX "{table}_{"_".join(columns)}_idx" ON "{table}" ({listed})')
    sql.append(ONE_KEY_AN_ALIAS)
    for table, column in UTC_DEFAULTS:
        sql.append(f"""ALTER TABLE "{table}" ALTER COLUMN {column} SET DEFAULT (now() AT TIME ZONE 'utc')""")
    return [*sql, *create_partition(month), *create_partition(month_after(month))]


async def run() -> None:
    for statement in statements():
        await RawTable.raw(statement)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
