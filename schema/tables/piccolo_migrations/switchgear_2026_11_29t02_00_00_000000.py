"""Leases that may be below zero, so that a call that cost more than was held for it is charged at once.

What holds of every account of money, in its epoch, for every worker, as signed numbers:

    Switchgear_Lease.amount = free in the worker's memory + held by its calls + settled and not yet booked

A call that costs 5 where 1 was held leaves its slice at -4. The worker returns -4: `amount` and `leased` rise by 4.
Booking takes the whole 5 out of `amount` and `leased`, and adds it to what was spent. So spent + leased rises by
the cost, whichever comes first. What is below zero in between is no room for another worker. An account keeps the limit that it was leased
under last (`ceiling`), so that workers are told when more is spent and leased than that.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-29T02:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "leases: signed amounts, a cost above its hold is charged at once"

BEFORE: tuple[str, ...] = (
    "DROP FUNCTION switchgear_lease(text, interval, text[], text[], text[], text[], text[], timestamptz[],"
    " timestamptz[], bigint[], bigint[], bigint)",
)
"""It returned fewer columns."""

SQUARE = """
UPDATE "Switchgear_Account" a SET leased = coalesce((
    SELECT sum(l.amount) FROM "Switchgear_Lease" l WHERE l.account = a.account AND l.epoch = a.epoch), 0)
WHERE account ~ '^(money|parallel):'
"""
"""Until now a cost above its hold could leave something in `leased` that no lease has."""

LEASE = """
CREATE FUNCTION switchgear_lease(
    me text, lives interval, names text[], kinds text[], ids text[], parts text[], durations text[],
    starts timestamptz[], ends timestamptz[], limits bigint[], needs bigint[], asked bigint
) RETURNS TABLE (name text, state text, granted bigint, epoch bigint, window_end timestamptz,
                 spent bigint, leased bigint, workers bigint, mine bigint, silent bigint,
                 db_now timestamptz)
