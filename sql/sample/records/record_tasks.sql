-- after: records
INSERT INTO tasks (tenant_id, organization_id, id, kind, subject_id, recordset_id, content_id, title, description, type, priority, due_at, assignee_id, created_by_id)
SELECT r.tenant_id, r.organization_id, pg_temp.id('task'), 'record', r.id, r.recordset_id, r.content_id, 'Send the offer', 'With the light, and without', 'follow_up', 1,
       now() + interval '14 days', pg_temp.id('member'), pg_temp.id('member')
FROM records r WHERE r.tenant_id = app_tenant() AND r.id = pg_temp.id('record');
