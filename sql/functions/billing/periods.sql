-- The periods of an organization that are billed for what its traces used.
--
-- An invoice is drafted when a period is over, and is a draft for an hour: until then what was used is added to it.

-- A draft was read: have what was used in its period added to it, once, by the job "billing.period".  Without a price of seats there
-- is none: so the last release's binaries, which do not know the job, have it queued by nobody.
CREATE OR REPLACE FUNCTION billing_period_want(provider text, organization uuid, object jsonb) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    first timestamptz := json_epoch(object -> 'period_start', 1);
    last  timestamptz := json_epoch(object -> 'period_end', 1);
BEGIN
    IF app_seat_price() IS NULL OR (first < last) IS NOT TRUE OR last > now() + interval '5 minutes' THEN
        RETURN;
    END IF;
    -- What was read later counts, and what is no draft any more takes no items.
    IF EXISTS (SELECT FROM invoices i
               WHERE i.tenant_id = app_tenant() AND i.provider = billing_period_want.provider AND i.provider_id = object ->> 'id' AND i.status = 'draft')
       AND EXISTS (SELECT FROM subscriptions s
                   WHERE s.tenant_id = app_tenant() AND s.owner_id = organization AND s.provider_id = object ->> 'subscription' AND s.is_seated)
       AND NOT EXISTS (SELECT FROM billing_periods b
                       WHERE b.tenant_id = app_tenant() AND b.organization_id = organization AND b.period_start = first AND b.status <> 'pending') THEN
        PERFORM job_add('ashlar', 'billing.period',
                        jsonb_build_object('id', object ->> 'id', 'customer', object ->> 'customer', 'currency', lower(object ->> 'currency'),
                                           'organization', organization, 'from', object -> 'period_start', 'until', object -> 'period_end'),
                        unique_key => 'billing.period:' || (object ->> 'id'));
    END IF;
END
$$;

-- Store what an organization has used in a period, for this invoice, once.  period is null where there is nothing to add: it is in the
-- invoice already, or in another one.  Days are whole: the one on which a period ends belongs to the next.
--
--   was_there  it was stored before, so that items of it may be in the invoice
--   is_early   the last day has just ended, and what was used is summed seconds later: ask again
--   problem    why it cannot be billed
CREATE OR REPLACE FUNCTION billing_period_keep(organization uuid, invoice text, currency text, first timestamptz, last timestamptz, prices jsonb,
                                               seat_cents bigint, OUT period uuid, OUT costs jsonb, OUT quantities jsonb,
                                               OUT was_there boolean, OUT is_early boolean, OUT problem text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    b    billing_periods;
    c    record;
    ends date := (last AT TIME ZONE 'UTC')::date;
BEGIN
    is_early := now() - (ends::timestamp AT TIME ZONE 'UTC') BETWEEN interval '0' AND interval '30 seconds';
    IF is_early THEN
        RETURN;
    END IF;
    SELECT * INTO b FROM billing_periods x WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.period_start = first;
    was_there := FOUND;
    IF NOT was_there THEN
        SELECT * INTO c FROM organization_costs(organization, (first AT TIME ZONE 'UTC')::date, ends - 1, NULL, prices, seat_cents);
        SELECT string_agg(format('%s are priced in %s, and the invoice is in %s', k.kind, k.currency, billing_period_keep.currency), '; ' ORDER BY k.kind)
        INTO problem
        FROM (SELECT e.key AS kind, coalesce(prices #>> ARRAY[e.key, 'currency'], 'usd') AS currency FROM jsonb_each(c.costs) e) k
        WHERE k.currency <> billing_period_keep.currency;
        IF problem IS NOT NULL THEN
            RETURN;
        END IF;
        INSERT INTO billing_periods AS x (tenant_id, organization_id, period_start, period_end, provider, provider_id, currency, seat_cost, seat_count,
                                          usage_costs, usage_quantities, total_cost)
        VALUES (app_tenant(), organization, first, last, 'stripe', invoice, billing_period_keep.currency, c.seat_cost, c.seat_count, c.costs,
                c.quantities, c.total)
        RETURNING * INTO b;
    END IF;
    IF b.status = 'pending' AND b.provider_id = invoice THEN
        period := b.id;
        costs := b.usage_costs;
        quantities := b.usage_quantities;
    END IF;
END
$$;
