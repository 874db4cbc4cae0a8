-- after: trace_projects
INSERT INTO trace_sampling (tenant_id, project_id, rules)
VALUES (app_tenant(), pg_temp.id('trace project'), '[{"name_prefix": "GET /health", "ratio": 0.1, "keep_errors": true}]');
