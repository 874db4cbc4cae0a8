-- Many records at once, each with a result of its own: what one may not, or cannot, keeps the others from nothing.  Every step is one statement for all.

-- Why one was not written, as the answer has it.
CREATE OR REPLACE FUNCTION record_failure(code text, message text, field text DEFAULT NULL) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN jsonb_build_object('code', code, 'message', message, 'field', field);

-- What a new record of the batch has.
CREATE OR REPLACE FUNCTION record_item_values(given jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(given -> 'defaults', '{}') || coalesce(given -> 'values', '{}');

-- What each item is about, the records that there are being locked (olds), and whether it may be done.
CREATE OR REPLACE FUNCTION record_items_judge(s recordsets, rights integer, work record_item[], olds records[]) RETURNS record_item[]
LANGUAGE plpgsql AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(w.nr, w.op, w.record_id, w.given, CASE
            WHEN w.failure IS NOT NULL THEN w.failure
            WHEN w.op = 'create' AND rights & 2 = 0 THEN record_failure('AUTHORIZATION_ERROR', 'this needs can_create on the recordset')
            WHEN w.op = 'create' AND w.given ? 'missing' THEN w.given -> 'missing'
            WHEN w.op = 'update' AND o.id IS NULL THEN record_failure('NOT_FOUND', 'Record not found')
            WHEN w.op = 'update' AND rights & 4 = 0 AND (rights & 8 = 0 OR app_member() NOT IN (coalesce(o.created_by_id, o.id), coalesce(o.owner_id, o.id)))
                THEN record_failure('AUTHORIZATION_ERROR', 'this needs can_edit on the recordset, or can_edit_own of who made or owns the record')
            WHEN w.op = 'update' AND row_number() OVER (PARTITION BY w.record_id ORDER BY w.nr) > 1
                THEN record_failure('CONFLICT', 'this record is in the batch already', 'record_id')
            WHEN w.op = 'update' AND (w.given ->> 'expected_version')::bigint <> o.version
                THEN record_failure('CONFLICT', format('the record has version %s, not %s', o.version, w.given ->> 'expected_version'), 'expected_version')
            WHEN w.given -> 'set' ->> 'owner_id' IS DISTINCT FROM o.owner_id::text AND w.given -> 'set' ->> 'owner_id' IS NOT NULL AND m.id IS NULL
                THEN record_failure('VALIDATION_ERROR', 'owner_id is no member of this workspace', 'owner_id')
            WHEN jsonb_typeof(w.given -> 'set' -> 'geometry') = 'object' AND record_geometry_fault(w.given -> 'set' -> 'geometry', 'geometry') IS NOT NULL
                THEN record_failure('VALIDATION_ERROR', record_geometry_fault(w.given -> 'set' -> 'geometry', 'geometry'), 'geometry')
        END)::record_item
        FROM unnest(work) w
        LEFT JOIN unnest(olds) o ON o.id = w.record_id
        LEFT JOIN memberships m ON m.tenant_id = s.tenant_id AND m.organization_id = s.organization_id AND m.id = (w.given -> 'set' ->> 'owner_id')::uuid
        ORDER BY w.nr);
END
$$;

