-- The second factor of members of a tenant's team; see sql/functions/tenancy/team_mfa.sql, and sql/queries/identity/mfa.sql for how many
-- guesses there are.

-- name: team_mfa_get :row
SELECT f.confirmed_at IS NOT NULL AS enabled, f.confirmed_at,
       (SELECT count(*) FROM team_recovery_codes r
        WHERE r.tenant_id = @tenant AND r.member_id = @team AND r.used_at IS NULL) AS recovery_codes_left
FROM team_members m
LEFT JOIN team_totp_factors f ON f.tenant_id = m.tenant_id AND f.member_id = m.id
WHERE m.tenant_id = @tenant AND m.id = @team;

-- name: team_mfa_account :row
-- What the app shows, and whose the secret is.
SELECT m.tenant_id::text AS tenant, m.id::text AS account, m.email AS name, t.name AS issuer, false AS is_impersonated
FROM team_members m JOIN tenants t ON t.id = m.tenant_id
WHERE m.tenant_id = @tenant AND m.id = @team;

-- name: team_mfa_enrol :row
-- A secret that was never confirmed is replaced.  No row: there is one that was.
INSERT INTO team_totp_factors (tenant_id, member_id, secret_sealed)
VALUES (@tenant, @team, :secret_sealed)
ON CONFLICT (tenant_id, member_id) DO UPDATE SET secret_sealed = excluded.secret_sealed, last_step = 0
WHERE team_totp_factors.confirmed_at IS NULL
RETURNING created_at;

-- name: team_mfa_factor :row
-- The caller's factor, if there is one.
SELECT guess_wait('team_mfa_code', 'team:' || m.id, address_is_known(m.id)) AS retry_after_s, m.tenant_id::text AS tenant,
       m.id::text AS account, f.secret_sealed, f.last_step, f.confirmed_at IS NOT NULL AS is_confirmed, false AS is_impersonated
FROM team_members m
LEFT JOIN team_totp_factors f ON f.tenant_id = m.tenant_id AND f.member_id = m.id
WHERE m.tenant_id = @tenant AND m.id = @team;

-- name: team_mfa_activate :row
SELECT team_mfa_activate(@team, :secret_sealed, :step::bigint, :hashes::text[]) AS done;

-- name: team_mfa_disable :row
SELECT team_mfa_disable(@team, :step::bigint, :recovery_hash::bytea) AS done;

-- name: team_mfa_replace_codes :row
SELECT team_mfa_replace_codes(@team, :step::bigint, :recovery_hash::bytea, :hashes::text[]) AS done;

-- name: team_mfa_failed :row
-- A wrong code from a member who is signed in.
SELECT guess_failed('team_mfa_code', 'team:' || @team, address_is_known(@team)) AS retry_after_s,
       audit('mfa.failed', 'team_member', @team::text, jsonb_build_object('route', :failed_route::text)) AS _audited;

-- name: team_mfa_challenge :row
-- One try of a challenge, whose hash signing in has stored.  No row: there is no such challenge, it is over, five
-- codes were tried, or the member is not active.
WITH tried AS (
    UPDATE one_time_tokens t SET tries = t.tries + 1
    WHERE t.tenant_id = @tenant AND t.hash = :hash::bytea AND t.kind = 'team_mfa' AND t.used_at IS NULL
      AND t.expires_at > now() AND t.tries < 5
    RETURNING t.id, t.member_id
)
SELECT guess_wait('team_mfa_code', 'team:' || m.id, address_is_known(m.id)) AS retry_after_s, t.id::text AS challenge,
       m.tenant_id::text AS tenant, m.id::text AS account, f.secret_sealed, f.last_step, true AS is_confirmed
FROM tried t
JOIN team_members m ON m.tenant_id = @tenant AND m.id = t.member_id AND m.access > 0
JOIN tenants o ON o.id = m.tenant_id AND o.is_active
JOIN team_totp_factors f ON f.tenant_id = m.tenant_id AND f.member_id = m.id AND f.confirmed_at IS NOT NULL;

-- name: team_mfa_pass :row
-- _session_id is null where the code or the challenge has been used meanwhile.
SELECT t.*
FROM (SELECT team_mfa_pass(:challenge::uuid, :account::uuid, :step::bigint, :recovery_hash::bytea) AS id OFFSET 0) s
LEFT JOIN LATERAL team_session_tokens(s.id, now()) t ON true;

-- name: team_mfa_sign_in_failed :row
SELECT guess_failed('team_mfa_code', 'team:' || :account::text, address_is_known(:account::uuid)) AS retry_after_s,
       audit('session.failed', 'team_member', :account, '{"reason": "second factor"}', :account, 'team') AS _audited;
