-- Keys of organizations: rows of api_keys of the type organization, which act as who made them, and whose secret changes while the key stays.
--
-- creator_id  who made it, and whom it acts as while made_by, their membership, is there
-- deleted_at  from then on it is in no list
ALTER TABLE api_keys
    ADD creator_id uuid,
    ADD rotated_at timestamptz,
    ADD deleted_at timestamptz,
    ALTER hash DROP NOT NULL,
    DROP CONSTRAINT api_keys_type_known,
    DROP CONSTRAINT api_keys_workspace,
    DROP CONSTRAINT api_keys_workspace_scopes,
    DROP CONSTRAINT api_keys_workspace_only,
    ADD CONSTRAINT api_keys_type_known CHECK (type IN ('public', 'secret', 'workspace', 'organization')),
    ADD CONSTRAINT api_keys_workspace CHECK ((type IN ('workspace', 'organization')) = (organization_id IS NOT NULL)),
    ADD CONSTRAINT api_keys_workspace_scopes CHECK (organization_id IS NULL OR scopes IS NOT NULL),
    ADD CONSTRAINT api_keys_workspace_only CHECK (organization_id IS NOT NULL OR (description, expires_at, rotated_from, made_by, revoked_by, revoke_reason) IS NULL
                                                                                 AND cardinality(allowed_ranges) = 0),
    ADD CONSTRAINT api_keys_organization_only CHECK (type = 'organization' OR (creator_id, rotated_at, deleted_at) IS NULL),
    ADD CONSTRAINT api_keys_creator_there CHECK (type <> 'organization' OR creator_id IS NOT NULL),
    ADD CONSTRAINT api_keys_hash_there CHECK ((hash IS NULL) = (type = 'organization')),
    ADD CONSTRAINT api_keys_creator FOREIGN KEY (tenant_id, creator_id) REFERENCES users ON DELETE CASCADE;

CREATE INDEX api_keys_of_creator ON api_keys (tenant_id, creator_id) WHERE creator_id IS NOT NULL;
GRANT UPDATE (prefix, rotated_at, deleted_at) ON api_keys TO ashlar_api;

-- What a workspace's or an organization's key is known by: of each at most two at once.  A tenant's own keys have theirs in api_keys.
--
-- place       1: the newest; 2: the one before it, until expires_at; NULL: it is over, and kept for a day so that what it was
--             used for a moment ago is still known to be the key's
-- last_four   the last characters of its text, which lists show
CREATE TABLE api_key_secrets (
    tenant_id  uuid NOT NULL,
    key_id     uuid NOT NULL,
    hash       bytea NOT NULL,
    place      smallint,
    last_four  text,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, key_id, hash),
    CONSTRAINT api_key_secrets_key FOREIGN KEY (tenant_id, key_id) REFERENCES api_keys ON DELETE CASCADE,
    CONSTRAINT api_key_secrets_hash_unique UNIQUE (hash),
    CONSTRAINT api_key_secrets_hash_length CHECK (octet_length(hash) = 32),
    CONSTRAINT api_key_secrets_place_unique UNIQUE (tenant_id, key_id, place),
    CONSTRAINT api_key_secrets_place_known CHECK (place IN (1, 2)),
    CONSTRAINT api_key_secrets_end CHECK ((place IS NOT DISTINCT FROM 1) = (expires_at IS NULL))
);
SELECT isolate('api_key_secrets');
-- The key tells the tenant, as in api_keys.
CREATE POLICY api_key_secrets_shown ON api_key_secrets FOR SELECT
    USING (hash = (SELECT decode(current_setting('app.key_hash', true), 'hex')));
GRANT SELECT, INSERT, DELETE ON api_key_secrets TO ashlar_api;
GRANT UPDATE (place, expires_at) ON api_key_secrets TO ashlar_api;

-- Until the next release, which has no hash of a workspace's key in api_keys any more: the last one's binaries put it there.
CREATE FUNCTION api_key_secret_made() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO api_key_secrets (tenant_id, key_id, hash, place) VALUES (NEW.tenant_id, NEW.id, NEW.hash, 1);
    RETURN NULL;
END
$$;
CREATE TRIGGER api_keys_secret_made AFTER INSERT ON api_keys FOR EACH ROW WHEN (NEW.type = 'workspace')
    EXECUTE FUNCTION api_key_secret_made();

DO $$
DECLARE
    within text := coalesce(current_setting('app.tenant_id', true), '');
    t      uuid;
BEGIN
    FOR t IN SELECT id FROM tenants ORDER BY id LOOP
        PERFORM set_config('app.tenant_id', t::text, true);
        INSERT INTO api_key_secrets (tenant_id, key_id, hash, place)
        SELECT k.tenant_id, k.id, k.hash, 1 FROM api_keys k WHERE k.tenant_id = t AND k.type = 'workspace'
        ON CONFLICT DO NOTHING;
    END LOOP;
    PERFORM set_config('app.tenant_id', within, true);
END
$$;
