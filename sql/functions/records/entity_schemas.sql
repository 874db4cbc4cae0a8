-- Entity schemas: recordsets in the dialect of the platform surface, where fields are an object by their names.

-- The fields of a recordset as an entity schema has them; types that it has no word for stay as they are.
CREATE OR REPLACE FUNCTION entity_definition(fields jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN (SELECT coalesce(jsonb_object_agg(x ->> 'key', jsonb_build_object(
                'type', CASE x ->> 'type' WHEN 'text' THEN 'string' WHEN 'long_text' THEN 'text' WHEN 'select' THEN 'enum'
                                          WHEN 'number' THEN CASE WHEN x -> 'integer' = 'true' THEN 'integer' ELSE 'float' END ELSE x ->> 'type' END,
                'required', x -> 'required', 'default', x -> 'default', 'min', x -> 'min', 'max', x -> 'max', 'min_length', x -> 'min_length',
                'max_length', x -> 'max_length', 'pattern', x -> 'pattern', 'options', CASE WHEN x ->> 'type' = 'select' THEN x -> 'options' END)), '{}')
            FROM jsonb_array_elements(fields) x);
END
$$;

-- May a schema be called that?  Recordsets have paths by their slugs, and ids in their place.  Raises AS422.
CREATE OR REPLACE FUNCTION entity_slug(slug text) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF slug IN ('trash', 'import', 'export', 'geocode') OR slug ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'slug', MESSAGE = 'slug must not be trash, import, export or geocode, nor look like an id';
    END IF;
    RETURN slug;
END
$$;

-- Take a schema away, which has no records.  Raises AS404, AS412, AS409.
CREATE OR REPLACE FUNCTION entity_schema_delete(schema uuid, tag bigint[]) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    s recordsets;
    n bigint;
BEGIN
    -- Who writes into it has finished, and who wants to waits.
    SELECT x.* INTO s FROM recordsets x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = schema AND x.is_entity AND x.trashed_at IS NULL
    FOR UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Entity schema not found', DETAIL = schema::text;
    END IF;
    PERFORM if_match(s.updated_at, tag);
    SELECT coalesce(sum(c.count), 0) INTO n FROM recordset_counts c
    WHERE c.tenant_id = s.tenant_id AND c.organization_id = s.organization_id AND c.recordset_id = s.id;
    IF n > 0 THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = format('the schema still has %s', CASE n WHEN 1 THEN 'a record' ELSE n || ' records' END);
    END IF;
    DELETE FROM recordsets x WHERE x.tenant_id = s.tenant_id AND x.organization_id = s.organization_id AND x.id = s.id;
    PERFORM audit('entity_schema.delete', 'entity_schema', s.id::text, jsonb_build_object('organization_id', s.organization_id, 'name', s.name, 'slug', s.slug));
    RETURN s.id;
END
$$;

-- The organization, if it is the tenant's: for the dashboard, which is in none.  Raises AS404.
CREATE OR REPLACE FUNCTION entity_organization(organization uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM organizations o WHERE o.tenant_id = app_tenant() AND o.id = organization AND o.deleted_at IS NULL) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Organization not found', DETAIL = organization::text;
    END IF;
    RETURN organization;
END
$$;

-- How many records each schema has, of an organization or (NULL) of all of the tenant's.
CREATE OR REPLACE FUNCTION entity_counts(organization uuid) RETURNS TABLE (id uuid, slug text, records_count bigint)
LANGUAGE plpgsql STABLE ROWS 20 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH s AS (
        SELECT x.organization_id, x.id, x.slug FROM recordsets x
        WHERE organization IS NOT NULL AND x.tenant_id = app_tenant() AND x.organization_id = organization AND x.is_entity AND x.trashed_at IS NULL
        UNION ALL
        SELECT x.organization_id, x.id, x.slug FROM recordsets x
        WHERE organization IS NULL AND x.tenant_id = app_tenant() AND x.is_entity AND x.trashed_at IS NULL
    )
    SELECT s.id, s.slug, coalesce((SELECT sum(c.count) FROM recordset_counts c
                                   WHERE c.tenant_id = app_tenant() AND c.organization_id = s.organization_id AND c.recordset_id = s.id), 0)::bigint
    FROM s;
END
$$;
