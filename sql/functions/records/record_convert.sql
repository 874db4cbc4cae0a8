-- A field gets another type: the schema at once, for writes to come, and stored values by a job, those that fit.  The others stay as they are, and are listed.
--
--   record_convert_start                                   a member has it done, or tried
--   record_convert_open, record_convert_read, record_convert_put   the job does it, from record to record (record_undo_end() ends it)
--
-- It makes no versions: what a value was is kept with the run, from which it can be undone (record_undo.sql).

-- Put a field's definition in the place of another one, which it has to be still: the schema is another one then.  s is locked.  Raises AS409.
CREATE OR REPLACE FUNCTION recordset_field_put(s recordsets, key text, was jsonb, is_now jsonb) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
    PERFORM must(EXISTS (SELECT FROM jsonb_array_elements(s.fields) f WHERE f ->> 'key' = key AND f = was), 'the field was changed since');
    UPDATE recordsets x
    SET fields = (SELECT jsonb_agg(CASE WHEN e.f ->> 'key' = key THEN is_now ELSE e.f END ORDER BY e.nr) FROM jsonb_array_elements(s.fields) WITH ORDINALITY e (f, nr)),
        schema_version = x.schema_version + 1
    WHERE x.tenant_id = s.tenant_id AND x.organization_id = s.organization_id AND x.id = s.id;
    PERFORM audit('recordset.update', 'recordset', s.id::text, jsonb_build_object('organization_id', s.organization_id, 'schema_version', s.schema_version + 1,
                  'fields', '["schema"]'::jsonb));
END
$$;

-- The caller has a field converted, from was to field, as it was checked against that version of the schema; the run.  Raises AS404, AS403, AS409, 40001.
CREATE OR REPLACE FUNCTION record_convert_start(recordset uuid, field_key text, was jsonb, field jsonb, options jsonb, checked integer) RETURNS uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    s     recordsets;
    total bigint;
BEGIN
    SELECT x.* INTO s FROM recordsets x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = recordset AND x.trashed_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Recordset not found', DETAIL = recordset::text;
    END IF;
    PERFORM may(recordset_may(s.id, s.owner_id, 64), 'this needs can_admin on the recordset');
    PERFORM must(NOT s.is_virtual, 'the rows of this recordset are an integration''s');
    PERFORM must(NOT s.is_entity, 'name and schema of an entity schema are changed as one: PUT /api/v1/entity/schemas/{schema_id}');
    PERFORM record_schema_moved(s.schema_version, checked);
    PERFORM must(NOT EXISTS (SELECT FROM record_runs x WHERE x.tenant_id = s.tenant_id AND x.organization_id = s.organization_id AND x.recordset_id = s.id
                               AND x.kind IN ('undo', 'convert') AND x.status IN ('queued', 'running')), 'a job is undone or a field converted in this recordset: wait for that');
    SELECT coalesce(sum(c.count), 0) INTO total FROM recordset_counts c
    WHERE c.tenant_id = s.tenant_id AND c.organization_id = s.organization_id AND c.recordset_id = s.id;
    IF NOT record_run_is_dry(options) THEN
        PERFORM recordset_field_put(s, field_key, was, field);
    END IF;
    RETURN record_run_start('convert', s.id, jsonb_strip_nulls(options) || jsonb_build_object('key', field_key, 'field', field, 'was', was), NULL, NULL, total);
END
$$;

