-- Comparing what is stored with what the provider has, once a day: events can be lost.

-- In what a stored subscription differs from what its provider shows, as {member: [ours, theirs]}; {}: in nothing.
CREATE OR REPLACE FUNCTION billing_drift(provider text, object jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    s      subscriptions;
    plan   plans;
    theirs subscriptions;
BEGIN
    SELECT * INTO s
    FROM subscriptions x
    WHERE x.tenant_id = app_tenant() AND x.provider = billing_drift.provider AND x.provider_id = object ->> 'id';
    IF NOT FOUND THEN
        RETURN jsonb_build_object('id', jsonb_build_array(NULL, object ->> 'id'));
    END IF;
    SELECT * INTO plan FROM plan_of_price(provider, object ->> 'price', s.plan_id);
    theirs := (billing_next(s, object || jsonb_build_object('plan_id', plan.id, 'at', extract(epoch FROM s.seen_at)::bigint,
                                                            'tier', coalesce(lower(plan.name), object #>> '{metadata,tier}')))).next;
    RETURN (SELECT coalesce(jsonb_object_agg(a.key, jsonb_build_array(a.value, b.value)), '{}')
            FROM jsonb_each(to_jsonb(s)) a JOIN jsonb_each(to_jsonb(theirs)) b USING (key)
            WHERE a.value <> b.value
              AND a.key IN ('status', 'plan_id', 'price_id', 'quantity', 'amount', 'currency', 'interval', 'period_start', 'period_end',
                            'cancel_at_period_end', 'ended_at', 'schedule_id'));
END
$$;

-- A subscription was read to be compared: apply it, and put down in what it differed.  NULL: in nothing.
CREATE OR REPLACE FUNCTION billing_compared(provider text, object jsonb, look bigint) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    drift jsonb := billing_drift(provider, object);
    seen  record;
BEGIN
    SELECT * INTO seen FROM billing_see(provider, object, look);
    IF drift = '{}' OR NOT seen.is_applied THEN
        RETURN NULL;
    END IF;
    PERFORM audit('subscription.drift', 'subscription', seen.subscription::text, jsonb_build_object('provider_id', object ->> 'id', 'drift', drift));
    RETURN drift;
END
$$;

-- Have all subscriptions that go on compared, of all tenants; end those that have no provider and were to end; give up
-- operations that are too old to be repeated, whose subscription is compared as all are.  Returns how many are compared.
--
-- As the owner, who goes from one tenant to the next.
CREATE OR REPLACE FUNCTION billing_sweep() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    here text := current_setting('app.tenant_id', true);
    t    uuid;
    s    record;
    n    bigint := 0;
BEGIN
    FOR t IN SELECT id FROM tenants ORDER BY id LOOP
        PERFORM set_config('app.tenant_id', t::text, true);
        FOR s IN SELECT x.provider, x.provider_id FROM subscriptions x
                 WHERE x.tenant_id = t AND x.ended_at IS NULL AND x.provider_id IS NOT NULL ORDER BY x.seen_at LOOP
            PERFORM job_add('ashlar', 'billing.look',
                            jsonb_build_object('provider', s.provider, 'kind', 'subscription', 'id', s.provider_id, 'compare', true),
                            priority => 1, unique_key => 'billing.compare:' || s.provider_id);
            n := n + 1;
        END LOOP;
        FOR s IN SELECT x.id FROM subscriptions x
                 WHERE x.tenant_id = t AND x.ended_at IS NULL AND x.provider_id IS NULL AND x.cancel_at_period_end AND x.period_end <= now() LOOP
            PERFORM subscription_change_here(s.id, 'end', false, NULL, NULL);
        END LOOP;
        UPDATE billing_operations o
        SET state = 'lost', ended_at = now(), error = 'not known to have ended within a day'
        WHERE o.tenant_id = t AND o.state = 'asked' AND o.created_at < now() - interval '24 hours';
    END LOOP;
    PERFORM set_config('app.tenant_id', coalesce(here, ''), true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION billing_sweep() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_sweep() TO ashlar_api;
