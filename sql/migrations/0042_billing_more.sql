-- What billing tells of, and a tenant's own account at a provider of payments.

-- How often a provider has tried to collect an invoice, and when it will again: that one more try has failed is an event.
ALTER TABLE invoices
    ADD attempts bigint NOT NULL DEFAULT 0,
    ADD next_attempt_at timestamptz;
SELECT changeable('invoices', 'organization_id', 'user_id');

-- ---------------------------------------------------------------- accounts

-- A tenant's own account at a provider, which then takes its money in place of the installation's.
--
--   account     the provider's name of it; NULL: the key may not ask for that
--   is_enabled  is it asked?  Else the installation's is
--   is_live     does the key move money?
--   *_sealed    by the api (lib/crypto/seal.h): what it is asked with, and what its webhooks are signed with
--   *_tail      the last four characters of each, which is all that is ever shown
CREATE TABLE payment_accounts (
    tenant_id             uuid NOT NULL REFERENCES tenants,
    provider              text NOT NULL,
    account               text,
    is_enabled            boolean NOT NULL DEFAULT true,
    is_live               boolean NOT NULL,
    key_sealed            text NOT NULL,
    key_tail              text NOT NULL,
    webhook_secret_sealed text,
    webhook_secret_tail   text,
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, provider),
    CONSTRAINT payment_accounts_provider_known CHECK (provider IN ('stripe')),
    CONSTRAINT payment_accounts_tails_length CHECK (char_length(key_tail) = 4 AND char_length(webhook_secret_tail) = 4),
    CONSTRAINT payment_accounts_webhook_both CHECK ((webhook_secret_sealed IS NULL) = (webhook_secret_tail IS NULL))
);
SELECT isolate('payment_accounts');
GRANT SELECT, INSERT, DELETE ON payment_accounts TO ashlar_api;
SELECT changeable('payment_accounts', 'provider');

-- Another account knows no customer of the one before.
GRANT DELETE ON billing_customers TO ashlar_api;

-- is_own: it came from the tenant's own account, so that it is about this tenant and about no other.
ALTER TABLE webhook_events ADD is_own boolean NOT NULL DEFAULT false;

-- ---------------------------------------------------------------- terms of plans

--   trial_days   for how long a plan that is checked out for the first time costs nothing
--   seats        members: a subscription's quantity is how many members its organization has
ALTER TABLE plans
    ADD trial_days integer NOT NULL DEFAULT 0,
    ADD seats text NOT NULL DEFAULT 'fixed',
    ADD CONSTRAINT plans_trial_days_range CHECK (trial_days BETWEEN 0 AND 730),
    ADD CONSTRAINT plans_seats_known CHECK (seats IN ('fixed', 'members'));
SELECT changeable('plans', 'is_global');

-- ---------------------------------------------------------------- reminders

-- What is done of itself about a subscription that is behind with its payment, or whose trial ends, and when: in days
-- since it was behind, or before the end (below 0).
--
--   mail     a template of worker/mail_render.c; NULL: none
--   action   cancel: the subscription ends
CREATE TABLE billing_steps (
    tenant_id  uuid NOT NULL REFERENCES tenants,
    about      text NOT NULL,
    day        integer NOT NULL,
    mail       text,
    action     text NOT NULL DEFAULT 'none',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, about, day),
    CONSTRAINT billing_steps_about_known CHECK (about IN ('past_due', 'trial_end')),
    CONSTRAINT billing_steps_mail_known CHECK (mail IN ('payment_past_due', 'payment_last_notice', 'trial_ending')),
    CONSTRAINT billing_steps_action_known CHECK (action IN ('none', 'cancel')),
    CONSTRAINT billing_steps_action_fits CHECK (action = 'none' OR about = 'past_due'),
    CONSTRAINT billing_steps_does_something CHECK (mail IS NOT NULL OR action <> 'none')
);
SELECT isolate('billing_steps');
GRANT SELECT, INSERT, DELETE ON billing_steps TO ashlar_api;

-- Which of them were done, each once for what it was about: since is when it fell behind, or when the trial ends.
CREATE TABLE billing_steps_done (
    tenant_id       uuid NOT NULL,
    subscription_id uuid NOT NULL,
    about           text NOT NULL,
    since           timestamptz NOT NULL,
    day             integer NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, subscription_id, about, since, day),
    CONSTRAINT billing_steps_done_subscription FOREIGN KEY (tenant_id, subscription_id) REFERENCES subscriptions
);
CREATE INDEX billing_steps_done_age ON billing_steps_done (created_at);
SELECT isolate('billing_steps_done');
SELECT purgeable('billing_steps_done', 'created_at < now() - interval ''400 days''');
GRANT SELECT, INSERT ON billing_steps_done TO ashlar_api;

CREATE INDEX subscriptions_to_remind ON subscriptions (tenant_id, status)
    WHERE ended_at IS NULL AND provider_id IS NOT NULL AND status IN ('past_due', 'unpaid', 'trialing');
