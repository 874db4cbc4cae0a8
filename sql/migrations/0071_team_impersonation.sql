-- Members of a tenant's team who act as one of its users, to see what the user sees.

-- Who acts in a session of method "impersonation" that has no impersonator of its own, who is a user.  Beside the
-- sessions, since those are read with each request.
--
--   member_tenant_id  the member's tenant, of which tenant_id is perhaps the test mode
CREATE TABLE session_impersonators (
    tenant_id        uuid NOT NULL REFERENCES tenants,
    session_id       uuid NOT NULL,
    member_tenant_id uuid NOT NULL,
    member_id        uuid NOT NULL,
    reason           text NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, session_id),
    CONSTRAINT session_impersonators_reason_length CHECK (char_length(reason) BETWEEN 1 AND 500)
);
CREATE INDEX session_impersonators_age ON session_impersonators (created_at);
SELECT isolate('session_impersonators');
SELECT purgeable('session_impersonators', 'created_at < now() - interval ''32 days''');
GRANT SELECT, INSERT ON session_impersonators TO ashlar_api;

-- Whoever acted as a user who becomes an administrator was not meant to act as one.
CREATE OR REPLACE FUNCTION end_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sessions s
    SET revoked_at = now()
    WHERE s.tenant_id = NEW.tenant_id AND s.user_id = NEW.id AND s.revoked_at IS NULL
      AND (NEW.access = 0 OR s.impersonator_id IS NOT NULL OR s.method = 'impersonation');
    RETURN NULL;
END
$$;
