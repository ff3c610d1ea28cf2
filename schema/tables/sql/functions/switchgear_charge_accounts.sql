CREATE OR REPLACE FUNCTION public.switchgear_charge_accounts(names text[], epochs bigint[], workers text[], taken bigint[], costs bigint[])
 RETURNS TABLE(name text, unbooked bigint, booked bigint, spent bigint, ceiling bigint, window_start timestamp with time zone)
 LANGUAGE plpgsql
AS $function$
-- Charges, in the order of their accounts: `costs` was spent and leaves the worker's lease, which may go below
-- zero. `taken` is the part of it that was held; where that is less, workers are told if the account is overdrawn. A
-- worker that was given up, or has left, has no lease to take it from. Gives a row for each account. `unbooked` is
-- what the caller must not add to the row that holds the money spent: charges of a window that is over, and what
-- was charged already when the lease was written off. `booked` is what was spent in the window under way. `spent` is
-- all that was, where it stands in the account, and null where it stands in a row. The last three are null of an
-- account that is gone.
#variable_conflict use_column
DECLARE
    place integer;
    a "Switchgear_Account"%ROWTYPE;
    covered bigint;
    kept bigint[] := '{}';
    rests bigint[] := '{}';
    pending bigint[] := '{}';
    told text;
    sum_of numeric;
BEGIN
    PERFORM 1 FROM "Switchgear_Account" WHERE account = ANY (names) ORDER BY account FOR UPDATE;
    FOR place IN 1 .. coalesce(array_length(names, 1), 0) LOOP
        pending[place] := 0;
        SELECT * INTO a FROM "Switchgear_Account" WHERE account = names[place];
        IF a.epoch IS DISTINCT FROM epochs[place] THEN
            DELETE FROM "Switchgear_Lease" WHERE account = names[place] AND epoch = epochs[place]
                AND worker = workers[place];
            kept[place] := costs[place];
            rests[place] := 0;
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
        kept[place] := covered;
        rests[place] := costs[place] - covered;
        IF a.kind = '' THEN
            UPDATE "Switchgear_Account" SET spent = spent + rests[place] WHERE account = names[place];
        ELSE
            pending[place] := rests[place];
        END IF;
    END LOOP;
    FOR told, sum_of IN SELECT b.n, sum(b.rest) FROM unnest(names, pending, taken, costs) AS b(n, rest, held, cost)
        GROUP BY b.n HAVING sum(b.cost) > sum(b.held)
    LOOP
        PERFORM switchgear_overdrawn(told, sum_of);
    END LOOP;
    RETURN QUERY
        SELECT b.n, sum(b.kept)::bigint, sum(b.rest)::bigint, CASE WHEN o.kind = '' THEN o.spent END, o.ceiling,
               o.window_start
        FROM unnest(names, kept, rests) AS b(n, kept, rest) LEFT JOIN "Switchgear_Account" o ON o.account = b.n
        GROUP BY b.n, o.account;
END $function$;
