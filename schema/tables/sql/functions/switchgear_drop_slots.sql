CREATE OR REPLACE FUNCTION public.switchgear_drop_slots(me text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
END $function$;