-- The job begins, or goes on: how, and behind which record (NULL: behind all of them).  Who wrote by the schema before has ended then.  No row: there is nothing to do any more.
CREATE OR REPLACE FUNCTION record_convert_open(organization uuid, run uuid) RETURNS TABLE (field jsonb, options jsonb, after text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    r record_runs;
BEGIN
    SELECT * INTO r FROM record_run_enter(organization, run, 64);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM FROM recordsets x WHERE x.tenant_id = r.tenant_id AND x.organization_id = organization AND x.id = r.recordset_id FOR UPDATE;
    RETURN QUERY SELECT r.options -> 'field', r.options, CASE WHEN b.first_row IS NULL THEN 'infinity 00000000-0000-0000-0000-000000000000' ELSE b.taken ->> 'after' END
    FROM (SELECT) one
    LEFT JOIN LATERAL (SELECT x.first_row, x.taken FROM record_run_batches x
                       WHERE x.tenant_id = r.tenant_id AND x.organization_id = organization AND x.run_id = run ORDER BY x.first_row DESC LIMIT 1) b ON true;
END
$$;

-- The values of up to batch records, the newest first, behind a place; those that have one.  last: the place to go on behind, NULL: they are the last ones; n: how many
-- were looked at.
CREATE OR REPLACE FUNCTION record_convert_read(organization uuid, run uuid, after text, batch integer, OUT last text, OUT n integer, OUT items jsonb)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    behind timestamptz := split_part(after, ' ', 1)::timestamptz;
    id_of  uuid := split_part(after, ' ', 2)::uuid;
    field  text;
    within uuid;
BEGIN
    SELECT x.options ->> 'key', s.content_id INTO field, within
    FROM record_runs x
    JOIN recordsets s ON s.tenant_id = x.tenant_id AND s.organization_id = x.organization_id AND s.id = x.recordset_id
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = run;
    SELECT count(*), CASE WHEN count(*) = batch THEN (array_agg(to_char(x.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' ' || x.id ORDER BY x.created_at, x.id DESC))[1] END,
           coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'value', x.value) ORDER BY x.created_at DESC, x.id) FILTER (WHERE jsonb_typeof(x.value) <> 'null'), '[]')
    INTO n, last, items
    FROM (SELECT y.id, y.created_at, y.field_values -> field AS value FROM records y
          WHERE y.tenant_id = app_tenant() AND y.organization_id = organization AND y.content_id = within AND y.deleted_at IS NULL
            AND y.created_at <= behind AND (y.created_at < behind OR y.id > id_of)
          ORDER BY y.created_at DESC, y.id LIMIT batch) x;
END
$$;

-- Write one value each of records, those that still have what it was: [{"id", "was", "is"}].  How many, and which are kept, and why.
CREATE OR REPLACE FUNCTION record_values_put(recordset uuid, key text, items jsonb, OUT written bigint, OUT kept jsonb)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    s     recordsets;
    place jsonb;
    ids   uuid[] := ARRAY(SELECT (i ->> 'id')::uuid FROM jsonb_array_elements(items) i);
    live  records[];
    olds  records[];    -- of these those that still have what it was
    news  records[];
    taken uuid[] := '{}';
BEGIN
    PERFORM FROM recordsets x WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = recordset FOR KEY SHARE;
    SELECT x.* INTO s FROM recordsets x WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = recordset;
    PERFORM FROM records r WHERE r.tenant_id = s.tenant_id AND r.organization_id = s.organization_id AND r.deleted_at IS NULL AND r.content_id = s.content_id
       AND r.id = ANY (ids)
    ORDER BY r.id FOR NO KEY UPDATE;
    live := ARRAY(SELECT r FROM records r WHERE r.tenant_id = s.tenant_id AND r.organization_id = s.organization_id AND r.id = ANY (ids) AND r.deleted_at IS NULL
                                            AND r.content_id = s.content_id);
    olds := ARRAY(SELECT l FROM unnest(live) l JOIN jsonb_array_elements(items) i ON (i ->> 'id')::uuid = l.id WHERE l.field_values -> key = i -> 'was');
    IF s.uniques ? key THEN
        taken := ARRAY(
            SELECT x.id FROM (SELECT k.id, k.hash, row_number() OVER (PARTITION BY k.hash ORDER BY k.id) AS place, record_of_key(s.content_id, key, k.hash) AS holder
                              FROM (SELECT o.id, record_key(s.uniques ->> key, i -> 'is') AS hash FROM unnest(olds) o
                                    JOIN jsonb_array_elements(items) i ON (i ->> 'id')::uuid = o.id OFFSET 0) k WHERE k.hash IS NOT NULL) x
            WHERE x.place > 1 OR x.holder IS DISTINCT FROM x.id AND x.holder IS NOT NULL);
    END IF;
    kept := (SELECT coalesce(jsonb_agg(jsonb_build_object('record_id', i ->> 'id', 'value', record_text(i -> 'was'), 'reason',
                        CASE WHEN o.id IS NOT NULL THEN 'another record has this value' WHEN r.id IS NULL THEN 'it is no more' ELSE 'it was changed since' END)), '[]')
             FROM jsonb_array_elements(items) i
             LEFT JOIN unnest(olds) o ON o.id = (i ->> 'id')::uuid
             LEFT JOIN unnest(live) r ON r.id = (i ->> 'id')::uuid
             WHERE o.id IS NULL OR o.id = ANY (taken));
    news := ARRAY(
        SELECT jsonb_populate_record(jsonb_populate_record(o, record_slots_empty()), record_slots_of(x.title, x.vals, s.slots)
                                     || jsonb_build_object('title', x.title, 'field_values', x.vals))
        FROM unnest(olds) o
        JOIN jsonb_array_elements(items) i ON (i ->> 'id')::uuid = o.id
        CROSS JOIN LATERAL (SELECT o.field_values || jsonb_build_object(key, i -> 'is') AS vals) v
        CROSS JOIN LATERAL (SELECT v.vals, coalesce(o.title_given, record_title(v.vals, s.fields, s.title_field)) AS title) x
        WHERE o.id <> ALL (taken));
    written := cardinality(news);
    IF written = 0 THEN
        RETURN;
    END IF;
    PERFORM records_put(olds, news);
    place := recordset_place(s.mode, s.settings);
    PERFORM record_geometry_change(n.id, n.content_id, '{}', false, n.field_values, place, false) FROM unnest(news) n WHERE place IS NOT NULL;
    IF s.uniques ? key THEN
        PERFORM record_keys_put(s.content_id, s.uniques, ARRAY(SELECT n.id FROM unnest(news) n), true);
    END IF;
