-- The search for organizations (organization_candidates): by how a name begins, in any case.
CREATE INDEX organizations_search ON organizations (tenant_id, (lower(name) COLLATE "C")) WHERE deleted_at IS NULL;
