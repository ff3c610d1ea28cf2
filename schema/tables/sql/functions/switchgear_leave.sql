CREATE OR REPLACE FUNCTION public.switchgear_leave(me text)
 RETURNS void
 LANGUAGE plpgsql
 SET lock_timeout TO '300ms'
AS $function$
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
END $function$;
