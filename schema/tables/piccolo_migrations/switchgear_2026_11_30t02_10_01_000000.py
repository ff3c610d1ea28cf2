"""Changes of tags are audited and announced, and what is spent under a tag's budget is charged to the tag."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-30T02:10:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "tags: audit, announcements, charges"

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
        WHEN 'customer' THEN UPDATE "LiteLLM_EndUserTable" SET spend = CASE WHEN roll THEN 0 ELSE spend END
            WHERE user_id = id;
        WHEN 'tag' THEN UPDATE "LiteLLM_TagTable" SET spend = CASE WHEN roll THEN 0 ELSE spend END
            WHERE tag_name = id;
        ELSE NULL;
    END CASE;
END $function$
"""

BUDGET = """
ALTER TABLE "LiteLLM_TagTable" ADD CONSTRAINT "LiteLLM_TagTable_budget_id_fkey"
    FOREIGN KEY (budget_id) REFERENCES "LiteLLM_BudgetTable" (budget_id)
"""


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


def statements() -> list[str]:
    table = "LiteLLM_TagTable"
    sql = [CHARGE, SPENT, WINDOW, BUDGET]
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
            " EXECUTE FUNCTION switchgear_governed('tag', 'tag_name', 'tag_name')"
        )
    return sql


async def run() -> None:
    for statement in statements():
        await RawTable.raw(statement.replace("{", "{{").replace("}", "}}"))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
