"""A row of the ledger is found by the id of the answer.

The index is a hash index: ids are looked up by equality alone, and it keeps four bytes of an id. It is not unique,
since providers choose the ids.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-29T04:00:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "spend log: an index of the answers' ids"

INDEX = (
    'CREATE INDEX "LiteLLM_SpendLogs_response_id_idx" ON "LiteLLM_SpendLogs" USING hash (response_id)'
    " WHERE response_id IS NOT NULL"
)


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


async def run() -> None:
    await RawTable.raw(INDEX)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
