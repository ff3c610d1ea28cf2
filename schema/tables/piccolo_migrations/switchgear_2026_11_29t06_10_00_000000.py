"""Customers that calls name and that nobody entered get a row from the bookkeeper.

Until now the account of a customer's budget had one name while the customer had no row and another one afterwards. A
row that is made while calls are under way would have begun with an account of its own, and the holds of those calls
would not have counted there. Now it is one account, which says itself whether the money spent stands in it or in the
row.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-29T06:10:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "customers: rows made by the bookkeeper, one account for a customer with and without a row"

ONE_ACCOUNT = (
    """DELETE FROM "Switchgear_Account" a WHERE account ~ '^(money|rpm|tpm|tpd|parallel):customer:' AND EXISTS (
    SELECT 1 FROM "Switchgear_Account" b
    WHERE b.account = regexp_replace(a.account, '^(\\w+):customer:', '\\1:customer-default:'))
    AND NOT EXISTS (SELECT 1 FROM "LiteLLM_EndUserTable" c WHERE c.user_id = a.object_id)""",
    """UPDATE "Switchgear_Account" a SET account = regexp_replace(account, '^(\\w+):customer-default:', '\\1:customer:')
    WHERE account ~ '^\\w+:customer-default:' AND NOT EXISTS (SELECT 1 FROM "Switchgear_Account" b
    WHERE b.account = regexp_replace(a.account, '^(\\w+):customer-default:', '\\1:customer:'))""",
    """UPDATE "Switchgear_Lease" l SET account = regexp_replace(account, '^(\\w+):customer-default:', '\\1:customer:')
    WHERE account ~ '^\\w+:customer-default:' AND EXISTS (SELECT 1 FROM "Switchgear_Account" b
    WHERE b.account = regexp_replace(l.account, '^(\\w+):customer-default:', '\\1:customer:') AND b.epoch = l.epoch)""",
)
"""A customer that was entered meanwhile keeps the account that it has as such."""

INDEX = (
    'CREATE INDEX "LiteLLM_EndUserTable_created_by_created_at_idx" ON "LiteLLM_EndUserTable"'
    " (created_by, created_at) WHERE created_by LIKE 'key:%'"
)

LEASE = """
CREATE OR REPLACE FUNCTION public.switchgear_lease(me text, lives interval, names text[], kinds text[], ids text[], parts text[], durations text[], starts timestamp with time zone[], ends timestamp with time zone[], limits bigint[], needs bigint[], asked bigint)
 RETURNS TABLE(name text, state text, granted bigint, epoch bigint, window_end timestamp with time zone, spent bigint, leased bigint, workers bigint, mine bigint, silent bigint, db_now timestamp with time zone)
 LANGUAGE plpgsql
