-- Whether somebody listens to what a whole tenant hears: its events, or its requests.  Nothing is told where nobody does.
--
-- A realtime process renews this while it has such a connection (tenant_listen), every few seconds, and it runs out by itself.
-- Unlogged: after a crash of PostgreSQL the next renewal puts it down again.
CREATE UNLOGGED TABLE tenant_listeners (
    tenant_id  uuid NOT NULL,
    kind       text NOT NULL,
    until      timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, kind),
    CONSTRAINT tenant_listeners_kind_known CHECK (kind IN ('events', 'requests'))
) WITH (fillfactor = 50);
CREATE INDEX tenant_listeners_age ON tenant_listeners (created_at);
SELECT isolate('tenant_listeners');
SELECT purgeable('tenant_listeners', 'created_at < now() - interval ''1 day'' AND until < now() - interval ''1 hour''');
-- Renewed and read over all tenants by functions that run as the owner.
CREATE POLICY tenant_listeners_directory ON tenant_listeners TO CURRENT_USER USING (true) WITH CHECK (true);
GRANT SELECT ON tenant_listeners TO ashlar_api;
