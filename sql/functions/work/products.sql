-- Products of a tenant, and their brands.

-- What a member of brand.json says, if it is a text that a product's column would take; else NULL.
CREATE OR REPLACE FUNCTION brand_text(brand jsonb, member text, most integer, pattern text DEFAULT '') RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(brand -> member) = 'string' AND char_length(brand ->> member) <= most AND brand ->> member ~ pattern THEN brand ->> member END;

-- A slug made of a name; no number behind it, so that of two of one name the second is told (409).
CREATE OR REPLACE FUNCTION product_slug(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN rtrim(left(btrim(regexp_replace(lower(name), '[^a-z0-9]+', '-', 'g'), '-'), 100), '-');

-- In front of a change of the product of a slug: it is made of its brand directory if that is all there is, and what is going to be cleared goes
-- from the file first, or it would fill the gap.  Raises AS404.
CREATE OR REPLACE FUNCTION product_known(slug text, cleared text[]) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
    PERFORM FROM products p WHERE p.tenant_id = app_tenant() AND p.slug = slug;
    IF NOT FOUND THEN
        INSERT INTO products AS p (tenant_id, name, slug, creator_id)
        SELECT app_tenant(), coalesce(brand_text(b.brand, 'name', 100, '.'), slug), slug, app_user()
        FROM product_brands b WHERE b.tenant_id = app_tenant() AND b.slug = slug
        ON CONFLICT ON CONSTRAINT products_slug_unique DO NOTHING;
        PERFORM FROM products p WHERE p.tenant_id = app_tenant() AND p.slug = slug;
        IF NOT FOUND THEN
            RAISE SQLSTATE 'AS404' USING MESSAGE = 'Product not found', DETAIL = slug;
        END IF;
    END IF;
    IF cardinality(cleared) > 0 THEN
        UPDATE product_brands b SET brand = b.brand - cleared WHERE b.tenant_id = app_tenant() AND b.slug = slug AND b.brand ?| cleared;
    END IF;
END
$$;

-- How many a tenant has, for meta.summary, from counters that the writes keep.
CREATE OR REPLACE FUNCTION product_summary() RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT jsonb_build_object('total', coalesce(sum(c.n), 0), 'active', coalesce(sum(c.n) FILTER (WHERE c.key IN ('active', 'live', 'launched')), 0),
                                      'building', coalesce(sum(c.n) FILTER (WHERE c.key = 'building'), 0),
                                      'archived', coalesce(sum(c.n) FILTER (WHERE c.key = 'archived'), 0),
                                      'other', coalesce(sum(c.n) FILTER (WHERE c.key IN ('idea', 'placeholder')), 0))
            FROM tenant_counters c WHERE c.tenant_id = (SELECT app_tenant()) AND c.name = 'products');
END
$$;

-- Its brand follows what was changed: a job writes brand.json and guidelines.md anew.
CREATE OR REPLACE FUNCTION product_sync_wanted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM job_add('ashlar', 'brand.sync', jsonb_build_object('slug', NEW.slug), unique_key => 'brand:' || NEW.slug || ':' || txid_current());
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER products_sync_made AFTER INSERT ON products FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION product_sync_wanted();
CREATE OR REPLACE TRIGGER products_sync_changed AFTER UPDATE OF name, tagline, description, brand_color, accent_color, status ON products FOR EACH ROW
    WHEN ((OLD.name, OLD.tagline, OLD.description, OLD.brand_color, OLD.accent_color, OLD.status)
          IS DISTINCT FROM (NEW.name, NEW.tagline, NEW.description, NEW.brand_color, NEW.accent_color, NEW.status) AND is_told(NEW.tenant_id))
    EXECUTE FUNCTION product_sync_wanted();

-- What the job writes: the members of brand.json that a product has, beside those that it has not; and its guidelines, of these.
CREATE OR REPLACE FUNCTION brand_sync(slug text) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    p products;
BEGIN
    SELECT * INTO p FROM products x WHERE x.tenant_id = app_tenant() AND x.slug = slug FOR SHARE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO product_brands AS b (tenant_id, slug, brand, guidelines)
    VALUES (p.tenant_id, p.slug,
            jsonb_strip_nulls(jsonb_build_object('name', p.name, 'slug', p.slug, 'tagline', p.tagline, 'description', p.description,
                                                 'brand_color', p.brand_color, 'accent_color', p.accent_color, 'domain', p.domain)),
            concat_ws(E'\n\n', '# ' || p.name, p.tagline, p.description,
                      nullif(concat_ws(E'\n', '- Brand color: ' || p.brand_color, '- Accent color: ' || p.accent_color), '')) || E'\n')
    ON CONFLICT ON CONSTRAINT product_brands_pkey DO UPDATE SET brand = b.brand || EXCLUDED.brand, guidelines = EXCLUDED.guidelines;
    RETURN true;
END
$$;

-- Of another status everybody is told, and the activity log says so.
CREATE OR REPLACE FUNCTION product_logged() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM activity_log_put('product.created', 'product', NEW.number::text, jsonb_build_object('slug', NEW.slug, 'status', NEW.status));
    ELSE
        PERFORM activity_log_put('product.status_changed', 'product', NEW.number::text,
                                 jsonb_build_object('slug', NEW.slug, 'status', NEW.status, 'previous_status', OLD.status));
        PERFORM tenant_notification_put('Product ' || NEW.name || ' is ' || NEW.status, 'It was ' || OLD.status || ' before.', 'info', 'products',
                                        '/products/' || NEW.slug);
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER products_logged_made AFTER INSERT ON products FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION product_logged();
CREATE OR REPLACE TRIGGER products_logged_changed AFTER UPDATE OF status ON products FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND is_told(NEW.tenant_id)) EXECUTE FUNCTION product_logged();

-- Up to 1001 of those that say search in their name, slug, tagline or description, in any case, in no order; sql/search/close.sql says
-- whose function this is, and why.
CREATE OR REPLACE FUNCTION product_candidates(search text) RETURNS TABLE (number bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20 SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    pattern text := like_pattern(search);
    tenant  text := app_tenant()::text;
BEGIN
    RETURN QUERY
        SELECT n.number
        FROM (SELECT p.tenant_id, p.number FROM products p
              WHERE p.tenant_id::text = tenant AND (p.name ILIKE pattern OR p.slug ILIKE pattern OR p.tagline ILIKE pattern OR p.description ILIKE pattern)
              OFFSET 0) n
        WHERE n.tenant_id = (SELECT app_tenant())
        LIMIT 100000;
END
$$;
REVOKE ALL ON FUNCTION product_candidates(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION product_candidates(text) TO ashlar_api;
