-- Pictures of members: content is stored_objects', of the workspace.

-- Room for a picture of a member, who is the caller, or it is an owner or admin who gives them one.  The object's id.  Raises AS403,
-- AS404 and AS402.
CREATE OR REPLACE FUNCTION picture_await(member uuid, backend text, content_type text, size bigint) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM here('memberships', member, 'Member');
    PERFORM may(member = app_member() OR role_rank(app_org_role()) >= role_rank('admin'), 'another''s picture is for owners and admins to set');
    RETURN stored_object_await(app_organization(), NULL, backend, content_type, size, now() + interval '1 hour');
END
$$;

-- It has come, and is at this address from now on: it takes the place of the one before.  Raises AS404 where it is not awaited
-- any more.
CREATE OR REPLACE FUNCTION picture_put(member uuid, object uuid, sha256 bytea, key_hash bytea, url text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
BEGIN
    PERFORM FROM memberships m
    WHERE m.tenant_id = tenant AND m.organization_id = app_organization() AND m.id = member FOR NO KEY UPDATE;
    IF NOT FOUND OR NOT stored_object_keep(object, sha256) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Upload not found', DETAIL = object::text;
    END IF;
    PERFORM stored_object_drop(p.object_id) FROM pictures p
    WHERE p.tenant_id = tenant AND p.organization_id = app_organization() AND p.member_id = member;
    INSERT INTO pictures (tenant_id, organization_id, member_id, object_id, key_hash)
    VALUES (tenant, app_organization(), member, object, picture_put.key_hash)
    ON CONFLICT (tenant_id, organization_id, member_id) DO UPDATE SET object_id = excluded.object_id, key_hash = excluded.key_hash;
    UPDATE member_profiles p SET avatar_url = url
    WHERE p.tenant_id = tenant AND p.organization_id = app_organization() AND p.member_id = member;
    IF member <> app_member() THEN
        PERFORM member_audit('member.update', m, '{"fields": ["avatar_url"]}')
        FROM memberships m WHERE m.tenant_id = tenant AND m.organization_id = app_organization() AND m.id = member;
    END IF;
    PERFORM workspace_tell(app_organization(), 'members_updated', jsonb_build_object('member_id', member));
END
$$;
