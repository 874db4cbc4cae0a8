-- Invoices as their provider has them, and what is credited of what was paid.

-- Credit what was paid, once, whoever says so first: a webhook's job, the answer of a request, the reconciliation.  The one
-- who has credited it gets true, and may go on with what was bought; everybody else gets false.
--
-- The amount and the currency are what was to be paid: another payment under this name is credited to nobody (AS409).
CREATE OR REPLACE FUNCTION payment_credit(provider text, intent text, amount bigint, currency text) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    p payments;
BEGIN
    UPDATE payments x
    SET status = 'succeeded', credited_at = clock_timestamp()
    WHERE x.tenant_id = app_tenant() AND x.provider = payment_credit.provider AND x.provider_id = intent AND x.credited_at IS NULL
      AND x.amount = payment_credit.amount AND x.currency = lower(payment_credit.currency)
    RETURNING * INTO p;
    IF FOUND THEN
        RETURN true;
    END IF;
    SELECT * INTO p FROM payments x WHERE x.tenant_id = app_tenant() AND x.provider = payment_credit.provider AND x.provider_id = intent;
    IF FOUND AND (p.amount <> payment_credit.amount OR p.currency <> lower(payment_credit.currency)) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = format('payment %s is of %s %s, and not of %s %s', intent, p.amount, p.currency,
                                                      payment_credit.amount, lower(payment_credit.currency));
    END IF;
    RETURN false;
END
$$;

