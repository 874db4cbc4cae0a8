-- What is done of itself: reminders, the end of what is not paid, and seats that follow an organization's members.

-- These steps, [{about, day, mail, action}], in place of those that there were.  Raises AS422.
CREATE OR REPLACE FUNCTION billing_steps_put(steps jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    wrong text;
BEGIN
    UPDATE tenant_settings SET tenant_id = tenant_id WHERE tenant_id = app_tenant();    -- one change at a time
    SELECT CASE
        WHEN s ->> 'about' = 'past_due' AND (s ->> 'day')::integer NOT BETWEEN 0 AND 365 THEN 'a reminder of a payment has a day from 0 to 365'
        WHEN s ->> 'about' = 'trial_end' AND (s ->> 'day')::integer NOT BETWEEN -60 AND 0 THEN 'a reminder of a trial has a day from -60 to 0'
        WHEN s ->> 'about' = 'trial_end' AND s ->> 'action' = 'cancel' THEN 'a trial ends of itself'
        WHEN s ->> 'mail' IS NULL AND coalesce(s ->> 'action', 'none') = 'none' THEN 'a step has a mail, an action, or both'
        WHEN (s ->> 'about' = 'trial_end') <> (s ->> 'mail' = 'trial_ending') THEN 'that mail is about something else'
        WHEN count(*) OVER (PARTITION BY s ->> 'about', s ->> 'day') > 1 THEN 'there is one step a day' END
    INTO wrong
    FROM jsonb_array_elements(steps) s
    ORDER BY 1
    LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE SQLSTATE 'AS422' USING MESSAGE = wrong, HINT = 'steps';
    END IF;
    DELETE FROM billing_steps b WHERE b.tenant_id = app_tenant();
    INSERT INTO billing_steps (tenant_id, about, day, mail, action)
    SELECT app_tenant(), s ->> 'about', (s ->> 'day')::integer, s ->> 'mail', coalesce(s ->> 'action', 'none')
    FROM jsonb_array_elements(steps) s;
    PERFORM audit('billing_steps.update', 'settings', app_tenant()::text, jsonb_build_object('steps', steps));
END
$$;

-- Tell those who pay, by a mail: of an organization its owners and admins.
CREATE OR REPLACE FUNCTION billing_mail(s subscriptions, template text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    data jsonb;
BEGIN
    SELECT jsonb_build_object('plan', coalesce(p.name, s.tier, '-'), 'amount', amount_text(s.amount * s.quantity, s.currency),
                              'whose', coalesce(o.name, t.name), 'ends_on', to_char(s.trial_end AT TIME ZONE 'UTC', 'YYYY-MM-DD'))
    INTO data
    FROM tenants t
    LEFT JOIN plans p ON p.id = s.plan_id
    LEFT JOIN organizations o ON o.tenant_id = s.tenant_id AND o.id = s.organization_id
    WHERE t.id = s.tenant_id;
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    SELECT s.tenant_id, 'ashlar.mail', 'mail', jsonb_build_object('template', template, 'to', who.email, 'locale', who.locale, 'data', data)
    FROM (SELECT u.email, u.email_key, u.locale
          FROM memberships m JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id
          WHERE m.tenant_id = s.tenant_id AND m.organization_id = s.organization_id AND m.is_active AND m.role IN ('owner', 'admin')
            AND u.access > 0 AND u.email IS NOT NULL
          UNION ALL
          SELECT u.email, u.email_key, u.locale FROM users u WHERE u.tenant_id = s.tenant_id AND u.id = s.user_id AND u.access > 0 AND u.email IS NOT NULL
          LIMIT 20) who
    WHERE mail_take('billing:' || s.owner_id, true, limit_account(who.email_key, who.email)) = 0;
END
$$;

-- Do the steps of one subscription that are due and were not done: of several at once the last one's mail is enough.
CREATE OR REPLACE FUNCTION billing_steps_take(subscription uuid) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    s     subscriptions;
    topic text;
    begun timestamptz;
    due   integer[];
    last  billing_steps;
BEGIN
    SELECT * INTO s FROM subscriptions x WHERE x.tenant_id = app_tenant() AND x.id = subscription FOR UPDATE;
    IF s.ended_at IS NULL AND s.status IN ('past_due', 'unpaid') AND s.behind_since IS NOT NULL THEN
        topic := 'past_due';
        begun := s.behind_since;
    ELSIF s.ended_at IS NULL AND s.status = 'trialing' AND s.trial_end > now() THEN
        topic := 'trial_end';
        begun := s.trial_end;
    ELSE
        RETURN;
    END IF;
    WITH taken AS (
        INSERT INTO billing_steps_done AS d (tenant_id, subscription_id, about, since, day)
        SELECT s.tenant_id, s.id, b.about, begun, b.day
        FROM billing_steps b
        WHERE b.tenant_id = s.tenant_id AND b.about = topic AND begun + make_interval(days => b.day) <= now()
        ON CONFLICT DO NOTHING
        RETURNING d.day
    )
    SELECT array_agg(t.day) INTO due FROM taken t;
    IF due IS NULL THEN
        RETURN;
    END IF;
    SELECT * INTO last FROM billing_steps b
    WHERE b.tenant_id = s.tenant_id AND b.about = topic AND b.day = ANY (due) AND b.mail IS NOT NULL
    ORDER BY b.day DESC LIMIT 1;
    IF FOUND THEN
        PERFORM billing_mail(s, last.mail);
    END IF;
    IF EXISTS (SELECT FROM billing_steps b WHERE b.tenant_id = s.tenant_id AND b.about = topic AND b.day = ANY (due) AND b.action = 'cancel') THEN
        PERFORM job_add('ashlar', 'billing.do', jsonb_build_object('subscription', s.id, 'kind', 'end'));
    END IF;
    PERFORM audit('subscription.remind', 'subscription', s.id::text, jsonb_build_object('about', topic, 'since', begun, 'days', due), 'billing', 'system');
END
$$;

-- How many seats a subscription should have: by its plan, or, where its seats are dealt to members, as many as have one
-- (org_seats_follow). NULL: it has what was bought.
CREATE OR REPLACE FUNCTION billing_seats(s subscriptions) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF s.organization_id IS NOT NULL AND s.is_seated AND s.provider_id IS NOT NULL AND s.ended_at IS NULL THEN
        RETURN (SELECT greatest(count(*), 1) FROM memberships m
                WHERE m.tenant_id = s.tenant_id AND m.organization_id = s.organization_id AND m.is_active AND m.is_paid);
    ELSIF s.organization_id IS NULL OR s.provider_id IS NULL OR s.ended_at IS NOT NULL
       OR NOT EXISTS (SELECT FROM plans p WHERE p.id = s.plan_id AND p.seats = 'members') THEN
        RETURN NULL;
    END IF;
    RETURN (SELECT greatest(count(*), 1) FROM memberships m
            WHERE m.tenant_id = s.tenant_id AND m.organization_id = s.organization_id AND m.is_active);
END
$$;

-- An organization's members are others: its subscription may have to follow. One whose seats are dealt follows who comes and goes
-- where they are (org_seats_follow), and nothing else: more may have been bought ahead.
CREATE OR REPLACE FUNCTION billing_seats_follow(organization uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM job_add('ashlar', 'billing.do', jsonb_build_object('subscription', s.id, 'kind', 'seats'))
    FROM subscriptions s
    WHERE s.tenant_id = app_tenant() AND s.owner_id = organization AND s.is_current AND s.provider_id IS NOT NULL
      AND NOT s.is_seated AND billing_seats(s) <> s.quantity;
END
$$;

CREATE OR REPLACE FUNCTION memberships_counted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(NEW.tenant_id, OLD.tenant_id) = app_tenant() THEN
        PERFORM billing_seats_follow(coalesce(NEW.organization_id, OLD.organization_id));
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER memberships_seats AFTER INSERT OR DELETE OR UPDATE OF is_active ON memberships
    FOR EACH ROW EXECUTE FUNCTION memberships_counted();

-- What a plan's terms are: trial_days and seats; NULL stays.  No row: it is none of the tenant's own.
CREATE OR REPLACE FUNCTION plan_terms_put(plan uuid, days integer, who text) RETURNS SETOF plans
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    p plans;
BEGIN
    UPDATE plans q
    SET trial_days = coalesce(days, q.trial_days), seats = coalesce(who, q.seats)
    WHERE q.tenant_id = app_tenant() AND q.id = plan AND NOT q.is_global
    RETURNING * INTO p;
    IF FOUND THEN
        PERFORM audit('plan.update', 'plan', p.id::text, jsonb_build_object('name', p.name, 'trial_days', p.trial_days, 'seats', p.seats));
        RETURN NEXT p;
    END IF;
END
$$;

-- All that is due, of all tenants, and seats that are not what they should be.  As the owner, who goes from one tenant to the next.
CREATE OR REPLACE FUNCTION billing_remind() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    here text := current_setting('app.tenant_id', true);
    t    uuid;
    s    uuid;
    n    bigint := 0;
BEGIN
    FOR t IN SELECT id FROM tenants ORDER BY id LOOP
        PERFORM set_config('app.tenant_id', t::text, true);
        IF EXISTS (SELECT FROM billing_steps b WHERE b.tenant_id = t) THEN
            FOR s IN SELECT x.id FROM subscriptions x
                     WHERE x.tenant_id = t AND x.ended_at IS NULL AND x.provider_id IS NOT NULL AND x.status IN ('past_due', 'unpaid', 'trialing')
                     ORDER BY x.id LOOP
                PERFORM billing_steps_take(s);
                n := n + 1;
            END LOOP;
        END IF;
        PERFORM notify_trials();
        PERFORM billing_seats_follow(x.organization_id)
        FROM plans p JOIN subscriptions x ON x.tenant_id = t AND x.plan_id = p.id AND x.is_current
        WHERE p.seats = 'members' AND (p.tenant_id = t OR p.is_global) AND x.organization_id IS NOT NULL;
    END LOOP;
    PERFORM set_config('app.tenant_id', coalesce(here, ''), true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION billing_remind() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_remind() TO ashlar_api;

-- ---------------------------------------------------------------- the job "billing.do"

-- Begin to do something about a subscription of itself: end it while it is not paid, or give it the seats that its plan says.  One
-- change of seats at a time: what was begun and did not end is gone on with.  No operation: there is nothing to do.
--
-- job: whose operation it is.  is_busy: another job is at it
CREATE OR REPLACE FUNCTION billing_do_begin(subscription uuid, kind text, job uuid, OUT operation uuid, OUT look bigint, OUT is_test boolean, OUT provider_id text,
                                            OUT item_id text, OUT quantity bigint, OUT is_busy boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    s     subscriptions;
    o     billing_operations;
    whole jsonb;
    mine  jsonb := jsonb_build_object('job', job);
BEGIN
    is_busy := false;
    SELECT * INTO s FROM subscriptions x WHERE x.tenant_id = app_tenant() AND x.id = subscription;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM billing_lock(s.owner_id);
    SELECT * INTO s FROM subscriptions x WHERE x.tenant_id = app_tenant() AND x.id = subscription;
    IF s.provider_id IS NULL OR s.ended_at IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT * INTO o
    FROM billing_operations x
    WHERE x.tenant_id = app_tenant() AND x.owner_id = s.owner_id AND x.kind = 'of itself: ' || billing_do_begin.kind AND x.state = 'asked'
      AND x.request ->> 'subscription' = subscription::text AND x.created_at > now() - interval '23 hours'
    ORDER BY x.created_at DESC LIMIT 1;
    IF FOUND AND o.answer IS DISTINCT FROM mine AND o.updated_at > now() - interval '1 minute' THEN
        is_busy := true;
        RETURN;
    END IF;
    quantity := coalesce((o.request ->> 'quantity')::bigint, CASE kind WHEN 'seats' THEN billing_seats(s) END);
    IF o.id IS NULL THEN
        IF kind = 'seats' AND (quantity IS NULL OR quantity = s.quantity) OR kind = 'end' AND s.status NOT IN ('past_due', 'unpaid') THEN
            RETURN;
        END IF;
        whole := jsonb_strip_nulls(jsonb_build_object('subscription', subscription, 'quantity', quantity));
        INSERT INTO billing_operations (tenant_id, organization_id, user_id, kind, request, provider, answer)
        VALUES (s.tenant_id, s.organization_id, s.user_id, 'of itself: ' || kind, whole, s.provider, mine)
        RETURNING * INTO o;
    ELSE
        UPDATE billing_operations x SET answer = mine WHERE x.tenant_id = o.tenant_id AND x.id = o.id;
    END IF;
    operation := o.id;
    look := billing_look();
    is_test := EXISTS (SELECT FROM tenants t WHERE t.id = app_tenant() AND t.test_of IS NOT NULL);
    provider_id := s.provider_id;
    item_id := s.item_id;
END
$$;

-- It is done, and the subscription is what the provider says now; or read again where somebody else has read since.
CREATE OR REPLACE FUNCTION billing_do_end(operation uuid, subscription uuid, kind text, object jsonb, look bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    seen record;
BEGIN
    SELECT * INTO seen FROM billing_see('stripe', object, look);
    IF NOT seen.is_applied THEN
        PERFORM billing_look_add('stripe', 'subscription', object ->> 'id', NULL);
    END IF;
    PERFORM billing_done(operation, 'done', object ->> 'id', NULL);
    IF kind = 'seats' THEN
        PERFORM billing_seats_follow(s.organization_id) FROM subscriptions s WHERE s.tenant_id = app_tenant() AND s.id = subscription;
    END IF;
END
$$;
