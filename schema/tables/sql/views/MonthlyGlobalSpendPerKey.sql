CREATE VIEW "MonthlyGlobalSpendPerKey" AS
 SELECT date::date AS date,
    sum(spend) AS spend,
    api_key
   FROM "Switchgear_DailySpend"
  WHERE date >= to_char(((now() AT TIME ZONE 'utc'::text)::date - 30)::timestamp with time zone, 'YYYY-MM-DD'::text)
  GROUP BY (date::date), api_key;
