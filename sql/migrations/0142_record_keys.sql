-- Unique fields of records, and many records written at once.

-- Of each record the values of its recordset's unique fields, as hashes of the form in which they are compared.  One that is deleted has none, and what
-- a recordset does not hold any more (content_id) is in nobody's way.  No foreign keys, as of records.
CREATE TABLE record_keys (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    record_id       uuid NOT NULL,
    key             text NOT NULL,
    content_id      uuid NOT NULL,
    hash            bytea NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, record_id, key),
    CONSTRAINT record_keys_unique UNIQUE (content_id, key, hash)
);

SELECT isolate('record_keys');
GRANT SELECT, INSERT, DELETE ON record_keys TO ashlar_api;

-- uniques: {"email": "t"}, the unique fields whose keys all records have, with the kind that they are compared as (record_class()).
ALTER TABLE recordsets ADD COLUMN uniques jsonb NOT NULL DEFAULT '{}';
SELECT changeable('recordsets', 'slug', 'created_by_id', 'is_virtual', 'integration_type', 'staging_table');

-- One of many that are written at once: what is to be done with which, and why it is not.
CREATE TYPE record_item AS (nr integer, op text, record_id uuid, given jsonb, failure jsonb);
