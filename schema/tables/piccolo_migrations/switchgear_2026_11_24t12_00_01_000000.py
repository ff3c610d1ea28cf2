"""Governance in SQL: composite keys, indexes, defaults; the triggers that audit and announce every
change; the view that authentication reads; the functions that lease, return and settle.

Two settings of a transaction speak to the triggers. `switchgear.actor` is JSON saying who is behind a
change made through the gateway; without it a change is plain SQL, and its author is the database
user. `switchgear.bookkeeping` is `on` where the gateway itself moves counters: a change of those, and of
nothing else, is neither audited nor announced.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-24T12:00:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "governance: keys, indexes, triggers, the authority view, lease functions"

COMPOSITE_KEYS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("LiteLLM_TeamMembership", ("user_id", "team_id")),
    ("LiteLLM_OrganizationMembership", ("user_id", "organization_id")),
    ("Switchgear_Lease", ("account", "epoch", "worker")),
)

INDEXES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("LiteLLM_VerificationToken", ("organization_id",)),
    ("LiteLLM_VerificationToken", ("budget_id",)),
    ("LiteLLM_VerificationToken", ("created_by",)),
    ("LiteLLM_DeprecatedVerificationToken", ("active_token_id",)),
    ("LiteLLM_DeprecatedVerificationToken", ("revoke_at",)),
    ("LiteLLM_TeamTable", ("organization_id",)),
    ("LiteLLM_TeamTable", ("team_alias",)),
    ("LiteLLM_DeletedTeamTable", ("team_id",)),
    ("LiteLLM_DeletedTeamTable", ("deleted_at",)),
    ("LiteLLM_TeamMembership", ("team_id",)),
    ("LiteLLM_OrganizationMembership", ("organization_id",)),
    ("LiteLLM_AuditLog", ("updated_at", "id")),
    ("LiteLLM_AuditLog", ("object_id", "updated_at")),
    ("LiteLLM_AuditLog", ("changed_by", "updated_at")),
    ("LiteLLM_SpendLogs", ("organization_id", "startTime")),
    ("Switchgear_Lease", ("worker",)),
    ("Switchgear_Account", ("window_end",)),
)

EMAILS = 'CREATE INDEX "LiteLLM_UserTable_user_email_idx" ON "LiteLLM_UserTable" (lower(user_email))'

UTC_DEFAULTS: tuple[tuple[str, str], ...] = (
    ("LiteLLM_TeamTable", "created_at"),
    ("LiteLLM_TeamTable", "updated_at"),
    ("LiteLLM_DeletedTeamTable", "created_at"),
    ("LiteLLM_DeletedTeamTable", "updated_at"),
    ("LiteLLM_DeletedTeamTable", "deleted_at"),
    ("LiteLLM_TeamMembership", "created_at"),
    ("LiteLLM_OrganizationTable", "created_at"),
    ("LiteLLM_OrganizationTable", "updated_at"),
    ("LiteLLM_OrganizationMembership", "created_at"),
    ("LiteLLM_OrganizationMembership", "updated_at"),
    ("LiteLLM_BudgetTable", "created_at"),
    ("LiteLLM_BudgetTable", "updated_at"),
    ("LiteLLM_EndUserTable", "created_at"),
    ("LiteLLM_EndUserTable", "updated_at"),
    ("LiteLLM_AccessGroupTable", "created_at"),
    ("LiteLLM_AccessGroupTable", "updated_at"),
    ("LiteLLM_DeprecatedVerificationToken", "created_at"),
    ("LiteLLM_AuditLog", "updated_at"),
)

BUDGETS_IN_USE: tuple[str, ...] = (
    "LiteLLM_VerificationToken",
    "LiteLLM_TeamMembership",
    "LiteLLM_OrganizationTable",
    "LiteLLM_OrganizationMembership",
    "LiteLLM_EndUserTable",
)

GOVERNED: tuple[tuple[str, str, str, str], ...] = (
    # table, what is announced, by which column, what names the object in the audit log
    ("LiteLLM_VerificationToken", "key", "token", "token"),
    ("LiteLLM_DeprecatedVerificationToken", "key", "token", "token"),
    ("LiteLLM_UserTable", "user", "user_id", "user_id"),
    ("LiteLLM_TeamTable", "team", "team_id", "team_id"),
    ("LiteLLM_TeamMembership", "user", "user_id", "team_id,user_id"),
    ("LiteLLM_OrganizationTable", "organization", "organization_id", "organization_id"),
    ("LiteLLM_OrganizationMembership", "user", "user_id", "organization_id,user_id"),
    ("LiteLLM_BudgetTable", "budget", "budget_id", "budget_id"),
    ("LiteLLM_EndUserTable", "customer", "user_id", "user_id"),
    ("LiteLLM_AccessGroupTable", "all", "access_group_id", "access_group_id"),
)

AUDIT_FUNCTION = """
CREATE FUNCTION switchgear_governed() RETURNS trigger LANGUAGE plpgsql AS $$
-- Arguments: what is announced, the column it is announced by, the columns that name the object.
DECLARE
    said text := nullif(current_setting('switchgear.actor', true), '');
    actor jsonb := coalesce(said, '{}')::jsonb;
    id_columns text[] := string_to_array(TG_ARGV[2], ',');
    same text;
    changed record;
    row_now jsonb;
    ignored text[] := ARRAY['updated_at', 'updated_by'] || CASE
        WHEN current_setting('switchgear.bookkeeping', true) = 'on'
        THEN ARRAY['spend', 'total_spend', 'budget_reset_at', 'members_with_roles', 'teams'] END;
    topics text[] := '{}';
    topic text;
    touched integer := 0;