AS $function$
-- All or nothing: take `needs` from every account, and a slice where there is plenty. `names` are in
-- ascending order, in which everyone locks them. An open window stays as it is; `starts` and `ends` are
-- the caller's proposal for a new one. States: granted, or of each account what stood in the way: short,
-- window (the proposal does not hold the database's time), or enough.
-- A slice is a quarter of a worker's fair share of what is free, so that no worker starves; where that is
-- under ten calls' worth, just the need. `asked` is the ticket. A lease below zero is what another worker's
-- calls cost beyond what it had leased, booked as spent and not taken back from `leased` yet: it is no room for
-- anybody else. Where the answer is short, `mine` is what this worker has leased, and `silent` what workers have
-- that were not seen for `lives`. Whether the money spent stands in a row or in the account is the account's to
-- say: a worker that does not know yet that a customer has a row goes on with the row. An account gets a holder
-- when its owner has got a row, and loses it when the row is gone.
#variable_conflict use_column
DECLARE
    at timestamptz;
    alive bigint;
    place integer;
    a "Switchgear_Account"%ROWTYPE;
    spents bigint[] := '{}';
    frees numeric[] := '{}';
    epochs bigint[] := '{}';
    outs bigint[] := '{}';
    states text[] := '{}';
    closes timestamptz[] := '{}';
    dead bigint;
    used bigint;
    owed bigint;
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
    IF EXISTS (SELECT 1 FROM "Switchgear_Worker" WHERE worker = me AND fenced >= asked) THEN
        RAISE EXCEPTION 'this worker asked for something else since' USING ERRCODE = 'SG002';
    END IF;
    at := clock_timestamp();
    SELECT greatest(count(*), 1) INTO alive FROM "Switchgear_Worker"
        WHERE seen_at > at - lives AND given_up_at IS NULL;
    FOR place IN 1 .. array_length(names, 1) LOOP
        SELECT * INTO a FROM "Switchgear_Account" WHERE account = names[place];
        IF a.kind = '' AND kinds[place] <> '' THEN
            a.kind := kinds[place]; a.object_id := ids[place]; a.part := parts[place]; a.spent := 0;
            UPDATE "Switchgear_Account" SET kind = a.kind, object_id = a.object_id, part = a.part, spent = 0
                WHERE account = names[place];
        ELSIF a.kind <> '' AND kinds[place] = ''
              AND switchgear_spent(a.kind, a.object_id, a.part) IS NULL THEN
            a.kind := ''; a.object_id := ''; a.part := ''; a.spent := 0;
            UPDATE "Switchgear_Account" SET kind = '', object_id = '', part = '', spent = 0
                WHERE account = names[place];
        END IF;
        IF a.duration IS DISTINCT FROM durations[place] OR a.window_end <= at
           OR (durations[place] IS NOT NULL AND a.window_end IS NULL)
        THEN
            IF durations[place] IS NULL OR (starts[place] <= at AND at < ends[place]) THEN
                IF a.window_end <= at THEN
                    a.epoch := nextval('switchgear_epoch'); a.leased := 0; a.spent := 0;
                    DELETE FROM "Switchgear_Lease" l WHERE l.account = names[place];
                END IF;
                PERFORM switchgear_new_window(a.kind, a.object_id, a.part, ends[place],
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
        SELECT coalesce(-sum(amount), 0) INTO owed FROM "Switchgear_Lease"
            WHERE account = names[place] AND epoch = a.epoch AND worker <> me AND amount < 0;
        IF limits[place]::numeric - used - a.leased < needs[place] AND names[place] LIKE 'parallel:%' THEN
            WITH gone AS (
                DELETE FROM "Switchgear_Lease" l WHERE l.account = names[place] AND NOT EXISTS (
                    SELECT 1 FROM "Switchgear_Worker" w WHERE w.worker = l.worker AND w.seen_at > at - lives
                        AND w.given_up_at IS NULL)
                RETURNING amount)
            SELECT coalesce(sum(amount), 0) INTO dead FROM gone;
            a.leased := a.leased - dead;
            UPDATE "Switchgear_Account" SET leased = a.leased WHERE account = names[place];
        END IF;
        frees[place] := limits[place]::numeric - used - a.leased - owed;
        IF states[place] IS NULL THEN
            states[place] := CASE WHEN frees[place] < needs[place] THEN 'short' ELSE 'enough' END;
        END IF;
        IF states[place] = 'short' AND verdict = 'granted' THEN verdict := 'short'; END IF;
        spents[place] := used; epochs[place] := a.epoch; outs[place] := a.leased + owed; closes[place] := a.window_end;
    END LOOP;
    FOR place IN 1 .. array_length(names, 1) LOOP
        take := 0;
        IF verdict = 'granted' THEN
            fair := trunc(frees[place] / (4 * alive));
            take := CASE WHEN fair >= 10 * needs[place]::numeric AND needs[place] > 0 THEN fair
                ELSE needs[place] END;
            UPDATE "Switchgear_Account" SET leased = leased + take, ceiling = limits[place]
                WHERE account = names[place];
            IF take > 0 AND names[place] ~ '^(money|parallel):' THEN
                INSERT INTO "Switchgear_Lease" AS l (account, epoch, worker, amount, ticket, granted)
                    VALUES (names[place], epochs[place], me, take, asked, take)
                    ON CONFLICT (account, epoch, worker) DO UPDATE SET amount = l.amount + excluded.amount,
                        ticket = excluded.ticket, granted = excluded.granted;
            END IF;
            states[place] := 'granted';
        ELSE
            SELECT coalesce(sum(amount) FILTER (WHERE l.worker = me), 0),
                   coalesce(sum(amount) FILTER (WHERE l.worker <> me AND amount > 0 AND NOT EXISTS (
                       SELECT 1 FROM "Switchgear_Worker" w WHERE w.worker = l.worker AND w.seen_at > at - lives)), 0)
                INTO mine, silent
                FROM "Switchgear_Lease" l WHERE l.account = names[place] AND l.epoch = epochs[place];
        END IF;
        name := names[place]; state := states[place]; granted := take; epoch := epochs[place];
        window_end := closes[place]; spent := spents[place]; leased := outs[place]; workers := alive;
        db_now := at;
        RETURN NEXT;
    END LOOP;
END $function$
"""

GOVERNED = """
CREATE OR REPLACE FUNCTION public.switchgear_governed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
-- A customer that bookkeeping enters, without a budget, is announced and not audited: nobody decided it.
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
        IF TG_OP <> 'INSERT' OR TG_TABLE_NAME <> 'LiteLLM_EndUserTable' OR row_now->>'budget_id' IS NOT NULL
           OR current_setting('switchgear.bookkeeping', true) IS DISTINCT FROM 'on'
        THEN
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
        END IF;
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
END $function$
"""

ENTER = """
CREATE FUNCTION switchgear_enter_customers(
    ids text[], keys text[], accounts text[], charged boolean[], most bigint
) RETURNS void LANGUAGE plpgsql AS $$
-- Makes rows for customers that calls have named and that nobody entered, in the order of their ids. `keys` are
-- the keys that named them first: a key makes `most` rows a day (UTC). `accounts` are those of the customers' budgets.
-- One that is `charged` in this transaction is locked: the row begins with what was spent of it, and from then on the
-- row says it. Where an account is there and not charged, the customer waits for the next call that is charged to it.
#variable_conflict use_column
DECLARE
    place integer;
    since timestamp := date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC');
    at timestamp := clock_timestamp() AT TIME ZONE 'UTC';
    maker text;
    held "Switchgear_Account"%ROWTYPE;
    made bigint;
BEGIN
    FOR place IN 1 .. coalesce(array_length(ids, 1), 0) LOOP
        maker := 'key:' || keys[place];
        SELECT count(*) INTO made FROM (SELECT 1 FROM "LiteLLM_EndUserTable"
            WHERE created_by = maker AND created_at >= since LIMIT most) AS today;
        CONTINUE WHEN made >= most;
        SELECT * INTO held FROM "Switchgear_Account" WHERE account = accounts[place];
        CONTINUE WHEN held.account IS NOT NULL AND NOT charged[place];
        INSERT INTO "LiteLLM_EndUserTable" (user_id, spend, created_at, created_by, updated_at, updated_by)
            VALUES (ids[place], coalesce(held.spent, 0) / 1e9, at, maker, at, maker) ON CONFLICT DO NOTHING;
        IF FOUND THEN
            UPDATE "Switchgear_Account" SET kind = 'customer', object_id = ids[place], spent = 0
                WHERE account = accounts[place] AND kind = '';
        END IF;
    END LOOP;
END $$
"""


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


async def run() -> None:
    for statement in (*ONE_ACCOUNT, INDEX, LEASE, GOVERNED, ENTER):
        await RawTable.raw(statement.replace("{", "{{").replace("}", "}}"))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
