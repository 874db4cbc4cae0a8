-- What the installation sells: tiers, and packages of tokens and of credit; and what it costs to run.  These are no tenant's: the
-- operator edits the rows, and everybody sees the prices.  A tenant's own plans, which its organizations subscribe to, are in plans.

-- slug       what subscriptions.tier says of who has it
-- limits     how much there is of what a PlanLimits names; what is not there, or null, has no limit
CREATE TABLE tiers (
    slug                text PRIMARY KEY,
    name                text NOT NULL,
    description         text NOT NULL DEFAULT '',
    price_monthly_cents bigint NOT NULL DEFAULT 0,
    price_yearly_cents  bigint,
    currency            text NOT NULL DEFAULT 'usd',
    limits              jsonb NOT NULL DEFAULT '{}',
    features            text[] NOT NULL DEFAULT '{}',
    sort_order          integer NOT NULL,
    is_offered          boolean NOT NULL DEFAULT true,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT tiers_slug_format CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND char_length(slug) <= 63),
    CONSTRAINT tiers_sort_order_unique UNIQUE (sort_order) DEFERRABLE,
    CONSTRAINT tiers_prices_range CHECK (price_monthly_cents BETWEEN 0 AND 99999999 AND price_yearly_cents BETWEEN 1 AND 99999999),
    CONSTRAINT tiers_currency_format CHECK (currency ~ '^[a-z]{3}$'),
    CONSTRAINT tiers_limits_are_counts CHECK (jsonb_typeof(limits) = 'object'
        AND NOT limits @? '$.* ? (@.type() != "null" && (@.type() != "number" || @ < 0 || @.floor() != @))')
);
CREATE TRIGGER tiers_touch BEFORE UPDATE ON tiers FOR EACH ROW EXECUTE FUNCTION touch();
GRANT SELECT ON tiers TO ashlar_api;

INSERT INTO tiers (slug, name, description, price_monthly_cents, price_yearly_cents, limits, features, sort_order)
VALUES
    ('free', 'Free', 'To look around', 0, NULL,
     '{"tokens_per_month": 10000, "tasks_per_month": 100, "agents": 2, "products": 1, "team_members": 1, "api_requests_per_day": 1000, "storage_bytes": 1073741824}', '{}', 10),
    ('starter', 'Starter', 'For one product and a small team', 1900, 19000,
     '{"tokens_per_month": 100000, "tasks_per_month": 1000, "agents": 5, "products": 3, "team_members": 3, "api_requests_per_day": 10000, "storage_bytes": 10737418240}', '{}', 20),
    ('pro', 'Pro', 'For several products', 4900, 49000,
     '{"tokens_per_month": 500000, "tasks_per_month": 10000, "agents": 20, "products": 10, "team_members": 10, "api_requests_per_day": 100000, "storage_bytes": 53687091200}', '{}', 30),
    ('business', 'Business', 'For a whole company', 19900, 199000,
     '{"tokens_per_month": 2500000, "tasks_per_month": null, "agents": 100, "products": 50, "team_members": 50, "api_requests_per_day": 1000000, "storage_bytes": 536870912000}', '{}', 40);

-- unit       tokens; or credit, in cents
-- amount     of the unit, that is bought, and bonus, that is given with it
CREATE TABLE packages (
    slug        text PRIMARY KEY,
    unit        text NOT NULL,
    name        text NOT NULL,
    amount      bigint NOT NULL,
    bonus       bigint NOT NULL DEFAULT 0,
    price_cents bigint NOT NULL,
    currency    text NOT NULL DEFAULT 'usd',
    is_offered  boolean NOT NULL DEFAULT true,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT packages_slug_format CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND char_length(slug) <= 63),
    CONSTRAINT packages_unit_known CHECK (unit IN ('tokens', 'credit')),
    CONSTRAINT packages_amounts_range CHECK (amount BETWEEN 1 AND 1000000000000 AND bonus BETWEEN 0 AND 1000000000000),
    CONSTRAINT packages_price_range CHECK (price_cents BETWEEN 50 AND 99999999),
    CONSTRAINT packages_currency_format CHECK (currency ~ '^[a-z]{3}$')
);
CREATE TRIGGER packages_touch BEFORE UPDATE ON packages FOR EACH ROW EXECUTE FUNCTION touch();
GRANT SELECT ON packages TO ashlar_api;

