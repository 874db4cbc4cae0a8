-- How many requests a tenant's product had each hour, how they ended, and how long they took.  The housekeeper of each host
-- adds what it has counted, every few seconds (fcgi/traffic.h).
--
--   hour                          in UTC
--   client_errors, server_errors  those of the requests that were answered with 4xx and 5xx
--   duration_ms                   of all of them together
--   took_1 … took_13              how many took up to 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1,000, 2,500 and 10,000 ms, and longer; each
--                                 request is in one of them
CREATE TABLE request_hours (
    tenant_id     uuid NOT NULL REFERENCES tenants,
    hour          timestamp NOT NULL,
    requests      bigint NOT NULL,
    client_errors bigint NOT NULL,
    server_errors bigint NOT NULL,
    duration_ms   double precision NOT NULL,
    took_1        bigint NOT NULL,
    took_2        bigint NOT NULL,
    took_3        bigint NOT NULL,
    took_4        bigint NOT NULL,
    took_5        bigint NOT NULL,
    took_6        bigint NOT NULL,
    took_7        bigint NOT NULL,
    took_8        bigint NOT NULL,
    took_9        bigint NOT NULL,
    took_10       bigint NOT NULL,
    took_11       bigint NOT NULL,
    took_12       bigint NOT NULL,
    took_13       bigint NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, hour)
) WITH (fillfactor = 50);    -- this hour's row changes every few seconds (HOT)
CREATE INDEX request_hours_age ON request_hours (created_at);
SELECT isolate('request_hours');
SELECT purgeable('request_hours', 'created_at < now() - interval ''400 days''');
-- Added to by a function that runs as the owner, over all tenants.
CREATE POLICY request_hours_directory ON request_hours TO CURRENT_USER USING (true) WITH CHECK (true);
GRANT SELECT ON request_hours TO ashlar_api;
