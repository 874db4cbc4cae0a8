-- How the records of a recordset are spread over the values of its fields.

-- What a value of a field counts for: each element of what is an array; with a part ('day', 'month', 'year') the first day of it in UTC, unless it is that
-- already.  NULL: no value.
CREATE OR REPLACE FUNCTION record_facet_counted(value jsonb, part text) RETURNS SETOF jsonb
LANGUAGE plpgsql IMMUTABLE ROWS 1 AS $$
BEGIN
    IF jsonb_typeof(value) = 'array' THEN
        RETURN QUERY SELECT DISTINCT x FROM jsonb_array_elements(value) x;
        IF NOT FOUND THEN
            RETURN NEXT NULL;
        END IF;
    ELSIF part IS NOT NULL THEN
        RETURN NEXT to_jsonb(to_char(date_trunc(part, record_time(value) AT TIME ZONE 'UTC'), 'YYYY-MM-DD'));
    ELSE
        RETURN NEXT value;
    END IF;
END
$$;

-- The records that are asked for, as records_find() has it, by each of these fields: up to most values of each, those that most have first, of times the last ones first; and
-- what the numbers of a field come to.  Without filters they are all there are, else up to 100,000.  Raises AS404, AS403, AS422, AS429.
CREATE OR REPLACE FUNCTION record_facets(slug_or_id text, fields text[], part text, measure text, asked jsonb, most integer, OUT recordset_id uuid, OUT total bigint, OUT facets jsonb)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    s      recordsets;
    field  text;
    class  text;
    ids    uuid[];
    is_all boolean := jsonb_array_length(asked -> 'filters') = 0 AND coalesce(btrim(asked ->> 'search'), '') = '' AND NOT asked ?| '{statuses,tags}';
BEGIN
    recordset_id := recordset_here(slug_or_id, 1);
    SELECT x.* INTO s FROM recordsets x WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = record_facets.recordset_id;
    FOREACH field IN ARRAY fields || measure LOOP
        CONTINUE WHEN field IS NULL;
        class := coalesce((SELECT record_class(f ->> 'type') FROM jsonb_array_elements(s.fields) f WHERE f ->> 'key' = field),
                          CASE WHEN field IN ('created_at', 'updated_at') THEN 'd' WHEN field IN ('status', 'owner_id', 'tags') THEN 't' END);
        IF class IS NULL THEN
            RAISE SQLSTATE 'AS422' USING HINT = CASE WHEN field = ANY (fields) THEN 'fields' ELSE 'measure' END, MESSAGE = format('%s is no field of the recordset', field);
        ELSIF field = ANY (fields) AND part IS NOT NULL AND class <> 'd' THEN
            RAISE SQLSTATE 'AS422' USING HINT = 'interval', MESSAGE = format('interval is for dates, and %s is none', field);
        ELSIF field IS NOT DISTINCT FROM measure AND class <> 'n' THEN
            RAISE SQLSTATE 'AS422' USING HINT = 'measure', MESSAGE = format('measure must be a field of numbers: %s is none', field);
        END IF;
    END LOOP;
    IF NOT is_all THEN
        SELECT x.ids INTO ids FROM records_find(s.id, asked, 100001, 0) x;
        total := cardinality(ids);
        IF total > 100000 THEN
            RAISE SQLSTATE 'AS422' USING HINT = 'fields', MESSAGE = 'these filters leave more than 100,000 records';
        END IF;
    ELSE
        PERFORM record_scan_share(ARRAY[s.id]);
        SELECT coalesce(sum(x.count), 0) INTO total FROM recordset_counts x WHERE x.tenant_id = s.tenant_id AND x.organization_id = s.organization_id AND x.recordset_id = s.id;
    END IF;
    -- Records are counted by what stands there, and then what that counts for: of so many there are a few different ones.
    WITH found AS (
        SELECT r.field_values, r.status, r.owner_id, r.tags, r.created_at, r.updated_at
        FROM records r
        WHERE is_all AND r.tenant_id = s.tenant_id AND r.organization_id = s.organization_id AND r.content_id = s.content_id AND r.deleted_at IS NULL
        UNION ALL
        SELECT r.field_values, r.status, r.owner_id, r.tags, r.created_at, r.updated_at
        FROM records r
        WHERE NOT is_all AND r.tenant_id = s.tenant_id AND r.organization_id = s.organization_id AND r.id = ANY (ids)
    ), stored AS (
        SELECT f.field, f.nr,
               CASE f.field WHEN 'status' THEN to_jsonb(x.status) WHEN 'owner_id' THEN to_jsonb(x.owner_id) WHEN 'tags' THEN to_jsonb(x.tags)
                    WHEN 'created_at' THEN to_jsonb(CASE WHEN part IS NULL THEN json_time_us(x.created_at) ELSE to_char(date_trunc(part, x.created_at AT TIME ZONE 'UTC'), 'YYYY-MM-DD') END)
                    WHEN 'updated_at' THEN to_jsonb(CASE WHEN part IS NULL THEN json_time_us(x.updated_at) ELSE to_char(date_trunc(part, x.updated_at AT TIME ZONE 'UTC'), 'YYYY-MM-DD') END)
                    ELSE nullif(x.field_values -> f.field, 'null') END AS value,
               count(*) AS n, count(x.number) AS numbers, sum(x.number) AS sum, min(x.number) AS min, max(x.number) AS max
        FROM (SELECT y.*, CASE WHEN measure IS NULL THEN NULL WHEN jsonb_typeof(y.field_values -> measure) = 'number' AND length((y.field_values -> measure)::text) <= 18
                               THEN (y.field_values -> measure)::double precision ELSE record_number(y.field_values -> measure) END AS number FROM found y OFFSET 0) x    -- once of each
        CROSS JOIN unnest(fields) WITH ORDINALITY f (field, nr)
        GROUP BY 1, 2, 3
    ), spread AS (
        SELECT t.field, t.nr, v.value, sum(t.n) AS n, sum(t.sum) AS sum, sum(t.sum) / nullif(sum(t.numbers), 0)::double precision AS avg, min(t.min) AS min, max(t.max) AS max
        FROM stored t
        CROSS JOIN LATERAL record_facet_counted(t.value, part) v (value)
        GROUP BY t.field, t.nr, v.value
    ), ranked AS (
        SELECT p.*, row_number() OVER (PARTITION BY p.nr ORDER BY CASE WHEN part IS NOT NULL THEN p.value #>> '{}' END DESC NULLS LAST, p.n DESC, p.value) AS place FROM spread p
    ), by_field AS (
        SELECT k.nr, jsonb_build_object('field', min(k.field), 'value_count', count(k.value), 'other_count', coalesce(sum(k.n) FILTER (WHERE k.place > most), 0),
            'values', jsonb_agg(jsonb_build_object('value', k.value, 'count', k.n)
                || CASE WHEN measure IS NULL THEN '{}' ELSE jsonb_build_object('sum', k.sum, 'avg', k.avg, 'min', k.min, 'max', k.max) END
                ORDER BY k.place) FILTER (WHERE k.place <= most)) AS facet
        FROM ranked k GROUP BY k.nr
    )
    SELECT jsonb_agg(coalesce(b.facet, jsonb_build_object('field', f.field, 'value_count', 0, 'other_count', 0, 'values', '[]'::jsonb)) ORDER BY f.nr)
    INTO facets
    FROM unnest(fields) WITH ORDINALITY f (field, nr)
    LEFT JOIN by_field b ON b.nr = f.nr;
END
$$;
