-- How members look at a recordset: columns, filters, order.  One that is not shared is its maker's alone; of a recordset one is the default.
CREATE TABLE recordset_views (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    recordset_id    uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    name            text NOT NULL,
    view_type       text NOT NULL DEFAULT 'table',
    config          jsonb NOT NULL DEFAULT '{}',
    is_default      boolean NOT NULL DEFAULT false,
    is_shared       boolean NOT NULL DEFAULT false,
    created_by_id   uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, recordset_id, id),
    CONSTRAINT recordset_views_recordset FOREIGN KEY (tenant_id, organization_id, recordset_id) REFERENCES recordsets ON DELETE CASCADE,
    CONSTRAINT recordset_views_created_by FOREIGN KEY (tenant_id, organization_id, created_by_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (created_by_id),
    CONSTRAINT recordset_views_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT recordset_views_type_known CHECK (view_type IN ('table', 'board', 'map', 'calendar', 'gallery')),
    CONSTRAINT recordset_views_config_is_object CHECK (jsonb_typeof(config) = 'object'),
    CONSTRAINT recordset_views_config_size CHECK (octet_length(config::text) <= 65536)
);
CREATE UNIQUE INDEX recordset_views_default ON recordset_views (tenant_id, organization_id, recordset_id) WHERE is_default;
CREATE INDEX recordset_views_of_creator ON recordset_views (tenant_id, organization_id, created_by_id) WHERE created_by_id IS NOT NULL;

SELECT isolate('recordset_views');
GRANT SELECT, INSERT, DELETE ON recordset_views TO ashlar_api;
SELECT changeable('recordset_views', 'recordset_id', 'created_by_id');
