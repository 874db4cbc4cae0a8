-- Signing up with a workspace.
--
-- A run begins (signup_begin), and that is committed; the provider of payments is asked, with its id as the name of what is asked for;
-- then account, workspace, owner, what a workspace begins with and the subscription are made in one transaction
-- (signup_finish), or nothing is, and what the provider has made is taken back (signup_undo, worker/signup.c).

-- ---------------------------------------------------------------- beginning

-- The plan that somebody asks for, by its id or name, else the tenant's default one.
CREATE OR REPLACE FUNCTION signup_plan(wanted text) RETURNS SETOF plans
LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
    RETURN QUERY
    SELECT p.* FROM plans p
    WHERE (p.tenant_id = app_tenant() OR p.is_global) AND p.is_active
      AND CASE WHEN wanted IS NULL THEN p.id = (SELECT s.default_plan_id FROM tenant_settings s WHERE s.tenant_id = app_tenant())
               WHEN wanted ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN p.id = wanted::uuid
               ELSE lower(p.name) = lower(wanted) END
    ORDER BY p.is_global, p.created_at
    LIMIT 1;
END
$$;

-- Begin a run.  request: what signup_finish() reads.  lease: until when who began it finishes it; behind that the worker undoes it.
-- hash: the job id's, of a run that the worker finishes.  Raises AS409 where the address has an account, or the invite is being used.
CREATE OR REPLACE FUNCTION signup_begin(kind text, key text, address text, request jsonb, invite uuid, plan uuid, cycle text, affiliate text, hash bytea,
                                        job_sealed text, lease interval) RETURNS uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant uuid := app_tenant();
    made   uuid;
    who    users;
BEGIN
    SELECT x.* INTO who FROM user_find(key, address) x;
    IF who.id IS NOT NULL AND (kind <> 'invite' OR who.is_email_verified OR who.access = 0
                               OR NOT EXISTS (SELECT FROM signup_invites i WHERE i.tenant_id = tenant AND i.id = invite
                                                AND is_same_address(i.email_key, i.email, key, address))) THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'email', MESSAGE = 'this address has an account: sign in';
    ELSIF EXISTS (SELECT FROM signup_runs r WHERE r.tenant_id = tenant AND r.invite_id = invite AND r.ended_at IS NULL) THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'invite_code', MESSAGE = 'the invite is being used right now';
    END IF;
    INSERT INTO signup_runs AS r (tenant_id, kind, email, email_key, request, invite_id, plan_id, interval, affiliate_code, hash, job_sealed, origin, due_at)
    VALUES (tenant, kind, address, key, request, invite, plan, cycle, affiliate, hash, job_sealed,
            jsonb_strip_nulls(jsonb_build_object('ip', host(request_ip()), 'user_agent', request_user_agent())), now() + lease)
    RETURNING r.id INTO made;
    IF hash IS NOT NULL THEN
        PERFORM job_add('ashlar', 'signup', jsonb_build_object('run', made), max_attempts => 6, timeout_s => 120, unique_key => 'signup:' || made);
    END IF;
    RETURN made;
EXCEPTION WHEN unique_violation THEN
    RAISE SQLSTATE 'AS409' USING HINT = 'invite_code', MESSAGE = 'the invite is being used right now';
END
$$;

-- What the provider is asked with, of a run, and where it stands: providers/signup.h.
CREATE OR REPLACE FUNCTION signup_facts(run uuid)
RETURNS TABLE (tenant text, id text, kind text, state text, is_followed boolean, is_due boolean, email text, name text, organization text, price text, tier text, cycle text,
               step text, job_sealed text, trial_days bigint, payment_method text, success_url text, cancel_url text, affiliate text, subscription text, password_hash text, look text,
               is_test boolean, key_sealed text)
LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT r.tenant_id::text, r.id::text, r.kind, r.state, r.hash IS NOT NULL, r.due_at <= now(), r.email, r.request ->> 'company_name', r.organization_id::text,
           x.provider_id, lower(p.name), r.interval, r.step, r.job_sealed, coalesce(nullif(p.trial_days, 0), 3)::bigint, r.request ->> 'payment_method', r.request ->> 'success_url',
           r.request ->> 'cancel_url', r.affiliate_code, i.provider_id, r.request ->> 'password_hash', billing_look()::text,
           EXISTS (SELECT FROM tenants t WHERE t.id = r.tenant_id AND t.test_of IS NOT NULL), a.key_sealed
    FROM signup_runs r
    LEFT JOIN plans p ON p.id = r.plan_id
    LEFT JOIN plan_prices x ON x.tenant_id = p.tenant_id AND x.plan_id = p.id AND x.interval = r.interval
    LEFT JOIN signup_invites i ON i.tenant_id = r.tenant_id AND i.id = r.invite_id
    LEFT JOIN payment_accounts a ON a.tenant_id = r.tenant_id AND a.provider = 'stripe' AND a.is_enabled
    WHERE r.tenant_id = app_tenant() AND r.id = run;
END
$$;

-- ---------------------------------------------------------------- finishing

-- What a workspace begins with.
CREATE OR REPLACE FUNCTION workspace_seed(organization uuid, member uuid) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant uuid := app_tenant();
BEGIN
    INSERT INTO departments (tenant_id, organization_id, name, is_default) VALUES (tenant, organization, 'General', true);
    INSERT INTO recordsets (tenant_id, organization_id, slug, name, type, icon, title_field, fields, owner_id, created_by_id)
    SELECT tenant, organization, s.slug, s.name, s.slug, s.icon, 'name', (
               SELECT jsonb_agg(jsonb_build_object('key', f.key, 'label', f.label, 'type', f.type, 'required', f.key = 'name', 'options', f.options::jsonb, 'default', NULL,
                                                   'description', NULL, 'hidden', false) ORDER BY f.nr)
               FROM unnest(s.keys, s.labels, s.types, s.options) WITH ORDINALITY f (key, label, type, options, nr)),
           member, member
    FROM (VALUES
        ('contacts', 'Contacts', 'person', '{name,email,phone,company}'::text[], '{Name,E-mail,Phone,Company}'::text[], '{text,email,phone,text}'::text[],
         ARRAY['[]', '[]', '[]', '[]']),
        ('properties', 'Properties', 'building', '{name,address,status}', '{Name,Address,Status}', '{text,text,select}',
         ARRAY['[]', '[]', '["available", "reserved", "sold"]']),
        ('operators', 'Operators', 'briefcase', '{name,email,website}', '{Name,E-mail,Website}', '{text,email,url}', ARRAY['[]', '[]', '[]'])
    ) s (slug, name, icon, keys, labels, types, options);
END
$$;

-- Make all of it, once: of a run that was taken from who began it, nothing.
--
--   password_hash  NULL: the run has kept it
--   customer       what the provider made or has; NULL: it was not asked
--   object         the subscription as it shows it (billing_see), read as look; NULL: there is none yet
--
-- Raises AS409: the address has an account meanwhile, or the run was taken; AS410: the subscription of the invite has ended.
CREATE OR REPLACE FUNCTION signup_finish(run uuid, password_hash text, customer text, object jsonb, look bigint,
                                         OUT user_id uuid, OUT organization_id uuid, OUT member_id uuid)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant uuid := app_tenant();
    r      signup_runs;
    i      signup_invites;
    u      users;
    q      jsonb;
    name   text;
