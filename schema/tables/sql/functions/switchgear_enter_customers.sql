CREATE OR REPLACE FUNCTION public.switchgear_enter_customers(ids text[], keys text[], accounts text[], charged boolean[], most bigint)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
-- Makes rows for customers that calls have named and that nobody entered, in the order of their ids. `keys` are
-- the keys that named them first: a key makes `most` rows a day (UTC). `accounts` are those of the customers' budgets.
-- One that is `charged` in this transaction is locked: the row begins with what was spent of it, and from then on the
-- row says it. Where an account is there and not charged, the customer waits for the next call that is charged to it.
#variable_conflict use_column
DECLARE
    place integer;
    since timestamp := date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC');
    at timestamp := clock_timestamp() AT TIME ZONE 'UTC';
    maker text;
    held "Switchgear_Account"%ROWTYPE;
    made bigint;
BEGIN
    FOR place IN 1 .. coalesce(array_length(ids, 1), 0) LOOP
        maker := 'key:' || keys[place];
        SELECT count(*) INTO made FROM (SELECT 1 FROM "LiteLLM_EndUserTable"
            WHERE created_by = maker AND created_at >= since LIMIT most) AS today;
        CONTINUE WHEN made >= most;
        SELECT * INTO held FROM "Switchgear_Account" WHERE account = accounts[place];
        CONTINUE WHEN held.account IS NOT NULL AND NOT charged[place];
        INSERT INTO "LiteLLM_EndUserTable" (user_id, spend, created_at, created_by, updated_at, updated_by)
            VALUES (ids[place], coalesce(held.spent, 0) / 1e9, at, maker, at, maker) ON CONFLICT DO NOTHING;
        IF FOUND THEN
            UPDATE "Switchgear_Account" SET kind = 'customer', object_id = ids[place], spent = 0
                WHERE account = accounts[place] AND kind = '';
        END IF;
    END LOOP;
END $function$;
