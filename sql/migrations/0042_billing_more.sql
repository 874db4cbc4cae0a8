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
