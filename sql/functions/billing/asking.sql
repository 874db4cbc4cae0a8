-- What is done about a subscription: who may, what the provider is asked for, and what it came to.

-- The organization that is meant: the one of a subscription, one that is named, or the user's default one.  who: the user who
-- acts, who must have the permission there; NULL: a server, for which the secret key vouches.  Raises AS404 and AS403.
CREATE OR REPLACE FUNCTION billing_organization(organization uuid, subscription uuid, who uuid, permission text) RETURNS uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    place uuid := organization;
BEGIN
    IF who IS NOT NULL AND NOT EXISTS (SELECT FROM users u WHERE u.tenant_id = app_tenant() AND u.id = who AND u.deleted_at IS NULL) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'User not found', DETAIL = who::text, HINT = 'user_id';
    END IF;
    IF subscription IS NOT NULL THEN
        SELECT s.organization_id INTO place
        FROM subscriptions s
        WHERE s.tenant_id = app_tenant() AND s.id = subscription AND s.organization_id IS NOT NULL;
        IF NOT FOUND THEN
            RAISE SQLSTATE 'AS404' USING MESSAGE = 'Subscription not found', DETAIL = subscription::text;
        END IF;
    ELSIF place IS NULL THEN
        SELECT u.default_organization_id INTO place FROM users u WHERE u.tenant_id = app_tenant() AND u.id = who;
        IF place IS NULL THEN
            RAISE SQLSTATE 'AS404' USING MESSAGE = 'there is no default organization: name one';
        END IF;
    END IF;
    PERFORM enter_organization(who, place, permission, (SELECT p.roles FROM permissions p WHERE p.name = permission));
    RETURN place;
END
$$;

-- A plan that can be subscribed to.  Raises AS404.
CREATE OR REPLACE FUNCTION plan_sold(plan uuid) RETURNS SETOF plans
LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
    RETURN QUERY SELECT * FROM plans p WHERE (p.tenant_id = app_tenant() OR p.is_global) AND p.id = plan AND p.is_active;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Plan not found', DETAIL = plan::text;
    END IF;
END
$$;

