CREATE OR REPLACE FUNCTION public.switchgear_undo(me text, asked bigint, names text[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
END $function$;
