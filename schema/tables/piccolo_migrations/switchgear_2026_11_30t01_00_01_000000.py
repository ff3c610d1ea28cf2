"""Signing in, in SQL: who gives a role, what ends sessions, and what a person without a key may do.

A setting of a transaction, `switchgear.role_source`, says that a role comes from a claim, from SCIM or from a
default. Without it a change through the gateway is an admin's (`api`), and any other one is plain SQL (`sql`).
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-30T01:00:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "signing in: sources of roles, what ends sessions, the authority of a person"

ROLES = (
    """
CREATE FUNCTION switchgear_role_source() RETURNS trigger LANGUAGE plpgsql AS $$
-- Who gave the role. An UPDATE that names the column counts also where the value stays the same.
DECLARE
    said text := nullif(current_setting('switchgear.role_source', true), '');
    by_gateway boolean := nullif(current_setting('switchgear.actor', true), '') IS NOT NULL;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.role_source := coalesce(said, NEW.role_source, CASE
            WHEN by_gateway THEN 'api' WHEN NEW.user_role IS NOT NULL THEN 'sql' ELSE 'default' END);
        RETURN NEW;
    END IF;
    NEW.role_source := coalesce(said, CASE WHEN by_gateway THEN 'api' ELSE 'sql' END);
    IF said IS NULL THEN
        NEW.pending := false;
    END IF;
    RETURN NEW;
END $$
""",
    'CREATE TRIGGER role_source BEFORE INSERT OR UPDATE OF user_role ON "LiteLLM_UserTable"'
    " FOR EACH ROW EXECUTE FUNCTION switchgear_role_source()",
)

SESSIONS = (
    """
CREATE FUNCTION switchgear_session_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('switchgear_authority', 'session:' || OLD.session_hash);
    RETURN NULL;
END $$
""",
    'CREATE TRIGGER session_ended AFTER DELETE ON "Switchgear_Session"'
    " FOR EACH ROW WHEN (OLD.expires_at > now()) EXECUTE FUNCTION switchgear_session_ended()",
    """
CREATE FUNCTION switchgear_person_left() RETURNS trigger LANGUAGE plpgsql AS $$
-- Ends the sessions of a user who may come in no more; of one who is gone, also what belongs to the sign-in.
BEGIN
    DELETE FROM "Switchgear_Session" WHERE user_id = OLD.user_id;
    UPDATE "LiteLLM_InvitationLink" SET secret_hash = '' WHERE user_id = OLD.user_id AND secret_hash <> '';
    IF TG_OP = 'DELETE' THEN
        DELETE FROM "Switchgear_Password" WHERE user_id = OLD.user_id;
        DELETE FROM "LiteLLM_InvitationLink" WHERE user_id = OLD.user_id;
        DELETE FROM "Switchgear_State" WHERE owner = 'user:' || OLD.user_id;
    END IF;
    RETURN NULL;
END $$
""",
    'CREATE TRIGGER person_left AFTER DELETE ON "LiteLLM_UserTable"'
    " FOR EACH ROW EXECUTE FUNCTION switchgear_person_left()",
    'CREATE TRIGGER person_barred AFTER UPDATE OF blocked, deactivated ON "LiteLLM_UserTable"'
    " FOR EACH ROW WHEN (NEW.blocked OR NEW.deactivated) EXECUTE FUNCTION switchgear_person_left()",
    'ALTER TABLE "LiteLLM_InvitationLink" ALTER COLUMN created_at SET DEFAULT (now() AT TIME ZONE \'UTC\')',
    'ALTER TABLE "LiteLLM_InvitationLink" ALTER COLUMN updated_at SET DEFAULT (now() AT TIME ZONE \'UTC\')',
    'ALTER TABLE "LiteLLM_SSOConfig" ALTER COLUMN created_at SET DEFAULT (now() AT TIME ZONE \'UTC\')',
    'ALTER TABLE "LiteLLM_SSOConfig" ALTER COLUMN updated_at SET DEFAULT (now() AT TIME ZONE \'UTC\')',
)

GOVERNED: tuple[tuple[str, str, str], ...] = (
    # table, what is announced, the column that it is announced by and that names the object in the audit log
    ("LiteLLM_InvitationLink", "invitation", "id"),
    ("LiteLLM_SSOConfig", "sso", "id"),
)

PERSON = """
CREATE FUNCTION switchgear_person(person text, of_team text, as_token text, as_key_id text, said text)
RETURNS SETOF "Switchgear_Authority" LANGUAGE sql STABLE AS $$
-- What a person may do without a key, in the form of the authority view: a key is put together that has the
-- person, perhaps a team, and no limits of its own. `said` is the word for it in messages: session.
SELECT as_token, NULL::numeric, NULL::numeric,
       jsonb_build_object('token', as_token, 'key_id', as_key_id, 'user_id', asked.person,
                          'team_id', asked.of_team, 'noun', said),
       to_jsonb(u), to_jsonb(t), to_jsonb(m), to_jsonb(o),
       (SELECT jsonb_object_agg(b.budget_id, to_jsonb(b)) FROM "LiteLLM_BudgetTable" b
        WHERE b.budget_id IN (m.budget_id, t.member_budget_id, o.budget_id)),
       (SELECT jsonb_object_agg(own.team_id, jsonb_build_array(own.role, its.team_member_permissions))
        FROM "LiteLLM_TeamMembership" own JOIN "LiteLLM_TeamTable" its USING (team_id)
        WHERE own.user_id = asked.person),
       (SELECT jsonb_object_agg(own.organization_id, coalesce(own.user_role, ''))
        FROM "LiteLLM_OrganizationMembership" own WHERE own.user_id = asked.person),
       (SELECT jsonb_agg(jsonb_build_array(g.access_group_id, g.access_group_name, g.access_model_names))
        FROM "LiteLLM_AccessGroupTable" g
        WHERE g.access_group_id = ANY (t.access_group_ids)
           OR g.access_group_name = ANY (coalesce(t.models, '{}') || coalesce(u.models, '{}') || coalesce(o.models, '{}')))
FROM (SELECT person, of_team) AS asked (person, of_team)
LEFT JOIN "LiteLLM_UserTable" u ON u.user_id = asked.person
LEFT JOIN "LiteLLM_TeamTable" t ON t.team_id = asked.of_team
LEFT JOIN "LiteLLM_TeamMembership" m ON m.team_id = asked.of_team AND m.user_id = asked.person
LEFT JOIN "LiteLLM_OrganizationTable" o ON o.organization_id = t.organization_id
$$
"""


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


def governed() -> list[str]:
    statements = []
    for table, topic, column in GOVERNED:
        call = f"EXECUTE FUNCTION switchgear_governed('{topic}', '{column}', '{column}')"
        on = f'ON "{table}"'
        statements += [
            f"CREATE TRIGGER governed_insert AFTER INSERT {on} REFERENCING NEW TABLE AS new_rows"
            f" FOR EACH STATEMENT {call}",
            f"CREATE TRIGGER governed_delete AFTER DELETE {on} REFERENCING OLD TABLE AS old_rows"
            f" FOR EACH STATEMENT {call}",
            f"CREATE TRIGGER governed_update AFTER UPDATE {on} REFERENCING OLD TABLE AS old_rows"
            f" NEW TABLE AS new_rows FOR EACH STATEMENT {call}",
            f"CREATE TRIGGER governed_truncate AFTER TRUNCATE {on}"
            " FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated()",
        ]
    return statements


async def run() -> None:
    for statement in (*ROLES, *SESSIONS, *governed(), PERSON):
        await RawTable.raw(statement.replace("{", "{{").replace("}", "}}"))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
