-- What a provider says of a subscription, and what becomes of it here.
--
-- There is one way in, billing_see(), for a webhook's job, the answer of a request and the reconciliation alike: each has
-- read the object from the provider, and hands over what it read with the number that it took before it asked
-- (billing_look).  A webhook's own copy of the object is never applied: events come twice, in any order, or not at all.
--
-- Why the order is that in which reads began: whoever began after the last change has read the last state.  Their number
-- is higher than that of everybody who began before it, and those are ignored from then on, whenever they arrive; those
-- with a higher one have read the same.  So one read that began after the last change is enough, which is what the event of
-- that change, or the reconciliation, brings.  The order in which reads ended says nothing: one that took long may
-- have read early.
--
-- An object is in our words (providers/stripe_billing.h), of whichever provider:
--     id customer status currency amount quantity interval price item schedule created period_start period_end trial_start
--     trial_end cancel_at canceled_at ended_at will_cancel metadata
-- with times in seconds since 1970.  metadata has what we gave the provider to keep: tenant_id, organization_id or user_id,
-- subscription_id of the row that waits for it, tier.

-- The number of a read that begins now.
CREATE OR REPLACE FUNCTION billing_look() RETURNS bigint
LANGUAGE sql VOLATILE
RETURN nextval('billing_looks');