END
$$;

-- What has come of a portion: items are those that fit, in their new form; same is how many of them fitted as they were, misfits those that do not:
-- [{"record_id", "value", "reason"}].  False: there is nothing more to do.
CREATE OR REPLACE FUNCTION record_convert_put(organization uuid, run uuid, after text, last text, n bigint, items jsonb, same bigint, misfits jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    r    record_runs;
    b    record;
    done record;
    dry  boolean;
BEGIN
    SELECT * INTO r FROM record_run_enter(organization, run, 64);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    dry := record_run_is_dry(r.options);
    SELECT x.last_row, x.taken ->> 'after' AS after INTO b FROM record_run_batches x
    WHERE x.tenant_id = r.tenant_id AND x.organization_id = organization AND x.run_id = run ORDER BY x.first_row DESC LIMIT 1;
    IF FOUND AND b.after IS DISTINCT FROM after THEN
        RAISE 'record_convert_put: run % does not go on behind %', run, after;    -- another attempt of the job is at it
    END IF;
    SELECT jsonb_array_length(items)::bigint AS written, '[]'::jsonb AS kept INTO done;
    IF NOT dry AND items <> '[]' THEN
        PERFORM set_config('app.quiet', 'on', true);    -- they are told as one
        SELECT * INTO done FROM record_values_put(r.recordset_id, r.options ->> 'key', items);
        PERFORM set_config('app.quiet', '', true);
        PERFORM records_tell(organization, r.recordset_id) WHERE is_told(app_tenant());
        -- What somebody has written since it was read fits the new type.
        same := same + (SELECT count(*) FROM jsonb_array_elements(done.kept) k WHERE k ->> 'reason' <> 'another record has this value');
        misfits := misfits || (SELECT coalesce(jsonb_agg(k), '[]') FROM jsonb_array_elements(done.kept) k WHERE k ->> 'reason' = 'another record has this value');
    END IF;
    INSERT INTO record_run_batches (tenant_id, organization_id, run_id, first_row, last_row, record_ids, taken, updated_count, errors)
    SELECT app_tenant(), organization, run, coalesce(b.last_row, 0) + 1, coalesce(b.last_row, 0) + greatest(n, 1), x.ids, jsonb_build_object('after', last, 'values', x.taken),
           done.written, nullif(misfits, '[]')
    FROM (SELECT coalesce(array_agg((i ->> 'id')::uuid ORDER BY nr), '{}') AS ids, coalesce(jsonb_agg(jsonb_build_array(i -> 'was', i -> 'is') ORDER BY nr), '[]') AS taken
          FROM jsonb_array_elements(items) WITH ORDINALITY e (i, nr)
          WHERE NOT dry AND NOT EXISTS (SELECT FROM jsonb_array_elements(done.kept) k WHERE k ->> 'record_id' = i ->> 'id')) x;
    UPDATE record_runs x
    SET step = CASE WHEN dry THEN 'trying values' ELSE 'converting values' END, processed_rows = x.processed_rows + n,
        success_count = x.success_count + done.written + same, error_count = x.error_count + jsonb_array_length(misfits),
        progress = greatest(x.progress, record_run_progress(x.processed_rows + n, x.total_rows))
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = run;
    RETURN last IS NOT NULL;
END
$$;
