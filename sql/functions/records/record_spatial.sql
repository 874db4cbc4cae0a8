-- Which records of one recordset are where those of another one are.
--
-- Metres are along the great circle of a sphere. Edges are straight lines on the map, as RFC 7946 has them: where they are long, points are put into them before
-- anything is measured, since between two points PostGIS goes along the great circle.

-- Boxes that have all that is within so many metres of a geometry: widened by its latitude, in two pieces over the antimeridian; all around the earth near a pole.
CREATE OR REPLACE FUNCTION record_boxes(g postgis.geometry, metres double precision) RETURNS postgis.geometry[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    up    double precision := metres / 111000;    -- a degree has 111,195 metres: a little too much is no harm
    south double precision := postgis.ST_YMin(g) - up;
    north double precision := postgis.ST_YMax(g) + up;
    aside double precision;
    west  double precision;
    east  double precision;
BEGIN
    IF south > -90 AND north < 90 THEN
        aside := degrees(asin(least(1, sin(radians(up)) / cos(radians(greatest(abs(postgis.ST_YMin(g)), abs(postgis.ST_YMax(g))))))));
        west := postgis.ST_XMin(g) - aside;
        east := postgis.ST_XMax(g) + aside;
    END IF;
    IF west IS NULL OR east - west >= 360 THEN
        RETURN ARRAY[postgis.ST_MakeEnvelope(-180, greatest(south, -90), 180, least(north, 90), 4326)];
    ELSIF west < -180 THEN
        RETURN ARRAY[postgis.ST_MakeEnvelope(-180, south, east, north, 4326), postgis.ST_MakeEnvelope(west + 360, south, 180, north, 4326)];
    ELSIF east > 180 THEN
        RETURN ARRAY[postgis.ST_MakeEnvelope(west, south, 180, north, 4326), postgis.ST_MakeEnvelope(-180, south, east - 360, north, 4326)];
    END IF;
    RETURN ARRAY[postgis.ST_MakeEnvelope(west, south, east, north, 4326)];
END
$$;

-- With points in its long edges, so near to each other that a straight line between two is a straight line on the map but for a thousandth of so many metres; no more
-- than some thousands in all.
CREATE OR REPLACE FUNCTION record_dense(g postgis.geometry, metres double precision) RETURNS postgis.geometry
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN postgis.ST_Segmentize(g, greatest(0.002 * sqrt(metres * greatest(0.001, cos(radians(greatest(abs(postgis.ST_YMin(g)), abs(postgis.ST_YMax(g))))))),
                                             (postgis.ST_Length(g) + postgis.ST_Perimeter(g)) / 2000));
END
$$;

-- Points and lines as they lie on the sphere, of an area its borders: which side of them is inside is asked on the map, where it is never in doubt.
CREATE OR REPLACE FUNCTION record_on_sphere(g postgis.geometry, metres double precision) RETURNS postgis.geography
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF postgis.ST_Dimension(g) = 0 THEN
        RETURN g::postgis.geography;
    ELSIF postgis.ST_GeometryType(g) = 'ST_GeometryCollection' THEN
        g := (SELECT postgis.ST_Collect(CASE postgis.ST_Dimension(d.geom) WHEN 2 THEN postgis.ST_Boundary(d.geom) ELSE d.geom END) FROM postgis.ST_Dump(g) d);
    ELSIF postgis.ST_Dimension(g) = 2 THEN
        g := postgis.ST_Boundary(g);
    END IF;
    RETURN record_dense(g, metres)::postgis.geography;
END
$$;

-- Is all of t within so many metres of s? Its corners have to be; then what of s is near is drawn on a plane whose distances are true from the middle of t, and grows there, with 128 sides for a
-- circle: of what is as large as a country, or of what is within a thousandth of the distance, this may err.
CREATE OR REPLACE FUNCTION record_within_grown(t postgis.geometry, s postgis.geometry, on_s postgis.geography, metres double precision) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    earth  text := '+proj=longlat +R=6371008.7714 +no_defs';
    plane  text;
    nearby postgis.geometry;
BEGIN
    IF postgis.ST_Within(t, s) THEN
        RETURN true;
    ELSIF EXISTS (SELECT FROM postgis.ST_DumpPoints(t) p WHERE NOT postgis.ST_DWithin(p.geom::postgis.geography, on_s, metres, false) AND NOT postgis.ST_Intersects(p.geom, s)) THEN
        RETURN false;
    END IF;
    SELECT format('+proj=aeqd +lat_0=%s +lon_0=%s +R=6371008.7714 +units=m +no_defs', degrees(atan2(x.up, sqrt(x.to_zero ^ 2 + x.to_east ^ 2))),
                  degrees(atan2(x.to_east, x.to_zero))) INTO plane
    FROM (SELECT avg(cos(radians(postgis.ST_X(p.geom))) * cos(radians(postgis.ST_Y(p.geom)))) AS to_zero,
                 avg(sin(radians(postgis.ST_X(p.geom))) * cos(radians(postgis.ST_Y(p.geom)))) AS to_east, avg(sin(radians(postgis.ST_Y(p.geom)))) AS up
          FROM postgis.ST_DumpPoints(t) p) x;
    SELECT postgis.ST_Collect(postgis.ST_Intersection(d.geom, b.box)) INTO nearby FROM postgis.ST_Dump(s) d, unnest(record_boxes(t, metres)) b (box);
    RETURN postgis.ST_Within(postgis.ST_MakeValid(postgis.ST_Transform(record_dense(t, metres), earth, plane)),
                             postgis.ST_Buffer(postgis.ST_Transform(record_dense(nearby, metres), earth, plane), metres, 32));
END
$$;

-- Does t relate to s, which grows by so many metres first? As record_spatial_candidates() has the operations; on_t and on_s are record_on_sphere() of the two.
CREATE OR REPLACE FUNCTION record_relates(operation text, t postgis.geometry, s postgis.geometry, on_t postgis.geography, on_s postgis.geography, metres double precision)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF operation = 'CONTAINS' THEN
        -- Its border is farther than that. A line or a point has no room for what has grown: it is its own border.
        RETURN postgis.ST_Contains(t, s) AND NOT postgis.ST_DWithin(on_t, on_s, metres, false);
    ELSIF NOT (postgis.ST_DWithin(on_t, on_s, metres, false) OR postgis.ST_Intersects(t, s)) THEN
        RETURN false;
    END IF;
    RETURN operation <> 'WITHIN' OR postgis.ST_GeometryType(t) = 'ST_Point' OR record_within_grown(t, s, on_s, metres);
END
$$;

-- Candidates under the policies (sql/search/close.sql): records of the content target that relate to any of the content source, each once, up to most (NULL: all).
--
--   operation   INTERSECTS, WITHIN (the target within a source), CONTAINS (a source within the target)
--   metres      by which sources grow first: what intersects is that near
--   *_ids       of these alone; NULL: of all
--   by_sources  the sources are walked through, and targets looked up; else the other way
--
-- A content is of one workspace: that is asked for beside ids alone, which are found by it.
CREATE OR REPLACE FUNCTION record_spatial_candidates(source uuid, target uuid, source_ids uuid[], target_ids uuid[], operation text, metres double precision, by_sources boolean,
                                                     most bigint) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF by_sources THEN
        RETURN QUERY
        WITH s AS MATERIALIZED (
            SELECT g.geometry, b.box, CASE WHEN metres > 0 THEN record_on_sphere(g.geometry, metres) END AS on_sphere
            FROM record_geometries g CROSS JOIN LATERAL unnest(CASE WHEN metres > 0 THEN record_boxes(g.geometry, metres) ELSE ARRAY[g.geometry] END) b (box)
            WHERE g.tenant_id = (SELECT app_tenant()) AND g.content_id = source
              AND (source_ids IS NULL OR g.organization_id = (SELECT app_organization()) AND g.record_id = ANY (source_ids))
        )
        SELECT DISTINCT t.record_id
        FROM s
        JOIN record_geometries t ON t.tenant_id = (SELECT app_tenant()) AND t.content_id = target AND t.geometry OPERATOR(postgis.&&) s.box
         AND (target_ids IS NULL OR t.organization_id = (SELECT app_organization()) AND t.record_id = ANY (target_ids))
         AND CASE WHEN metres > 0 THEN record_relates(operation, t.geometry, s.geometry, record_on_sphere(t.geometry, metres), s.on_sphere, metres)
                  WHEN operation = 'WITHIN' THEN postgis.ST_Within(t.geometry, s.geometry)
                  WHEN operation = 'CONTAINS' THEN postgis.ST_Contains(t.geometry, s.geometry)
                  ELSE postgis.ST_Intersects(t.geometry, s.geometry) END
        LIMIT most;
    ELSE
        RETURN QUERY
        WITH t AS MATERIALIZED (
            SELECT g.record_id, g.geometry, CASE WHEN metres > 0 THEN record_boxes(g.geometry, metres) ELSE ARRAY[g.geometry] END AS boxes,
                   CASE WHEN metres > 0 THEN record_on_sphere(g.geometry, metres) END AS on_sphere
            FROM record_geometries g
            WHERE g.tenant_id = (SELECT app_tenant()) AND g.content_id = target
              AND (target_ids IS NULL OR g.organization_id = (SELECT app_organization()) AND g.record_id = ANY (target_ids))
        )
        SELECT t.record_id FROM t
        WHERE EXISTS (
            SELECT FROM unnest(t.boxes) b (box)
            JOIN record_geometries s ON s.tenant_id = (SELECT app_tenant()) AND s.content_id = source AND s.geometry OPERATOR(postgis.&&) b.box
             AND (source_ids IS NULL OR s.organization_id = (SELECT app_organization()) AND s.record_id = ANY (source_ids))
             AND CASE WHEN metres > 0 THEN record_relates(operation, t.geometry, s.geometry, t.on_sphere, record_on_sphere(s.geometry, metres), metres)
                      WHEN operation = 'WITHIN' THEN postgis.ST_Within(t.geometry, s.geometry)
                      WHEN operation = 'CONTAINS' THEN postgis.ST_Contains(t.geometry, s.geometry)
                      ELSE postgis.ST_Intersects(t.geometry, s.geometry) END)
        LIMIT most;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION record_spatial_candidates(uuid, uuid, uuid[], uuid[], text, double precision, boolean, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_spatial_candidates(uuid, uuid, uuid[], uuid[], text, double precision, boolean, bigint) TO ashlar_api;

-- The records of a recordset that have a geometry, how many, and, where not all of them are asked for, which (else NULL): by ids (NULL: all), and filters as
-- record_map() has them.
CREATE OR REPLACE FUNCTION record_spatial_side(s recordsets, ids uuid[], filters jsonb, OUT these uuid[], OUT n bigint)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF filters <> '[]' THEN
        these := ARRAY(SELECT f FROM record_map(s.id, jsonb_build_object('filters', filters), NULL) f WHERE ids IS NULL OR f = ANY (ids));
    ELSIF ids IS NOT NULL THEN
        these := ARRAY(SELECT g.record_id FROM record_geometries g
                       WHERE g.tenant_id = app_tenant() AND g.organization_id = app_organization() AND g.content_id = s.content_id AND g.record_id = ANY (ids));
    ELSE
        SELECT count(*) INTO n FROM record_geometries g WHERE g.tenant_id = app_tenant() AND g.content_id = s.content_id;
        RETURN;
    END IF;
    n := cardinality(these);
END
$$;

-- The same for who asks: which sources are looked at, by ids and filters, and which targets. WITHIN_DISTANCE is INTERSECTS; NOT_INTERSECTS are the targets that are left.
-- The side that has fewer is walked through: its plan is made for what is asked, so that what is not asked costs nothing in it. Raises AS404, AS403, AS008, AS422.
CREATE OR REPLACE FUNCTION record_spatial(source uuid, target uuid, ids uuid[], source_filters jsonb, target_filters jsonb, operation text, metres double precision, most bigint,
                                          OUT record_ids uuid[], OUT total bigint, OUT source_count bigint)
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    s          recordsets := recordset_seen(source, 'source_recordset_id');
    t          recordsets := recordset_seen(target, 'target_recordset_id');
    source_ids uuid[];
    target_ids uuid[];
    relation   text := CASE WHEN operation IN ('WITHIN', 'CONTAINS') THEN operation ELSE 'INTERSECTS' END;
BEGIN
    IF operation = 'WITHIN_DISTANCE' AND metres IS NULL THEN
        RAISE SQLSTATE 'AS008' USING HINT = 'buffer_meters', MESSAGE = 'buffer_meters is needed for WITHIN_DISTANCE';
    END IF;
    metres := coalesce(metres, 0);
    SELECT x.these, x.n INTO source_ids, source_count FROM record_spatial_side(s, ids, source_filters) x;
    SELECT x.these, x.n INTO target_ids, total FROM record_spatial_side(t, NULL, target_filters) x;
    IF operation = 'NOT_INTERSECTS' THEN
        record_ids := ARRAY(
            SELECT g.record_id FROM record_geometries g
            WHERE g.tenant_id = app_tenant() AND g.content_id = t.content_id AND (target_ids IS NULL OR g.organization_id = app_organization() AND g.record_id = ANY (target_ids))
              AND NOT EXISTS (SELECT FROM record_spatial_candidates(s.content_id, t.content_id, source_ids, target_ids, relation, metres, source_count <= total, NULL) c
                              WHERE c = g.record_id)
            LIMIT most);
    ELSE
        record_ids := ARRAY(SELECT record_spatial_candidates(s.content_id, t.content_id, source_ids, target_ids, relation, metres, source_count <= total, most));
    END IF;
END
$$;
