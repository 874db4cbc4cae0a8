-- What keys of organizations were used for: each request that came with one, for thirty days.

-- The latest entries, of a ring of 32 days, of which those that are over are truncated (api_key_uses_rotate): so there is nothing to
-- create, to drop or to vacuum while it runs.  Hosts write what they have gathered in memory (api_key_uses_note).
--
-- number  the id that clients see, in the order in which they were written
CREATE SEQUENCE api_key_uses_number;
CREATE TABLE api_key_uses (
    tenant_id  uuid NOT NULL,
    key_id     uuid NOT NULL,
    number     bigint NOT NULL DEFAULT nextval('api_key_uses_number'),
    slot       smallint NOT NULL,
    method     text NOT NULL,
    path       text NOT NULL,
    status     integer NOT NULL,
    latency_ms integer NOT NULL,
    ip         inet,
    user_agent text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key_id, number, slot)
) PARTITION BY LIST (slot);
SELECT isolate('api_key_uses');
GRANT SELECT ON api_key_uses TO ashlar_api;
-- Rotating is over all tenants: a function that runs as the owner.
CREATE POLICY api_key_uses_directory ON api_key_uses FOR SELECT TO CURRENT_USER USING (true);

DO $$
BEGIN
    FOR i IN 0..31 LOOP
        EXECUTE format('CREATE TABLE api_key_uses_%1$s PARTITION OF api_key_uses FOR VALUES IN (%1$s)', i);
        PERFORM isolate(('api_key_uses_' || i)::regclass);
    END LOOP;
END
$$;

-- How many there are of each day (UTC), so that a total counts at most thirty rows.
CREATE TABLE api_key_use_days (
    tenant_id  uuid NOT NULL,
    key_id     uuid NOT NULL,
    day        date NOT NULL,
    count      bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, key_id, day),
    CONSTRAINT api_key_use_days_key FOREIGN KEY (tenant_id, key_id) REFERENCES api_keys ON DELETE CASCADE
);
SELECT isolate('api_key_use_days');
GRANT SELECT ON api_key_use_days TO ashlar_api;
