-- The second factor; see sql/functions/identity/mfa.sql.
--
-- Wrong codes are guesses (sql/functions/runtime/limits.sql), whichever way they come: of
-- a user from one address ten in a quarter of an hour, from all about 35 an hour.
-- With a window of three codes out of a million that is one chance in 9,500 an
-- hour, for a caller who has the password.  A challenge takes five.

-- name: mfa_get :row
SELECT f.confirmed_at IS NOT NULL AS enabled, f.confirmed_at,
       (SELECT count(*) FROM recovery_codes r
        WHERE r.tenant_id = @tenant AND r.user_id = @user AND r.used_at IS NULL) AS recovery_codes_left
FROM users u
LEFT JOIN totp_factors f ON f.tenant_id = u.tenant_id AND f.user_id = u.id
WHERE u.tenant_id = @tenant AND u.id = @user;

-- name: mfa_account :row
-- What the app shows, and whose the secret is.
SELECT u.tenant_id::text AS tenant, u.id::text AS account, coalesce(u.email, u.public_id) AS name, t.name AS issuer,
       request_is_impersonated() AS is_impersonated
FROM users u JOIN tenants t ON t.id = u.tenant_id
WHERE u.tenant_id = @tenant AND u.id = @user;

-- name: mfa_enrol :row
-- A secret that was never confirmed is replaced.  No row: there is one that was.
INSERT INTO totp_factors (tenant_id, user_id, secret_sealed)
VALUES (@tenant, @user, :secret_sealed)
ON CONFLICT (tenant_id, user_id) DO UPDATE SET secret_sealed = excluded.secret_sealed, last_step = 0
WHERE totp_factors.confirmed_at IS NULL
RETURNING created_at;

-- name: mfa_factor :row
-- The caller's factor, if there is one.
SELECT guess_wait('mfa_code', 'user:' || u.id, address_is_known(u.id)) AS retry_after_s, u.tenant_id::text AS tenant,
       u.id::text AS account, f.secret_sealed, f.last_step, f.confirmed_at IS NOT NULL AS is_confirmed,
       request_is_impersonated() AS is_impersonated
FROM users u
LEFT JOIN totp_factors f ON f.tenant_id = u.tenant_id AND f.user_id = u.id
WHERE u.tenant_id = @tenant AND u.id = @user;

-- name: mfa_activate :row
SELECT mfa_activate(@user, :secret_sealed, :step::bigint, :hashes::text[]) AS done;

-- name: mfa_disable :row
SELECT mfa_disable(@user, :step::bigint, :recovery_hash::bytea) AS done;

-- name: mfa_replace_codes :row
SELECT mfa_replace_codes(@user, :step::bigint, :recovery_hash::bytea, :hashes::text[]) AS done;

-- name: mfa_failed :row
-- A wrong code from a user who is signed in.
SELECT guess_failed('mfa_code', 'user:' || u.id, address_is_known(u.id)) AS retry_after_s,
       audit('mfa.failed', 'user', u.public_id, jsonb_build_object('route', :failed_route::text)) AS _audited
FROM users u
WHERE u.tenant_id = @tenant AND u.id = @user;

-- name: mfa_challenge :row
-- One try of a challenge, whose hash signing in has stored.  No row: there is no
-- such challenge, it is over, five codes were tried, or the user is not active.
WITH tried AS (
    UPDATE one_time_tokens t SET tries = t.tries + 1
    WHERE t.tenant_id = @tenant AND t.hash = :hash::bytea AND t.kind = 'mfa' AND t.used_at IS NULL
      AND t.expires_at > now() AND t.tries < 5
    RETURNING t.id, t.user_id, t.data
)
SELECT guess_wait('mfa_code', 'user:' || u.id, address_is_known(u.id)) AS retry_after_s, t.id::text AS challenge,
       u.tenant_id::text AS tenant, u.id::text AS account, u.public_id, t.data ->> 'method' AS method,
       f.secret_sealed, f.last_step, true AS is_confirmed
FROM tried t
JOIN users u ON u.tenant_id = @tenant AND u.id = t.user_id AND u.access > 0
JOIN tenants o ON o.id = u.tenant_id AND o.is_active
JOIN totp_factors f ON f.tenant_id = u.tenant_id AND f.user_id = u.id AND f.confirmed_at IS NOT NULL;

-- name: mfa_pass :row
SELECT mfa_pass(:challenge::uuid, :account::uuid, :step::bigint, :recovery_hash::bytea) AS done;

-- name: mfa_sign_in_failed :row
SELECT guess_failed('mfa_code', 'user:' || :account::text, address_is_known(:account::uuid)) AS retry_after_s,
       audit('session.failed', 'user', :public_id, '{"reason": "second factor"}', :public_id, 'user') AS _audited;
