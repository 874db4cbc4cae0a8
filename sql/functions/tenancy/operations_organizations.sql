-- Organizations as the operations surface has them: who is no member does not find one, and owners may change owners.  Roles read as
-- on the workspace surface (workspace_role): a developer is a member.

-- The caller's role in an organization that is there; raises AS404 for who is no member, and AS403 for who has none of the roles.
CREATE OR REPLACE FUNCTION operations_org_role(organization uuid, VARIADIC roles text[] DEFAULT '{}') RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    role text;
BEGIN
    SELECT m.role INTO role
    FROM memberships m JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
    WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.user_id = app_user() AND m.is_active
      AND o.deleted_at IS NULL;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Organization not found', DETAIL = organization::text;
    ELSIF cardinality(roles) > 0 AND role <> ALL (roles) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = format('this needs the role %s in the organization', array_to_string(roles, ' or '));
    END IF;
    RETURN role;
END
$$;

-- The same behind the organization's lock, for who is about to change who is in it.
CREATE OR REPLACE FUNCTION operations_org_lock(organization uuid, VARIADIC roles text[] DEFAULT '{}') RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM organization_lock(organization);
    RETURN operations_org_role(organization, VARIADIC roles);
END
$$;

-- A slug made of a name; without a number behind it, so that of two of one name the second is told (409).
CREATE OR REPLACE FUNCTION operations_slug(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(nullif(rtrim(left(btrim(regexp_replace(lower(name), '[^a-z0-9]+', '-', 'g'), '-'), 60), '-'), ''), 'organization');

-- The number of a user of this tenant, as text: members are named so.
CREATE OR REPLACE FUNCTION operations_user_number(who uuid) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT a.number FROM user_accounts a WHERE a.tenant_id = (SELECT app_tenant()) AND a.user_id = who);
END
$$;

-- And back; NULL: there is none.
CREATE OR REPLACE FUNCTION operations_user_of(number bigint) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT u.id FROM user_accounts a JOIN users u ON u.tenant_id = a.tenant_id AND u.id = a.user_id
            WHERE a.tenant_id = (SELECT app_tenant()) AND a.number = operations_user_of.number AND u.deleted_at IS NULL);
END
$$;

-- Put a user of the tenant in; returns the membership.  Only an owner adds an owner.  Raises AS403, AS404 and AS409.
CREATE OR REPLACE FUNCTION operations_member_add(organization uuid, number bigint, role text) RETURNS memberships
LANGUAGE plpgsql AS $$
DECLARE
    mine text := operations_org_lock(organization, 'owner', 'admin');
    who  uuid := operations_user_of(number);
    m    memberships;
BEGIN
    IF role = 'owner' AND mine <> 'owner' THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'only an owner adds an owner';
    ELSIF who IS NULL THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'User not found', DETAIL = number::text;
    END IF;
    SELECT x.* INTO m FROM memberships x WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.user_id = who;
    IF FOUND THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'user_id', MESSAGE = CASE WHEN m.is_active THEN 'this user is a member already'
            ELSE 'this user''s membership is deactivated: remove it first' END;
    END IF;
    INSERT INTO memberships (tenant_id, organization_id, user_id, role) VALUES (app_tenant(), organization, who, operations_member_add.role)
    RETURNING * INTO m;
    PERFORM member_audit('member.add', m, jsonb_build_object('role', m.role));
    PERFORM workspace_tell(organization, 'members_updated', jsonb_build_object('member_id', m.id));
    RETURN m;
END
$$;

-- The member that an owner or admin is about to change: only owners touch owners, and the last one stays.  will_be NULL: nothing.
-- Raises AS403, AS404 and AS409.
CREATE OR REPLACE FUNCTION operations_member_lock(organization uuid, number bigint, will_be text) RETURNS memberships
LANGUAGE plpgsql AS $$
DECLARE
    mine text := operations_org_lock(organization, 'owner', 'admin');
    m    memberships;
