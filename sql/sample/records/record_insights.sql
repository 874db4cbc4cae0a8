-- after: records record_tasks
INSERT INTO record_insights (tenant_id, organization_id, id, recordset_id, content_id, record_id, insight_type, title, description, priority, confidence, suggested_action,
                             source, task_id)
SELECT r.tenant_id, r.organization_id, pg_temp.id('insight'), r.recordset_id, r.content_id, r.id, 'follow_up', 'They wait for the offer',
       'The last call was about the offer, and nothing has been sent since.', 1, 0.8, 'Send the offer', 'ai', pg_temp.id('task')
FROM records r WHERE r.tenant_id = app_tenant() AND r.id = pg_temp.id('record');
