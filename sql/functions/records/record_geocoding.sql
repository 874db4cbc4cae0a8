-- Geocoding: a provider says where the addresses of records are, for the member who asked for it.
--
--   record_geocode_start   a member starts a run
--   record_geocode_next    records that its job looks at next (record_runs.sql)
--   record_geocode_put     what was found out about them, in one transaction with how far the run is: so however often its worker is killed, what was
--                          committed is not asked again, and none is left out
--   record_geocode_pass    another job goes on with it
--   record_geocode_tell    who follows the run learns how far it is
--
-- A run's place is in its summary: {"after": where the next records begin, "errors": the first hundred, "stalls": how often the provider had nothing to say
-- since it last did}.

-- What hinders that coordinates are written into these fields: {"field", "message"}; NULL: nothing. Of a recordset without a schema any will do.
CREATE OR REPLACE FUNCTION record_geocode_problem(fields jsonb, settings jsonb, options jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    n record;
    f jsonb;
BEGIN
    IF options ->> 'lat_field' = options ->> 'lng_field' THEN
        RETURN jsonb_build_object('field', 'lng_field', 'message', 'lng_field must not be lat_field');
    ELSIF jsonb_array_length(fields) = 0 THEN
        RETURN NULL;
    END IF;
    FOR n IN SELECT x.name, options ->> x.name AS key, x.type FROM (VALUES ('lat_field', 'latitude'), ('lng_field', 'longitude')) x (name, type) LOOP
        f := (SELECT x FROM jsonb_array_elements(fields) x WHERE x ->> 'key' = n.key);
        IF f IS NULL THEN
            IF settings @> '{"strict_schema": true}' THEN
                RETURN jsonb_build_object('field', n.name, 'message', format('%s: %s is no field of the recordset, whose schema is strict', n.name, n.key));
            END IF;
        ELSIF f ->> 'type' NOT IN (n.type, 'number') OR f @> '{"integer": true}' OR f @> '{"unique": true}' THEN
            RETURN jsonb_build_object('field', n.name, 'message', format('%s must be a field of the type %s, or of numbers that may have fractions and need not be unique', n.name, n.type));
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

-- The caller starts one. options: {"address_fields", "lat_field", "lng_field", "overwrite", "record_ids": left out, all}. Raises AS404, AS403, AS409, AS422.
CREATE OR REPLACE FUNCTION record_geocode_start(recordset uuid, options jsonb) RETURNS SETOF record_runs
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    s     recordsets;
    busy  uuid;
    made  uuid;
    wrong jsonb;
    total bigint;
BEGIN
    -- Of two at once the second sees the first one's run.
    PERFORM FROM recordsets x WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = recordset FOR NO KEY UPDATE;
    s := recordset_seen(recordset, 'recordset_id');
    PERFORM may(recordset_may(s.id, s.owner_id, 4), 'this needs can_edit on the recordset'),
            must(NOT s.is_virtual, 'the rows of this recordset are an integration''s');
    IF jsonb_array_length(s.fields) > 0 THEN
        PERFORM record_key_unknown('address_fields', k.key, s.fields)
        FROM jsonb_array_elements_text(options -> 'address_fields') k (key)
        WHERE NOT s.fields @> jsonb_build_array(jsonb_build_object('key', k.key));
    END IF;
    wrong := record_geocode_problem(s.fields, s.settings, options);
    IF wrong IS NOT NULL THEN
        RAISE SQLSTATE 'AS422' USING HINT = wrong ->> 'field', MESSAGE = wrong ->> 'message';
    END IF;
    SELECT x.id INTO busy FROM record_runs x
    WHERE x.tenant_id = s.tenant_id AND x.organization_id = s.organization_id AND x.recordset_id = s.id AND x.kind = 'geocode' AND x.status IN ('queued', 'running');
    IF FOUND THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'recordset_id', MESSAGE = 'a geocoding job of this recordset is running',
            DETAIL = jsonb_build_object('job_id', busy, 'stream_url', '/api/v1/recordsets/geocode/jobs/' || busy || '/stream')::text;
    END IF;
    SELECT coalesce(sum(x.count), 0) INTO total FROM recordset_counts x
    WHERE x.tenant_id = s.tenant_id AND x.organization_id = s.organization_id AND x.recordset_id = s.id;
    made := record_run_start('geocode', s.id, options, NULL, NULL, coalesce(jsonb_array_length(options -> 'record_ids'), total));
    PERFORM audit('record.geocode', 'record_run', made::text, jsonb_build_object('organization_id', s.organization_id, 'recordset_id', s.id));
    RETURN QUERY SELECT x.* FROM record_runs x WHERE x.tenant_id = s.tenant_id AND x.organization_id = s.organization_id AND x.id = made;
END
$$;

-- The address that values have: those of the keys that there are, in their order.
CREATE OR REPLACE FUNCTION record_geocode_address(field_values jsonb, keys text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN (SELECT string_agg(x.said, ', ' ORDER BY k.nr)
            FROM unnest(keys) WITH ORDINALITY k (key, nr)
            CROSS JOIN LATERAL (SELECT btrim(regexp_replace(field_values ->> k.key, '\s+', ' ', 'g')) AS said) x
            WHERE jsonb_typeof(field_values -> k.key) IN ('string', 'number') AND x.said <> '');
END
$$;

-- What an address is known by: its case does not matter to a provider.
CREATE OR REPLACE FUNCTION record_geocode_hash(provider text, address text) RETURNS bytea
LANGUAGE sql IMMUTABLE
RETURN sha256(convert_to(provider || E'\n' || lower(address COLLATE "und-x-icu"), 'UTF8'));

-- Where a run's record is already: it has a geometry, or coordinates among its values.
CREATE OR REPLACE FUNCTION record_geocode_is_placed(r records, options jsonb) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (abs(record_number(r.field_values -> (options ->> 'lat_field'))) <= 90 AND abs(record_number(r.field_values -> (options ->> 'lng_field'))) <= 180) IS TRUE
           OR EXISTS (SELECT FROM record_geometries g WHERE g.tenant_id = r.tenant_id AND g.organization_id = r.organization_id AND g.record_id = r.id);
END
$$;

-- The next records of a run, up to most, in the order in which they were made; the run is over with the last of them. No row: there is nothing to do any more.
--
--   was, at   where the run was before this record, and is behind it
--   address   NULL: there is nothing to ask, for is_placed or since it has none
--   is_known  the provider was asked before: lat and lng, or there is no such place
CREATE OR REPLACE FUNCTION record_geocode_next(organization uuid, run uuid, provider text, most integer)
RETURNS TABLE (was text, at text, record_id uuid, is_placed boolean, address text, hash text, is_known boolean, lat double precision, lng double precision)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
    r     record_runs;
    s     recordsets;
    after text;
    keys  text[];
    again boolean;
BEGIN
    SELECT * INTO r FROM record_run_enter(organization, run, 4);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT x.* INTO s FROM recordsets x WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = r.recordset_id;
    IF record_geocode_problem(s.fields, s.settings, r.options) IS NOT NULL THEN
        PERFORM record_run_end(organization, run, 'failed', record_geocode_problem(s.fields, s.settings, r.options) ->> 'message');
        RETURN;
    END IF;
    after := coalesce(r.summary ->> 'after', '');
    keys := ARRAY(SELECT jsonb_array_elements_text(r.options -> 'address_fields'));
    again := coalesce((r.options ->> 'overwrite')::boolean, false);
    RETURN QUERY
    WITH part AS MATERIALIZED (
        SELECT to_char(x.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' ' || x.id AS at, x.created_at, x.id
        FROM records x
        WHERE NOT r.options ? 'record_ids' AND x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.content_id = s.content_id AND x.deleted_at IS NULL
          AND x.created_at <= r.created_at
          AND x.created_at >= coalesce(nullif(split_part(after, ' ', 1), '')::timestamptz, '-infinity')
          AND (x.created_at > coalesce(nullif(split_part(after, ' ', 1), '')::timestamptz, '-infinity') OR x.id > nullif(split_part(after, ' ', 2), '')::uuid)
        ORDER BY x.created_at, x.id LIMIT most
    ), named AS MATERIALIZED (
        SELECT e.nr::text AS at, e.nr, e.id::uuid AS id
        FROM jsonb_array_elements_text(r.options -> 'record_ids') WITH ORDINALITY e (id, nr)
        WHERE e.nr > coalesce(nullif(after, ''), '0')::bigint ORDER BY e.nr LIMIT most
    ), wanted AS (
        SELECT p.at, p.id, row_number() OVER (ORDER BY p.created_at, p.id) AS nr FROM part p
        UNION ALL
        SELECT n.at, n.id, n.nr FROM named n
    )
    SELECT after, w.at, x.id, x.is_placed, x.address, encode(x.hash, 'hex'), a.hash IS NOT NULL, a.lat, a.lng
    FROM wanted w
    LEFT JOIN LATERAL (
        SELECT y.id, p.is_placed, d.address, record_geocode_hash(provider, d.address) AS hash
        FROM records y
        CROSS JOIN LATERAL (SELECT NOT again AND record_geocode_is_placed(y, r.options) AS is_placed) p
        CROSS JOIN LATERAL (SELECT CASE WHEN NOT p.is_placed THEN record_geocode_address(y.field_values, keys) END AS address) d
        WHERE y.tenant_id = r.tenant_id AND y.organization_id = r.organization_id AND y.id = w.id AND y.content_id = s.content_id AND y.deleted_at IS NULL) x ON true
    LEFT JOIN geocode_answers a ON a.tenant_id = r.tenant_id AND a.hash = x.hash AND a.expires_at > now()
    ORDER BY w.nr;
    IF NOT FOUND THEN
        PERFORM records_activity('record.bulk_written', s.id, r.success_count);
        IF r.success_count > 0 AND is_told(r.tenant_id) THEN
            PERFORM event_emit('record.bulk_written', organization, jsonb_build_object('workspace_id', organization, 'recordset_id', s.id, 'created_count', 0,
                               'updated_count', r.success_count, 'created_ids', '[]'::jsonb, 'updated_ids', '[]'::jsonb));
        END IF;
        UPDATE record_runs x SET total_rows = x.processed_rows WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = r.id;
        PERFORM record_run_end(organization, run, 'completed', NULL);
    END IF;
END
$$;

-- Write where records are: changes is {"id": [lat, lng]} of those that are locked and are to have it. How many.
CREATE OR REPLACE FUNCTION record_geocode_write(s recordsets, options jsonb, changes jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    lat_key text := options ->> 'lat_field';
    lng_key text := options ->> 'lng_field';
    place   jsonb := recordset_place(s.mode, s.settings);
    olds    records[];
    news    records[];
BEGIN
    olds := ARRAY(SELECT r FROM records r
                  WHERE r.tenant_id = s.tenant_id AND r.organization_id = s.organization_id AND r.id = ANY (ARRAY(SELECT k::uuid FROM jsonb_object_keys(changes) k)));
    news := ARRAY(
        SELECT record_changed(o, jsonb_build_object('values', jsonb_build_object(lat_key, p.lat, lng_key, p.lng))
                                 || CASE WHEN g.geometry::text IS DISTINCT FROM postgis.ST_SetSRID(postgis.ST_MakePoint(p.lng, p.lat), 4326)::text THEN '{"is_moved": true}' ELSE '{}' END::jsonb, s)
        FROM unnest(olds) o
        CROSS JOIN LATERAL (SELECT (changes -> o.id::text ->> 0)::double precision AS lat, (changes -> o.id::text ->> 1)::double precision AS lng) p
        LEFT JOIN record_geometries g ON g.tenant_id = o.tenant_id AND g.organization_id = o.organization_id AND g.record_id = o.id);
    news := ARRAY(SELECT n FROM unnest(news) n JOIN unnest(olds) o ON o.id = n.id WHERE n IS DISTINCT FROM o);
    -- Many at once are told as one, when the run is over.
    PERFORM set_config('app.quiet', 'on', true);
    PERFORM records_put(olds, news);
    PERFORM set_config('app.quiet', '', true);
    -- It follows the values from now on, unless it is by others that the recordset knows where its records are.
    INSERT INTO record_geometries AS x (tenant_id, organization_id, record_id, content_id, geometry, is_given)
    SELECT o.tenant_id, o.organization_id, o.id, o.content_id,
           postgis.ST_SetSRID(postgis.ST_MakePoint((changes -> o.id::text ->> 1)::double precision, (changes -> o.id::text ->> 0)::double precision), 4326),
           place IS NOT NULL AND place <> jsonb_build_object('lat', lat_key, 'lng', lng_key)
    FROM unnest(olds) o
    ON CONFLICT (tenant_id, organization_id, record_id) DO UPDATE SET content_id = excluded.content_id, geometry = excluded.geometry, is_given = excluded.is_given;
    PERFORM records_tell(s.organization_id, s.id) WHERE news <> '{}' AND is_told(s.tenant_id);
    RETURN cardinality(olds);
END
$$;

-- What was found out about the records from was to after: [{"id", "address", "hash", "lat", "lng", "is_new", "error"}], of which an error is of that record, no
-- lat says that there is no such place, and is_new that the provider was asked just now; skipped are those that there was nothing to do for. answered: the
-- provider has said something. False: there is nothing more to do.
CREATE OR REPLACE FUNCTION record_geocode_put(organization uuid, run uuid, was text, after text, results jsonb, skipped bigint, answered boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    r      record_runs;
    s      recordsets;
    keys   text[];
    again  boolean;
    judged jsonb;
    done   bigint;
BEGIN
    SELECT * INTO r FROM record_run_enter(organization, run, 4);
    IF NOT FOUND THEN
        RETURN false;
    ELSIF coalesce(r.summary ->> 'after', '') <> was THEN
        RAISE 'record_geocode_put: run % does not go on behind %', run, was;    -- another attempt of the job is at it
    END IF;
    PERFORM FROM recordsets x WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = r.recordset_id FOR KEY SHARE;
    SELECT x.* INTO s FROM recordsets x WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = r.recordset_id;
    IF record_geocode_problem(s.fields, s.settings, r.options) IS NOT NULL THEN
        PERFORM record_run_end(organization, run, 'failed', record_geocode_problem(s.fields, s.settings, r.options) ->> 'message');
        RETURN false;
    END IF;
    keys := ARRAY(SELECT jsonb_array_elements_text(r.options -> 'address_fields'));
    again := coalesce((r.options ->> 'overwrite')::boolean, false);
    INSERT INTO geocode_answers AS a (tenant_id, hash, lat, lng, expires_at)
    SELECT r.tenant_id, decode(x.hash, 'hex'), x.lat, x.lng, now() + interval '29 days'
    FROM (SELECT DISTINCT ON (e.hash) e.* FROM jsonb_to_recordset(results) e (hash text, lat double precision, lng double precision, is_new boolean, error text)
          WHERE e.is_new AND e.error IS NULL ORDER BY e.hash) x
    ON CONFLICT (tenant_id, hash) DO UPDATE SET lat = excluded.lat, lng = excluded.lng, expires_at = excluded.expires_at;

    -- As who changes one does: the records in the order of their ids.
    PERFORM FROM records x
    WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = ANY (ARRAY(SELECT (e ->> 'id')::uuid FROM jsonb_array_elements(results) e))
    ORDER BY x.id FOR NO KEY UPDATE;
    SELECT jsonb_agg(jsonb_build_object('id', e.id, 'address', e.address, 'lat', e.lat, 'lng', e.lng, 'is_gone', x.id IS NULL OR (NOT again AND record_geocode_is_placed(x, r.options)), 'error', CASE
               WHEN e.error IS NOT NULL THEN e.error
               WHEN e.address IS NULL THEN 'there is no address'
               WHEN record_geocode_address(x.field_values, keys) IS DISTINCT FROM e.address THEN 'the address was changed meanwhile'
               WHEN e.lat IS NULL THEN 'no such place was found'
               WHEN b.key IS NOT NULL THEN format('%s must be within %s and %s', b.key, b.min, b.max) END) ORDER BY e.nr)
    INTO judged
    FROM ROWS FROM (jsonb_to_recordset(results) AS (id uuid, address text, lat double precision, lng double precision, error text)) WITH ORDINALITY e (id, address, lat, lng, error, nr)
    LEFT JOIN records x ON x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = e.id AND x.content_id = s.content_id AND x.deleted_at IS NULL
    LEFT JOIN LATERAL (
        SELECT f ->> 'key' AS key, coalesce(f ->> 'min', '-') AS min, coalesce(f ->> 'max', '-') AS max
        FROM (VALUES (r.options ->> 'lat_field', e.lat), (r.options ->> 'lng_field', e.lng)) v (key, value)
        JOIN jsonb_array_elements(s.fields) f ON f ->> 'key' = v.key
        WHERE v.value < (f ->> 'min')::double precision OR v.value > (f ->> 'max')::double precision LIMIT 1) b ON true;
    done := record_geocode_write(s, r.options, (SELECT coalesce(jsonb_object_agg(e ->> 'id', jsonb_build_array(e -> 'lat', e -> 'lng')), '{}')
                                                FROM jsonb_array_elements(judged) e WHERE e ->> 'error' IS NULL AND NOT (e ->> 'is_gone')::boolean));
    UPDATE record_runs x
    SET step = 'looking for addresses', success_count = x.success_count + done,
        error_count = x.error_count + n.failed, skipped_count = x.skipped_count + skipped + n.gone,
        processed_rows = x.processed_rows + done + n.failed + n.gone + skipped,
        total_rows = greatest(x.total_rows, x.processed_rows + done + n.failed + n.gone + skipped),
        progress = greatest(x.progress, record_run_progress(x.processed_rows + done + n.failed + n.gone + skipped, x.total_rows)),
        summary = jsonb_build_object('after', after, 'stalls', CASE WHEN answered THEN 0 ELSE coalesce((x.summary ->> 'stalls')::integer, 0) END, 'errors', n.errors)
    FROM (SELECT count(*) FILTER (WHERE e ->> 'error' IS NOT NULL AND NOT (e ->> 'is_gone')::boolean) AS failed, count(*) FILTER (WHERE (e ->> 'is_gone')::boolean) AS gone,
                 (SELECT coalesce(jsonb_agg(y.one ORDER BY y.nr), '[]')
                  FROM jsonb_path_query(coalesce(r.summary -> 'errors', '[]') || coalesce(
                      jsonb_agg(jsonb_build_object('record_id', e -> 'id', 'address', left(coalesce(e ->> 'address', ''), 500), 'error', e -> 'error'))
                          FILTER (WHERE e ->> 'error' IS NOT NULL AND NOT (e ->> 'is_gone')::boolean), '[]'), '$[0 to 99]') WITH ORDINALITY y (one, nr)) AS errors
          FROM jsonb_array_elements(judged) e) n
    WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = r.id
    RETURNING x.* INTO r;
    PERFORM record_run_tell(r);
    RETURN true;
END
$$;

-- Another job goes on with it: after so many seconds, where the provider has nothing to say at present (is_stall), longer each time. False: it was not
-- heard of for too long, and the run has failed.
CREATE OR REPLACE FUNCTION record_geocode_pass(organization uuid, run uuid, is_stall boolean, wait_s bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    r      record_runs;
    stalls integer;
    delay  bigint;
BEGIN
    SELECT x.* INTO r FROM record_runs x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = run AND x.status IN ('queued', 'running') FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    stalls := coalesce((r.summary ->> 'stalls')::integer, 0) + is_stall::integer;
    IF stalls > 12 THEN
        PERFORM record_run_end(organization, run, 'failed', 'the geocoding provider does not answer: start it again later, and it goes on with what is missing');
        RETURN false;
    END IF;
    delay := CASE WHEN is_stall THEN least(3600, wait_s * (1 << least(stalls - 1, 10))) ELSE 0 END;
    UPDATE record_runs x
    SET job_id = job_add('ashlar.geocoding', 'record.geocode', jsonb_build_object('organization_id', organization, 'run_id', run), run_at => now() + delay * interval '1 second',
                         max_attempts => 20),
        step = CASE WHEN is_stall THEN 'waiting for the provider' ELSE x.step END,
        summary = coalesce(x.summary, '{}') || jsonb_build_object('stalls', stalls)
    WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = r.id
    RETURNING x.* INTO r;
    PERFORM record_run_tell(r) WHERE is_stall;
    RETURN true;
END
$$;
