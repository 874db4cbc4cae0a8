-- Plans and what they cost, subscriptions, customers, invoices and payments, of organizations and of users, whichever
-- provider takes the money.
--
-- No column is named after a provider.  A row that one keeps has provider ("stripe") and provider_id, its name there.
-- Amounts are integers in the currency's smallest unit, as the provider has them (see currency_decimals).

-- ---------------------------------------------------------------- plans

-- limits: what a plan allows in a month, by metric, in whole units: {"messages": 10000, "tokens": 2000000, "cost_usd":
-- 25000000}; cost_usd is in millionths of a dollar.  A metric that is not there has no limit.
--
-- currency: of all its prices, as it was written, which is how it is shown.  provider_id: the provider's product.
ALTER TABLE plans
    ADD description text,
    ADD features text[] NOT NULL DEFAULT '{}',
    ADD limits jsonb NOT NULL DEFAULT '{}',
    ADD currency text NOT NULL DEFAULT 'USD',
    ADD provider text,
    ADD provider_id text,
    ADD CONSTRAINT plans_of_prices UNIQUE (tenant_id, id, is_global),
    ADD CONSTRAINT plans_description_length CHECK (char_length(description) <= 2000),
    ADD CONSTRAINT plans_features_count CHECK (cardinality(features) <= 100),
    ADD CONSTRAINT plans_limits_are_counts CHECK (jsonb_typeof(limits) = 'object'
        AND NOT limits @? '$.* ? (@.type() != "number" || @ < 0 || @.floor() != @)'),
    ADD CONSTRAINT plans_currency_format CHECK (currency ~ '^[A-Za-z]{3}$'),
    ADD CONSTRAINT plans_provider_both CHECK (provider_id IS NULL OR provider IS NOT NULL);
CREATE INDEX plans_global ON plans (id) WHERE is_global;

-- Of two plans of one name, which could be made by hand, the later ones say which they are.
DO $$
DECLARE
    t uuid;
BEGIN
    FOR t IN SELECT id FROM tenants LOOP
        PERFORM set_config('app.tenant_id', t::text, true);
        UPDATE plans p
        SET name = left(p.name, 200) || ' (' || p.id || ')'
        WHERE p.tenant_id = t AND EXISTS (SELECT FROM plans q
                                          WHERE q.tenant_id = t AND lower(q.name) = lower(p.name) AND q.id < p.id);
    END LOOP;
    PERFORM set_config('app.tenant_id', '', true);
END
$$;
CREATE UNIQUE INDEX plans_name_unique ON plans (tenant_id, lower(name));

GRANT INSERT ON plans TO ashlar_api;
SELECT changeable('plans', 'is_global');

-- What a plan costs a month, and a year.  provider_id: the provider's price, without which it cannot be checked out.
-- is_global is the plan's, kept equal by the key: everybody may see such a price.
CREATE TABLE plan_prices (
    tenant_id   uuid NOT NULL,
    plan_id     uuid NOT NULL,
    interval    text NOT NULL,
    amount      bigint NOT NULL DEFAULT 0,
    provider    text,
    provider_id text,
    is_global   boolean NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, plan_id, interval),
    CONSTRAINT plan_prices_plan FOREIGN KEY (tenant_id, plan_id, is_global) REFERENCES plans (tenant_id, id, is_global)
        ON UPDATE CASCADE,
    CONSTRAINT plan_prices_interval_known CHECK (interval IN ('month', 'year')),
    CONSTRAINT plan_prices_amount_range CHECK (amount BETWEEN 0 AND 99999999999),
    CONSTRAINT plan_prices_provider_both CHECK (provider_id IS NULL OR provider IS NOT NULL),
    CONSTRAINT plan_prices_provider_id_length CHECK (char_length(provider_id) <= 255)
);
CREATE INDEX plan_prices_of_provider ON plan_prices (tenant_id, provider, provider_id) WHERE provider_id IS NOT NULL;
SELECT isolate('plan_prices');
CREATE POLICY plan_prices_global ON plan_prices FOR SELECT USING (is_global);
GRANT SELECT, INSERT ON plan_prices TO ashlar_api;
SELECT changeable('plan_prices', 'is_global');

-- ---------------------------------------------------------------- customers

-- Who a provider knows an organization, or a user, as.  owner_id is the one of both that it is.
CREATE TABLE billing_customers (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    organization_id uuid,
    user_id         uuid,
    owner_id        uuid NOT NULL GENERATED ALWAYS AS (coalesce(organization_id, user_id)) STORED,
    provider        text NOT NULL,
    provider_id     text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT billing_customers_one_owner CHECK (num_nonnulls(organization_id, user_id) = 1),
    CONSTRAINT billing_customers_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT billing_customers_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT billing_customers_owner_unique UNIQUE (tenant_id, owner_id, provider),
    CONSTRAINT billing_customers_provider_id_unique UNIQUE (tenant_id, provider, provider_id),
    CONSTRAINT billing_customers_provider_id_length CHECK (char_length(provider_id) BETWEEN 1 AND 255)
);
SELECT isolate('billing_customers');
GRANT SELECT, INSERT ON billing_customers TO ashlar_api;
SELECT changeable('billing_customers', 'organization_id', 'user_id');

