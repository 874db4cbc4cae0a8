-- Records: how they are written.  Whoever writes has locked the recordset first, then the records in the order of their ids, and counts last; and
-- writes their slots with them (record_slots.sql).

-- The recordset of this id and content, which stays what it is until the transaction ends: it can neither go nor be emptied meanwhile.
CREATE OR REPLACE FUNCTION record_recordset(recordset uuid, content uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM recordsets s
    WHERE s.tenant_id = app_tenant() AND s.organization_id = app_organization() AND s.id = recordset AND s.content_id = content AND s.trashed_at IS NULL
    FOR KEY SHARE;
    RETURN FOUND;
END
$$;

-- So many records more, or fewer.
CREATE OR REPLACE FUNCTION record_count_add(recordset uuid, n bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO recordset_counts AS c (tenant_id, organization_id, recordset_id, stripe, count)
    VALUES (app_tenant(), app_organization(), recordset, pg_backend_pid() % 16, n)
    ON CONFLICT (tenant_id, organization_id, recordset_id, stripe) DO UPDATE SET count = c.count + excluded.count;
END
$$;

-- What a record is called where nobody has said it: the value of the field that the schema names, else of its first text field.
CREATE OR REPLACE FUNCTION record_title(field_values jsonb, fields jsonb, title_field text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN coalesce(
        left(nullif(field_values ->> title_field, ''), 500),
        left(nullif(field_values ->> (SELECT f ->> 'key' FROM jsonb_array_elements(fields) WITH ORDINALITY x (f, nr)
                                      WHERE f ->> 'type' = 'text' ORDER BY nr LIMIT 1), ''), 500));
END
$$;

-- Is this a member of the workspace?  Raises AS422.
CREATE OR REPLACE FUNCTION record_owner_check(member uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF member IS NOT NULL AND NOT EXISTS (SELECT FROM memberships m
                                          WHERE m.tenant_id = app_tenant() AND m.organization_id = app_organization() AND m.id = member) THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'owner_id', MESSAGE = 'owner_id is no member of this workspace';
    END IF;
END
$$;

-- Whose record it is learns that somebody else has made it theirs, or has changed it.
CREATE OR REPLACE FUNCTION record_notify(event text, record uuid, owner uuid, recordset uuid, title text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF owner IS NOT NULL AND owner IS DISTINCT FROM app_member() AND is_told(app_tenant()) THEN
        PERFORM notify(app_organization(), event, ARRAY[owner], jsonb_build_object('type', 'record', 'id', record, 'link', '/records/' || record), app_member(),
                       jsonb_build_object('record_id', record, 'recordset_id', recordset, 'title', title));
    END IF;
END
$$;

-- What happened to one, for those who may see its recordset.
CREATE OR REPLACE FUNCTION record_activity(event text, record uuid, recordset uuid, title text, version integer) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF is_told(app_tenant()) THEN
        PERFORM activity_put(app_organization(), event, 'recordset', recordset, app_member(), record::text, title,
                             jsonb_build_object('recordset_id', recordset, 'version', version));
    END IF;
END
$$;

-- And to many at once, as one.
CREATE OR REPLACE FUNCTION records_activity(event text, recordset uuid, n bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF n > 0 AND is_told(app_tenant()) THEN
        PERFORM activity_put(app_organization(), event, 'recordset', s.id, app_member(), s.id::text, s.name,
                             jsonb_build_object('recordset_id', s.id, 'slug', s.slug, 'count', n))
        FROM recordsets s WHERE s.tenant_id = app_tenant() AND s.organization_id = app_organization() AND s.id = recordset;
    END IF;
END
$$;

-- Who has checked values against a version of a schema, and finds another one, is to do it again: the request is run anew.
CREATE OR REPLACE FUNCTION record_schema_moved(now_is integer, checked integer) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF now_is <> checked THEN
        RAISE SQLSTATE '40001' USING MESSAGE = format('the schema has version %s by now, and not %s', now_is, checked);
    END IF;
END
$$;

-- Put new records into a recordset: rows is an array of {title, field_values, status, tags, owner_id, group_id, tool_statuses, geometry}, whose
-- values have been checked against that version of its schema (checked; NULL: whichever it is).  Their ids, in that order.  Raises AS404, AS422, AS409, or 40001
-- (see record_schema_moved(), record_keys_put()).
CREATE OR REPLACE FUNCTION records_made(recordset uuid, rows jsonb, is_many boolean, checked integer DEFAULT NULL) RETURNS uuid[]
LANGUAGE plpgsql AS $$
DECLARE
    s   record;
    ids uuid[];
    r   record;
BEGIN
    PERFORM FROM recordsets x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = recordset AND x.trashed_at IS NULL
    FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Recordset not found', DETAIL = recordset::text;
    END IF;
    -- Read when it is locked: what is unique by then is so for this one.
    SELECT x.content_id, x.fields, x.title_field, x.schema_version, x.slots, x.uniques, recordset_place(x.mode, x.settings) AS place INTO s FROM recordsets x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = recordset;
    PERFORM record_schema_moved(s.schema_version, checked);
    PERFORM record_owner_check(o.owner_id) FROM (SELECT DISTINCT owner_id FROM jsonb_to_recordset(rows) x(owner_id uuid)) o;
    WITH given AS MATERIALIZED (
        SELECT uuid_v7() AS id, x.*, coalesce(x.title, record_title(x.field_values, s.fields, s.title_field)) AS named, nr
        FROM jsonb_array_elements(rows) WITH ORDINALITY e (one, nr),
             jsonb_to_record(e.one) x(title text, field_values jsonb, status text, tags text[], owner_id uuid, group_id uuid, tool_statuses jsonb)
    ), slotted AS MATERIALIZED (
        SELECT z.*
        FROM (SELECT array_agg(g.named ORDER BY g.nr) AS titles, array_agg(g.field_values ORDER BY g.nr) AS vals FROM given g) a
        CROSS JOIN LATERAL records_slotted(a.titles, a.vals, s.slots) WITH ORDINALITY z
    ), made AS (
        INSERT INTO records (tenant_id, organization_id, id, recordset_id, content_id, title, title_given, status, tags, field_values, tool_statuses,
                             group_id, owner_id, created_by_id, changed_by_id, changed_fields, schema_version,
                             folded, t01, t02, t03, t04, t05, t06, t07, t08, t09, t10, t11, t12, t13, t14, t15, t16, n01, n02, n03, n04, n05, n06,
                             n07, n08, n09, n10, n11, n12, n13, n14, n15, n16, d01, d02, d03, d04, d05, d06, d07, d08, b01, b02, b03, b04, b05, b06)
        SELECT app_tenant(), app_organization(), g.id, recordset, s.content_id, g.named, g.title,
               coalesce(g.status, 'active'), coalesce(g.tags, '{}'), g.field_values, coalesce(g.tool_statuses, '{}'), g.group_id, coalesce(g.owner_id, app_member()),
               app_member(), app_member(), ARRAY(SELECT k FROM jsonb_object_keys(g.field_values) k ORDER BY k), s.schema_version,
               z.folded, z.t01, z.t02, z.t03, z.t04, z.t05, z.t06, z.t07, z.t08, z.t09, z.t10, z.t11, z.t12, z.t13, z.t14, z.t15, z.t16, z.n01,
               z.n02, z.n03, z.n04, z.n05, z.n06, z.n07, z.n08, z.n09, z.n10, z.n11, z.n12, z.n13, z.n14, z.n15, z.n16, z.d01, z.d02, z.d03,
               z.d04, z.d05, z.d06, z.d07, z.d08, z.b01, z.b02, z.b03, z.b04, z.b05, z.b06
        FROM given g
        JOIN slotted z ON z.ordinality = g.nr
    )
    SELECT array_agg(g.id ORDER BY g.nr) INTO ids FROM given g;
    IF s.place IS NOT NULL OR rows @? '$[*].geometry ? (@.type() == "object")' THEN
        PERFORM record_geometries_add(ids, s.content_id, rows, s.place, NOT is_many);
    END IF;
    PERFORM record_count_add(recordset, cardinality(ids));
    IF s.uniques <> '{}' THEN
        PERFORM record_keys_put(s.content_id, s.uniques, ids, is_many);
    END IF;
    IF NOT is_told(app_tenant()) THEN
        RETURN ids;
    END IF;
    FOR r IN SELECT x.id, x.owner_id, x.title FROM records x
             WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = ANY (ids) LOOP
        PERFORM record_notify('record_assigned', r.id, r.owner_id, recordset, r.title);
        PERFORM record_activity('record.created', r.id, recordset, r.title, 1);
    END LOOP;
    RETURN ids;
END
$$;

CREATE OR REPLACE FUNCTION records_add(recordset uuid, rows jsonb) RETURNS uuid[]
LANGUAGE plpgsql AS $$
BEGIN
    RETURN records_made(recordset, rows, false);
END
$$;

CREATE OR REPLACE FUNCTION records_add(recordset uuid, rows jsonb, checked integer) RETURNS uuid[]
LANGUAGE plpgsql AS $$
BEGIN
    RETURN records_made(recordset, rows, false, checked);
END
$$;

-- What a record is with a change, as record_change() has them: it is written by records_put().  The same, where nothing is another one, and its place is
-- neither ("is_moved").
CREATE OR REPLACE FUNCTION record_changed(old records, change jsonb, s recordsets) RETURNS records
LANGUAGE plpgsql AS $$
DECLARE
    given  jsonb := coalesce(change -> 'set', '{}');
    is_all boolean := coalesce((change ->> 'is_replaced')::boolean, false);
    is_one boolean := coalesce((change ->> 'is_entity')::boolean, false);
    vals   jsonb;
    tools  jsonb;
    n      records;
BEGIN
    vals := CASE WHEN NOT change ? 'values' THEN old.field_values WHEN is_all OR is_one THEN change -> 'values'
                 ELSE (old.field_values || (change -> 'values')) - ARRAY(SELECT jsonb_array_elements_text(change -> 'dropped')) END;
    tools := CASE WHEN is_all THEN coalesce(change -> 'tools', '{}') WHEN NOT change ? 'tools' THEN old.tool_statuses
                  ELSE (old.tool_statuses || (change -> 'tools')) - ARRAY(SELECT jsonb_array_elements_text(change -> 'dropped_tools')) END;
    n := old;
    n.field_values := vals;
    n.tool_statuses := tools;
    n.schema_version := CASE WHEN change ? 'values' AND (is_all OR is_one) THEN s.schema_version ELSE old.schema_version END;
    n.title_given := CASE WHEN given ? 'title' THEN given ->> 'title' WHEN NOT is_all THEN old.title_given END;
    n.title := CASE WHEN given ? 'title' OR change ? 'values' THEN coalesce(n.title_given, record_title(vals, s.fields, s.title_field)) ELSE old.title END;
    n.status := coalesce(given ->> 'status', CASE WHEN is_all THEN 'active' ELSE old.status END);
    n.tags := CASE WHEN given ? 'tags' THEN ARRAY(SELECT jsonb_array_elements_text(given -> 'tags')) WHEN is_all THEN '{}' ELSE old.tags END;
    n.owner_id := CASE WHEN given ? 'owner_id' THEN (given ->> 'owner_id')::uuid ELSE old.owner_id END;
    n.group_id := CASE WHEN given ? 'group_id' THEN (given ->> 'group_id')::uuid WHEN is_all THEN NULL ELSE old.group_id END;
    IF (n.title, vals) IS DISTINCT FROM (old.title, old.field_values) THEN
        n := jsonb_populate_record(n, record_slots_of(n.title, vals, s.slots));
    END IF;
    IF n IS NOT DISTINCT FROM old AND NOT change ? 'is_moved' THEN
        RETURN old;
    END IF;
    IF NOT coalesce((change ->> 'is_crud')::boolean, false) OR coalesce((s.settings ->> 'versioning_enabled')::boolean, true) THEN
        n.version := old.version + 1;
        n.version_id := uuid_v7();
        n.change_type := CASE WHEN change ? 'restores' THEN 'restored' ELSE 'updated' END;
        n.restored_from_version := (change ->> 'restores')::integer;
        n.changed_fields := ARRAY(SELECT k FROM (SELECT jsonb_object_keys(old.field_values || vals)) x (k)
                                  WHERE old.field_values -> k IS DISTINCT FROM vals -> k ORDER BY k);
        n.changed_by_id := app_member();
        n.changed_at := now();
    ELSIF is_one THEN
        n.change_type := 'updated';
        n.changed_fields := ARRAY(SELECT k FROM (SELECT jsonb_object_keys(old.field_values || vals)) x (k)
                                  WHERE old.field_values -> k IS DISTINCT FROM vals -> k ORDER BY k);
        n.changed_by_id := app_member();
        n.changed_at := now();
    END IF;
    RETURN n;
END
$$;

-- Write records that are other ones now, each once, and what they were (olds, which are locked) as versions.
CREATE OR REPLACE FUNCTION records_put(olds records[], news records[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO record_versions (tenant_id, organization_id, record_id, version, id, change_type, title, field_values, status, tags, changed_fields,
                                 restored_from_version, changed_by_id, changed_at)
    SELECT o.tenant_id, o.organization_id, o.id, o.version, o.version_id, o.change_type, o.title, o.field_values, o.status, o.tags, o.changed_fields,
           o.restored_from_version, o.changed_by_id, o.changed_at
    FROM unnest(olds) o
    JOIN unnest(news) n ON n.id = o.id AND n.version <> o.version;
    UPDATE records r
    SET title = n.title, title_given = n.title_given, status = n.status, tags = n.tags, field_values = n.field_values, tool_statuses = n.tool_statuses,
        group_id = n.group_id, owner_id = n.owner_id, deleted_at = n.deleted_at, version = n.version, version_id = n.version_id, change_type = n.change_type,
        changed_fields = n.changed_fields, restored_from_version = n.restored_from_version, changed_by_id = n.changed_by_id, changed_at = n.changed_at,
        schema_version = n.schema_version, (folded, t01, t02, t03, t04, t05, t06, t07, t08, t09, t10, t11, t12, t13, t14, t15, t16, n01, n02, n03, n04, n05, n06, n07, n08,
         n09, n10, n11, n12, n13, n14, n15, n16, d01, d02, d03, d04, d05, d06, d07, d08, b01, b02, b03, b04, b05, b06) =
        (n.folded, n.t01, n.t02, n.t03, n.t04, n.t05, n.t06, n.t07, n.t08, n.t09, n.t10, n.t11, n.t12, n.t13, n.t14, n.t15, n.t16, n.n01,
         n.n02, n.n03, n.n04, n.n05, n.n06, n.n07, n.n08, n.n09, n.n10, n.n11, n.n12, n.n13, n.n14, n.n15, n.n16, n.d01, n.d02, n.d03,
         n.d04, n.d05, n.d06, n.d07, n.d08, n.b01, n.b02, n.b03, n.b04, n.b05, n.b06)
    FROM unnest(news) n
    WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.id = n.id;
END
$$;

-- Change a record, and keep what it was as a version.
--
--   change  {"values": {…}, "dropped": [keys]}: values that take the place of those of the same key, and keys that go; with "is_replaced" they are
--           all that there are; without "values" they stay as they are.  "tools", "dropped_tools": the same of tool_statuses.  "set": what is sent
--           of title, status, tags, owner_id, group_id and geometry.  "expected_version"; "is_crud": versions are kept only where the recordset wants them.
--           "restores": the version that the values are of.  "is_entity": the values are all that there are, everything else stays, and who was the last to
--           write them is put down without a version, too.  "schema_version": the one that the values were checked against.
--   flag    the right that it takes: 4, and with 8 that of one's own records; NULL: it was asked already
--   tag     If-Match
--
-- What changes nothing writes nothing.  Raises AS404, AS403, AS412, AS409, AS422.
CREATE OR REPLACE FUNCTION record_change(record uuid, change jsonb, flag integer, tag bigint[]) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    old     records;
    s       recordsets;
    rights  integer;
    given   jsonb := coalesce(change -> 'set', '{}');
    place   jsonb;
    moved   boolean;
    n       records;
BEGIN
    SELECT r.* INTO old FROM records r
    WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.id = record AND r.deleted_at IS NULL;
    IF old.id IS NULL OR NOT record_recordset(old.recordset_id, old.content_id) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Record not found', DETAIL = record::text;
    END IF;
    SELECT x.* INTO s FROM recordsets x WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = old.recordset_id;
    SELECT r.* INTO old FROM records r
    WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.id = record AND r.deleted_at IS NULL
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Record not found', DETAIL = record::text;
    END IF;
    SELECT x.rights INTO rights FROM recordset_rights(app_tenant(), app_organization(), s.id, s.owner_id, app_member(), app_org_role()) x;
    IF flag IS NOT NULL AND rights & flag & 4 = 0 AND (rights & flag & 8 = 0 OR app_member() NOT IN (coalesce(old.created_by_id, record), coalesce(old.owner_id, record))) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = CASE WHEN rights & 1 = 0 THEN 'this needs can_view on the recordset'
            WHEN flag & 8 > 0 THEN 'this needs can_edit on the recordset, or can_edit_own of who made or owns the record' ELSE 'this needs can_edit on the recordset' END;
    END IF;
    PERFORM record_schema_moved(s.schema_version, (change ->> 'schema_version')::integer);
    PERFORM if_match(old.updated_at, tag);
    IF (change ->> 'expected_version')::bigint <> old.version THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'expected_version', MESSAGE = format('the record has version %s, not %s', old.version, change ->> 'expected_version');
    END IF;
    IF given ->> 'owner_id' IS DISTINCT FROM old.owner_id::text THEN
        PERFORM record_owner_check((given ->> 'owner_id')::uuid);
    END IF;

    n := record_changed(old, change, s);
    place := recordset_place(s.mode, s.settings);
    moved := record_geometry_change(record, old.content_id, given, coalesce((change ->> 'is_replaced')::boolean, false), n.field_values, place,
                                    old.field_values -> (place ->> 'geometry') IS DISTINCT FROM n.field_values -> (place ->> 'geometry'));
    PERFORM made(record);
    IF n IS NOT DISTINCT FROM old THEN
        IF NOT moved THEN
            RETURN record;
        END IF;
        n := record_changed(old, change || '{"is_moved": true}', s);
    END IF;
    PERFORM records_put(ARRAY[old], ARRAY[n]);
    IF s.uniques <> '{}' AND n.field_values <> old.field_values THEN
        PERFORM record_keys_put(s.content_id, s.uniques, ARRAY[record]);
    END IF;
    PERFORM record_notify(CASE WHEN n.owner_id IS DISTINCT FROM old.owner_id THEN 'record_assigned' ELSE 'record_updated' END, record, n.owner_id, s.id, n.title);
    PERFORM record_activity(CASE WHEN change ? 'restores' THEN 'record.restored' ELSE 'record.updated' END, record, s.id, n.title, n.version);
    RETURN record;
END
$$;

-- A new version with the values of an earlier one.
CREATE OR REPLACE FUNCTION record_restore(record uuid, history uuid) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    v record;
BEGIN
    PERFORM record_change(record, '{}', 4, NULL);    -- whether the caller may, and to lock it
    SELECT x.version, x.field_values INTO v FROM record_versions x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.record_id = record AND x.id = history
    UNION ALL
    SELECT r.version, r.field_values FROM records r
    WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.id = record AND r.version_id = history;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Version not found', DETAIL = history::text;
    END IF;
    RETURN record_change(record, jsonb_build_object('values', v.field_values, 'restores', v.version, 'dropped', (
        SELECT coalesce(jsonb_agg(k), '[]') FROM records r, jsonb_object_keys(r.field_values) k
        WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.id = record AND NOT v.field_values ? k)), 4, NULL);
END
$$;

-- Delete records: those that there are and that the caller may.  Which, and why not the others, in the order of their ids.
CREATE OR REPLACE FUNCTION records_delete(wanted uuid[], tag bigint[] DEFAULT NULL, OUT deleted uuid[], OUT missing uuid[], OUT forbidden uuid[])
LANGUAGE plpgsql AS $$
DECLARE
    s      record;
    r      records;
    rights jsonb := '{}';    -- of the recordsets that are locked
    quiet  text := coalesce(current_setting('app.quiet', true), '');
BEGIN
    deleted := '{}';
    missing := '{}';
    forbidden := '{}';
    FOR s IN SELECT DISTINCT x.recordset_id, x.content_id FROM records x
             WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = ANY (wanted) AND x.deleted_at IS NULL
             ORDER BY x.recordset_id LOOP
        IF record_recordset(s.recordset_id, s.content_id) THEN
            rights := rights || (SELECT jsonb_build_object(s.content_id, x.rights) FROM recordsets o
                                 CROSS JOIN recordset_rights(o.tenant_id, o.organization_id, o.id, o.owner_id, app_member(), app_org_role()) x
                                 WHERE o.tenant_id = app_tenant() AND o.organization_id = app_organization() AND o.id = s.recordset_id);
        END IF;
    END LOOP;
    FOR r IN SELECT x.* FROM records x
             WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = ANY (wanted) AND x.deleted_at IS NULL
             ORDER BY x.id FOR NO KEY UPDATE LOOP
        CONTINUE WHEN NOT rights ? r.content_id::text;
        IF (rights ->> r.content_id::text)::integer & 16 > 0
           OR (rights ->> r.content_id::text)::integer & 32 > 0 AND app_member() IN (coalesce(r.created_by_id, r.id), coalesce(r.owner_id, r.id)) THEN
            PERFORM if_match(r.updated_at, tag);
            deleted := deleted || r.id;
        ELSE
            forbidden := forbidden || r.id;
        END IF;
    END LOOP;
    missing := ARRAY(SELECT DISTINCT w FROM unnest(wanted) w WHERE w <> ALL (deleted || forbidden) ORDER BY w);
    INSERT INTO record_versions (tenant_id, organization_id, record_id, version, id, change_type, title, field_values, status, tags, changed_fields,
                                 restored_from_version, changed_by_id, changed_at)
    SELECT x.tenant_id, x.organization_id, x.id, x.version, x.version_id, x.change_type, x.title, x.field_values, x.status, x.tags, x.changed_fields,
           x.restored_from_version, x.changed_by_id, x.changed_at
    FROM records x WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = ANY (deleted);
    PERFORM record_keys_drop(deleted);
    -- Many at once are told as one.
    PERFORM set_config('app.quiet', 'on', true) WHERE cardinality(deleted) > 1;
    UPDATE records x
    SET status = 'deleted', deleted_at = now(), version = x.version + 1, version_id = uuid_v7(), change_type = 'deleted', changed_fields = '{}',
        restored_from_version = NULL, changed_by_id = app_member(), changed_at = now(),
        folded = NULL, t01 = NULL, t02 = NULL, t03 = NULL, t04 = NULL, t05 = NULL, t06 = NULL, t07 = NULL, t08 = NULL, t09 = NULL, t10 = NULL,
        t11 = NULL, t12 = NULL, t13 = NULL, t14 = NULL, t15 = NULL, t16 = NULL, n01 = NULL, n02 = NULL, n03 = NULL, n04 = NULL, n05 = NULL,
        n06 = NULL, n07 = NULL, n08 = NULL, n09 = NULL, n10 = NULL, n11 = NULL, n12 = NULL, n13 = NULL, n14 = NULL, n15 = NULL, n16 = NULL,
        d01 = NULL, d02 = NULL, d03 = NULL, d04 = NULL, d05 = NULL, d06 = NULL, d07 = NULL, d08 = NULL, b01 = NULL, b02 = NULL, b03 = NULL,
        b04 = NULL, b05 = NULL, b06 = NULL
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = ANY (deleted);
    UPDATE record_geometries x SET content_id = NULL WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.record_id = ANY (deleted);
    PERFORM set_config('app.quiet', quiet, true);
    FOR s IN SELECT x.recordset_id, count(*) AS n, jsonb_agg(x.id ORDER BY x.id) AS ids FROM records x
             WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = ANY (deleted)
             GROUP BY x.recordset_id ORDER BY x.recordset_id LOOP
        PERFORM record_count_add(s.recordset_id, -s.n);
        IF cardinality(deleted) = 1 THEN
            PERFORM record_activity('record.deleted', x.id, s.recordset_id, x.title, x.version) FROM records x
            WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = ANY (deleted);
        ELSE
            PERFORM records_activity('record.bulk_deleted', s.recordset_id, s.n);
        END IF;
        IF cardinality(deleted) > 1 AND is_told(app_tenant()) THEN
            PERFORM records_tell(app_organization(), s.recordset_id);
            PERFORM event_emit('record.bulk_deleted', app_organization(), jsonb_build_object('workspace_id', app_organization(), 'recordset_id', s.recordset_id,
                               'deleted_count', s.n, 'deleted_ids', s.ids));
        END IF;
    END LOOP;
END
$$;

-- One of them.  Raises AS404, AS403, AS412.
CREATE OR REPLACE FUNCTION record_delete(record uuid, tag bigint[]) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    d record;
BEGIN
    SELECT * INTO d FROM records_delete(ARRAY[record], tag);
    IF d.forbidden <> '{}' THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this needs can_delete on the recordset, or can_delete_own of who made or owns the record';
    ELSIF d.missing <> '{}' THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Record not found', DETAIL = record::text;
    END IF;
    RETURN record;
END
$$;

-- All of a recordset, at once however many: it gets another content, and a job takes the old one away.  How many there were.
CREATE OR REPLACE FUNCTION records_delete_all(recordset uuid) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    s recordsets;
    n bigint;
BEGIN
    -- Who writes into it has finished, and who wants to waits.
    SELECT x.* INTO s FROM recordsets x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = recordset AND x.trashed_at IS NULL
    FOR UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Recordset not found', DETAIL = recordset::text;
    END IF;
    PERFORM may(recordset_may(s.id, s.owner_id, 16), 'this needs can_delete on the recordset');
    SELECT coalesce(sum(c.count), 0) INTO n FROM recordset_counts c
    WHERE c.tenant_id = s.tenant_id AND c.organization_id = s.organization_id AND c.recordset_id = s.id;
    UPDATE recordset_counts c SET count = 0
    WHERE c.tenant_id = s.tenant_id AND c.organization_id = s.organization_id AND c.recordset_id = s.id AND c.count <> 0;
    UPDATE recordsets x SET content_id = uuid_v7() WHERE x.tenant_id = s.tenant_id AND x.organization_id = s.organization_id AND x.id = s.id;
    PERFORM records_removal(s);
    PERFORM audit('recordset.empty', 'recordset', s.id::text, jsonb_build_object('organization_id', s.organization_id, 'name', s.name, 'record_count', n));
    PERFORM records_activity('record.bulk_deleted', s.id, n);
    IF n > 0 AND is_told(s.tenant_id) THEN
        PERFORM records_tell(s.organization_id, s.id);
        PERFORM event_emit('record.bulk_deleted', s.organization_id, jsonb_build_object('workspace_id', s.organization_id, 'recordset_id', s.id,
                           'deleted_count', n, 'deleted_ids', '[]'::jsonb));
    END IF;
    RETURN n;
END
$$;

-- What a recordset held is taken away by the worker.
CREATE OR REPLACE FUNCTION records_removal(s recordsets) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO jobs (tenant_id, queue, kind, payload, timeout_s)
    VALUES (s.tenant_id, 'ashlar', 'records.remove', jsonb_build_object('organization_id', s.organization_id, 'content_id', s.content_id), 3600);
END
$$;

CREATE OR REPLACE FUNCTION recordset_gone() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM records_removal(OLD);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER recordsets_removed AFTER DELETE ON recordsets FOR EACH ROW EXECUTE FUNCTION recordset_gone();

-- Take away up to batch records of a content that no recordset has, with their versions and what hangs on them;
-- how many they were.
CREATE OR REPLACE FUNCTION records_remove(organization uuid, content uuid, batch integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    ids     uuid[];
    n       bigint;
    dropped bigint;
BEGIN
    IF EXISTS (SELECT FROM recordsets s WHERE s.tenant_id = app_tenant() AND s.organization_id = organization AND s.content_id = content) THEN
        RETURN 0;
    END IF;
    -- Found first, and then asked for by their keys: joined to what PostgreSQL takes for one record, each table would be read once for each.
    ids := ARRAY(
        (SELECT r.id FROM records r WHERE r.tenant_id = app_tenant() AND r.organization_id = organization AND r.content_id = content AND r.deleted_at IS NULL LIMIT batch)
        UNION ALL
        (SELECT r.id FROM records r WHERE r.tenant_id = app_tenant() AND r.organization_id = organization AND r.content_id = content AND r.deleted_at IS NOT NULL LIMIT batch)
        LIMIT batch);
    WITH gone AS (
        DELETE FROM records r WHERE r.tenant_id = app_tenant() AND r.organization_id = organization AND r.id = ANY (ids)
        RETURNING r.id
    ), versions AS (
        DELETE FROM record_versions v WHERE v.tenant_id = app_tenant() AND v.organization_id = organization AND v.record_id = ANY (ids)
    ), talk AS (
        DELETE FROM comments c
        WHERE c.tenant_id = app_tenant() AND c.organization_id = organization AND c.subject_kind = 'record' AND c.subject_id = ANY (ids)
    ), interactions AS (
        DELETE FROM record_interactions i WHERE i.tenant_id = app_tenant() AND i.organization_id = organization AND i.record_id = ANY (ids)
    ), todo AS (
        DELETE FROM tasks t WHERE t.tenant_id = app_tenant() AND t.organization_id = organization AND t.kind = 'record' AND t.subject_id = ANY (ids)
    ), insights AS (
        DELETE FROM record_insights i WHERE i.tenant_id = app_tenant() AND i.organization_id = organization AND i.record_id = ANY (ids)
    ), links AS (
        DELETE FROM record_relationships l
        WHERE l.tenant_id = app_tenant() AND l.organization_id = organization AND (l.source_record_id = ANY (ids) OR l.target_record_id = ANY (ids))
    ), keys AS (
        DELETE FROM record_keys k WHERE k.tenant_id = app_tenant() AND k.organization_id = organization AND k.record_id = ANY (ids)
    ), places AS (
        DELETE FROM record_geometries p WHERE p.tenant_id = app_tenant() AND p.organization_id = organization AND p.record_id = ANY (ids)
    ), files AS (
        DELETE FROM record_attachments f WHERE f.tenant_id = app_tenant() AND f.organization_id = organization AND f.record_id = ANY (ids)
        RETURNING f.object_id
    )
    SELECT (SELECT count(*) FROM gone), (SELECT count(stored_object_drop(f.object_id)) FROM files f) INTO n, dropped;
    RETURN n;
END
$$;

-- Count the records of all recordsets of the workspace anew; how many recordsets had another number, and how many there are.
CREATE OR REPLACE FUNCTION recordsets_recount(OUT updated_count bigint, OUT total_recordsets bigint)
LANGUAGE plpgsql AS $$
BEGIN
    -- Nobody writes into one meanwhile.
    PERFORM FROM recordsets s WHERE s.tenant_id = app_tenant() AND s.organization_id = app_organization() ORDER BY s.id FOR UPDATE;
    WITH real AS (
        SELECT s.id, (SELECT count(*) FROM records r WHERE r.tenant_id = s.tenant_id AND r.organization_id = s.organization_id
                        AND r.content_id = s.content_id AND r.deleted_at IS NULL) AS n,
               coalesce((SELECT sum(c.count) FROM recordset_counts c
                         WHERE c.tenant_id = s.tenant_id AND c.organization_id = s.organization_id AND c.recordset_id = s.id), 0) AS was
        FROM recordsets s WHERE s.tenant_id = app_tenant() AND s.organization_id = app_organization()
    ), mended AS (
        INSERT INTO recordset_counts AS c (tenant_id, organization_id, recordset_id, stripe, count)
        SELECT app_tenant(), app_organization(), r.id, 0, r.n - r.was FROM real r WHERE r.n <> r.was
        ON CONFLICT (tenant_id, organization_id, recordset_id, stripe) DO UPDATE SET count = c.count + excluded.count
    )
    SELECT count(*) FILTER (WHERE r.n <> r.was), count(*) INTO updated_count, total_recordsets FROM real r;
END
$$;

-- A record in whose recordset the caller has the right: for lists of what is below it.  Raises AS404, AS403.
CREATE OR REPLACE FUNCTION record_here(record uuid, flag integer) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    rights integer;
BEGIN
    SELECT x.rights INTO rights
    FROM records r
    JOIN recordsets s ON s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id AND s.content_id = r.content_id
    CROSS JOIN recordset_rights(s.tenant_id, s.organization_id, s.id, s.owner_id, app_member(), app_org_role()) x
    WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.id = record AND r.deleted_at IS NULL AND s.trashed_at IS NULL;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Record not found', DETAIL = record::text;
    ELSIF rights & flag <> flag THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this needs can_view on the recordset';
    END IF;
    RETURN record;
END
$$;

-- Why records were not deleted, as the answer has it.
CREATE OR REPLACE FUNCTION records_failed(missing uuid[], forbidden uuid[]) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN (SELECT coalesce(jsonb_agg(jsonb_build_object('record_id', x.id, 'reason', x.reason) ORDER BY x.id), '[]')
            FROM (SELECT id, 'not_found' AS reason FROM unnest(missing) id UNION ALL SELECT id, 'forbidden' FROM unnest(forbidden) id) x);
END
$$;
