-- Has a workspace ever set a permission of a role?  Few have, and each of its requests asks (enter_member): a look into
-- role_permissions cost the door 12 of 90 µs, a column of the organization that it reads anyway costs none.
ALTER TABLE organizations ADD has_own_permissions boolean NOT NULL DEFAULT false;
GRANT UPDATE (has_own_permissions) ON organizations TO ashlar_api;

-- It stays true when they are taken back: then looking finds nothing, as before.
CREATE FUNCTION role_permissions_made() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE organizations o
    SET has_own_permissions = true
    FROM (SELECT DISTINCT tenant_id, organization_id FROM made) m
    WHERE o.tenant_id = m.tenant_id AND o.id = m.organization_id AND NOT o.has_own_permissions;
    RETURN NULL;
END
$$;
CREATE TRIGGER role_permissions_made AFTER INSERT ON role_permissions
    REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION role_permissions_made();

-- Those that are there.
DO $$
DECLARE
    t uuid;
BEGIN
    FOR t IN SELECT id FROM tenants LOOP
        PERFORM set_config('app.tenant_id', t::text, true);
        UPDATE organizations o SET has_own_permissions = true
        WHERE o.tenant_id = t AND EXISTS (SELECT FROM role_permissions r WHERE r.tenant_id = t AND r.organization_id = o.id);
    END LOOP;
END
$$;
