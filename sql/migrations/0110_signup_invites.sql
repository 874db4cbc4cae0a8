-- Who has paid for a workspace before there was an account: invited by a mail to make one.

-- A subscription that nobody here has, with the address that paid for it.  It is made of what a provider tells
-- (signup_invite_make), once for each.
--
-- hash         of the code that the mail's link has, and that stands for who paid
-- sealed       the code and the access code (code, access), which a mail that goes again shows
-- customer_id, provider_id  what the provider calls who paid, and the subscription
-- plan_id      what it is of; tier and tier_name are those of then
-- mailed_at    when the mail went last
-- organization_id  what was made by it; NULL: nothing yet
CREATE TABLE signup_invites (
    tenant_id       uuid NOT NULL REFERENCES tenants,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    email           text NOT NULL,
    email_key       text,
    full_name       text,
    company_name    text,
    hash            bytea NOT NULL,
    sealed          text NOT NULL,
    provider        text NOT NULL DEFAULT 'stripe',
    customer_id     text NOT NULL,
    provider_id     text NOT NULL,
    plan_id         uuid,
    tier            text NOT NULL,
    tier_name       text NOT NULL,
    interval        text NOT NULL DEFAULT 'month',
    locale          text NOT NULL DEFAULT 'en',
    mailed_at       timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL DEFAULT now() + interval '30 days',
    used_at         timestamptz,
    organization_id uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT signup_invites_once UNIQUE (tenant_id, provider, provider_id),
    CONSTRAINT signup_invites_hash_unique UNIQUE (tenant_id, hash),
    CONSTRAINT signup_invites_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT signup_invites_email_length CHECK (char_length(email) <= 254),
    CONSTRAINT signup_invites_names_length CHECK (greatest(char_length(full_name), char_length(company_name)) <= 255),
    CONSTRAINT signup_invites_interval_known CHECK (interval IN ('month', 'year')),
    CONSTRAINT signup_invites_used CHECK (organization_id IS NULL OR used_at IS NOT NULL)
);
CREATE INDEX signup_invites_of_key ON signup_invites (tenant_id, email_key, created_at DESC) WHERE email_key IS NOT NULL;
CREATE INDEX signup_invites_of_email ON signup_invites (tenant_id, email, created_at DESC);
CREATE INDEX signup_invites_of_organization ON signup_invites (tenant_id, organization_id) WHERE organization_id IS NOT NULL;

SELECT isolate('signup_invites');
GRANT SELECT, INSERT ON signup_invites TO ashlar_api;
GRANT UPDATE (mailed_at, used_at, organization_id) ON signup_invites TO ashlar_api;