-- ---------------------------------------------------------------- subscriptions

-- The order in which a provider's objects were read: a read takes its number before it asks.  What was read with a
-- higher number than another's began later, so it knows all that had happened when the other one began.  A clock
-- may be set back; this one never goes back.
CREATE SEQUENCE billing_looks;
GRANT USAGE ON SEQUENCE billing_looks TO ashlar_api;

-- What an organization, or a user, is subscribed to.  billing_see() alone changes what the provider says.
--
--   plan_id        NULL: its price is of no plan here
--   tier           what the profile of the owner calls it, "pro"
--   status         Stripe's words, for all providers: the ended ones are canceled and incomplete_expired
--   is_current     the one of the owner's that counts; the others have ended, wait for a payment, or are paid twice
--   amount         of one, each interval
--   period_*       what is paid; a plan that costs nothing has the month that now is in (subscription_period)
--   next_*         what it will be from next_at on
--   metadata       the client's own
--   item_id, schedule_id
--                  what a change of the plan has to name at the provider
--   seen           the number of the read that is stored here (billing_looks); seen_at: when that was
CREATE TABLE subscriptions (
    tenant_id            uuid NOT NULL,
    id                   uuid NOT NULL DEFAULT uuid_v7(),
    organization_id      uuid,
    user_id              uuid,
    owner_id             uuid NOT NULL GENERATED ALWAYS AS (coalesce(organization_id, user_id)) STORED,
    plan_id              uuid,
    tier                 text,
    interval             text NOT NULL DEFAULT 'month',
    status               text NOT NULL,
    is_current           boolean NOT NULL DEFAULT false,
    quantity             bigint NOT NULL DEFAULT 1,
    amount               bigint,
    currency             text,
    started_at           timestamptz NOT NULL DEFAULT now(),
    period_start         timestamptz,
    period_end           timestamptz,
    trial_start          timestamptz,
    trial_end            timestamptz,
    cancel_at_period_end boolean NOT NULL DEFAULT false,
    canceled_at          timestamptz,
    ended_at             timestamptz,
    next_plan_id         uuid,
    next_interval        text,
    next_at              timestamptz,
    metadata             jsonb NOT NULL DEFAULT '{}',
    provider             text,
    provider_id          text,
    customer_id          text,
    item_id              text,
    price_id             text,
    schedule_id          text,
    seen                 bigint NOT NULL DEFAULT 0,
    seen_at              timestamptz,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT subscriptions_one_owner CHECK (num_nonnulls(organization_id, user_id) = 1),
    CONSTRAINT subscriptions_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT subscriptions_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT subscriptions_provider_id_unique UNIQUE (tenant_id, provider, provider_id),
    CONSTRAINT subscriptions_status_known CHECK (status IN ('incomplete', 'incomplete_expired', 'trialing', 'active',
        'past_due', 'canceled', 'unpaid', 'paused')),
    CONSTRAINT subscriptions_intervals_known CHECK (interval IN ('day', 'week', 'month', 'year')
        AND next_interval IN ('day', 'week', 'month', 'year')),
    CONSTRAINT subscriptions_ended CHECK ((status IN ('canceled', 'incomplete_expired')) = (ended_at IS NOT NULL)),
    CONSTRAINT subscriptions_current_goes_on CHECK (NOT is_current OR ended_at IS NULL),
    CONSTRAINT subscriptions_quantity_range CHECK (quantity >= 0),
    CONSTRAINT subscriptions_metadata_is_object CHECK (jsonb_typeof(metadata) = 'object'),
    CONSTRAINT subscriptions_provider_both CHECK (provider_id IS NULL OR provider IS NOT NULL)
);
CREATE UNIQUE INDEX subscriptions_one_current ON subscriptions (tenant_id, owner_id) WHERE is_current;
CREATE INDEX subscriptions_of_owner ON subscriptions (tenant_id, owner_id, started_at DESC);
CREATE INDEX subscriptions_of_plan ON subscriptions (tenant_id, plan_id) WHERE is_current;
CREATE INDEX subscriptions_to_compare ON subscriptions (tenant_id, seen_at) WHERE ended_at IS NULL AND provider_id IS NOT NULL;
SELECT isolate('subscriptions');
GRANT SELECT, INSERT ON subscriptions TO ashlar_api;
SELECT changeable('subscriptions', 'organization_id', 'user_id');

-- What the profile of a user shows is written with their subscription.
GRANT UPDATE (subscription_plan, subscription_status) ON users TO ashlar_api;

