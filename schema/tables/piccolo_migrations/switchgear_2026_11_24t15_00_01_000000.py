"""The bodies' partitions, and the indexes by which corrections and what is open to them are found.

Both indexes are partial: a row that is neither costs them nothing.
"""

from datetime import UTC, datetime

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

from schema.tables.partitions import BODIES, create_partition, month_after, month_of

ID = "2026-11-24T15:00:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "partitions of bodies, indexes of corrections"

STATEMENTS = (
    'ALTER TABLE "Switchgear_Bodies" RENAME TO "Switchgear_Bodies_flat"',
    'CREATE TABLE "Switchgear_Bodies" (LIKE "Switchgear_Bodies_flat" INCLUDING DEFAULTS)'
    ' PARTITION BY RANGE ("startTime")',
    'DROP TABLE "Switchgear_Bodies_flat"',
    'ALTER TABLE "Switchgear_Bodies" ADD CONSTRAINT "Switchgear_Bodies_pkey"'
    ' PRIMARY KEY (request_id, "startTime")',
    'CREATE INDEX "LiteLLM_SpendLogs_corrects_idx" ON "LiteLLM_SpendLogs" (corrects)'
    " WHERE corrects IS NOT NULL",
    'CREATE INDEX "LiteLLM_SpendLogs_open_idx" ON "LiteLLM_SpendLogs" ("startTime", request_id)'
    " WHERE corrects IS NULL AND (outcome = 'uncertain' OR estimated)",
)


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


async def run() -> None:
    month = month_of(datetime.now(UTC).date())
    for statement in (
        *STATEMENTS,
        *create_partition(month, BODIES),
        *create_partition(month_after(month), BODIES),
    ):
        await RawTable.raw(statement)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
