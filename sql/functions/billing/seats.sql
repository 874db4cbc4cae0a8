-- Seats: an organization pays for so many, and each is one member's (memberships.is_paid).
--
-- Like everything about a subscription this follows from what its provider shows: seats_settle() is called by billing_see() and
-- by nobody else but what withholds a period.  app.seat_price is the price that is sold (STRIPE_SUBSCRIPTION_PRICE_ID).

-- The price of a seat, which who reads a provider's objects says; NULL: none is sold, or it is the last release that asks.
CREATE OR REPLACE FUNCTION app_seat_price() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.seat_price', true), '');

-- What an organization is whose subscription is this: free, pro or enterprise; before is what it was.
--
-- What is past due counts for three days more, and until then nothing changes.
CREATE OR REPLACE FUNCTION seats_standing(s subscriptions, before text) RETURNS text
LANGUAGE sql STABLE
RETURN CASE
    WHEN s.id IS NULL OR s.ended_at IS NOT NULL OR NOT s.is_seated THEN 'free'
    WHEN s.withheld IS NOT NULL AND s.withheld_period IS NOT DISTINCT FROM s.period_start THEN 'free'
    WHEN s.status IN ('active', 'trialing') THEN CASE WHEN s.tier LIKE 'enterprise%' THEN 'enterprise' ELSE 'pro' END
    WHEN s.status IN ('past_due', 'unpaid') AND coalesce(s.behind_since, s.period_end) + interval '3 days' > now() THEN before
    ELSE 'free' END;

-- Deal so many seats: to owners first, then to admins, then to the others in the order of their ids.
--
-- Where that many members have one already nobody's changes: a renewal takes none from whom an admin gave it to.  Nor does it
-- while somebody deals them by hand, or has within the last five seconds.  Behind billing_lock().
CREATE OR REPLACE FUNCTION seats_deal(organization uuid, seats bigint) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    have    bigint;
    members bigint;
    changed bigint;
BEGIN
    IF EXISTS (SELECT FROM billing_operations o
               WHERE o.tenant_id = app_tenant() AND o.owner_id = organization AND o.kind = 'seats deal'
                 AND (o.state = 'asked' AND o.created_at > clock_timestamp() - interval '1 minute'
                      OR o.state = 'done' AND o.ended_at > clock_timestamp() - interval '5 seconds')) THEN
        RETURN;
    END IF;
    -- Who has just joined has one that the provider is only being asked for (org_seats_follow): what it shows may be from before.
    IF EXISTS (SELECT FROM memberships m
               WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.is_paid
                 AND m.seat_asked_at > clock_timestamp() - interval '1 minute')
       AND seats < (SELECT count(*) FROM memberships m
                    WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.is_paid AND m.is_active) THEN
        RETURN;
    END IF;
    SELECT count(*) FILTER (WHERE m.is_paid), count(*) INTO have, members
    FROM memberships m
    WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.is_active;
    IF have = least(seats, members) THEN
        RETURN;
    END IF;
    UPDATE memberships m
    SET is_paid = x.place <= seats AND x.is_active
    FROM (SELECT y.user_id, row_number() OVER (ORDER BY y.is_active DESC, y.role = 'owner' DESC, y.role = 'admin' DESC, y.user_id) AS place, y.is_active
          FROM memberships y
          WHERE y.tenant_id = app_tenant() AND y.organization_id = organization) x
    WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.user_id = x.user_id
      AND m.is_paid <> (x.place <= seats AND x.is_active);
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed > 0 THEN
        PERFORM audit('licenses_synced_by_webhook', 'organization', organization::text, jsonb_build_object('seats', seats, 'changed', changed),
                      CASE WHEN nullif(current_setting('app.request', true), '') IS NULL THEN 'stripe' END,
                      CASE WHEN nullif(current_setting('app.request', true), '') IS NULL THEN 'system' END);
    END IF;
END
$$;