LANGUAGE plpgsql AS $$
-- All or nothing: take `needs` from every account, and a slice where there is plenty. `names` are in
-- ascending order, in which everyone locks them. An open window stays as it is; `starts` and `ends` are
-- the caller's proposal for a new one. States: granted, or of each account what stood in the way: short,
-- window (the proposal does not hold the database's time), or enough.
-- A slice is a quarter of a worker's fair share of what is free, so that no worker starves; where that is
-- under ten calls' worth, just the need. `asked` is the ticket. A lease below zero is what another worker's
-- calls cost beyond what it had leased, booked as spent and not taken back from `leased` yet: it is no room for
-- anybody else. Where the answer is short, `mine` is what this worker has leased, and `silent` what workers have
-- that were not seen for `lives`.
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
END $$
"""

OVERDRAWN = """
CREATE FUNCTION switchgear_overdrawn(name text, pending numeric) RETURNS void LANGUAGE plpgsql AS $$
-- Where more is spent and leased of an account than it has, every worker returns what it has of it, and leases
-- anew before its next call. `pending` is what this transaction has yet to add to what was spent; a lease below
-- zero is not returned yet, and takes nothing off what the others have.
#variable_conflict use_column
DECLARE
    a "Switchgear_Account"%ROWTYPE;
    owed numeric;
    used numeric;
BEGIN
    SELECT * INTO a FROM "Switchgear_Account" WHERE account = name;
    SELECT coalesce(-sum(amount), 0) INTO owed FROM "Switchgear_Lease"
        WHERE account = name AND epoch = a.epoch AND amount < 0;
    used := CASE WHEN a.kind = '' THEN a.spent
        ELSE ceil(coalesce(switchgear_spent(a.kind, a.object_id, a.part), 0) * 1e9) END;
    IF a.ceiling < used + pending + a.leased + owed THEN
        PERFORM pg_notify('switchgear_overdrawn', CASE WHEN octet_length(name) > 7000 THEN 'all' ELSE name END);
    END IF;
END $$
"""

SETTLE = """
CREATE OR REPLACE FUNCTION switchgear_settle(
    names text[], epochs bigint[], workers text[], taken bigint[], costs bigint[]
) RETURNS TABLE (name text, unbooked bigint) LANGUAGE plpgsql AS $$
-- Charges, in the order of their accounts: `costs` was spent and leaves the worker's lease, which may go below
-- zero. `taken` is the part of it that was held; where that is less, workers are told if the account is overdrawn. A
-- worker that was given up, or has left, has no lease to take it from. Gives what the caller must not add to the
-- row that holds the money spent: charges of a window that is over, and what was charged already when the lease
-- was written off.
#variable_conflict use_column
DECLARE
    place integer;
    a "Switchgear_Account"%ROWTYPE;
    covered bigint;
    rest bigint;
    pending bigint[] := '{}';
    told text;
    sum_of numeric;
BEGIN
    PERFORM 1 FROM "Switchgear_Account" WHERE account = ANY (names) ORDER BY account FOR UPDATE;
    FOR place IN 1 .. coalesce(array_length(names, 1), 0) LOOP
        name := names[place];
        pending[place] := 0;
        SELECT * INTO a FROM "Switchgear_Account" WHERE account = names[place];
        IF a.epoch IS DISTINCT FROM epochs[place] THEN
            DELETE FROM "Switchgear_Lease" WHERE account = names[place] AND epoch = epochs[place]
                AND worker = workers[place];
            unbooked := costs[place];
            RETURN NEXT;
            CONTINUE;
        END IF;
        covered := 0;
        IF EXISTS (SELECT 1 FROM "Switchgear_Worker" WHERE worker = workers[place] AND given_up_at IS NULL) THEN
            INSERT INTO "Switchgear_Lease" AS l (account, epoch, worker, amount)
                VALUES (names[place], epochs[place], workers[place], -costs[place])
                ON CONFLICT (account, epoch, worker) DO UPDATE SET amount = l.amount + excluded.amount;
            UPDATE "Switchgear_Account" SET leased = leased - costs[place] WHERE account = names[place];
        ELSE
            SELECT least(written_off, costs[place]) INTO covered FROM "Switchgear_Lease"
                WHERE account = names[place] AND epoch = epochs[place] AND worker = workers[place];
            covered := coalesce(covered, 0);
            UPDATE "Switchgear_Lease" SET written_off = written_off - covered
                WHERE account = names[place] AND epoch = epochs[place] AND worker = workers[place];
        END IF;
        rest := costs[place] - covered;
        IF a.kind = '' THEN
            UPDATE "Switchgear_Account" SET spent = spent + rest WHERE account = names[place];
        ELSE
            pending[place] := rest;
        END IF;
        IF covered > 0 THEN
            unbooked := covered;
            RETURN NEXT;
        END IF;
    END LOOP;
    FOR told, sum_of IN SELECT b.n, sum(b.rest) FROM unnest(names, pending, taken, costs) AS b(n, rest, held, cost)
        GROUP BY b.n HAVING sum(b.cost) > sum(b.held)
    LOOP
        PERFORM switchgear_overdrawn(told, sum_of);
    END LOOP;
END $$
"""

RETURN = """
CREATE OR REPLACE FUNCTION switchgear_return(
    me text, asked bigint, names text[], epochs bigint[], amounts bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
-- Give back what was not spent: once, however often it is asked, of what has leases. Of money an amount below zero
-- is what calls cost beyond what was leased: it is charged, and workers are told if the account is overdrawn.
-- What belongs to a window that is over, or was written off, is gone.
#variable_conflict use_column
DECLARE
    place integer;
    done boolean;
BEGIN
    PERFORM 1 FROM "Switchgear_Worker" WHERE worker = me AND given_up_at IS NULL FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM 1 FROM "Switchgear_Account" WHERE account = ANY (names) ORDER BY account FOR UPDATE;
    FOR place IN 1 .. coalesce(array_length(names, 1), 0) LOOP
        PERFORM 1 FROM "Switchgear_Account" WHERE account = names[place] AND epoch = epochs[place];
        CONTINUE WHEN NOT FOUND;
        IF names[place] LIKE 'money:%' THEN
            INSERT INTO "Switchgear_Lease" AS l (account, epoch, worker, amount, ticket)
                VALUES (names[place], epochs[place], me, -amounts[place], asked)
                ON CONFLICT (account, epoch, worker) DO UPDATE SET amount = l.amount + excluded.amount,
                    ticket = excluded.ticket, granted = 0 WHERE l.ticket < excluded.ticket;
            done := FOUND;
        ELSIF names[place] LIKE 'parallel:%' THEN
            UPDATE "Switchgear_Lease" SET amount = amount - amounts[place], ticket = asked, granted = 0
                WHERE account = names[place] AND epoch = epochs[place] AND worker = me AND ticket < asked;
            done := FOUND;
        ELSE
            done := true;
        END IF;
        IF done THEN
            UPDATE "Switchgear_Account" SET leased = leased - amounts[place] WHERE account = names[place];
            IF amounts[place] < 0 THEN
                PERFORM switchgear_overdrawn(names[place], 0);
            END IF;
        END IF;
    END LOOP;
END $$
"""

UNDO = """
CREATE OR REPLACE FUNCTION switchgear_undo(me text, asked bigint, names text[]) RETURNS void
LANGUAGE plpgsql AS $$
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
        SELECT account, epoch, granted FROM "Switchgear_Lease"
        WHERE worker = me AND account = ANY (names) AND ticket = asked),
    kept AS (
        UPDATE "Switchgear_Lease" l SET amount = l.amount - undone.granted, granted = 0 FROM undone
        WHERE l.account = undone.account AND l.epoch = undone.epoch AND l.worker = me)
    UPDATE "Switchgear_Account" a SET leased = a.leased - undone.granted FROM undone
    WHERE a.account = undone.account AND a.epoch = undone.epoch;
END $$
"""

DROP_SLOTS = """
CREATE OR REPLACE FUNCTION switchgear_drop_slots(me text) RETURNS void LANGUAGE plpgsql AS $$
-- A worker that others could not see for a while knows nothing of its slots any more.
#variable_conflict use_column
BEGIN
    PERFORM 1 FROM "Switchgear_Account" WHERE account IN (
        SELECT account FROM "Switchgear_Lease" WHERE worker = me AND account LIKE 'parallel:%')
        ORDER BY account FOR UPDATE;
    WITH mine AS (DELETE FROM "Switchgear_Lease" WHERE worker = me AND account LIKE 'parallel:%'
                  RETURNING account, epoch, amount)
    UPDATE "Switchgear_Account" a SET leased = a.leased - mine.amount FROM mine
        WHERE a.account = mine.account AND a.epoch = mine.epoch;
END $$
"""

LEAVE = """
CREATE OR REPLACE FUNCTION switchgear_leave(me text) RETURNS void LANGUAGE plpgsql
SET lock_timeout = '300ms' AS $$
-- A worker that has booked every call signs off: whatever is still in its name goes back, also what was
-- written off and then not booked, since it was never spent (down to zero: somebody may have set what was spent
-- to zero meanwhile). A lease below zero goes back too: it is what calls
-- cost beyond what was leased, and it was booked. Who calls this has settled before, and so holds
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
            UPDATE "Switchgear_Account" SET spent = greatest(least(spent, 0), spent - l.written_off)
                WHERE account = l.account;
        ELSE
            PERFORM switchgear_charge(l.kind, l.object_id, l.part, l.written_off / -1e9);
        END IF;
    END LOOP;
    WITH mine AS (DELETE FROM "Switchgear_Lease" WHERE worker = me RETURNING account, epoch, amount)
    UPDATE "Switchgear_Account" a SET leased = a.leased - mine.amount FROM mine
        WHERE a.account = mine.account AND a.epoch = mine.epoch;
    DELETE FROM "Switchgear_Worker" WHERE worker = me;
END $$
"""

GIVE_UP = """
CREATE OR REPLACE FUNCTION switchgear_give_up(silent interval) RETURNS TABLE (worker text, name text, amount bigint)
LANGUAGE plpgsql AS $$
-- Workers that have been silent for so long: what they held of budgets is charged as spent, since nobody
-- knows how much of it was. A lease below zero is booked already, and charges nothing.
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
            UPDATE "Switchgear_Account" SET leased = leased - l.amount
                WHERE account = l.account AND epoch = l.epoch;
            IF l.account LIKE 'money:%' AND l.epoch = l.current_epoch AND l.amount > 0 THEN
                IF l.kind = '' THEN
                    UPDATE "Switchgear_Account" SET spent = spent + l.amount WHERE account = l.account;
                ELSE
                    PERFORM switchgear_charge(l.kind, l.object_id, l.part, l.amount / 1e9);
                END IF;
                UPDATE "Switchgear_Lease" SET written_off = written_off + l.amount, amount = 0
                    WHERE account = l.account AND epoch = l.epoch AND worker = w.worker;
                worker := w.worker; name := l.account; amount := l.amount;
                RETURN NEXT;
            ELSE
                DELETE FROM "Switchgear_Lease"
                    WHERE account = l.account AND epoch = l.epoch AND worker = w.worker;
            END IF;
        END LOOP;
    END LOOP;
END $$
"""


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


async def run() -> None:
    for statement in (*BEFORE, SQUARE, OVERDRAWN, LEASE, SETTLE, RETURN, UNDO, DROP_SLOTS, LEAVE, GIVE_UP):
        await RawTable.raw(statement.replace("{", "{{").replace("}", "}}"))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
