-- Who has paid before there was an account: a checkout that a provider tells of, and that is nobody's here, becomes an invite
-- that goes to the address that paid.

-- The checkout that an event tells of, where an invite is to be made for it: it has a subscription, is paid or needed no
-- payment yet, and neither its customer nor what we gave the provider to keep names anybody here.  All are null else.
--
-- Whether the address has an account is signup_invite_make()'s to say.
CREATE OR REPLACE FUNCTION signup_invite_wanted(event uuid, OUT subscription text, OUT customer text, OUT address text, OUT full_name text,
                                                OUT locale text, OUT meta jsonb, OUT is_test boolean, OUT key_sealed text)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_variable
DECLARE
    e webhook_events;
    o jsonb;
BEGIN
    SELECT * INTO e
    FROM webhook_events x
    WHERE x.tenant_id = app_tenant() AND x.id = event AND x.provider = 'stripe' AND x.type = 'checkout.session.completed';
    o := e.payload #> '{data,object}';
    IF json_id(o -> 'subscription') IS NULL OR json_id(o -> 'customer') IS NULL OR o ->> 'payment_status' NOT IN ('paid', 'no_payment_required') THEN
        RETURN;
    END IF;
    meta := coalesce(o -> 'metadata', '{}');
    IF meta ?| '{organization_id,user_id,org_id}'
       OR EXISTS (SELECT FROM billing_customers c
                  WHERE c.tenant_id = app_tenant() AND c.provider = 'stripe' AND c.provider_id = json_id(o -> 'customer'))
       OR EXISTS (SELECT FROM users u WHERE u.tenant_id = app_tenant() AND u.public_id = o ->> 'client_reference_id')
       OR EXISTS (SELECT FROM organizations x
                  WHERE x.tenant_id = app_tenant()
                    AND x.id = CASE WHEN o ->> 'client_reference_id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN (o ->> 'client_reference_id')::uuid END) THEN
        RETURN;
    END IF;
    address := coalesce(o #>> '{customer_details,email}', o ->> 'customer_email');
    IF fit_email(address) IS NULL THEN
        address := NULL;
        RETURN;
    END IF;
    subscription := json_id(o -> 'subscription');
    customer := json_id(o -> 'customer');
    full_name := left(nullif(btrim(o #>> '{customer_details,name}'), ''), 255);
    locale := CASE WHEN o ->> 'locale' ~ '^[a-z]{2}(-[A-Za-z]{2,4})?$' THEN o ->> 'locale' ELSE 'en' END;
    is_test := EXISTS (SELECT FROM tenants t WHERE t.id = app_tenant() AND t.test_of IS NOT NULL);
    key_sealed := (SELECT a.key_sealed FROM payment_accounts a WHERE a.tenant_id = app_tenant() AND a.provider = 'stripe' AND a.is_enabled);
END
$$;

-- Make it, and send it; once for each subscription.  object is what the provider shows of that (providers/stripe_billing.h); NULL: it
-- could not be asked, and meta is all there is.  An account that no user has proved to be theirs is as good as none.
--
-- False: there is an account, which is told to nobody here, or the subscription has ended, or it was made before.
CREATE OR REPLACE FUNCTION signup_invite_make(subscription text, customer text, object jsonb, meta jsonb, key text, address text, full_name text,
                                              locale text, hash bytea, sealed text, mail jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant uuid := app_tenant();
    p      plans;
    made   uuid;
    tier   text := left(coalesce(nullif(meta ->> 'tier', ''), 'paid'), 100);
BEGIN
    IF EXISTS (SELECT FROM user_find(key, address) u WHERE u.is_email_verified OR u.access = 0)
       OR object IS NOT NULL AND NOT subscription_is_live(object ->> 'status') THEN
        RETURN false;
    END IF;
    SELECT x.* INTO p FROM plan_of_price('stripe', object ->> 'price', NULL) x;
    INSERT INTO signup_invites (tenant_id, email, email_key, full_name, company_name, hash, sealed, customer_id, provider_id, plan_id, tier, tier_name,
                                interval, locale)
    VALUES (tenant, address, key, full_name, left(nullif(btrim(meta ->> 'company_name'), ''), 255), hash, sealed, customer, subscription, p.id,
            coalesce(lower(p.name), tier), coalesce(p.name, initcap(tier)),
            CASE WHEN coalesce(object ->> 'interval', meta ->> 'cycle', meta ->> 'billing_period') IN ('year', 'yearly') THEN 'year' ELSE 'month' END,
            locale)
    ON CONFLICT ON CONSTRAINT signup_invites_once DO NOTHING
    RETURNING id INTO made;
    IF made IS NULL THEN
        RETURN false;
    END IF;
    PERFORM job_add('ashlar.mail', 'mail', mail || jsonb_build_object('data', jsonb_build_object('plan', coalesce(p.name, initcap(tier)))));
    PERFORM audit('signup_invite.create', 'signup_invite', made::text, jsonb_build_object('provider_id', subscription, 'plan', coalesce(p.name, tier)));
    RETURN true;
END
$$;

-- What becomes of an invite: 'used', 'expired' or 'pending'.
CREATE OR REPLACE FUNCTION signup_invite_status(used_at timestamptz, expires_at timestamptz) RETURNS text
LANGUAGE sql STABLE
RETURN CASE WHEN used_at IS NOT NULL THEN 'used' WHEN expires_at <= now() THEN 'expired' ELSE 'pending' END;

-- Of an address the newest invite that is pending, else the newest.
CREATE OR REPLACE FUNCTION signup_invite_find(key text, spelling text) RETURNS SETOF signup_invites
LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
    RETURN QUERY
    SELECT x.*
    FROM (SELECT a.* FROM signup_invites a WHERE a.tenant_id = app_tenant() AND a.email_key = key
          UNION
          SELECT b.* FROM signup_invites b WHERE b.tenant_id = app_tenant() AND b.email IN (spelling, lower(spelling))) x
    ORDER BY signup_invite_status(x.used_at, x.expires_at) <> 'pending', x.created_at DESC, x.id DESC
    LIMIT 1;
END
$$;

-- The invite of a code.  Raises AS404, AS409 where it was used, AS410 where it has run out.
CREATE OR REPLACE FUNCTION signup_invite_open(code_hash bytea) RETURNS SETOF signup_invites
LANGUAGE plpgsql STABLE ROWS 1 AS $$
DECLARE
    i signup_invites;
BEGIN
    SELECT x.* INTO i FROM signup_invites x WHERE x.tenant_id = app_tenant() AND x.hash = code_hash;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'there is no such invite', HINT = 'invite_code';
    ELSIF i.used_at IS NOT NULL THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the invite was used', HINT = 'invite_code';
    ELSIF i.expires_at <= now() THEN
        RAISE SQLSTATE 'AS410' USING MESSAGE = 'the invite has run out', HINT = 'invite_code';
    END IF;
    RETURN NEXT i;
END
$$;

-- Somebody has the address and not the access code: that is put down, and the mail goes again, once an hour and within the limits of
-- mails.  False: none goes.
CREATE OR REPLACE FUNCTION signup_invite_send(invite uuid, mail jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    i signup_invites;
BEGIN
    PERFORM audit('signup_invite.mismatch', 'signup_invite', invite::text);
    SELECT x.* INTO i
    FROM signup_invites x
    WHERE x.tenant_id = app_tenant() AND x.id = invite AND x.used_at IS NULL AND x.expires_at > now()
      AND x.mailed_at <= now() - interval '1 hour'
    FOR NO KEY UPDATE;
    IF NOT FOUND OR mail_take(limit_ip(request_ip()), NULL, limit_account(i.email_key, i.email)) > 0 THEN
        RETURN false;
    END IF;
    UPDATE signup_invites x SET mailed_at = now() WHERE x.tenant_id = i.tenant_id AND x.id = i.id;
    PERFORM job_add('ashlar.mail', 'mail', mail);
    RETURN true;
END
$$;
