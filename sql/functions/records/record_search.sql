-- Which records are asked for, and in which order: filters, searches, pages.
--
-- Statements are composed here of parts that stand in this file: names of columns come from the catalogue of slots, and what a client says is
-- a parameter of them, always ($4 texts, $5 numbers, $6 times). $1 is the tenant, $2 the workspace, $3 the contents of the recordsets.

-- Candidates under the policies (sql/search/close.sql): records of a content of which all that is searched is like the pattern, or that have one of
-- the tags, or the tool; one of the three is asked, up to most.
CREATE OR REPLACE FUNCTION record_candidates(content uuid, pattern text, tags text[], tool text, most integer) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF pattern IS NOT NULL THEN
        RETURN QUERY SELECT r.id FROM records r
                     WHERE r.tenant_id = (SELECT app_tenant()) AND r.content_id = content AND r.deleted_at IS NULL AND r.folded LIKE pattern LIMIT most;
    ELSIF tags IS NOT NULL THEN
        RETURN QUERY SELECT r.id FROM records r
                     WHERE r.tenant_id = (SELECT app_tenant()) AND r.content_id = content AND r.deleted_at IS NULL AND r.tags && record_candidates.tags LIMIT most;
    ELSE
        RETURN QUERY SELECT r.id FROM records r
                     WHERE r.tenant_id = (SELECT app_tenant()) AND r.content_id = content AND r.deleted_at IS NULL AND r.tool_statuses ? tool LIMIT most;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION record_candidates(uuid, text, text[], text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_candidates(uuid, text, text[], text, integer) TO ashlar_api;

-- Of those that are like the pattern the ones whose value of a field is like another one, in small letters; key NULL: whose title is. Most of a pattern's have it in
-- another field, and to look each of them up by its id takes several times what it takes to look at it here.
CREATE OR REPLACE FUNCTION record_value_candidates(content uuid, pattern text, key text, value text, most integer) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT r.id FROM records r
                 WHERE r.tenant_id = (SELECT app_tenant()) AND r.content_id = content AND r.deleted_at IS NULL AND r.folded LIKE pattern
                   AND lower(CASE WHEN key IS NULL THEN r.title ELSE record_text(r.field_values -> key) END COLLATE "und-x-icu") LIKE value LIMIT most;
END
$$;
REVOKE ALL ON FUNCTION record_value_candidates(uuid, text, text, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_value_candidates(uuid, text, text, text, integer) TO ashlar_api;

-- Of the values those that are asked for.
CREATE OR REPLACE FUNCTION record_values(field_values jsonb, keys text[]) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN (SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}') FROM jsonb_each(field_values) e WHERE e.key = ANY (keys));
END
$$;

-- Letters that must be put in, left out or replaced to make one word of the other.
CREATE OR REPLACE FUNCTION word_distance(a text, b text) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    above integer[] := ARRAY(SELECT generate_series(0, length(b)));
    row_  integer[];
BEGIN
    FOR i IN 1 .. length(a) LOOP
        row_ := ARRAY[i];
        FOR j IN 1 .. length(b) LOOP
            row_ := row_ || least(row_[j] + 1, above[j + 1] + 1, above[j] + (substr(a, i, 1) <> substr(b, j, 1))::integer);
        END LOOP;
        above := row_;
    END LOOP;
    RETURN above[length(b) + 1];
END
$$;

-- A key that is none: 422, with the one that may have been meant.
CREATE OR REPLACE FUNCTION record_key_unknown(path text, key text, fields jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    meant text := (SELECT k FROM (SELECT x ->> 'key' AS k FROM jsonb_array_elements(fields) x
                                  UNION ALL SELECT unnest('{title,status,owner_id,created_at,updated_at}'::text[])) y
                   WHERE length(key) <= 63 AND word_distance(key, k) <= greatest(2, length(key) / 3) ORDER BY word_distance(key, k), k LIMIT 1);
BEGIN
    RAISE SQLSTATE 'AS422' USING HINT = path, MESSAGE = format('%s: %s is no field of the recordset', path, key) || coalesce('; did you mean ' || meant || '?', '');
END
$$;

-- Days, from begins on and without ends, as a clock has them that shows this time: see record_filter.h for their names.
CREATE OR REPLACE FUNCTION record_period(name text, clock timestamp, OUT begins date, OUT ends date)
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    which text := left(name, 5);
    unit  text := substr(name, 6);
    today date := clock::date;
    step  interval;
    n     integer;
BEGIN
    IF name IN ('today', 'yesterday', 'tomorrow') THEN
        begins := today + CASE name WHEN 'yesterday' THEN -1 WHEN 'tomorrow' THEN 1 ELSE 0 END;
        ends := begins + 1;
    ELSIF unit LIKE '%days' THEN
        n := split_part(unit, '_', 1)::integer;
        begins := CASE which WHEN 'last_' THEN today + 1 - n ELSE today + 1 END;
        ends := begins + n;
    ELSE
        step := CASE unit WHEN 'quarter' THEN interval '3 months' ELSE ('1 ' || unit)::interval END;
        begins := date_trunc(unit, clock) + CASE which WHEN 'last_' THEN -1 WHEN 'next_' THEN 1 ELSE 0 END * step;
        ends := begins + step;
    END IF;
END
$$;

-- What a filter comes to. f: {"path", "key", "op", …} as record_filter.h has it, or and, or, not of such. exact decides; drive, if there is one, is a condition of an index
-- that finds all of them, pattern one for record_candidates().
--
--   fields, slots, filled   the recordset's; fields NULL: of no single one, and any key goes
CREATE OR REPLACE FUNCTION record_condition(f jsonb, fields jsonb, slots jsonb, filled jsonb, INOUT texts text[], INOUT numbers double precision[],
                                            INOUT times timestamptz[], OUT exact text, OUT drive text, OUT pattern text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    key    text := f ->> 'key';
    op     text := f ->> 'op';
    vals   text[] := ARRAY(SELECT jsonb_array_elements_text(f -> 'values'));
    kind   text;
    raw    text;    -- the value, as jsonb
    said   text;    -- as text
    slot   text;
    plain  text;    -- a text pattern
    nums   double precision[];
    dates  timestamptz[];
    is_data boolean := coalesce((f ->> 'is_data')::boolean, false);    -- of an entity: data's own, however it is called
    many   text := '(SELECT e FROM jsonb_array_elements_text(CASE jsonb_typeof(%1$s) WHEN ''array'' THEN %1$s ELSE jsonb_build_array(%1$s) END) e WHERE %2$s)';
    low    text;
    high   text;
    part   record;
    parts  text[] := '{}';
    found  text[] := '{}';
    of_day record;
BEGIN
    -- What finds one part of an and finds the whole; of an or each part has to be found; of a not nothing is.
    IF f ?| '{and,or,not}' THEN
        FOR part IN SELECT e.one FROM jsonb_array_elements(coalesce(f -> 'and', f -> 'or', f -> 'not')) WITH ORDINALITY e (one, nr) ORDER BY nr LOOP
            SELECT x.texts, x.numbers, x.times, parts || format('(%s)', x.exact), found || x.drive INTO texts, numbers, times, parts, found
            FROM record_condition(part.one, fields, slots, filled, texts, numbers, times) x;
        END LOOP;
        exact := CASE WHEN f ? 'not' THEN parts[1] || ' IS NOT TRUE' ELSE array_to_string(parts, CASE WHEN f ? 'and' THEN ' AND ' ELSE ' OR ' END) END;
        exact := format('(%s)', exact);
        IF f ? 'and' THEN
            drive := (SELECT d FROM unnest(found) d WHERE d IS NOT NULL LIMIT 1);
        ELSIF f ? 'or' AND array_position(found, NULL) IS NULL THEN
            drive := (SELECT '(' || string_agg(format('(%s)', d), ' OR ') || ')' FROM unnest(found) d);
        END IF;
        RETURN;
    END IF;
    IF key IN ('title', 'status', 'owner_id') AND NOT is_data THEN
        kind := 't';
        said := CASE key WHEN 'owner_id' THEN 'r.owner_id::text' ELSE 'r.' || key END;
        raw := format('to_jsonb(%s)', said);
    ELSIF key IN ('created_at', 'updated_at') AND NOT is_data THEN
        kind := 'd';
        slot := key;
        said := format('to_char(r.%s AT TIME ZONE ''UTC'', ''YYYY-MM-DD"T"HH24:MI:SS.US"Z"'')', key);
        raw := format('to_jsonb(%s)', said);
    ELSE
        IF (jsonb_array_length(fields) > 0 OR is_data AND fields IS NOT NULL) AND NOT fields @> jsonb_build_array(jsonb_build_object('key', key)) THEN
            PERFORM record_key_unknown(f ->> 'path', key, fields);
        END IF;
        kind := record_class((SELECT x ->> 'type' FROM jsonb_array_elements(fields) x WHERE x ->> 'key' = key));
        texts := texts || key;
        raw := format('(r.field_values -> ($4)[%s])', cardinality(texts));
        said := format('record_text(%s)', raw);
    END IF;

    IF op IN ('is_null', 'is_not_null') THEN
        exact := format('%s IS %sNULL', CASE WHEN key IN ('title', 'status', 'owner_id', 'created_at', 'updated_at') AND NOT is_data THEN 'r.' || key ELSE raw END,
                        CASE op WHEN 'is_not_null' THEN 'NOT ' ELSE '' END);
    ELSIF op = 'number' THEN
        slot := CASE WHEN kind = 'n' THEN record_slot(slots, filled, key, 'n') END;
        raw := coalesce('r.' || slot, format('record_number(%s)', raw));
        IF f ? 'eq' THEN
            numbers := numbers || (f ->> 'eq')::double precision;
            exact := format('%s = ($5)[%s]', raw, cardinality(numbers));
        END IF;
        IF f ? 'min' THEN
            numbers := numbers || (f ->> 'min')::double precision;
            exact := concat_ws(' AND ', exact, format('%s >= ($5)[%s]', raw, cardinality(numbers)));
        END IF;
        IF f ? 'max' THEN
            numbers := numbers || (f ->> 'max')::double precision;
            exact := concat_ws(' AND ', exact, format('%s <= ($5)[%s]', raw, cardinality(numbers)));
        END IF;
        drive := CASE WHEN slot IS NOT NULL THEN exact END;
    ELSIF op = 'time' THEN
        slot := CASE WHEN slot IS NOT NULL THEN slot WHEN kind = 'd' THEN record_slot(slots, filled, key, 'd') END;
        raw := coalesce('r.' || slot, format('record_time(%s)', raw));
        times := times || activity_bound(f ->> 'from', false) || activity_bound(f ->> 'to', true);
        exact := format('%1$s >= ($6)[%2$s] AND %1$s < ($6)[%3$s]', raw, cardinality(times) - 1, cardinality(times));
        drive := CASE WHEN slot IS NOT NULL THEN exact END;
    ELSIF op = 'within' THEN
        IF kind <> 'd' THEN
            RAISE SQLSTATE 'AS422' USING HINT = f ->> 'path', MESSAGE = format('%s: within is for dates and times, and %s is none', f ->> 'path', key);
        ELSIF NOT is_timezone(coalesce(f ->> 'time_zone', 'UTC')) THEN
            RAISE SQLSTATE 'AS422' USING HINT = replace(f ->> 'path', '.field', '.time_zone'),
                MESSAGE = format('%s must be the name of a time zone, such as Europe/Berlin', replace(f ->> 'path', '.field', '.time_zone'));
        END IF;
        -- A date is that day everywhere.
        low := CASE WHEN fields @> jsonb_build_array(jsonb_build_object('key', key, 'type', 'date')) AND slot IS NULL THEN 'UTC' ELSE coalesce(f ->> 'time_zone', 'UTC') END;
        slot := coalesce(slot, record_slot(slots, filled, key, 'd'));
        raw := coalesce('r.' || slot, format('record_time(%s)', raw));
        SELECT * INTO of_day FROM record_period(vals[1], now() AT TIME ZONE coalesce(f ->> 'time_zone', 'UTC'));
        times := times || (of_day.begins::timestamp AT TIME ZONE low) || (of_day.ends::timestamp AT TIME ZONE low);
        exact := format('%1$s >= ($6)[%2$s] AND %1$s < ($6)[%3$s]', raw, cardinality(times) - 1, cardinality(times));
        drive := CASE WHEN slot IS NOT NULL THEN exact END;
    ELSIF op = 'compare' AND kind = 'd' THEN
        -- Behind a day is behind all of it.
        slot := coalesce(slot, record_slot(slots, filled, key, 'd'));
        times := times || record_time(to_jsonb(vals[1])) + CASE WHEN f ->> 'sign' IN ('gte', 'lt') THEN interval '0' WHEN length(vals[1]) = 10 THEN interval '1 day'
                                                                 WHEN vals[1] ~ '[.][0-9]{4}' THEN interval '1 microsecond' ELSE interval '1 millisecond' END;
        exact := format('%s %s ($6)[%s]', coalesce('r.' || slot, format('record_time(%s)', raw)), CASE WHEN f ->> 'sign' IN ('gt', 'gte') THEN '>=' ELSE '<' END, cardinality(times));
        drive := CASE WHEN slot IS NOT NULL THEN exact END;
    ELSIF op = 'compare' AND (kind = 'n' OR f -> 'is_number' = 'true') THEN    -- a number is compared with what is one, in whichever field
        slot := CASE WHEN kind = 'n' THEN record_slot(slots, filled, key, 'n') END;
        numbers := numbers || record_number(to_jsonb(vals[1]));
        exact := format('%s %s ($5)[%s]', coalesce('r.' || slot, format('record_number(%s)', raw)), record_sign(f ->> 'sign'), cardinality(numbers));
        drive := CASE WHEN slot IS NOT NULL THEN exact END;
    ELSIF op = 'compare' THEN
        texts := texts || vals[1];
        exact := format('%%s COLLATE "und-x-icu" %s ($4)[%s] COLLATE "und-x-icu"', record_sign(f ->> 'sign'), cardinality(texts));
        exact := CASE WHEN kind = 'x' THEN 'EXISTS ' || format(many, raw, format(exact, 'e')) ELSE format(exact, said) END;
    ELSIF op IN ('gt', 'gte', 'lt', 'lte', 'like', 'ilike') OR coalesce((f ->> 'is_json')::boolean, false) THEN
        SELECT x.texts, x.numbers, x.times, x.exact, x.drive, x.pattern INTO texts, numbers, times, exact, drive, pattern
        FROM entity_condition(f, raw, said, kind, CASE WHEN is_data THEN record_slot(slots, filled, key, kind) ELSE slot END,
                              is_data AND NOT slots -> 'folded' ? key AND slots -> 'folded' = filled -> 'folded', texts, numbers, times) x;
    ELSIF op IN ('in', 'not_in') THEN
        IF kind = 'n' THEN
            nums := ARRAY(SELECT record_number(to_jsonb(v)) FROM unnest(vals) v WHERE record_number(to_jsonb(v)) IS NOT NULL);
            slot := record_slot(slots, filled, key, 'n');
            low := (cardinality(numbers) + 1)::text;
            numbers := numbers || nums;
            exact := format('%s = ANY (($5)[%s:%s])', coalesce('r.' || slot, format('record_number(%s)', raw)), low, cardinality(numbers));
            drive := CASE WHEN slot IS NOT NULL THEN exact END;
        ELSIF kind = 'd' THEN
            dates := ARRAY(SELECT record_time(to_jsonb(v)) FROM unnest(vals) v WHERE record_time(to_jsonb(v)) IS NOT NULL);
            slot := coalesce(slot, record_slot(slots, filled, key, 'd'));
            low := (cardinality(times) + 1)::text;
            times := times || dates;
            exact := format('%s = ANY (($6)[%s:%s])', coalesce('r.' || slot, format('record_time(%s)', raw)), low, cardinality(times));
            drive := CASE WHEN slot IS NOT NULL THEN exact END;
        ELSE
            low := (cardinality(texts) + 1)::text;
            texts := texts || vals;
            high := cardinality(texts)::text;
            exact := CASE WHEN kind = 'x' THEN 'EXISTS ' || format(many, raw, format('e = ANY (($4)[%s:%s])', low, high)) ELSE format('%s = ANY (($4)[%s:%s])', said, low, high) END;
            slot := CASE WHEN key IN ('status', 'owner_id') AND NOT is_data THEN key WHEN kind IN ('t', 'b') AND (key <> 'title' OR is_data) THEN record_slot(slots, filled, key, kind) END;
            IF kind = 'b' THEN
                drive := CASE WHEN slot IS NOT NULL AND vals = '{true}' THEN format('r.%s = true', slot) WHEN slot IS NOT NULL AND vals = '{false}' THEN format('r.%s = false', slot) END;
                exact := coalesce(drive, exact);
            ELSIF key = 'owner_id' AND NOT is_data THEN
                drive := format('r.tenant_id = $1 AND r.organization_id = $2 AND r.owner_id = ANY (ARRAY(SELECT v::uuid FROM unnest(($4)[%s:%s]) v
                                 WHERE v ~* ''^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$''))', low, high);
            ELSIF slot IS NOT NULL AND NOT EXISTS (SELECT FROM unnest(vals) v WHERE length(v) >= 256) THEN
                exact := format('r.%s = ANY (($4)[%s:%s])', slot, low, high);
                drive := exact;
            ELSIF slot IS NOT NULL THEN
                low := (cardinality(texts) + 1)::text;
                texts := texts || ARRAY(SELECT left(v, 256) FROM unnest(vals) v);
                drive := format('r.%s = ANY (($4)[%s:%s])', slot, low, cardinality(texts));
            END IF;
        END IF;
        IF op = 'not_in' THEN
            exact := format('(%s) IS NOT TRUE', exact);
            drive := NULL;
        END IF;
    ELSE    -- contains, not_contains, starts_with, ends_with
        plain := lower(like_pattern(vals[1]) COLLATE "und-x-icu");
        texts := texts || CASE op WHEN 'starts_with' THEN substr(plain, 2) WHEN 'ends_with' THEN left(plain, -1) ELSE plain END;
        exact := CASE WHEN kind = 'x' THEN 'EXISTS ' || format(many, raw, format('lower(e COLLATE "und-x-icu") LIKE ($4)[%s]', cardinality(texts)))
                      ELSE format('lower(%s COLLATE "und-x-icu") LIKE ($4)[%s]', said, cardinality(texts)) END;
        IF op = 'not_contains' THEN
            exact := format('(%s) IS NOT TRUE', exact);
        ELSIF char_length(vals[1]) >= 3 AND (key = 'title' OR kind = 't' AND key NOT IN ('status', 'owner_id') AND NOT slots -> 'folded' ? key)
              AND slots -> 'folded' = filled -> 'folded' THEN
            pattern := plain;
        END IF;
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION record_sign(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE name WHEN 'gt' THEN '>' WHEN 'gte' THEN '>=' WHEN 'lt' THEN '<' WHEN 'lte' THEN '<=' END;

-- The same of the operators that entities have besides, and of values that are compared as JSON, since no type is known.
--
--   raw, said, kind  the value as jsonb, as text, and its kind: see record_condition()
--   slot             NULL: it has none
--   is_folded        all texts of it are searched by letters
CREATE OR REPLACE FUNCTION entity_condition(f jsonb, raw text, said text, kind text, slot text, is_folded boolean, INOUT texts text[],
                                            INOUT numbers double precision[], INOUT times timestamptz[], OUT exact text, OUT drive text, OUT pattern text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    op    text := f ->> 'op';
    vals  text[] := ARRAY(SELECT jsonb_array_elements_text(f -> 'values'));
    sign  text := CASE op WHEN 'gt' THEN '>' WHEN 'gte' THEN '>=' WHEN 'lt' THEN '<' WHEN 'lte' THEN '<=' END;
    value jsonb;
    n     integer := cardinality(texts) + 1;
BEGIN
    IF op IN ('like', 'ilike') THEN
        texts := texts || CASE op WHEN 'ilike' THEN lower(vals[1] COLLATE "und-x-icu") ELSE vals[1] END;
        exact := format(CASE op WHEN 'ilike' THEN 'lower(%s COLLATE "und-x-icu")' ELSE '(%s)' END || ' LIKE ($4)[%s]', said, n);
        IF is_folded AND kind = 't' AND vals[1] ~ '[^%_\\]{3}' THEN
            pattern := '%' || lower(vals[1] COLLATE "und-x-icu") || '%';
        END IF;
    ELSIF op IN ('in', 'not_in') THEN
        texts := texts || vals;
        exact := format('%s = ANY (ARRAY(SELECT v::jsonb FROM unnest(($4)[%s:%s]) v))', raw, n, cardinality(texts));
        IF op = 'not_in' THEN
            exact := format('(%s) IS NOT TRUE', exact);
        END IF;
    ELSE
        value := CASE WHEN f -> 'is_json' = 'true' THEN vals[1]::jsonb ELSE to_jsonb(vals[1]) END;
        IF kind = 'n' OR jsonb_typeof(value) = 'number' THEN
            numbers := numbers || record_number(value);
            exact := format('%s %s ($5)[%s]', coalesce('r.' || slot, format('record_number(%s)', raw)), sign, cardinality(numbers));
            exact := CASE WHEN kind = 'n' THEN exact ELSE format('jsonb_typeof(%s) = ''number'' AND %s', raw, exact) END;
            drive := CASE WHEN kind = 'n' AND slot IS NOT NULL THEN exact END;
        ELSIF kind = 'd' THEN
            times := times || record_time(value);
            exact := format('%s %s ($6)[%s]', coalesce('r.' || slot, format('record_time(%s)', raw)), sign, cardinality(times));
            drive := CASE WHEN slot IS NOT NULL THEN exact END;
        ELSE
            texts := texts || (value #>> '{}');
            exact := format('(%s COLLATE "und-x-icu") %s (($4)[%s] COLLATE "und-x-icu")', said, sign, n);
            IF kind = 'x' THEN
                exact := format('jsonb_typeof(%s) = ''%s'' AND %s', raw, jsonb_typeof(value), exact);
            END IF;
        END IF;
    END IF;
END
$$;

-- All that is searched of a recordset's records: what stands beside them, or, while that is being filled, what it will be.
CREATE OR REPLACE FUNCTION record_folded(s recordsets) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN s.slots -> 'folded' = s.slots_filled -> 'folded' THEN 'r.folded'
           ELSE '(record_slots_of(r.title, r.field_values, (SELECT x.slots FROM recordsets x WHERE x.tenant_id = $1 AND x.organization_id = $2 AND x.content_id = ($3)[1])) ->> ''folded'')' END;
END
$$;

-- To read very many records from end to end takes seconds: of a tenant two questions may do so at once, and who comes then is told to come again, so that the others find
-- somebody who answers. Raises AS429.
CREATE OR REPLACE FUNCTION record_scan_share(recordsets uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT coalesce(sum(c.count), 0) FROM recordset_counts c
        WHERE c.tenant_id = app_tenant() AND c.organization_id = app_organization() AND c.recordset_id = ANY (recordsets)) <= 20000 THEN
        RETURN;
    END IF;
    FOR place IN 1 .. 2 LOOP    -- until the transaction ends
        IF pg_try_advisory_xact_lock(hash_record_extended(ROW ('record_scan'::text, app_tenant(), place), 0)) THEN
            RETURN;
        END IF;
    END LOOP;
    RAISE SQLSTATE 'AS429' USING MESSAGE = 'two questions of this tenant read all records of large recordsets already: try again in 2 s';
END
$$;

-- The ids of a page of records, in their order, and how many there are; see record_condition().
--
--   recordset  NULL: of all that the caller may see
--   asked      {"filters": […], "search", "statuses", "tags", "tool", "exclude", "group_id", "sort_by", "descends"}; statuses, tags and exclude are
--              arrays as PostgreSQL writes them
--
-- How many there are is exact of a recordset without filters, else counted up to 10,001.
--
-- Statistics of slots are of no recordset in particular, so the planner is not asked which index to take. Conditions of an index are probed: what
-- finds few (2,000) is read whole, and sorted. Else the order is walked through, for a thousand rows; where these promise few, letters, tags and tools are
-- probed, whose index gives nothing before it has everything. Else the walk goes on, up to 20,000 rows; and where the page is not full by then, all that the
-- conditions leave is read. What no index knows is read whole.
--
-- Letters, tags and tools alone are all found at once where these are no more than are counted: then neither the order is walked nor are they counted once more.
--
-- What has no value comes last, either way, the newest first. Raises AS404, AS403, AS422, AS429.
CREATE OR REPLACE FUNCTION records_find(recordset uuid, asked jsonb, most bigint, skip bigint, OUT ids uuid[], OUT total bigint)
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$    -- a recordset is not all of the table, however much of it the planner thinks it is
DECLARE
    probe    constant bigint := 2001;
    near     constant bigint := 1000;
    far      constant bigint := 20000;
    counted  constant bigint := 10001;
    tenant   uuid := app_tenant();
    org      uuid := app_organization();
    s        recordsets;
    contents uuid[];
    sets     uuid[];
    rights   integer;
    texts    text[] := '{}';
    numbers  double precision[] := '{}';
    times    timestamptz[] := '{}';
    conds    text[] := '{}';
    drives   text[] := '{}';
    finds    text[] := '{}';    -- calls of record_candidates(), but for how many
    is_found boolean;    -- what is found is all that is asked for
    c        record;
    is_entity boolean := coalesce((asked ->> 'is_entity')::boolean, false);    -- every member sees them, and the dashboard
    base     text := 'r.deleted_at IS NULL';
    of_one   text;
    statuses text[] := (asked ->> 'statuses')::text[];
    sort_by  text := coalesce(asked ->> 'sort_by', 'created_at');
    way_of   text := CASE WHEN coalesce((asked ->> 'descends')::boolean, true) THEN 'DESC' ELSE 'ASC' END;
    back     text := CASE WHEN way_of = 'DESC' THEN 'ASC' ELSE 'DESC' END;
    kind     text;
    k        text;    -- what it is sorted by
    there    text := 'true';    -- it has that, where it may be null
    within   text;    -- the same, and is asked for by that
    ordered  text;    -- those that have it
    paged    text;
    walks    boolean := true;    -- an index has that order
    all_of   text;    -- the conditions
    best     text;    -- where to read those that are few
    fewest   bigint := probe;
    many     boolean := false;    -- there are rather many
    is_slow  boolean := false;    -- a field that is asked for may have no slot
    walked   uuid[];
    n        bigint;
    q        text;
BEGIN
    IF recordset IS NOT NULL THEN
        SELECT x.* INTO s FROM recordsets x WHERE x.tenant_id = tenant AND x.organization_id = org AND x.id = recordset AND x.trashed_at IS NULL;
        IF is_entity AND NOT coalesce(s.is_entity, false) THEN
            RAISE SQLSTATE 'AS404' USING HINT = 'schema_id', MESSAGE = 'Entity schema not found', DETAIL = recordset::text;
        ELSIF s.id IS NULL THEN
            RAISE SQLSTATE 'AS404' USING HINT = 'recordset_id', MESSAGE = 'Recordset not found', DETAIL = recordset::text;
        END IF;
        SELECT x.rights INTO rights FROM recordset_rights(tenant, org, s.id, s.owner_id, app_member(), app_org_role()) x;
        IF rights & 1 = 0 AND NOT is_entity THEN
            RAISE SQLSTATE 'AS403' USING MESSAGE = 'this needs can_view on the recordset';
        END IF;
        contents := ARRAY[s.content_id];
        sets := ARRAY[s.id];
    ELSIF is_entity THEN
        SELECT coalesce(array_agg(x.content_id), '{}'), coalesce(array_agg(x.id), '{}') INTO contents, sets FROM recordsets x
        WHERE x.tenant_id = tenant AND x.organization_id = org AND x.is_entity AND x.trashed_at IS NULL;
        rights := 1;
    ELSE
        SELECT array_agg(x.content_id), array_agg(x.id) INTO contents, sets FROM recordsets x
        CROSS JOIN recordset_rights(x.tenant_id, x.organization_id, x.id, x.owner_id, app_member(), app_org_role()) y
        WHERE x.tenant_id = tenant AND x.organization_id = org AND x.trashed_at IS NULL
          AND y.rights & CASE WHEN 'deleted' = ANY (statuses) THEN 64 ELSE 1 END <> 0;
        contents := coalesce(contents, '{}');
        sets := coalesce(sets, '{}');
        rights := 64;
    END IF;

    -- What is asked for, as conditions.
    FOR c IN SELECT f FROM jsonb_array_elements(asked -> 'filters') WITH ORDINALITY e (f, nr) ORDER BY nr LOOP
        -- What is like the pattern in one field is so in all that is searched, which is in small letters already: most are told by that alone.
        SELECT x.texts, x.numbers, x.times, CASE WHEN x.pattern IS NULL THEN conds ELSE conds || format('r.folded LIKE ($4)[%s]', cardinality(x.texts) + 1) END || x.exact,
               CASE WHEN x.drive IS NULL THEN drives ELSE drives || x.drive END,
               CASE WHEN x.pattern IS NULL THEN finds
                    WHEN c.f ->> 'op' NOT IN ('contains', 'starts_with', 'ends_with') THEN finds || format('record_candidates(($3)[1], ($4)[%s], NULL, NULL', cardinality(x.texts) + 1)
                    ELSE finds || format('record_value_candidates(($3)[1], ($4)[%s], %s, ($4)[%s]', cardinality(x.texts) + 1,    -- its key and value are the last texts
                                         CASE WHEN c.f ->> 'key' = 'title' AND NOT coalesce((c.f ->> 'is_data')::boolean, false) THEN 'NULL' ELSE format('($4)[%s]', cardinality(x.texts) - 1) END,
                                         cardinality(x.texts)) END,
               CASE WHEN x.pattern IS NULL THEN x.texts ELSE x.texts || x.pattern END
        INTO texts, numbers, times, conds, drives, finds, texts
        FROM record_condition(c.f, CASE WHEN recordset IS NOT NULL THEN s.fields END, s.slots, s.slots_filled, texts, numbers, times) x;
    END LOOP;
    is_slow := jsonb_array_length(asked -> 'filters') > cardinality(drives) + cardinality(finds);
    IF btrim(asked ->> 'search') <> '' THEN
        texts := texts || lower(like_pattern(asked ->> 'search') COLLATE "und-x-icu");
        conds := conds || format('%s LIKE ($4)[%s]', CASE WHEN recordset IS NULL THEN 'coalesce(r.folded, record_slots_of(r.title, r.field_values, NULL) ->> ''folded'')'
            ELSE record_folded(s) END,
            cardinality(texts));
        IF char_length(asked ->> 'search') >= 3 AND recordset IS NOT NULL AND s.slots -> 'folded' = s.slots_filled -> 'folded' THEN
            finds := finds || format('record_candidates(($3)[1], ($4)[%s], NULL, NULL', cardinality(texts));
        END IF;
    END IF;
    IF asked ? 'tags' THEN
        n := cardinality(texts) + 1;
        texts := texts || (asked ->> 'tags')::text[];
        conds := conds || format('r.tags && ($4)[%s:%s]', n, cardinality(texts));
        finds := finds || format('record_candidates(($3)[1], NULL, ($4)[%s:%s], NULL', n, cardinality(texts));
    END IF;
    IF asked ? 'tool' THEN
        texts := texts || (asked ->> 'tool');
        conds := conds || format('r.tool_statuses ? ($4)[%s]', cardinality(texts));
        finds := finds || format('record_candidates(($3)[1], NULL, NULL, ($4)[%s]', cardinality(texts));
    END IF;
    IF asked ? 'exclude' THEN
        n := cardinality(texts) + 1;
        texts := texts || (asked ->> 'exclude')::text[];
        conds := conds || format('(record_text(r.field_values -> ''ai_recommendation'') = ANY (($4)[%s:%s])) IS NOT TRUE', n, cardinality(texts));
    END IF;
    IF asked ? 'group_id' THEN
        texts := texts || (asked ->> 'group_id');
        conds := conds || format('r.group_id = (($4)[%s])::uuid', cardinality(texts));
        drives := drives || format('r.group_id = (($4)[%s])::uuid', cardinality(texts));
    END IF;
    IF statuses IS NOT NULL THEN
        n := cardinality(texts) + 1;
        texts := texts || statuses;
        conds := conds || format('r.status = ANY (($4)[%s:%s])', n, cardinality(texts));
        IF NOT 'active' = ANY (statuses) THEN
            drives := drives || conds[cardinality(conds)];
        END IF;
        IF 'deleted' = ANY (statuses) AND rights & 64 > 0 THEN
            -- What is deleted has no slots, and no index of those that are.
            base := CASE WHEN statuses = '{deleted}' THEN 'r.deleted_at IS NOT NULL' ELSE 'true' END;
            walks := false;
            drives := '{}';
            finds := '{}';
            conds := '{}';
            numbers := '{}';
            times := '{}';
            texts := statuses;
            conds := ARRAY[format('r.status = ANY (($4)[1:%s])', cardinality(statuses))];
            FOR c IN SELECT f FROM jsonb_array_elements(asked -> 'filters') WITH ORDINALITY e (f, nr) ORDER BY nr LOOP
                SELECT x.texts, x.numbers, x.times, conds || x.exact INTO texts, numbers, times, conds
                FROM record_condition(c.f, CASE WHEN recordset IS NOT NULL THEN s.fields END, s.slots, '{}', texts, numbers, times) x;
            END LOOP;
        END IF;
    END IF;

    -- The order.
    IF sort_by IN ('created_at', 'updated_at') THEN
        k := 'r.' || sort_by;
        ordered := format('%s %s, r.id %s', k, way_of, back);
    ELSIF sort_by IN ('title', 'status') AND NOT is_entity THEN
        k := CASE sort_by WHEN 'title' THEN '(r.title COLLATE "und-x-icu")' ELSE 'r.status' END;
        there := CASE sort_by WHEN 'title' THEN 'r.title IS NOT NULL' ELSE there END;
        ordered := format('%s %s, r.id %2$s', k, way_of);
    ELSE
        IF recordset IS NULL AND is_entity THEN
            RAISE SQLSTATE 'AS422' USING HINT = 'order_by', MESSAGE = 'order_by: a field orders the records of one schema; without schema_id there are created_at and updated_at';
        ELSIF recordset IS NULL THEN
            RAISE SQLSTATE 'AS422' USING HINT = 'sort_by', MESSAGE = 'sort_by must be created_at, updated_at, title or status where no recordset_id is given';
        ELSIF (jsonb_array_length(s.fields) > 0 OR is_entity) AND NOT s.fields @> jsonb_build_array(jsonb_build_object('key', sort_by)) THEN
            PERFORM record_key_unknown(CASE WHEN is_entity THEN 'order_by' ELSE 'sort_by' END, sort_by, s.fields);
        END IF;
        kind := replace(record_class((SELECT x ->> 'type' FROM jsonb_array_elements(s.fields) x WHERE x ->> 'key' = sort_by)), 'x', 't');
        k := CASE WHEN walks THEN 'r.' || record_slot(s.slots, s.slots_filled, sort_by, kind) END;
        IF k IS NULL THEN
            is_slow := is_slow OR walks;
            walks := false;
            texts := texts || sort_by;
            k := format(CASE kind WHEN 'n' THEN 'record_number(%s)' WHEN 'd' THEN 'record_time(%s)' WHEN 'b' THEN 'record_bool(%s)'
                                  ELSE '(left(record_text(%s), 256) COLLATE "und-x-icu")' END, format('(r.field_values -> ($4)[%s])', cardinality(texts)));
        END IF;
        there := k || ' IS NOT NULL';
        ordered := format('%s %s, r.id %2$s', k, way_of);
    END IF;

    IF is_slow AND recordset IS NOT NULL AND most > 0 THEN    -- without a page the total of an empty one is asked for, once more
        PERFORM record_slots_missed(s, asked);
    END IF;

    all_of := CASE WHEN conds = '{}' THEN 'true' ELSE array_to_string(conds, ' AND ') END;
    of_one := format('r.tenant_id = $1 AND r.organization_id = $2 AND r.content_id = ($3)[1] AND %s', base);
    ids := '{}';

    -- Of many recordsets: of each so many as could be on the page, and of these the first.
    IF recordset IS NULL THEN
        IF conds = '{}' THEN
            SELECT coalesce(sum(x.count), 0) INTO total FROM recordset_counts x
            WHERE x.tenant_id = tenant AND x.organization_id = org AND x.recordset_id = ANY (sets);
        ELSE
            PERFORM record_scan_share(sets);
            EXECUTE format('SELECT count(*) FROM (SELECT FROM unnest($3) o (content) CROSS JOIN LATERAL (
                                SELECT FROM records r WHERE r.tenant_id = $1 AND r.organization_id = $2 AND r.content_id = o.content AND %s AND %s LIMIT %s) r LIMIT %3$s) x',
                           base, all_of, counted)
            INTO total USING tenant, org, contents, texts, numbers, times;
        END IF;
        q := format('SELECT r.id, %s AS k, r.created_at FROM records r WHERE r.tenant_id = $1 AND r.organization_id = $2 AND r.content_id = o.content AND %s AND %s', k, base, all_of);
        EXECUTE format('SELECT ARRAY(SELECT y.id FROM unnest($3) o (content) CROSS JOIN LATERAL ((%s AND %s ORDER BY %s LIMIT $7 + $8)%s) y ORDER BY %s LIMIT $7 OFFSET $8)', q, there, ordered,
                       CASE WHEN there <> 'true' THEN format(' UNION ALL (%s AND NOT (%s) ORDER BY r.created_at DESC, r.id LIMIT $7 + $8)', q, there) ELSE '' END,
                       format('y.k %s NULLS LAST, CASE WHEN y.k IS NULL THEN y.created_at END DESC, CASE WHEN y.k IS NULL THEN y.id END, y.id %s', way_of,
                              CASE WHEN sort_by IN ('created_at', 'updated_at') THEN back ELSE way_of END))
        INTO ids USING tenant, org, contents, texts, numbers, times, most, skip;
        RETURN;
    END IF;

    -- All of one: those that have what it is sorted by, and then the others.
    IF conds = '{}' AND walks THEN
        SELECT coalesce(sum(x.count), 0) INTO total FROM recordset_counts x WHERE x.tenant_id = tenant AND x.organization_id = org AND x.recordset_id = s.id;
        IF sort_by = 'created_at' AND way_of = 'DESC' THEN    -- what is asked most of all is planned once
            ids := ARRAY(SELECT r.id FROM records r WHERE r.tenant_id = tenant AND r.organization_id = org AND r.content_id = s.content_id AND r.deleted_at IS NULL
                         ORDER BY r.created_at DESC, r.id LIMIT most OFFSET skip);
            RETURN;
        END IF;
        EXECUTE format('SELECT ARRAY(SELECT r.id FROM records r WHERE %s AND %s ORDER BY %s LIMIT $7 OFFSET $8)', of_one, there, ordered)
        INTO ids USING tenant, org, contents, texts, numbers, times, most, skip;
        IF cardinality(ids) < most AND there <> 'true' THEN
            n := skip + cardinality(ids);
            IF cardinality(ids) = 0 THEN
                EXECUTE format('SELECT count(*) FROM (SELECT FROM records r WHERE %s AND %s ORDER BY %s LIMIT $8) x', of_one, there, ordered)
                INTO n USING tenant, org, contents, texts, numbers, times, most, skip;
            END IF;
            EXECUTE format('SELECT ARRAY(SELECT r.id FROM records r WHERE %s AND NOT (%s) ORDER BY r.created_at DESC, r.id LIMIT $7 OFFSET $8)', of_one, there)
            INTO walked USING tenant, org, contents, texts, numbers, times, most - cardinality(ids), skip + cardinality(ids) - n;
            ids := ids || walked;
        END IF;
        RETURN;
    END IF;

    -- Rows m, with what they are sorted by, in the order of pages.
    paged := format('ARRAY(SELECT m.id FROM m WHERE m.fits ORDER BY m.k %s NULLS LAST, CASE WHEN m.k IS NULL THEN m.created_at END DESC, CASE WHEN m.k IS NULL THEN m.id END, m.id %s
                           LIMIT $7 OFFSET $8)', way_of, CASE WHEN sort_by IN ('created_at', 'updated_at') THEN back ELSE way_of END);

    -- The first condition is probed, and answered where it is few, in one statement: to plan one takes as long as to read hundreds of rows.
    IF drives <> '{}' THEN
        EXECUTE format('WITH m AS MATERIALIZED (SELECT r.id, r.created_at, %s AS k, (%s AND %s) IS TRUE AS fits FROM records r
                                                WHERE r.content_id = ($3)[1] AND r.deleted_at IS NULL AND %s LIMIT %s)
                        SELECT (SELECT count(*) FROM m), (SELECT count(*) FROM m WHERE m.fits), %s', k, of_one, all_of, drives[1], probe, paged)
        INTO n, total, ids USING tenant, org, contents, texts, numbers, times, most, skip;
        IF n < probe AND (n < 200 OR cardinality(drives) = 1) THEN
            RETURN;
        ELSIF n < probe THEN
            fewest := n;
            best := format('FROM (SELECT r.* FROM records r WHERE r.content_id = ($3)[1] AND r.deleted_at IS NULL AND %s OFFSET 0) r', drives[1]);
        END IF;
        ids := '{}';
    END IF;
    FOREACH q IN ARRAY drives[2:] LOOP
        EXIT WHEN fewest < 200;
        EXECUTE format('SELECT count(*) FROM (SELECT FROM records r WHERE r.content_id = ($3)[1] AND r.deleted_at IS NULL AND %s LIMIT %s) x', q, probe)
        INTO n USING tenant, org, contents, texts, numbers, times;
        IF n < fewest THEN
            fewest := n;
            best := format('FROM (SELECT r.* FROM records r WHERE r.content_id = ($3)[1] AND r.deleted_at IS NULL AND %s OFFSET 0) r', q);
        END IF;
    END LOOP;
    -- What is asked for by the very field of the order begins where that begins.
    within := concat_ws(' AND ', there, (SELECT string_agg(d, ' AND ') FROM unnest(drives) d WHERE position(k IN d) > 0));
    IF best IS NULL AND walks THEN
        q := format('SELECT ARRAY(SELECT r.id FROM (SELECT r.* FROM records r WHERE %s AND %s ORDER BY %s LIMIT $7) r WHERE %s LIMIT $8)', of_one, within, ordered, all_of);
        EXECUTE q INTO walked USING tenant, org, contents, texts, numbers, times, near + skip + most, near + skip + most;
        many := cardinality(walked) >= skip + most AND cardinality(walked) * 20 >= near + skip + most;
    END IF;
    IF best IS NULL AND NOT many THEN
        FOREACH q IN ARRAY finds LOOP
            IF cardinality(finds) = 1 THEN
                q := format('%s, %s)', q, counted);
                EXECUTE format('WITH f AS MATERIALIZED (SELECT f FROM %s f), m AS MATERIALIZED (
                                    SELECT r.id, r.created_at, %s AS k, true AS fits FROM f JOIN records r ON r.tenant_id = $1 AND r.organization_id = $2 AND r.id = f.f
                                    WHERE %s AND %s AND (SELECT count(*) FROM f) < %s)
                                SELECT (SELECT count(*) FROM f), (SELECT count(*) FROM m), %s', q, k, of_one, all_of, counted, paged)
                INTO n, total, ids USING tenant, org, contents, texts, numbers, times, most, skip;
                IF n < counted THEN
                    RETURN;
                END IF;
                ids := '{}';
                is_found := cardinality(conds) = CASE WHEN starts_with(q, 'record_value_') THEN 2 ELSE 1 END;
                EXIT;
            END IF;
            q := format('%s, %s)', q, probe);
            EXECUTE 'SELECT count(*) FROM ' || q INTO n USING tenant, org, contents, texts, numbers, times;
            IF n < fewest THEN
                fewest := n;
                best := format('FROM %s f JOIN records r ON r.tenant_id = $1 AND r.organization_id = $2 AND r.id = f', q);
            END IF;
        END LOOP;
    END IF;
    IF best IS NULL AND walks THEN
        IF cardinality(walked) < skip + most THEN
            q := format('SELECT ARRAY(SELECT r.id FROM (SELECT r.* FROM records r WHERE %s AND %s ORDER BY %s LIMIT $7) r WHERE %s LIMIT $8)', of_one, within, ordered, all_of);
            EXECUTE q INTO walked USING tenant, org, contents, texts, numbers, times, far + skip + most, skip + most;
        END IF;
        IF cardinality(walked) >= skip + most THEN
            ids := walked[skip + 1 : skip + most];
            IF is_found THEN
                total := counted;
                RETURN;
            ELSIF NOT many AND cardinality(finds) > 1 THEN
                EXECUTE format('SELECT count(*), count(r.id) FILTER (WHERE %s AND %s) FROM %s, %s) f
                                LEFT JOIN records r ON r.tenant_id = $1 AND r.organization_id = $2 AND r.id = f', of_one, all_of, finds[1], counted)
                INTO n, total USING tenant, org, contents, texts, numbers, times;
                IF n < counted THEN
                    RETURN;
                END IF;
            END IF;
            IF NOT many THEN
                PERFORM record_scan_share(sets);
            END IF;
            PERFORM set_config('enable_bitmapscan', 'off', true);    -- a bitmap is all there is, before the first one is counted
            EXECUTE format('SELECT count(*) FROM (SELECT FROM records r WHERE %s AND %s LIMIT %s) x', of_one, all_of, counted)
            INTO total USING tenant, org, contents, texts, numbers, times;
            PERFORM set_config('enable_bitmapscan', 'on', true);
            RETURN;
        END IF;
    END IF;

    IF best IS NULL THEN
        PERFORM record_scan_share(sets);
    END IF;
    EXECUTE format('WITH m AS MATERIALIZED (SELECT r.id, r.created_at, %s AS k, true AS fits %s WHERE %s AND %s) SELECT (SELECT count(*) FROM m), %s',
                   k, coalesce(best, 'FROM records r'), of_one, all_of, paged)
    INTO n, ids USING tenant, org, contents, texts, numbers, times, most, skip;
    IF conds = '{}' AND base = 'r.deleted_at IS NULL' THEN
        total := n;
    ELSE
        total := least(n, counted);
    END IF;
END
$$;