BEGIN
    SELECT string_agg(format('o.%1$I = n.%1$I', name), ' AND ') INTO same FROM unnest(id_columns) AS name;
    FOR changed IN EXECUTE CASE TG_OP
        WHEN 'INSERT' THEN 'SELECT NULL::jsonb AS before, to_jsonb(n) AS after FROM new_rows n'
        WHEN 'DELETE' THEN 'SELECT to_jsonb(o) AS before, NULL::jsonb AS after FROM old_rows o'
        ELSE 'SELECT to_jsonb(o) AS before, to_jsonb(n) AS after FROM old_rows o FULL JOIN new_rows n ON '
             || same
        END
    LOOP
        CONTINUE WHEN changed.before - ignored IS NOT DISTINCT FROM changed.after - ignored;
        touched := touched + 1;
        row_now := coalesce(changed.after, changed.before);
        INSERT INTO "LiteLLM_AuditLog" (id, changed_by, changed_by_api_key, action, table_name, object_id,
            before_value, updated_values, claimed_by, source_address, request_id, database_user)
        VALUES (
            gen_random_uuid()::text,
            CASE WHEN said IS NULL THEN 'sql:' || session_user ELSE coalesce(actor->>'user_id', '') END,
            coalesce(actor->>'key_hash', ''),
            coalesce(actor->>'action', CASE
                WHEN changed.before IS NULL THEN 'created'
                WHEN changed.after IS NULL THEN 'deleted'
                WHEN coalesce((changed.before->>'blocked')::boolean, false)
                     IS DISTINCT FROM coalesce((changed.after->>'blocked')::boolean, false)
                THEN CASE WHEN (changed.after->>'blocked')::boolean THEN 'blocked' ELSE 'unblocked' END
                ELSE 'updated' END),
            TG_TABLE_NAME,
            (SELECT string_agg(row_now->>name, ':' ORDER BY place)
             FROM unnest(id_columns) WITH ORDINALITY AS named(name, place)),
            changed.before, changed.after,
            actor->>'claimed_by', actor->>'source_address', actor->>'request_id', session_user);
        IF touched <= 100 THEN
            topics := topics || (TG_ARGV[0] || ':' || (row_now->>TG_ARGV[1]));
        END IF;
    END LOOP;
    IF touched > 100 OR (touched > 0 AND TG_ARGV[0] = 'all') THEN
        topics := ARRAY['all'];
    END IF;
    FOREACH topic IN ARRAY topics LOOP
        PERFORM pg_notify('switchgear_authority', CASE WHEN octet_length(topic) > 7000 THEN 'all' ELSE topic END);
    END LOOP;
    RETURN NULL;
