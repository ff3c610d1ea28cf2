"""Changes of stored models, credentials and settings are audited and announced. The audit log gets no sealed
value: an audit row can't be changed later, and a salt key can be lost to somebody."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-30T02:00:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "registry: audit and announcements"

GOVERNED = (
    ("LiteLLM_ProxyModelTable", "model", "model_id"),
    ("LiteLLM_CredentialsTable", "credential", "credential_name"),
    ("LiteLLM_Config", "config", "param_name"),
)

OF_A_TEAM = """
ALTER TABLE "LiteLLM_ProxyModelTable" ADD CONSTRAINT "LiteLLM_ProxyModelTable_team_id_fkey"
    FOREIGN KEY (team_id) REFERENCES "LiteLLM_TeamTable" (team_id) ON DELETE CASCADE
"""

WITHOUT_SEALED = """
CREATE FUNCTION switchgear_without_sealed(given jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
-- The value with a short mark in place of each sealed text. Two marks differ where the sealed texts do.
BEGIN
    CASE jsonb_typeof(given)
        WHEN 'object' THEN
            RETURN (SELECT coalesce(jsonb_object_agg(key, switchgear_without_sealed(value)), '{}')
                    FROM jsonb_each(given));
        WHEN 'array' THEN
            RETURN (SELECT coalesce(jsonb_agg(switchgear_without_sealed(value) ORDER BY place), '[]')
                    FROM jsonb_array_elements(given) WITH ORDINALITY AS each(value, place));
        WHEN 'string' THEN
            IF given #>> '{}' LIKE 'sealed:%' THEN
                RETURN to_jsonb('(sealed ' || left(md5(given #>> '{}'), 8) || ')');
            END IF;
        ELSE NULL;
    END CASE;
    RETURN given;
END $$
"""

AUDITED = """
CREATE FUNCTION switchgear_audited_without_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.before_value := switchgear_without_sealed(NEW.before_value);
    NEW.updated_values := switchgear_without_sealed(NEW.updated_values);
    RETURN NEW;
END $$
"""

AUDIT_TRIGGER = """
CREATE TRIGGER audited_without_sealed BEFORE INSERT ON "LiteLLM_AuditLog" FOR EACH ROW
    WHEN (NEW.table_name IN ('LiteLLM_ProxyModelTable', 'LiteLLM_CredentialsTable', 'LiteLLM_Config'))
    EXECUTE FUNCTION switchgear_audited_without_sealed()
"""


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


def statements() -> list[str]:
    sql: list[str] = []
    for table, topic, column in GOVERNED:
        sql += [
            f"""ALTER TABLE "{table}" ALTER COLUMN {stamp} SET DEFAULT (now() AT TIME ZONE 'utc')"""
            for stamp in ("created_at", "updated_at")
        ]
        sql.append(
            f'CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "{table}"'
            " FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated()"
        )
        for operation, seen in (
            ("INSERT", "NEW TABLE AS new_rows"),
            ("DELETE", "OLD TABLE AS old_rows"),
            ("UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
        ):
            sql.append(
                f'CREATE TRIGGER governed_{operation.lower()} AFTER {operation} ON "{table}"'
                f" REFERENCING {seen} FOR EACH STATEMENT"
                f" EXECUTE FUNCTION switchgear_governed('{topic}', '{column}', '{column}')"
            )
    return [OF_A_TEAM, WITHOUT_SEALED, AUDITED, AUDIT_TRIGGER, *sql]


async def run() -> None:
    for statement in statements():
        await RawTable.raw(statement.replace("{", "{{").replace("}", "}}"))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
