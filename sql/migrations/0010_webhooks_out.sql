-- Webhooks that are sent: who wants to hear of what, what was said, and to whom
-- it still has to be brought.  (The workspace surface calls organizations
-- workspaces.)

-- ---------------------------------------------------------------- who asks

-- The organization that the request is about, where the row lets X-Workspace-Id
-- or the user's own choice name it, and the caller's membership in it; enter()
-- sets both.  NULL anywhere else.
CREATE FUNCTION app_organization() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.organization_id', true), '')::uuid;

CREATE FUNCTION app_member() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.member_id', true), '')::uuid;

-- ---------------------------------------------------------------- counters

-- How many endpoints an organization and a tenant have: a limit is tested on
-- this, since of two inserts at once neither would count the other's row.  No
-- change of the resource, so it does not touch it.
ALTER TABLE organizations
    ADD webhook_count integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT organizations_webhook_count_range CHECK (webhook_count >= 0);
ALTER TABLE tenants
    ADD webhook_count integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT tenants_webhook_count_range CHECK (webhook_count >= 0);
GRANT UPDATE (webhook_count) ON organizations TO ashlar_api;
GRANT UPDATE (webhook_count) ON tenants TO ashlar_api;

DROP TRIGGER organizations_touch ON organizations;
CREATE TRIGGER organizations_touch BEFORE UPDATE OF name, slug, description, logo_url, deleted_at ON organizations
    FOR EACH ROW EXECUTE FUNCTION touch();
DROP TRIGGER tenants_touch ON tenants;
CREATE TRIGGER tenants_touch BEFORE UPDATE OF slug, name, is_active, test_of ON tenants
    FOR EACH ROW EXECUTE FUNCTION touch();

-- ---------------------------------------------------------------- endpoints

