CREATE OR REPLACE FUNCTION public.switchgear_person_left()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
-- Ends the sessions of a user who may come in no more; of one who is gone, also what belongs to the person.
BEGIN
    DELETE FROM "Switchgear_Session" WHERE user_id = OLD.user_id;
    UPDATE "LiteLLM_InvitationLink" SET secret_hash = '' WHERE user_id = OLD.user_id AND secret_hash <> '';
    IF TG_OP = 'DELETE' THEN
        DELETE FROM "Switchgear_Password" WHERE user_id = OLD.user_id;
        DELETE FROM "LiteLLM_InvitationLink" WHERE user_id = OLD.user_id;
        DELETE FROM "Switchgear_State" WHERE owner = 'user:' || OLD.user_id;
        DELETE FROM "Switchgear_SavedFilter" WHERE user_id = OLD.user_id;
    END IF;
    RETURN NULL;
END $function$;
