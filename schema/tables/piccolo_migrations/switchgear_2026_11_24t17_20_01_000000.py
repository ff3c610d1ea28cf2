"""Epochs that no account has twice, also where it was deleted and made anew; lease functions whose answers
may be lost.

What a worker asks has a ticket, a number that grows. A lease keeps the ticket that changed it last, so
that a return that is asked again is done once, and a grant that nobody heard of can be taken back. A worker
asks one thing at a time of an account.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-24T17:20:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "leases: epochs that are unique for ever, answers that may be lost"

EPOCHS: tuple[str, ...] = (
    # above all that were counted from zero, a window a second at most
    "CREATE SEQUENCE switchgear_epoch START WITH 10000000000",
    """ALTER TABLE "Switchgear_Account" ALTER COLUMN epoch SET DEFAULT nextval('switchgear_epoch')""",
)

BEFORE: tuple[str, ...] = (
    "DROP FUNCTION switchgear_lease(text, interval, text[], text[], text[], text[], text[], timestamptz[],"
    " timestamptz[], bigint[], bigint[])",
    "DROP FUNCTION switchgear_return(text, text[], bigint[], bigint[])",
)
"""Functions that took no ticket."""

LEASE = """
CREATE FUNCTION switchgear_lease(
    me text, lives interval, names text[], kinds text[], ids text[], parts text[], durations text[],
    starts timestamptz[], ends timestamptz[], limits bigint[], needs bigint[], asked bigint
) RETURNS TABLE (name text, state text, granted bigint, epoch bigint, window_end timestamptz,
                 spent bigint, leased bigint, workers bigint, db_now timestamptz)
