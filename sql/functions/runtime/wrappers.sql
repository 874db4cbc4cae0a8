-- Until the next release: what the last one's binaries call, which have no keys
-- of addresses and name them by how they are spelled, in lower case.

CREATE OR REPLACE FUNCTION team_find(email text, OUT tenant_id uuid, OUT member_id uuid) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT f.tenant_id, f.member_id FROM team_find(NULL, email) f;
END;
REVOKE ALL ON FUNCTION team_find(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION team_find(text) TO ashlar_api;

CREATE OR REPLACE FUNCTION tenant_create(slug text, name text, email text, display_name text, password_hash text,
                                         OUT tenant_id uuid, OUT member_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT t.tenant_id, t.member_id FROM tenant_create(slug, name, NULL, lower(email), display_name, password_hash) t
$$;
REVOKE ALL ON FUNCTION tenant_create(text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_create(text, text, text, text, text) TO ashlar_api;

CREATE OR REPLACE FUNCTION user_register(email text, password_hash text, display_name text, locale text)
RETURNS SETOF uuid
LANGUAGE sql VOLATILE AS $$
    SELECT user_register(NULL, email, lower(email), password_hash, display_name, locale)
$$;

CREATE OR REPLACE FUNCTION user_register_pending(email text, password_hash text, display_name text, locale text,
                                                 return_to text, hash bytea, code_hash bytea, mail jsonb, known jsonb)
RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT user_register_pending(NULL, email, lower(email), password_hash, display_name, locale, return_to, hash,
                                 code_hash, mail, known)
$$;

CREATE OR REPLACE FUNCTION user_verify_email(tenant uuid, hash bytea, email text, code_hash bytea) RETURNS boolean
LANGUAGE sql VOLATILE AS $$
    SELECT user_verify_email(NULL, tenant, hash, email, code_hash)
$$;

CREATE OR REPLACE FUNCTION mailed_token_find(kind text, tenant uuid, hash bytea, email text, code_hash bytea,
                                             OUT token_id uuid, OUT user_id uuid, OUT address text) RETURNS SETOF record
LANGUAGE sql VOLATILE AS $$
    SELECT f.* FROM mailed_token_find(NULL, kind, tenant, hash, email, code_hash) f
$$;

CREATE OR REPLACE FUNCTION user_create(tenant uuid, sub text, email text, display_name text, avatar_url text, locale text,
                                       is_email_verified boolean, status text, is_active boolean) RETURNS SETOF users
LANGUAGE sql VOLATILE ROWS 1 AS $$
    SELECT * FROM user_create(tenant, sub, NULL, email, display_name, avatar_url, locale, is_email_verified, status, is_active)
$$;

CREATE OR REPLACE FUNCTION invitation_create(organization uuid, email text, role text, token_hash bytea)
RETURNS invitations
LANGUAGE sql VOLATILE AS $$
    SELECT * FROM invitation_create(organization, NULL, email, lower(email), role, token_hash)
$$;

CREATE OR REPLACE FUNCTION oauth_user(provider text, issuer text, subject text, email text, full_name text,
                                      avatar_url text) RETURNS users
LANGUAGE sql VOLATILE AS $$
    SELECT * FROM oauth_user(provider, issuer, subject, NULL, email, full_name, avatar_url)
$$;

CREATE OR REPLACE FUNCTION oauth_sign_in(provider text, issuer text, subject text, email text, is_verified boolean,
                                         full_name text, avatar_url text, OUT user_id uuid, OUT refusal text)
LANGUAGE sql VOLATILE AS $$
    SELECT s.* FROM oauth_sign_in(provider, issuer, subject, NULL, email, is_verified, full_name, avatar_url) s
$$;

CREATE OR REPLACE FUNCTION user_provision(tenant uuid, key bytea, issuer text, subject text, email text, role text)
RETURNS uuid
LANGUAGE sql VOLATILE AS $$
    SELECT user_provision(tenant, key, issuer, subject, email, NULL, role)
$$;

CREATE OR REPLACE FUNCTION identity_user(issuer text, subject text, email text, role text DEFAULT NULL,
                                         full_name text DEFAULT NULL, avatar_url text DEFAULT NULL,
                                         is_email_verified boolean DEFAULT false, is_active boolean DEFAULT true,
                                         deleted_at timestamptz DEFAULT NULL) RETURNS uuid
LANGUAGE sql VOLATILE AS $$
    SELECT identity_made(issuer, subject, NULL, email, role, full_name, avatar_url, is_email_verified, is_active, deleted_at)
$$;

CREATE OR REPLACE FUNCTION address_take(who uuid, address text) RETURNS boolean
LANGUAGE sql VOLATILE AS $$
    SELECT address_take(who, NULL, address)
$$;

CREATE OR REPLACE FUNCTION address_freed(address text) RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT address_freed(NULL, address)
$$;

CREATE OR REPLACE FUNCTION identity_apply(issuer text, subject text, version timestamptz, event text, email text,
                                          full_name text, avatar_url text, is_banned boolean, is_deleted boolean)
RETURNS text
LANGUAGE sql VOLATILE AS $$
    SELECT identity_apply(issuer, subject, version, event, NULL, email, email, full_name, avatar_url, is_banned, is_deleted)
$$;

CREATE OR REPLACE FUNCTION webhook_clerk(e webhook_events, issuer text) RETURNS text
LANGUAGE sql VOLATILE AS $$
    SELECT webhook_clerk(e, issuer, NULL, fit_email(webhook_address(e)))
$$;

CREATE OR REPLACE FUNCTION webhook_supabase(e webhook_events, issuer text) RETURNS text
LANGUAGE sql VOLATILE AS $$
    SELECT webhook_supabase(e, issuer, NULL, fit_email(webhook_address(e)))
$$;

CREATE OR REPLACE FUNCTION webhook_event_process(event uuid, clerk_issuer text, supabase_issuer text, plays text[],
                                                 play jsonb, OUT package text, OUT purchase_token text)
LANGUAGE sql VOLATILE AS $$
    SELECT p.package, p.purchase_token
    FROM webhook_event_process(event, clerk_issuer, supabase_issuer, plays, play, NULL,
                               (SELECT fit_email(webhook_address(e)) FROM webhook_events e
                                WHERE e.tenant_id = (SELECT app_tenant()) AND e.id = event)) p
$$;

CREATE OR REPLACE FUNCTION contact_submit(ip inet, max integer, window_s integer, is_spam boolean, name text, email text, phone text,
                                          company text, subject text, message text, extra_fields jsonb, source text,
                                          notify text, confirm boolean, language text, webhook boolean,
                                          OUT retry_s integer, OUT remaining integer, OUT reset_s integer,
                                          OUT reference_id text)
LANGUAGE sql VOLATILE AS $$
    SELECT s.*
    FROM contact_submit(ip, max, window_s, is_spam, name, email, NULL, phone, company, subject, message, extra_fields, source,
                        notify, confirm, language, webhook) s
$$;

CREATE OR REPLACE FUNCTION user_search(search text, role text, is_active boolean) RETURNS TABLE (id uuid, created_at timestamptz)
LANGUAGE sql STABLE ROWS 100 AS $$
    SELECT * FROM user_candidates(search, role, is_active)
$$;

-- One door for all, which takes roles where there are permissions now.
CREATE OR REPLACE FUNCTION enter(tenant uuid, key bytea, origin text, team boolean, issuer text, subject text,
                                 role text, session uuid, min_role text, organization uuid, org_roles text[],
                                 workspace boolean, test boolean, request jsonb, gate text[], generation integer)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    who     uuid;
    entered text;
BEGIN
    IF min_role IS NOT NULL AND team THEN
        PERFORM enter_team(tenant, key, origin, session, generation, min_role, test, request);
        RETURN;
    ELSIF min_role IS NOT NULL THEN
        who := enter_user(tenant, key, origin, issuer, subject, role, session, generation, min_role, request);
    ELSIF key IS NOT NULL THEN
        PERFORM enter_key(tenant, key, origin, NULL, request);
    ELSE
        PERFORM enter_anyone(tenant, request);
    END IF;
    tenant := app_tenant();
    IF gate IS NOT NULL THEN
        PERFORM enter_gate(tenant, who, gate);
    END IF;
    IF workspace THEN
        PERFORM enter_workspace(tenant, who, organization, org_roles);
    ELSIF organization IS NOT NULL AND (who IS NULL OR org_roles IS NULL) THEN
        PERFORM enter_organization(NULL, organization, NULL, NULL);
    ELSIF organization IS NOT NULL THEN
        SELECT set_config('app.org_role', m.role, true) INTO entered
        FROM memberships m
        WHERE m.tenant_id = tenant AND m.organization_id = organization AND m.user_id = who AND m.is_active
          AND m.role = ANY (org_roles)
          AND EXISTS (SELECT FROM organizations o
                      WHERE o.tenant_id = tenant AND o.id = organization AND o.deleted_at IS NULL);
        IF NOT FOUND THEN
            PERFORM enter_refuse_organization(tenant, organization, who, org_roles);
        END IF;
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION enter(tenant uuid, key bytea, origin text, team boolean, issuer text, subject text,
                                 role text, session uuid, min_role text, organization uuid, org_roles text[],
                                 workspace boolean, test boolean, request jsonb, gate text[]) RETURNS void
LANGUAGE sql VOLATILE
RETURN enter(tenant, key, origin, team, issuer, subject, role, session, min_role, organization, org_roles, workspace,
             test, request, gate, NULL);

-- The workspace that the request is about.
CREATE OR REPLACE FUNCTION enter_workspace(tenant uuid, who uuid, workspace uuid, roles text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    m       record;
    entered text;
BEGIN
    SELECT x.id, x.organization_id, x.role INTO m
    FROM memberships x JOIN organizations o ON o.tenant_id = x.tenant_id AND o.id = x.organization_id
    WHERE x.tenant_id = tenant AND x.user_id = who AND x.is_active AND o.deleted_at IS NULL
      AND x.organization_id = coalesce(workspace, (SELECT u.default_organization_id FROM users u
                                                   WHERE u.tenant_id = tenant AND u.id = who));
    IF NOT FOUND AND workspace IS NULL THEN
        RAISE SQLSTATE 'AS008' USING HINT = 'X-Workspace-Id',
            MESSAGE = 'no workspace is chosen: send X-Workspace-Id, or choose a default organization';
    ELSIF NOT FOUND THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'you are not an active member of this workspace';
    ELSIF m.role <> ALL (roles) THEN
        RAISE SQLSTATE 'AS403' USING
            MESSAGE = format('this needs the role %s in the workspace', array_to_string(roles, ' or '));
    END IF;
    entered := set_config('app.organization_id', m.organization_id::text, true);
    entered := set_config('app.member_id', m.id::text, true);
    entered := set_config('app.org_role', m.role, true);
END
$$;

-- Has the caller one of these roles?  A secret key alone is an editor of its
-- tenant, and never an administrator.
CREATE OR REPLACE FUNCTION enter_gate(tenant uuid, who uuid, gate text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    role text;
BEGIN
    IF who IS NOT NULL THEN
        SELECT u.role INTO role FROM users u WHERE u.tenant_id = tenant AND u.id = who;
    ELSIF app_is_secret() THEN
        role := 'editor';
    END IF;
    IF role IS NULL OR role <> ALL (gate) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = format('this needs one of the roles %s', array_to_string(gate, ', '));
    END IF;
    PERFORM set_config('app.role', role, true);
END
$$;

CREATE OR REPLACE FUNCTION enter_refuse_organization(tenant uuid, organization uuid, who uuid, org_roles text[])
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM organizations o
                   WHERE o.tenant_id = tenant AND o.id = organization AND o.deleted_at IS NULL) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Organization not found', DETAIL = organization::text;
    ELSIF NOT EXISTS (SELECT FROM memberships m
                      WHERE m.tenant_id = tenant AND m.organization_id = organization AND m.user_id = who
                        AND m.is_active) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'you are not a member of this organization';
    END IF;
    RAISE SQLSTATE 'AS403' USING
        MESSAGE = format('this needs the role %s in the organization', array_to_string(org_roles, ' or '));
END
$$;
