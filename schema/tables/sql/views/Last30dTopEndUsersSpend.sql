CREATE VIEW "Last30dTopEndUsersSpend" AS
 SELECT end_user,
    sum(api_requests)::bigint AS total_events,
    sum(spend) AS total_spend
   FROM "Switchgear_DailyEndUserSpend"
  WHERE date >= to_char(((now() AT TIME ZONE 'utc'::text)::date - 30)::timestamp with time zone, 'YYYY-MM-DD'::text) AND end_user <> user_id
  GROUP BY end_user
  ORDER BY (sum(spend)) DESC
 LIMIT 100;
