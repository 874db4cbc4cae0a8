-- Undoing a run: records that it created are deleted, as a delete does it, those that it changed get back what they had, and what somebody has changed since is kept
-- as it is, and listed.
--
--   record_run_undo     a member has one undone
--   record_undo_batch   the job does it, the last batch first: as the run has gone back it finds each key as it was
--   record_undo_end     it is over

-- The caller has a run undone, within 30 days; the run that does it.  Raises AS404, AS403, AS409.
CREATE OR REPLACE FUNCTION record_run_undo(run uuid, OUT recordset_id uuid, OUT job_id uuid)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    r      record_runs := record_run_lock(run);
    s      recordsets;
    rights integer;
    total  bigint;
BEGIN
    SELECT x.* INTO s FROM recordsets x
    WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = r.recordset_id AND x.trashed_at IS NULL FOR NO KEY UPDATE;
    PERFORM must(r.kind IN ('import', 'convert'), 'what can be undone are imports and conversions');
    PERFORM must(s.id IS NOT NULL, 'the recordset is no more');
    SELECT x.rights INTO rights FROM recordset_rights(s.tenant_id, s.organization_id, s.id, s.owner_id, app_member(), app_org_role()) x;
    IF r.kind = 'convert' THEN
        PERFORM may(rights & 64 > 0, 'this needs can_admin on the recordset');
    ELSE
        PERFORM may(rights & 16 > 0 OR rights & 32 > 0 AND r.member_id = app_member(), 'this needs can_delete on the recordset, or can_delete_own of who imported');
        PERFORM may(NOT r.options ? 'match_field' OR rights & 4 > 0, 'this needs can_edit on the recordset');
    END IF;
    PERFORM must(r.status NOT IN ('queued', 'running'), 'the job is still active: cancel it first');
    PERFORM must(NOT record_run_is_dry(r.options), 'it was only tried: there is nothing to undo');
    PERFORM must(NOT EXISTS (SELECT FROM record_runs x WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.kind = 'undo'
                               AND x.options ->> 'of' = run::text AND x.status IN ('queued', 'running', 'completed')), 'it was undone already');
    PERFORM must(r.completed_at > now() - interval '30 days', 'it was over more than 30 days ago: what it did is not known any more');
    PERFORM must(NOT EXISTS (SELECT FROM record_runs x WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.recordset_id = s.id
                               AND x.kind IN ('undo', 'convert') AND x.status IN ('queued', 'running')), 'a job is undone or a field converted in this recordset: wait for that');
    -- What the last release imported by a unique field does not say which records it changed.
    PERFORM must(NOT EXISTS (SELECT FROM record_run_batches b WHERE b.tenant_id = r.tenant_id AND b.organization_id = r.organization_id AND b.run_id = run
                               AND b.versions IS NULL AND b.taken IS NULL AND r.options ? 'match_field'), 'it was done by an earlier version: what it did is not known');
    SELECT sum(CASE WHEN b.versions IS NULL THEN cardinality(b.record_ids) ELSE b.created_count + b.updated_count END) INTO total FROM record_run_batches b
    WHERE b.tenant_id = r.tenant_id AND b.organization_id = r.organization_id AND b.run_id = run;
    PERFORM must(total IS NOT NULL OR r.processed_rows = 0, 'what it did is not known any more');
    IF r.kind = 'convert' THEN
        PERFORM recordset_field_put(s, r.options ->> 'key', r.options -> 'field', r.options -> 'was');
    END IF;
    recordset_id := s.id;
    job_id := record_run_start('undo', s.id, jsonb_build_object('of', run, 'of_kind', r.kind, 'key', r.options -> 'key', 'field', r.options -> 'was'), r.format, r.file_name,
                               coalesce(total, 0));
END
$$;

-- Give records, which are locked, the values of the version before: ids and versions, of which each has the latter.  Raises 40001 where somebody else has a unique value
-- by now.  Versions are looked up one by one, by their keys, and no plan does otherwise (record_keys.sql).
CREATE OR REPLACE FUNCTION records_step_back(s recordsets, ids uuid[], versions integer[]) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    olds  records[];
    news  records[];
    place jsonb := recordset_place(s.mode, s.settings);