BEGIN
    SELECT x.* INTO m FROM memberships x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.user_id = operations_user_of(number) AND x.is_active;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Member not found', DETAIL = number::text;
    ELSIF mine <> 'owner' AND (m.role = 'owner' OR will_be = 'owner') THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'only an owner touches an owner';
    ELSIF m.role = 'owner' AND will_be IS DISTINCT FROM 'owner' AND NOT EXISTS (
        SELECT FROM memberships x JOIN users u ON u.tenant_id = x.tenant_id AND u.id = x.user_id
        WHERE x.tenant_id = m.tenant_id AND x.organization_id = organization AND x.role = 'owner' AND x.is_active
          AND x.user_id <> m.user_id AND u.access > 0) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'this is the last owner: make another one first';
    END IF;
    RETURN m;
END
$$;

-- Another role; what reads the same stays what it is.
CREATE OR REPLACE FUNCTION operations_member_change(organization uuid, number bigint, role text) RETURNS memberships
LANGUAGE plpgsql AS $$
DECLARE
    m memberships := operations_member_lock(organization, number, role);
BEGIN
    IF workspace_role(m.role) <> operations_member_change.role THEN
        UPDATE memberships x SET role = operations_member_change.role
        WHERE x.tenant_id = m.tenant_id AND x.organization_id = organization AND x.user_id = m.user_id;
        PERFORM member_audit('member.role', m, jsonb_build_object('from', m.role, 'to', operations_member_change.role));
        PERFORM workspace_tell(organization, 'members_updated', jsonb_build_object('member_id', m.id));
        m.role := operations_member_change.role;
    END IF;
    RETURN m;
END
$$;

-- Take a member out, and with them the keys that they have made for the organization.
CREATE OR REPLACE FUNCTION operations_member_remove(organization uuid, number bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    m   memberships := operations_member_lock(organization, number, NULL);
    key uuid;
BEGIN
    FOR key IN UPDATE api_keys k SET revoked_at = now(), revoke_reason = 'its maker was removed'
               WHERE k.tenant_id = m.tenant_id AND k.organization_id = organization AND k.made_by = m.id AND k.revoked_at IS NULL
               RETURNING k.id LOOP
        PERFORM audit('api_key.revoke', 'api_key', key::text, jsonb_build_object('organization_id', organization));
    END LOOP;
    PERFORM member_gone(m);
    DELETE FROM memberships x WHERE x.tenant_id = m.tenant_id AND x.organization_id = organization AND x.user_id = m.user_id;
    PERFORM member_audit('member.remove', m, jsonb_build_object('role', m.role, 'left', m.user_id = app_user()));
    PERFORM workspace_tell(organization, 'members_updated', jsonb_build_object('member_id', m.id));
END
$$;

-- End an organization: for an owner, and while nothing of it is paid for and it has no projects of traces (org_delete).
CREATE OR REPLACE FUNCTION operations_org_delete(organization uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM operations_org_lock(organization, 'owner');
    IF EXISTS (SELECT FROM trace_projects p WHERE p.tenant_id = app_tenant() AND p.organization_id = organization AND p.deleted_at IS NULL) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the organization still has projects: delete them first';
    ELSIF EXISTS (SELECT FROM subscriptions s
                  WHERE s.tenant_id = app_tenant() AND s.owner_id = organization AND s.ended_at IS NULL AND s.provider_id IS NOT NULL) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the organization has a subscription: end it first';
    END IF;
    PERFORM org_delete(organization);
END
$$;

-- Accept an invitation by its token.  Raises AS403 for a key alone, AS404 for a token that is unknown, spent or expired; else as
-- invitation_accept().
CREATE OR REPLACE FUNCTION operations_invitation_accept(token_hash bytea) RETURNS memberships
LANGUAGE plpgsql AS $$
BEGIN
    IF app_user() IS NULL THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'a user accepts an invitation, and a key of a tenant is nobody';
    END IF;
    RETURN invitation_accept(token_hash);
EXCEPTION
    WHEN SQLSTATE 'AS400' THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Invitation not found';
END
$$;
