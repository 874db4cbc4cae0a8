-- What a person is given of theirs, as a file: all that erasing them would end, as erasures() lists it, and the files that they keep here.
--
--   account_export_start   a person asks for it
--   account_export_rows    what goes into it
--   account_export_await, account_export_done, account_export_failed   how that ends
--   account_exports_tend   by the clock: files that are over, and exports whose job has died

-- The caller asks for theirs; its id.  One in a day, of two at once one.  Raises AS403 for who acts as the user, AS429.
CREATE OR REPLACE FUNCTION account_export_start() RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    who    users;
    last   timestamptz;
    made   uuid;
BEGIN
    IF NOT (SELECT r.is_known FROM request_session() r) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'who acts as a user is given nothing of theirs';
    END IF;
    SELECT * INTO who FROM users u WHERE u.tenant_id = tenant AND u.id = app_user() FOR NO KEY UPDATE;
    last := (SELECT max(x.created_at) FROM account_exports x WHERE x.tenant_id = tenant AND x.user_id = who.id AND x.status <> 'failed');
    IF last > now() - interval '1 day' THEN
        RAISE SQLSTATE 'AS429' USING MESSAGE = format('it is made once a day: the next one from %s on', json_time(last + interval '1 day'));
    END IF;
    INSERT INTO account_exports AS x (tenant_id, user_id) VALUES (tenant, who.id) RETURNING x.id INTO made;
    UPDATE account_exports x
    SET job_id = job_add('ashlar', 'account.export', jsonb_build_object('export_id', made, 'user', who.id), max_attempts => 5, timeout_s => 3600)
    WHERE x.tenant_id = tenant AND x.id = made;
    PERFORM audit('user.export', 'user', who.public_id, jsonb_build_object('export_id', made));
    RETURN made;
END
$$;

