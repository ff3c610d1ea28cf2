"""Sealed values that the gateway keeps for callers."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import BYTES, KEY, MOMENT, OPTIONAL_MOMENT, TEXT, add_columns

ID = "2026-11-29T05:10:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "state: sealed values of callers"

STATE = {
    "state_id": KEY,
    "kind": TEXT,
    "owner": TEXT,
    "salt_id": TEXT,
    "sealed": BYTES,
    "created_at": MOMENT,
    "expires_at": OPTIONAL_MOMENT,
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_table(class_name="StateValue", tablename="Switchgear_State")
    add_columns(manager, "StateValue", "Switchgear_State", STATE)
    return manager
