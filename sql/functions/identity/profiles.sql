-- Users as those see and change them who share a workspace with them.
--
-- An account is its user's own, in all workspaces.  What somebody else changes about them is what they are called in the workspace that
-- they share; and the address, of an account that is still the workspace's to give out.

-- Through which workspace the caller sees a user: that one, or, where it is NULL, their own active one (chosen: the token's) or another in
-- which the user's role is no higher than theirs.
--
--   is_own        it is the caller
--   organization  NULL: none that both are in; so it may be oneself, or, where may_administer, seen by who administers the tenant
--
-- Raises AS404, and AS403 where the user has a higher role wherever both are.
CREATE OR REPLACE FUNCTION account_seen(who uuid, workspace uuid, chosen uuid, may_administer boolean,
                                        OUT account uuid, OUT is_own boolean, OUT organization uuid, OUT member uuid, OUT mine uuid, OUT role text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    tenant   uuid := app_tenant();
    outranks boolean;
    is_staff boolean := may_administer AND (SELECT u.access > 1 FROM users u WHERE u.tenant_id = tenant AND u.id = app_user());
BEGIN
    account := who;
    is_own := who = app_user();
    SELECT t.organization_id, t.id, c.id, c.role, x.rank > y.rank INTO organization, member, mine, account_seen.role, outranks
    FROM memberships c
    JOIN organizations o ON o.tenant_id = c.tenant_id AND o.id = c.organization_id AND o.deleted_at IS NULL
    JOIN memberships t ON t.tenant_id = c.tenant_id AND t.organization_id = c.organization_id AND t.user_id = who
    JOIN roles y ON y.name = c.role
    JOIN roles x ON x.name = t.role
    WHERE c.tenant_id = tenant AND c.user_id = app_user() AND c.is_active
      AND CASE WHEN workspace IS NOT NULL THEN c.organization_id = workspace
               WHEN is_own THEN c.organization_id = active_workspace(who, chosen) ELSE true END
    ORDER BY x.rank > y.rank, c.organization_id IS DISTINCT FROM active_workspace(app_user(), chosen), c.joined_at, c.organization_id
    LIMIT 1;
    IF organization IS NULL AND (NOT is_own OR workspace IS NOT NULL) AND NOT is_staff
       OR NOT EXISTS (SELECT FROM users u WHERE u.tenant_id = tenant AND u.id = who AND u.deleted_at IS NULL) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'User not found', DETAIL = who::text;
    ELSIF outranks AND NOT is_staff THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this user has a higher role than yours';
    END IF;
END
$$;

-- The same of who is to be changed, in the workspace or the active one: from here on the caller acts there.
CREATE OR REPLACE FUNCTION account_enter(who uuid, workspace uuid, chosen uuid, OUT is_own boolean, OUT organization uuid, OUT member uuid)
LANGUAGE plpgsql AS $$
DECLARE
    s record;
BEGIN
    SELECT * INTO s FROM account_seen(who, coalesce(workspace, CASE WHEN who <> app_user() THEN active_workspace(app_user(), chosen) END), chosen, false) x;
    is_own := s.is_own;
    organization := s.organization;
    member := s.member;
    IF organization IS NOT NULL THEN
        PERFORM set_config('app.organization_id', organization::text, true), set_config('app.member_id', s.mine::text, true),
                set_config('app.org_role', s.role, true);
    END IF;
    IF NOT is_own AND permission_reach(app_tenant(), organization, s.role, 'can_edit_member') IS NULL THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this needs the permission can_edit_member', DETAIL = 'can_edit_member';
    END IF;
END
$$;

-- Change what is said of a user, in sent (the names of v's members): of oneself the account, and title, phone and bio in the active
-- workspace; of another what they are there.  role NULL: it stays.  What email_change() asks for, and whether there is one at all, is email.
--
-- Raises AS403, AS404, AS409, AS412, AS422, and AS008 of the last owner.
CREATE OR REPLACE FUNCTION profile_change(who uuid, workspace uuid, chosen uuid, wanted bigint[], role text, sent text[], v jsonb, email jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    a      record;
    name   text := CASE WHEN 'name' = ANY (sent) THEN v ->> 'name' ELSE v ->> 'display_name' END;
    named  boolean := sent && '{name,display_name}';
    here   boolean := sent && '{title,phone,bio}';
BEGIN
    PERFORM valid(NOT sent @> '{name,display_name}' OR v ->> 'name' IS NOT DISTINCT FROM v ->> 'display_name', 'display_name',
                  'name and display_name are the same: send one of them');
    SELECT * INTO a FROM account_enter(who, workspace, chosen) x;
    IF role IS NOT NULL OR NOT a.is_own AND sent <> '{}' THEN
        IF a.organization IS NULL THEN
            RAISE SQLSTATE 'AS404' USING MESSAGE = 'Workspace not found', HINT = 'workspace_id';
        END IF;
        PERFORM member_change(a.member, role, NULL, sent <> '{}', NULL);
    END IF;
    IF a.is_own THEN
        PERFORM valid(NOT here OR a.organization IS NOT NULL, CASE WHEN 'title' = ANY (sent) THEN 'title' WHEN 'phone' = ANY (sent) THEN 'phone' ELSE 'bio' END,
                      'title, phone and bio are kept by the workspace, and none is active: switch to one');
        PERFORM if_match(u.updated_at, wanted) FROM users u WHERE u.tenant_id = tenant AND u.id = who;
        UPDATE users u
        SET full_name = CASE WHEN named THEN name ELSE u.full_name END, avatar_url = CASE WHEN 'avatar_url' = ANY (sent) THEN v ->> 'avatar_url' ELSE u.avatar_url END
        WHERE u.tenant_id = tenant AND u.id = who AND (named OR 'avatar_url' = ANY (sent));
    ELSIF 'avatar_url' = ANY (sent) THEN
        DELETE FROM pictures p WHERE p.tenant_id = tenant AND p.organization_id = a.organization AND p.member_id = a.member;
    END IF;
    UPDATE member_profiles p
    SET full_name = CASE WHEN named AND NOT a.is_own THEN name ELSE p.full_name END,
        avatar_url = CASE WHEN 'avatar_url' = ANY (sent) AND NOT a.is_own THEN v ->> 'avatar_url' ELSE p.avatar_url END,
        title = CASE WHEN 'title' = ANY (sent) THEN v ->> 'title' ELSE p.title END,
        phone = CASE WHEN 'phone' = ANY (sent) THEN v ->> 'phone' ELSE p.phone END,
        bio = CASE WHEN 'bio' = ANY (sent) THEN v ->> 'bio' ELSE p.bio END
    WHERE p.tenant_id = tenant AND p.organization_id = a.organization AND p.member_id = a.member AND (here OR NOT a.is_own AND sent <> '{}');
    IF email IS NOT NULL THEN
        IF NOT a.is_own AND role_rank(app_org_role()) < role_rank('admin') THEN
            RAISE SQLSTATE 'AS403' USING HINT = 'email', MESSAGE = 'the address of an account is for owners and admins to change';
        END IF;
        PERFORM email_change(who, CASE WHEN NOT a.is_own THEN a.organization END, email ->> 'key', email ->> 'spelling', email ->> 'email',
                             (email ->> 'hash')::bytea, (email ->> 'code_hash')::bytea, email -> 'mail', (email ->> 'back_hash')::bytea, email -> 'notice');
    END IF;
    IF a.is_own AND sent <> '{}' THEN
        PERFORM account_tell(who);
    END IF;
END
$$;

-- Room for a picture of the caller's account, or of somebody whom they may change, in the workspace that both are in.  The object's id.  Raises AS402,
-- AS403, AS404.
CREATE OR REPLACE FUNCTION account_picture_await(who uuid, chosen uuid, backend text, content_type text, size bigint) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    a record;
BEGIN
    SELECT * INTO a FROM account_enter(who, NULL, chosen) x;
    RETURN stored_object_await(CASE WHEN NOT a.is_own THEN a.organization END, CASE WHEN a.is_own THEN who END, backend, content_type, size, now() + interval '1 hour');
END
$$;

-- It has come, and takes the place of the one before: see picture_put().
CREATE OR REPLACE FUNCTION account_picture_put(who uuid, chosen uuid, object uuid, sha256 bytea, key_hash bytea, url text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    a      record;
BEGIN
    SELECT * INTO a FROM account_enter(who, NULL, chosen) x;
    IF NOT a.is_own THEN
        PERFORM picture_put(a.member, object, sha256, key_hash, url);
        RETURN;
    END IF;
    PERFORM FROM users u WHERE u.tenant_id = tenant AND u.id = who FOR NO KEY UPDATE;
    IF NOT stored_object_keep(object, sha256) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Upload not found', DETAIL = object::text;
    END IF;
    UPDATE users u SET avatar_url = url WHERE u.tenant_id = tenant AND u.id = who;    -- the one before goes by that (users_picture_gone)
    INSERT INTO pictures (tenant_id, user_id, object_id, key_hash) VALUES (tenant, who, object, account_picture_put.key_hash);
    PERFORM account_tell(who);
END
$$;
