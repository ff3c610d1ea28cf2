CREATE VIEW "DailyTagSpend" AS
 SELECT tag AS individual_request_tag,
    date::date AS spend_date,
    sum(api_requests)::bigint AS log_count,
    sum(spend) AS total_spend
   FROM "Switchgear_DailyTagSpend"
  GROUP BY tag, (date::date);
