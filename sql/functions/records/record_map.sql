-- Which records are on a map.

-- Candidates under the policies (sql/search/close.sql): records of a content that are within a box, or (west NULL) anywhere; of some types of geometry, or
-- (NULL) of all; up to most, NULL: all.
CREATE OR REPLACE FUNCTION record_geometry_candidates(content uuid, west double precision, south double precision, east double precision, north double precision,
                                                      types text[], most bigint) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    box postgis.geometry := postgis.ST_MakeEnvelope(west, south, east, north, 4326);
BEGIN
    IF box IS NULL THEN
        RETURN QUERY SELECT g.record_id FROM record_geometries g
                     WHERE g.tenant_id = (SELECT app_tenant()) AND g.content_id = content AND (types IS NULL OR g.geometry_type = ANY (types)) LIMIT most;
    ELSE
        RETURN QUERY SELECT g.record_id FROM record_geometries g
                     WHERE g.tenant_id = (SELECT app_tenant()) AND g.content_id = content AND g.geometry OPERATOR(postgis.&&) box
                       AND (types IS NULL OR g.geometry_type = ANY (types)) AND postgis.ST_Intersects(g.geometry, box) LIMIT most;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION record_geometry_candidates(uuid, double precision, double precision, double precision, double precision, text[], bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_geometry_candidates(uuid, double precision, double precision, double precision, double precision, text[], bigint) TO ashlar_api;

-- The recordset of this id, which the caller may see. Raises AS404, AS403.
CREATE OR REPLACE FUNCTION recordset_seen(recordset uuid, path text) RETURNS recordsets
LANGUAGE plpgsql STABLE AS $$
DECLARE
    s recordsets;
BEGIN
    SELECT x.* INTO s FROM recordsets x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = recordset AND x.trashed_at IS NULL;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING HINT = path, MESSAGE = 'Recordset not found', DETAIL = recordset::text;
    ELSIF NOT recordset_may(s.id, s.owner_id, 1) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this needs can_view on the recordset';
    END IF;
    RETURN s;
END
$$;

-- Conditions of a recordset's records, by record_condition(): all of them as one, and those that an index knows.
CREATE OR REPLACE FUNCTION record_conditions(s recordsets, filters jsonb, OUT all_of text, OUT drives text[], OUT texts text[], OUT numbers double precision[], OUT times timestamptz[])
LANGUAGE plpgsql STABLE AS $$
DECLARE
    f record;
BEGIN
    all_of := 'true';
    drives := '{}';
    texts := '{}';
    numbers := '{}';
    times := '{}';
    FOR f IN SELECT e.one FROM jsonb_array_elements(filters) WITH ORDINALITY e (one, nr) ORDER BY nr LOOP
        SELECT x.texts, x.numbers, x.times, all_of || ' AND ' || x.exact, CASE WHEN x.drive IS NULL THEN drives ELSE drives || x.drive END
        INTO texts, numbers, times, all_of, drives
        FROM record_condition(f.one, s.fields, s.slots, s.slots_filled, texts, numbers, times) x;
    END LOOP;
END
$$;

-- The ids of the records of a recordset that have a geometry and are asked for, up to most (NULL: all), in no order.
--
--   asked  {"filters": [… as record_filter.h has them], "box": [west, south, east, north], "types": the array as PostgreSQL writes one}
--
-- Statements are composed as in record_search.sql: $1 the tenant, $2 the workspace, $3 the content, $4 to $6 what a client said. A condition that an index
-- knows to leave few is read first; else the map's own index is. Raises AS404, AS403, AS422.
CREATE OR REPLACE FUNCTION record_map(recordset uuid, asked jsonb, most bigint) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    s     recordsets := recordset_seen(recordset, 'recordset_id');
    c     record;
    box   double precision[] := ARRAY(SELECT e::double precision FROM jsonb_array_elements_text(asked -> 'box') WITH ORDINALITY x (e, nr) ORDER BY nr);
    types text[] := (asked ->> 'types')::text[];
    best  text;
    n     bigint;
    few   bigint := 2001;
    q     text;
BEGIN
    SELECT * INTO c FROM record_conditions(s, asked -> 'filters');
    IF c.all_of = 'true' THEN
        RETURN QUERY SELECT * FROM record_geometry_candidates(s.content_id, box[1], box[2], box[3], box[4], types, most);
        RETURN;
    END IF;
    FOREACH q IN ARRAY c.drives LOOP
        EXECUTE format('SELECT count(*) FROM (SELECT FROM records r WHERE r.content_id = ($3)[1] AND r.deleted_at IS NULL AND %s LIMIT 2001) x', q)
        INTO n USING app_tenant(), app_organization(), ARRAY[s.content_id], c.texts, c.numbers, c.times;
        IF n < few THEN
            few := n;
            best := q;
        END IF;
    END LOOP;
    RETURN QUERY EXECUTE format(
        CASE WHEN best IS NOT NULL
             THEN 'SELECT r.id FROM (SELECT r.* FROM records r WHERE r.content_id = ($3)[1] AND r.deleted_at IS NULL AND %2$s OFFSET 0) r
                   JOIN record_geometries g ON g.tenant_id = $1 AND g.organization_id = $2 AND g.record_id = r.id AND ($8 IS NULL OR g.geometry_type = ANY ($8))
                    AND ($7 IS NULL OR postgis.ST_Intersects(g.geometry, $7))'
             ELSE 'SELECT r.id FROM record_geometry_candidates(($3)[1], $9[1], $9[2], $9[3], $9[4], $8, NULL) f
                   JOIN records r ON r.tenant_id = $1 AND r.organization_id = $2 AND r.id = f' END
        || ' WHERE r.tenant_id = $1 AND r.organization_id = $2 AND r.content_id = ($3)[1] AND r.deleted_at IS NULL AND %1$s LIMIT $10', c.all_of, best)
        USING app_tenant(), app_organization(), ARRAY[s.content_id], c.texts, c.numbers, c.times, postgis.ST_MakeEnvelope(box[1], box[2], box[3], box[4], 4326), types, box, most;
END
$$;
