CREATE OR REPLACE FUNCTION public.switchgear_key_id()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
-- A key is its own id until it is replaced.
BEGIN
    NEW.key_id := coalesce(nullif(NEW.key_id, ''), NEW.token);
    RETURN NEW;
END $function$;