BEGIN
    SELECT x.* INTO r FROM signup_runs x WHERE x.tenant_id = tenant AND x.id = run FOR UPDATE;
    IF r.state IS DISTINCT FROM 'running' THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'this took too long, and was undone: try again';
    END IF;
    q := r.request;
    password_hash := coalesce(password_hash, q ->> 'password_hash');
    IF r.kind = 'invite' THEN
        SELECT x.* INTO i FROM signup_invites x WHERE x.tenant_id = tenant AND x.id = r.invite_id FOR UPDATE;
        IF i.used_at IS NOT NULL THEN
            RAISE SQLSTATE 'AS409' USING MESSAGE = 'the invite was used', HINT = 'invite_code';
        ELSIF object IS NOT NULL AND NOT subscription_is_live(object ->> 'status') THEN
            RAISE SQLSTATE 'AS410' USING MESSAGE = 'the subscription that the invite is for has ended', HINT = 'invite_code';
        END IF;
        customer := i.customer_id;
    END IF;

    -- The account.  The mail of an invite proves its address, and no other.
    SELECT x.* INTO u FROM user_find(r.email_key, r.email) x;
    user_id := u.id;
    IF u.id IS NULL THEN
        SELECT x INTO user_id FROM user_register(r.email_key, r.email, r.email, password_hash, q ->> 'name', coalesce(q ->> 'locale', 'en')) x;
    ELSIF r.kind <> 'invite' OR u.is_email_verified OR u.access = 0 OR NOT is_same_address(i.email_key, i.email, u.email_key, u.email) THEN
        user_id := NULL;
    END IF;
    IF user_id IS NULL THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'email', MESSAGE = 'this address has an account: sign in';
    END IF;
    IF r.kind = 'invite' AND is_same_address(i.email_key, i.email, r.email_key, r.email) THEN
        user_id := address_proved(user_id, 'signup', jsonb_build_object('password_hash', password_hash, 'display_name', q ->> 'name'));
    END IF;
    IF q ->> 'clerk_id' IS NOT NULL THEN
        INSERT INTO identities (tenant_id, issuer, subject, user_id) VALUES (tenant, q ->> 'clerk_issuer', q ->> 'clerk_id', user_id) ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RAISE SQLSTATE 'AS409' USING HINT = 'clerk_id', MESSAGE = 'this user of Clerk''s has an account: sign in';
        END IF;
    END IF;
    PERFORM act_as(user_id);

    -- The workspace, with its owner.
    organization_id := r.organization_id;
    name := q ->> 'company_name';
    INSERT INTO organizations (tenant_id, id, name, slug, timezone)
    VALUES (tenant, organization_id, name, workspace_slug(name), coalesce(q ->> 'timezone', 'UTC'));
    UPDATE users x SET default_organization_id = organization_id WHERE x.tenant_id = tenant AND x.id = user_id;
    INSERT INTO memberships AS m (tenant_id, organization_id, user_id, role) VALUES (tenant, organization_id, user_id, 'owner')
    RETURNING m.id INTO member_id;
    UPDATE member_profiles x SET title = q ->> 'title', phone = q ->> 'phone'
    WHERE x.tenant_id = tenant AND x.organization_id = organization_id AND x.member_id = member_id AND (q ->> 'title' IS NOT NULL OR q ->> 'phone' IS NOT NULL);
    PERFORM set_config('app.organization_id', organization_id::text, true), set_config('app.member_id', member_id::text, true),
            set_config('app.org_role', 'owner', true);
    PERFORM workspace_seed(organization_id, member_id);
    PERFORM audit('organization.create', 'organization', organization_id::text,
                  jsonb_build_object('name', name, 'method', 'signup', 'affiliate_code', r.affiliate_code));

    -- What it is subscribed to.
    IF customer IS NOT NULL THEN
        PERFORM billing_customer_keep(organization_id, NULL, 'stripe', customer);
    END IF;
    IF object IS NOT NULL THEN
        PERFORM billing_see('stripe', object, look);
    ELSIF r.kind = 'invite' THEN
        PERFORM billing_look_add('stripe', 'subscription', i.provider_id, NULL);
    ELSIF r.plan_id IS NOT NULL THEN
        PERFORM billing_lock(organization_id), subscription_start(organization_id, NULL, r.plan_id, r.interval, '{}');
    END IF;
    UPDATE signup_invites x SET used_at = now(), organization_id = signup_finish.organization_id WHERE x.tenant_id = tenant AND x.id = i.id;
    UPDATE signup_runs x
    SET state = 'done', step = 'done', request = '{}', user_id = signup_finish.user_id, ended_at = now()
    WHERE x.tenant_id = tenant AND x.id = run;
