-- after: records
INSERT INTO record_interactions (tenant_id, organization_id, id, recordset_id, content_id, record_id, interaction_type, direction, subject, content, outcome, sentiment,
                                 occurred_at, duration_minutes, participants, created_by_id)
SELECT r.tenant_id, r.organization_id, pg_temp.id('interaction'), r.recordset_id, r.content_id, r.id, 'call', 'inbound', 'The new buoy',
       'They want it laid before June.', 'An offer is due', 'positive', now() - interval '3 days', 20, '{Theo}', pg_temp.id('member')
FROM records r WHERE r.tenant_id = app_tenant() AND r.id = pg_temp.id('record');
