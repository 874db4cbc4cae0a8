-- after: users
-- {product_slug} = SELECT slug FROM products WHERE tenant_id = app_tenant() ORDER BY number LIMIT 1
INSERT INTO products (tenant_id, name, slug, tagline, description, status, creator_id)
VALUES (app_tenant(), 'Tide tables', 'tide-tables', 'When to sail', 'High and low water of each harbour.', 'active', pg_temp.id('user'));
INSERT INTO product_brands (tenant_id, slug, brand, guidelines) VALUES (app_tenant(), 'tide-tables', '{"brand_color": "#204060"}', '# Tide tables');
