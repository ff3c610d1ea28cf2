"""The sum that reports are made of.

Postgres' own sum(bigint) keeps 128 bits and gives a NUMERIC: made for each of seventeen sums of thousands
of groups, these are most of a report's time. This one stays a bigint, and fails where that overflows.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-24T17:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "the sum of reports"

STATEMENT = (
    "CREATE AGGREGATE switchgear_sum(bigint)"
    " (SFUNC = int8pl, STYPE = bigint, COMBINEFUNC = int8pl, PARALLEL = SAFE)"
)


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


async def run() -> None:
    await RawTable.raw(STATEMENT)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
