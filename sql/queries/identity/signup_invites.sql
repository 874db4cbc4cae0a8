-- Invites of who has paid and has no account; see sql/functions/identity/signup_invites.sql.

-- name: signup_invite_make :row
SELECT signup_invite_make(:subscription, :customer, :object::jsonb, :meta::jsonb, :email_key, :address, :full_name, :locale, :token_hash::bytea,
                          :sealed, :mail_payload::jsonb) AS is_made;

-- name: signup_invite_get :row
SELECT :invite_code AS invite_code, i.email, i.full_name AS name, i.company_name, i.tier, i.tier_name,
       CASE i.interval WHEN 'year' THEN 'yearly' ELSE 'monthly' END AS billing_period, 'pending' AS status, i.expires_at, i.created_at
FROM signup_invite_open(:token_hash::bytea) i;

-- name: signup_invite_lookup :row
-- Of an address the newest that is pending, else the newest.  Without one all but wait_s is null.
SELECT l.wait_s, i.id::text AS id, i.tenant_id::text AS tenant, i.email, i.sealed, i.locale, i.status,
       jsonb_build_object('plan', i.tier_name)::text AS data, i.status = 'pending' AND i.mailed_at <= now() - interval '1 hour' AS may_mail
FROM (SELECT security_limit('lookup_invite', limit_ip(request_ip()), 10, 60, 0) AS wait_s OFFSET 0) l
LEFT JOIN LATERAL (SELECT x.*, signup_invite_status(x.used_at, x.expires_at) AS status FROM signup_invite_find(:email_key, :email_sent) x) i ON l.wait_s = 0;

-- name: signup_invite_send :row
SELECT signup_invite_send(:id::uuid, :mail_payload::jsonb) AS is_sent;
