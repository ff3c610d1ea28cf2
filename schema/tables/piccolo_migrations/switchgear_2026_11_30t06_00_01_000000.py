"""A user has a name once on each page, and saved filters go with their user."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-30T06:00:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "saved filters: unique names, deleted with the user"

UNIQUE = 'CREATE UNIQUE INDEX "Switchgear_SavedFilter_name_key" ON "Switchgear_SavedFilter" (user_id, page, name)'

PERSON_LEFT = """
CREATE OR REPLACE FUNCTION switchgear_person_left() RETURNS trigger LANGUAGE plpgsql AS $$
-- Ends the sessions of a user who may come in no more; of one who is gone, also what belongs to the person.
BEGIN
    DELETE FROM "Switchgear_Session" WHERE user_id = OLD.user_id;
    UPDATE "LiteLLM_InvitationLink" SET secret_hash = '' WHERE user_id = OLD.user_id AND secret_hash <> '';
    IF TG_OP = 'DELETE' THEN
        DELETE FROM "Switchgear_Password" WHERE user_id = OLD.user_id;
        DELETE FROM "LiteLLM_InvitationLink" WHERE user_id = OLD.user_id;
        DELETE FROM "Switchgear_State" WHERE owner = 'user:' || OLD.user_id;
        DELETE FROM "Switchgear_SavedFilter" WHERE user_id = OLD.user_id;
    END IF;
    RETURN NULL;
END $$
"""


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


async def run() -> None:
    for statement in (UNIQUE, PERSON_LEFT):
        await RawTable.raw(statement.replace("{", "{{").replace("}", "}}"))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