END $$
"""

KEY_IDS: tuple[str, ...] = (
    'UPDATE "LiteLLM_VerificationToken" SET key_id = token',
    'CREATE UNIQUE INDEX "LiteLLM_VerificationToken_key_id_key" ON "LiteLLM_VerificationToken" (key_id)',
    """
CREATE FUNCTION switchgear_key_id() RETURNS trigger LANGUAGE plpgsql AS $$
-- A key is its own id until it is replaced.
BEGIN
    NEW.key_id := coalesce(nullif(NEW.key_id, ''), NEW.token);
    RETURN NEW;
END $$
""",
    'CREATE TRIGGER key_id BEFORE INSERT ON "LiteLLM_VerificationToken"'
    " FOR EACH ROW EXECUTE FUNCTION switchgear_key_id()",
    '''INSERT INTO "LiteLLM_UserTable" (user_id, user_role)
       SELECT DISTINCT user_id, 'internal_user' FROM "LiteLLM_VerificationToken"
       WHERE user_id IS NOT NULL AND user_id <> '' ON CONFLICT DO NOTHING''',
)

TRUNCATED = """
CREATE FUNCTION switchgear_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO "LiteLLM_AuditLog" (id, changed_by, action, table_name, object_id, database_user)
        VALUES (gen_random_uuid()::text, 'sql:' || session_user, 'truncated', TG_TABLE_NAME, '*', session_user);
    PERFORM pg_notify('switchgear_authority', 'all');
    RETURN NULL;
END $$
"""

APPEND_ONLY: tuple[str, ...] = (
    """
CREATE FUNCTION switchgear_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$
""",
    'CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON "LiteLLM_AuditLog"'
    " FOR EACH STATEMENT EXECUTE FUNCTION switchgear_append_only()",
    'REVOKE UPDATE, DELETE, TRUNCATE ON "LiteLLM_AuditLog" FROM CURRENT_USER, PUBLIC',
)

MEMBERS: tuple[str, ...] = (
    """
CREATE FUNCTION switchgear_members() RETURNS trigger LANGUAGE plpgsql AS $$
-- The columns in which LiteLLM's users look for members. The team's row is locked first, so that the
-- statement after it sees every membership that was committed before.
DECLARE
    before text := current_setting('switchgear.bookkeeping', true);
    team text := CASE WHEN TG_OP = 'DELETE' THEN OLD.team_id ELSE NEW.team_id END;
    member text := CASE WHEN TG_OP = 'DELETE' THEN OLD.user_id ELSE NEW.user_id END;
BEGIN
    PERFORM set_config('switchgear.bookkeeping', 'on', true);
    PERFORM 1 FROM "LiteLLM_TeamTable" WHERE team_id = team FOR UPDATE;
    UPDATE "LiteLLM_TeamTable" SET members_with_roles = coalesce((
        SELECT jsonb_agg(jsonb_build_object('role', m.role, 'user_id', m.user_id, 'user_email', u.user_email)
                         ORDER BY m.created_at, m.user_id)
        FROM "LiteLLM_TeamMembership" m LEFT JOIN "LiteLLM_UserTable" u USING (user_id)
        WHERE m.team_id = team), '[]') WHERE team_id = team;
    PERFORM 1 FROM "LiteLLM_UserTable" WHERE user_id = member FOR UPDATE;
    UPDATE "LiteLLM_UserTable" SET teams = coalesce((
        SELECT array_agg(team_id ORDER BY created_at, team_id)
        FROM "LiteLLM_TeamMembership" WHERE user_id = member), '{}') WHERE user_id = member;
    PERFORM set_config('switchgear.bookkeeping', coalesce(before, ''), true);
    RETURN NULL;
