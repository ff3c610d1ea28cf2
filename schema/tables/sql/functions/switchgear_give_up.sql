CREATE OR REPLACE FUNCTION public.switchgear_give_up(silent interval)
 RETURNS TABLE(worker text, name text, amount bigint)
 LANGUAGE plpgsql
AS $function$
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
END $function$;
