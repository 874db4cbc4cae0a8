-- What bench/console puts beside the users of `ashlar seed --scale`: :n of each, in the default tenant, as sets.
SET synchronous_commit = off;
SET session_replication_role = replica; -- no trigger: what is told and counted is not what is measured
SELECT set_config('app.tenant_id', '00000000-0000-7000-8000-000000000001', false), set_config('app.quiet', 'on', false);

INSERT INTO projects (tenant_id, id, owner_id, name, description, created_at, updated_at)
SELECT app_tenant(), uuid_v7(), u.id, 'Project ' || u.public_id, 'Of the scale', u.created_at, u.created_at
FROM users u
WHERE u.tenant_id = app_tenant() AND u.public_id LIKE 'scale\_%'
LIMIT :n;

INSERT INTO jobs (tenant_id, queue, kind, state, run_at, finished_at, attempts, last_error, payload)
SELECT app_tenant(), (ARRAY['reports', 'exports', 'mails'])[1 + n % 3], 'kind ' || n % 7, (ARRAY['completed', 'failed', 'cancelled'])[1 + n % 3],
       now() - n * interval '1 second', now() - n * interval '1 second', 1, CASE n % 3 WHEN 1 THEN 'there was fog' END, '{"of": "the scale"}'
FROM generate_series(1, :n / 5) n;

INSERT INTO webhook_events (tenant_id, provider, event_id, type, payload, state, processed_at, created_at)
SELECT app_tenant(), 'stripe', 'evt_scale_' || n, (ARRAY['invoice.paid', 'customer.created'])[1 + n % 2], '{"of": "the scale"}', 'processed', now(), now() - n * interval '5 seconds'
FROM generate_series(1, :n / 5) n;

INSERT INTO feature_flags (tenant_id, key, name, flag_type, is_enabled, percentage)
SELECT app_tenant(), 'scale-' || n, 'Flag ' || n, 'percentage', true, n % 100
FROM generate_series(1, 900) n;

INSERT INTO api_keys (tenant_id, name, type, prefix, hash)
SELECT app_tenant(), 'Key ' || n, 'secret', 'sk_live_scale', sha256(('scale' || n)::bytea)
FROM generate_series(1, 200) n;

SET session_replication_role = origin;
VACUUM ANALYZE;
