-- Webhooks that are received: what providers said, what it made of users, and
-- what it says of subscriptions.

-- ---------------------------------------------------------------- events

-- One row for each event, however often its provider sends it.  Who writes it
-- has verified the signature; a job then does what it is about
-- (sql/functions/webhooks_in.sql).
--
--   event_id     the provider's; where it gives none, the SHA-256 of the body
--   object_key   what the event is about: a user, a subscription; NULL: nothing
--                that has an order
--   occurred_at  when it happened, as the provider tells; when it does not, now
--   payload      the body, without the secrets that some providers put in it
--                (webhook_redact); Apple's decoded
--   signed       a body that is its own proof (Apple's JWS), as it came: it can
--                be verified again.  Of the others a stored signature proves
--                nothing to anybody who does not know the shared secret, and
--                nothing but forgery to who does.
--   error        why it failed, or why it was ignored
--
-- Kept for 90 days.
CREATE TABLE webhook_events (
    tenant_id    uuid NOT NULL REFERENCES tenants,
    id           uuid NOT NULL DEFAULT uuid_v7(),
    provider     text NOT NULL,
    event_id     text NOT NULL,
    type         text NOT NULL,
    object_key   text,
    occurred_at  timestamptz NOT NULL DEFAULT now(),
    payload      jsonb NOT NULL,
    signed       text,
    state        text NOT NULL DEFAULT 'received',
    attempts     integer NOT NULL DEFAULT 0,
    replays      integer NOT NULL DEFAULT 0,
    error        text,
    processed_at timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT webhook_events_once UNIQUE (tenant_id, provider, event_id),
    CONSTRAINT webhook_events_provider_known CHECK (provider IN ('stripe', 'clerk', 'supabase', 'apple', 'google')),
    CONSTRAINT webhook_events_state_known CHECK (state IN ('received', 'processed', 'ignored', 'failed')),
    CONSTRAINT webhook_events_event_id_length CHECK (char_length(event_id) BETWEEN 1 AND 255),
    CONSTRAINT webhook_events_type_length CHECK (char_length(type) BETWEEN 1 AND 255),
    CONSTRAINT webhook_events_object_key_length CHECK (char_length(object_key) BETWEEN 1 AND 2048)
) WITH (autovacuum_vacuum_scale_factor = 0.05);    -- every row is updated once and deleted once
CREATE INDEX webhook_events_list ON webhook_events (tenant_id, created_at DESC, id DESC);
CREATE INDEX webhook_events_of_provider ON webhook_events (tenant_id, provider, created_at DESC, id DESC);
CREATE INDEX webhook_events_of_type ON webhook_events (tenant_id, type, created_at DESC, id DESC);
CREATE INDEX webhook_events_of_state ON webhook_events (tenant_id, state, created_at DESC, id DESC);
CREATE INDEX webhook_events_age ON webhook_events (created_at);
CREATE TRIGGER webhook_events_touch BEFORE UPDATE ON webhook_events FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('webhook_events');
SELECT purgeable('webhook_events', 'created_at < now() - interval ''90 days''');
GRANT SELECT, INSERT ON webhook_events TO ashlar_api;
GRANT UPDATE (state, attempts, replays, error, processed_at) ON webhook_events TO ashlar_api;

-- ---------------------------------------------------------------- users of other issuers

-- What an issuer said last of a user, and when that was true: events arrive
-- twice and in any order, and the newest one decides (identity_apply).
--
--   version, version_event
--                 the issuer's own time of this state, and the event that told;
--                 the event decides between two of the same time
--   email         the address that it has verified, whether or not the user
--                 could have it: another user may, until that one gives it up
--   full_name, avatar_url
--                 as the issuer has them; what the user has here changes only
--                 when these do
--   is_banned     the issuer keeps the user out, and that is why they are not active here
--   deleted_at    the issuer has deleted the user, which is the end: what was
--                 said before and arrives later does not bring them back
CREATE TABLE identity_profiles (
    tenant_id     uuid NOT NULL,
    issuer        text NOT NULL,
    subject       text NOT NULL,
    version       timestamptz NOT NULL,
    version_event text NOT NULL,
    email         text,
    full_name     text,
    avatar_url    text,
    is_banned     boolean NOT NULL DEFAULT false,
    deleted_at    timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, issuer, subject),
    CONSTRAINT identity_profiles_identity FOREIGN KEY (tenant_id, issuer, subject) REFERENCES identities
);
CREATE INDEX identity_profiles_email ON identity_profiles (tenant_id, email) WHERE email IS NOT NULL;
CREATE TRIGGER identity_profiles_touch BEFORE UPDATE ON identity_profiles FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('identity_profiles');
GRANT SELECT, INSERT ON identity_profiles TO ashlar_api;
GRANT UPDATE (version, version_event, email, full_name, avatar_url, is_banned, deleted_at) ON identity_profiles TO ashlar_api;

-- ---------------------------------------------------------------- subscriptions

-- What Stripe, Apple and Google said of subscriptions and payments, in one form
-- (billing_apply), for billing to act on and to look up again.
--
--   object_key   the subscription: Stripe's id, Apple's originalTransactionId,
--                Google's purchaseToken
--   kind         what happened, in our words
--   rank         of the kind: the order of what happened in the same second
--   customer     the provider's name of who pays; account: the product's own
--                (client_reference_id, appAccountToken, obfuscated account id)
--   product      Stripe's price, the stores' product id
--   applied_at   when billing acted on it; NULL: it has not yet
--
-- Of one subscription, (occurred_at, rank, event_id) is the order, whichever
-- order they came in.
CREATE TABLE subscription_events (
    tenant_id    uuid NOT NULL REFERENCES tenants,
    id           uuid NOT NULL DEFAULT uuid_v7(),
    provider     text NOT NULL,
    event_id     text NOT NULL,
    object_key   text NOT NULL,
    kind         text NOT NULL,
    rank         smallint NOT NULL,
    occurred_at  timestamptz NOT NULL,
    customer     text,
    account      text,
    product      text,
    status       text,
    starts_at    timestamptz,
    ends_at      timestamptz,
    is_ending    boolean,
    amount_cents bigint,
    currency     text,
    environment  text NOT NULL DEFAULT 'production',
    data         jsonb NOT NULL DEFAULT '{}',
    applied_at   timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT subscription_events_once UNIQUE (tenant_id, provider, event_id),
    CONSTRAINT subscription_events_provider_known CHECK (provider IN ('stripe', 'apple', 'google')),
    CONSTRAINT subscription_events_kind_known CHECK (kind IN
        ('started', 'renewed', 'changed', 'payment_succeeded', 'payment_failed', 'on_hold', 'paused', 'resumed',
         'cancelled', 'uncancelled', 'expired', 'revoked', 'refunded')),
    CONSTRAINT subscription_events_environment_known CHECK (environment IN ('production', 'sandbox'))
);
CREATE INDEX subscription_events_of_object
    ON subscription_events (tenant_id, provider, object_key, occurred_at, rank, event_id);
CREATE INDEX subscription_events_waiting ON subscription_events (tenant_id, created_at) WHERE applied_at IS NULL;
CREATE TRIGGER subscription_events_touch BEFORE UPDATE ON subscription_events FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('subscription_events');
GRANT SELECT, INSERT ON subscription_events TO ashlar_api;
GRANT UPDATE (kind, rank, occurred_at, customer, account, product, status, starts_at, ends_at, is_ending, amount_cents,
              currency, environment, data, applied_at) ON subscription_events TO ashlar_api;