END
$$;

-- The user of a run that is done; what follows is from where they asked.
CREATE OR REPLACE FUNCTION signup_origin(run uuid) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    r signup_runs;
BEGIN
    SELECT x.* INTO r FROM signup_runs x WHERE x.tenant_id = app_tenant() AND x.id = run;
    PERFORM set_config('app.request', (coalesce(nullif(current_setting('app.request', true), ''), '{}')::jsonb || r.origin)::text, true);
    RETURN r.user_id;
END
$$;

-- ---------------------------------------------------------------- failing

-- What was begun is not finished: the worker takes back what the provider has made of it.  Nothing to do where it has ended.
CREATE OR REPLACE FUNCTION signup_undo(run uuid, why text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
    UPDATE signup_runs r SET state = 'undoing', error = left(why, 2000), due_at = now()
    WHERE r.tenant_id = app_tenant() AND r.id = run AND r.state = 'running';
    IF FOUND THEN
        PERFORM job_add('ashlar', 'signup', jsonb_build_object('run', run), max_attempts => 6, timeout_s => 120, unique_key => 'signup:' || run);
    END IF;
END
$$;

-- It has failed, and nothing is left of it.  event: what who follows it is told.
CREATE OR REPLACE FUNCTION signup_failed(run uuid, why text, event jsonb) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    r signup_runs;
BEGIN
    UPDATE signup_runs x
    SET state = 'failed', request = '{}', error = left(coalesce(x.error, why), 2000), ended_at = now()
    WHERE x.tenant_id = app_tenant() AND x.id = run AND x.state IN ('running', 'undoing')
    RETURNING x.* INTO r;
    IF r.hash IS NOT NULL AND event IS NOT NULL THEN
        PERFORM realtime_put('signup:' || run, event, NULL, 'event', 'message', true);
    END IF;
END
$$;

-- Tell who follows a run that has ended well, and keep the last event for who comes later.
CREATE OR REPLACE FUNCTION signup_told(run uuid, events jsonb) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    n integer := jsonb_array_length(events);
BEGIN
    UPDATE signup_runs r SET sealed = events -> -1 ->> 'sealed' WHERE r.tenant_id = app_tenant() AND r.id = run;
    PERFORM realtime_put('signup:' || run, e.event, NULL, 'event', 'message', e.nr = n)
    FROM (SELECT x.event, x.nr FROM jsonb_array_elements(events) WITH ORDINALITY x (event, nr) ORDER BY x.nr) e;
END
$$;

-- ---------------------------------------------------------------- by the clock

-- Of all tenants: runs that whoever began them has not finished are given to the worker, and what was sealed for ten minutes is
-- forgotten.  How many there were.  As the owner, whom a policy lets see those.
CREATE OR REPLACE FUNCTION signup_sweep() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    here text := current_setting('app.tenant_id', true);
    r    record;
    n    bigint := 0;
BEGIN
    FOR r IN SELECT x.tenant_id, x.id FROM signup_runs x WHERE x.ended_at IS NULL AND x.due_at <= now() ORDER BY x.due_at LOOP
        PERFORM set_config('app.tenant_id', r.tenant_id::text, true);
        PERFORM job_add('ashlar', 'signup', jsonb_build_object('run', r.id), max_attempts => 6, timeout_s => 120, unique_key => 'signup:' || r.id);
        n := n + 1;
    END LOOP;
    FOR r IN SELECT x.tenant_id, x.id FROM signup_runs x WHERE x.sealed IS NOT NULL AND x.ended_at < now() - interval '10 minutes' LOOP
        PERFORM set_config('app.tenant_id', r.tenant_id::text, true);
        UPDATE signup_runs x SET sealed = NULL WHERE x.tenant_id = r.tenant_id AND x.id = r.id;
    END LOOP;
    PERFORM set_config('app.tenant_id', coalesce(here, ''), true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION signup_sweep() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION signup_sweep() TO ashlar_api;