END $$
""",
    'CREATE TRIGGER members AFTER INSERT OR DELETE OR UPDATE OF role ON "LiteLLM_TeamMembership"'
    " FOR EACH ROW EXECUTE FUNCTION switchgear_members()",
)

AUTHORITY = """
CREATE VIEW "Switchgear_Authority" AS
-- One row a key that may be presented: the key with everything that decides what it may do.
WITH presented AS (
    SELECT token AS presented, NULL::timestamp AS revoke_at, token FROM "LiteLLM_VerificationToken"
    UNION ALL
    SELECT token, revoke_at, active_token_id FROM "LiteLLM_DeprecatedVerificationToken"
)
SELECT p.presented,
       extract(epoch FROM p.revoke_at) AS revoke_at,
       extract(epoch FROM k.expires) AS expires,
       to_jsonb(k) AS key,
       to_jsonb(u) AS "user",
       to_jsonb(t) AS team,
       to_jsonb(m) AS member,
       to_jsonb(o) AS organization,
       (SELECT jsonb_object_agg(b.budget_id, to_jsonb(b)) FROM "LiteLLM_BudgetTable" b
        WHERE b.budget_id IN (k.budget_id, m.budget_id, t.member_budget_id, o.budget_id)) AS budgets,
       (SELECT jsonb_object_agg(own.team_id, jsonb_build_array(own.role, its.team_member_permissions))
        FROM "LiteLLM_TeamMembership" own JOIN "LiteLLM_TeamTable" its USING (team_id)
        WHERE own.user_id = k.user_id) AS teams,
       (SELECT jsonb_object_agg(own.organization_id, coalesce(own.user_role, ''))
        FROM "LiteLLM_OrganizationMembership" own WHERE own.user_id = k.user_id) AS organizations,
       (SELECT jsonb_agg(jsonb_build_array(g.access_group_id, g.access_group_name, g.access_model_names))
        FROM "LiteLLM_AccessGroupTable" g
        WHERE g.access_group_id = ANY (k.access_group_ids || t.access_group_ids)
           OR g.access_group_name = ANY (k.models || t.models || u.models || o.models)) AS access_groups
FROM presented p
JOIN "LiteLLM_VerificationToken" k ON k.token = p.token
LEFT JOIN "LiteLLM_UserTable" u ON u.user_id = k.user_id
LEFT JOIN "LiteLLM_TeamTable" t ON t.team_id = k.team_id
LEFT JOIN "LiteLLM_TeamMembership" m ON m.team_id = k.team_id AND m.user_id = k.user_id
LEFT JOIN "LiteLLM_OrganizationTable" o ON o.organization_id = coalesce(k.organization_id, t.organization_id)
"""

LEASING: tuple[str, ...] = (
    """
CREATE FUNCTION switchgear_spent(kind text, id text, part text) RETURNS numeric LANGUAGE plpgsql AS $$
-- The dollars that stand in the table people look at; null where there is no such row.
BEGIN
    RETURN CASE kind
        WHEN 'key' THEN (SELECT spend FROM "LiteLLM_VerificationToken" WHERE key_id = id)
        WHEN 'user' THEN (SELECT spend FROM "LiteLLM_UserTable" WHERE user_id = id)
        WHEN 'team' THEN (SELECT spend FROM "LiteLLM_TeamTable" WHERE team_id = id)
        WHEN 'member' THEN (SELECT spend FROM "LiteLLM_TeamMembership" WHERE team_id = id AND user_id = part)
        WHEN 'organization' THEN (SELECT spend FROM "LiteLLM_OrganizationTable" WHERE organization_id = id)
        WHEN 'customer' THEN (SELECT spend FROM "LiteLLM_EndUserTable" WHERE user_id = id)
    END;
END $$
""",
    """
