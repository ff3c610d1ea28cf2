"""The short tables of histograms are filled from the long one, and get their indexes.

The long table is locked against writers meanwhile, so no call is counted in one table alone. It has the days
of months of the ledger that were dropped, which the ledger's rows could not give. Its rows are bounded by
keys, models, days and 35 days of hours, and not by calls: a million of them took 47 s on a busy machine.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-12-01T01:20:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "histograms by owner, and by model: indexes, backfill"

LOCK = 'LOCK TABLE "Switchgear_Latency" IN SHARE ROW EXCLUSIVE MODE'
PLACES = range(1, 86)
"""The places of the 85 buckets in an array of Postgres."""
SUMS = ", ".join(
    f"array_remove(ARRAY[{', '.join(f'switchgear_sum({name}[{place}])' for place in PLACES)}], NULL)"
    for name in ("duration_counts", "ttft_counts")
)
TABLES = {
    "Switchgear_OwnerLatency": "date, hour, api_key, user_id, team_id, organization_id",
    "Switchgear_ModelLatency": "date, hour, model_group, custom_llm_provider",
}


def statements(table: str, key: str) -> tuple[str, ...]:
    """The SQL for one table."""
    return (
        *(
            f"""ALTER TABLE "{table}" ALTER COLUMN {stamp} SET DEFAULT (now() AT TIME ZONE 'utc')"""
            for stamp in ("created_at", "updated_at")
        ),
        f"""INSERT INTO "{table}" (id, {key}, duration_counts, ttft_counts)
            SELECT switchgear_daily_id({key}), * FROM (
                SELECT {key}, {SUMS} FROM "Switchgear_Latency" GROUP BY {key}
            ) AS folded""",
        f"""CREATE INDEX "{table}_day_idx" ON "{table}" (date) WHERE hour = ''""",
        f"""CREATE INDEX "{table}_hour_idx" ON "{table}" (date) WHERE hour <> ''""",
    )


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


async def run() -> None:
    await RawTable.raw(LOCK)
    for table, key in TABLES.items():
        for statement in statements(table, key):
            await RawTable.raw(statement.replace("{", "{{").replace("}", "}}"))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
