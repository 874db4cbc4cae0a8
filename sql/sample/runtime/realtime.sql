-- after: users
INSERT INTO realtime_messages (tenant_id, channel, id, slot, xid, kind, payload, created_at)
VALUES (app_tenant(), 'user:user_demo', nextval('realtime_ids'), 0, '1', 'message', '{"text": "the tide is in"}', now());

INSERT INTO realtime_floors (tenant_id, channel, last_id, xid)
VALUES (app_tenant(), 'user:user_demo', 1, '1');

INSERT INTO realtime_presence (tenant_id, channel, user_id, process, client)
VALUES (app_tenant(), 'user:user_demo', 'user_demo', gen_random_uuid(), 1);

INSERT INTO realtime_tickets (tenant_id, hash, user_id)
VALUES (app_tenant(), sha256(gen_random_uuid()::text::bytea), pg_temp.id('user'));
