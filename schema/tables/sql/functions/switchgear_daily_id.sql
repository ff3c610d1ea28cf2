CREATE OR REPLACE FUNCTION public.switchgear_daily_id(VARIADIC parts text[])
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT left(encode(sha256(string_agg(convert_to(part, 'UTF8'), '\x00'::bytea ORDER BY place)), 'hex'), 32)
    FROM unnest(parts) WITH ORDINALITY AS named(part, place)
$function$;
