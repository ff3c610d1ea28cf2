"""Correction rows, what a row was charged to, and the table of bodies."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import FLAG, KEY, OPTIONAL, OPTIONAL_JSON, TIME, Spec, add_columns

ID = "2026-11-24T15:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "correction rows, bodies"

SPEND: dict[str, Spec] = {
    "key_id": OPTIONAL,
    "charged": OPTIONAL_JSON,
    "corrects": OPTIONAL,
    "correction": OPTIONAL,
    "reason": OPTIONAL,
    "corrected_by": OPTIONAL,
}

BODY: dict[str, Spec] = {
    "request_id": KEY,
    "start_time": TIME,
    "request": OPTIONAL,
    "response": OPTIONAL,
    "request_truncated": FLAG,
    "response_truncated": FLAG,
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    add_columns(manager, "SpendLog", "LiteLLM_SpendLogs", SPEND)
    manager.add_table(class_name="Body", tablename="Switchgear_Bodies")
    add_columns(manager, "Body", "Switchgear_Bodies", BODY, renamed={"start_time": "startTime"})
    return manager
