"""By which price a row was charged, and the service tier that was served."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import BLANK, OPTIONAL, OPTIONAL_DATE, add_columns

ID = "2026-11-24T13:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "prices of spend rows"


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    add_columns(
        manager,
        "SpendLog",
        "LiteLLM_SpendLogs",
        {"price_version": OPTIONAL, "price_effective": OPTIONAL_DATE, "service_tier": BLANK},
    )
    return manager
