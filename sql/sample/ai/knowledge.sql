-- after: agents files
INSERT INTO file_texts (tenant_id, object_id, state, language)
SELECT o.tenant_id, o.id, 'ready', 'english' FROM stored_objects o WHERE o.tenant_id = app_tenant() ORDER BY o.id LIMIT 1;

INSERT INTO file_passages (tenant_id, object_id, position, starts_at, content, words)
SELECT t.tenant_id, t.object_id, 0, 0, 'High water is at 14:20.', to_tsvector('english', 'High water is at 14:20.')
FROM file_texts t WHERE t.tenant_id = app_tenant();
