-- after: trace_projects
INSERT INTO trace_batches (tenant_id, project_id, batch) VALUES (app_tenant(), pg_temp.id('trace project'), 1);
