CREATE VIEW "Last30dKeysBySpend" AS
 SELECT summed.api_key,
    "LiteLLM_VerificationToken".key_alias,
    "LiteLLM_VerificationToken".key_name,
    summed.total_spend
   FROM ( SELECT "Switchgear_DailySpend".api_key,
            sum("Switchgear_DailySpend".spend) AS total_spend
           FROM "Switchgear_DailySpend"
          WHERE "Switchgear_DailySpend".date >= to_char(((now() AT TIME ZONE 'utc'::text)::date - 30)::timestamp with time zone, 'YYYY-MM-DD'::text)
          GROUP BY "Switchgear_DailySpend".api_key) summed
     LEFT JOIN "LiteLLM_VerificationToken" ON "LiteLLM_VerificationToken".token = summed.api_key
  ORDER BY summed.total_spend DESC;
