-- after: users
-- What the runtime keeps about a tenant for a while; `ashlar seed` leaves this folder out.
INSERT INTO idempotency_keys (tenant_id, principal, route, key, body_hash, status, body)
VALUES (app_tenant(), 'user_demo', 'app.projects.create', 'harbour-key-1', sha256(''), 201, '{"name": "Harbour annexe"}');

INSERT INTO rate_limits (tenant_id, name, subject, tries, window_ends)
VALUES (app_tenant(), 'login', 'demo@example.com', 1, now() + interval '15 minutes');

INSERT INTO one_time_tokens (tenant_id, kind, user_id, hash, expires_at)
VALUES (app_tenant(), 'mfa', pg_temp.id('user theo'), sha256(gen_random_uuid()::text::bytea), now() + interval '5 minutes');

INSERT INTO webauthn_challenges (tenant_id, kind, challenge, rp_id, expires_at)
VALUES (app_tenant(), 'authentication', 'a challenge of nobody', 'harbour.example', now() + interval '5 minutes');