-- Those whose unique values another record has, or one in front of them in the batch, are not written.
CREATE OR REPLACE FUNCTION record_items_unique(s recordsets, work record_item[], news records[]) RETURNS record_item[]
LANGUAGE plpgsql AS $$
BEGIN
    RETURN ARRAY(
        WITH keys AS MATERIALIZED (
            SELECT w.nr, w.record_id, u.key, x.hash
            FROM unnest(work) w
            LEFT JOIN unnest(news) n ON n.id = w.record_id
            CROSS JOIN jsonb_each_text(s.uniques) u
            CROSS JOIN LATERAL (SELECT record_key(u.value, CASE w.op WHEN 'create' THEN record_item_values(w.given) ELSE n.field_values END -> u.key) AS hash) x
            WHERE w.failure IS NULL AND x.hash IS NOT NULL
        ), taken AS MATERIALIZED (
            SELECT k.nr, min(k.key) AS key
            FROM (SELECT x.*, record_of_key(s.content_id, x.key, x.hash) AS holder FROM keys x OFFSET 0) k
            WHERE k.holder IS NOT NULL AND k.holder IS DISTINCT FROM k.record_id
            GROUP BY k.nr
        ), twice AS (
            SELECT x.nr, min(x.key) AS key
            FROM (SELECT k.nr, k.key, row_number() OVER (PARTITION BY k.key, k.hash ORDER BY k.nr) AS place FROM keys k WHERE k.nr NOT IN (SELECT t.nr FROM taken t)) x
            WHERE x.place > 1
            GROUP BY x.nr
        )
        SELECT ROW(w.nr, w.op, w.record_id, w.given, CASE WHEN b.key IS NULL THEN w.failure
            ELSE record_failure('CONFLICT', format('field_values.%s is that of another record', b.key), 'field_values.' || b.key) END)::record_item
        FROM unnest(work) w
        LEFT JOIN (SELECT * FROM taken UNION ALL SELECT * FROM twice) b ON b.nr = w.nr
        ORDER BY w.nr);
END
$$;

