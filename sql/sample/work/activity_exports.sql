-- after: activity
INSERT INTO activity_exports (tenant_id, id, organization_id, member_id, format, filters, status, progress, row_count, file_name, file_size, content, started_at,
                              completed_at, expires_at)
SELECT app_tenant(), pg_temp.id('activity export'), pg_temp.id('organization'), pg_temp.id('member'), 'csv', '{"scope": "all"}', 'completed', 100, 1,
       'activity-2026-01-31-093000.csv', octet_length(c.text), convert_to(c.text, 'UTF8'), now(), now(), now() + interval '7 days'
FROM (SELECT E'timestamp,type,event,description,actor_name,actor_email,entity_type,entity_id,entity_name\r\n'
             || E'2026-01-31T09:30:00.000Z,user,user.team_created,Team created: Navigation,,,team,1,Navigation\r\n') c (text);
