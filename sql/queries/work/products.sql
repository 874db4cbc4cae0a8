-- Products of a tenant on the operations surface; see sql/functions/work/products.sql.

-- columns: product
SELECT p.number AS id, p.name, p.slug, coalesce(p.tagline, brand_text(b.brand, 'tagline', 300)) AS tagline,
       coalesce(p.description, brand_text(b.brand, 'description', 20000)) AS description, p.status,
       coalesce(p.domain, brand_text(b.brand, 'domain', 253, '^[^[:cntrl:]]+$')) AS domain,
       coalesce(p.brand_color, brand_text(b.brand, 'brand_color', 7, '^#[0-9a-fA-F]{6}$')) AS brand_color,
       coalesce(p.accent_color, brand_text(b.brand, 'accent_color', 7, '^#[0-9a-fA-F]{6}$')) AS accent_color,
       coalesce(b.brand, '{}') AS brand, p.created_at, p.updated_at
FROM products p
LEFT JOIN product_brands b ON b.tenant_id = p.tenant_id AND b.slug = p.slug;

-- name: product_list :page
-- Beside the counts, which stand whatever is asked for; an empty page is one row of nulls.
-- unindexed: the thousand that were taken by their index
-- scan: a tenant's products, up to 1,000 in the order of their index
WITH page AS MATERIALIZED (
    SELECT p.*, count(*) OVER () AS n
    FROM products p
    WHERE p.tenant_id = @tenant
      [AND p.slug = :slug]
      [AND p.status = ANY (:status::text[])]
      [AND p.number = ANY (ARRAY(SELECT c.number FROM product_candidates(:q) c))]
    ORDER BY lower(p.name), p.number LIMIT 1000
)
SELECT coalesce(p.n, 0) AS total, :columns(product), s.summary AS _summary
FROM (SELECT product_summary()::text AS summary) s
LEFT JOIN page p ON true
:joins(product)
ORDER BY lower(p.name), p.number;

-- name: product_create :row
WITH made AS (
    INSERT INTO products
    :values(tenant_id = @tenant, name, slug = coalesce(:slug, product_slug(:name)), tagline, description, status = coalesce(:status, 'building'), creator_id = @user)
    WHERE valid(:slug IS NOT NULL OR product_slug(:name) <> '', 'name', 'a slug is made of the letters a to z and digits of the name, and there are none: send slug')
    RETURNING *
)
SELECT :columns(product)
FROM made p
:joins(product)
CROSS JOIN audit('product.create', 'product', p.number::text, jsonb_build_object('name', p.name, 'slug', p.slug));

-- name: product_get :row
SELECT :columns(product), p.updated_at AS _updated_at
FROM products p
:joins(product)
WHERE p.tenant_id = @tenant AND p.slug = :product_slug;

-- name: product_known :exec
-- In a statement of its own, so that the change sees what it has done.
SELECT product_known(:product_slug, array_remove(ARRAY[
    CASE WHEN :has_tagline::boolean AND :tagline::text IS NULL THEN 'tagline' END, CASE WHEN :has_description::boolean AND :description::text IS NULL THEN 'description' END,
    CASE WHEN :has_brand_color::boolean AND :brand_color::text IS NULL THEN 'brand_color' END,
    CASE WHEN :has_accent_color::boolean AND :accent_color::text IS NULL THEN 'accent_color' END], NULL));

-- name: product_update :row
WITH changed AS (
    UPDATE products p
    SET :set(p.name, p.tagline, p.description, p.status, p.brand_color, p.accent_color)
    WHERE p.tenant_id = @tenant AND p.slug = :product_slug
      AND valid(:has_name::boolean OR :has_tagline::boolean OR :has_description::boolean OR :has_status::boolean OR :has_brand_color::boolean OR :has_accent_color::boolean,
                'name', 'send name, tagline, description, status, brand_color or accent_color')
      AND if_match(p.updated_at, :if_match)
    RETURNING *
)
SELECT :columns(product), p.updated_at AS _updated_at
FROM changed p
:joins(product)
CROSS JOIN audit('product.update', 'product', p.number::text, jsonb_build_object('fields', :changed(name, tagline, description, status, brand_color, accent_color)));

-- name: brand_sync :row
SELECT brand_sync(:slug) AS is_there;
