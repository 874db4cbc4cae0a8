-- Signing up with a workspace; see sql/functions/identity/signup.sql.

-- name: signup_check :row
-- Before a password is hashed.  wait_s: seconds until it may be tried; what is refused for its form is not counted.
SELECT CASE WHEN :is_counted::boolean THEN request_take('register', limit_account(:email_key, :email), false) ELSE 0 END AS wait_s,
       app_tenant()::text AS tenant, EXISTS (SELECT FROM user_find(:email_key, :email_sent)) AS is_taken,
       coalesce(is_timezone(:timezone::text), true) AS has_zone, p.id::text AS plan, coalesce(p.is_free, true) AS is_free, p.name AS plan_name,
       x.provider_id AS price, own.key_sealed, EXISTS (SELECT FROM tenants t WHERE t.id = app_tenant() AND t.test_of IS NOT NULL) AS is_test,
       s.email_verification_required AS is_pending, s.verification_url AS page
FROM tenant_settings s
LEFT JOIN signup_plan(:tier) p ON true
LEFT JOIN plan_prices x ON x.tenant_id = p.tenant_id AND x.plan_id = p.id AND x.interval = CASE :billing_period WHEN 'yearly' THEN 'year' ELSE 'month' END
LEFT JOIN payment_accounts own ON own.tenant_id = app_tenant() AND own.provider = 'stripe' AND own.is_enabled
WHERE s.tenant_id = app_tenant();

-- name: signup_check_invite :row
-- The invite that a code stands for; email is the one that was sent, else the invite's.
SELECT app_tenant()::text AS tenant, i.id::text AS invite, i.email, i.email_key, i.full_name, coalesce(i.company_name, i.full_name, i.email) AS company_name, i.plan_id::text AS plan,
       i.interval, i.locale, coalesce(is_timezone(:timezone::text), true) AS has_zone
FROM signup_invite_open(:token_hash::bytea) i;

-- name: signup_begin :row
SELECT signup_begin(:kind, :run_key, :run_email, :request::jsonb, :invite::uuid, :plan::uuid, :interval, :affiliate_code, :job_hash::bytea, :job_sealed,
                    make_interval(secs => :lease_s::double precision))::text AS run;

-- name: signup_facts :row
-- No row: there is no such run.
SELECT f.* FROM signup_facts(:run::uuid) f;

-- name: signup_finish :row
SELECT f.user_id::text AS user_id, f.organization_id::text AS organization_id, f.member_id::text AS member_id
FROM set_config('app.seat_price', :seat_price, true) seats
CROSS JOIN LATERAL signup_finish(CASE WHEN seats IS NOT NULL THEN :run::uuid END, :password_hash, :customer, :object::jsonb, :look::bigint) f;

-- name: signup_subscription :row
-- What the new workspace is subscribed to; null: nothing.
SELECT (SELECT jsonb_build_object('status', CASE WHEN s.status IN ('trialing', 'active') THEN s.status ELSE 'incomplete' END, 'tier', s.tier,
                                  'trial_ends_at', json_time(s.trial_end), 'stripe_subscription_id', CASE s.provider WHEN 'stripe' THEN s.provider_id END)
        FROM subscriptions s
        WHERE s.tenant_id = app_tenant() AND s.owner_id = :workspace_id::uuid AND s.is_current)::text AS subscription;

-- name: signup_session :row
-- The session of who has signed up, where the worker opens it: from where they asked, as the run has it.
SELECT t.*, (SELECT o.name FROM organizations o WHERE o.tenant_id = app_tenant() AND o.id = t._workspace_id::uuid) AS workspace_name
FROM signup_origin(:run::uuid) who
CROSS JOIN LATERAL session_open(who, 'password', :signin_ttl_s::integer, NULL, false, NULL) s
CROSS JOIN LATERAL session_claims(s.session_id, s.issued_at) t;

-- name: signup_told :exec
SELECT signup_told(:run::uuid, :events::jsonb);

-- name: signup_undo :exec
SELECT signup_undo(:run::uuid, :error);

-- name: signup_failed :exec
SELECT signup_failed(:run::uuid, :error, :event::jsonb);

-- name: signup_sweep :row
SELECT signup_sweep() AS swept;

-- name: signup_stream :row
-- Who follows a run has its job id.  No row: there is none, or it has been over for ten minutes.
SELECT r.tenant_id::text, r.id::text, 'signup:' || r.id AS public_id,
       EXISTS (SELECT FROM api_keys k
               WHERE k.tenant_id = app_tenant() AND k.type = 'public' AND k.is_active AND k.revoked_at IS NULL
                 AND @origin = ANY (k.allowed_origins)) AS is_from_page,
       'signup:' || r.id AS channel, realtime_position('signup:' || r.id) AS event_id, r.state, r.step, r.error, r.sealed
FROM signup_runs r
WHERE r.tenant_id = @tenant AND r.hash = :token_hash::bytea AND (r.ended_at IS NULL OR r.ended_at > now() - interval '10 minutes');

-- name: signup_verify :exec
-- The address is to be verified: the mail that asks for it.
SELECT mailed_token_issue('verify_email', :id::uuid, :token_hash::bytea, :token_code_hash::bytea, jsonb_build_object('email', :run_email::text),
                          interval '24 hours', :mail_payload::jsonb, NULL);
