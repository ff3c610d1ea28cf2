CREATE OR REPLACE FUNCTION public.switchgear_counts_of(buckets integer[])
 RETURNS bigint[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT coalesce(array_agg(coalesce(calls, 0) ORDER BY place), '{}')
    FROM generate_series(0, (SELECT max(found) FROM unnest(buckets) AS found)) AS place
    LEFT JOIN (
        SELECT found, count(*) AS calls FROM unnest(buckets) AS found WHERE found IS NOT NULL GROUP BY found
    ) AS counted ON found = place
$function$;
