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
END $function$;
