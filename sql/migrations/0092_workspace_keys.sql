-- Keys of workspaces: rows of api_keys of the type workspace, which belong to one and are for its data alone.
--
-- organization_id  whose it is; of the tenant's own keys NULL
-- expires_at       from then on it is good for nothing
-- allowed_ranges   the addresses that it is taken from; empty: from all
-- rotated_from     the key that this one took the place of: one for each
-- made_by, revoked_by  members; NULL: of the tenant's own keys, or one who has left
-- usage_count      requests that it let in: what hosts have counted, a few seconds late (usage_count)
ALTER TABLE api_keys
    ADD organization_id uuid,
    ADD description text,
    ADD expires_at timestamptz,
    ADD allowed_ranges cidr[] NOT NULL DEFAULT '{}',
    ADD rotated_from uuid,
    ADD made_by uuid,
    ADD revoked_by uuid,
    ADD revoke_reason text,
    ADD usage_count bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT api_keys_type_known,
    DROP CONSTRAINT api_keys_name_length,
    ADD CONSTRAINT api_keys_type_known CHECK (type IN ('public', 'secret', 'workspace')),
    ADD CONSTRAINT api_keys_name_length CHECK (char_length(name) BETWEEN 1 AND CASE type WHEN 'workspace' THEN 255 ELSE 100 END),
    ADD CONSTRAINT api_keys_workspace CHECK ((type = 'workspace') = (organization_id IS NOT NULL)),
    ADD CONSTRAINT api_keys_workspace_scopes CHECK (type <> 'workspace' OR scopes IS NOT NULL),
    ADD CONSTRAINT api_keys_workspace_only CHECK (type = 'workspace' OR (description, expires_at, rotated_from, made_by, revoked_by, revoke_reason) IS NULL
                                                                        AND cardinality(allowed_ranges) = 0),
    ADD CONSTRAINT api_keys_description_length CHECK (char_length(description) <= 2000),
    ADD CONSTRAINT api_keys_revoke_reason_length CHECK (char_length(revoke_reason) <= 500),
    ADD CONSTRAINT api_keys_ranges_count CHECK (cardinality(allowed_ranges) <= 50),
    ADD CONSTRAINT api_keys_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    ADD CONSTRAINT api_keys_rotated_from FOREIGN KEY (tenant_id, rotated_from) REFERENCES api_keys ON DELETE SET NULL (rotated_from),
    ADD CONSTRAINT api_keys_made_by FOREIGN KEY (tenant_id, organization_id, made_by)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (made_by),
    ADD CONSTRAINT api_keys_revoked_by FOREIGN KEY (tenant_id, organization_id, revoked_by)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (revoked_by);

CREATE INDEX api_keys_of_workspace ON api_keys (tenant_id, organization_id, created_at DESC, id DESC) WHERE organization_id IS NOT NULL;
CREATE UNIQUE INDEX api_keys_rotated_once ON api_keys (tenant_id, rotated_from) WHERE rotated_from IS NOT NULL;
CREATE INDEX api_keys_of_maker ON api_keys (tenant_id, organization_id, made_by) WHERE made_by IS NOT NULL;
CREATE INDEX api_keys_of_revoker ON api_keys (tenant_id, organization_id, revoked_by) WHERE revoked_by IS NOT NULL;

CREATE OR REPLACE TRIGGER api_keys_touch
    BEFORE UPDATE OF name, description, scopes, allowed_origins, allowed_ranges, expires_at, is_active, revoked_at ON api_keys
    FOR EACH ROW EXECUTE FUNCTION touch();

GRANT UPDATE (description, scopes, expires_at, allowed_ranges, revoked_by, revoke_reason, usage_count), DELETE ON api_keys TO ashlar_api;
