-- What happened (audit), what is to happen (jobs), and what is switched on (flags).

-- ---------------------------------------------------------------- audit

-- One row for each change that matters to security, per tenant in a chain:
-- each carries a hash over itself and its predecessor's, so that a row that is
-- changed or missing shows (audit_verify).  The api inserts and reads; it can
-- neither update nor delete, and number, time and hashes are not its to choose.
--
-- actor_id is whoever acted: a user's public id, a team member's id, "key:" and
-- a key's prefix, or "anonymous".  on_behalf_of is the user whom an
-- administrator impersonated.
CREATE TABLE audit_events (
    tenant_id     uuid NOT NULL REFERENCES tenants,
    seq           bigint NOT NULL,
    id            uuid NOT NULL DEFAULT uuid_v7(),
    actor_id      text NOT NULL,
    actor_type    text NOT NULL,
    on_behalf_of  text,
    action        text NOT NULL,
    resource_type text NOT NULL,
    resource_id   text,
    details       jsonb NOT NULL DEFAULT '{}',
    ip_address    inet,
    user_agent    text,
    request_id    text,
    prev_hash     bytea NOT NULL,
    hash          bytea NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, seq),
    CONSTRAINT audit_events_actor_type_known CHECK (actor_type IN ('user', 'team', 'key', 'anonymous', 'system'))
);
CREATE INDEX audit_events_of_actor ON audit_events (tenant_id, actor_id, seq);
CREATE INDEX audit_events_of_action ON audit_events (tenant_id, action, seq);
CREATE INDEX audit_events_of_resource ON audit_events (tenant_id, resource_type, seq);

SELECT isolate('audit_events');
GRANT SELECT, INSERT ON audit_events TO ashlar_api;

-- Where each chain ends; locked while a row is appended, so that rows of a
-- tenant stand in the order in which they were committed.
CREATE TABLE audit_heads (
    tenant_id  uuid PRIMARY KEY REFERENCES tenants,
    seq        bigint NOT NULL DEFAULT 0,
    hash       bytea NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
CREATE TRIGGER audit_heads_touch BEFORE UPDATE ON audit_heads FOR EACH ROW EXECUTE FUNCTION touch();
SELECT isolate('audit_heads');

CREATE FUNCTION audit_hash(e audit_events) RETURNS bytea
LANGUAGE sql IMMUTABLE
RETURN sha256(e.prev_hash || convert_to(jsonb_build_array(
    e.tenant_id, e.seq, e.id, e.actor_id, e.actor_type, e.on_behalf_of, e.action, e.resource_type, e.resource_id,
    e.details, host(e.ip_address), e.user_agent, e.request_id,
    (extract(epoch FROM e.created_at) * 1000000)::bigint)::text, 'UTF8'));

CREATE FUNCTION audit_chain() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO audit_heads AS h (tenant_id, seq) VALUES (NEW.tenant_id, 1)
    ON CONFLICT (tenant_id) DO UPDATE SET seq = h.seq + 1
    RETURNING seq, hash INTO NEW.seq, NEW.prev_hash;
    NEW.created_at := clock_timestamp();
    NEW.hash := audit_hash(NEW);
    UPDATE audit_heads SET hash = NEW.hash WHERE tenant_id = NEW.tenant_id;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION audit_chain() FROM PUBLIC;
CREATE TRIGGER audit_events_chain BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION audit_chain();

-- ---------------------------------------------------------------- jobs

-- What is done beside the request, by the worker.  A request adds rows in its
-- own transaction; kind says which code runs, payload what it needs.  Secrets
-- in a payload are sealed.
CREATE TABLE jobs (
    tenant_id    uuid NOT NULL REFERENCES tenants,
    id           uuid NOT NULL DEFAULT uuid_v7(),
    queue        text NOT NULL DEFAULT 'default',
    kind         text NOT NULL,
    payload      jsonb NOT NULL DEFAULT '{}',
    state        text NOT NULL DEFAULT 'queued',
    priority     smallint NOT NULL DEFAULT 0,
    run_at       timestamptz NOT NULL DEFAULT now(),
    attempts     integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL DEFAULT 10,
    last_error   text,
    finished_at  timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT jobs_state_known CHECK (state IN ('queued', 'running', 'completed', 'failed', 'cancelled'))
);
CREATE INDEX jobs_due ON jobs (queue, priority DESC, run_at) WHERE state = 'queued';
CREATE INDEX jobs_finished ON jobs (tenant_id, state, finished_at) WHERE finished_at IS NOT NULL;
CREATE TRIGGER jobs_touch BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('jobs');
-- The owner's commands look at all tenants' jobs.
CREATE POLICY jobs_directory ON jobs FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT, INSERT ON jobs TO ashlar_api;

-- ---------------------------------------------------------------- feature flags

CREATE TABLE feature_flags (
    tenant_id   uuid NOT NULL REFERENCES tenants,
    id          uuid NOT NULL DEFAULT uuid_v7(),
    key         text NOT NULL,
    name        text NOT NULL,
    description text,
    flag_type   text NOT NULL,
    is_enabled  boolean NOT NULL DEFAULT false,
    percentage  integer,
    user_ids    text[] NOT NULL DEFAULT '{}',
    plans       text[] NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT feature_flags_key_unique UNIQUE (tenant_id, key),
    CONSTRAINT feature_flags_key_format CHECK (key ~ '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$'),
    CONSTRAINT feature_flags_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT feature_flags_description_length CHECK (char_length(description) <= 2000),
    CONSTRAINT feature_flags_type_known CHECK (flag_type IN ('boolean', 'percentage', 'user_list', 'plan_based')),
    CONSTRAINT feature_flags_percentage_range CHECK (percentage BETWEEN 0 AND 100),
    CONSTRAINT feature_flags_list_sizes CHECK (cardinality(user_ids) <= 10000 AND cardinality(plans) <= 100)
);
CREATE TRIGGER feature_flags_touch BEFORE UPDATE ON feature_flags FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('feature_flags');
GRANT SELECT, INSERT, UPDATE, DELETE ON feature_flags TO ashlar_api;
