-- Secrets of the installation's operator, and their versions.

-- A value under a key, new or in the place of the last one, which stays among its ten versions.  description: NULL leaves it as it is.
CREATE OR REPLACE FUNCTION credential_store(key text, sealed text, description text)
RETURNS TABLE (stored_version integer, stored_description text, stored_created_at timestamptz, stored_updated_at timestamptz)
LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO credentials AS c (tenant_id, key, description, updated_by_id)
    VALUES (app_tenant(), credential_store.key, credential_store.description, app_user())
    ON CONFLICT (tenant_id, key) DO UPDATE
        SET version = c.version + 1, description = coalesce(excluded.description, c.description), updated_by_id = excluded.updated_by_id
    RETURNING c.version, c.description, c.created_at, c.updated_at
    INTO stored_version, stored_description, stored_created_at, stored_updated_at;
    INSERT INTO credential_versions (tenant_id, key, version, value_sealed, made_by_id)
    VALUES (app_tenant(), credential_store.key, stored_version, sealed, app_user());
    DELETE FROM credential_versions v WHERE v.tenant_id = app_tenant() AND v.key = credential_store.key AND v.version <= stored_version - 10;
    RETURN NEXT;
END
$$;

-- Something was done with one: for the audit log, and for people in the activity log; never the value.
CREATE OR REPLACE FUNCTION credential_note(action text, key text, details jsonb DEFAULT '{}') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit('credential.' || action, 'credential', key, details);
    PERFORM activity_log_put('credential.' || action, 'credential', key);
END
$$;

-- The key of a credential that is there.  Raises AS404.
CREATE OR REPLACE FUNCTION credential_known(key text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM FROM credentials c WHERE c.tenant_id = app_tenant() AND c.key = credential_known.key;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Credential not found', DETAIL = credential_known.key;
    END IF;
    RETURN credential_known.key;
END
$$;
