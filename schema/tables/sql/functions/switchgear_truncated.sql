CREATE OR REPLACE FUNCTION public.switchgear_truncated()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    INSERT INTO "LiteLLM_AuditLog" (id, changed_by, action, table_name, object_id, database_user)
        VALUES (gen_random_uuid()::text, 'sql:' || session_user, 'truncated', TG_TABLE_NAME, '*', session_user);
    PERFORM pg_notify('switchgear_authority', 'all');
    RETURN NULL;
END $function$;
