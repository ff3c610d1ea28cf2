"""Projects are a level of budgets: audit, announcements, charges, and what a key may do."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-30T02:20:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "projects: audit, announcements, charges, authority"

CHARGE = """
CREATE OR REPLACE FUNCTION switchgear_charge(kind text, id text, part text, amount numeric)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
-- Below zero, an amount is given back: down to zero, since the counter may have been set back meanwhile.
BEGIN
    CASE kind
        WHEN 'key' THEN UPDATE "LiteLLM_VerificationToken"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE key_id = id;
        WHEN 'user' THEN UPDATE "LiteLLM_UserTable"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE user_id = id;
        WHEN 'team' THEN UPDATE "LiteLLM_TeamTable"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE team_id = id;
        WHEN 'member' THEN UPDATE "LiteLLM_TeamMembership"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE team_id = id AND user_id = part;
        WHEN 'organization' THEN UPDATE "LiteLLM_OrganizationTable"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE organization_id = id;
        WHEN 'project' THEN UPDATE "LiteLLM_ProjectTable"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE project_id = id;
        WHEN 'customer' THEN UPDATE "LiteLLM_EndUserTable"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE user_id = id;
        WHEN 'tag' THEN UPDATE "LiteLLM_TagTable"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE tag_name = id;
    END CASE;
END $function$
"""

SPENT = """
CREATE OR REPLACE FUNCTION switchgear_spent(kind text, id text, part text)
 RETURNS numeric
 LANGUAGE plpgsql
AS $function$
-- The dollars that stand in the table people look at; null where there is no such row.
BEGIN
    RETURN CASE kind
        WHEN 'key' THEN (SELECT spend FROM "LiteLLM_VerificationToken" WHERE key_id = id)
        WHEN 'user' THEN (SELECT spend FROM "LiteLLM_UserTable" WHERE user_id = id)
        WHEN 'team' THEN (SELECT spend FROM "LiteLLM_TeamTable" WHERE team_id = id)
        WHEN 'member' THEN (SELECT spend FROM "LiteLLM_TeamMembership" WHERE team_id = id AND user_id = part)
        WHEN 'organization' THEN (SELECT spend FROM "LiteLLM_OrganizationTable" WHERE organization_id = id)
        WHEN 'project' THEN (SELECT spend FROM "LiteLLM_ProjectTable" WHERE project_id = id)
        WHEN 'customer' THEN (SELECT spend FROM "LiteLLM_EndUserTable" WHERE user_id = id)
        WHEN 'tag' THEN (SELECT spend FROM "LiteLLM_TagTable" WHERE tag_name = id)
    END;
END $function$
"""

WINDOW = """
CREATE OR REPLACE FUNCTION switchgear_new_window(kind text, id text, part text, ends timestamp with time zone, roll boolean)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
-- Write the window's end where people look, and begin at zero where one is over.
DECLARE
    closes timestamp := ends AT TIME ZONE 'UTC';
    over timestamp := clock_timestamp() AT TIME ZONE 'UTC';
BEGIN
    CASE kind
        WHEN 'key' THEN UPDATE "LiteLLM_VerificationToken" SET budget_reset_at = closes,
            spend = CASE WHEN roll OR budget_reset_at <= over THEN 0 ELSE spend END WHERE key_id = id;
        WHEN 'user' THEN UPDATE "LiteLLM_UserTable" SET budget_reset_at = closes,
            spend = CASE WHEN roll OR budget_reset_at <= over THEN 0 ELSE spend END WHERE user_id = id;
        WHEN 'team' THEN UPDATE "LiteLLM_TeamTable" SET budget_reset_at = closes,
            spend = CASE WHEN roll OR budget_reset_at <= over THEN 0 ELSE spend END WHERE team_id = id;
        WHEN 'member' THEN UPDATE "LiteLLM_TeamMembership" SET spend = CASE WHEN roll THEN 0 ELSE spend END
            WHERE team_id = id AND user_id = part;
        WHEN 'organization' THEN UPDATE "LiteLLM_OrganizationTable"
            SET spend = CASE WHEN roll THEN 0 ELSE spend END WHERE organization_id = id;
        WHEN 'project' THEN UPDATE "LiteLLM_ProjectTable" SET spend = CASE WHEN roll THEN 0 ELSE spend END
            WHERE project_id = id;
        WHEN 'customer' THEN UPDATE "LiteLLM_EndUserTable" SET spend = CASE WHEN roll THEN 0 ELSE spend END
            WHERE user_id = id;
        WHEN 'tag' THEN UPDATE "LiteLLM_TagTable" SET spend = CASE WHEN roll THEN 0 ELSE spend END
            WHERE tag_name = id;
        ELSE NULL;
    END CASE;
