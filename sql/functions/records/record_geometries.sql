-- Where records are: a geometry that was sent, or what their values say.
--
-- Longitude first, in degrees of WGS 84, in two dimensions. Functions and operators of PostGIS have its schema's name in front, so that no search_path is
-- needed, and "=" of geometries, which is looked up by its name alone, is not used.

-- What of a recordset's settings says where its records are: {"lat": key, "lng": key} or {"geometry": key}; NULL: nothing.
CREATE OR REPLACE FUNCTION recordset_place(mode text, settings jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    gis jsonb := settings -> 'promoted_fields' -> 'promoted_gis_1';
BEGIN
    RETURN CASE WHEN mode = 'MAP' AND settings ->> 'geometry_field' IS NOT NULL THEN jsonb_build_object('geometry', settings ->> 'geometry_field')
                WHEN mode = 'MAP' AND settings ->> 'lat_field' IS NOT NULL AND settings ->> 'lng_field' IS NOT NULL
                THEN jsonb_build_object('lat', settings ->> 'lat_field', 'lng', settings ->> 'lng_field')
                WHEN gis ->> 'lat' IS NOT NULL AND gis ->> 'lng' IS NOT NULL THEN jsonb_build_object('lat', gis ->> 'lat', 'lng', gis ->> 'lng') END;
END
$$;

-- A GeoJSON geometry; NULL: it is none, or not within 180 and 90 degrees. A "crs" is not read: RFC 7946 has none. Never raises.
CREATE OR REPLACE FUNCTION record_geometry(value jsonb) RETURNS postgis.geometry
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    g postgis.geometry;
BEGIN
    IF jsonb_typeof(value) IS DISTINCT FROM 'object' OR value @? '$.geometries[*] ? (@.type == "GeometryCollection")' OR value @? '$.**.coordinates.** ? (@.type() != "number" && @.type() != "array")' THEN
        RETURN NULL;
    END IF;
    g := postgis.ST_Force2D(postgis.ST_SetSRID(postgis.ST_GeomFromGeoJSON((value - 'crs')::text), 4326));
    IF postgis.ST_IsEmpty(g) OR postgis.ST_XMin(g) < -180 OR postgis.ST_XMax(g) > 180 OR postgis.ST_YMin(g) < -90 OR postgis.ST_YMax(g) > 90 THEN
        RETURN NULL;
    END IF;
    RETURN g;
EXCEPTION
    WHEN others THEN RETURN NULL;
END
$$;

-- Why one may not be written, and where; NULL: it may.
CREATE OR REPLACE FUNCTION record_geometry_fault(value jsonb, path text) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    g postgis.geometry := record_geometry(value);
    d record;
BEGIN
    IF g IS NULL THEN
        RETURN path || ' must be a GeoJSON geometry, longitude first, within 180 and 90 degrees';
    END IF;
    SELECT x.valid, x.reason, x.location INTO d FROM postgis.ST_IsValidDetail(g) x;
    RETURN CASE WHEN NOT d.valid THEN format('%s is not valid: %s at longitude %s, latitude %s', path, lower(d.reason), postgis.ST_X(d.location), postgis.ST_Y(d.location)) END;
END
$$;

-- One that is written: it is valid, or AS422 says why not and where.
CREATE OR REPLACE FUNCTION record_geometry_valid(value jsonb, path text) RETURNS postgis.geometry
LANGUAGE plpgsql AS $$
DECLARE
    fault text := record_geometry_fault(value, path);
BEGIN
    IF fault IS NOT NULL THEN
        RAISE SQLSTATE 'AS422' USING HINT = path, MESSAGE = fault;
    END IF;
    RETURN record_geometry(value);
END
$$;

-- Where values say that a record is, by recordset_place(); NULL: nowhere. is_strict: a geometry among them that is not valid raises AS422; else it is no place.
CREATE OR REPLACE FUNCTION record_place(field_values jsonb, place jsonb, is_strict boolean) RETURNS postgis.geometry
LANGUAGE plpgsql AS $$
DECLARE
    key text := place ->> 'geometry';
    lat double precision;
    lng double precision;
    g   postgis.geometry;
BEGIN
    IF key IS NOT NULL THEN
        IF coalesce(jsonb_typeof(field_values -> key), 'null') = 'null' THEN
            RETURN NULL;
        ELSIF is_strict THEN
            RETURN record_geometry_valid(field_values -> key, 'field_values.' || key);
        END IF;
        g := record_geometry(field_values -> key);
        RETURN CASE WHEN (SELECT x.valid FROM postgis.ST_IsValidDetail(g) x) THEN g END;
    END IF;
    lat := record_number(field_values -> (place ->> 'lat'));
    lng := record_number(field_values -> (place ->> 'lng'));
    RETURN CASE WHEN abs(lat) <= 90 AND abs(lng) <= 180 THEN postgis.ST_SetSRID(postgis.ST_MakePoint(lng, lat), 4326) END;
END
$$;

-- Put down where new records are: rows as records_made() has them, ids in their order; is_strict as of record_place().
CREATE OR REPLACE FUNCTION record_geometries_add(ids uuid[], content uuid, rows jsonb, place jsonb, is_strict boolean) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO record_geometries (tenant_id, organization_id, record_id, content_id, geometry, is_given)
    SELECT app_tenant(), app_organization(), ids[x.nr], content, x.geometry, x.is_given
    FROM (SELECT e.nr, jsonb_typeof(e.one -> 'geometry') = 'object' IS TRUE AS is_given,
                 CASE WHEN jsonb_typeof(e.one -> 'geometry') = 'object' THEN record_geometry_valid(e.one -> 'geometry', 'geometry')
                      WHEN place IS NOT NULL THEN record_place(e.one -> 'field_values', place, is_strict) END AS geometry
          FROM jsonb_array_elements(rows) WITH ORDINALITY e (one, nr)) x
    WHERE x.geometry IS NOT NULL;
END
$$;

-- What a change makes of where a record is; is it another place?
--
--   given   what was sent: {"geometry": …} or null; without that member the place that was given stays, unless is_all
--   vals    its values as they will be, of which the place's were changed (is_strict)
CREATE OR REPLACE FUNCTION record_geometry_change(record uuid, content uuid, given jsonb, is_all boolean, vals jsonb, place jsonb, is_strict boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    old   record;
    g     postgis.geometry;
    is_by boolean := jsonb_typeof(given -> 'geometry') = 'object' IS TRUE;
BEGIN
    IF place IS NULL AND NOT given ? 'geometry' AND NOT is_all THEN
        RETURN false;
    END IF;
    SELECT x.geometry::text AS geometry, x.is_given INTO old FROM record_geometries x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.record_id = record;
    IF old.is_given AND NOT given ? 'geometry' AND NOT is_all THEN
        RETURN false;
    END IF;
    g := CASE WHEN is_by THEN record_geometry_valid(given -> 'geometry', 'geometry') WHEN place IS NOT NULL THEN record_place(vals, place, is_strict) END;
    IF g IS NULL THEN
        DELETE FROM record_geometries x WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.record_id = record;
    ELSIF g::text IS DISTINCT FROM old.geometry OR is_by IS DISTINCT FROM old.is_given THEN
        INSERT INTO record_geometries AS x (tenant_id, organization_id, record_id, content_id, geometry, is_given)
        VALUES (app_tenant(), app_organization(), record, content, g, is_by)
        ON CONFLICT (tenant_id, organization_id, record_id) DO UPDATE SET content_id = excluded.content_id, geometry = excluded.geometry, is_given = excluded.is_given;
    END IF;
    RETURN g::text IS DISTINCT FROM old.geometry;
END
$$;

-- A run that somebody started tells how far its job is (record_runs.sql): so many have been looked at (NULL: it begins), and it is over with this status.
CREATE OR REPLACE FUNCTION records_place_told(organization uuid, recordset uuid, job uuid, placed bigint, skipped bigint, status text, message text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    run uuid;
BEGIN
    UPDATE record_runs r
    SET status = 'running', started_at = coalesce(r.started_at, clock_timestamp()),
        processed_rows = coalesce(r.processed_rows + placed + skipped, 0), success_count = coalesce(r.success_count + placed, 0), skipped_count = coalesce(r.skipped_count + skipped, 0),
        progress = greatest(r.progress, record_run_progress(coalesce(r.processed_rows + placed + skipped, 0), r.total_rows))
    WHERE r.tenant_id = app_tenant() AND r.organization_id = organization AND r.recordset_id = recordset AND r.job_id = job AND r.kind = 'gis_backfill'
      AND r.status IN ('queued', 'running')
    RETURNING r.id INTO run;
    PERFORM record_run_end(organization, run, status, message) WHERE run IS NOT NULL AND status IS NOT NULL;
END
$$;

-- The job "records.place", a portion of it: write where the records of a recordset are by its settings, behind a place (after, '' at first), the newest first.
-- Where it goes on from; NULL: there is nothing more to do, or its settings say something else by now, for which there is a job of its own.
CREATE OR REPLACE FUNCTION records_place(organization uuid, recordset uuid, place jsonb, job uuid, after text, batch integer, OUT last text, OUT placed bigint, OUT skipped bigint)
LANGUAGE plpgsql AS $$
DECLARE
    s      recordsets;
    behind timestamptz := nullif(split_part(after, ' ', 1), '')::timestamptz;
    id_of  uuid := nullif(split_part(after, ' ', 2), '')::uuid;
    wanted uuid[];
BEGIN
    PERFORM set_config('app.organization_id', organization::text, true);
    placed := 0;
    skipped := 0;
    IF after = '' THEN
        -- Who wrote while there were other settings has ended when this is locked.
        SELECT x.* INTO s FROM recordsets x WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = recordset FOR UPDATE;
        last := CASE WHEN s.id IS NOT NULL AND recordset_place(s.mode, s.settings) IS NOT DISTINCT FROM place
                     THEN 'infinity 00000000-0000-0000-0000-000000000000' END;
        PERFORM records_place_told(organization, recordset, job, NULL, NULL, CASE WHEN last IS NULL THEN 'failed' END, 'the recordset says something else by now');
        RETURN;
    END IF;
    SELECT x.* INTO s FROM recordsets x WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = recordset FOR KEY SHARE;
    IF s.id IS NULL OR recordset_place(s.mode, s.settings) IS DISTINCT FROM place THEN
        PERFORM records_place_told(organization, recordset, job, 0, 0, 'failed', 'the recordset says something else by now');
        RETURN;
    ELSIF EXISTS (SELECT FROM record_runs r WHERE r.tenant_id = app_tenant() AND r.organization_id = organization AND r.recordset_id = recordset AND r.job_id = job
                    AND r.status = 'cancelled') THEN
        RETURN;
    END IF;
    SELECT array_agg(x.id ORDER BY x.id), CASE WHEN count(*) = batch THEN (array_agg(to_char(x.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' ' || x.id
                                                                                     ORDER BY x.created_at, x.id DESC))[1] END
    INTO wanted, last
    FROM (SELECT y.id, y.created_at FROM records y
          WHERE y.tenant_id = app_tenant() AND y.organization_id = organization AND y.content_id = s.content_id AND y.deleted_at IS NULL
            AND y.created_at <= behind AND (y.created_at < behind OR y.id > id_of)
          ORDER BY y.created_at DESC, y.id LIMIT batch) x;
    -- As who changes one does: the record first.
    PERFORM FROM records r WHERE r.tenant_id = app_tenant() AND r.organization_id = organization AND r.id = ANY (wanted) ORDER BY r.id FOR NO KEY UPDATE;
    WITH found AS MATERIALIZED (
        SELECT r.id, CASE WHEN place IS NOT NULL THEN record_place(r.field_values, place, false) END AS geometry
        FROM records r
        WHERE r.tenant_id = app_tenant() AND r.organization_id = organization AND r.id = ANY (wanted) AND r.deleted_at IS NULL
    ), put AS (
        INSERT INTO record_geometries AS x (tenant_id, organization_id, record_id, content_id, geometry)
        SELECT app_tenant(), organization, f.id, s.content_id, f.geometry FROM found f WHERE f.geometry IS NOT NULL
        ON CONFLICT (tenant_id, organization_id, record_id) DO UPDATE SET geometry = excluded.geometry
        WHERE NOT x.is_given AND x.geometry::text <> excluded.geometry::text
    ), gone AS (
        DELETE FROM record_geometries x USING found f
        WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.record_id = f.id AND f.geometry IS NULL AND NOT x.is_given
    )
    SELECT count(f.geometry), count(*) - count(f.geometry) INTO placed, skipped FROM found f;
    PERFORM records_place_told(organization, recordset, job, placed, skipped, CASE WHEN last IS NULL THEN 'completed' END, NULL);
END
$$;

-- The job that does it for what the settings say now.
CREATE OR REPLACE FUNCTION records_place_job(s recordsets) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    place jsonb := recordset_place(s.mode, s.settings);
BEGIN
    RETURN job_add('ashlar', 'records.place', jsonb_build_object('organization_id', s.organization_id, 'recordset_id', s.id, 'place', place),
                   timeout_s => 3600, unique_key => 'records.place ' || s.id || ' ' || md5(coalesce(place::text, '')));
END
$$;

CREATE OR REPLACE FUNCTION recordset_placed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    within text := coalesce(current_setting('app.tenant_id', true), '');
BEGIN
    PERFORM set_config('app.tenant_id', NEW.tenant_id::text, true);
    PERFORM records_place_job(NEW);
    PERFORM set_config('app.tenant_id', within, true);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER recordsets_placed AFTER UPDATE OF mode, settings ON recordsets FOR EACH ROW
    WHEN (recordset_place(OLD.mode, OLD.settings) IS DISTINCT FROM recordset_place(NEW.mode, NEW.settings)) EXECUTE FUNCTION recordset_placed();

-- A recordset becomes a map: fields of its schema say where its records are, and a job looks at those that there are. Raises AS404, AS403, AS409, AS422.
CREATE OR REPLACE FUNCTION recordset_map(slug_or_id text, lat text, lng text, geometry text, OUT recordset_id uuid, OUT job_id uuid, OUT total bigint)
LANGUAGE plpgsql AS $$
DECLARE
    s   recordsets;
    f   record;
    job uuid;
BEGIN
    recordset_id := recordset_here(slug_or_id, 64);
    SELECT x.* INTO s FROM recordsets x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = recordset_map.recordset_id FOR NO KEY UPDATE;
    FOR f IN SELECT n.name, n.key, (SELECT x ->> 'type' FROM jsonb_array_elements(s.fields) x WHERE x ->> 'key' = n.key) AS type
             FROM (VALUES ('lat_field', lat), ('lng_field', lng), ('geometry_field', geometry)) n (name, key) WHERE n.key IS NOT NULL LOOP
        IF f.type IS NULL THEN
            PERFORM record_key_unknown(f.name, f.key, s.fields);
        ELSIF f.name = 'geometry_field' AND f.type NOT IN ('geometry', 'json') THEN
            RAISE SQLSTATE 'AS422' USING HINT = f.name, MESSAGE = f.name || ' must be a field of the type geometry or json';
        ELSIF f.name <> 'geometry_field' AND record_class(f.type) NOT IN ('n', 't') THEN
            RAISE SQLSTATE 'AS422' USING HINT = f.name, MESSAGE = f.name || ' must be a field of numbers';
        END IF;
    END LOOP;
    PERFORM must(NOT EXISTS (SELECT FROM jobs j WHERE j.tenant_id = app_tenant() AND j.queue = 'ashlar' AND j.kind = 'records.place'
                               AND j.state IN ('scheduled', 'queued', 'running') AND j.payload ->> 'recordset_id' = s.id::text),
                 'the records of this recordset are being put on the map already');
    UPDATE recordsets x
    SET mode = 'MAP', settings = x.settings - '{lat_field,lng_field,geometry_field}'::text[]
            || jsonb_strip_nulls(jsonb_build_object('lat_field', lat, 'lng_field', lng, 'geometry_field', geometry))
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = s.id
    RETURNING x.* INTO s;
    job := records_place_job(s);
    SELECT coalesce(sum(c.count), 0) INTO total FROM recordset_counts c
    WHERE c.tenant_id = app_tenant() AND c.organization_id = app_organization() AND c.recordset_id = s.id;
    INSERT INTO record_runs AS r (tenant_id, organization_id, kind, recordset_id, member_id, job_id, total_rows)
    VALUES (app_tenant(), app_organization(), 'gis_backfill', s.id, app_member(), job, total)
    RETURNING r.id INTO job_id;
    PERFORM audit('recordset.update', 'recordset', s.id::text, jsonb_build_object('organization_id', s.organization_id, 'schema_version', NULL, 'fields', '["mode", "settings"]'::jsonb));
END
$$;
