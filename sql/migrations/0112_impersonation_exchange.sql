-- Acting as a user in a session of its own: what the token of an impersonation is exchanged for.

-- Sessions that were opened for another one, which ended with that.  They can be refreshed, and end when the first one would have.
CREATE TABLE session_exchanges (
    tenant_id    uuid NOT NULL REFERENCES tenants,
    session_id   uuid NOT NULL,
    exchanged_id uuid NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, session_id),
    CONSTRAINT session_exchanges_once UNIQUE (tenant_id, exchanged_id)
);
CREATE INDEX session_exchanges_age ON session_exchanges (created_at);
SELECT isolate('session_exchanges');
SELECT purgeable('session_exchanges', 'created_at < now() - interval ''32 days''');
GRANT SELECT, INSERT ON session_exchanges TO ashlar_api;