END $function$
"""

AUTHORITY = """
CREATE OR REPLACE VIEW "Switchgear_Authority" AS
 WITH presented AS (
         SELECT "LiteLLM_VerificationToken".token AS presented,
            NULL::timestamp without time zone AS revoke_at,
            "LiteLLM_VerificationToken".token
           FROM "LiteLLM_VerificationToken"
        UNION ALL
         SELECT "LiteLLM_DeprecatedVerificationToken".token,
            "LiteLLM_DeprecatedVerificationToken".revoke_at,
            "LiteLLM_DeprecatedVerificationToken".active_token_id
           FROM "LiteLLM_DeprecatedVerificationToken"
        )
 SELECT p.presented,
    EXTRACT(epoch FROM p.revoke_at) AS revoke_at,
    EXTRACT(epoch FROM k.expires) AS expires,
    to_jsonb(k.*) || jsonb_build_object('project', to_jsonb(pr.*)) AS key,
    to_jsonb(u.*) AS "user",
    to_jsonb(t.*) AS team,
    to_jsonb(m.*) AS member,
    to_jsonb(o.*) AS organization,
    ( SELECT jsonb_object_agg(b.budget_id, to_jsonb(b.*)) AS jsonb_object_agg
           FROM "LiteLLM_BudgetTable" b
          WHERE b.budget_id = ANY (ARRAY[k.budget_id, m.budget_id, t.member_budget_id, o.budget_id, pr.budget_id])) AS budgets,
    ( SELECT jsonb_object_agg(own.team_id, jsonb_build_array(own.role, its.team_member_permissions)) AS jsonb_object_agg
           FROM "LiteLLM_TeamMembership" own
             JOIN "LiteLLM_TeamTable" its USING (team_id)
          WHERE own.user_id = k.user_id) AS teams,
    ( SELECT jsonb_object_agg(own.organization_id, COALESCE(own.user_role, ''::text)) AS jsonb_object_agg
           FROM "LiteLLM_OrganizationMembership" own
          WHERE own.user_id = k.user_id) AS organizations,
    ( SELECT jsonb_agg(jsonb_build_array(g.access_group_id, g.access_group_name, g.access_model_names)) AS jsonb_agg
           FROM "LiteLLM_AccessGroupTable" g
          WHERE (g.access_group_id = ANY ((k.access_group_ids || t.access_group_ids))) OR (g.access_group_name = ANY ((((k.models || t.models) || u.models) || o.models)))) AS access_groups
   FROM presented p
     JOIN "LiteLLM_VerificationToken" k ON k.token = p.token
     LEFT JOIN "LiteLLM_UserTable" u ON u.user_id = k.user_id
     LEFT JOIN "LiteLLM_TeamTable" t ON t.team_id = k.team_id
     LEFT JOIN "LiteLLM_TeamMembership" m ON m.team_id = k.team_id AND m.user_id = k.user_id
     LEFT JOIN "LiteLLM_OrganizationTable" o ON o.organization_id = COALESCE(k.organization_id, t.organization_id)
     LEFT JOIN "LiteLLM_ProjectTable" pr ON pr.project_id = k.project_id
"""

KEYS = (
    'ALTER TABLE "LiteLLM_ProjectTable" ADD CONSTRAINT "LiteLLM_ProjectTable_budget_id_fkey"'
    ' FOREIGN KEY (budget_id) REFERENCES "LiteLLM_BudgetTable" (budget_id)',
    'ALTER TABLE "LiteLLM_ProjectTable" ADD CONSTRAINT "LiteLLM_ProjectTable_team_id_fkey"'
    ' FOREIGN KEY (team_id) REFERENCES "LiteLLM_TeamTable" (team_id) ON DELETE CASCADE',
    'ALTER TABLE "LiteLLM_VerificationToken" ADD CONSTRAINT "LiteLLM_VerificationToken_project_id_fkey"'
    ' FOREIGN KEY (project_id) REFERENCES "LiteLLM_ProjectTable" (project_id) DEFERRABLE',
    'CREATE INDEX "LiteLLM_VerificationToken_project_id_idx" ON "LiteLLM_VerificationToken" (project_id)',
    'CREATE INDEX "LiteLLM_ProjectTable_team_id_idx" ON "LiteLLM_ProjectTable" (team_id)',
)


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


def statements() -> list[str]:
    table = "LiteLLM_ProjectTable"
    sql = [*KEYS, CHARGE, SPENT, WINDOW, AUTHORITY]
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
            " EXECUTE FUNCTION switchgear_governed('project', 'project_id', 'project_id')"
        )
    return sql


async def run() -> None:
    for statement in statements():
        await RawTable.raw(statement.replace("{", "{{").replace("}", "}}"))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
