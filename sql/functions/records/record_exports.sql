-- Exports: records of a recordset as a file, for the member who asked for it.
--
--   record_export_start    a member starts one
--   record_export_begin    its job runs
--   record_export_survey   which keys there are, where no schema says it
--   record_export_rows     records, some thousand in a transaction, each of which asks anew whether its member may see them
--   record_export_done     its file is there

-- What can be a column besides fields; a field of that key goes before it.
CREATE OR REPLACE FUNCTION record_export_own() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{id,title,status,tags,owner_id,geometry,created_at,updated_at}'::text[];

-- The caller starts one.  options: {"fields", "record_ids": arrays, "search", "filters": as record_filter.h has them}.  Raises AS404, AS403, AS409, AS422.
CREATE OR REPLACE FUNCTION record_export_start(recordset uuid, format text, options jsonb) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    s     recordsets := recordset_seen(recordset, 'recordset_id');
    made  uuid;
    total bigint;
BEGIN
    PERFORM must(NOT s.is_virtual, 'the rows of this recordset are an integration''s');
    IF jsonb_array_length(s.fields) > 0 THEN
        PERFORM record_key_unknown('fields', k.key, s.fields)
        FROM jsonb_array_elements_text(options -> 'fields') k (key)
        WHERE NOT s.fields @> jsonb_build_array(jsonb_build_object('key', k.key)) AND NOT k.key = ANY (record_export_own());
    END IF;
    PERFORM record_conditions(s, options -> 'filters');
    SELECT coalesce(sum(x.count), 0) INTO total FROM recordset_counts x
    WHERE x.tenant_id = s.tenant_id AND x.organization_id = s.organization_id AND x.recordset_id = s.id;
    total := least(total, jsonb_array_length(options -> 'record_ids'));
    made := record_run_start('export', s.id, jsonb_strip_nulls(options), format,
                             format('%s-%s.%s', s.slug, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD-HH24MISS'), format), total);
    PERFORM audit('record.export', 'record_run', made::text, jsonb_build_object('organization_id', s.organization_id, 'recordset_id', s.id, 'format', format));
    RETURN made;
END
$$;

-- record_run_enter() of one: its member may see the records, and export.  No row: there is nothing to be done any more.
CREATE OR REPLACE FUNCTION record_export_enter(organization uuid, run uuid) RETURNS SETOF record_runs
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    r record_runs;
BEGIN
    SELECT * INTO r FROM record_run_enter(organization, run, 1);
    IF NOT FOUND THEN
        RETURN;
    ELSIF permission_reach(app_tenant(), organization, app_org_role(), 'can_export_record') IS NULL THEN
        PERFORM record_run_end(organization, run, 'failed', 'who started it may not export records any more');
        RETURN;
    END IF;
    RETURN NEXT r;
END
$$;

-- Its job runs: what it is to make.  columns is NULL where only the records say which keys there are (record_export_survey()).
CREATE OR REPLACE FUNCTION record_export_begin(organization uuid, run uuid) RETURNS TABLE (format text, columns text[])
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    r record_runs;
    s recordsets;
BEGIN
    SELECT * INTO r FROM record_export_enter(organization, run);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT x.* INTO s FROM recordsets x WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = r.recordset_id;
    format := r.format;
    IF r.options ? 'fields' THEN
        columns := ARRAY(SELECT k.key FROM jsonb_array_elements_text(r.options -> 'fields') WITH ORDINALITY k (key, nr) GROUP BY k.key ORDER BY min(k.nr));
    ELSIF jsonb_array_length(s.fields) > 0 THEN
        columns := record_export_columns(ARRAY(SELECT x.one ->> 'key' FROM jsonb_array_elements(s.fields) WITH ORDINALITY x (one, nr) ORDER BY x.nr), r.format);
    END IF;
    IF r.format = 'geojson' AND NOT 'geometry' = ANY (columns) THEN
        columns := columns || 'geometry'::text;
    END IF;
    RETURN NEXT;
END
$$;

-- Unless they are named: the id and the title, and then these.
CREATE OR REPLACE FUNCTION record_export_columns(keys text[], format text) RETURNS text[]
LANGUAGE sql IMMUTABLE
RETURN ARRAY(SELECT k FROM unnest('{id,title}'::text[]) k WHERE NOT k = ANY (keys)) || keys
       || CASE WHEN format = 'geojson' AND NOT 'geometry' = ANY (keys) THEN '{geometry}'::text[] ELSE '{}' END;

-- More records are looked at for their keys, up to most, behind that one; the last one of them.  NULL: these were all, and columns are those of the file.
-- No row: there is nothing to be done any more.
CREATE OR REPLACE FUNCTION record_export_survey(organization uuid, run uuid, known text[], after uuid, most integer) RETURNS TABLE (last uuid, columns text[])
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    r record_runs;
    n integer;
BEGIN
    SELECT * INTO r FROM record_export_enter(organization, run);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    WITH part AS MATERIALIZED (
        SELECT x.id, x.field_values FROM records x
        WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.deleted_at IS NULL AND x.id > coalesce(after, '00000000-0000-0000-0000-000000000000')
          AND x.content_id = (SELECT s.content_id FROM recordsets s WHERE s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id)
        ORDER BY x.id LIMIT most
    )
    SELECT (SELECT count(*) FROM part), (SELECT x.id FROM part x ORDER BY x.id DESC LIMIT 1),
           ARRAY(SELECT k.key FROM (SELECT unnest(known) AS key UNION SELECT jsonb_object_keys(x.field_values) FROM part x) k ORDER BY k.key COLLATE "C")
    INTO n, last, columns;
    IF cardinality(columns) > 2000 THEN
        PERFORM record_run_end(organization, run, 'failed', 'the records have more than 2,000 different keys: name those that are wanted as fields');
        RETURN;
    ELSIF n < most THEN
        last := NULL;
        columns := record_export_columns(columns, r.format);
    END IF;
    RETURN NEXT;
END
$$;

-- A value as a cell has it, by an expression of its text as JSON.
--
--   field  of the schema; NULL: no field has that key
--   nr     of the key in $7
CREATE OR REPLACE FUNCTION record_export_cell(format text, key text, field jsonb, is_own boolean, nr integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF is_own THEN
        RETURN CASE key
               WHEN 'geometry' THEN '(SELECT postgis.ST_AsGeoJSON(g.geometry, 15) FROM record_geometries g WHERE g.tenant_id = $1 AND g.organization_id = $2 AND g.record_id = r.id)'
               WHEN 'created_at' THEN 'to_json(json_time_us(r.created_at))::text'
               WHEN 'updated_at' THEN 'to_json(json_time_us(r.updated_at))::text'
               ELSE format('to_json(r.%I)::text', key) END;
    ELSIF format IN ('csv', 'xlsx') AND field ->> 'type' = 'json' THEN
        -- A text has its quotes there: "5" is no number.
        RETURN format('(SELECT CASE jsonb_typeof(v) WHEN ''string'' THEN to_json(v::text)::text ELSE v::text END FROM (SELECT r.field_values -> ($7)[%s]) x (v))', nr);
    END IF;
    RETURN format('(r.field_values -> ($7)[%s])::text', nr);
END
$$;

-- More records, up to most, in the order in which they were made, behind that one; seen were before.  cells is as JSON; NULL: it is not asked for.  A cell that is '' is the
-- value of its key in field_values: to write all of these once takes a third of the time that it takes to look up and write each.  No row: these were all, or there is nothing
-- to be done any more.
--
--   is_each  all cells are written, and field_values is NULL
--
-- All are walked through in the order of an index, whatever is asked for, so that each batch costs the same.  Statements are composed as in record_search.sql: $1 the
-- tenant, $2 the workspace, $3 the content, $4 to $6 what a client said, $7 keys.
CREATE OR REPLACE FUNCTION record_export_rows(organization uuid, run uuid, columns text[], after_at timestamptz, after_id uuid, seen bigint, most bigint, is_each boolean DEFAULT false)
RETURNS TABLE (at text, id text, cells text[], field_values text)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_variable
DECLARE
    r     record_runs;
    s     recordsets;
    c     record;
    is_of text;
    also  text := '';
BEGIN
    SELECT * INTO r FROM record_export_enter(organization, run);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    UPDATE record_runs x SET processed_rows = greatest(x.processed_rows, least(seen, x.total_rows)), progress = greatest(x.progress, record_run_progress(seen, x.total_rows))
    WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = r.id;
    SELECT x.* INTO s FROM recordsets x WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = r.recordset_id;
    SELECT * INTO c FROM record_conditions(s, r.options -> 'filters');
    IF btrim(r.options ->> 'search') <> '' THEN
        c.texts := c.texts || lower(like_pattern(r.options ->> 'search') COLLATE "und-x-icu");
        c.all_of := format('%s AND %s LIKE ($4)[%s]', c.all_of, record_folded(s), cardinality(c.texts));
    END IF;
    IF r.options ? 'record_ids' THEN
        also := ' AND r.id = ANY ($12)';
    END IF;
    IF after_at IS NOT NULL THEN
        also := also || ' AND r.created_at >= $9 AND (r.created_at > $9 OR r.id > $10)';
    END IF;
    SELECT coalesce(string_agg(CASE WHEN is_each OR o.is_own OR r.format IN ('csv', 'xlsx') AND f.one ->> 'type' = 'json'
                                         OR k.key ~ '["\\[:cntrl:]]'    -- it is written otherwise than it is
                                    THEN record_export_cell(r.format, k.key, f.one, o.is_own, k.nr::integer) ELSE '''''' END, ', ' ORDER BY k.nr), '')
    INTO is_of
    FROM unnest(columns) WITH ORDINALITY k (key, nr)
    LEFT JOIN LATERAL (SELECT x.one FROM jsonb_array_elements(s.fields) x (one) WHERE x.one ->> 'key' = k.key LIMIT 1) f ON true
    CROSS JOIN LATERAL (SELECT CASE WHEN r.format = 'geojson' AND k.key = 'geometry' THEN true
                                    ELSE f.one IS NULL AND k.key = ANY (record_export_own())
                                         AND (jsonb_array_length(s.fields) > 0 OR r.options ? 'fields' OR k.key IN ('id', 'title')) END AS is_own) o;
    RETURN QUERY EXECUTE format(
        'SELECT r.created_at::text, r.id::text, CASE WHEN %1$s THEN ARRAY[%2$s]::text[] END, ' || CASE WHEN is_each THEN 'NULL::text' ELSE 'CASE WHEN %1$s THEN r.field_values::text END' END || '
         FROM (SELECT r.* FROM records r
               WHERE r.tenant_id = $1 AND r.organization_id = $2 AND r.content_id = ($3)[1] AND r.deleted_at IS NULL AND r.created_at <= $8 %3$s
               ORDER BY r.created_at, r.id LIMIT $11) r
         ORDER BY r.created_at, r.id', c.all_of, is_of, also)
        USING r.tenant_id, r.organization_id, ARRAY[s.content_id], c.texts, c.numbers, c.times, columns, r.started_at, after_at, after_id, most,
              ARRAY(SELECT e::uuid FROM jsonb_array_elements_text(r.options -> 'record_ids') e);
END
$$;

-- Its file is there, and stays for seven days.
CREATE OR REPLACE FUNCTION record_export_done(organization uuid, run uuid, n bigint, object uuid, sha256 bytea) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    r record_runs;
BEGIN
    SELECT * INTO r FROM record_export_enter(organization, run);
    IF NOT FOUND THEN
        PERFORM stored_object_drop(object) WHERE object IS NOT NULL;
        RETURN;
    ELSIF NOT stored_object_keep(object, sha256) THEN
        RAISE 'record_export_done: the file % is not awaited any more', object;
    END IF;
    UPDATE record_runs x SET total_rows = n, processed_rows = n, success_count = n, object_id = object, expires_at = clock_timestamp() + interval '7 days'
    WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = r.id;
    PERFORM records_activity('record.exported', r.recordset_id, n);
    PERFORM record_run_end(organization, run, 'completed', NULL);
END
$$;
