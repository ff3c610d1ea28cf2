"""The response cache is in no write-ahead log, and what is over is found by an index.

What a crash loses is asked for again. A sealed answer can't be compressed, so Postgres does not try.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-30T04:10:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "response cache: unlogged, with an index of when answers are over"

STATEMENTS = (
    'ALTER TABLE "Switchgear_Cache" SET UNLOGGED',
    'ALTER TABLE "Switchgear_Cache" ALTER COLUMN sealed SET STORAGE EXTERNAL',
    'CREATE INDEX "Switchgear_Cache_expires_at_idx" ON "Switchgear_Cache" (expires_at, size)',
)


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


async def run() -> None:
    for statement in STATEMENTS:
        await RawTable.raw(statement)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
