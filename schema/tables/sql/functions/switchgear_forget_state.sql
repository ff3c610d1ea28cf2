CREATE OR REPLACE FUNCTION public.switchgear_forget_state()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
-- Deletes what belongs to a key that is deleted. A key without an id owns nothing.
BEGIN
    DELETE FROM "Switchgear_State" WHERE owner = OLD.key_id AND OLD.key_id <> '';
    RETURN NULL;
END $function$;