CREATE FUNCTION switchgear_charge(kind text, id text, part text, amount numeric) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    CASE kind
        WHEN 'key' THEN UPDATE "LiteLLM_VerificationToken" SET spend = spend + amount WHERE key_id = id;
        WHEN 'user' THEN UPDATE "LiteLLM_UserTable" SET spend = spend + amount WHERE user_id = id;
        WHEN 'team' THEN UPDATE "LiteLLM_TeamTable" SET spend = spend + amount WHERE team_id = id;
        WHEN 'member' THEN UPDATE "LiteLLM_TeamMembership" SET spend = spend + amount
            WHERE team_id = id AND user_id = part;
        WHEN 'organization' THEN UPDATE "LiteLLM_OrganizationTable" SET spend = spend + amount
            WHERE organization_id = id;
        WHEN 'customer' THEN UPDATE "LiteLLM_EndUserTable" SET spend = spend + amount WHERE user_id = id;
    END CASE;
END $$
""",
    """
CREATE FUNCTION switchgear_new_window(kind text, id text, part text, ends timestamptz, roll boolean)
RETURNS void LANGUAGE plpgsql AS $$
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
        ELSE NULL;
    END CASE;
END $$
""",
    """
CREATE FUNCTION switchgear_lease(
    me text, lives interval, names text[], kinds text[], ids text[], parts text[], durations text[],
    starts timestamptz[], ends timestamptz[], limits bigint[], needs bigint[]
) RETURNS TABLE (name text, state text, granted bigint, epoch bigint, window_end timestamptz,
                 spent bigint, leased bigint, workers bigint, db_now timestamptz)