BEGIN
    olds := ARRAY(SELECT x FROM records x WHERE x.tenant_id = s.tenant_id AND x.organization_id = s.organization_id AND x.id = ANY (ids) AND x.deleted_at IS NULL);
    news := ARRAY(
        SELECT record_changed(o, jsonb_build_object('values', v.field_values, 'restores', v.version, 'dropped', (
                   SELECT coalesce(jsonb_agg(k), '[]') FROM jsonb_object_keys(o.field_values) k WHERE NOT v.field_values ? k)), s)
        FROM unnest(olds) o
        JOIN unnest(ids, versions) i (id, version) ON i.id = o.id
        CROSS JOIN LATERAL (SELECT x.version, x.field_values FROM record_versions x
                            WHERE x.tenant_id = s.tenant_id AND x.organization_id = s.organization_id AND x.record_id = i.id AND x.version = i.version - 1 OFFSET 0) v);
    PERFORM records_put(olds, news);
    PERFORM record_geometry_change(n.id, n.content_id, '{}', false, n.field_values, place, false) FROM unnest(news) n WHERE place IS NOT NULL;
    IF s.uniques <> '{}' THEN
        PERFORM record_keys_put(s.content_id, s.uniques, ARRAY(SELECT n.id FROM unnest(news) n), true);
    END IF;
    RETURN cardinality(news);
END
$$;

-- Of an import's batch: what becomes of each record.
CREATE OR REPLACE FUNCTION record_undo_import(r record_runs, b record_run_batches, OUT deleted bigint, OUT restored bigint, OUT kept jsonb)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    s    recordsets;
    own  jsonb;    -- the records, as they are by now
    ids  uuid[];   -- of those that get back what they had
    vers integer[];
    gone record;
    c    record;
BEGIN
    restored := 0;
    PERFORM FROM recordsets x WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = r.recordset_id FOR KEY SHARE;
    SELECT x.* INTO s FROM recordsets x WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = r.recordset_id;
    PERFORM FROM records x WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = ANY (b.record_ids) AND x.deleted_at IS NULL
    ORDER BY x.id FOR NO KEY UPDATE;
    own := (SELECT coalesce(jsonb_object_agg(x.id, x.version), '{}') FROM records x
            WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = ANY (b.record_ids) AND x.content_id = s.content_id AND x.deleted_at IS NULL);
    SELECT * INTO gone FROM records_delete(ARRAY(
        SELECT i.id FROM unnest(b.record_ids, coalesce(b.versions, array_fill(1, ARRAY[cardinality(b.record_ids)]))) i (id, version)
        WHERE i.version = 1 AND own ->> i.id::text = '1'));
    deleted := cardinality(gone.deleted);
    SELECT coalesce(jsonb_agg(jsonb_build_object('record_id', i.id, 'reason', CASE WHEN NOT own ? i.id::text THEN 'it is no more' WHEN own ->> i.id::text <> i.version::text
                                  THEN 'it was changed since' ELSE 'who undoes it may not delete it' END) ORDER BY i.id), '[]') INTO kept
    FROM unnest(b.record_ids, coalesce(b.versions, array_fill(1, ARRAY[cardinality(b.record_ids)]))) i (id, version)
    WHERE i.version = 1 AND i.id <> ALL (gone.deleted) OR i.version > 1 AND own ->> i.id::text IS DISTINCT FROM i.version::text;
    SELECT coalesce(array_agg(i.id), '{}'), coalesce(array_agg(i.version), '{}') INTO ids, vers
    FROM unnest(b.record_ids, b.versions) i (id, version)
    CROSS JOIN LATERAL (SELECT FROM record_versions x
                        WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.record_id = i.id AND x.version = i.version - 1 OFFSET 0) v
    WHERE i.version > 1 AND own ->> i.id::text = i.version::text;
    IF recordset_may(s.id, s.owner_id, 4) THEN
        BEGIN
            restored := records_step_back(s, ids, vers);
        EXCEPTION WHEN serialization_failure THEN    -- one by one, to tell which
            ids := '{}';
        END;
    ELSE
        ids := '{}';
    END IF;
    FOR c IN SELECT i.id, v.version, v.field_values,
                    (SELECT coalesce(jsonb_agg(k), '[]') FROM records x, jsonb_object_keys(x.field_values) k
                     WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = i.id AND NOT v.field_values ? k) AS dropped
             FROM unnest(b.record_ids, b.versions) i (id, version)
             LEFT JOIN LATERAL (SELECT x.version, x.field_values FROM record_versions x
                                WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.record_id = i.id AND x.version = i.version - 1 OFFSET 0) v ON true
             WHERE i.version > 1 AND own ->> i.id::text = i.version::text AND i.id <> ALL (ids) ORDER BY i.id LOOP
        IF c.version IS NULL THEN
            kept := kept || jsonb_build_array(jsonb_build_object('record_id', c.id, 'reason', 'what it was is not known any more'));
            CONTINUE;
        END IF;
        BEGIN
            PERFORM record_change(c.id, jsonb_build_object('values', c.field_values, 'dropped', c.dropped, 'restores', c.version), 12, NULL);
            restored := restored + 1;
        EXCEPTION WHEN SQLSTATE 'AS403' OR SQLSTATE 'AS404' OR SQLSTATE 'AS409' THEN    -- such as a unique value that another record has by now
            kept := kept || jsonb_build_array(jsonb_build_object('record_id', c.id, 'reason', replace(SQLERRM, 'field_values.', '')));
        END;
    END LOOP;
