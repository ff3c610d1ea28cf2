"""The state's key is its owner, kind and id. It goes with the key that owns it.

A sealed value can't be compressed, so Postgres does not try.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-29T05:10:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "state: its key, and what deletes it"

STATEMENTS = (
    'ALTER TABLE "Switchgear_State" DROP CONSTRAINT "Switchgear_State_pkey"',
    'ALTER TABLE "Switchgear_State" ADD CONSTRAINT "Switchgear_State_pkey" PRIMARY KEY (owner, kind, state_id)',
    'ALTER TABLE "Switchgear_State" ALTER COLUMN sealed SET STORAGE EXTERNAL',
    """
CREATE FUNCTION switchgear_forget_state() RETURNS trigger LANGUAGE plpgsql AS $$
-- Deletes what belongs to a key that is deleted. A key without an id owns nothing.
BEGIN
    DELETE FROM "Switchgear_State" WHERE owner = OLD.key_id AND OLD.key_id <> '';
    RETURN NULL;
END $$
""",
    'CREATE TRIGGER forget_state AFTER DELETE ON "LiteLLM_VerificationToken"'
    " FOR EACH ROW EXECUTE FUNCTION switchgear_forget_state()",
)


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


async def run() -> None:
    for statement in STATEMENTS:
        await RawTable.raw(statement.replace("{", "{{").replace("}", "}}"))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
