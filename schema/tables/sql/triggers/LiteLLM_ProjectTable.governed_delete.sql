CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_ProjectTable" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('project', 'project_id', 'project_id');
