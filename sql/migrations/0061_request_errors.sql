-- What a tenant's requests were refused with, or failed at: the last 10,000 of each, which its housekeeper's batches bring
-- (sql/functions/ops/request_errors.sql).  No body, no query and no credential is in it.
CREATE TABLE request_errors (
    tenant_id  uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id         uuid NOT NULL DEFAULT uuid_v7(),
    request_id text NOT NULL,
    method     text NOT NULL,
    path       text NOT NULL,    -- of the row, with its {names}
    status     integer NOT NULL,
    code       text NOT NULL,
    message    text,
    field      text,
    user_id    uuid,             -- whose request it was; NULL: a key's alone, or nobody's any more
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT request_errors_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX request_errors_by_request ON request_errors (tenant_id, request_id, id);
CREATE INDEX request_errors_user ON request_errors (tenant_id, user_id) WHERE user_id IS NOT NULL;
SELECT isolate('request_errors');
GRANT SELECT ON request_errors TO ashlar_api;