-- What a plan's price is to people who pay for another: of what costs nothing, 0; by the year, so that cycles compare.
CREATE OR REPLACE FUNCTION yearly_cost(amount bigint, cycle text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(amount, 0)::numeric * CASE cycle WHEN 'year' THEN 1 WHEN 'month' THEN 12 WHEN 'week' THEN 52 ELSE 365 END;

-- Begin to ask the provider for something, or go on with it where the same was begun and did not end: the operation is committed
-- before anything is asked.  kind: checkout, portal, cancel (with the period), end (now), resume,
-- change, details; preview: what a change would be, and look: neither is an operation.  plan and cycle: of a checkout, a change and a preview.
--
-- Raises AS404: there is no subscription; AS409: it is in no state for that.
CREATE OR REPLACE FUNCTION billing_ask(kind text, organization uuid, who uuid, plan uuid, cycle text, request jsonb,
    OUT tenant uuid, OUT operation uuid, OUT look bigint, OUT is_test boolean, OUT customer text, OUT email text, OUT name text,
    OUT subscription uuid, OUT provider_id text, OUT item_id text, OUT schedule_id text, OUT will_cancel boolean, OUT quantity bigint,
    OUT period_end bigint, OUT step text, OUT price text, OUT plan_name text, OUT price_shown text, OUT tier text, OUT waiting uuid,
    OUT new_cycle text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    owner uuid := coalesce(organization, who);
    s     subscriptions;
    p     plans;
    x     plan_prices;
    whole jsonb;
    wants uuid := plan;
BEGIN
    PERFORM billing_lock(owner);
    SELECT * INTO s FROM subscriptions y WHERE y.tenant_id = app_tenant() AND y.owner_id = owner AND y.is_current;
    IF kind IN ('change', 'preview') AND cycle IS NOT NULL THEN
        wants := coalesce(plan, s.plan_id);
    END IF;
    whole := coalesce(request, '{}') || jsonb_strip_nulls(jsonb_build_object('plan', wants, 'cycle', cycle));
    tenant := app_tenant();
    is_test := EXISTS (SELECT FROM tenants t WHERE t.id = tenant AND t.test_of IS NOT NULL);
    IF kind IN ('cancel', 'end', 'resume', 'change', 'preview') AND s.id IS NULL THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'there is no active subscription';
    ELSIF kind LIKE 'checkout%' AND s.provider_id IS NOT NULL AND subscription_is_live(s.status) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'there is an active subscription; change its plan instead';
    ELSIF kind = 'resume' AND (NOT s.cancel_at_period_end OR s.period_end <= now()) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the subscription is not about to end';
    END IF;
    IF wants IS NOT NULL THEN
        SELECT * INTO p FROM plan_sold(wants);
        SELECT * INTO x FROM plan_prices y WHERE y.tenant_id = p.tenant_id AND y.plan_id = p.id AND y.interval = coalesce(cycle, s.interval, 'month');
        price := x.provider_id;
        new_cycle := coalesce(cycle, s.interval, 'month');
        plan_name := p.name;
        price_shown := amount_text(x.amount, p.currency);
        tier := lower(p.name);
        IF kind LIKE 'checkout%' AND p.is_free THEN
            RAISE SQLSTATE 'AS409' USING MESSAGE = 'this plan costs nothing, and needs no checkout';
        END IF;
    END IF;
    -- What a change is: none, here alone, at once, or at the period's end.
    IF kind IN ('change', 'preview') THEN
        step := CASE
            WHEN wants IS NULL THEN 'same'
            WHEN p.id = s.plan_id AND coalesce(cycle, s.interval) = s.interval THEN CASE WHEN s.next_plan_id IS NULL THEN 'same' ELSE 'stay' END
            WHEN s.provider_id IS NULL AND (p.is_free OR s.status = 'incomplete') THEN 'here'
            WHEN s.provider_id IS NULL THEN 'unpaid'
            WHEN p.is_free THEN 'end'
            WHEN lower(p.currency) <> s.currency THEN 'currency'
            WHEN yearly_cost(x.amount, x.interval) >= yearly_cost(s.amount, s.interval) THEN 'upgrade'
            ELSE 'downgrade' END;
        IF step = 'currency' THEN
            RAISE SQLSTATE 'AS409' USING MESSAGE = format('the subscription is paid in %s, and that plan in %s', upper(s.currency), upper(p.currency));
        END IF;
    END IF;

    SELECT c.provider_id INTO customer FROM billing_customers c WHERE c.tenant_id = tenant AND c.owner_id = owner AND c.provider = 'stripe';
    SELECT u.email, coalesce(u.full_name, u.email) INTO email, name FROM users u WHERE u.tenant_id = tenant AND u.id = coalesce(who, app_user());
    IF organization IS NOT NULL THEN
        SELECT o.name INTO name FROM organizations o WHERE o.tenant_id = tenant AND o.id = organization;
    END IF;
    subscription := s.id;
    provider_id := s.provider_id;
    item_id := s.item_id;
    schedule_id := s.schedule_id;
    will_cancel := s.cancel_at_period_end;
    quantity := s.quantity;
    period_end := extract(epoch FROM s.period_end)::bigint;
    waiting := CASE WHEN s.provider_id IS NULL AND s.status = 'incomplete' THEN s.id END;

    look := billing_look();
    IF kind IN ('preview', 'look') THEN
        operation := uuid_v7();    -- a name at the provider; asked twice, it is answered anew
        RETURN;
    END IF;
    SELECT o.id INTO operation
    FROM billing_operations o
    WHERE o.tenant_id = tenant AND o.owner_id = owner AND o.kind = billing_ask.kind AND o.state = 'asked' AND o.request = whole
      AND o.created_at > now() - interval '23 hours'
    ORDER BY o.created_at DESC
    LIMIT 1;
    -- Whoever asks for the same seats again within ten seconds has pressed twice: it is the same page.
    IF NOT FOUND AND kind = 'seats' THEN
        SELECT o.id INTO operation
        FROM billing_operations o
        WHERE o.tenant_id = tenant AND o.owner_id = owner AND o.kind = 'seats' AND o.state = 'done' AND o.request = whole
          AND o.ended_at > now() - interval '10 seconds'
        ORDER BY o.created_at DESC
        LIMIT 1;
    END IF;
    IF NOT FOUND THEN
        INSERT INTO billing_operations AS o (tenant_id, organization_id, user_id, kind, request, provider)
        VALUES (tenant, organization, CASE WHEN organization IS NULL THEN who END, billing_ask.kind, whole, 'stripe')
        RETURNING o.id INTO operation;
    END IF;
END
$$;

-- A provider knows of no such subscription any more, so it has ended; its seats are gone.
CREATE OR REPLACE FUNCTION subscription_lost(subscription uuid) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    s subscriptions;
BEGIN
    SELECT * INTO s FROM subscriptions x WHERE x.tenant_id = app_tenant() AND x.id = subscription AND x.ended_at IS NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM billing_lock(s.owner_id);
    UPDATE subscriptions x
    SET status = 'canceled', canceled_at = coalesce(x.canceled_at, now()), ended_at = now(), is_current = false, cancel_at_period_end = false
    WHERE x.tenant_id = s.tenant_id AND x.id = s.id AND x.ended_at IS NULL;
    PERFORM billing_settle(s.owner_id);
    IF s.organization_id IS NOT NULL THEN
        PERFORM seats_settle(s.organization_id);
    END IF;
    PERFORM audit('subscription.lost', 'subscription', s.id::text, jsonb_build_object('provider', s.provider, 'provider_id', s.provider_id));
END
$$;

-- How an operation ended; once.
CREATE OR REPLACE FUNCTION billing_done(operation uuid, state text, provider_id text, error text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    UPDATE billing_operations o
    SET state = billing_done.state, provider_id = billing_done.provider_id, error = left(billing_done.error, 2000), ended_at = now()
    WHERE o.tenant_id = app_tenant() AND o.id = operation AND o.state = 'asked';
END
$$;

-- The provider has made a customer of an owner; the first one stays.
CREATE OR REPLACE FUNCTION billing_customer_keep(organization uuid, who uuid, provider text, provider_id text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO billing_customers (tenant_id, organization_id, user_id, provider, provider_id)
    SELECT app_tenant(), organization, CASE WHEN organization IS NULL THEN who END, billing_customer_keep.provider, billing_customer_keep.provider_id
    WHERE billing_customer_keep.provider_id IS NOT NULL
    ON CONFLICT DO NOTHING;
END
$$;

-- Subscribe to a plan without a payment: at once, if it costs nothing; else it waits for one.  Raises AS404 and AS409.
CREATE OR REPLACE FUNCTION subscription_create(organization uuid, plan uuid, cycle text, meta jsonb) RETURNS uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    made uuid;
    p    plans;
BEGIN
    SELECT * INTO p FROM plan_sold(plan);
    PERFORM billing_lock(organization);
    IF EXISTS (SELECT FROM subscriptions s
               WHERE s.tenant_id = app_tenant() AND s.owner_id = organization AND s.is_current AND subscription_is_live(s.status)) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'there is an active subscription; change its plan instead';
    END IF;
    made := subscription_start(organization, NULL, plan, CASE cycle WHEN 'yearly' THEN 'year' ELSE 'month' END, meta);
    PERFORM audit('subscription.create', 'subscription', made::text, jsonb_build_object('plan', p.name));
    RETURN made;
END
$$;

-- What has no provider is changed here alone: ended, now or with its month; taken up again; or to another plan.
CREATE OR REPLACE FUNCTION subscription_change_here(subscription uuid, kind text, at_period_end boolean, plan uuid, cycle text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    s subscriptions;
BEGIN
    SELECT * INTO s FROM subscriptions x WHERE x.tenant_id = app_tenant() AND x.id = subscription AND x.provider_id IS NULL AND x.ended_at IS NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM billing_lock(s.owner_id);
    IF kind = 'change' THEN
        UPDATE subscriptions x
        SET plan_id = p.id, tier = lower(p.name), interval = coalesce(cycle, x.interval), amount = coalesce(y.amount, 0), currency = lower(p.currency),
            status = CASE WHEN p.is_free THEN 'active' ELSE 'incomplete' END
        FROM plans p LEFT JOIN plan_prices y ON y.tenant_id = p.tenant_id AND y.plan_id = p.id AND y.interval = coalesce(cycle, s.interval)
        WHERE x.tenant_id = s.tenant_id AND x.id = s.id AND p.id = plan;
    ELSIF kind = 'resume' THEN
        UPDATE subscriptions x
        SET cancel_at_period_end = false, canceled_at = NULL, period_start = NULL, period_end = NULL
        WHERE x.tenant_id = s.tenant_id AND x.id = s.id;
    ELSIF at_period_end AND s.status = 'active' THEN
        UPDATE subscriptions x
        SET cancel_at_period_end = true, canceled_at = now(), period_start = m.starts_at, period_end = m.ends_at
        FROM subscription_period(s.owner_id) m
        WHERE x.tenant_id = s.tenant_id AND x.id = s.id;
    ELSE
        UPDATE subscriptions x
        SET status = 'canceled', canceled_at = now(), ended_at = now(), is_current = false, cancel_at_period_end = false
        WHERE x.tenant_id = s.tenant_id AND x.id = s.id;
    END IF;
    PERFORM billing_settle(s.owner_id);
    PERFORM audit('subscription.' || kind, 'subscription', s.id::text, jsonb_build_object('at_period_end', at_period_end, 'plan', plan));
END
$$;

-- What a subscription will be from when on, which its provider knows in its own way; NULL: nothing else.
CREATE OR REPLACE FUNCTION subscription_next(subscription uuid, plan uuid, cycle text, schedule text) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    UPDATE subscriptions s
    SET next_plan_id = plan, next_interval = CASE WHEN plan IS NOT NULL THEN coalesce(cycle, s.interval) END,
        next_at = CASE WHEN plan IS NOT NULL THEN s.period_end END, schedule_id = coalesce(schedule, s.schedule_id)
    WHERE s.tenant_id = app_tenant() AND s.id = subscription AND s.ended_at IS NULL;
END;

-- The status in the words of the platform surface.
CREATE OR REPLACE FUNCTION subscription_word(status text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE status WHEN 'canceled' THEN 'cancelled' WHEN 'incomplete_expired' THEN 'cancelled' WHEN 'paused' THEN 'unpaid' ELSE status END;

-- May a customer be sent to a page of this origin?  It is one of a public key of the tenant's.
CREATE OR REPLACE FUNCTION billing_origin_allowed(origin text) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM api_keys k
                   WHERE k.tenant_id = app_tenant() AND k.type = 'public' AND k.is_active AND k.revoked_at IS NULL
                     AND origin = ANY (k.allowed_origins));
END
$$;

-- A user takes a plan for themselves: one that costs nothing, or that an organization of theirs pays for.  Raises AS403 for
-- another user, AS404; success is false where it would have to be paid for.
CREATE OR REPLACE FUNCTION user_plan_assign(who uuid, plan uuid, OUT success boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    p plans;
BEGIN
    IF NOT EXISTS (SELECT FROM users u WHERE u.tenant_id = app_tenant() AND u.id = who) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'User not found', DETAIL = who::text, HINT = 'user_id';
    ELSIF who IS DISTINCT FROM app_user() THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'you may take a plan for yourself alone';
    END IF;
    SELECT * INTO p FROM plan_sold(plan);
    success := p.is_free OR EXISTS (
        SELECT FROM memberships m
        JOIN subscriptions s ON s.tenant_id = m.tenant_id AND s.owner_id = m.organization_id
        WHERE m.tenant_id = app_tenant() AND m.user_id = who AND m.is_active AND s.is_current AND s.status IN ('active', 'trialing') AND s.plan_id = plan);
    IF success THEN
        UPDATE users u SET current_plan_id = plan WHERE u.tenant_id = app_tenant() AND u.id = who AND u.current_plan_id IS DISTINCT FROM plan;
    END IF;
END
$$;
