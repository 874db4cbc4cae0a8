-- Imports: files that are uploaded, and what becomes of their rows.
--
--   record_upload_await, record_upload_surveyed, record_upload_drop, record_uploads_tend   a file
--   record_import_start                        a member has it imported
--   record_import_open, record_import_put, record_run_await, record_import_end   its job does it (record_runs.sql)

-- Room for a file that the caller is about to send; its upload.  Raises AS402.
CREATE OR REPLACE FUNCTION record_upload_await(backend text, content_type text, size bigint, file_name text, format text, ttl_s bigint) RETURNS record_uploads
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    u record_uploads;
BEGIN
    INSERT INTO record_uploads AS x (tenant_id, organization_id, member_id, object_id, file_name, format)
    VALUES (app_tenant(), app_organization(), app_member(),
            stored_object_await(app_organization(), NULL, backend, content_type, size, now() + (ttl_s + 3600) * interval '1 second'), file_name, format)
    RETURNING x.* INTO u;
    RETURN u;
END
$$;

-- It is there, and this is in it; once more, with another survey, if it was before.  No row: it is not there any more.
CREATE OR REPLACE FUNCTION record_upload_surveyed(upload uuid, file_name text, survey jsonb, sha256 bytea) RETURNS SETOF record_uploads
LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_variable
DECLARE
    u record_uploads;
BEGIN
    SELECT x.* INTO u FROM record_uploads x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = upload FOR UPDATE;
    IF NOT FOUND OR (u.surveyed_at IS NULL AND NOT stored_object_keep(u.object_id, sha256)) THEN
        RETURN;
    END IF;
    RETURN QUERY UPDATE record_uploads x
    SET file_name = coalesce(record_upload_surveyed.file_name, x.file_name), survey = survey, surveyed_at = now(), used_at = now()
    WHERE x.tenant_id = u.tenant_id AND x.organization_id = u.organization_id AND x.id = u.id
    RETURNING x.*;
END
$$;

