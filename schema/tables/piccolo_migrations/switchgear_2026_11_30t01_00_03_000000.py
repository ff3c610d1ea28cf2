"""Users and teams as a directory told them by SCIM."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import OBJECT, add_columns

ID = "2026-11-30T01:00:03:000000"
VERSION = "1.38.0"
DESCRIPTION = "scim: users and teams as the directory told them"


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    add_columns(manager, "User", "LiteLLM_UserTable", {"directory": OBJECT})
    add_columns(manager, "Team", "LiteLLM_TeamTable", {"directory": OBJECT})
    add_columns(manager, "DeletedTeam", "LiteLLM_DeletedTeamTable", {"directory": OBJECT})
    return manager
