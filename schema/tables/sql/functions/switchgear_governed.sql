CREATE OR REPLACE FUNCTION public.switchgear_governed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
-- A customer that bookkeeping enters, without a budget, is announced and not audited: nobody decided it.
-- Arguments: what is announced, the column it is announced by, the columns that name the object.
DECLARE
    said text := nullif(current_setting('switchgear.actor', true), '');
    actor jsonb := coalesce(said, '{}')::jsonb;
    id_columns text[] := string_to_array(TG_ARGV[2], ',');
    same text;
    changed record;
    row_now jsonb;
    ignored text[] := ARRAY['updated_at', 'updated_by'] || CASE
        WHEN current_setting('switchgear.bookkeeping', true) = 'on'
        THEN ARRAY['spend', 'total_spend', 'budget_reset_at', 'members_with_roles', 'teams'] END;
    topics text[] := '{}';
    topic text;
    touched integer := 0;
BEGIN
    SELECT string_agg(format('o.%1$I = n.%1$I', name), ' AND ') INTO same FROM unnest(id_columns) AS name;
    FOR changed IN EXECUTE CASE TG_OP
        WHEN 'INSERT' THEN 'SELECT NULL::jsonb AS before, to_jsonb(n) AS after FROM new_rows n'
        WHEN 'DELETE' THEN 'SELECT to_jsonb(o) AS before, NULL::jsonb AS after FROM old_rows o'
        ELSE 'SELECT to_jsonb(o) AS before, to_jsonb(n) AS after FROM old_rows o FULL JOIN new_rows n ON '
             || same
        END
    LOOP
        CONTINUE WHEN changed.before - ignored IS NOT DISTINCT FROM changed.after - ignored;
        touched := touched + 1;
        row_now := coalesce(changed.after, changed.before);
        IF TG_OP <> 'INSERT' OR TG_TABLE_NAME <> 'LiteLLM_EndUserTable' OR row_now->>'budget_id' IS NOT NULL
           OR current_setting('switchgear.bookkeeping', true) IS DISTINCT FROM 'on'
        THEN
            INSERT INTO "LiteLLM_AuditLog" (id, changed_by, changed_by_api_key, action, table_name, object_id,
                before_value, updated_values, claimed_by, source_address, request_id, database_user)
            VALUES (
                gen_random_uuid()::text,
                CASE WHEN said IS NULL THEN 'sql:' || session_user ELSE coalesce(actor->>'user_id', '') END,
                coalesce(actor->>'key_hash', ''),
                coalesce(actor->>'action', CASE
                    WHEN changed.before IS NULL THEN 'created'
                    WHEN changed.after IS NULL THEN 'deleted'
                    WHEN coalesce((changed.before->>'blocked')::boolean, false)
                         IS DISTINCT FROM coalesce((changed.after->>'blocked')::boolean, false)
                    THEN CASE WHEN (changed.after->>'blocked')::boolean THEN 'blocked' ELSE 'unblocked' END
                    ELSE 'updated' END),
                TG_TABLE_NAME,
                (SELECT string_agg(row_now->>name, ':' ORDER BY place)
                 FROM unnest(id_columns) WITH ORDINALITY AS named(name, place)),
                changed.before, changed.after,
                actor->>'claimed_by', actor->>'source_address', actor->>'request_id', session_user);
        END IF;
        IF touched <= 100 THEN
            topics := topics || (TG_ARGV[0] || ':' || (row_now->>TG_ARGV[1]));
        END IF;
    END LOOP;
    IF touched > 100 OR (touched > 0 AND TG_ARGV[0] = 'all') THEN
        topics := ARRAY['all'];
    END IF;
    FOREACH topic IN ARRAY topics LOOP
        PERFORM pg_notify('switchgear_authority', CASE WHEN octet_length(topic) > 7000 THEN 'all' ELSE topic END);
    END LOOP;
    RETURN NULL;
END $function$;
