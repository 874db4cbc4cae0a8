-- What nobody has any more: uploads that were never confirmed, rows without content, content without a row.

-- Give up uploads that were not confirmed in time, and have content removed whose job was lost.  Returns how many.
--
-- As the owner, who goes from one tenant to the next.
CREATE OR REPLACE FUNCTION storage_expire(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    here text := current_setting('app.tenant_id', true);
    o    record;
    n    bigint := 0;
BEGIN
    FOR o IN SELECT x.tenant_id, x.id FROM stored_objects x WHERE x.state = 'awaited' AND x.expires_at <= now()
             ORDER BY x.expires_at LIMIT most LOOP
        PERFORM set_config('app.tenant_id', o.tenant_id::text, true);
        DELETE FROM files f WHERE f.tenant_id = o.tenant_id AND f.object_id = o.id AND f.uploaded_at IS NULL;
        IF stored_object_drop(o.id) THEN
            n := n + 1;
        END IF;
    END LOOP;
    FOR o IN SELECT x.tenant_id, x.id FROM stored_objects x WHERE x.state = 'gone' AND x.updated_at < now() - interval '1 hour'
             ORDER BY x.updated_at LIMIT most LOOP
        PERFORM set_config('app.tenant_id', o.tenant_id::text, true);
        PERFORM job_add('ashlar', 'storage.remove', jsonb_build_object('object_id', o.id), unique_key => 'storage:' || o.id);
    END LOOP;
    PERFORM set_config('app.tenant_id', coalesce(here, ''), true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION storage_expire(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION storage_expire(integer) TO ashlar_api;

-- Which of these objects are there, of whatever tenant, in one of these states?
CREATE OR REPLACE FUNCTION storage_known(ids uuid[], states text[]) RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN ARRAY(SELECT x.id FROM stored_objects x WHERE x.id = ANY (ids) AND x.state = ANY (states));
END
$$;
REVOKE ALL ON FUNCTION storage_known(uuid[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION storage_known(uuid[], text[]) TO ashlar_api;

-- The next objects behind one whose content should be in a backend.
CREATE OR REPLACE FUNCTION storage_next(behind uuid, most integer, backend text) RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN ARRAY(SELECT x.id FROM stored_objects x
                 WHERE x.id > behind AND x.state = 'stored' AND x.backend = storage_next.backend AND x.updated_at < now() - interval '1 minute'
                 ORDER BY x.id LIMIT most);
END
$$;
REVOKE ALL ON FUNCTION storage_next(uuid, integer, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION storage_next(uuid, integer, text) TO ashlar_api;