END
$$;

-- The next batch is taken back.  False: there is nothing more to do.
CREATE OR REPLACE FUNCTION record_undo_batch(organization uuid, run uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    r    record_runs;
    b    record_run_batches;
    of   uuid;
    done record;
BEGIN
    SELECT e.* INTO r FROM record_runs x CROSS JOIN LATERAL record_run_enter(organization, run, CASE x.options ->> 'of_kind' WHEN 'convert' THEN 64 ELSE 1 END) e
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = run;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    of := (r.options ->> 'of')::uuid;
    SELECT x.* INTO b FROM record_run_batches x
    WHERE x.tenant_id = r.tenant_id AND x.organization_id = organization AND x.run_id = of
      AND x.first_row < coalesce((SELECT min(u.first_row) FROM record_run_batches u
                                  WHERE u.tenant_id = r.tenant_id AND u.organization_id = organization AND u.undoes = of), 9223372036854775807)
    ORDER BY x.first_row DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM set_config('app.quiet', 'on', true);    -- they are told as one
    IF r.options ->> 'of_kind' = 'convert' THEN
        SELECT 0::bigint AS deleted, p.written AS restored, p.kept INTO done
        FROM record_values_put(r.recordset_id, r.options ->> 'key', (
            SELECT coalesce(jsonb_agg(jsonb_build_object('id', i.id, 'was', b.taken #> ARRAY['values', (i.nr - 1)::text, '1'], 'is', b.taken #> ARRAY['values', (i.nr - 1)::text, '0'])), '[]')
            FROM unnest(b.record_ids) WITH ORDINALITY i (id, nr))) p;
    ELSE
        SELECT * INTO done FROM record_undo_import(r, b);
    END IF;
    PERFORM set_config('app.quiet', '', true);
    PERFORM records_tell(organization, r.recordset_id) WHERE is_told(app_tenant()) AND done.deleted + done.restored > 0;
    INSERT INTO record_run_batches (tenant_id, organization_id, run_id, first_row, last_row, undoes, created_count, updated_count, errors)
    VALUES (app_tenant(), organization, run, b.first_row, b.last_row, of, done.deleted, done.restored, nullif(done.kept, '[]'));
    UPDATE record_runs x
    SET step = 'undoing', processed_rows = x.processed_rows + done.deleted + done.restored + jsonb_array_length(done.kept),
        success_count = x.success_count + done.deleted + done.restored, error_count = x.error_count + jsonb_array_length(done.kept),
        progress = greatest(x.progress, record_run_progress(x.processed_rows + done.deleted + done.restored + jsonb_array_length(done.kept), x.total_rows))
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = run;
    RETURN true;
END
$$;

-- The records that a run has left as they are, and why, in the order in which it came to them.
CREATE OR REPLACE FUNCTION record_run_kept(organization uuid, run uuid)
RETURNS TABLE (record_id uuid, value text, reason text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY SELECT (e.one ->> 'record_id')::uuid, e.one ->> 'value', e.one ->> 'reason'
    FROM record_run_batches b
    CROSS JOIN LATERAL jsonb_array_elements(b.errors) WITH ORDINALITY e (one, nr)
    WHERE b.tenant_id = app_tenant() AND b.organization_id = organization AND b.run_id = run AND b.errors IS NOT NULL
    ORDER BY b.first_row, e.nr;
END
$$;

-- A conversion or an undo is over; object is the report of what was kept, which stays for 30 days; NULL: there is none.
CREATE OR REPLACE FUNCTION record_undo_end(organization uuid, run uuid, object uuid, sha256 bytea) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    r record_runs;
    n record;
BEGIN
    SELECT * INTO r FROM record_run_enter(organization, run, 0);
    IF NOT FOUND THEN
        PERFORM stored_object_drop(object) WHERE object IS NOT NULL;
        RETURN;
    ELSIF object IS NOT NULL AND NOT stored_object_keep(object, sha256) THEN
        RAISE 'record_undo_end: the file % is not awaited any more', object;
    END IF;
    SELECT coalesce(sum(b.created_count), 0) AS deleted, coalesce(sum(b.updated_count), 0) AS written INTO n FROM record_run_batches b
    WHERE b.tenant_id = app_tenant() AND b.organization_id = organization AND b.run_id = run;
    UPDATE record_runs x
    SET object_id = object, expires_at = CASE WHEN object IS NOT NULL THEN now() + interval '30 days' END, total_rows = x.success_count + x.error_count,
        summary = jsonb_build_object('total_rows', x.success_count + x.error_count, 'valid_rows', x.success_count, 'invalid_rows', x.error_count,
                      'errors_by_field', CASE WHEN x.error_count > 0 AND x.options ? 'key' AND x.kind = 'convert' THEN jsonb_build_object(x.options ->> 'key', x.error_count) ELSE '{}' END,
                      'sample_errors', '[]'::jsonb,
                      'kept', (SELECT coalesce(jsonb_agg(to_jsonb(k)), '[]') FROM (SELECT * FROM record_run_kept(organization, run) LIMIT 20) k))
                  || CASE r.kind WHEN 'undo' THEN jsonb_build_object('deleted_records', n.deleted, 'restored_records', n.written)
                                 ELSE jsonb_build_object('converted_records', n.written) END
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = run
    RETURNING x.* INTO r;
    IF NOT record_run_is_dry(r.options) THEN
        PERFORM records_activity(CASE WHEN r.kind = 'convert' THEN 'record.field_converted' WHEN r.options ->> 'of_kind' = 'convert' THEN 'record.conversion_undone'
                                      ELSE 'record.import_undone' END, r.recordset_id, n.deleted + n.written);
        IF is_told(app_tenant()) AND r.kind = 'undo' AND r.options ->> 'of_kind' = 'import' THEN
            PERFORM event_emit('import.undone', organization, jsonb_build_object('job_id', run, 'import_job_id', r.options ->> 'of', 'workspace_id', organization,
                'recordset_id', r.recordset_id, 'file_name', r.file_name, 'deleted_count', n.deleted, 'restored_count', n.written, 'kept_count', r.error_count));
        ELSIF is_told(app_tenant()) THEN
            PERFORM event_emit('recordset.field_converted', organization, jsonb_build_object('job_id', run, 'workspace_id', organization, 'recordset_id', r.recordset_id,
                'key', r.options ->> 'key', 'type', r.options #>> '{field,type}', 'is_undo', r.kind = 'undo', 'converted_count', n.written, 'kept_count', r.error_count));
        END IF;
    END IF;
    PERFORM record_run_end(organization, run, 'completed', NULL);
END
$$;