-- Whose records they are learn of all of theirs at once; events and activity are one.
CREATE OR REPLACE FUNCTION records_batch_tell(s recordsets, made uuid[], olds records[], news records[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT is_told(app_tenant()) THEN
        RETURN;
    END IF;
    PERFORM notify(app_organization(), g.event, ARRAY[g.owner_id], jsonb_build_object('type', 'record', 'id', g.first, 'link', '/records/' || g.first), app_member(),
                   jsonb_build_object('record_id', g.first, 'recordset_id', s.id, 'title', g.title || CASE WHEN g.n > 1 THEN ' +' || g.n - 1 ELSE '' END))
    FROM (SELECT x.event, x.owner_id, count(*) AS n, (array_agg(x.id ORDER BY x.id))[1] AS first, coalesce((array_agg(x.title ORDER BY x.id))[1], '') AS title
          FROM (SELECT 'record_assigned' AS event, r.owner_id, r.id, r.title FROM records r
                WHERE r.tenant_id = s.tenant_id AND r.organization_id = s.organization_id AND r.id = ANY (made)
                UNION ALL
                SELECT CASE WHEN n.owner_id IS DISTINCT FROM o.owner_id THEN 'record_assigned' ELSE 'record_updated' END, n.owner_id, n.id, n.title
                FROM unnest(news) n JOIN unnest(olds) o ON o.id = n.id) x
          WHERE x.owner_id IS NOT NULL AND x.owner_id IS DISTINCT FROM app_member()
          GROUP BY x.event, x.owner_id) g;
    PERFORM records_activity('record.bulk_written', s.id, cardinality(made) + cardinality(news));
    PERFORM event_emit('record.bulk_written', s.organization_id, jsonb_build_object('workspace_id', s.organization_id, 'recordset_id', s.id,
                       'created_count', cardinality(made), 'updated_count', cardinality(news), 'created_ids', to_jsonb(made),
                       'updated_ids', to_jsonb(ARRAY(SELECT n.id FROM unnest(news) n ORDER BY n.id))));
    PERFORM records_tell(s.organization_id, s.id);
END
$$;

-- Create, change, or do what of both is needed, up to a thousand.
--
--   items     [{"op": "create", "update" or "upsert", "id": of an update, and as record_change() has them "values", "dropped", "tools", "dropped_tools", "set",
--             "expected_version"; "defaults": what a new one has besides; "missing": why it can be no new one; "failure": why it is nothing}]
--   match_by  the unique field by which an upsert finds its record, as the index of its values does
--   checked   the version of the schema that their values were checked against; NULL: whichever it is
--
-- Raises AS404, AS403 where nothing of the recordset may be seen, AS409 of one of an integration, AS422, or 40001 (see record_schema_moved(), record_keys_put()).
CREATE OR REPLACE FUNCTION records_batch(recordset uuid, items jsonb, match_by text, checked integer, OUT created_count integer, OUT updated_count integer, OUT unchanged_count integer,
                                         OUT failed_count integer, OUT results jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    s      recordsets;
    rights integer;
    quiet  text := coalesce(current_setting('app.quiet', true), '');
    work   record_item[];
    olds   records[];
    news   records[];
    rows   jsonb;
    place  jsonb;
    moved  uuid[] := '{}';
    made   uuid[] := '{}';
BEGIN
    PERFORM FROM recordsets x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = recordset AND x.trashed_at IS NULL
    FOR KEY SHARE;
    SELECT x.* INTO s FROM recordsets x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = recordset AND x.trashed_at IS NULL;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Recordset not found', DETAIL = recordset::text;
    END IF;
    SELECT x.rights INTO rights FROM recordset_rights(s.tenant_id, s.organization_id, s.id, s.owner_id, app_member(), app_org_role()) x;
    IF rights & 1 = 0 THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this needs can_view on the recordset';
    ELSIF s.is_virtual THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the rows of this recordset are an integration''s';
    ELSIF NOT s.uniques ? match_by THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'match_by', MESSAGE = 'match_by must be a field of the recordset that is unique';
    END IF;
    PERFORM record_schema_moved(s.schema_version, checked);

    -- Which record an upsert is about, its key says; without one it is a new record.
    work := ARRAY(
        SELECT ROW(e.nr - 1, CASE WHEN e.x ->> 'op' <> 'upsert' THEN e.x ->> 'op' WHEN k.record_id IS NULL THEN 'create' ELSE 'update' END,
                   coalesce(k.record_id, (e.x ->> 'id')::uuid), e.x, e.x -> 'failure')::record_item
        FROM jsonb_array_elements(items) WITH ORDINALITY e (x, nr)
        CROSS JOIN LATERAL (SELECT CASE WHEN e.x ->> 'op' = 'upsert' THEN
                                       record_of_key(s.content_id, match_by, record_key(s.uniques ->> match_by, e.x -> 'values' -> match_by)) END AS record_id OFFSET 0) k
        ORDER BY e.nr);
    PERFORM FROM records r
    WHERE r.tenant_id = s.tenant_id AND r.organization_id = s.organization_id AND r.content_id = s.content_id AND r.deleted_at IS NULL
      AND r.id = ANY (ARRAY(SELECT w.record_id FROM unnest(work) w WHERE w.op = 'update'))
    ORDER BY r.id FOR NO KEY UPDATE;
    olds := ARRAY(SELECT r FROM records r
                  WHERE r.tenant_id = s.tenant_id AND r.organization_id = s.organization_id AND r.content_id = s.content_id AND r.deleted_at IS NULL
                    AND r.id = ANY (ARRAY(SELECT w.record_id FROM unnest(work) w WHERE w.op = 'update')));
    IF EXISTS (SELECT FROM unnest(work) w WHERE w.op = 'update' AND w.given ->> 'op' = 'upsert' AND NOT EXISTS (SELECT FROM unnest(olds) o WHERE o.id = w.record_id)) THEN
        RAISE SQLSTATE '40001' USING MESSAGE = 'one of these records was deleted meanwhile';
    END IF;
    work := record_items_judge(s, rights, work, olds);
    news := ARRAY(SELECT record_changed(o, w.given, s) FROM unnest(work) w JOIN unnest(olds) o ON o.id = w.record_id WHERE w.op = 'update' AND w.failure IS NULL);
    IF s.uniques <> '{}' THEN
        work := record_items_unique(s, work, news);
    END IF;

    news := ARRAY(SELECT n FROM unnest(news) n JOIN unnest(work) w ON w.record_id = n.id AND w.failure IS NULL AND w.op = 'update');
    place := recordset_place(s.mode, s.settings);
    IF place IS NOT NULL OR EXISTS (SELECT FROM unnest(work) w WHERE w.given -> 'set' ? 'geometry') THEN
        moved := ARRAY(SELECT n.id FROM unnest(news) n JOIN unnest(work) w ON w.record_id = n.id AND w.failure IS NULL AND w.op = 'update'
                       WHERE record_geometry_change(n.id, n.content_id, coalesce(w.given -> 'set', '{}'), false, n.field_values, place, false));
    END IF;
    news := ARRAY(SELECT CASE WHEN n IS DISTINCT FROM o THEN n ELSE record_changed(o, w.given || '{"is_moved": true}', s) END
                  FROM unnest(news) n JOIN unnest(olds) o ON o.id = n.id JOIN unnest(work) w ON w.record_id = n.id AND w.failure IS NULL AND w.op = 'update'
                  WHERE n IS DISTINCT FROM o OR n.id = ANY (moved));
    SELECT jsonb_agg((w.given -> 'set') || jsonb_build_object('field_values', record_item_values(w.given), 'tool_statuses', w.given -> 'tools') ORDER BY w.nr) INTO rows
    FROM unnest(work) w WHERE w.op = 'create' AND w.failure IS NULL;
    -- Many at once are told as one.
    PERFORM set_config('app.quiet', 'on', true) WHERE coalesce(jsonb_array_length(rows), 0) + cardinality(news) > 1;
    IF news <> '{}' THEN
        PERFORM records_put(olds, news);
        IF s.uniques <> '{}' THEN
            PERFORM record_keys_put(s.content_id, s.uniques, ARRAY(SELECT n.id FROM unnest(news) n), true);
        END IF;
    END IF;
    IF rows IS NOT NULL THEN
        made := records_made(recordset, rows, true, s.schema_version);
    END IF;
    PERFORM set_config('app.quiet', quiet, true);
    IF cardinality(made) + cardinality(news) > 1 THEN
        PERFORM records_batch_tell(s, made, olds, news);
    ELSE
        PERFORM record_notify(CASE WHEN n.owner_id IS DISTINCT FROM o.owner_id THEN 'record_assigned' ELSE 'record_updated' END, n.id, n.owner_id, s.id, n.title),
                record_activity('record.updated', n.id, s.id, n.title, n.version)
        FROM unnest(news) n JOIN unnest(olds) o ON o.id = n.id;
    END IF;

    SELECT count(*) FILTER (WHERE x.result = 'created'), count(*) FILTER (WHERE x.result = 'updated'), count(*) FILTER (WHERE x.result = 'unchanged'),
           count(*) FILTER (WHERE x.result = 'failed'),
           jsonb_agg(jsonb_build_object('index', x.nr, 'result', x.result, 'record_id', x.id, 'version', x.version, 'error', x.failure) ORDER BY x.nr)
    INTO created_count, updated_count, unchanged_count, failed_count, results
    FROM (SELECT w.nr, w.failure, CASE WHEN w.failure IS NOT NULL THEN 'failed' WHEN w.op = 'create' THEN 'created' WHEN n.id IS NULL THEN 'unchanged' ELSE 'updated' END AS result,
                 CASE WHEN w.op = 'update' THEN w.record_id WHEN w.failure IS NULL
                      THEN made[(count(*) FILTER (WHERE w.op = 'create' AND w.failure IS NULL) OVER (ORDER BY w.nr))::integer] END AS id,
                 CASE WHEN w.failure IS NOT NULL THEN NULL WHEN w.op = 'create' THEN 1 ELSE coalesce(n.version, o.version) END AS version
          FROM unnest(work) w
          LEFT JOIN unnest(olds) o ON o.id = w.record_id
          LEFT JOIN unnest(news) n ON n.id = w.record_id AND w.failure IS NULL) x;
END
$$;
