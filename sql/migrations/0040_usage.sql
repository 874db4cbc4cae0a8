-- Usage: what was used of each metric, by whom and when, and how much may be.
--
-- A principal is an organization, a user in it, or a user for themself: organization_id and user_id, of which one that is
-- not there is the uuid of zeros, so that both can stand in keys. Quantities are whole numbers in the metric's unit (cost_usd:
-- millionths of a dollar). Days and months are UTC. sql/functions/usage has the ways in.

-- ---------------------------------------------------------------- what has happened

-- Raw events, of which nothing is ever changed: what was used at once, or what a client says that happened.
--
--   slot      the month that it happened in, of a ring of sixteen (usage_slot): a month that is over for a year is truncated
--             (usage_rotate), so there is nothing to create, to drop or to vacuum while it runs
--   category  what the metric is broken down by: of tokens, the model; '': nothing
--   xid       the transaction; usage_roll() goes from one to another
CREATE TABLE usage_events (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    slot            smallint NOT NULL,
    metric          text NOT NULL,
    user_id         uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    organization_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    quantity        bigint NOT NULL,
    category        text NOT NULL DEFAULT '',
    occurred_at     timestamptz NOT NULL DEFAULT now(),
    xid             xid8 NOT NULL DEFAULT pg_current_xact_id(),
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id, slot)
) PARTITION BY LIST (slot);
CREATE INDEX usage_events_new ON usage_events (xid);
SELECT isolate('usage_events');
GRANT INSERT ON usage_events TO ashlar_api;
-- Rolling up and rotating are over all tenants: functions that run as the owner.
CREATE POLICY usage_events_directory ON usage_events TO CURRENT_USER USING (true) WITH CHECK (true);

DO $$
BEGIN
    FOR i IN 0..15 LOOP
        EXECUTE format('CREATE TABLE usage_events_%1$s PARTITION OF usage_events FOR VALUES IN (%1$s)', i);
        PERFORM isolate(('usage_events_' || i)::regclass);
    END LOOP;
END
$$;

-- How far events were rolled up.  Of no tenant.
--
--   rolled   of all transactions below this one; none of those can write any more
--   since    events from before are rolled up, whatever their transaction's number: those of a database that was
--            restored from a dump have another cluster's (usage_rebuild)
CREATE TABLE usage_state (
    id         boolean PRIMARY KEY DEFAULT true,
    rolled     xid8 NOT NULL,
    since      timestamptz NOT NULL DEFAULT '-infinity',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT usage_state_single CHECK (id)
);
CREATE TRIGGER usage_state_touch BEFORE UPDATE ON usage_state FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO usage_state (rolled) VALUES (pg_current_xact_id());

-- What each principal used on a day: the sum of the quantities of so many events (count).
CREATE TABLE usage_daily (
    tenant_id       uuid NOT NULL REFERENCES tenants,
    user_id         uuid NOT NULL,
    metric          text NOT NULL,
    day             date NOT NULL,
    organization_id uuid NOT NULL,
    category        text NOT NULL,
    quantity        bigint NOT NULL,
    count           bigint NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id, metric, day, organization_id, category)
) WITH (fillfactor = 80);    -- today's rows change every few seconds (HOT)
CREATE INDEX usage_daily_of_organization ON usage_daily (tenant_id, organization_id, metric, day);
CREATE INDEX usage_daily_of_metric ON usage_daily (tenant_id, metric, day);
SELECT isolate('usage_daily');
CREATE POLICY usage_daily_directory ON usage_daily TO CURRENT_USER USING (true) WITH CHECK (true);
GRANT SELECT ON usage_daily TO ashlar_api;

-- ---------------------------------------------------------------- what may be

-- What a principal has used in a period, and what it has reserved: the row that a limit is asked of.  Kept in the
-- transaction that uses something.
--
--   period_start, period_end  of the plan's period; of a metric that is never reset both are infinite
--   plan_id                   the plan when something was used last
CREATE TABLE usage_counters (
    tenant_id       uuid NOT NULL REFERENCES tenants,
    organization_id uuid NOT NULL,
    user_id         uuid NOT NULL,
    metric          text NOT NULL,
    period_start    timestamptz NOT NULL,
    period_end      timestamptz NOT NULL,
    used            bigint NOT NULL DEFAULT 0,
    reserved        bigint NOT NULL DEFAULT 0,
    plan_id         uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, user_id, metric, period_start),
    CONSTRAINT usage_counters_reserved_range CHECK (reserved >= 0)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
SELECT isolate('usage_counters');
GRANT SELECT, INSERT ON usage_counters TO ashlar_api;
GRANT UPDATE (used, reserved, plan_id) ON usage_counters TO ashlar_api;

