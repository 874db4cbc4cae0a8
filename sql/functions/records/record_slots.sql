-- Slots: what of a record stands in typed columns (0129_record_slots.sql), which field is in which, and how all records come to have them.

-- None of these raises, whatever a value is: what cannot be one is NULL.

-- A value as text: of arrays and objects there is none.
CREATE OR REPLACE FUNCTION record_text(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(value) IN ('string', 'number', 'boolean') THEN value #>> '{}' END;

-- As a number, also of a text that is one; 1e999 is none, nor are digits of other scripts.
CREATE OR REPLACE FUNCTION record_number(value jsonb) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    said text := record_text(value);
    n    numeric;
BEGIN
    IF said IS NULL OR length(said) > 400 OR said !~ '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,3})?$' THEN
        RETURN NULL;
    END IF;
    n := said::numeric;
    RETURN CASE WHEN abs(n) > 1.7e308 THEN NULL WHEN abs(n) < 1e-300 THEN 0 ELSE n::double precision END;
END
$$;

-- As a time: a date is its first moment in UTC, and so is a time without a zone. Asked by letters alone, since what catches an error cannot be asked in parallel.
CREATE OR REPLACE FUNCTION record_time(value jsonb) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    part text[];
BEGIN
    IF jsonb_typeof(value) IS DISTINCT FROM 'string' THEN
        RETURN NULL;
    END IF;
    part := regexp_match(value #>> '{}', '^([0-9]{4}-(?:0[1-9]|1[0-2])-)(0[1-9]|[12][0-9]|3[01])(?:[Tt ]((?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{1,9})?)?)'
                                         '(?:[Zz]|([+-](?:0[0-9]|1[0-4]):[0-5][0-9]))?)?$');
    IF part IS NULL OR left(part[1], 4) = '0000' OR part[2]::integer > date_part('day', (part[1] || '01')::date + interval '1 month' - interval '1 day') THEN
        RETURN NULL;
    END IF;
    RETURN (part[1] || part[2] || ' ' || coalesce(part[3], '00:00') || coalesce(part[4], '+00:00'))::timestamptz;
END
$$;

CREATE OR REPLACE FUNCTION record_bool(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(value) = 'boolean' THEN value::boolean END;

-- Of which kind fields of a type are: t, n, d, b, as their slots are called; x: of none.
CREATE OR REPLACE FUNCTION record_class(type text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN CASE WHEN type IN ('number', 'currency', 'percent', 'latitude', 'longitude') THEN 'n' WHEN type IN ('date', 'datetime') THEN 'd'
                WHEN type = 'boolean' THEN 'b'
                WHEN type IN ('text', 'long_text', 'email', 'phone', 'url', 'select', 'address', 'member', 'record') THEN 't' ELSE 'x' END;
END
$$;

-- Which field of a schema is in which slot: those that settings.promoted_fields names are in the first ones; of the others the first twelve
-- that are short and can be compared, in the order of the schema. In front of those come the ones that views ask for (wanted), short or not, as long as
-- there are slots. What has a slot (old) keeps it. "folded": the keys whose texts are not searched.
CREATE OR REPLACE FUNCTION recordset_slots(fields jsonb, settings jsonb, old jsonb, wanted text[]) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    slots jsonb := '{}';
    had   jsonb := (SELECT coalesce(jsonb_object_agg(e.value, e.key), '{}') FROM jsonb_each_text(coalesce(old, '{}') - 'folded') e);    -- by their keys
    most  integer;
    n     integer := 0;
    slot  text;
    f     record;
BEGIN
    FOR f IN SELECT substr(e.key, 10, 1) AS kind, right(e.key, 1) AS nr, e.value #>> '{}' AS key
             FROM jsonb_each(CASE jsonb_typeof(settings -> 'promoted_fields') WHEN 'object' THEN settings -> 'promoted_fields' ELSE '{}' END) e
             WHERE e.key ~ '^promoted_(text_[1-5]|num_[1-5]|date_[1-3]|bool_[12])$' AND jsonb_typeof(e.value) = 'string' LOOP
        slots := slots || jsonb_build_object(f.kind || '0' || f.nr, f.key);
    END LOOP;
    FOR f IN SELECT x ->> 'key' AS key, record_class(x ->> 'type') AS kind, x ->> 'key' = ANY (wanted) AS is_wanted
             FROM jsonb_array_elements(fields) WITH ORDINALITY e (x, nr)
             WHERE record_class(x ->> 'type') <> 'x' AND (x ->> 'key' = ANY (wanted) OR x ->> 'type' NOT IN ('long_text', 'url', 'address'))
             ORDER BY x ->> 'key' = ANY (wanted) DESC, nr LOOP
        EXIT WHEN n >= 12 AND NOT f.is_wanted;
        CONTINUE WHEN EXISTS (SELECT FROM jsonb_each_text(slots) e WHERE e.value = f.key AND left(e.key, 1) = f.kind);
        most := CASE f.kind WHEN 'd' THEN 8 WHEN 'b' THEN 6 ELSE 16 END;
        slot := had ->> f.key;
        IF slot IS NULL OR left(slot, 1) <> f.kind OR slots ? slot THEN
            -- A free one; for a field that is wanted also one that another field has, which is not.
            slot := (SELECT s.slot
                     FROM generate_series(CASE f.kind WHEN 'd' THEN 4 WHEN 'b' THEN 3 ELSE 6 END, most) i
                     CROSS JOIN LATERAL (SELECT f.kind || lpad(i::text, 2, '0') AS slot) s
                     LEFT JOIN LATERAL (SELECT e.key FROM jsonb_each_text(had) e
                                        WHERE e.value = s.slot AND e.key <> f.key AND fields @> jsonb_build_array(jsonb_build_object('key', e.key)) LIMIT 1) h ON true
                     WHERE NOT slots ? s.slot AND (h.key IS NULL OR f.is_wanted AND NOT h.key = ANY (wanted))
                     ORDER BY h.key IS NOT NULL, CASE WHEN h.key IS NULL THEN i ELSE -i END LIMIT 1);
        END IF;
        CONTINUE WHEN slot IS NULL;
        slots := slots || jsonb_build_object(slot, f.key);
        n := n + 1;
    END LOOP;
    RETURN slots || jsonb_build_object('folded', (
        SELECT coalesce(jsonb_agg(x ->> 'key' ORDER BY x ->> 'key'), '[]') FROM jsonb_array_elements(fields) x
        WHERE x ->> 'type' IN ('date', 'datetime', 'member', 'record', 'geometry', 'json')));
END
$$;

-- What a record has in its slots: of those that its recordset uses.
CREATE OR REPLACE FUNCTION record_slots_of(title text, field_values jsonb, slots jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    folded text := title;
    filled jsonb := '{}';
    s      record;
BEGIN
    FOR s IN SELECT e.key, e.value FROM jsonb_each(field_values) e
             WHERE jsonb_typeof(e.value) IN ('string', 'array') AND NOT coalesce(slots -> 'folded' ? e.key, false) LOOP
        folded := concat_ws(E'\n', folded, CASE jsonb_typeof(s.value) WHEN 'string' THEN s.value #>> '{}' ELSE (
            SELECT string_agg(x #>> '{}', E'\n') FROM jsonb_array_elements(s.value) x WHERE jsonb_typeof(x) = 'string') END);
    END LOOP;
    FOR s IN SELECT e.key AS slot, field_values -> e.value AS value FROM jsonb_each_text(slots - 'folded') e LOOP
        filled := filled || jsonb_build_object(s.slot, CASE left(s.slot, 1) WHEN 't' THEN to_jsonb(left(record_text(s.value), 256))
            WHEN 'n' THEN to_jsonb(record_number(s.value)) WHEN 'd' THEN to_jsonb(record_time(s.value)) ELSE to_jsonb(record_bool(s.value)) END);
    END LOOP;
    RETURN filled || jsonb_build_object('folded', lower(folded COLLATE "und-x-icu"));
END
$$;

CREATE OR REPLACE FUNCTION record_slotted(title text, field_values jsonb, slots jsonb) RETURNS record_slots
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN jsonb_populate_record(NULL::record_slots, record_slots_of(title, field_values, slots));
END
$$;

-- A recordset knows its slots whenever its schema or settings change; of one that is new, or was emptied, all records have them.
CREATE OR REPLACE FUNCTION recordset_slotted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.slots := recordset_slots(NEW.fields, NEW.settings, NULL, NEW.slots_wanted);
        NEW.slots_filled := NEW.slots;
    ELSE
        NEW.slots := recordset_slots(NEW.fields, NEW.settings, OLD.slots, NEW.slots_wanted);
        NEW.slots_filled := CASE WHEN NEW.content_id <> OLD.content_id THEN NEW.slots ELSE NEW.slots_filled END;
    END IF;
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER recordsets_slotted_made BEFORE INSERT ON recordsets FOR EACH ROW EXECUTE FUNCTION recordset_slotted();
CREATE OR REPLACE TRIGGER recordsets_slotted_changed BEFORE UPDATE ON recordsets FOR EACH ROW
    WHEN ((OLD.fields, OLD.settings, OLD.content_id, OLD.slots_wanted) IS DISTINCT FROM (NEW.fields, NEW.settings, NEW.content_id, NEW.slots_wanted) OR NEW.slots IS NULL)
    EXECUTE FUNCTION recordset_slotted();

-- What a saved view filters, sorts or groups by.
CREATE OR REPLACE FUNCTION recordset_view_keys(config jsonb) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ARRAY(SELECT DISTINCT k FROM (
        SELECT config ->> 'sort_by' UNION ALL SELECT config ->> 'group_by'
        UNION ALL SELECT jsonb_object_keys(f) FROM unnest(ARRAY[config -> 'column_filters', config -> 'date_filters', config -> 'numeric_filters']) f
        WHERE jsonb_typeof(f) = 'object'
        UNION ALL SELECT p #>> '{}' FROM jsonb_path_query(config, '$.filter.**.field') p WHERE jsonb_typeof(p) = 'string') x (k)
        WHERE k <> '' ORDER BY k);
END
$$;

-- Fields of saved views get slots, and keep them when the view has gone: who takes one away may make another one.
CREATE OR REPLACE FUNCTION recordset_view_slots() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    quiet text := coalesce(current_setting('app.quiet', true), '');
BEGIN
    PERFORM set_config('app.quiet', 'on', true);    -- it is no change of what clients see
    UPDATE recordsets r SET slots_wanted = r.slots_wanted || ARRAY(SELECT k FROM unnest(recordset_view_keys(NEW.config)) k WHERE k <> ALL (r.slots_wanted))
    WHERE r.tenant_id = NEW.tenant_id AND r.organization_id = NEW.organization_id AND r.id = NEW.recordset_id
      AND NOT r.slots_wanted @> recordset_view_keys(NEW.config) AND cardinality(r.slots_wanted) < 500;
    PERFORM set_config('app.quiet', quiet, true);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER recordset_views_slots_made AFTER INSERT ON recordset_views FOR EACH ROW EXECUTE FUNCTION recordset_view_slots();
CREATE OR REPLACE TRIGGER recordset_views_slots_changed AFTER UPDATE OF config ON recordset_views FOR EACH ROW
    WHEN (OLD.config <> NEW.config) EXECUTE FUNCTION recordset_view_slots();

-- What of a question reads a recordset from end to end, since the fields have no slots: of more than 20,000 records it is to be counted. Who asks only reads, so
-- it is said to the runtime, which notes it behind the answer (lib/db/db.h): record_slots_used().
CREATE OR REPLACE FUNCTION record_slots_missed(s recordsets, asked jsonb) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
    keys text[] := ARRAY(
        SELECT DISTINCT f ->> 'key' FROM jsonb_array_elements(s.fields) f
        JOIN (SELECT e ->> 'key' FROM jsonb_path_query(asked -> 'filters', 'strict $.** ? (@.key.type() == "string")', '{}', true) e    -- also within and, or, not
              WHERE e ->> 'op' IN ('in', 'not_in', 'number', 'time', 'within', 'compare', 'gt', 'gte', 'lt', 'lte') UNION ALL SELECT asked ->> 'sort_by') x (key) ON x.key = f ->> 'key'
        WHERE record_class(f ->> 'type') <> 'x' AND f ->> 'key' <> ALL (s.slots_wanted)
          AND NOT EXISTS (SELECT FROM jsonb_each_text(s.slots - 'folded') e WHERE e.value = f ->> 'key' AND left(e.key, 1) = record_class(f ->> 'type')));
BEGIN
    IF keys <> '{}' AND cardinality(s.slots_wanted) < 500 AND (
        SELECT coalesce(sum(c.count), 0) FROM recordset_counts c
        WHERE c.tenant_id = s.tenant_id AND c.organization_id = s.organization_id AND c.recordset_id = s.id) > 20000 THEN
        RAISE NOTICE USING ERRCODE = 'AS901',
            MESSAGE = jsonb_build_object('tenant', s.tenant_id, 'organization', s.organization_id, 'recordset', s.id, 'keys', keys[:10])::text;
    END IF;
END
$$;

-- Count it (note: what record_slots_missed() has said): a field that was asked for three times gets a slot, as one of a saved view does. Nobody is waited for: of two
-- at once one is not counted.
CREATE OR REPLACE FUNCTION record_slots_used(note jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    uses jsonb;
    many text[];
BEGIN
    PERFORM set_config('app.tenant_id', note ->> 'tenant', true), set_config('app.organization_id', note ->> 'organization', true),
            set_config('app.quiet', 'on', true);    -- it is no change of what clients see
    SELECT x.slot_uses || (SELECT jsonb_object_agg(k, coalesce((x.slot_uses ->> k)::integer, 0) + 1)
                           FROM jsonb_array_elements_text(note -> 'keys') k WHERE k <> ALL (x.slots_wanted)) INTO uses
    FROM recordsets x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = (note ->> 'recordset')::uuid
    FOR NO KEY UPDATE SKIP LOCKED;
    many := ARRAY(SELECT e.key FROM jsonb_each_text(uses) e WHERE e.value::integer >= 3 ORDER BY e.key);
    UPDATE recordsets x SET slot_uses = uses - many, slots_wanted = x.slots_wanted || many
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = (note ->> 'recordset')::uuid AND uses IS NOT NULL;
END
$$;

-- The others are filled by a job.
CREATE OR REPLACE FUNCTION recordset_fill() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    within text := coalesce(current_setting('app.tenant_id', true), '');
BEGIN
    PERFORM set_config('app.tenant_id', NEW.tenant_id::text, true);
    PERFORM job_add('ashlar', 'records.fill', jsonb_build_object('organization_id', NEW.organization_id, 'recordset_id', NEW.id, 'slots', NEW.slots),
                    timeout_s => 3600, unique_key => 'records.fill ' || NEW.id || ' ' || md5(NEW.slots::text));
    PERFORM set_config('app.tenant_id', within, true);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER recordsets_fill AFTER UPDATE ON recordsets FOR EACH ROW
    WHEN (OLD.slots IS DISTINCT FROM NEW.slots AND NEW.slots <> NEW.slots_filled) EXECUTE FUNCTION recordset_fill();

-- The slot that a field is in and that may be asked, of a kind; NULL: none.
CREATE OR REPLACE FUNCTION record_slot(slots jsonb, filled jsonb, key text, kind text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN (SELECT min(e.key) FROM jsonb_each_text(slots) e WHERE e.value = $3 AND left(e.key, 1) = $4 AND length(e.key) = 3 AND filled ->> e.key = $3);
END
$$;

-- Write the slots of up to batch records, the newest first, behind a place (after; NULL: from the first on) as the recordset has them, those that have others.
-- last: the place to go on behind; NULL: all have them. errors: up to 100 of the values that a column of settings.promoted_fields cannot hold.
CREATE OR REPLACE FUNCTION records_slot(recordset uuid, after text, batch integer, OUT last text, OUT updated bigint, OUT errors jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    s      recordsets;
    behind timestamptz := split_part(after, ' ', 1)::timestamptz;
    id_of  uuid := split_part(after, ' ', 2)::uuid;
    wanted uuid[];
    one    uuid;
    r      records;
    n      records;
    quiet  text := coalesce(current_setting('app.quiet', true), '');
    pins   jsonb;
BEGIN
    updated := 0;
    errors := '[]';
    SELECT x.* INTO s FROM recordsets x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = recordset
    FOR KEY SHARE;
    pins := CASE jsonb_typeof(s.settings -> 'promoted_fields') WHEN 'object' THEN s.settings -> 'promoted_fields' ELSE '{}' END;
    SELECT array_agg(x.id ORDER BY x.id), CASE WHEN count(*) = batch THEN (array_agg(to_char(x.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' ' || x.id
                                                                                     ORDER BY x.created_at, x.id DESC))[1] END
    INTO wanted, last
    FROM (SELECT y.id, y.created_at FROM records y
          WHERE y.tenant_id = app_tenant() AND y.organization_id = app_organization() AND y.content_id = s.content_id AND y.deleted_at IS NULL
            AND (behind IS NULL OR y.created_at <= behind AND (y.created_at < behind OR y.id > id_of))
          ORDER BY y.created_at DESC, y.id LIMIT batch) x;
    PERFORM set_config('app.quiet', 'on', true);
    -- One by one, by its key: of many at once the planner may think that there are few.
    FOREACH one IN ARRAY coalesce(wanted, '{}') LOOP
        SELECT x.* INTO r FROM records x
        WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = one AND x.deleted_at IS NULL FOR NO KEY UPDATE;
        CONTINUE WHEN NOT FOUND;
        n := jsonb_populate_record(jsonb_populate_record(r, record_slots_empty()), record_slots_of(r.title, r.field_values, s.slots));
        IF n IS DISTINCT FROM r THEN
            UPDATE records x
            SET (folded, t01, t02, t03, t04, t05, t06, t07, t08, t09, t10, t11, t12, t13, t14, t15, t16, n01, n02, n03, n04, n05, n06, n07, n08, n09, n10, n11, n12,
                 n13, n14, n15, n16, d01, d02, d03, d04, d05, d06, d07, d08, b01, b02, b03, b04, b05, b06) =
                (n.folded, n.t01, n.t02, n.t03, n.t04, n.t05, n.t06, n.t07, n.t08, n.t09, n.t10, n.t11, n.t12, n.t13, n.t14, n.t15, n.t16, n.n01, n.n02, n.n03, n.n04,
                 n.n05, n.n06, n.n07, n.n08, n.n09, n.n10, n.n11, n.n12, n.n13, n.n14, n.n15, n.n16, n.d01, n.d02, n.d03, n.d04, n.d05, n.d06, n.d07, n.d08, n.b01,
                 n.b02, n.b03, n.b04, n.b05, n.b06)
            WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = one;
            updated := updated + 1;
        END IF;
        IF pins <> '{}' AND jsonb_array_length(errors) < 100 THEN
            errors := errors || (
                SELECT coalesce(jsonb_agg(jsonb_build_object('record_id', one, 'column', p.key, 'error', p.value || ' is no ' || k.word) ORDER BY p.key), '[]')
                FROM jsonb_each_text(pins - 'promoted_gis_1') p
                JOIN (VALUES ('t', 'text'), ('n', 'number'), ('d', 'date'), ('b', 'boolean')) k (kind, word) ON k.kind = substr(p.key, 10, 1)
                WHERE r.field_values ? p.value
                  AND CASE k.kind WHEN 't' THEN record_text(r.field_values -> p.value) IS NULL WHEN 'n' THEN record_number(r.field_values -> p.value) IS NULL
                                  WHEN 'd' THEN record_time(r.field_values -> p.value) IS NULL ELSE record_bool(r.field_values -> p.value) IS NULL END);
        END IF;
    END LOOP;
    PERFORM set_config('app.quiet', quiet, true);
END
$$;

-- All slots, with nothing in them.
CREATE OR REPLACE FUNCTION record_slots_empty() RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN to_jsonb(jsonb_populate_record(NULL::record_slots, '{}'));
END
$$;

-- The job "records.fill", a portion of it: behind after, which is '' at first. A recordset whose slots are other ones by now has a job of its own. Where it
-- goes on from; NULL: there is nothing more to do.
CREATE OR REPLACE FUNCTION records_fill(organization uuid, recordset uuid, slots jsonb, is_again boolean, after text, batch integer) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    s recordsets;
    p record;
BEGIN
    PERFORM set_config('app.organization_id', organization::text, true);
    IF after = '' THEN
        -- Who wrote while there were other slots has ended when this is locked.
        SELECT x.* INTO s FROM recordsets x
        WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = recordset FOR UPDATE;
        RETURN CASE WHEN s.slots = records_fill.slots AND (is_again OR s.slots <> s.slots_filled) THEN 'infinity 00000000-0000-0000-0000-000000000000' END;
    END IF;
    SELECT * INTO p FROM records_slot(recordset, after, batch);
    IF p.last IS NULL THEN
        PERFORM set_config('app.quiet', 'on', true);
        UPDATE recordsets x SET slots_filled = x.slots
        WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = recordset AND x.slots = records_fill.slots;
        PERFORM set_config('app.quiet', '', true);
    END IF;
    RETURN p.last;
END
$$;

-- Recordsets of all tenants whose slots nobody has said yet, or whose job has failed: each gets one. How many.
CREATE OR REPLACE FUNCTION recordsets_unfilled() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    within text := coalesce(current_setting('app.tenant_id', true), '');
    t      uuid;
    s      record;
    n      bigint := 0;
BEGIN
    PERFORM set_config('app.quiet', 'on', true);
    FOR t IN SELECT id FROM tenants ORDER BY id LOOP
        PERFORM set_config('app.tenant_id', t::text, true);
        FOR s IN SELECT x.organization_id, x.id, x.slots FROM recordsets x
                 WHERE x.tenant_id = t AND (x.slots IS NULL OR x.slots <> x.slots_filled) ORDER BY x.organization_id, x.id LIMIT 1000 LOOP
            IF s.slots IS NULL THEN    -- the triggers do it
                UPDATE recordsets x SET slots = NULL WHERE x.tenant_id = t AND x.organization_id = s.organization_id AND x.id = s.id AND x.slots IS NULL;
            ELSE
                PERFORM job_add('ashlar', 'records.fill', jsonb_build_object('organization_id', s.organization_id, 'recordset_id', s.id, 'slots', s.slots),
                                timeout_s => 3600, unique_key => 'records.fill ' || s.id || ' ' || md5(s.slots::text));
            END IF;
            n := n + 1;
        END LOOP;
    END LOOP;
    PERFORM set_config('app.tenant_id', within, true), set_config('app.quiet', '', true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION recordsets_unfilled() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION recordsets_unfilled() TO ashlar_api;

-- For who asks for it: all slots are written anew, of as many as may wait for it; more are a job's. What of them had others, how many there are.
CREATE OR REPLACE FUNCTION recordset_resync(slug_or_id text, OUT recordset_id uuid, OUT updated_count bigint, OUT total bigint, OUT errors jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    p     record;
    after text;
BEGIN
    recordset_id := recordset_here(slug_or_id, 64);
    updated_count := 0;
    errors := '[]';
    SELECT coalesce(sum(c.count), 0) INTO total FROM recordset_counts c
    WHERE c.tenant_id = app_tenant() AND c.organization_id = app_organization() AND c.recordset_id = recordset_resync.recordset_id;
    FOR i IN 1 .. 20 LOOP
        SELECT * INTO p FROM records_slot(recordset_resync.recordset_id, after, 500);
        updated_count := updated_count + p.updated;
        errors := CASE WHEN jsonb_array_length(errors) < 100 THEN errors || p.errors ELSE errors END;
        after := p.last;
        EXIT WHEN after IS NULL;
    END LOOP;
    errors := (SELECT coalesce(jsonb_agg(e.x ORDER BY e.nr), '[]') FROM jsonb_array_elements(errors) WITH ORDINALITY e (x, nr) WHERE e.nr <= 100);
    IF after IS NOT NULL THEN
        PERFORM job_add('ashlar', 'records.fill', jsonb_build_object('organization_id', x.organization_id, 'recordset_id', x.id, 'slots', x.slots, 'again', true),
                        timeout_s => 3600, unique_key => 'records.fill ' || x.id || ' again')
        FROM recordsets x
        WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = recordset_resync.recordset_id;
    END IF;
    -- Where they are comes of values, too.
    PERFORM records_place_job(x) FROM recordsets x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = recordset_resync.recordset_id AND recordset_place(x.mode, x.settings) IS NOT NULL;
END
$$;
