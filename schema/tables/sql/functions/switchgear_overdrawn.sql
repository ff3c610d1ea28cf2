CREATE OR REPLACE FUNCTION public.switchgear_overdrawn(name text, pending numeric)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
END $function$;
