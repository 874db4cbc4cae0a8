-- A tenant's settings, and its keys.

-- May this plan be the default one?  NULL may.  Raises AS422; see if_match()
-- for why it stands in a WHERE.
CREATE OR REPLACE FUNCTION settings_plan_fits(plan uuid) RETURNS boolean
LANGUAGE plpgsql STABLE COST 10000 AS $$
BEGIN
    IF plan IS NULL OR EXISTS (SELECT FROM plans p
                               WHERE p.id = plan AND (p.tenant_id = app_tenant() OR p.is_global)
                                 AND p.is_active AND p.is_free) THEN
        RETURN true;
    END IF;
    RAISE SQLSTATE 'AS422' USING MESSAGE = 'default_plan_id names no active free plan that the tenant can use',
        HINT = 'default_plan_id';
END
$$;

-- Is the key still good for a change?  Raises AS409 when it was revoked.
CREATE OR REPLACE FUNCTION api_key_open(revoked_at timestamptz) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE COST 10000 AS $$
BEGIN
    IF revoked_at IS NULL THEN
        RETURN true;
    END IF;
    RAISE SQLSTATE 'AS409' USING MESSAGE = 'the key is revoked, which is final';
END
$$;

-- Note that a key is in use, at most once in ten minutes.  Outside of any
-- request: the hash tells the tenant.
CREATE OR REPLACE FUNCTION api_key_used(key bytea) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    owner uuid;
BEGIN
    PERFORM set_config('app.key_hash', encode(key, 'hex'), true);
    SELECT k.tenant_id INTO owner FROM api_keys k
    WHERE k.hash = key AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '10 minutes');
    IF FOUND THEN
        PERFORM set_config('app.tenant_id', owner::text, true);
        UPDATE api_keys k SET last_used_at = now()
        WHERE k.tenant_id = owner AND k.hash = key
          AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '10 minutes');
    END IF;
END
$$;
