-- Keys of organizations, which act as who made them (enter_organization_key).  Their secrets are in api_key_secrets.

-- The key, behind its lock, for an owner or admin of its organization.  Raises AS404 and AS403.
CREATE OR REPLACE FUNCTION operations_key_lock(organization uuid, key uuid) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM operations_org_role(organization, 'owner', 'admin');
    PERFORM FROM api_keys k
    WHERE k.tenant_id = app_tenant() AND k.organization_id = organization AND k.id = key AND k.type = 'organization' AND k.deleted_at IS NULL
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'API key not found', DETAIL = key::text;
    END IF;
    RETURN key;
END
$$;

-- Put down what was done to one, for the audit log, and for people in the activity log; never the key.
CREATE OR REPLACE FUNCTION operations_key_note(action text, key uuid, details jsonb DEFAULT '{}') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit(action, 'api_key', k.id::text,
                  jsonb_build_object('organization_id', k.organization_id, 'name', k.name, 'prefix', k.prefix) || details)
    FROM api_keys k WHERE k.tenant_id = app_tenant() AND k.id = key;
    IF action <> 'key.update' THEN
        PERFORM activity_log_put(CASE action WHEN 'key.create' THEN 'apikey.created' WHEN 'key.rotate' THEN 'apikey.rotated' WHEN 'key.roll' THEN 'apikey.rolled'
                                             WHEN 'key.revoke' THEN 'apikey.revoked' WHEN 'key.delete' THEN 'apikey.deleted' END,
                                 'api_key', k.id::text, jsonb_build_object('name', k.name, 'organization_id', k.organization_id))
        FROM api_keys k WHERE k.tenant_id = app_tenant() AND k.id = key;
    END IF;
END
$$;

-- A new one, the caller's.  secret is the hash of its text, prefix and last_four are what is shown of that.
CREATE OR REPLACE FUNCTION operations_key_create(organization uuid, name text, description text, scopes text[], ranges cidr[],
                                                 expires_at timestamptz, prefix text, last_four text, secret bytea) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    made uuid;
BEGIN
    PERFORM operations_org_role(organization, 'owner', 'admin');
    IF expires_at <= now() THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'expires_at', MESSAGE = 'that time is past: the key would be of no use';
    END IF;
    INSERT INTO api_keys (tenant_id, organization_id, type, name, description, prefix, scopes, allowed_ranges, expires_at, creator_id, made_by)
    SELECT m.tenant_id, organization, 'organization', operations_key_create.name, operations_key_create.description, operations_key_create.prefix,
           workspace_key_scopes(operations_key_create.scopes), coalesce(ranges, '{}'), operations_key_create.expires_at, m.user_id, m.id
    FROM memberships m
    WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.user_id = app_user() AND m.is_active
    RETURNING id INTO made;
    INSERT INTO api_key_secrets (tenant_id, key_id, hash, place, last_four)
    VALUES (app_tenant(), made, secret, 1, operations_key_create.last_four);
    PERFORM operations_key_note('key.create', made, jsonb_build_object('scopes', workspace_key_scopes(operations_key_create.scopes), 'expires_at', operations_key_create.expires_at,
                                                                       'allowed_networks', ranges::text[]));
    RETURN made;
END
$$;

-- Another secret of the same key.  The one before it is taken for so many hours more, and what was in grace before is over at once: of two
-- rotations at the same time the second waits for the first.  Raises AS409 for a key that is revoked or expired.
CREATE OR REPLACE FUNCTION operations_key_renew(organization uuid, key uuid, grace_hours integer, prefix text, last_four text, secret bytea,
                                                action text) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    k record;
BEGIN
    PERFORM operations_key_lock(organization, key);
    SELECT x.revoked_at, x.expires_at INTO k FROM api_keys x WHERE x.tenant_id = app_tenant() AND x.id = key;
    IF k.revoked_at IS NOT NULL THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the key is revoked, which is final';
    ELSIF k.expires_at <= now() THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the key has expired: make a new one';
    END IF;
    PERFORM operations_key_over(key, grace_hours = 0);
    UPDATE api_key_secrets s SET place = 2, expires_at = now() + make_interval(hours => grace_hours)
    WHERE s.tenant_id = app_tenant() AND s.key_id = key AND s.place = 1;
    INSERT INTO api_key_secrets (tenant_id, key_id, hash, place, last_four)
    VALUES (app_tenant(), key, secret, 1, operations_key_renew.last_four);
    UPDATE api_keys x SET rotated_at = now(), prefix = operations_key_renew.prefix WHERE x.tenant_id = app_tenant() AND x.id = key;
    PERFORM operations_key_note(action, key, jsonb_build_object('grace_hours', grace_hours));
    RETURN key;
END
$$;

-- Secrets that end now: the one in grace, or each; and those are forgotten that did so long ago.
CREATE OR REPLACE FUNCTION operations_key_over(key uuid, is_each boolean) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM api_key_secrets s
    WHERE s.tenant_id = app_tenant() AND s.key_id = key AND s.place IS NULL AND s.expires_at < now() - interval '1 day';
    UPDATE api_key_secrets s SET place = NULL, expires_at = least(s.expires_at, now())
    WHERE s.tenant_id = app_tenant() AND s.key_id = key AND (s.place = 2 OR is_each AND s.place = 1);
END
$$;

-- Good for nothing any more, with what was in grace; once is enough.
CREATE OR REPLACE FUNCTION operations_key_revoke(organization uuid, key uuid) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM operations_key_lock(organization, key);
    UPDATE api_keys k SET revoked_at = now(), is_active = false,
                          revoked_by = (SELECT m.id FROM memberships m
                                        WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.user_id = app_user())
    WHERE k.tenant_id = app_tenant() AND k.id = key AND k.revoked_at IS NULL;
    IF FOUND THEN
        PERFORM operations_key_over(key, false);
        PERFORM operations_key_note('key.revoke', key);
    END IF;
    RETURN key;
END
$$;

-- Out of every list, and good for nothing; the row stays.
CREATE OR REPLACE FUNCTION operations_key_delete(organization uuid, key uuid) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM operations_key_lock(organization, key);
    PERFORM operations_key_over(key, false);
    UPDATE api_keys k SET deleted_at = now(), revoked_at = coalesce(k.revoked_at, now()), is_active = false
    WHERE k.tenant_id = app_tenant() AND k.id = key;
    PERFORM operations_key_note('key.delete', key);
    RETURN key;
END
$$;

-- The organization of a key by the hash of its secret, outside of any request; NULL: there is none.
CREATE OR REPLACE FUNCTION api_key_organization(key bytea) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    shown record;
BEGIN
    PERFORM set_config('app.key_hash', encode(key, 'hex'), true);
    SELECT s.tenant_id, s.key_id INTO shown FROM api_key_secrets s WHERE s.hash = key;
    PERFORM set_config('app.tenant_id', shown.tenant_id::text, true);
    RETURN (SELECT k.organization_id FROM api_keys k WHERE k.tenant_id = shown.tenant_id AND k.id = shown.key_id);
END
$$;
