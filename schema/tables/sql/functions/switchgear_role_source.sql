CREATE OR REPLACE FUNCTION public.switchgear_role_source()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
-- Who gave the role. An UPDATE that names the column counts also where the value stays the same.
DECLARE
    said text := nullif(current_setting('switchgear.role_source', true), '');
    by_gateway boolean := nullif(current_setting('switchgear.actor', true), '') IS NOT NULL;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.role_source := coalesce(said, NEW.role_source, CASE
            WHEN by_gateway THEN 'api' WHEN NEW.user_role IS NOT NULL THEN 'sql' ELSE 'default' END);
        RETURN NEW;
    END IF;
    NEW.role_source := coalesce(said, CASE WHEN by_gateway THEN 'api' ELSE 'sql' END);
    IF said IS NULL THEN
        NEW.pending := false;
    END IF;
    RETURN NEW;
END $function$;
