CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_TagTable" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('tag', 'tag_name', 'tag_name');
