CREATE OR REPLACE FUNCTION public.switchgear_session_ended()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    PERFORM pg_notify('switchgear_authority', 'session:' || OLD.session_hash);
    RETURN NULL;
END $function$;