CREATE OR REPLACE FUNCTION record_upload_drop(upload uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    object uuid;
BEGIN
    DELETE FROM record_uploads x WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = upload
    RETURNING x.object_id INTO object;
    PERFORM stored_object_drop(object) WHERE object IS NOT NULL;
END
$$;

-- By the clock, over all tenants: up to most files that nobody has used for 24 hours go.  How many.
--
-- As the owner, who goes from one tenant to the next.
CREATE OR REPLACE FUNCTION record_uploads_tend(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    here text := current_setting('app.tenant_id', true);
    u    record;
    n    bigint := 0;
BEGIN
    FOR u IN SELECT x.tenant_id, x.organization_id, x.id, x.object_id FROM record_uploads x
             WHERE x.used_at < now() - interval '24 hours'
               AND NOT EXISTS (SELECT FROM record_runs r WHERE r.tenant_id = x.tenant_id AND r.organization_id = x.organization_id AND r.upload_id = x.id
                                 AND r.status IN ('queued', 'running'))
             ORDER BY x.used_at LIMIT most LOOP
        PERFORM set_config('app.tenant_id', u.tenant_id::text, true);
        DELETE FROM record_uploads x WHERE x.tenant_id = u.tenant_id AND x.organization_id = u.organization_id AND x.id = u.id;
        PERFORM stored_object_drop(u.object_id);
        n := n + 1;
    END LOOP;
    PERFORM set_config('app.tenant_id', coalesce(here, ''), true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION record_uploads_tend(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_uploads_tend(integer) TO ashlar_api;

-- The upload that a client calls "upload:<id>", which is of this workspace and was looked at.  Raises AS404.
CREATE OR REPLACE FUNCTION record_upload_find(file_uri text) RETURNS record_uploads
LANGUAGE plpgsql STABLE AS $$
DECLARE
    u record_uploads;
BEGIN
    IF file_uri ~ '^upload:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
        SELECT x.* INTO u FROM record_uploads x
        WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = substr(file_uri, 8)::uuid AND x.surveyed_at IS NOT NULL;
    END IF;
    IF u.id IS NULL THEN
        RAISE SQLSTATE 'AS404' USING HINT = 'file_uri', MESSAGE = 'File not found: upload and analyze it first', DETAIL = file_uri;
    END IF;
    RETURN u;
END
$$;

-- The columns of a survey as answers show them: with a key for each, such as a field's, none twice.
CREATE OR REPLACE FUNCTION record_upload_columns(survey jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    columns jsonb[] := '{}';
    taken   text[] := '{}';
    base    text;
    key     text;
    n       integer;
    c       jsonb;
BEGIN
    FOR c IN SELECT e FROM jsonb_array_elements(survey -> 'columns') e LOOP
        base := btrim(regexp_replace(regexp_replace(lower(normalize(c ->> 'name', NFKD)), E'[\u0300-\u036f]', '', 'g'), '[^a-z0-9]+', '_', 'g'), '_');
        base := left(CASE WHEN base ~ '^[a-z]' THEN base WHEN base = '' THEN 'field' ELSE 'f_' || base END, 58);
        key := base;
        n := 1;
        WHILE key = ANY (taken) LOOP
            n := n + 1;
            key := base || '_' || n;
        END LOOP;
        taken := taken || key;
        columns := columns || (c || jsonb_build_object('suggested_key', key));
    END LOOP;
    RETURN to_jsonb(columns);
END
$$;

-- The caller has an uploaded file imported into a recordset; the run.
CREATE OR REPLACE FUNCTION record_import_start(recordset uuid, upload uuid, options jsonb) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    u record_uploads;
    r uuid;
BEGIN
    UPDATE record_uploads x SET used_at = now()
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = upload
    RETURNING x.* INTO u;
    r := record_run_start('import', recordset, jsonb_strip_nulls(options), u.format, u.file_name, (u.survey ->> 'total_rows')::bigint);
    UPDATE record_runs x SET upload_id = upload WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = r;
    PERFORM audit('record.import', 'record_run', r::text, jsonb_build_object('organization_id', app_organization(), 'recordset_id', recordset, 'file_name', u.file_name))
    WHERE NOT coalesce((options ->> 'dry_run')::boolean, false);
    RETURN r;
END
$$;

-- Its job begins, or goes on: what to import, and behind which row of the file.  No row: there is nothing to do any more.
CREATE OR REPLACE FUNCTION record_import_open(organization uuid, run uuid)
RETURNS TABLE (fields jsonb, schema_version integer, options jsonb, survey jsonb, format text, after bigint, tenant_id uuid, object_id uuid, backend text, content_type text, size bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    r record_runs;
BEGIN
    SELECT * INTO r FROM record_run_enter(organization, run, 2);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT s.fields, s.schema_version, r.options, u.survey, r.format, record_import_after(organization, run), o.tenant_id, o.id, o.backend, o.content_type, o.size
    FROM recordsets s
    JOIN record_uploads u ON u.tenant_id = s.tenant_id AND u.organization_id = s.organization_id AND u.id = r.upload_id
    JOIN stored_objects o ON o.tenant_id = u.tenant_id AND o.id = u.object_id AND o.state = 'stored'
    WHERE s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id;
    IF NOT FOUND THEN
        PERFORM record_run_end(organization, run, 'failed', 'the file is no more');
    END IF;
END
$$;

-- The last row of the file that is done; 1 is the header.
CREATE OR REPLACE FUNCTION record_import_after(organization uuid, run uuid) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((SELECT b.last_row FROM record_run_batches b
                     WHERE b.tenant_id = app_tenant() AND b.organization_id = organization AND b.run_id = run ORDER BY b.first_row DESC LIMIT 1), 1);
END
$$;

-- Where a file's coordinates are no degrees (srid), can PostGIS make them some?  Raises AS422.
CREATE OR REPLACE FUNCTION record_survey_check(survey jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    code integer := (survey ->> 'srid')::integer;
    box  double precision[] := ARRAY(SELECT x::double precision FROM jsonb_array_elements_text(survey -> 'box') x);
    g    postgis.geometry;
BEGIN
    IF code = 0 THEN
        RETURN;
    ELSIF NOT EXISTS (SELECT FROM postgis.spatial_ref_sys x WHERE x.srid = code) THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'file', MESSAGE = format('EPSG:%s, the file''s crs, is none that is known', code);
    ELSIF cardinality(box) < 4 THEN
        RETURN;
    END IF;
    BEGIN
        g := postgis.ST_Transform(postgis.ST_SetSRID(postgis.ST_MakeBox2D(postgis.ST_MakePoint(box[1], box[2]), postgis.ST_MakePoint(box[3], box[4]))::postgis.geometry, code), 4326);
    EXCEPTION
        WHEN others THEN g := NULL;
    END;
    IF record_degrees(g) IS NOT TRUE THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'file', MESSAGE = format('the file has coordinates that EPSG:%s, its crs, does not reach', code);
    END IF;
END
$$;

-- Is all of it within 180 and 90 degrees?
CREATE OR REPLACE FUNCTION record_degrees(g postgis.geometry) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN NOT postgis.ST_IsEmpty(g) AND postgis.ST_XMin(g) >= -180 AND postgis.ST_XMax(g) <= 180 AND postgis.ST_YMin(g) >= -90 AND postgis.ST_YMax(g) <= 90;

-- A place that a file has, as it can be stored: in degrees, in two dimensions, and valid.  note says what was done to it, problem why there is none.
CREATE OR REPLACE FUNCTION record_import_place(place jsonb, srid integer, OUT value jsonb, OUT note text, OUT problem text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    g postgis.geometry;
BEGIN
    g := postgis.ST_Force2D(postgis.ST_SetSRID(postgis.ST_GeomFromGeoJSON((place - 'crs')::text), CASE WHEN srid = 0 THEN 4326 ELSE srid END));
    IF srid <> 0 THEN
        g := postgis.ST_Transform(g, 4326);
    END IF;
    IF record_degrees(g) IS NOT TRUE THEN
        problem := 'it must be within 180 and 90 degrees, and not empty';
        RETURN;
    ELSIF NOT postgis.ST_IsValid(g) THEN
        note := 'it was not valid, and has been mended: ' || lower(postgis.ST_IsValidReason(g));
        g := postgis.ST_MakeValid(g);
    ELSIF srid = 0 THEN
        value := place;
        RETURN;
    END IF;
    value := postgis.ST_AsGeoJSON(g, 15)::jsonb;
    IF record_geometry(value) IS NULL OR NOT postgis.ST_IsValid(record_geometry(value)) THEN
        value := NULL;
        problem := 'it is not valid, and cannot be mended';
    END IF;
EXCEPTION
    WHEN others THEN
        value := NULL;
        problem := 'it must be a GeoJSON geometry, and of the file''s crs';
END
$$;

-- Rows with their places as they can be stored, without those that have one that cannot be; what is to be reported of both, and how many are left out.
CREATE OR REPLACE FUNCTION record_import_places(r record_runs, rows jsonb, OUT kept jsonb, OUT notes jsonb, OUT refused bigint)
LANGUAGE sql STABLE AS $$
    WITH given AS (
        SELECT e.x, e.nr, e.x ? 'set' AS is_set, coalesce(e.x -> 'geometry', e.x #> '{set,geometry}') AS place FROM jsonb_array_elements(rows) WITH ORDINALITY e (x, nr)
    ), seen AS MATERIALIZED (
        SELECT g.x, g.nr, g.is_set, g.place, p.value, p.note, p.problem
        FROM given g
        CROSS JOIN (SELECT coalesce((u.survey ->> 'srid')::integer, 0) AS srid FROM record_uploads u
                    WHERE u.tenant_id = r.tenant_id AND u.organization_id = r.organization_id AND u.id = r.upload_id) u
        LEFT JOIN LATERAL record_import_place(g.place, u.srid) p ON g.place IS NOT NULL
    )
    SELECT coalesce(jsonb_agg(CASE WHEN s.place IS NULL THEN s.x ELSE jsonb_set(s.x, CASE WHEN s.is_set THEN '{set,geometry}' ELSE '{geometry}' END::text[], s.value) END ORDER BY s.nr)
                    FILTER (WHERE s.problem IS NULL), '[]'),
           coalesce(jsonb_agg(jsonb_build_object('row', s.x -> 'row', 'field', 'geometry', 'value', NULL, 'error', coalesce(s.problem, s.note)) ORDER BY s.nr)
                    FILTER (WHERE coalesce(s.problem, s.note) IS NOT NULL), '[]'),
           count(*) FILTER (WHERE s.problem IS NOT NULL)
    FROM seen s
$$;

-- Records that there are, which a batch (records_batch()) has found: they are where its rows say.
CREATE OR REPLACE FUNCTION record_import_moved(r record_runs, rows jsonb, results jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM record_geometry_change(q.id, q.content_id, jsonb_build_object('geometry', p.place), false, q.field_values, recordset_place(s.mode, s.settings), false)
    FROM jsonb_array_elements(results) x
    CROSS JOIN LATERAL (SELECT rows -> (x ->> 'index')::integer #> '{set,geometry}' AS place) p
    JOIN recordsets s ON s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id
    JOIN records q ON q.tenant_id = r.tenant_id AND q.organization_id = r.organization_id AND q.id = (x ->> 'record_id')::uuid
    WHERE x ->> 'result' IN ('updated', 'unchanged') AND p.place IS NOT NULL;
END
$$;

-- Items of records_batch() without those whose record the run has written before: of a file's rows that have the same value the first one counts.
CREATE OR REPLACE FUNCTION record_import_items(r record_runs, items jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    match text := r.options ->> 'match_field';
BEGIN
    RETURN (
        WITH given AS MATERIALIZED (
            SELECT e.x, e.nr, record_of_key(s.content_id, match, record_key(s.uniques ->> match, e.x -> 'values' -> match)) AS record_id
            FROM jsonb_array_elements(items) WITH ORDINALITY e (x, nr)
            JOIN recordsets s ON s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id
        ), before AS MATERIALIZED (
            SELECT DISTINCT i.id FROM record_run_batches b CROSS JOIN LATERAL unnest(b.record_ids) i (id)
            WHERE b.tenant_id = r.tenant_id AND b.organization_id = r.organization_id AND b.run_id = r.id
              AND i.id IN (SELECT g.record_id FROM given g WHERE g.record_id IS NOT NULL)
        )
        SELECT coalesce(jsonb_agg(CASE WHEN b.id IS NULL THEN g.x
                                       ELSE g.x || jsonb_build_object('failure', record_failure('CONFLICT', 'a row before has the same value', match)) END ORDER BY g.nr), '[]')
        FROM given g
        LEFT JOIN before b ON b.id = g.record_id);
END
$$;

-- Is nothing to be written?
CREATE OR REPLACE FUNCTION record_run_is_dry(options jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce((options ->> 'dry_run')::boolean, false);

-- What a row has of unique values that a row before it has, where the run writes none of them: the first such field; NULL: none.
CREATE OR REPLACE FUNCTION record_import_tried(r record_runs, uniques jsonb, field_values jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    RETURN (SELECT min(u.key) FROM jsonb_each_text(uniques) u
            CROSS JOIN LATERAL (SELECT record_key(u.value, field_values -> u.key) AS hash OFFSET 0) w
            CROSS JOIN LATERAL (SELECT FROM record_run_keys k
                                WHERE k.tenant_id = r.tenant_id AND k.organization_id = r.organization_id AND k.run_id = r.id AND k.key = u.key AND k.hash = w.hash OFFSET 0) k);
END
$$;

-- Write rows as record_import_put() has them: their records, with the version that each has by it (record_run_batches), and what is wrong with those that are not
-- written.  Raises what records_add() does.
CREATE OR REPLACE FUNCTION record_import_write(r record_runs, rows jsonb, checked integer, OUT ids uuid[], OUT versions integer[], OUT created integer, OUT updated integer,
                                               OUT failed integer, OUT errors jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    match text := r.options ->> 'match_field';
    dry   boolean := record_run_is_dry(r.options);
    uniques jsonb := (SELECT s.uniques FROM recordsets s WHERE s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id);
    twice text;
    b     record;
BEGIN
    failed := 0;
    updated := 0;
    errors := '[]';
    IF match IS NULL THEN
        IF dry AND uniques <> '{}' THEN
            SELECT min(t.key) INTO twice FROM jsonb_array_elements(rows) e (x) CROSS JOIN LATERAL record_import_tried(r, uniques, e.x -> 'field_values') t (key);
            IF twice IS NOT NULL THEN
                RAISE SQLSTATE 'AS409' USING HINT = 'field_values.' || twice, MESSAGE = format('field_values.%s is that of another record', twice);
            END IF;
        END IF;
        ids := records_add(r.recordset_id, rows, checked);
        created := cardinality(ids);
        versions := array_fill(1, ARRAY[created]);
        RETURN;
    END IF;
    rows := record_import_items(r, rows);
    IF dry THEN
        rows := (SELECT jsonb_agg(CASE WHEN t.key IS NULL OR e.x ? 'failure' THEN e.x
                                       ELSE e.x || jsonb_build_object('failure', record_failure('CONFLICT', CASE WHEN t.key = match THEN 'a row before has the same value'
                                                ELSE format('field_values.%s is that of another record', t.key) END, t.key)) END ORDER BY e.nr)
                 FROM jsonb_array_elements(rows) WITH ORDINALITY e (x, nr) CROSS JOIN LATERAL record_import_tried(r, uniques, e.x -> 'values') t (key));
    END IF;
    SELECT * INTO b FROM records_batch(r.recordset_id, rows, match, checked);
    PERFORM record_import_moved(r, rows, b.results);
    SELECT array_agg((x.one ->> 'record_id')::uuid ORDER BY x.nr), array_agg(CASE x.one ->> 'result' WHEN 'unchanged' THEN 0 ELSE (x.one ->> 'version')::integer END ORDER BY x.nr)
    INTO ids, versions
    FROM jsonb_array_elements(b.results) WITH ORDINALITY x (one, nr) WHERE x.one ->> 'result' <> 'failed';
    created := b.created_count;
    updated := b.updated_count;
    failed := b.failed_count;
    -- A record is in it twice where two rows have its value.
    SELECT coalesce(jsonb_agg(jsonb_build_object('row', rows -> (x ->> 'index')::integer -> 'row', 'value', NULL,
               'field', CASE x #>> '{error,field}' WHEN 'record_id' THEN match ELSE replace(x #>> '{error,field}', 'field_values.', '') END,
               'error', CASE x #>> '{error,field}' WHEN 'record_id' THEN 'a row before has the same value' ELSE replace(x #>> '{error,message}', 'field_values.', '') END)), '[]')
    INTO errors
    FROM jsonb_array_elements(b.results) x WHERE x ->> 'result' = 'failed';
END
$$;

-- What records have of unique values.
CREATE OR REPLACE FUNCTION record_keys_of(ids uuid[]) RETURNS jsonb
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    RETURN (SELECT coalesce(jsonb_agg(jsonb_build_object('key', k.key, 'hash', k.hash)), '[]')
            FROM unnest(ids) i (id)
            CROSS JOIN LATERAL (SELECT x.key, x.hash FROM record_keys x
                                WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.record_id = i.id OFFSET 0) k);
END
$$;

-- The same, and nothing is written: it is done, and taken back.  What its rows have of unique values stays known to the run.
CREATE OR REPLACE FUNCTION record_import_try(r record_runs, rows jsonb, checked integer, OUT ids uuid[], OUT versions integer[], OUT created integer, OUT updated integer,
                                             OUT failed integer, OUT errors jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    b    record;
    keys jsonb;
BEGIN
    BEGIN
        SELECT * INTO b FROM record_import_write(r, rows, checked);
        keys := record_keys_of(b.ids);
        RAISE SQLSTATE 'ASDRY';
    EXCEPTION WHEN SQLSTATE 'ASDRY' THEN
        NULL;
    END;
    INSERT INTO record_run_keys (tenant_id, organization_id, run_id, key, hash)
    SELECT r.tenant_id, r.organization_id, r.id, k.key, k.hash FROM jsonb_to_recordset(keys) k (key text, hash bytea)
    ON CONFLICT DO NOTHING;
    ids := '{}';
    created := b.created;
    updated := b.updated;
    failed := b.failed;
    errors := b.errors;
END
$$;

-- The rows of the file behind after, up to last: rows are the records that they become, as records_add() takes them, or with match_field records_batch(), each
-- with its "row", checked against that version of the schema; errors is what is wrong with others; of skipped ones there is nothing.  'done', 'over': there is
-- nothing more to do, or 'again': the schema is another one by now, or somebody else was faster with a unique value, and it is to begin anew; nothing is done
-- then.  Raises what records_add() does, and nothing is done then, either.
CREATE OR REPLACE FUNCTION record_import_put(organization uuid, run uuid, after bigint, last bigint, rows jsonb, errors jsonb, refused bigint, skipped bigint, checked integer)
RETURNS text
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    r   record_runs;
    b   record;
    p   record;
    n   bigint;
    now_is integer;
BEGIN
    SELECT * INTO r FROM record_run_enter(organization, run, 2);
    IF NOT FOUND THEN
        RETURN 'over';
    ELSIF record_import_after(organization, run) <> after THEN
        RAISE 'record_import_put: run % does not go on behind row %', run, after;    -- another attempt of the job is at it
    END IF;
    SELECT s.schema_version INTO now_is FROM recordsets s WHERE s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id;
    IF now_is <> checked THEN
        RETURN 'again';
    END IF;
    IF rows @? '$[*].geometry' OR rows @? '$[*].set.geometry' THEN
        SELECT * INTO p FROM record_import_places(r, rows);
        rows := p.kept;
        errors := errors || p.notes;
        refused := refused + p.refused;
    END IF;
    n := jsonb_array_length(rows);
    SELECT '{}'::uuid[] AS ids, '{}'::integer[] AS versions, 0 AS created, 0 AS updated, 0 AS failed, '[]'::jsonb AS errors INTO b;
    IF n > 0 THEN
        -- Of each record by itself nobody is told.
        PERFORM set_config('app.quiet', 'on', true);
        BEGIN
            IF record_run_is_dry(r.options) THEN
                SELECT * INTO b FROM record_import_try(r, rows, checked);
            ELSE
                SELECT * INTO b FROM record_import_write(r, rows, checked);
            END IF;
        EXCEPTION WHEN serialization_failure THEN
            RETURN 'again';
        END;
        PERFORM set_config('app.quiet', '', true);
        PERFORM records_tell(organization, r.recordset_id) WHERE is_told(app_tenant()) AND NOT record_run_is_dry(r.options);
    END IF;
    n := n - b.failed;
    refused := refused + b.failed;
    errors := errors || b.errors;
    INSERT INTO record_run_batches (tenant_id, organization_id, run_id, first_row, last_row, record_ids, versions, created_count, updated_count, errors)
    VALUES (app_tenant(), organization, run, after + 1, last, coalesce(b.ids, '{}'), b.versions, b.created, b.updated, nullif(errors, '[]'));
    UPDATE record_runs x
    SET step = CASE WHEN record_run_is_dry(x.options) THEN 'trying rows' ELSE 'importing rows' END, processed_rows = x.processed_rows + n + refused + skipped,
        success_count = x.success_count + n, error_count = x.error_count + refused, skipped_count = x.skipped_count + skipped,
        progress = greatest(x.progress, record_run_progress(x.processed_rows + n + refused, x.total_rows))
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = run;
    RETURN 'done';
END
$$;

-- What is wrong with rows, in their order, behind one batch: that of the first row behind.
CREATE OR REPLACE FUNCTION record_import_errors(organization uuid, run uuid)
RETURNS TABLE (row_number bigint, field text, value text, error text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY SELECT (e.one ->> 'row')::bigint, e.one ->> 'field', e.one ->> 'value', e.one ->> 'error'
    FROM record_run_batches b
    CROSS JOIN LATERAL jsonb_array_elements(b.errors) WITH ORDINALITY e (one, nr)
    WHERE b.tenant_id = app_tenant() AND b.organization_id = organization AND b.run_id = run AND b.errors IS NOT NULL
    ORDER BY b.first_row, (e.one ->> 'row')::bigint, e.nr;
END
$$;

-- Room for its report, of so many bytes; the object.  NULL: there is none, or the run is over.
CREATE OR REPLACE FUNCTION record_run_await(organization uuid, run uuid, backend text, content_type text, size bigint) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM record_runs x
                   WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = run AND x.status = 'running') THEN
        RETURN NULL;
    END IF;
    RETURN stored_object_await(organization, NULL, backend, content_type, size, now() + interval '1 hour');
END
$$;

-- It is over: all rows are done, or message says why not.  object is its report, which stays for 30 days; NULL: there is none.
CREATE OR REPLACE FUNCTION record_import_end(organization uuid, run uuid, message text, object uuid, sha256 bytea) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    r record_runs;
BEGIN
    SELECT * INTO r FROM record_run_enter(organization, run, 0);
    IF NOT FOUND THEN
        PERFORM stored_object_drop(object) WHERE object IS NOT NULL;
        RETURN;
    ELSIF object IS NOT NULL AND NOT stored_object_keep(object, sha256) THEN
        RAISE 'record_import_end: the file % is not awaited any more', object;
    END IF;
    UPDATE record_runs x
    SET object_id = object, expires_at = CASE WHEN object IS NOT NULL THEN now() + interval '30 days' END,
        total_rows = CASE WHEN message IS NULL THEN x.success_count + x.error_count ELSE x.total_rows END,
        summary = jsonb_build_object(
            'total_rows', x.success_count + x.error_count, 'valid_rows', x.success_count, 'invalid_rows', x.error_count,
            'created_rows', n.created, 'updated_rows', n.updated, 'unchanged_rows', x.success_count - n.created - n.updated,
            'errors_by_field', (SELECT coalesce(jsonb_object_agg(f.field, f.n), '{}')
                                FROM (SELECT coalesce(e.field, '') AS field, count(*) AS n FROM record_import_errors(organization, run) e GROUP BY 1) f),
            'sample_errors', (SELECT coalesce(jsonb_agg(to_jsonb(e)), '[]') FROM (SELECT * FROM record_import_errors(organization, run) LIMIT 20) e))
    FROM (SELECT coalesce(sum(b.created_count), 0) AS created, coalesce(sum(b.updated_count), 0) AS updated FROM record_run_batches b
          WHERE b.tenant_id = app_tenant() AND b.organization_id = organization AND b.run_id = run) n
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = run
    RETURNING x.* INTO r;
    DELETE FROM record_run_keys k WHERE k.tenant_id = r.tenant_id AND k.organization_id = organization AND k.run_id = run;
    IF record_run_is_dry(r.options) THEN    -- nobody is told
        PERFORM record_run_end(organization, run, CASE WHEN message IS NULL THEN 'completed' ELSE 'failed' END, message);
        RETURN;
    END IF;
    PERFORM records_activity('record.imported', r.recordset_id, r.success_count);
    IF is_told(app_tenant()) THEN
        PERFORM event_emit('import.completed', organization, jsonb_build_object('job_id', run, 'workspace_id', organization, 'recordset_id', r.recordset_id,
            'status', CASE WHEN message IS NULL THEN 'completed' ELSE 'failed' END, 'file_name', r.file_name, 'total_rows', r.total_rows, 'success_count', r.success_count,
            'error_count', r.error_count, 'error_message', message));
    END IF;
    PERFORM record_run_end(organization, run, CASE WHEN message IS NULL THEN 'completed' ELSE 'failed' END, message);
END
$$;