INSERT INTO packages (slug, unit, name, amount, bonus, price_cents)
VALUES
    ('tokens-50k', 'tokens', '50,000 tokens', 50000, 0, 500),
    ('tokens-250k', 'tokens', '250,000 tokens', 250000, 12500, 2000),
    ('tokens-1m', 'tokens', '1,000,000 tokens', 1000000, 100000, 7000),
    ('credit-10', 'credit', '$10 of credit', 1000, 0, 1000),
    ('credit-25', 'credit', '$25 of credit', 2500, 0, 2500),
    ('credit-100', 'credit', '$100 of credit', 10000, 500, 10000);

-- What is given and taken without being asked for: the bonus of who signs up, and what an action is said to take.
CREATE TABLE token_prices (
    kind       text NOT NULL,
    name       text NOT NULL,
    tokens     bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, name),
    CONSTRAINT token_prices_kind_known CHECK (kind IN ('bonus', 'action')),
    CONSTRAINT token_prices_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT token_prices_range CHECK (tokens BETWEEN 0 AND 1000000000000)
);
CREATE TRIGGER token_prices_touch BEFORE UPDATE ON token_prices FOR EACH ROW EXECUTE FUNCTION touch();
GRANT SELECT ON token_prices TO ashlar_api;
INSERT INTO token_prices (kind, name, tokens) VALUES ('bonus', 'sign-up', 1000);

-- What it costs to run the installation, for its operator alone (billing_overview).
CREATE TABLE infrastructure_costs (
    provider      text NOT NULL,
    name          text NOT NULL,
    monthly_cents bigint NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, name),
    CONSTRAINT infrastructure_costs_texts CHECK (char_length(provider) BETWEEN 1 AND 100 AND char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT infrastructure_costs_range CHECK (monthly_cents BETWEEN 0 AND 99999999999)
);
CREATE TRIGGER infrastructure_costs_touch BEFORE UPDATE ON infrastructure_costs FOR EACH ROW EXECUTE FUNCTION touch();

-- A subscription's number, by which the operations surface knows it; a table of its own, as user_accounts is one.
CREATE TABLE subscription_numbers (
    tenant_id       uuid NOT NULL,
    subscription_id uuid NOT NULL,
    number          bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, subscription_id),
    CONSTRAINT subscription_numbers_number_unique UNIQUE (number),
    CONSTRAINT subscription_numbers_subscription FOREIGN KEY (tenant_id, subscription_id) REFERENCES subscriptions ON DELETE CASCADE
);
SELECT isolate('subscription_numbers');
GRANT SELECT, INSERT ON subscription_numbers TO ashlar_api;

CREATE FUNCTION subscription_number_made() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO subscription_numbers (tenant_id, subscription_id) VALUES (NEW.tenant_id, NEW.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER subscriptions_number_made AFTER INSERT ON subscriptions FOR EACH ROW EXECUTE FUNCTION subscription_number_made();

DO $$
DECLARE
    within text := coalesce(current_setting('app.tenant_id', true), '');
    t      uuid;
BEGIN
    FOR t IN SELECT id FROM tenants ORDER BY id LOOP
        PERFORM set_config('app.tenant_id', t::text, true);
        INSERT INTO subscription_numbers (tenant_id, subscription_id)
        SELECT s.tenant_id, s.id FROM subscriptions s WHERE s.tenant_id = t ORDER BY s.created_at, s.id
        ON CONFLICT DO NOTHING;
    END LOOP;
    PERFORM set_config('app.tenant_id', within, true);
END
$$;

-- What was ever consumed of a wallet, when this was: so what a period has consumed is a difference of two rows, and no sum of all.
-- A wallet's of before had none; wallets are as new as this is.
ALTER TABLE wallet_transactions ADD consumed_after bigint NOT NULL DEFAULT 0;
CREATE INDEX wallet_transactions_times ON wallet_transactions (tenant_id, wallet_id, created_at, number);

-- What a member has made in a period.
CREATE INDEX tasks_of_creator_since ON tasks (tenant_id, organization_id, created_by_id, created_at) WHERE created_by_id IS NOT NULL;

-- Who operates the installation sees what all tenants bring and cost (billing_overview), as with users (0175_user_accounts.sql).
CREATE POLICY subscriptions_operated ON subscriptions FOR SELECT TO CURRENT_USER USING ((SELECT current_setting('app.operated', true)) = 'on');
CREATE POLICY plans_operated ON plans FOR SELECT TO CURRENT_USER USING ((SELECT current_setting('app.operated', true)) = 'on');
CREATE POLICY payment_accounts_operated ON payment_accounts FOR SELECT TO CURRENT_USER USING ((SELECT current_setting('app.operated', true)) = 'on');
CREATE POLICY ai_daily_operated ON ai_daily FOR SELECT TO CURRENT_USER USING ((SELECT current_setting('app.operated', true)) = 'on');
