-- Keys of workspaces, beyond what one statement says.

-- Each scope once, in one order.
CREATE OR REPLACE FUNCTION workspace_key_scopes(given text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(SELECT DISTINCT s FROM unnest(given) s ORDER BY s);

-- Put down what was done to one of the caller's workspace; never the key.
CREATE OR REPLACE FUNCTION workspace_key_audit(action text, id uuid, name text, prefix text, details jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit(action, 'api_key', id::text, jsonb_build_object('organization_id', app_organization(), 'name', name, 'prefix', prefix) || details);
END
$$;

-- A key in the place of another one, which is revoked, or expires after a grace time.  The new one's id.
--
-- Raises AS404, and AS409 for one that is revoked, over, or was replaced before.
CREATE OR REPLACE FUNCTION workspace_key_rotate(old uuid, prefix text, hash bytea, grace_s integer) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    k    api_keys;
    made uuid;
BEGIN
    SELECT x.* INTO k FROM api_keys x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = old AND x.type = 'workspace'
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'API key not found', DETAIL = old::text;
    ELSIF EXISTS (SELECT FROM api_keys x WHERE x.tenant_id = k.tenant_id AND x.rotated_from = k.id) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'another key has taken its place already: rotate that one';
    ELSIF k.revoked_at IS NOT NULL THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the key is revoked, which is final';
    ELSIF k.expires_at <= now() THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the key has expired, and so would another one in its place: make a new one';
    END IF;
    INSERT INTO api_keys (tenant_id, organization_id, type, name, description, prefix, hash, scopes, allowed_ranges, is_active, expires_at,
                          rotated_from, made_by)
    VALUES (k.tenant_id, k.organization_id, k.type, k.name, k.description, prefix, hash, k.scopes, k.allowed_ranges, k.is_active, k.expires_at,
            k.id, app_member())
    RETURNING id INTO made;
    IF grace_s = 0 THEN
        UPDATE api_keys x SET revoked_at = now(), revoked_by = app_member(), revoke_reason = 'rotated'
        WHERE x.tenant_id = k.tenant_id AND x.id = k.id;
    ELSE
        UPDATE api_keys x SET expires_at = least(k.expires_at, now() + make_interval(secs => grace_s))
        WHERE x.tenant_id = k.tenant_id AND x.id = k.id;
    END IF;
    PERFORM workspace_key_audit('key.rotate', k.id, k.name, k.prefix, jsonb_build_object('new_id', made, 'new_prefix', prefix, 'grace_seconds', grace_s));
    RETURN made;
END
$$;
