-- What the observability surface sells: seats of an organization, each dealt to a member, and what its traces use beside them.

-- ---------------------------------------------------------------- members

-- business_user: reads, and no more.  is_paid: has one of the seats that the organization pays for (sql/functions/billing/seats.sql).
ALTER TABLE memberships
    DROP CONSTRAINT memberships_role_known,
    ADD CONSTRAINT memberships_role_known CHECK (role IN ('owner', 'admin', 'member', 'developer', 'viewer', 'business_user')),
    ADD is_paid boolean NOT NULL DEFAULT false;
ALTER TABLE invitations
    DROP CONSTRAINT invitations_role_known,
    ADD CONSTRAINT invitations_role_known CHECK (role IN ('admin', 'member', 'developer', 'viewer', 'business_user'));
ALTER TABLE role_permissions
    DROP CONSTRAINT role_permissions_role_known,
    ADD CONSTRAINT role_permissions_role_known CHECK (role IN ('admin', 'developer', 'member', 'viewer', 'business_user'));
GRANT UPDATE (is_paid) ON memberships TO ashlar_api;

-- What the organization is by what it pays for: seats_settle() alone writes it.
ALTER TABLE organizations
    ADD prem_status text NOT NULL DEFAULT 'free',
    ADD CONSTRAINT organizations_prem_status_known CHECK (prem_status IN ('free', 'pro', 'enterprise'));
GRANT UPDATE (prem_status) ON organizations TO ashlar_api;

-- ---------------------------------------------------------------- subscriptions

--   is_seated        its quantity is seats, which are dealt to members
--   cancel_at        when the provider will end it, where that is not the period's end
--   behind_since     until when what is past due was paid: three days later its seats are gone
--   withheld         why the period that began at withheld_period gives nothing: refunded, disputed
ALTER TABLE subscriptions
    ADD is_seated boolean NOT NULL DEFAULT false,
    ADD cancel_at timestamptz,
    ADD behind_since timestamptz,
    ADD withheld text,
    ADD withheld_period timestamptz,
    ADD CONSTRAINT subscriptions_withheld_known CHECK (withheld IN ('refunded', 'disputed'));
GRANT UPDATE (is_seated, cancel_at, behind_since, withheld, withheld_period) ON subscriptions TO ashlar_api;
-- Whose a payment is that an event tells of: one account serves all tenants, and a charge does not say which (payment_tenant).
CREATE INDEX payments_of_provider ON payments (provider_id);
CREATE POLICY payments_directory ON payments FOR SELECT TO CURRENT_USER USING (true);

-- Checkouts of an organization that may still be open.
CREATE INDEX billing_operations_pages ON billing_operations (tenant_id, owner_id) WHERE kind = 'seats' AND state = 'done';

-- ---------------------------------------------------------------- prices and periods

-- A provider's price as it was read at read_at, in our words (providers/stripe_billing.h); good for an hour.
CREATE TABLE billing_prices (
    tenant_id   uuid NOT NULL REFERENCES tenants,
    provider    text NOT NULL,
    provider_id text NOT NULL,
    price       jsonb NOT NULL,
    read_at     timestamptz NOT NULL DEFAULT now(),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, provider, provider_id),
    CONSTRAINT billing_prices_price_is_object CHECK (jsonb_typeof(price) = 'object'),
    CONSTRAINT billing_prices_provider_id_length CHECK (char_length(provider_id) BETWEEN 1 AND 255)
);
SELECT isolate('billing_prices');
GRANT SELECT, INSERT ON billing_prices TO ashlar_api;
SELECT changeable('billing_prices');

-- What an organization was billed for a period, as it was when its invoice began: money in the currency's smallest unit.
--
--   usage_costs, usage_quantities  by kind of usage: tokens, spans
--   status       pending: its items are to be added; invoiced: they are in the invoice (provider_id); paid
CREATE TABLE billing_periods (
    tenant_id        uuid NOT NULL,
    id               uuid NOT NULL DEFAULT uuid_v7(),
    organization_id  uuid NOT NULL,
    period_start     timestamptz NOT NULL,
    period_end       timestamptz NOT NULL,
    provider         text NOT NULL,
    provider_id      text,
    currency         text NOT NULL,
    seat_cost        bigint NOT NULL,
    seat_count       bigint NOT NULL,
    usage_costs      jsonb NOT NULL DEFAULT '{}',
    usage_quantities jsonb NOT NULL DEFAULT '{}',
    total_cost       bigint NOT NULL,
    status           text NOT NULL DEFAULT 'pending',
    invoiced_at      timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT billing_periods_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT billing_periods_once UNIQUE (tenant_id, organization_id, period_start),
    CONSTRAINT billing_periods_range CHECK (period_start < period_end),
    CONSTRAINT billing_periods_status_known CHECK (status IN ('pending', 'invoiced', 'paid')),
    CONSTRAINT billing_periods_amounts_range CHECK (seat_cost >= 0 AND seat_count >= 0 AND total_cost >= 0),
    CONSTRAINT billing_periods_usage_is_object CHECK (jsonb_typeof(usage_costs) = 'object' AND jsonb_typeof(usage_quantities) = 'object')
);
CREATE INDEX billing_periods_of_invoice ON billing_periods (tenant_id, provider_id) WHERE provider_id IS NOT NULL;
SELECT isolate('billing_periods');
GRANT SELECT, INSERT ON billing_periods TO ashlar_api;
SELECT changeable('billing_periods', 'organization_id');
