-- Staging tables: rows that an integration keeps as its service has them, of a workspace, which virtual recordsets show.

-- What a client reads of one is told by handlers/integrations/staging.c.  An integration writes them; until there is one, sample data
-- are there.
CREATE TABLE staging_shopify_products (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    id              bigint NOT NULL,
    title           text NOT NULL,
    vendor          text,
    product_type    text,
    status          text,
    price           numeric(12, 2),
    inventory       integer,
    published_at    timestamptz,
    sys_created_at  timestamptz NOT NULL DEFAULT now(),
    sys_updated_at  timestamptz NOT NULL DEFAULT now(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, id),
    CONSTRAINT staging_shopify_products_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations
);
SELECT isolate('staging_shopify_products');
GRANT SELECT ON staging_shopify_products TO ashlar_api;
