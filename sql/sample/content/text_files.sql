-- {file_number} = SELECT min(number) FROM text_files WHERE tenant_id = app_tenant()
INSERT INTO text_files (tenant_id, name, path, file_type, category, content)
VALUES (app_tenant(), 'Tides of the harbour', 'harbour/tides.md', 'text/markdown', 'tables', 'High water at 6, low at 12.');