-- What has been done under an id of the caller's, so that it is done once; kept for 32 days.
--
--   state     reserved, until expires_at; then settled, with what was used, or released, or expired; what is consumed at
--             once is settled
--   amounts   by metric, what was reserved, or consumed;  actual: what was used in the end
CREATE TABLE usage_operations (
    tenant_id       uuid NOT NULL REFERENCES tenants,
    id              text NOT NULL,
    organization_id uuid NOT NULL,
    user_id         uuid NOT NULL,
    state           text NOT NULL,
    amounts         jsonb NOT NULL,
    actual          jsonb,
    category        text NOT NULL DEFAULT '',
    plan_id         uuid,
    period_start    timestamptz NOT NULL,
    period_end      timestamptz NOT NULL,
    expires_at      timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT usage_operations_id_length CHECK (char_length(id) BETWEEN 1 AND 255),
    CONSTRAINT usage_operations_state_known CHECK (state IN ('reserved', 'settled', 'released', 'expired')),
    CONSTRAINT usage_operations_reserved_expires CHECK (state <> 'reserved' OR expires_at IS NOT NULL)
) WITH (fillfactor = 80);
CREATE INDEX usage_operations_reserved ON usage_operations (tenant_id, organization_id, user_id, expires_at) WHERE state = 'reserved';
CREATE INDEX usage_operations_age ON usage_operations (created_at);
SELECT isolate('usage_operations');
SELECT purgeable('usage_operations', 'created_at < now() - interval ''32 days''');
GRANT SELECT, INSERT ON usage_operations TO ashlar_api;
GRANT UPDATE (state, actual) ON usage_operations TO ashlar_api;

-- What one principal may use of a metric in a period, whatever the plan says.
CREATE TABLE usage_limits (
    tenant_id       uuid NOT NULL REFERENCES tenants,
    organization_id uuid NOT NULL,
    user_id         uuid NOT NULL,
    metric          text NOT NULL,
    max             bigint NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, user_id, metric),
    CONSTRAINT usage_limits_max_range CHECK (max >= 0)
);
SELECT isolate('usage_limits');
GRANT SELECT, INSERT, DELETE ON usage_limits TO ashlar_api;
SELECT changeable('usage_limits');

-- ---------------------------------------------------------------- a tenant's own metrics

-- What a tenant measures of its customers' events: of those of a type, how many there are, the sum or the largest of a number
-- in them, or how many different values. In events, sums and counters its metric is "meter.<key>", and "peak.<key>" for
-- the largest, which is not added up.
--
--   value_path  where in the event's data: "$.tokens.total"; NULL: of a count
--   max         how much each organization, or user without one, may use in a month; NULL: as much as they like
CREATE TABLE usage_meters (
    tenant_id   uuid NOT NULL REFERENCES tenants,
    key         text NOT NULL,
    name        text NOT NULL,
    unit        text,
    event_type  text NOT NULL,
    aggregation text NOT NULL,
    value_path  text,
    max         bigint,
    metric      text NOT NULL GENERATED ALWAYS AS (CASE aggregation WHEN 'max' THEN 'peak.' ELSE 'meter.' END || key) STORED,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, key),
    CONSTRAINT usage_meters_key_format CHECK (key ~ '^[a-z][a-z0-9_]{0,62}$'),
    CONSTRAINT usage_meters_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT usage_meters_unit_length CHECK (char_length(unit) BETWEEN 1 AND 50),
    CONSTRAINT usage_meters_event_type_length CHECK (char_length(event_type) BETWEEN 1 AND 255),
    CONSTRAINT usage_meters_aggregation_known CHECK (aggregation IN ('sum', 'count', 'unique', 'max')),
    CONSTRAINT usage_meters_value_path_format CHECK (value_path ~ '^\$(\.[A-Za-z_][A-Za-z0-9_]*)+$' AND char_length(value_path) <= 255),
    CONSTRAINT usage_meters_value_needed CHECK ((aggregation = 'count') = (value_path IS NULL)),
    CONSTRAINT usage_meters_max_range CHECK (max >= 0)
);
CREATE INDEX usage_meters_of_type ON usage_meters (tenant_id, event_type);
SELECT isolate('usage_meters');
GRANT SELECT, INSERT, DELETE ON usage_meters TO ashlar_api;
SELECT changeable('usage_meters', 'event_type', 'aggregation', 'value_path');

-- Which events were received in the last 32 days: the SHA-256 of source and id.
CREATE TABLE usage_event_ids (
    tenant_id  uuid NOT NULL,
    hash       bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, hash)
);
CREATE INDEX usage_event_ids_age ON usage_event_ids (created_at);
SELECT isolate('usage_event_ids');
SELECT purgeable('usage_event_ids', 'created_at < now() - interval ''32 days''');
GRANT SELECT, INSERT ON usage_event_ids TO ashlar_api;

-- Which values a meter of different ones has met in a month: their SHA-256.
CREATE TABLE usage_values (
    tenant_id       uuid NOT NULL,
    metric          text NOT NULL,
    organization_id uuid NOT NULL,
    user_id         uuid NOT NULL,
    month           date NOT NULL,
    hash            bytea NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, metric, organization_id, user_id, month, hash)
);
CREATE INDEX usage_values_age ON usage_values (created_at);
SELECT isolate('usage_values');
SELECT purgeable('usage_values', 'created_at < now() - interval ''70 days''');
GRANT SELECT, INSERT ON usage_values TO ashlar_api;
