-- after: users projects
INSERT INTO audit_events (tenant_id, actor_id, actor_type, action, resource_type, resource_id, details, ip_address, user_agent)
VALUES (app_tenant(), 'user_demo', 'user', 'project.exported', 'project', pg_temp.id('project')::text, '{"form": "a printed chart"}', '192.0.2.17', 'Mozilla/5.0 (Harbour desk)');
