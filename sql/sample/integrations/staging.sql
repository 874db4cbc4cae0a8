-- after: members recordsets
-- {record_id} = 7982301
INSERT INTO recordsets (tenant_id, id, organization_id, slug, name, type, is_virtual, integration_type, staging_table, owner_id, created_by_id)
VALUES (app_tenant(), pg_temp.id('recordset products'), pg_temp.id('organization'), 'shopify-products', 'Products', 'integration', true, 'shopify', 'shopify_products',
        pg_temp.id('member'), pg_temp.id('member'));

INSERT INTO staging_shopify_products (tenant_id, organization_id, id, title, vendor, product_type, status, price, inventory, published_at)
VALUES
    (app_tenant(), pg_temp.id('organization'), 7982301, 'Storm lantern', 'Harbour Goods', 'Lamps', 'active', 49.90, 12, '2026-01-15 09:00+00'),
    (app_tenant(), pg_temp.id('organization'), 7982302, 'Mooring rope, 20 m', 'Harbour Goods', 'Ropes', 'active', 38.00, 40, '2026-02-01 09:00+00'),
    (app_tenant(), pg_temp.id('organization'), 7982303, 'Brass sextant', NULL, 'Instruments', 'draft', NULL, 0, NULL);