-- Is it one that goes on, paid or not?
CREATE OR REPLACE FUNCTION subscription_is_live(status text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN status IN ('trialing', 'active', 'past_due', 'unpaid', 'paused');

-- What a subscription is when its provider shows this object, and what has happened to it meanwhile.  Pure: the same two always
-- give the same.  object has plan_id and tier, too, which its price means here, is_seated: it is of seats, and at, when it was read.
--
-- What has ended stays as it was: a provider does not bring it back, so whoever says otherwise has read before.
CREATE OR REPLACE FUNCTION billing_next(current subscriptions, object jsonb, OUT next subscriptions, OUT actions text[])
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    was_live boolean := current.provider_id IS NOT NULL AND subscription_is_live(current.status);
    is_live  boolean := subscription_is_live(object ->> 'status');
BEGIN
    next := current;
    actions := '{}';
    IF current.ended_at IS NOT NULL THEN
        RETURN;
    END IF;
    IF current.provider_id IS NULL THEN
        next.started_at := coalesce(json_epoch(object -> 'created', 1), current.started_at);
    END IF;
    next.provider_id := object ->> 'id';
    next.customer_id := object ->> 'customer';
    next.item_id := object ->> 'item';
    next.price_id := object ->> 'price';
    next.schedule_id := object ->> 'schedule';
    next.status := object ->> 'status';
    next.plan_id := (object ->> 'plan_id')::uuid;
    next.tier := coalesce(object ->> 'tier', current.tier);
    next.interval := coalesce(object ->> 'interval', current.interval);
    next.quantity := coalesce((object ->> 'quantity')::bigint, 1);
    next.amount := (object ->> 'amount')::bigint;
    next.currency := lower(object ->> 'currency');
    next.period_start := json_epoch(object -> 'period_start', 1);
    next.period_end := json_epoch(object -> 'period_end', 1);
    next.trial_start := json_epoch(object -> 'trial_start', 1);
    next.trial_end := json_epoch(object -> 'trial_end', 1);
    next.cancel_at := json_epoch(object -> 'cancel_at', 1);
    next.canceled_at := json_epoch(object -> 'canceled_at', 1);
    next.is_seated := coalesce(current.is_seated, false) OR coalesce((object ->> 'is_seated')::boolean, false);
    next.ended_at := CASE WHEN next.status IN ('canceled', 'incomplete_expired')
                          THEN coalesce(json_epoch(object -> 'ended_at', 1), next.canceled_at, json_epoch(object -> 'at', 1)) END;
    next.cancel_at_period_end := next.ended_at IS NULL AND coalesce((object ->> 'will_cancel')::boolean, false);
    -- A period that could not be collected begins where the paid one ended; what cannot be collected within one counts from when it was seen.
    next.behind_since := CASE
        WHEN next.status NOT IN ('past_due', 'unpaid') THEN NULL
        WHEN current.behind_since IS NOT NULL THEN current.behind_since
        WHEN next.period_end <= json_epoch(object -> 'at', 1) THEN next.period_end
        WHEN current.period_start IS NULL OR next.period_start > current.period_start THEN next.period_start
        ELSE json_epoch(object -> 'at', 1) END;
    -- What was to come has come, or was given up at the provider.
    IF (next.plan_id, next.interval) IS NOT DISTINCT FROM (current.next_plan_id, current.next_interval)
       OR next.ended_at IS NULL AND next.schedule_id IS NULL AND NOT next.cancel_at_period_end THEN
        next.next_plan_id := NULL;
        next.next_interval := NULL;
        next.next_at := NULL;
    END IF;

    IF next.ended_at IS NOT NULL THEN
        actions := actions || 'end'::text;
    ELSIF is_live AND NOT was_live THEN
        actions := actions || 'start'::text;
    ELSIF was_live THEN
        IF (next.price_id, next.quantity) IS DISTINCT FROM (current.price_id, current.quantity) THEN
            actions := actions || 'change'::text;
        END IF;
        IF next.cancel_at_period_end AND NOT current.cancel_at_period_end THEN
            actions := actions || 'cancel'::text;
        ELSIF current.cancel_at_period_end AND NOT next.cancel_at_period_end THEN
            actions := actions || 'resume'::text;
        END IF;
        IF next.status IN ('past_due', 'unpaid') AND current.status NOT IN ('past_due', 'unpaid') THEN
            actions := actions || 'fall_behind'::text;
        ELSIF next.status = 'active' AND current.status IN ('past_due', 'unpaid') THEN
            actions := actions || 'catch_up'::text;
        END IF;
    END IF;
END
$$;

-- Whoever changes what an owner is subscribed to stands in one line with all who do, until their transaction ends.
CREATE OR REPLACE FUNCTION billing_lock(owner uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hash_record_extended(ROW ('billing'::text, app_tenant(), owner), 0));
END
$$;

-- Whose subscription, invoice or payment an object is: of its customer; else of whom we wrote into it; else nobody's here.
-- waiting: the row that it was begun for and that has none yet.
CREATE OR REPLACE FUNCTION billing_owner(provider text, object jsonb, OUT organization uuid, OUT who uuid, OUT waiting uuid)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    meta jsonb := coalesce(object -> 'metadata', '{}');
BEGIN
    SELECT s.organization_id, s.user_id, s.id INTO organization, who, waiting
    FROM subscriptions s
    WHERE s.tenant_id = app_tenant() AND s.id = CASE WHEN meta ->> 'subscription_id' ~ '^[0-9a-f-]{36}$' THEN (meta ->> 'subscription_id')::uuid END
      AND s.provider_id IS NULL AND s.ended_at IS NULL;
    IF NOT FOUND THEN
        SELECT c.organization_id, c.user_id INTO organization, who
        FROM billing_customers c
        WHERE c.tenant_id = app_tenant() AND c.provider = billing_owner.provider AND c.provider_id = object ->> 'customer';
    END IF;
    IF organization IS NULL AND who IS NULL THEN
        SELECT o.id INTO organization
        FROM organizations o
        WHERE o.tenant_id = app_tenant() AND o.id = CASE WHEN meta ->> 'organization_id' ~ '^[0-9a-f-]{36}$' THEN (meta ->> 'organization_id')::uuid END;
    END IF;
    IF organization IS NULL AND who IS NULL THEN
        SELECT u.id INTO who
        FROM users u
        WHERE u.tenant_id = app_tenant() AND u.id = CASE WHEN meta ->> 'user_id' ~ '^[0-9a-f-]{36}$' THEN (meta ->> 'user_id')::uuid END;
    END IF;
END
$$;

-- What a price means here: the plan that has it, of several the one that is subscribed to, then one that is sold.
CREATE OR REPLACE FUNCTION plan_of_price(provider text, price text, has uuid) RETURNS SETOF plans
LANGUAGE plpgsql STABLE ROWS 1 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT p.*
        FROM plan_prices x JOIN plans p ON p.tenant_id = x.tenant_id AND p.id = x.plan_id
        WHERE x.provider = plan_of_price.provider AND x.provider_id = plan_of_price.price
        ORDER BY p.id = has DESC NULLS LAST, p.is_active DESC, p.created_at DESC
        LIMIT 1;
END
$$;

-- Which of an owner's subscriptions counts: what is paid, the first one first, before what is past due; then what costs nothing; then what waits.  What
-- costs nothing, or waits, ends where something is paid.  A user's profile shows it.  Behind billing_lock().
CREATE OR REPLACE FUNCTION billing_settle(owner uuid) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    best subscriptions;
BEGIN
    SELECT * INTO best
    FROM subscriptions s
    WHERE s.tenant_id = app_tenant() AND s.owner_id = owner AND s.ended_at IS NULL
    ORDER BY (s.provider_id IS NOT NULL AND subscription_is_live(s.status)) DESC,
             (s.provider_id IS NOT NULL AND s.status IN ('active', 'trialing') AND s.withheld_period IS DISTINCT FROM s.period_start) DESC,
             subscription_is_live(s.status) DESC,
             CASE WHEN subscription_is_live(s.status) THEN s.started_at END, s.started_at DESC, s.id
    LIMIT 1;
    IF best.provider_id IS NOT NULL AND subscription_is_live(best.status) THEN
        UPDATE subscriptions s
        SET status = CASE WHEN s.status = 'incomplete' THEN 'incomplete_expired' ELSE 'canceled' END,
            canceled_at = coalesce(s.canceled_at, now()), ended_at = now(), is_current = false, cancel_at_period_end = false
        WHERE s.tenant_id = app_tenant() AND s.owner_id = owner AND s.provider_id IS NULL AND s.ended_at IS NULL;
    END IF;
    UPDATE subscriptions s SET is_current = false
    WHERE s.tenant_id = app_tenant() AND s.owner_id = owner AND s.is_current AND s.id IS DISTINCT FROM best.id;
    UPDATE subscriptions s SET is_current = true
    WHERE s.tenant_id = app_tenant() AND s.id = best.id AND NOT s.is_current;
    IF best.id IS NULL THEN
        SELECT * INTO best
        FROM subscriptions s
        WHERE s.tenant_id = app_tenant() AND s.owner_id = owner
        ORDER BY s.ended_at DESC, s.id
        LIMIT 1;
    END IF;
    IF best.user_id IS NOT NULL THEN
        UPDATE users u
        SET subscription_plan = best.tier, subscription_status = best.status
        WHERE u.tenant_id = app_tenant() AND u.id = owner
          AND (u.subscription_plan, u.subscription_status) IS DISTINCT FROM (best.tier, best.status);
    END IF;
END
$$;

-- Start a subscription that no provider has to do with: to a plan that costs nothing, or one that waits for its payment.  What
-- waited before does so no more.  Behind billing_lock().
CREATE OR REPLACE FUNCTION subscription_start(organization uuid, who uuid, plan uuid, cycle text, meta jsonb) RETURNS uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    made  uuid;
    owner uuid := coalesce(organization, who);
BEGIN
    UPDATE subscriptions s
    SET status = 'incomplete_expired', ended_at = now(), is_current = false
    WHERE s.tenant_id = app_tenant() AND s.owner_id = owner AND s.provider_id IS NULL AND s.status = 'incomplete';
    INSERT INTO subscriptions (tenant_id, organization_id, user_id, plan_id, tier, interval, status, amount, currency, metadata)
    SELECT app_tenant(), organization, who, p.id, lower(p.name), cycle, CASE WHEN p.is_free THEN 'active' ELSE 'incomplete' END,
           coalesce(x.amount, 0), lower(p.currency), coalesce(meta, '{}')
    FROM plans p LEFT JOIN plan_prices x ON x.tenant_id = p.tenant_id AND x.plan_id = p.id AND x.interval = cycle
    WHERE p.id = plan
    RETURNING id INTO made;
    PERFORM billing_settle(owner);
    RETURN made;
END
$$;

-- A provider's subscription was read: apply it, unless one that was read later has been.  look is the number that was taken
-- before the provider was asked.
--
--   subscription   the row; NULL: it is nobody's here, and problem says why
--   is_applied     the row is what was read now; false: it has been newer
--   actions        what has happened to it since it was last seen (billing_next)
CREATE OR REPLACE FUNCTION billing_see(provider text, object jsonb, look bigint, OUT subscription uuid, OUT is_applied boolean,
                                       OUT actions text[], OUT problem text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    was     subscriptions;
    is_it   subscriptions;
    company uuid;
    person  uuid;
    waits   uuid;
    step    record;
    owner   uuid;
    plan    plans;
    did     text;
    name    text := CASE WHEN nullif(current_setting('app.request', true), '') IS NULL THEN billing_see.provider END;
BEGIN
    is_applied := false;
    actions := '{}';
    SELECT s.owner_id INTO owner
    FROM subscriptions s
    WHERE s.tenant_id = app_tenant() AND s.provider = billing_see.provider AND s.provider_id = object ->> 'id';
    IF NOT FOUND THEN
        SELECT w.organization, w.who, w.waiting INTO company, person, waits FROM billing_owner(provider, object) w;
        owner := coalesce(company, person);
        IF owner IS NULL THEN
            problem := 'its customer is nobody here';
            RETURN;
        END IF;
    END IF;
    PERFORM billing_lock(owner);

    SELECT * INTO was
    FROM subscriptions s
    WHERE s.tenant_id = app_tenant() AND s.provider = billing_see.provider AND s.provider_id = object ->> 'id'
    FOR UPDATE;
    IF NOT FOUND AND waits IS NOT NULL THEN
        SELECT * INTO was
        FROM subscriptions s
        WHERE s.tenant_id = app_tenant() AND s.id = waits AND s.provider_id IS NULL AND s.ended_at IS NULL
        FOR UPDATE;
    END IF;
    subscription := was.id;
    IF was.seen >= look THEN
        RETURN;
    END IF;
    IF was.id IS NULL THEN
        was.organization_id := company;
        was.user_id := person;
        was.interval := 'month';
        was.status := 'incomplete';
        was.started_at := now();
        was.metadata := '{}';
    END IF;
    SELECT * INTO plan FROM plan_of_price(provider, object ->> 'price', was.plan_id);
    SELECT * INTO step
    FROM billing_next(was, object || jsonb_build_object('plan_id', plan.id, 'at', extract(epoch FROM now())::bigint, 'tier',
                                                        coalesce(lower(plan.name), object #>> '{metadata,tier}'),
                                                        'is_seated', object ->> 'price' = app_seat_price() OR object #> '{metadata,free_seats}' IS NOT NULL));
    is_it := step.next;
    actions := step.actions;
    is_applied := true;
    IF was.id IS NULL THEN
        INSERT INTO billing_customers (tenant_id, organization_id, user_id, provider, provider_id)
        VALUES (app_tenant(), is_it.organization_id, is_it.user_id, billing_see.provider, is_it.customer_id)
        ON CONFLICT DO NOTHING;
        INSERT INTO subscriptions AS s (tenant_id, organization_id, user_id, plan_id, tier, interval, status, quantity, amount, currency,
                                        started_at, period_start, period_end, trial_start, trial_end, cancel_at_period_end,
                                        canceled_at, ended_at, provider, provider_id, customer_id, item_id, price_id, schedule_id,
                                        seen, seen_at, is_seated, cancel_at, behind_since)
        VALUES (app_tenant(), is_it.organization_id, is_it.user_id, is_it.plan_id, is_it.tier, is_it.interval, is_it.status, is_it.quantity,
                is_it.amount, is_it.currency, is_it.started_at, is_it.period_start, is_it.period_end, is_it.trial_start, is_it.trial_end,
                is_it.cancel_at_period_end, is_it.canceled_at, is_it.ended_at, billing_see.provider, is_it.provider_id,
                is_it.customer_id, is_it.item_id, is_it.price_id, is_it.schedule_id, look, now(), is_it.is_seated, is_it.cancel_at,
                is_it.behind_since)
        RETURNING s.id INTO subscription;
    ELSE
        UPDATE subscriptions s
        SET plan_id = is_it.plan_id, tier = is_it.tier, interval = is_it.interval, status = is_it.status, quantity = is_it.quantity,
            amount = is_it.amount, currency = is_it.currency, started_at = is_it.started_at, period_start = is_it.period_start,
            period_end = is_it.period_end, trial_start = is_it.trial_start, trial_end = is_it.trial_end,
            cancel_at_period_end = is_it.cancel_at_period_end, canceled_at = is_it.canceled_at, ended_at = is_it.ended_at,
            is_current = s.is_current AND is_it.ended_at IS NULL, next_plan_id = is_it.next_plan_id, next_interval = is_it.next_interval,
            next_at = is_it.next_at, provider = billing_see.provider, provider_id = is_it.provider_id, customer_id = is_it.customer_id,
            item_id = is_it.item_id, price_id = is_it.price_id, schedule_id = is_it.schedule_id, seen = look, seen_at = now(),
            is_seated = is_it.is_seated, cancel_at = is_it.cancel_at, behind_since = is_it.behind_since
        WHERE s.tenant_id = app_tenant() AND s.id = was.id;
    END IF;

    -- What was to follow, and costs nothing, follows; what costs something is the same subscription at the provider.
    IF 'end' = ANY (actions) AND was.next_plan_id IS NOT NULL AND EXISTS (SELECT FROM plans p WHERE p.id = was.next_plan_id AND p.is_free) THEN
        PERFORM subscription_start(was.organization_id, was.user_id, was.next_plan_id, coalesce(was.next_interval, 'month'), was.metadata);
    ELSE
        PERFORM billing_settle(owner);
    END IF;
    IF is_it.organization_id IS NOT NULL THEN
        PERFORM seats_settle(is_it.organization_id);
    END IF;
    FOREACH did IN ARRAY actions LOOP
        PERFORM audit('subscription.' || did, 'subscription', subscription::text,
                      jsonb_build_object('provider', provider, 'provider_id', is_it.provider_id, 'status', is_it.status, 'plan', is_it.tier),
                      name, CASE WHEN name IS NOT NULL THEN 'system' END);
    END LOOP;
    -- Seats at a price that is not sold any more end with what is paid; those that cost nothing stay.
    IF is_it.is_seated AND is_it.status = 'active' AND NOT is_it.cancel_at_period_end AND is_it.price_id <> app_seat_price()
       AND object #> '{metadata,free_seats}' IS NULL THEN
        PERFORM job_add('ashlar', 'billing.retire', jsonb_build_object('provider', provider, 'id', is_it.provider_id),
                        unique_key => 'billing.retire:' || is_it.provider_id);
    END IF;
    IF 'start' = ANY (actions) AND EXISTS (SELECT FROM subscriptions s
                                           WHERE s.tenant_id = app_tenant() AND s.owner_id = owner AND s.id <> subscription
                                             AND s.provider_id IS NOT NULL AND subscription_is_live(s.status) AND NOT s.cancel_at_period_end) THEN
        PERFORM audit('subscription.duplicate', 'subscription', subscription::text,
                      jsonb_build_object('provider', provider, 'provider_id', is_it.provider_id), name, CASE WHEN name IS NOT NULL THEN 'system' END);
    END IF;
END
$$;