LANGUAGE plpgsql AS $$
-- All or nothing: take `needs` from every account, and a slice where there is plenty. `names` are in
-- ascending order, in which everyone locks them. An open window stays as it is; `starts` and `ends` are
-- the caller's proposal for a new one. States: granted, or of each account what stood in the way: short,
-- window (the proposal does not hold the database's time), or enough.
-- A slice is a quarter of a worker's fair share of what is free, so that no worker starves; where that is
-- under ten calls' worth, just the need.
#variable_conflict use_column
DECLARE
    at timestamptz;
    alive bigint;
    place integer;
    a "Switchgear_Account"%ROWTYPE;
    spents bigint[] := '{}';
    frees bigint[] := '{}';
    epochs bigint[] := '{}';
    outs bigint[] := '{}';
    states text[] := '{}';
    closes timestamptz[] := '{}';
    dead bigint;
    used bigint;
    fair bigint;
    verdict text := 'granted';
    take bigint;
BEGIN
    PERFORM set_config('switchgear.bookkeeping', 'on', true);
    PERFORM 1 FROM "Switchgear_Worker" WHERE worker = me AND given_up_at IS NULL FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this worker was given up' USING ERRCODE = 'SG001';
    END IF;
    INSERT INTO "Switchgear_Account" (account, kind, object_id, part, duration)
        SELECT * FROM unnest(names, kinds, ids, parts, durations) ON CONFLICT DO NOTHING;
    PERFORM 1 FROM "Switchgear_Account" WHERE account = ANY (names) ORDER BY account FOR UPDATE;
    at := clock_timestamp();
    SELECT greatest(count(*), 1) INTO alive FROM "Switchgear_Worker"
        WHERE seen_at > at - lives AND given_up_at IS NULL;
    FOR place IN 1 .. array_length(names, 1) LOOP
        SELECT * INTO a FROM "Switchgear_Account" WHERE account = names[place];
        IF a.duration IS DISTINCT FROM durations[place] OR a.window_end <= at
           OR (durations[place] IS NOT NULL AND a.window_end IS NULL)
        THEN
            IF durations[place] IS NULL OR (starts[place] <= at AND at < ends[place]) THEN
                IF a.window_end <= at THEN
                    a.epoch := a.epoch + 1; a.leased := 0; a.spent := 0;
                    DELETE FROM "Switchgear_Lease" l WHERE l.account = names[place];
                END IF;
                PERFORM switchgear_new_window(kinds[place], ids[place], parts[place], ends[place],
                                              coalesce(a.window_end <= at, false));
                a.window_end := ends[place];
                UPDATE "Switchgear_Account" SET epoch = a.epoch, leased = a.leased, spent = a.spent,
                    duration = durations[place], window_start = starts[place], window_end = ends[place]
                    WHERE account = names[place];
            ELSE
                states[place] := 'window'; verdict := 'window';
            END IF;
        END IF;
        used := CASE WHEN a.kind = '' THEN a.spent
            ELSE least(ceil(coalesce(switchgear_spent(a.kind, a.object_id, a.part), 0) * 1e9), 9e18) END;
        IF limits[place] - used - a.leased < needs[place] AND names[place] LIKE 'parallel:%' THEN
            WITH gone AS (
                DELETE FROM "Switchgear_Lease" l WHERE l.account = names[place] AND NOT EXISTS (
                    SELECT 1 FROM "Switchgear_Worker" w WHERE w.worker = l.worker AND w.seen_at > at - lives
                        AND w.given_up_at IS NULL)
                RETURNING amount)
            SELECT coalesce(sum(amount), 0) INTO dead FROM gone;
            a.leased := greatest(0, a.leased - dead);
            UPDATE "Switchgear_Account" SET leased = a.leased WHERE account = names[place];
        END IF;
        IF states[place] IS NULL THEN
            states[place] := CASE WHEN limits[place] - used - a.leased < needs[place] THEN 'short'
                ELSE 'enough' END;
        END IF;
        IF states[place] = 'short' AND verdict = 'granted' THEN verdict := 'short'; END IF;
        spents[place] := used; frees[place] := limits[place] - used - a.leased;
        epochs[place] := a.epoch; outs[place] := a.leased; closes[place] := a.window_end;
    END LOOP;
    FOR place IN 1 .. array_length(names, 1) LOOP
        take := 0;
        IF verdict = 'granted' THEN
            fair := frees[place] / (4 * alive);
            take := CASE WHEN fair >= 10 * needs[place]::numeric AND needs[place] > 0 THEN fair
                ELSE needs[place] END;
            UPDATE "Switchgear_Account" SET leased = leased + take WHERE account = names[place];
            IF take > 0 AND names[place] ~ '^(money|parallel):' THEN
                INSERT INTO "Switchgear_Lease" AS l (account, epoch, worker, amount)
                    VALUES (names[place], epochs[place], me, take)
                    ON CONFLICT (account, epoch, worker) DO UPDATE SET amount = l.amount + excluded.amount;
            END IF;
            states[place] := 'granted';
        END IF;
        name := names[place]; state := states[place]; granted := take; epoch := epochs[place];
        window_end := closes[place]; spent := spents[place]; leased := outs[place]; workers := alive;
        db_now := at;
        RETURN NEXT;
    END LOOP;
END $$
""",
    """
CREATE FUNCTION switchgear_return(me text, names text[], epochs bigint[], amounts bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
-- Give back what was not spent. What belongs to a window that is over, or was written off, is gone.
#variable_conflict use_column
BEGIN
    PERFORM 1 FROM "Switchgear_Account" WHERE account = ANY (names) ORDER BY account FOR UPDATE;
    WITH back AS (SELECT * FROM unnest(names, epochs, amounts) AS b(name, epoch, amount)),
    kept AS (
        UPDATE "Switchgear_Lease" l SET amount = greatest(0, l.amount - back.amount) FROM back
        WHERE l.account = back.name AND l.epoch = back.epoch AND l.worker = me AND l.amount > 0
        RETURNING l.account, l.epoch)
    UPDATE "Switchgear_Account" a SET leased = greatest(0, a.leased - back.amount) FROM back
    WHERE a.account = back.name AND a.epoch = back.epoch
      AND (back.name ~ '^(rpm|tpm|tpd):' OR EXISTS (
           SELECT 1 FROM kept WHERE kept.account = back.name AND kept.epoch = back.epoch));
    DELETE FROM "Switchgear_Lease" WHERE worker = me AND account = ANY (names) AND amount = 0 AND written_off = 0;
END $$
""",
    """
CREATE FUNCTION switchgear_settle(
    names text[], epochs bigint[], workers text[], taken bigint[], costs bigint[]
) RETURNS TABLE (name text, unbooked bigint) LANGUAGE plpgsql AS $$
-- Charges, in the order of their accounts: `taken` leaves the lease, `costs` was spent. Gives what the
-- caller must not add to the row that holds the money spent: charges of a window that is over, and what
-- was charged already when their lease was written off.
#variable_conflict use_column
DECLARE
    place integer;
    a "Switchgear_Account"%ROWTYPE;
    l "Switchgear_Lease"%ROWTYPE;
    covered bigint;
    rest bigint;
BEGIN
    PERFORM 1 FROM "Switchgear_Account" WHERE account = ANY (names) ORDER BY account FOR UPDATE;
    FOR place IN 1 .. coalesce(array_length(names, 1), 0) LOOP
        name := names[place];
        SELECT * INTO a FROM "Switchgear_Account" WHERE account = names[place];
        IF a.epoch IS DISTINCT FROM epochs[place] THEN
            DELETE FROM "Switchgear_Lease" WHERE account = names[place] AND epoch = epochs[place]
                AND worker = workers[place];
            unbooked := costs[place];
            RETURN NEXT;
            CONTINUE;
        END IF;
        SELECT * INTO l FROM "Switchgear_Lease"
            WHERE account = names[place] AND epoch = epochs[place] AND worker = workers[place];
        covered := least(coalesce(l.written_off, 0), taken[place]);
        rest := least(taken[place] - covered, coalesce(l.amount, 0));
        UPDATE "Switchgear_Lease" SET amount = amount - rest, written_off = written_off - covered
            WHERE account = names[place] AND epoch = epochs[place] AND worker = workers[place];
        UPDATE "Switchgear_Account" SET leased = greatest(0, leased - rest),
            spent = spent + CASE WHEN kind = '' THEN costs[place] - least(covered, costs[place]) ELSE 0 END
            WHERE account = names[place];
        IF covered > 0 THEN
            unbooked := least(covered, costs[place]);
            RETURN NEXT;
        END IF;
    END LOOP;
END $$
""",
    """
CREATE FUNCTION switchgear_drop_slots(me text) RETURNS void LANGUAGE plpgsql AS $$
-- A worker that others could not see for a while knows nothing of its slots any more.
#variable_conflict use_column
BEGIN
    PERFORM 1 FROM "Switchgear_Account" WHERE account IN (
        SELECT account FROM "Switchgear_Lease" WHERE worker = me AND account LIKE 'parallel:%')
        ORDER BY account FOR UPDATE;
    WITH mine AS (DELETE FROM "Switchgear_Lease" WHERE worker = me AND account LIKE 'parallel:%'
                  RETURNING account, epoch, amount)
    UPDATE "Switchgear_Account" a SET leased = greatest(0, a.leased - mine.amount) FROM mine
        WHERE a.account = mine.account AND a.epoch = mine.epoch;
END $$
""",
    """
CREATE FUNCTION switchgear_leave(me text) RETURNS void LANGUAGE plpgsql AS $$
-- A worker that has booked every call signs off: whatever is still in its name goes back.
#variable_conflict use_column
BEGIN
    PERFORM 1 FROM "Switchgear_Account" WHERE account IN (
        SELECT account FROM "Switchgear_Lease" WHERE worker = me) ORDER BY account FOR UPDATE;
    WITH mine AS (DELETE FROM "Switchgear_Lease" WHERE worker = me RETURNING account, epoch, amount)
    UPDATE "Switchgear_Account" a SET leased = greatest(0, a.leased - mine.amount) FROM mine
        WHERE a.account = mine.account AND a.epoch = mine.epoch;
    DELETE FROM "Switchgear_Worker" WHERE worker = me;
END $$
""",
    """
CREATE FUNCTION switchgear_give_up(silent interval) RETURNS TABLE (worker text, name text, amount bigint)
LANGUAGE plpgsql AS $$
-- Workers that have been silent for so long: what they held of budgets is charged as spent, since nobody
-- knows how much of it was.
#variable_conflict use_column
DECLARE
    w record;
    l record;
BEGIN
    PERFORM set_config('switchgear.bookkeeping', 'on', true);
    FOR w IN SELECT * FROM "Switchgear_Worker"
        WHERE given_up_at IS NULL AND seen_at < clock_timestamp() - silent FOR UPDATE SKIP LOCKED
    LOOP
        UPDATE "Switchgear_Worker" SET given_up_at = clock_timestamp() WHERE worker = w.worker;
        PERFORM 1 FROM "Switchgear_Account" WHERE account IN (
            SELECT account FROM "Switchgear_Lease" WHERE worker = w.worker) ORDER BY account FOR UPDATE;
        FOR l IN SELECT held.account, held.epoch, held.amount, a.epoch AS current_epoch, a.kind, a.object_id,
                        a.part
            FROM "Switchgear_Lease" held JOIN "Switchgear_Account" a USING (account)
            WHERE held.worker = w.worker ORDER BY held.account
        LOOP
            IF l.account LIKE 'money:%' AND l.epoch = l.current_epoch THEN
                UPDATE "Switchgear_Account" SET leased = greatest(0, leased - l.amount),
                    spent = spent + CASE WHEN l.kind = '' THEN l.amount ELSE 0 END WHERE account = l.account;
                IF l.kind <> '' THEN
                    PERFORM switchgear_charge(l.kind, l.object_id, l.part, l.amount / 1e9);
                END IF;
                UPDATE "Switchgear_Lease" SET written_off = written_off + l.amount, amount = 0
                    WHERE account = l.account AND epoch = l.epoch AND worker = w.worker;
                worker := w.worker; name := l.account; amount := l.amount;
                RETURN NEXT;
            ELSE
                UPDATE "Switchgear_Account" SET leased = greatest(0, leased - l.amount)
                    WHERE account = l.account AND epoch = l.epoch;
                DELETE FROM "Switchgear_Lease"
                    WHERE account = l.account AND epoch = l.epoch AND worker = w.worker;
            END IF;
        END LOOP;
    END LOOP;
END $$
""",
)


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


def statements() -> list[str]:
    sql: list[str] = []
    for table, columns in COMPOSITE_KEYS:
        listed = ", ".join(f'"{column}"' for column in columns)
        sql.append(f'ALTER TABLE "{table}" DROP CONSTRAINT "{table}_pkey"')
        sql.append(f'ALTER TABLE "{table}" ADD CONSTRAINT "{table}_pkey" PRIMARY KEY ({listed})')
    for table, columns in INDEXES:
        listed = ", ".join(f'"{column}"' for column in columns)
        sql.append(f'CREATE INDEX "{table}_{"_".join(columns)}_idx" ON "{table}" ({listed})')
    sql.append(EMAILS)
    for table, column in UTC_DEFAULTS:
        sql.append(f"""ALTER TABLE "{table}" ALTER COLUMN {column} SET DEFAULT (now() AT TIME ZONE 'utc')""")
    for table in BUDGETS_IN_USE:
        sql.append(
            f'ALTER TABLE "{table}" ADD CONSTRAINT "{table}_budget_id_fkey"'
            ' FOREIGN KEY (budget_id) REFERENCES "LiteLLM_BudgetTable" (budget_id)'
        )
    sql.append(
        'ALTER TABLE "LiteLLM_TeamTable" ADD CONSTRAINT "LiteLLM_TeamTable_member_budget_id_fkey"'
        ' FOREIGN KEY (member_budget_id) REFERENCES "LiteLLM_BudgetTable" (budget_id)'
    )
    sql += [*KEY_IDS, AUDIT_FUNCTION, TRUNCATED]
    for table, topic, topic_column, id_columns in GOVERNED:
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
                f" EXECUTE FUNCTION switchgear_governed('{topic}', '{topic_column}', '{id_columns}')"
            )
    return [*sql, *APPEND_ONLY, *MEMBERS, AUTHORITY, *LEASING]


async def run() -> None:
    for statement in statements():
        await RawTable.raw(statement.replace("{", "{{").replace("}", "}}"))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
