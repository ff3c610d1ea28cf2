CREATE VIEW "Last30dModelsBySpend" AS
 SELECT model,
    sum(spend) AS total_spend
   FROM "Switchgear_DailySpend"
  WHERE date >= to_char(((now() AT TIME ZONE 'utc'::text)::date - 30)::timestamp with time zone, 'YYYY-MM-DD'::text) AND model <> ''::text
  GROUP BY model
  ORDER BY (sum(spend)) DESC;