-- ---------------------------------------------------------------- invoices and payments

-- Invoices as their provider has them, as they were last seen.
CREATE TABLE invoices (
    tenant_id        uuid NOT NULL,
    id               uuid NOT NULL DEFAULT uuid_v7(),
    organization_id  uuid,
    user_id          uuid,
    owner_id         uuid NOT NULL GENERATED ALWAYS AS (coalesce(organization_id, user_id)) STORED,
    provider         text NOT NULL,
    provider_id      text NOT NULL,
    subscription     text,
    number           text,
    status           text NOT NULL,
    currency         text NOT NULL,
    total            bigint NOT NULL,
    amount_due       bigint NOT NULL,
    amount_paid      bigint NOT NULL,
    amount_remaining bigint NOT NULL,
    issued_at        timestamptz NOT NULL,
    period_start     timestamptz,
    period_end       timestamptz,
    paid_at          timestamptz,
    page_url         text,
    pdf_url          text,
    seen             bigint NOT NULL DEFAULT 0,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT invoices_one_owner CHECK (num_nonnulls(organization_id, user_id) = 1),
    CONSTRAINT invoices_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT invoices_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT invoices_provider_id_unique UNIQUE (tenant_id, provider, provider_id)
);
CREATE INDEX invoices_of_owner ON invoices (tenant_id, owner_id, issued_at DESC, id DESC);
SELECT isolate('invoices');
GRANT SELECT, INSERT ON invoices TO ashlar_api;
SELECT changeable('invoices', 'organization_id', 'user_id');

-- Payments by the provider's intent.  credited_at: what was paid has been credited, once (payment_credit).
CREATE TABLE payments (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    organization_id uuid,
    user_id         uuid,
    owner_id        uuid NOT NULL GENERATED ALWAYS AS (coalesce(organization_id, user_id)) STORED,
    provider        text NOT NULL,
    provider_id     text NOT NULL,
    amount          bigint NOT NULL,
    currency        text NOT NULL,
    status          text NOT NULL DEFAULT 'pending',
    credited_at     timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT payments_one_owner CHECK (num_nonnulls(organization_id, user_id) = 1),
    CONSTRAINT payments_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT payments_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT payments_provider_id_unique UNIQUE (tenant_id, provider, provider_id),
    CONSTRAINT payments_amount_range CHECK (amount >= 0),
    CONSTRAINT payments_currency_format CHECK (currency ~ '^[a-z]{3}$'),
    CONSTRAINT payments_credited CHECK ((status = 'succeeded') = (credited_at IS NOT NULL))
);
SELECT isolate('payments');
GRANT SELECT, INSERT ON payments TO ashlar_api;
SELECT changeable('payments', 'organization_id', 'user_id', 'amount', 'currency', 'provider', 'provider_id');

-- ---------------------------------------------------------------- operations

-- What a provider is asked to do, committed before it is asked: its id is what the provider knows the operation by, so
-- that whoever repeats it, does it once.  A provider remembers for a day; what is unfinished after that is looked up and not
-- repeated.
--
--   request      what is to be done, in our words: of the owner's unfinished ones of that kind, the one with the
--                same request is gone on with
--   state        asked: begun, and not known to have ended; done; failed: refused for good, and nothing was done;
--                lost: not known, and too old to be repeated
--   provider_id  what it made or changed
--   answer       what is needed of the provider's answer
CREATE TABLE billing_operations (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    organization_id uuid,
    user_id         uuid,
    owner_id        uuid NOT NULL GENERATED ALWAYS AS (coalesce(organization_id, user_id)) STORED,
    kind            text NOT NULL,
    request         jsonb NOT NULL,
    state           text NOT NULL DEFAULT 'asked',
    provider        text NOT NULL,
    provider_id     text,
    answer          jsonb,
    error           text,
    ended_at        timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT billing_operations_one_owner CHECK (num_nonnulls(organization_id, user_id) = 1),
    CONSTRAINT billing_operations_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT billing_operations_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT billing_operations_state_known CHECK (state IN ('asked', 'done', 'failed', 'lost')),
    CONSTRAINT billing_operations_ended CHECK ((state = 'asked') = (ended_at IS NULL)),
    CONSTRAINT billing_operations_error_length CHECK (char_length(error) <= 2000)
);
CREATE INDEX billing_operations_unfinished ON billing_operations (tenant_id, owner_id, kind) WHERE state = 'asked';
CREATE INDEX billing_operations_age ON billing_operations (created_at);
SELECT isolate('billing_operations');
SELECT purgeable('billing_operations', 'created_at < now() - interval ''90 days''');
GRANT SELECT, INSERT ON billing_operations TO ashlar_api;
SELECT changeable('billing_operations', 'organization_id', 'user_id', 'kind', 'request', 'provider');
