CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_ProjectTable" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('project', 'project_id', 'project_id');
