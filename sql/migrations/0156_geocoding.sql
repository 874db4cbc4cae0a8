-- Geocoding: where addresses of records are (sql/functions/records/record_geocoding.sql).

-- What the provider said of an address, so that it is asked once for equal ones: by all records of a run, by the run that goes on after its worker was
-- killed, and by the tenant's next ones. The address itself is not kept, nor anything else that the provider said. Google allows coordinates to be kept for
-- 30 days; a day before that they go.
--
--   hash      of the provider's name and the address (record_geocode_hash())
--   lat, lng  NULL: it knows no such place
CREATE TABLE geocode_answers (
    tenant_id  uuid NOT NULL REFERENCES tenants,
    hash       bytea NOT NULL,
    lat        double precision,
    lng        double precision,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, hash),
    CONSTRAINT geocode_answers_hash_length CHECK (octet_length(hash) = 32),
    CONSTRAINT geocode_answers_place CHECK ((lat IS NULL) = (lng IS NULL) AND abs(lat) <= 90 AND abs(lng) <= 180),
    CONSTRAINT geocode_answers_expires CHECK (expires_at <= updated_at + interval '30 days')
);
CREATE INDEX geocode_answers_age ON geocode_answers (expires_at);
SELECT isolate('geocode_answers');
SELECT purgeable('geocode_answers', 'expires_at < now()');
GRANT SELECT, INSERT ON geocode_answers TO ashlar_api;
GRANT UPDATE (lat, lng, expires_at) ON geocode_answers TO ashlar_api;

-- A stream of a run names no workspace.
CREATE INDEX record_runs_geocode_id ON record_runs (tenant_id, id) WHERE kind = 'geocode';
