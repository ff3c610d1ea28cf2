"""Projects, and the project of a key and of a spend row."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import (
    DOLLARS,
    FLAG,
    KEY,
    OBJECT,
    OPTIONAL,
    TEXT,
    TEXTS,
    TIME,
    add_columns,
)

ID = "2026-11-30T02:20:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "projects"

PROJECT = {
    "project_id": KEY,
    "project_alias": OPTIONAL,
    "description": OPTIONAL,
    "team_id": TEXT,
    "budget_id": OPTIONAL,
    "metadata": OBJECT,
    "models": TEXTS,
    "spend": DOLLARS,
    "blocked": FLAG,
    "created_at": TIME,
    "created_by": OPTIONAL,
    "updated_at": TIME,
    "updated_by": OPTIONAL,
}
OF = (
    ("VerificationToken", "LiteLLM_VerificationToken"),
    ("DeletedVerificationToken", "LiteLLM_DeletedVerificationToken"),
    ("SpendLog", "LiteLLM_SpendLogs"),
)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_table(class_name="Project", tablename="LiteLLM_ProjectTable")
    add_columns(manager, "Project", "LiteLLM_ProjectTable", PROJECT)
    for class_name, tablename in OF:
        add_columns(manager, class_name, tablename, {"project_id": OPTIONAL})
    return manager