-- An invoice was read: keep it, unless one that was read later is kept; what it was paid with is credited.  False: it is
-- nobody's here.  object: id customer subscription number status currency total amount_due amount_paid amount_remaining created
-- period_start period_end paid_at page_url pdf_url payment attempts next_attempt_at metadata.
CREATE OR REPLACE FUNCTION invoice_see(provider text, object jsonb, look bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    whose record;
BEGIN
    SELECT * INTO whose FROM billing_owner(provider, object);
    IF whose.organization IS NULL AND whose.who IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO invoices AS i (tenant_id, organization_id, user_id, provider, provider_id, subscription, number, status, currency, total,
                               amount_due, amount_paid, amount_remaining, issued_at, period_start, period_end, paid_at, page_url,
                               pdf_url, attempts, next_attempt_at, seen)
    VALUES (app_tenant(), whose.organization, whose.who, invoice_see.provider, object ->> 'id', object ->> 'subscription', object ->> 'number',
            object ->> 'status', lower(object ->> 'currency'), (object ->> 'total')::bigint, (object ->> 'amount_due')::bigint,
            (object ->> 'amount_paid')::bigint, (object ->> 'amount_remaining')::bigint, json_epoch(object -> 'created', 1),
            json_epoch(object -> 'period_start', 1), json_epoch(object -> 'period_end', 1), json_epoch(object -> 'paid_at', 1),
            object ->> 'page_url', object ->> 'pdf_url', coalesce((object ->> 'attempts')::bigint, 0), json_epoch(object -> 'next_attempt_at', 1), look)
    ON CONFLICT ON CONSTRAINT invoices_provider_id_unique DO UPDATE
    SET subscription = excluded.subscription, number = excluded.number, status = excluded.status, total = excluded.total,
        amount_due = excluded.amount_due, amount_paid = excluded.amount_paid, amount_remaining = excluded.amount_remaining,
        period_start = excluded.period_start, period_end = excluded.period_end, paid_at = excluded.paid_at, page_url = excluded.page_url,
        pdf_url = excluded.pdf_url, attempts = coalesce((object ->> 'attempts')::bigint, i.attempts), next_attempt_at = excluded.next_attempt_at,
        seen = excluded.seen
    WHERE i.seen < excluded.seen;
    IF object ->> 'status' = 'draft' AND whose.organization IS NOT NULL THEN
        PERFORM billing_period_want(provider, whose.organization, object);
    END IF;
    -- The period whose usage is in it.
    UPDATE billing_periods b
    SET status = 'paid', provider_id = object ->> 'id', invoiced_at = coalesce(b.invoiced_at, now())
    WHERE b.tenant_id = app_tenant() AND b.organization_id = whose.organization AND b.status <> 'paid' AND object ->> 'status' = 'paid'
      AND (b.provider_id = object ->> 'id' OR b.provider_id IS NULL AND b.period_start = json_epoch(object -> 'period_start', 1) AND b.period_end = json_epoch(object -> 'period_end', 1));
    IF object ->> 'status' = 'paid' AND object ->> 'payment' IS NOT NULL THEN
        INSERT INTO payments (tenant_id, organization_id, user_id, provider, provider_id, amount, currency)
        VALUES (app_tenant(), whose.organization, whose.who, invoice_see.provider, object ->> 'payment', (object ->> 'amount_paid')::bigint,
                lower(object ->> 'currency'))
        ON CONFLICT ON CONSTRAINT payments_provider_id_unique DO NOTHING;
        PERFORM payment_credit(provider, object ->> 'payment', (object ->> 'amount_paid')::bigint, object ->> 'currency');
    END IF;
    RETURN true;
END
$$;

-- A payment was read.  What was paid is credited, if it is one of ours and has not been.  False: it is none of ours.  object: id
-- status amount amount_received currency.
CREATE OR REPLACE FUNCTION payment_see(provider text, object jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    IF topup_see(provider, object) THEN
        RETURN true;
    END IF;
    IF object ->> 'status' = 'succeeded' THEN
        PERFORM payment_credit(provider, object ->> 'id', (object ->> 'amount_received')::bigint, object ->> 'currency');
    ELSE
        UPDATE payments x
        SET status = object ->> 'status'
        WHERE x.tenant_id = app_tenant() AND x.provider = payment_see.provider AND x.provider_id = object ->> 'id' AND x.credited_at IS NULL;
    END IF;
    RETURN EXISTS (SELECT FROM payments x
                   WHERE x.tenant_id = app_tenant() AND x.provider = payment_see.provider AND x.provider_id = object ->> 'id');
END
$$;

-- ---------------------------------------------------------------- looking

-- Have an object read from its provider, and what it is applied: the job "billing.look".  A webhook says no more than that there is
-- something to see; one provider's account serves all tenants, so whose it is says what we wrote into the object.
--
-- Each has a job of its own: one that runs already may have read before.
CREATE OR REPLACE FUNCTION billing_look_add(provider text, kind text, id text, meta jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    here  uuid := app_tenant();
    there uuid := CASE WHEN meta ->> 'tenant_id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN (meta ->> 'tenant_id')::uuid END;
BEGIN
    IF there <> here THEN
        PERFORM set_config('app.tenant_id', there::text, true);
        IF NOT EXISTS (SELECT FROM tenants t WHERE t.id = there) THEN
            PERFORM set_config('app.tenant_id', here::text, true);
        END IF;
    END IF;
    PERFORM job_add('ashlar', 'billing.look', jsonb_build_object('provider', provider, 'kind', kind, 'id', id));
    PERFORM set_config('app.tenant_id', here::text, true);
END
$$;

-- Before an object is read: the number of the read, and whether this is a tenant's test mode.
CREATE OR REPLACE FUNCTION billing_look_begin(OUT look bigint, OUT is_test boolean)
LANGUAGE plpgsql AS $$
BEGIN
    look := billing_look();
    is_test := EXISTS (SELECT FROM tenants t WHERE t.id = app_tenant() AND t.test_of IS NOT NULL);
END
$$;

-- An object was read: apply it.  NULL, or why there was nothing to do.
CREATE OR REPLACE FUNCTION billing_looked(provider text, kind text, object jsonb, look bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    problem text;
BEGIN
    CASE kind
        WHEN 'subscription' THEN
            SELECT s.problem INTO problem FROM billing_see(provider, object, look) s;
        WHEN 'invoice' THEN
            problem := CASE WHEN NOT invoice_see(provider, object, look) THEN 'its customer is nobody here' END;
        WHEN 'payment' THEN
            problem := CASE WHEN NOT payment_see(provider, object) THEN 'it is no payment of ours' END;
    END CASE;
    RETURN problem;
END
$$;
