CREATE OR REPLACE FUNCTION public.switchgear_without_sealed(given jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
-- The value with a short mark in place of each sealed text. Two marks differ where the sealed texts do.
BEGIN
    CASE jsonb_typeof(given)
        WHEN 'object' THEN
            RETURN (SELECT coalesce(jsonb_object_agg(key, switchgear_without_sealed(value)), '{}')
                    FROM jsonb_each(given));
        WHEN 'array' THEN
            RETURN (SELECT coalesce(jsonb_agg(switchgear_without_sealed(value) ORDER BY place), '[]')
                    FROM jsonb_array_elements(given) WITH ORDINALITY AS each(value, place));
        WHEN 'string' THEN
            IF given #>> '{}' LIKE 'sealed:%' THEN
                RETURN to_jsonb('(sealed ' || left(md5(given #>> '{}'), 8) || ')');
            END IF;
        ELSE NULL;
    END CASE;
    RETURN given;
END $function$;
