-- after: organizations
INSERT INTO workspace_versions (tenant_id, organization_id, version)
VALUES (app_tenant(), pg_temp.id('organization'), 1);

INSERT INTO workspace_runs (tenant_id, organization_id, id, status, progress, current_step, finished_at)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('workspace run'), 'COMPLETED', 100, 'Up to date', now());
