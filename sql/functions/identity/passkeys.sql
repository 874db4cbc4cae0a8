-- Passkeys: what WebAuthn needs of the database.

-- Bytes as browsers want them: base64url without padding (RFC 4648 5).
CREATE OR REPLACE FUNCTION base64url(bytes bytea) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN translate(encode(bytes, 'base64'), E'+/=\n', '-_');

-- The origins whose pages may use passkeys in this request: those of the public
-- key that was shown; with a secret key, which has none, those of all public
-- keys of the tenant.  configured, separated by spaces, stands in where there
-- is no key, or no public one.
CREATE OR REPLACE FUNCTION passkey_origins(configured text) RETURNS text[]
LANGUAGE sql STABLE
RETURN coalesce(
    CASE current_setting('app.key', true)
    WHEN 'public' THEN (SELECT k.allowed_origins FROM api_keys k
                        WHERE k.hash = decode(current_setting('app.key_hash', true), 'hex'))
    WHEN 'secret' THEN (SELECT array_agg(o.origin ORDER BY k.created_at, k.id, o.number)
                        FROM api_keys k, unnest(k.allowed_origins) WITH ORDINALITY o (origin, number)
                        WHERE k.tenant_id = app_tenant() AND k.is_active AND k.revoked_at IS NULL)
    END,
    string_to_array(configured, ' '));

-- A user's passkeys of a domain as browsers want them listed; NULL: there are none.
-- Transports are in alphabetical order, as browsers say them and decoys.c does: what
-- a client of another mind has sent would show that the list is somebody's.
CREATE OR REPLACE FUNCTION passkey_descriptors(who uuid, domain text) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_agg(jsonb_build_object('type', 'public-key', 'id', base64url(p.credential_id),
                                            'transports', to_jsonb(ARRAY(SELECT DISTINCT t COLLATE "C" FROM unnest(p.transports) t ORDER BY 1)))
                         ORDER BY p.created_at, p.id)
        FROM passkeys p
        WHERE p.tenant_id = app_tenant() AND p.user_id = who AND p.rp_id = domain);

-- Only the user's own hands: who merely acts as the user neither adds a passkey,
-- which would outlast the impersonation, nor takes one away.
CREATE OR REPLACE FUNCTION passkey_own() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF nullif(current_setting('app.request', true), '')::jsonb ->> 'on_behalf_of' IS NOT NULL THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'the passkeys of a user are not to be changed while impersonating';
    END IF;
END
$$;

-- May the caller have one more passkey?
CREATE OR REPLACE FUNCTION passkey_room() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM passkey_own();
    IF (SELECT count(*) FROM passkeys p WHERE p.tenant_id = app_tenant() AND p.user_id = app_user()) >= 20 THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'a user has at most 20 passkeys; remove one first';
    END IF;
END
$$;

-- Add a passkey of the caller's.  The user's row is held, so that of two at once
-- only one can be the last that fits; and where the session has ended while this
-- waited for it, nothing is added.
CREATE OR REPLACE FUNCTION passkey_add(name text, credential_id bytea, public_key bytea, rp_id text, sign_count bigint,
                                       transports text[], aaguid uuid, is_backup_eligible boolean, is_backed_up boolean)
RETURNS passkeys
LANGUAGE plpgsql AS $$
DECLARE
    made passkeys;
BEGIN
    PERFORM FROM users u WHERE u.tenant_id = app_tenant() AND u.id = app_user() FOR NO KEY UPDATE;
    PERFORM session_stands();
    PERFORM passkey_room();
    INSERT INTO passkeys (tenant_id, user_id, name, credential_id, public_key, rp_id, sign_count, transports, aaguid,
                          is_backup_eligible, is_backed_up)
    VALUES (app_tenant(), app_user(), passkey_add.name, passkey_add.credential_id, passkey_add.public_key,
            passkey_add.rp_id, passkey_add.sign_count, passkey_add.transports, passkey_add.aaguid,
            passkey_add.is_backup_eligible, passkey_add.is_backed_up)
    RETURNING * INTO made;
    PERFORM audit('passkey.create', 'passkey', made.id::text, jsonb_build_object('name', made.name, 'rp_id', made.rp_id));
    RETURN made;
END
$$;
