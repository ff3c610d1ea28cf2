CREATE OR REPLACE FUNCTION public.switchgear_settle(names text[], epochs bigint[], workers text[], taken bigint[], costs bigint[])
 RETURNS TABLE(name text, unbooked bigint)
 LANGUAGE plpgsql
AS $function$
-- The same for servers of an earlier version: what the caller must not add, where there is any.
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT c.name, c.unbooked
        FROM switchgear_charge_accounts(names, epochs, workers, taken, costs) c WHERE c.unbooked > 0;
END $function$;
