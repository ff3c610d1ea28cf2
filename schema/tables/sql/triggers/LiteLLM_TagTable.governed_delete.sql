CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_TagTable" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('tag', 'tag_name', 'tag_name');
