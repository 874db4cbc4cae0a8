-- Activation: how somebody comes into an account that was made for them, which has no password.
--
-- Its tokens are one_time_tokens, whose data name the workspace and, where they were shown to who made the account, say so.

-- The token, its user and the workspace, which must be the one that the token is for.  Raises AS400 and, of one that has run
-- out, AS410.
CREATE OR REPLACE FUNCTION activation_open(hash bytea, workspace uuid, OUT t one_time_tokens, OUT u users, OUT o organizations)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT x.* INTO t FROM one_time_tokens x
    WHERE x.tenant_id = app_tenant() AND x.hash = activation_open.hash AND x.kind = 'activation' AND x.used_at IS NULL;
    SELECT x.* INTO u FROM users x
    WHERE x.tenant_id = t.tenant_id AND x.id = t.user_id AND x.email = t.data ->> 'email' AND x.access > 0;
    SELECT x.* INTO o FROM organizations x
    WHERE x.tenant_id = t.tenant_id AND x.id = workspace AND x.id::text = t.data ->> 'organization_id' AND x.deleted_at IS NULL;
    IF u.id IS NULL OR o.id IS NULL THEN
        RAISE SQLSTATE 'AS400' USING HINT = 'token', MESSAGE = 'the token is unknown, was used, or is for another workspace';
    ELSIF t.expires_at <= now() THEN
        RAISE SQLSTATE 'AS410' USING HINT = 'token', MESSAGE = 'the token has run out: ask for another mail';
    END IF;
END
$$;

-- Use it: the account has this password, and begins in the workspace.  A mailed token proves the address; a shown one does not,
-- and is none any more where the account has become its user's own.  Returns the user.  Raises what activation_open() does.
CREATE OR REPLACE FUNCTION activation_use(hash bytea, workspace uuid, password_hash text, name text) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    x      record;
    who    uuid;
BEGIN
    SELECT a.* INTO x FROM activation_open(activation_use.hash, workspace) a;
    who := mailed_token_use((x.t).id);
    IF who IS NULL OR (x.t).data ->> 'left' = 'shown' AND account_hold(who, workspace) IS NOT NULL THEN
        RAISE SQLSTATE 'AS400' USING HINT = 'token', MESSAGE = 'the token is unknown, was used, or is for another workspace';
    END IF;
    IF (x.t).data ->> 'left' IS DISTINCT FROM 'shown' THEN
        who := address_proved(who, 'activation', jsonb_strip_nulls(jsonb_build_object('password_hash', activation_use.password_hash, 'display_name', name)));
    END IF;
    UPDATE users u
    SET password_hash = activation_use.password_hash, full_name = coalesce(name, u.full_name),
        default_organization_id = CASE WHEN EXISTS (SELECT FROM memberships m WHERE m.tenant_id = u.tenant_id AND m.organization_id = workspace AND m.user_id = u.id AND m.is_active)
                                       THEN workspace ELSE u.default_organization_id END
    WHERE u.tenant_id = tenant AND u.id = who;
    PERFORM sessions_end(who, NULL);
    UPDATE one_time_tokens t SET used_at = now()
    WHERE t.tenant_id = tenant AND t.user_id = who AND t.used_at IS NULL AND t.kind IN ('activation', 'reset_password');
    PERFORM act_as(who);
    PERFORM audit('user.activate', 'user', u.public_id, jsonb_build_object('method', 'activation', 'left', coalesce((x.t).data ->> 'left', 'mailed')), u.public_id, 'user')
    FROM users u WHERE u.tenant_id = tenant AND u.id = who;
    RETURN who;
END
$$;

-- A workspace for somebody, who owns it: the user of the address, or one who is made, has no password and is the workspace's own
-- until they have proved the address.  tier: the name of a plan that it begins with; NULL: none.
--
--   workspace  its id
--   hash       of the activation's token, for who is made
--   mail       that brings it; NULL: it is shown to the caller, and proves nothing
--
-- Raises AS409, AS422, and the unique violation organizations_slug_unique.
CREATE OR REPLACE FUNCTION workspace_provision(workspace uuid, name text, slug text, key text, spelling text, email text, full_name text, tier text,
                                               hash bytea, mail jsonb, OUT owner_id uuid, OUT member_id uuid, OUT is_new boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant uuid := app_tenant();
    u      users;
    plan   uuid;
BEGIN
    SELECT x.* INTO u FROM user_find(key, spelling) x;
    IF u.access = 0 THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'owner_email', MESSAGE = 'the account with this address is not active';
    END IF;
    IF tier IS NOT NULL THEN
        SELECT p.id INTO plan FROM plans p
        WHERE (p.tenant_id = tenant OR p.is_global) AND p.is_active AND lower(p.name) = lower(tier)
        ORDER BY p.is_global, p.created_at LIMIT 1;
        PERFORM valid(plan IS NOT NULL, 'tier', 'tier must be the name of a plan that is sold');
    END IF;
    INSERT INTO organizations (tenant_id, id, name, slug) VALUES (tenant, workspace, name, coalesce(slug, workspace_slug(name)));
    is_new := u.id IS NULL;
    owner_id := u.id;
    IF is_new THEN
        owner_id := account_made(key, email, NULL, full_name);
        INSERT INTO account_makers (tenant_id, user_id, organization_id) VALUES (tenant, owner_id, workspace);
        IF mail IS NULL THEN
            PERFORM shown_token_issue('activation', owner_id, hash, jsonb_build_object('email', email, 'organization_id', workspace), interval '7 days');
        ELSE
            PERFORM mailed_token_issue('activation', owner_id, hash, NULL, jsonb_build_object('email', email, 'organization_id', workspace),
                                       interval '7 days', mail, NULL);
        END IF;
    END IF;
    UPDATE users x SET default_organization_id = workspace WHERE x.tenant_id = tenant AND x.id = owner_id AND x.default_organization_id IS NULL;
    INSERT INTO memberships (tenant_id, organization_id, user_id, role) VALUES (tenant, workspace, owner_id, 'owner')
    RETURNING id INTO member_id;
    PERFORM workspace_seed(workspace, member_id);
    IF plan IS NOT NULL THEN
        PERFORM subscription_create(workspace, plan, 'monthly', '{}');
    END IF;
    PERFORM audit('organization.provision', 'organization', workspace::text,
                  jsonb_build_object('name', name, 'owner', (SELECT x.public_id FROM users x WHERE x.tenant_id = tenant AND x.id = owner_id), 'is_new', is_new));
END
$$;
