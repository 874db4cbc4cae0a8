-- Somebody listened, a while ago.
INSERT INTO tenant_listeners (tenant_id, kind, until) VALUES (app_tenant(), 'events', now() - interval '5 minutes');
