-- Passkeys (WebAuthn credentials) and the challenges they answer.  What is
-- verified of an authenticator's bytes is lib/crypto/webauthn.h's.

-- columns: passkey
SELECT p.id, p.name, p.rp_id, p.transports, p.is_backed_up, p.created_at, p.last_used_at
FROM passkeys p;

-- name: passkey_party :row
-- Which domain and which origins this request is about; :origin is the page's, NULL: none was named.
SELECT s.tenant_id::text AS tenant_id, s.webauthn_rp_id AS rp_id, o.origins[1] AS first_origin,
       coalesce(:origin::text = ANY (o.origins), :origin IS NULL) AS is_allowed
FROM tenant_settings s, (SELECT passkey_origins(:configured::text) AS origins) o
WHERE s.tenant_id = @tenant;

-- name: passkey_registration_options :row
-- A challenge for the caller.  The user's handle is the id, which tells nothing
-- about them; passkeys they have are excluded, so that no device gets two.
WITH made AS (
    INSERT INTO webauthn_challenges (tenant_id, kind, user_id, challenge, rp_id, expires_at)
    SELECT @tenant, 'registration', @user, :challenge::bytea, :rp_id, now() + interval '5 minutes'
    RETURNING tenant_id, user_id, challenge, rp_id
)
SELECT jsonb_build_object('id', m.rp_id, 'name', t.name) AS rp,
       jsonb_build_object('id', base64url(uuid_send(u.id)), 'name', coalesce(u.email, u.public_id),
                          'displayName', coalesce(u.full_name, u.email, u.public_id)) AS "user",
       base64url(m.challenge) AS challenge,
       '[{"type": "public-key", "alg": -7}, {"type": "public-key", "alg": -257}]'::jsonb AS "pubKeyCredParams",
       300000 AS timeout,
       coalesce(passkey_descriptors(u.id, m.rp_id), '[]') AS "excludeCredentials",
       '{"residentKey": "required", "requireResidentKey": true, "userVerification": "required"}'::jsonb
           AS "authenticatorSelection",
       'none' AS attestation, passkey_room() AS _room
FROM made m
JOIN tenants t ON t.id = m.tenant_id
JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id;

-- name: passkey_authentication_options :row
-- A challenge for any holder of a passkey, or, with :email, for one of that
-- user's; who has none, or does not exist, gets :decoys in their place.
WITH who AS (
    SELECT u.id, passkey_descriptors(u.id, :rp_id) AS descriptors
    FROM user_find(:email_key, :email) u
), made AS (
    INSERT INTO webauthn_challenges (tenant_id, kind, user_id, challenge, rp_id, expires_at)
    SELECT @tenant, 'authentication', (SELECT id FROM who), :challenge::bytea, :rp_id, now() + interval '5 minutes'
    RETURNING challenge, rp_id
)
SELECT base64url(m.challenge) AS challenge, 300000 AS timeout, m.rp_id AS "rpId",
       coalesce((SELECT descriptors FROM who), :decoys::jsonb, '[]') AS "allowCredentials",
       'required' AS "userVerification"
FROM made m;

-- name: passkey_registration_take :row
-- The challenge is used up, whatever becomes of the registration.  No row: it
-- is another user's, or was used, or is too old, or none.
UPDATE webauthn_challenges
SET used_at = now()
WHERE tenant_id = @tenant AND challenge = :challenge::bytea AND kind = 'registration' AND user_id = @user
  AND used_at IS NULL AND expires_at > now()
RETURNING rp_id, coalesce(:origin::text = ANY (passkey_origins(:configured::text)), false) AS is_allowed;

