CREATE VIEW "MonthlyGlobalSpend" AS
 SELECT date::date AS date,
    sum(spend) AS spend
   FROM "Switchgear_DailySpend"
  WHERE date >= to_char(((now() AT TIME ZONE 'utc'::text)::date - 30)::timestamp with time zone, 'YYYY-MM-DD'::text)
  GROUP BY (date::date);