-- Have the organization be what it pays for, and its seats dealt.  Behind billing_lock().
CREATE OR REPLACE FUNCTION seats_settle(organization uuid) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    s      subscriptions;
    before text;
    next   text;
BEGIN
    SELECT o.prem_status INTO before FROM organizations o WHERE o.tenant_id = app_tenant() AND o.id = organization;
    SELECT * INTO s FROM subscriptions x WHERE x.tenant_id = app_tenant() AND x.owner_id = organization AND x.is_current;
    next := seats_standing(s, before);
    IF next <> before THEN
        UPDATE organizations o SET prem_status = next WHERE o.tenant_id = app_tenant() AND o.id = organization;
        PERFORM audit('organization.plan', 'organization', organization::text, jsonb_build_object('from', before, 'to', next),
                      CASE WHEN nullif(current_setting('app.request', true), '') IS NULL THEN 'stripe' END,
                      CASE WHEN nullif(current_setting('app.request', true), '') IS NULL THEN 'system' END);
    END IF;
    IF next = 'free' THEN
        UPDATE memberships m SET is_paid = false
        WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.is_paid;
    ELSIF s.status IN ('active', 'trialing') THEN
        PERFORM seats_deal(organization, s.quantity);
    END IF;
END
$$;

-- Somebody deals the seats by hand: who is to have one behind that, of those who are members.  The organization is locked, and no other is
-- dealt meanwhile: until the provider knows, the operation stands for the lock (seats_deal).
--
-- Raises AS409 while another such change is on its way.  takes_owner: an owner's would be taken.
CREATE OR REPLACE FUNCTION seats_plan(organization uuid, add uuid[], remove uuid[], OUT paid uuid[], OUT takes_owner boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM billing_lock(organization);
    PERFORM FROM organizations o WHERE o.tenant_id = app_tenant() AND o.id = organization FOR NO KEY UPDATE;
    SELECT coalesce(array_agg(m.user_id ORDER BY m.user_id) FILTER (WHERE (m.is_paid OR m.user_id = ANY (add)) AND m.user_id <> ALL (remove)), '{}'),
           coalesce(bool_or(m.role = 'owner' AND m.user_id = ANY (remove)), false)
    INTO paid, takes_owner
    FROM memberships m
    WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.is_active;
    IF EXISTS (SELECT FROM billing_operations o
               WHERE o.tenant_id = app_tenant() AND o.owner_id = organization AND o.kind = 'seats deal' AND o.state = 'asked'
                 AND o.created_at > clock_timestamp() - interval '1 minute' AND o.request <> jsonb_build_object('paid', paid)) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'licences are being changed right now';
    END IF;
END
$$;

-- And they have them: the provider knows.  Returns how many have one.
CREATE OR REPLACE FUNCTION seats_dealt(organization uuid, paid uuid[]) RETURNS bigint
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    m record;
BEGIN
    PERFORM billing_lock(organization);
    FOR m IN UPDATE memberships x
             SET is_paid = NOT x.is_paid
             WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.is_active AND x.is_paid <> (x.user_id = ANY (paid))
             RETURNING x.user_id, x.is_paid LOOP
        PERFORM audit(CASE WHEN m.is_paid THEN 'member_licensed' ELSE 'member_unlicensed' END, 'user', m.user_id::text,
                      jsonb_build_object('organization', organization));
    END LOOP;
    RETURN (SELECT count(*) FROM memberships x
            WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.is_active AND x.is_paid);
END
$$;

-- ---------------------------------------------------------------- what was paid, and is not any more

-- Whose a payment is, of all tenants': one account serves them, and an event of a charge does not say.  NULL: nobody's here.
CREATE OR REPLACE FUNCTION payment_tenant(provider text, intent text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT p.tenant_id FROM payments p WHERE p.provider_id = intent AND p.provider = payment_tenant.provider ORDER BY p.created_at LIMIT 1
$$;
REVOKE ALL ON FUNCTION payment_tenant(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION payment_tenant(text, text) TO ashlar_api;

-- A payment was refunded in full, or is disputed: the period of the organization's seats that now is gives nothing, until the next one is
-- paid.  why NULL: a dispute was won, and the period counts again.  What was paid for something else than seats withholds none.
--
-- is_own: the event is of a tenant's own account, so the payment is that tenant's.  NULL, or why there was nothing to do.
CREATE OR REPLACE FUNCTION seats_withhold(provider text, intent text, why text, is_own boolean) RETURNS text
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    here  uuid := app_tenant();
    there uuid := CASE WHEN is_own THEN here ELSE payment_tenant(provider, intent) END;
    owner uuid;
    s     subscriptions;
BEGIN
    IF there IS NULL THEN
        RETURN 'it is no payment of ours';
    END IF;
    PERFORM set_config('app.tenant_id', there::text, true);
    SELECT s2.owner_id INTO owner
    FROM payments p
    JOIN subscriptions s2 ON s2.tenant_id = p.tenant_id AND s2.owner_id = p.organization_id AND s2.is_seated AND s2.ended_at IS NULL
    WHERE p.tenant_id = there AND p.provider = seats_withhold.provider AND p.provider_id = intent
      AND EXISTS (SELECT FROM invoices i
                  WHERE i.tenant_id = there AND i.owner_id = p.owner_id AND i.subscription = s2.provider_id AND i.amount_paid = p.amount)
    LIMIT 1;
    IF owner IS NOT NULL THEN
        PERFORM billing_lock(owner);
        UPDATE subscriptions x
        SET withheld = why, withheld_period = CASE WHEN why IS NOT NULL THEN x.period_start END
        WHERE x.tenant_id = there AND x.owner_id = owner AND x.is_seated AND x.ended_at IS NULL AND (why IS NOT NULL OR x.withheld = 'disputed')
        RETURNING * INTO s;
        IF FOUND THEN
            PERFORM billing_settle(owner);
            PERFORM seats_settle(owner);
            PERFORM audit('subscription.' || coalesce(why, 'restored'), 'subscription', s.id::text, jsonb_build_object('provider', provider, 'payment', intent),
                          provider, 'system');
        END IF;
    END IF;
    PERFORM set_config('app.tenant_id', here::text, true);
    RETURN CASE WHEN owner IS NULL THEN 'it paid for no seats' END;
END
$$;

-- Stripe's events of charges; NULL, or why there was nothing to do.
CREATE OR REPLACE FUNCTION webhook_stripe_charge(type text, o jsonb, is_own boolean) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    IF json_id(o -> 'payment_intent') IS NULL THEN
        RETURN 'it is no payment of ours';
    ELSIF type = 'charge.refunded' THEN
        RETURN CASE WHEN o -> 'refunded' = 'true' THEN seats_withhold('stripe', json_id(o -> 'payment_intent'), 'refunded', is_own)
                    ELSE 'a part was refunded, which changes nothing' END;
    ELSIF type = 'charge.dispute.created' THEN
        RETURN CASE WHEN o ->> 'status' LIKE 'warning%' THEN 'an inquiry, by which nothing is taken back'
                    ELSE seats_withhold('stripe', json_id(o -> 'payment_intent'), 'disputed', is_own) END;
    ELSIF o ->> 'status' IN ('won', 'warning_closed') THEN
        RETURN seats_withhold('stripe', json_id(o -> 'payment_intent'), NULL, is_own);
    END IF;
    RETURN 'the dispute is lost: nothing is given back';
END
$$;

-- ---------------------------------------------------------------- what is shown

-- What the traces of an organization used on these days, both included, by project: tokens and spans.  They are two metrics of usage_daily,
-- span_tokens and spans, whose category is the project's id; whoever takes traces in records them (usage_record).
CREATE OR REPLACE FUNCTION organization_traces(organization uuid, first date, last date, project uuid)
RETURNS TABLE (project_id uuid, project_name text, tokens bigint, spans bigint)
LANGUAGE plpgsql STABLE ROWS 10 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT u.project, coalesce(p.name, ''), u.tokens, u.spans
        FROM (SELECT nullif(d.category, '')::uuid AS project, coalesce(sum(d.quantity) FILTER (WHERE d.metric = 'span_tokens'), 0)::bigint AS tokens,
                     coalesce(sum(d.quantity) FILTER (WHERE d.metric = 'spans'), 0)::bigint AS spans
              FROM usage_daily d
              WHERE d.tenant_id = app_tenant() AND d.organization_id = organization AND d.metric IN ('span_tokens', 'spans')
                AND d.day BETWEEN first AND last AND (organization_traces.project IS NULL OR d.category = organization_traces.project::text)
              GROUP BY d.category) u
        LEFT JOIN projects p ON p.tenant_id = app_tenant() AND p.id = u.project
        WHERE u.project IS NOT NULL
        ORDER BY u.project;
END
$$;

-- What so much usage costs, in cents, rounded half up.  price is one in our words; without it a thousand tokens are 0.02 cents, and
-- a thousand spans 0.01.
CREATE OR REPLACE FUNCTION traces_cost(quantity bigint, kind text, price jsonb) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN round(quantity * coalesce((price ->> 'exact')::numeric, CASE kind WHEN 'tokens' THEN 0.02 ELSE 0.01 END)
             / coalesce((price ->> 'divide_by')::numeric, 1000))::bigint;

-- A period as the dashboard shows it.  usage_breakdown has what costs something.
CREATE OR REPLACE FUNCTION billing_period_json(id text, starts_at timestamptz, ends_at timestamptz, seat_cost bigint, seat_count bigint,
                                               costs jsonb, quantities jsonb, total bigint, status text) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN jsonb_build_object(
        'id', id, 'period_start', json_time(starts_at), 'period_end', json_time(ends_at), 'seat_cost', seat_cost, 'seat_count', seat_count,
        'usage_costs', costs, 'usage_quantities', quantities,
        'usage_breakdown', (SELECT coalesce(jsonb_agg(jsonb_build_object('usage_type', c.key, 'quantity', coalesce((quantities ->> c.key)::bigint, 0),
                                                                         'cost_cents', c.value) ORDER BY c.key DESC), '[]')
                            FROM jsonb_each(costs) c),
        'total_cost', total, 'status', status);
END
$$;

-- What an organization's seats and traces cost in a period: what an invoice gets, and the dashboard shows.
CREATE OR REPLACE FUNCTION organization_costs(organization uuid, first date, last date, project uuid, prices jsonb, seat_cents bigint,
                                              OUT seat_count bigint, OUT seat_cost bigint, OUT costs jsonb, OUT quantities jsonb,
                                              OUT total bigint, OUT projects jsonb)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    used_tokens bigint;
    used_spans  bigint;
BEGIN
    -- Who made a free organization, or joined one, has a licence there that costs nothing.
    SELECT count(*) INTO seat_count
    FROM memberships m
    JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id AND o.prem_status <> 'free'
    WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.is_paid AND m.is_active;
    seat_cost := seat_count * coalesce((prices #>> '{seat,amount}')::bigint, seat_cents);
    SELECT coalesce(sum(t.tokens), 0), coalesce(sum(t.spans), 0),
           coalesce(jsonb_agg(jsonb_build_object(
               'project_id', t.project_id, 'project_name', t.project_name, 'tokens', t.tokens, 'spans', t.spans, 'token_cost', c.tokens,
               'span_cost', c.spans, 'total_cost', c.tokens + c.spans) ORDER BY t.project_id), '[]')
    INTO used_tokens, used_spans, projects
    FROM organization_traces(organization, first, last, project) t
    CROSS JOIN LATERAL (SELECT traces_cost(t.tokens, 'tokens', prices -> 'tokens') AS tokens, traces_cost(t.spans, 'spans', prices -> 'spans') AS spans) c;
    quantities := jsonb_build_object('tokens', used_tokens, 'spans', used_spans);
    SELECT coalesce(jsonb_object_agg(x.kind, x.cost), '{}') INTO costs
    FROM (VALUES ('tokens', traces_cost(used_tokens, 'tokens', prices -> 'tokens')), ('spans', traces_cost(used_spans, 'spans', prices -> 'spans'))) x (kind, cost)
    WHERE x.cost >= 1;
    total := seat_cost + coalesce((costs ->> 'tokens')::bigint, 0) + coalesce((costs ->> 'spans')::bigint, 0);
END
$$;

-- The billing dashboard of an organization.  period: a stored one; else from and until, both, are the days that are computed; else it
-- is the subscription's period, or the month of the calendar, so far.  Raises AS404 and AS422.
CREATE OR REPLACE FUNCTION billing_dashboard(organization uuid, period uuid, from_at timestamptz, until_at timestamptz, project uuid, prices jsonb,
                                             seat_cents bigint, seat_price text, OUT current_period jsonb, OUT past_periods jsonb,
                                             OUT total_spent_all_time bigint, OUT is_legacy_billing boolean,
                                             OUT legacy_cancellation_date timestamptz, OUT project_breakdown jsonb)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    s     subscriptions;
    b     billing_periods;
    c     record;
    word  text := 'current';
    today date := (now() AT TIME ZONE 'UTC')::date;
    first timestamptz;
    last  timestamptz;
BEGIN
    IF from_at > until_at THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'end_date', MESSAGE = 'end_date must not be before start_date';
    END IF;
    past_periods := '[]';
    SELECT * INTO s FROM subscriptions x WHERE x.tenant_id = app_tenant() AND x.owner_id = organization AND x.is_current AND x.provider_id IS NOT NULL;
    IF period IS NOT NULL THEN
        SELECT * INTO b FROM billing_periods x WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = period;
        IF NOT FOUND THEN
            RAISE SQLSTATE 'AS404' USING MESSAGE = 'Billing period not found', DETAIL = period::text;
        END IF;
        first := b.period_start;
        last := b.period_end;
        current_period := billing_period_json(b.id::text, first, last, b.seat_cost, b.seat_count, b.usage_costs, b.usage_quantities, b.total_cost, b.status);
        total_spent_all_time := b.total_cost;
        project_breakdown := '[]';
    ELSE
        IF from_at IS NOT NULL AND until_at IS NOT NULL THEN
            word := 'custom';
            first := from_at;
            -- A day that is named by its midnight is meant as a whole.
            last := CASE WHEN until_at AT TIME ZONE 'UTC' = date_trunc('day', until_at AT TIME ZONE 'UTC')
                         THEN until_at + interval '1 day' - interval '1 microsecond' ELSE until_at END;
        ELSIF s.status IN ('active', 'trialing') AND s.period_start IS NOT NULL THEN
            first := s.period_start;
            last := s.period_end;
        ELSIF s.status = 'incomplete' THEN
            first := s.started_at;
            last := s.started_at + interval '30 days';
        ELSE
            first := date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
            last := now();
        END IF;
        SELECT * INTO c
        FROM organization_costs(organization, (first AT TIME ZONE 'UTC')::date,
                                CASE WHEN word = 'current' THEN least(today, (last AT TIME ZONE 'UTC')::date) ELSE (last AT TIME ZONE 'UTC')::date END,
                                project, prices, seat_cents);
        project_breakdown := c.projects;
        IF c.seat_count > 0 OR c.projects <> '[]' THEN
            current_period := billing_period_json(word, first, last, c.seat_cost, c.seat_count, c.costs, c.quantities, c.total, word);
        END IF;
        total_spent_all_time := CASE WHEN current_period IS NULL THEN 0 ELSE c.total END;
    END IF;
    is_legacy_billing := s.id IS NOT NULL AND (s.cancel_at_period_end OR seat_price IS NOT NULL AND s.price_id IS DISTINCT FROM seat_price);
    IF is_legacy_billing THEN
        legacy_cancellation_date := coalesce(s.cancel_at, s.period_end, s.canceled_at, last);
    END IF;
END
$$;
