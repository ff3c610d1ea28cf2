CREATE OR REPLACE FUNCTION public.switchgear_return(me text, asked bigint, names text[], epochs bigint[], amounts bigint[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
END $function$;
