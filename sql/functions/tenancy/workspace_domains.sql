-- Joining a workspace by the domain of one's address.
--
-- Two things are shown, each by who can: that the domain is the workspace's, by a record in its DNS, and that the address is the user's,
-- by a mail or an issuer (users.is_email_verified).  Of a tenant's workspaces one holds a domain; a claim that is not verified
-- is in nobody's way.  What DNS is asked, and when, is handlers/tenancy/domains.c and worker/domains.c; here is what comes of it.

-- The domain of an address; NULL: there is none.
CREATE OR REPLACE FUNCTION address_domain(key text, spelling text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN nullif(split_part(address_name(key, spelling), '@', -1), '');

-- What is kept of the address of who was removed.
CREATE OR REPLACE FUNCTION address_hash(key text, spelling text) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(convert_to(address_name(key, spelling), 'UTF8'));

-- Claim a domain for the caller's workspace, for owners and admins: 20 at most.  Raises AS403, AS409, and the unique violation
-- workspace_domains_domain_unique.
CREATE OR REPLACE FUNCTION domain_claim(domain text, role text) RETURNS workspace_domains
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    mine text := workspace_lock();
    made workspace_domains;
BEGIN
    IF role_rank(mine) < role_rank('admin') THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this is for owners and admins';
    ELSIF (SELECT count(*) FROM workspace_domains d WHERE d.tenant_id = app_tenant() AND d.organization_id = app_organization()) >= 20 THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the workspace has 20 domains: remove one first';
    END IF;
    INSERT INTO workspace_domains (tenant_id, organization_id, domain, role) VALUES (app_tenant(), app_organization(), domain, role)
    RETURNING * INTO made;
    PERFORM domain_audit('domain.claim', made, jsonb_build_object('role', made.role));
    RETURN made;
END
$$;

-- What is put down about one.
CREATE OR REPLACE FUNCTION domain_audit(action text, d workspace_domains, details jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    is_nobody boolean := nullif(current_setting('app.request', true), '') IS NULL;
BEGIN
    PERFORM audit(action, 'domain', d.id::text, jsonb_build_object('organization_id', d.organization_id, 'domain', d.domain) || details,
                  CASE WHEN is_nobody THEN 'domains' END, CASE WHEN is_nobody THEN 'system' END);
END
$$;

-- Its record was looked for: found, missing, or unanswered, where DNS did not say.  Found it is the workspace's.  One that was its is not any more once the
-- record has been missing for 3 days, or unanswered for 14: the owners read so.  No row: there is none.
--
-- Raises the unique violation workspace_domains_verified_unique: another workspace has it.
CREATE OR REPLACE FUNCTION domain_checked(organization uuid, domain_id uuid, outcome text) RETURNS SETOF workspace_domains
LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_variable
DECLARE
    tenant uuid := app_tenant();
    had    workspace_domains;
    d      workspace_domains;
    stays  boolean;    -- it is the workspace's, still or now
BEGIN
    SELECT x.* INTO had FROM workspace_domains x
    WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id = domain_id
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF outcome = 'found' AND had.verified_at IS NULL THEN    -- a workspace that is no more holds nothing
        UPDATE workspace_domains x SET verified_at = NULL, joining_enabled = false
        WHERE x.tenant_id = tenant AND x.domain = had.domain AND x.verified_at IS NOT NULL
          AND EXISTS (SELECT FROM organizations o WHERE o.tenant_id = x.tenant_id AND o.id = x.organization_id AND o.deleted_at IS NOT NULL);
    END IF;
    stays := outcome = 'found' OR had.verified_at IS NOT NULL
             AND had.seen_at > now() - CASE outcome WHEN 'missing' THEN interval '3 days' ELSE interval '14 days' END;
    UPDATE workspace_domains x
    SET outcome = domain_checked.outcome, checked_at = now(),
        seen_at = CASE WHEN domain_checked.outcome = 'found' THEN now() ELSE x.seen_at END,
        verified_at = CASE WHEN stays THEN coalesce(x.verified_at, now()) END, joining_enabled = x.joining_enabled AND stays,
        due_at = now() + CASE domain_checked.outcome WHEN 'found' THEN interval '24 hours' ELSE interval '6 hours' END
    WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id = domain_id
    RETURNING x.* INTO d;
    IF d.verified_at IS NOT NULL AND had.verified_at IS NULL THEN
        UPDATE workspace_domains x SET lapsed_at = NULL
        WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id = domain_id AND x.lapsed_at IS NOT NULL;
        d.lapsed_at := NULL;
        PERFORM domain_audit('domain.verify', d, '{}');
    ELSIF d.verified_at IS NULL AND had.verified_at IS NOT NULL THEN
        d := domain_lapse(d);
    END IF;
    RETURN NEXT d;
END
$$;

-- The record of one has been gone for too long.
CREATE OR REPLACE FUNCTION domain_lapse(d workspace_domains) RETURNS workspace_domains
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE workspace_domains x SET lapsed_at = now()
    WHERE x.tenant_id = d.tenant_id AND x.organization_id = d.organization_id AND x.id = d.id
    RETURNING x.* INTO d;
    PERFORM domain_audit('domain.lapse', d, '{}');
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    SELECT u.tenant_id, 'ashlar.mail', 'mail', jsonb_build_object('template', 'domain_lapsed', 'to', u.email, 'user', u.id, 'locale', u.locale, 'data',
               jsonb_build_object('workspace', o.name, 'domain', d.domain))
    FROM memberships m
    JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id AND u.access > 0 AND u.email IS NOT NULL
    JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id AND o.deleted_at IS NULL
    WHERE m.tenant_id = d.tenant_id AND m.organization_id = d.organization_id AND m.role = 'owner' AND m.is_active;
    RETURN d;
END
$$;

-- Give the worker the domains whose records are to be looked for again, of all tenants; how many.  As the owner, whom a policy lets see what is due.
CREATE OR REPLACE FUNCTION domains_due(batch integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    here text := coalesce(current_setting('app.tenant_id', true), '');
    r    record;
    n    integer := 0;
BEGIN
    FOR r IN SELECT d.tenant_id, d.organization_id, d.id FROM workspace_domains d WHERE d.verified_at IS NOT NULL AND d.due_at <= now()
             ORDER BY d.due_at LIMIT batch LOOP
        PERFORM set_config('app.tenant_id', r.tenant_id::text, true);
        UPDATE workspace_domains d SET due_at = now() + interval '24 hours'
        WHERE d.tenant_id = r.tenant_id AND d.organization_id = r.organization_id AND d.id = r.id AND d.due_at <= now();
        IF FOUND THEN
            PERFORM job_add('ashlar', 'domain.check', jsonb_build_object('organization_id', r.organization_id, 'domain_id', r.id), max_attempts => 5, timeout_s => 60,
                            unique_key => 'domain:' || r.id);
        END IF;
        n := n + 1;
    END LOOP;
    PERFORM set_config('app.tenant_id', here, true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION domains_due(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION domains_due(integer) TO ashlar_api;

-- What a look needs of one.  No row: there is none.
CREATE OR REPLACE FUNCTION domain_facts(organization uuid, domain_id uuid) RETURNS SETOF workspace_domains
LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
    RETURN QUERY SELECT d.* FROM workspace_domains d WHERE d.tenant_id = app_tenant() AND d.organization_id = organization AND d.id = domain_id;
END
$$;

-- ---------------------------------------------------------------- joining

-- Was who has this account, or this address, taken out of the workspace by somebody else, and not asked back?
CREATE OR REPLACE FUNCTION is_removed(organization uuid, u users) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM membership_removals r WHERE r.tenant_id = u.tenant_id AND r.organization_id = organization AND r.user_id = u.id)
        OR EXISTS (SELECT FROM membership_removals r
                   WHERE r.tenant_id = u.tenant_id AND r.organization_id = organization AND r.address_hash = address_hash(u.email_key, u.email));
END
$$;

-- The domains by which a user may join a workspace: those of the address that they have proved.
CREATE OR REPLACE FUNCTION joinable_domains(who uuid) RETURNS SETOF workspace_domains
LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
    RETURN QUERY
    SELECT d.*
    FROM users u
    JOIN workspace_domains d ON d.tenant_id = u.tenant_id AND d.domain = address_domain(u.email_key, u.email) AND d.verified_at IS NOT NULL AND d.joining_enabled
    JOIN organizations o ON o.tenant_id = d.tenant_id AND o.id = d.organization_id AND o.deleted_at IS NULL
    WHERE u.tenant_id = app_tenant() AND u.id = who AND u.is_email_verified;
END
$$;

-- The caller joins.  An invitation that waits for them is accepted by it, and decides the role.  Raises AS403, AS404, AS409 and AS410.
--
-- (The row of users is changed before the membership: see announcements.sql.)
CREATE OR REPLACE FUNCTION workspace_join(workspace uuid) RETURNS memberships
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    who    users;
    d      workspace_domains;
    i      invitations;
    m      memberships;
BEGIN
    IF request_is_impersonated() THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'who acts as a user joins nothing for them';
    END IF;
    PERFORM organization_lock(workspace);
    SELECT u.* INTO who FROM users u WHERE u.tenant_id = tenant AND u.id = app_user();
    SELECT x.* INTO m FROM memberships x WHERE x.tenant_id = tenant AND x.organization_id = workspace AND x.user_id = who.id;
    SELECT x.* INTO d FROM joinable_domains(who.id) x WHERE x.organization_id = workspace;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Workspace not found', DETAIL = workspace::text;
    ELSIF m.is_active THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'you are a member of this workspace already';
    END IF;
    SELECT f.* INTO i FROM invitations_find(who.email_key, who.email) f
    WHERE f.organization_id = workspace AND f.expires_at > now()
      AND (m.id IS NULL OR (SELECT x.revives FROM invitation_details x WHERE x.tenant_id = tenant AND x.invitation_id = f.id))
    LIMIT 1;
    IF i.id IS NULL AND (m.id IS NOT NULL OR is_removed(workspace, who)) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'you were taken out of this workspace: ask to be invited';
    END IF;
    UPDATE users u SET default_organization_id = workspace WHERE u.tenant_id = tenant AND u.id = who.id AND u.default_organization_id IS NULL;
    IF i.id IS NOT NULL THEN
        m := invitation_settle(i, who.id);
    ELSE
        INSERT INTO memberships (tenant_id, organization_id, user_id, role) VALUES (tenant, workspace, who.id, d.role) RETURNING * INTO m;
        UPDATE member_profiles p SET accepted_at = now() WHERE p.tenant_id = tenant AND p.organization_id = workspace AND p.member_id = m.id;
    END IF;
    PERFORM member_audit('member.join', m, jsonb_build_object('domain', d.domain, 'role', m.role));
    RETURN m;
END
$$;

-- Who was taken out is remembered until somebody lets them in again; who has left is not.
CREATE OR REPLACE FUNCTION membership_remember() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO membership_removals (tenant_id, organization_id, user_id, address_hash)
        SELECT u.tenant_id, o.id, u.id, address_hash(u.email_key, u.email)
        FROM organizations o JOIN users u ON u.tenant_id = o.tenant_id AND u.id = OLD.user_id
        WHERE o.tenant_id = OLD.tenant_id AND o.id = OLD.organization_id AND OLD.user_id IS DISTINCT FROM app_user()
        ON CONFLICT ON CONSTRAINT membership_removals_pkey DO UPDATE SET address_hash = excluded.address_hash;
    ELSE
        DELETE FROM membership_removals r
        USING users u
        WHERE u.tenant_id = NEW.tenant_id AND u.id = NEW.user_id
          AND r.tenant_id = NEW.tenant_id AND r.organization_id = NEW.organization_id
          AND (r.user_id = u.id OR r.address_hash = address_hash(u.email_key, u.email));
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER memberships_remember_made AFTER INSERT ON memberships FOR EACH ROW EXECUTE FUNCTION membership_remember();
CREATE OR REPLACE TRIGGER memberships_remember_gone AFTER DELETE ON memberships FOR EACH ROW EXECUTE FUNCTION membership_remember();