LANGUAGE plpgsql AS $$
-- All or nothing: take `needs` from every account, and a slice where there is plenty. `names` are in
-- ascending order, in which everyone locks them. An open window stays as it is; `starts` and `ends` are
-- the caller's proposal for a new one. States: granted, or of each account what stood in the way: short,
-- window (the proposal does not hold the database's time), or enough.
-- A slice is a quarter of a worker's fair share of what is free, so that no worker starves; where that is
-- under ten calls' worth, just the need. `asked` is the ticket.
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
    IF EXISTS (SELECT 1 FROM "Switchgear_Worker" WHERE worker = me AND fenced >= asked) THEN
        RAISE EXCEPTION 'this worker asked for something else since' USING ERRCODE = 'SG002';
    END IF;
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
                    a.epoch := nextval('switchgear_epoch'); a.leased := 0; a.spent := 0;
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
                INSERT INTO "Switchgear_Lease" AS l (account, epoch, worker, amount, ticket, granted)
                    VALUES (names[place], epochs[place], me, take, asked, take)
                    ON CONFLICT (account, epoch, worker) DO UPDATE SET amount = l.amount + excluded.amount,
                        ticket = excluded.ticket, granted = excluded.granted;
            END IF;
            states[place] := 'granted';
        END IF;
        name := names[place]; state := states[place]; granted := take; epoch := epochs[place];
        window_end := closes[place]; spent := spents[place]; leased := outs[place]; workers := alive;
        db_now := at;
        RETURN NEXT;
    END LOOP;
END $$
"""

RETURN = """
CREATE FUNCTION switchgear_return(me text, asked bigint, names text[], epochs bigint[], amounts bigint[])
RETURNS void LANGUAGE plpgsql AS $$
-- Give back what was not spent: once, however often it is asked, of what has leases. What belongs to a window
-- that is over, or was written off, is gone.
#variable_conflict use_column
BEGIN
    PERFORM 1 FROM "Switchgear_Account" WHERE account = ANY (names) ORDER BY account FOR UPDATE;
    WITH back AS (SELECT * FROM unnest(names, epochs, amounts) AS b(name, epoch, amount)),
    kept AS (
        UPDATE "Switchgear_Lease" l SET amount = greatest(0, l.amount - back.amount), ticket = asked, granted = 0
        FROM back
        WHERE l.account = back.name AND l.epoch = back.epoch AND l.worker = me AND l.amount > 0
          AND l.ticket < asked
        RETURNING l.account, l.epoch)
    UPDATE "Switchgear_Account" a SET leased = greatest(0, a.leased - back.amount) FROM back
    WHERE a.account = back.name AND a.epoch = back.epoch
      AND (back.name ~ '^(rpm|tpm|tpd):' OR EXISTS (
           SELECT 1 FROM kept WHERE kept.account = back.name AND kept.epoch = back.epoch));
    DELETE FROM "Switchgear_Lease" WHERE worker = me AND account = ANY (names) AND amount = 0 AND written_off = 0;
END $$
"""

UNDO = """
CREATE FUNCTION switchgear_undo(me text, asked bigint, names text[]) RETURNS void LANGUAGE plpgsql AS $$
-- A lease whose answer was lost: what it granted goes back; where it is still on its way, it comes to
-- nothing, since it looks for the fence when it has the accounts. Of an account that is not there yet it may be
-- the maker: so all that this worker has begun is waited for.
#variable_conflict use_column
BEGIN
    UPDATE "Switchgear_Worker" SET fenced = greatest(fenced, asked) WHERE worker = me;
    IF (SELECT count(*) FROM "Switchgear_Account" WHERE account = ANY (names)) < cardinality(names) THEN
        PERFORM 1 FROM "Switchgear_Worker" WHERE worker = me FOR UPDATE;
    END IF;
    PERFORM 1 FROM "Switchgear_Account" WHERE account = ANY (names) ORDER BY account FOR UPDATE;
    WITH undone AS (
        SELECT account, epoch, least(amount, granted) AS back FROM "Switchgear_Lease"
        WHERE worker = me AND account = ANY (names) AND ticket = asked),
    kept AS (
        UPDATE "Switchgear_Lease" l SET amount = l.amount - undone.back, granted = 0 FROM undone
        WHERE l.account = undone.account AND l.epoch = undone.epoch AND l.worker = me)
    UPDATE "Switchgear_Account" a SET leased = greatest(0, a.leased - undone.back) FROM undone
    WHERE a.account = undone.account AND a.epoch = undone.epoch;
END $$
"""

CHARGE = """
CREATE OR REPLACE FUNCTION switchgear_charge(kind text, id text, part text, amount numeric) RETURNS void
LANGUAGE plpgsql AS $$
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
    END CASE;
END $$
"""

LEAVE = """
CREATE OR REPLACE FUNCTION switchgear_leave(me text) RETURNS void LANGUAGE plpgsql
SET lock_timeout = '300ms' AS $$
-- A worker that has booked every call signs off: whatever is still in its name goes back, also what was
-- written off and then not booked, since it was never spent. Who calls this has settled before, and so holds
-- locks that the order of accounts would have put after these: it waits for less long than it takes Postgres to
-- look for a deadlock, so that it gives way and not a call.
#variable_conflict use_column
DECLARE
    l record;
BEGIN
    PERFORM set_config('switchgear.bookkeeping', 'on', true);
    PERFORM 1 FROM "Switchgear_Worker" WHERE worker = me FOR UPDATE;
    PERFORM 1 FROM "Switchgear_Account" WHERE account IN (
        SELECT account FROM "Switchgear_Lease" WHERE worker = me) ORDER BY account FOR UPDATE;
    FOR l IN SELECT a.account, a.kind, a.object_id, a.part, held.written_off
        FROM "Switchgear_Lease" held JOIN "Switchgear_Account" a USING (account, epoch)
        WHERE held.worker = me AND held.written_off > 0
        ORDER BY array_position('{organization,team,user,member,key,customer}'::text[], a.kind), a.object_id, a.part
    LOOP
        IF l.kind = '' THEN
            UPDATE "Switchgear_Account" SET spent = greatest(0, spent - l.written_off) WHERE account = l.account;
        ELSE
            PERFORM switchgear_charge(l.kind, l.object_id, l.part, l.written_off / -1e9);
        END IF;
    END LOOP;
    WITH mine AS (DELETE FROM "Switchgear_Lease" WHERE worker = me RETURNING account, epoch, amount)
    UPDATE "Switchgear_Account" a SET leased = greatest(0, a.leased - mine.amount) FROM mine
        WHERE a.account = mine.account AND a.epoch = mine.epoch;
    DELETE FROM "Switchgear_Worker" WHERE worker = me;
END $$
"""


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


async def run() -> None:
    for statement in (*EPOCHS, *BEFORE, LEASE, RETURN, UNDO, CHARGE, LEAVE):
        await RawTable.raw(statement.replace("{", "{{").replace("}", "}}"))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