-- name: passkey_authentication_take :row
-- The same for a sign-in, with the passkey that is shown and its user; NULL
-- where there is none of that id, domain and user.  wait_s: too many were wrong, see passkey_failed.
WITH taken AS (
    UPDATE webauthn_challenges
    SET used_at = now()
    WHERE tenant_id = @tenant AND challenge = :challenge::bytea AND kind = 'authentication' AND used_at IS NULL
      AND expires_at > now()
    RETURNING tenant_id, user_id, rp_id
)
SELECT limit_wait('passkey', limit_ip(request_ip())) AS wait_s, c.rp_id, c.user_id IS NOT NULL AS is_known,
       coalesce(:origin::text = ANY (passkey_origins(:configured::text)), false) AS is_allowed,
       p.id::text AS passkey, p.user_id::text AS owner, p.public_key, u.public_id AS subject,
       u.access > 0 AS is_active, u.is_email_verified OR NOT s.email_verification_required AS is_verified
FROM taken c
JOIN tenant_settings s ON s.tenant_id = c.tenant_id
LEFT JOIN passkeys p ON p.tenant_id = c.tenant_id AND p.credential_id = :credential_id::bytea AND p.rp_id = c.rp_id
                    AND (c.user_id IS NULL OR p.user_id = c.user_id)
LEFT JOIN users u ON u.tenant_id = p.tenant_id AND u.id = p.user_id;

-- name: passkey_sign_in :row
-- The passkey was used and its user is in.  No row: its counter has not grown,
-- although it counts, so there are two of it; of two at once the second waits
-- for the row and finds the first one's counter.
WITH used AS (
    UPDATE passkeys
    SET sign_count = :sign_count::bigint, is_backed_up = :is_backed_up::boolean, last_used_at = now()
    WHERE tenant_id = @tenant AND id = :passkey::uuid
      AND (sign_count < :sign_count::bigint OR (sign_count = 0 AND :sign_count::bigint = 0))
    RETURNING id, user_id
)
SELECT t.*, w.*
FROM used p, session_open_with_passkey(p.id, p.user_id, :ttl_s::integer) s
JOIN LATERAL session_claims(s.session_id, s.issued_at) t ON true
JOIN LATERAL user_in_workspace(t.id, t._workspace_id::uuid) w ON true;

-- name: passkey_failed :row
-- A sign-in with a passkey was refused; :subject is whose it is, if it is a user's.
-- A signature cannot be guessed, but each failure is a row in the audit log: an address
-- has fifty in a quarter of an hour.
SELECT CASE WHEN :is_wrong::boolean AND NOT limits_are_off()
            THEN limit_failed('passkey', limit_ip(request_ip()), 50, 900, 900, false) ELSE 0 END AS wait_s,
       audit('session.failed', 'session', NULL, jsonb_build_object('method', 'passkey', 'reason', :reason::text),
             :subject::text) AS _audited;

-- name: passkey_create :row
SELECT :columns(passkey)
FROM passkey_add(coalesce(:name, 'Passkey'), :credential_id::bytea, :public_key::bytea, :rp_id, :sign_count::bigint,
                 string_to_array(:transports::text, ' '), :aaguid::uuid, :is_backup_eligible::boolean,
                 :is_backed_up::boolean) p;

-- name: passkey_list :rows
SELECT :columns(passkey)
FROM passkeys p
WHERE p.tenant_id = @tenant AND p.user_id = @user
ORDER BY p.created_at, p.id;

-- name: passkey_update :row
-- Using a passkey does not touch it, so that the ETag is about the name.
UPDATE passkeys p
SET name = :name
WHERE p.tenant_id = @tenant AND p.user_id = @user AND p.id = :passkey::uuid
  AND if_match(p.updated_at, :if_match)
RETURNING :columns(passkey), p.updated_at AS _updated_at;

-- name: passkey_delete :row
-- Sessions that began with it go on: they are ended where sessions are.
WITH gone AS (
    DELETE FROM passkeys
    WHERE tenant_id = @tenant AND user_id = @user AND id = :passkey::uuid
    RETURNING id, name, rp_id
)
SELECT 'Passkey removed' AS message,
       audit('passkey.delete', 'passkey', id::text, jsonb_build_object('name', name, 'rp_id', rp_id)) AS _audited,
       passkey_own() AS _own
FROM gone;