-- Without what lets in: nobody needs the hash of their own password.
CREATE OR REPLACE FUNCTION account_export_clean(v jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN CASE jsonb_typeof(v)
        WHEN 'object' THEN (SELECT coalesce(jsonb_object_agg(e.k, account_export_clean(e.v)), '{}') FROM jsonb_each(v) e (k, v)
                            WHERE e.k !~ '(^|_)(hash|sealed|secret|token|salt)(_|$)')
        WHEN 'array' THEN (SELECT coalesce(jsonb_agg(account_export_clean(e.v) ORDER BY e.n), '[]') FROM jsonb_array_elements(v) WITH ORDINALITY e (v, n))
        ELSE v END;
END
$$;

-- What goes into one: of each row what its file is called and the row, file by file.  No row: there is nothing to do any more.
--
-- As the owner, since not all of these tables are the api's to read, of the tenant that the transaction is in, and of the one user who has asked.
CREATE OR REPLACE FUNCTION account_export_rows(export uuid) RETURNS TABLE (name text, line text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    tenant uuid := app_tenant();
    who    uuid := (SELECT x.user_id FROM account_exports x WHERE x.tenant_id = tenant AND x.id = export AND x.status = 'queued');
    known  text[] := user_addresses(who);
    e      record;
BEGIN
    IF who IS NULL THEN
        RETURN;
    END IF;
    FOR e IN SELECT x.tbl, x.exported_as, coalesce(x.found, format('x.%I = $2', x.col)) AS found,
                    ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = x.tbl::regclass AND a.attnum > 0 AND a.atttypid = 'bytea'::regtype) AS hidden
             FROM erasures() x ORDER BY x.exported_as LOOP
        RETURN QUERY EXECUTE format('SELECT %L::text, account_export_clean(to_jsonb(x) - %L::text[])::text FROM %I x WHERE x.tenant_id = $1 AND %s',
                                    e.exported_as, e.hidden, e.tbl, e.found) USING tenant, who, known;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION account_export_rows(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION account_export_rows(uuid) TO ashlar_api;

-- The person's files and pictures, under names that any system takes; files.json has their own.
CREATE OR REPLACE FUNCTION account_export_files(export uuid) RETURNS TABLE (path text, object_id uuid, backend text, content_type text, size bigint)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    tenant uuid := app_tenant();
    who    uuid := (SELECT x.user_id FROM account_exports x WHERE x.tenant_id = tenant AND x.id = export AND x.status = 'queued');
    before uuid[] := ARRAY(SELECT x.object_id FROM account_exports x WHERE x.tenant_id = tenant AND x.user_id = who AND x.object_id IS NOT NULL);
BEGIN
    RETURN QUERY
    SELECT 'files/' || o.id || coalesce('.' || substring(lower(mine.name) FROM '\.([a-z0-9]{1,8})$'), ''), o.id, o.backend, o.content_type, o.size
    FROM (SELECT m.id, max(m.name) AS name
          FROM (SELECT s.id, NULL::text AS name FROM stored_objects s WHERE s.tenant_id = tenant AND s.user_id = who AND s.organization_id IS NULL
                UNION ALL SELECT f.object_id, f.name FROM files f WHERE f.tenant_id = tenant AND f.owner_id = who
                UNION ALL SELECT p.object_id, NULL FROM pictures p WHERE p.tenant_id = tenant AND p.user_id = who) m
          GROUP BY m.id) mine
    JOIN stored_objects o ON o.tenant_id = tenant AND o.id = mine.id AND o.state = 'stored'
    WHERE o.id <> ALL (before)
    ORDER BY o.id;
END
$$;

-- Room for a file of so many bytes, for an hour; its object.  NULL: the export is no more.  Raises AS402.
CREATE OR REPLACE FUNCTION account_export_await(export uuid, backend text, size bigint) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT stored_object_await(NULL, x.user_id, account_export_await.backend, 'application/zip', account_export_await.size, now() + interval '1 hour')
            FROM account_exports x WHERE x.tenant_id = app_tenant() AND x.id = export AND x.status = 'queued');
END
$$;

-- Its file is there, for a day.
CREATE OR REPLACE FUNCTION account_export_done(export uuid, size bigint, object uuid, sha256 bytea) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE account_exports x SET status = 'completed', file_size = size, object_id = object, completed_at = now(), expires_at = now() + interval '1 day'
    WHERE x.tenant_id = app_tenant() AND x.id = export AND x.status = 'queued';
    IF NOT FOUND THEN
        PERFORM stored_object_drop(object);
    ELSIF NOT stored_object_keep(object, account_export_done.sha256) THEN
        RAISE 'account_export_done: the file % is not awaited any more', object;
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION account_export_failed(export uuid, message text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE account_exports x SET status = 'failed', error_message = left(message, 500), completed_at = now()
    WHERE x.tenant_id = app_tenant() AND x.id = export AND x.status = 'queued';
END
$$;

-- By the clock, over all tenants: up to most files that are over are given up, and exports whose job has died have failed.  How many files.
CREATE OR REPLACE FUNCTION account_exports_tend(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    here text := current_setting('app.tenant_id', true);
    e    record;
    n    bigint := 0;
BEGIN
    FOR e IN SELECT x.tenant_id, x.id, x.object_id FROM account_exports x
             WHERE x.object_id IS NOT NULL AND x.expires_at <= now() ORDER BY x.expires_at LIMIT most LOOP
        PERFORM set_config('app.tenant_id', e.tenant_id::text, true);
        UPDATE account_exports x SET object_id = NULL WHERE x.tenant_id = e.tenant_id AND x.id = e.id AND x.object_id = e.object_id;
        PERFORM stored_object_drop(e.object_id);
        n := n + 1;
    END LOOP;
    FOR e IN SELECT x.tenant_id, x.id FROM account_exports x LEFT JOIN jobs j ON j.tenant_id = x.tenant_id AND j.id = x.job_id
             WHERE x.status = 'queued' AND coalesce(j.state, 'failed') IN ('failed', 'cancelled', 'completed') LOOP
        PERFORM set_config('app.tenant_id', e.tenant_id::text, true);
        PERFORM account_export_failed(e.id, 'it could not be made: ask for it again');
    END LOOP;
    PERFORM set_config('app.tenant_id', coalesce(here, ''), true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION account_exports_tend(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION account_exports_tend(integer) TO ashlar_api;
