CREATE OR REPLACE FUNCTION public.switchgear_audited_without_sealed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    NEW.before_value := switchgear_without_sealed(NEW.before_value);
    NEW.updated_values := switchgear_without_sealed(NEW.updated_values);
    RETURN NEW;
END $function$;
