-- What the pages behind mailed links are told, by the link's token alone.
--
-- The holder of the token reads the mail of its address, and may know what the mail
-- said, and how that address stands with the tenant; no other client learns anything,
-- since a token that is none finds nothing.

-- Whose mails these are, as their head shows it.  sender is the installation's own
-- name, for the default tenant.
CREATE OR REPLACE FUNCTION mail_brand(tenant uuid, sender text) RETURNS json
LANGUAGE sql STABLE
RETURN (SELECT row_to_json(b)
        FROM (SELECT coalesce(nullif(s.email_from_name, ''), CASE WHEN t.slug = 'default' THEN sender END, t.name) AS name,
                     s.logo_url, s.brand_color AS color, s.support_email
              FROM tenants t JOIN tenant_settings s ON s.tenant_id = t.id
              WHERE t.id = tenant) b);

-- How an address stands with the tenant, for who has been invited by it: 'none', or
-- an account that no user has proved to be theirs, which is as good as none;
-- 'password'; 'other': another way in.
CREATE OR REPLACE FUNCTION invited_account(key text, spelling text) RETURNS text
LANGUAGE sql STABLE
RETURN coalesce((SELECT CASE WHEN u.is_email_verified THEN CASE WHEN u.password_hash IS NULL THEN 'other' ELSE 'password' END END
                 FROM user_find(key, spelling) u), 'none');

-- The same of an invitation: by a token that was shown, an account is as good as none only where it is the workspace's own.
CREATE OR REPLACE FUNCTION invitation_account(i invitations) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM invitation_details d WHERE d.tenant_id = i.tenant_id AND d.invitation_id = i.id AND d.is_shown) THEN
        RETURN invited_account(i.email_key, i.email);
    END IF;
    RETURN coalesce((SELECT CASE WHEN account_hold(u.id, i.organization_id) IS NULL THEN 'none' WHEN u.password_hash IS NULL THEN 'other' ELSE 'password' END
                     FROM user_find(i.email_key, i.email) u), 'none');
END
$$;

-- The mail of a token, once it was sent, whatever has become of it.  No row: there is
-- none.  invitation is null where the mail is none, or is of no more use.
CREATE OR REPLACE FUNCTION mailed_link(hash bytea) RETURNS TABLE (kind text, status text, locale text, invitation json)
LANGUAGE plpgsql STABLE ROWS 1 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT o.kind, CASE WHEN o.used_at IS NOT NULL THEN 'used' WHEN o.expires_at <= now() THEN 'expired' ELSE 'pending' END,
           coalesce(u.locale, 'en'),
           CASE WHEN o.kind = 'activation' AND o.used_at IS NULL AND o.expires_at > now() THEN
               (SELECT row_to_json(i)
                FROM (SELECT p.name AS organization_name, NULL::text AS invited_by, u.email,
                             coalesce((SELECT x.role FROM memberships x
                                       WHERE x.tenant_id = p.tenant_id AND x.organization_id = p.id AND x.user_id = o.user_id), 'member') AS role,
                             'none' AS account, json_time(o.expires_at) AS expires_at
                      FROM organizations p WHERE p.tenant_id = o.tenant_id AND p.id::text = o.data ->> 'organization_id') i)
                WHEN o.kind = 'team_invitation' AND o.used_at IS NULL AND o.expires_at > now() THEN
               (SELECT row_to_json(i)
                FROM (SELECT t.name AS organization_name,
                             (SELECT coalesce(b.display_name, b.email) FROM team_members b
                              WHERE b.tenant_id = m.tenant_id AND b.id = m.invited_by) AS invited_by,
                             m.email, m.role, 'none' AS account, json_time(o.expires_at) AS expires_at
                      FROM tenants t WHERE t.id = m.tenant_id) i) END
    FROM one_time_tokens o
    LEFT JOIN users u ON u.tenant_id = o.tenant_id AND u.id = o.user_id
    LEFT JOIN team_members m ON m.tenant_id = o.tenant_id AND m.id = o.member_id
    WHERE o.tenant_id = (SELECT app_tenant()) AND o.hash = mailed_link.hash
      AND o.kind IN ('verify_email', 'reset_password', 'team_invitation', 'team_reset', 'activation', 'email_change')
      AND (o.user_id IS NOT NULL OR o.member_id IS NOT NULL)
    UNION ALL
    SELECT 'invitation',
           CASE invitation_status(i.status, i.expires_at) WHEN 'pending' THEN 'pending' WHEN 'expired' THEN 'expired' ELSE 'used' END,
           coalesce((SELECT u.locale FROM user_find(i.email_key, i.email) u), 'en'),
           CASE WHEN i.status = 'pending' AND i.expires_at > now() THEN
               (SELECT row_to_json(x)
                FROM (SELECT p.name AS organization_name,
                             (SELECT b.full_name FROM users b WHERE b.tenant_id = i.tenant_id AND b.id = i.invited_by) AS invited_by,
                             i.email, i.role, invitation_account(i) AS account,
                             json_time(i.expires_at) AS expires_at) x) END
    FROM invitations i
    JOIN organizations p ON p.tenant_id = i.tenant_id AND p.id = i.organization_id AND p.deleted_at IS NULL
    WHERE i.tenant_id = (SELECT app_tenant()) AND i.token_hash = mailed_link.hash;
END
$$;

-- The holder of an invitation's token has no account yet, or one that no user has
-- proved: make it theirs, with this password, and accept; by a token that was shown, see workspace_invitation_accept().  Raises AS400 for a token that is
-- good for nothing, AS409 where there is an account to sign in to, AS403 where that
-- was deactivated, and what invitation_accept() does.
CREATE OR REPLACE FUNCTION invitation_register(token_hash bytea, password_hash text, display_name text, locale text)
RETURNS SETOF memberships
LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_variable
DECLARE
    tenant uuid := app_tenant();
    i      invitations;
    u      users;
    who    uuid;
    is_shown boolean;
BEGIN
    PERFORM organization_lock(x.organization_id) FROM invitations x WHERE x.tenant_id = tenant AND x.token_hash = token_hash;
    SELECT x.* INTO i FROM invitations x
    WHERE x.tenant_id = tenant AND x.token_hash = token_hash AND x.status = 'pending' AND x.expires_at > now();
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS400' USING HINT = 'token', MESSAGE = 'the invitation is invalid, used or expired';
    END IF;
    SELECT d.is_shown INTO is_shown FROM invitation_details d WHERE d.tenant_id = tenant AND d.invitation_id = i.id;
    SELECT x.* INTO u FROM user_find(i.email_key, i.email) x;
    IF u.access = 0 THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'the account with this address is not active';
    ELSIF u.id IS NOT NULL AND (CASE WHEN is_shown THEN account_hold(u.id, i.organization_id) IS NOT NULL ELSE u.is_email_verified END) THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'token', MESSAGE = 'this address has an account: sign in to it, and accept';
    ELSIF is_shown THEN
        who := account_for_workspace(i.organization_id, u, i.email_key, i.email, password_hash, display_name);
    ELSE
        who := coalesce(u.id, account_made(i.email_key, i.email, password_hash, display_name));
        who := address_proved(who, 'invitation', jsonb_strip_nulls(jsonb_build_object(
            'password_hash', password_hash, 'display_name', display_name, 'locale', locale)));
    END IF;
    PERFORM act_as(who);
    RETURN QUERY SELECT * FROM invitation_accept(token_hash);
END
$$;
