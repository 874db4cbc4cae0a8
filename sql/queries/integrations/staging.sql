-- Rows of staging tables, of the caller's workspace; which there are is handlers/integrations/staging.c.

-- name: staging_recordset :row
-- The virtual recordset that a path names, if the caller may see it.
SELECT r.id::text AS id, r.slug, r.name, r.is_virtual, r.integration_type, r.staging_table
FROM recordsets r
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = (SELECT recordset_here(:recordset_slug, 1));

-- columns: shopify_product
SELECT s.id, s.title, s.vendor, s.product_type, s.status, s.price, s.inventory, s.published_at, s.sys_created_at, s.sys_updated_at
FROM staging_shopify_products s;

-- name: staging_shopify_product_list :page
-- unindexed: what an integration keeps of a workspace is sorted by any column that somebody looks at, once in a while
-- sort: id, title, vendor, product_type, status, price, inventory, published_at, sys_created_at, sys_updated_at
SELECT :columns(shopify_product)
FROM staging_shopify_products s
WHERE s.tenant_id = @tenant AND s.organization_id = @workspace
  [AND (s.title ILIKE like_pattern(:search) OR s.vendor ILIKE like_pattern(:search) OR s.product_type ILIKE like_pattern(:search) OR s.status ILIKE like_pattern(:search))]
ORDER BY :sort, s.id :dir;

-- name: staging_shopify_product_count :row
SELECT count(*) AS count
FROM staging_shopify_products s
WHERE s.tenant_id = @tenant AND s.organization_id = @workspace;

-- name: staging_shopify_product_get :maybe
SELECT :columns(shopify_product)
FROM staging_shopify_products s
WHERE s.tenant_id = @tenant AND s.organization_id = @workspace AND s.id = :record_key::bigint;