-- Where to send, and what.  Without an organization it is the tenant's own and
-- hears of everything; owner_id is whose it is, either way.
--
-- The secret is sealed (fcgi/seal.h, purpose "webhook"), since it has to be read
-- to sign with; secret_tail are its last four characters, to know it by.  The
-- one before it goes on signing until previous_secret_until.  headers_sealed is
-- a JSON object; their names stand beside it, their values are nobody's to see.
--
-- failing_since is the first failure behind the last success: who has failed
-- for days is switched off, and disabled_reason says so.  The numbers count
-- attempts; they change with every delivery, so they do not touch the row.
CREATE TABLE webhook_endpoints (
    tenant_id              uuid NOT NULL REFERENCES tenants,
    id                     uuid NOT NULL DEFAULT uuid_v7(),
    organization_id        uuid,
    owner_id               uuid NOT NULL GENERATED ALWAYS AS (coalesce(organization_id, tenant_id)) STORED,
    name                   text NOT NULL,
    description            text,
    url                    text NOT NULL,
    events                 text[] NOT NULL,
    header_names           text[] NOT NULL DEFAULT '{}',
    headers_sealed         text,
    is_active              boolean NOT NULL DEFAULT true,
    secret_sealed          text NOT NULL,
    secret_tail            text NOT NULL,
    previous_secret_sealed text,
    previous_secret_until  timestamptz,
    last_triggered_at      timestamptz,
    last_status_code       integer,
    success_count          bigint NOT NULL DEFAULT 0,
    failure_count          bigint NOT NULL DEFAULT 0,
    consecutive_failures   integer NOT NULL DEFAULT 0,
    failing_since          timestamptz,
    disabled_reason        text,
    created_by             uuid,
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz NOT NULL DEFAULT now(),
    deleted_at             timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT webhook_endpoints_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    -- Whoever has left is nobody any more.
    CONSTRAINT webhook_endpoints_created_by FOREIGN KEY (tenant_id, created_by) REFERENCES memberships (tenant_id, id)
        ON DELETE SET NULL (created_by),
    CONSTRAINT webhook_endpoints_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT webhook_endpoints_description_length CHECK (char_length(description) <= 1000),
    CONSTRAINT webhook_endpoints_url_length CHECK (char_length(url) BETWEEN 1 AND 2048),
    CONSTRAINT webhook_endpoints_events_size CHECK (cardinality(events) BETWEEN 1 AND 100)
) WITH (fillfactor = 80);    -- counters change often (HOT)
CREATE INDEX webhook_endpoints_list ON webhook_endpoints (tenant_id, owner_id, created_at DESC, id) WHERE deleted_at IS NULL;
CREATE INDEX webhook_endpoints_listening ON webhook_endpoints (tenant_id, owner_id) WHERE is_active AND deleted_at IS NULL;
CREATE INDEX webhook_endpoints_of_member ON webhook_endpoints (tenant_id, created_by) WHERE created_by IS NOT NULL;
CREATE INDEX webhook_endpoints_gone ON webhook_endpoints (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE TRIGGER webhook_endpoints_touch
    BEFORE UPDATE OF name, description, url, events, header_names, headers_sealed, is_active, secret_sealed,
        disabled_reason, deleted_at ON webhook_endpoints
    FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('webhook_endpoints');
-- The deliverer works for all tenants, through functions of the owner.
CREATE POLICY webhook_endpoints_directory ON webhook_endpoints TO CURRENT_USER USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON webhook_endpoints TO ashlar_api;
GRANT UPDATE (name, description, url, events, header_names, headers_sealed, is_active, secret_sealed, secret_tail,
              previous_secret_sealed, previous_secret_until, consecutive_failures, failing_since, disabled_reason,
              deleted_at) ON webhook_endpoints TO ashlar_api;

-- ---------------------------------------------------------------- messages

-- What happened, once, however many hear of it.  id goes out as webhook-id, by
-- which a receiver knows that it has been told already; payload is the body, to
-- the byte, since that is what is signed.
CREATE TABLE webhook_messages (
    tenant_id       uuid NOT NULL REFERENCES tenants,
    id              text NOT NULL,
    organization_id uuid,
    type            text NOT NULL,
    payload         text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT webhook_messages_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT webhook_messages_payload_size CHECK (octet_length(payload) <= 262144)
);
CREATE INDEX webhook_messages_age ON webhook_messages (created_at);
CREATE TRIGGER webhook_messages_touch BEFORE UPDATE ON webhook_messages FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('webhook_messages');
CREATE POLICY webhook_messages_directory ON webhook_messages TO CURRENT_USER USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON webhook_messages TO ashlar_api;

-- ---------------------------------------------------------------- deliveries

-- A message's way to one endpoint: a queue of its own, apart from jobs, because
-- a delivery waits for hours and its receiver for seconds.
--
--   pending     is due at next_attempt_at
--   delivering  somebody has it until next_attempt_at; from then on it is due again
--   delivered, failed (no attempt is left), dropped (nobody wants it any more)
--
-- claims counts how often it was taken, which tells the one who has it from the
-- one who had it before; attempts are those that came to a result.
CREATE TABLE webhook_deliveries (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    endpoint_id     uuid NOT NULL,
    message_id      text NOT NULL,
    event           text NOT NULL,
    state           text NOT NULL DEFAULT 'pending',
    claims          integer NOT NULL DEFAULT 0,
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    status_code     integer,
    error           text,
    is_redelivery   boolean NOT NULL DEFAULT false,
    finished_at     timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT webhook_deliveries_endpoint FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhook_endpoints ON DELETE CASCADE,
    CONSTRAINT webhook_deliveries_message FOREIGN KEY (tenant_id, message_id) REFERENCES webhook_messages ON DELETE CASCADE,
    CONSTRAINT webhook_deliveries_state_known CHECK (state IN ('pending', 'delivering', 'delivered', 'failed', 'dropped'))
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- The queue in the order of time, in which what is new is noticed, and for each endpoint, in which it is taken.
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) INCLUDE (endpoint_id)
    WHERE state IN ('pending', 'delivering');
CREATE INDEX webhook_deliveries_queue ON webhook_deliveries (endpoint_id, next_attempt_at)
    WHERE state IN ('pending', 'delivering');
CREATE INDEX webhook_deliveries_list ON webhook_deliveries (tenant_id, endpoint_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_of_message ON webhook_deliveries (tenant_id, message_id);
CREATE TRIGGER webhook_deliveries_touch BEFORE UPDATE ON webhook_deliveries FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('webhook_deliveries');
CREATE POLICY webhook_deliveries_directory ON webhook_deliveries TO CURRENT_USER USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON webhook_deliveries TO ashlar_api;
GRANT UPDATE (state, finished_at) ON webhook_deliveries TO ashlar_api;

-- Wake the deliverer when this commits: the runtime hears the notice (fcgi/wake.h).
CREATE FUNCTION webhook_wake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE USING ERRCODE = 'AS900', MESSAGE = 'deliveries';
    RETURN NULL;
END
$$;
CREATE TRIGGER webhook_deliveries_wake AFTER INSERT ON webhook_deliveries
    FOR EACH STATEMENT EXECUTE FUNCTION webhook_wake();

-- What came of each attempt.  number is the delivery's claims: one that is
-- missing was cut off in the middle.  Request headers without what is secret in
-- them; of the answer its head and the first KiB.
CREATE TABLE webhook_attempts (
    tenant_id       uuid NOT NULL,
    delivery_id     uuid NOT NULL,
    number          integer NOT NULL,
    status_code     integer,
    error           text,
    request_headers jsonb NOT NULL DEFAULT '{}',
    response_head   text,
    response_body   text,
    latency_ms      integer NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, delivery_id, number),
    CONSTRAINT webhook_attempts_delivery FOREIGN KEY (tenant_id, delivery_id) REFERENCES webhook_deliveries ON DELETE CASCADE
);
CREATE TRIGGER webhook_attempts_touch BEFORE UPDATE ON webhook_attempts FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('webhook_attempts');
CREATE POLICY webhook_attempts_directory ON webhook_attempts TO CURRENT_USER USING (true) WITH CHECK (true);
GRANT SELECT ON webhook_attempts TO ashlar_api;
