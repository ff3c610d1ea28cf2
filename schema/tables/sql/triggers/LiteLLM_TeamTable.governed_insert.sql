CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_TeamTable" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('team', 'team_id', 'team_id');
