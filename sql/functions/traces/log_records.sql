-- Log records: how they come in, and how they are read.

-- The days of which there are records, between two (NULL: from the first, to the last), the oldest first.
CREATE OR REPLACE FUNCTION log_days(first date, last date) RETURNS SETOF date
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
        SELECT DISTINCT d.day
        FROM unnest(ARRAY['free', 'pro', 'enterprise']) c (class)
        JOIN pg_catalog.pg_inherits i ON i.inhparent = ('public.log_records_' || c.class)::regclass
        JOIN pg_catalog.pg_class p ON p.oid = i.inhrelid
        CROSS JOIN LATERAL (SELECT to_date(right(p.relname, 8), 'YYYYMMDD') AS day) d
        WHERE (first IS NULL OR d.day >= first) AND (last IS NULL OR d.day <= last)
        ORDER BY d.day;
END
$$;

-- Take records of a project, an element of each array for one; what is there already is not taken again.  Raises AS404 where there is
-- no such project.
--
--   trace_ids     zero: of no trace;  span_ids: NULL of no span
--   resources     of resource_attributes, from 1
--   the others    as the columns of log_records
CREATE OR REPLACE FUNCTION log_ingest(
    project uuid, trace_ids uuid[], span_ids bigint[], time_ns bigint[], observed_ns bigint[], digests uuid[], severities smallint[],
    severity_texts text[], event_names text[], bodies jsonb[], attributes jsonb[], resources integer[], resource_attributes jsonb[],
    services text[], scopes text[], scope_versions text[], flags smallint[], OUT taken bigint, OUT duplicates bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    tenant       uuid := app_tenant();
    today        date := (now() AT TIME ZONE 'UTC')::date;
    class        smallint;
    days         date[];
    classes      smallint[];
    resource_ids uuid[];
BEGIN
    SELECT span_class(o.prem_status) INTO class
    FROM trace_projects p
    JOIN organizations o ON o.tenant_id = p.tenant_id AND o.id = p.organization_id
    WHERE p.tenant_id = tenant AND p.id = project AND p.deleted_at IS NULL;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Project not found', DETAIL = project::text;
    END IF;
    -- All wait for one another in one order, which is that of spans: days, partitions, resources, rows.
    days := ARRAY(SELECT DISTINCT span_day(x.at) AS day FROM unnest(log_ingest.time_ns) x (at) ORDER BY day);
    classes := trace_day_classes(project, class, days, NULL);
    PERFORM kept_partition('log_records', d.class, d.day)
    FROM unnest(classes, days) d (class, day)
    WHERE to_regclass('public.' || kept_partition_name('log_records', d.class, d.day)) IS NULL
    ORDER BY d.class, d.day;

    resource_ids := ARRAY(SELECT md5(r.attributes::text)::uuid FROM unnest(resource_attributes) WITH ORDINALITY r (attributes, i) ORDER BY r.i);
    INSERT INTO span_resources AS s (tenant_id, project_id, id, attributes, last_day)
    SELECT tenant, project, r.id, (array_agg(r.attributes))[1], today
    FROM unnest(resource_ids, resource_attributes) r (id, attributes)
    WHERE NOT EXISTS (SELECT FROM span_resources e
                      WHERE e.tenant_id = tenant AND e.project_id = project AND e.id = r.id AND e.last_day >= today)
    GROUP BY r.id ORDER BY r.id
    ON CONFLICT (tenant_id, project_id, id) DO UPDATE SET last_day = greatest(s.last_day, excluded.last_day);

    INSERT INTO log_records (tenant_id, project_id, trace_id, time_ns, digest, span_id, observed_ns, resource_id, nth, day, keep, severity, flags,
                             severity_text, event_name, service, scope, scope_version, body, attributes)
    SELECT tenant, project, x.trace_id, x.time_ns, x.digest, x.span_id, x.observed_ns, resource_ids[x.resource],
           row_number() OVER (PARTITION BY x.trace_id, x.time_ns ORDER BY x.i), span_day(x.time_ns), classes[array_position(days, span_day(x.time_ns))], x.severity, x.flags,
           nullif(x.severity_text, ''), nullif(x.event_name, ''), x.service, nullif(x.scope, ''), nullif(x.scope_version, ''), x.body, x.attributes
    FROM unnest(trace_ids, span_ids, log_ingest.time_ns, log_ingest.observed_ns, digests, severities, severity_texts, event_names, bodies,
                log_ingest.attributes, resources, services, scopes, scope_versions, log_ingest.flags) WITH ORDINALITY
         x (trace_id, span_id, time_ns, observed_ns, digest, severity, severity_text, event_name, body, attributes, resource, service, scope,
            scope_version, flags, i)
    ORDER BY x.trace_id, x.time_ns, x.i
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS taken = ROW_COUNT;
    duplicates := cardinality(trace_ids) - taken;
END
$$;
REVOKE ALL ON FUNCTION log_ingest(uuid, uuid[], bigint[], bigint[], bigint[], uuid[], smallint[], text[], text[], jsonb[], jsonb[], integer[], jsonb[],
    text[], text[], text[], smallint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log_ingest(uuid, uuid[], bigint[], bigint[], bigint[], uuid[], smallint[], text[], text[], jsonb[], jsonb[], integer[],
    jsonb[], text[], text[], text[], smallint[]) TO ashlar_api;

-- The first so many records of a project in the order of time, or in the other one.  Day by day, each planned with the day as a constant, so that
-- neither the plan nor the time grows with the days that are kept.
--
--   trace         NULL: of any, or none
--   from_ns, until_ns   from one up to and without the other
--   severity_     of this severity or above;  service_: of this service;  NULL: of any
CREATE OR REPLACE FUNCTION log_find(project uuid, trace uuid, from_ns bigint, until_ns bigint, severity_ smallint, service_ text, is_newest_first boolean,
                                    most bigint) RETURNS SETOF log_records
LANGUAGE plpgsql STABLE ROWS 100 SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
    tenant uuid := app_tenant();
    at_day date;
    got    bigint;
BEGIN
    FOR at_day IN SELECT d FROM log_days(span_day(from_ns), span_day(until_ns - 1)) d
                  ORDER BY CASE WHEN is_newest_first THEN DATE '2000-01-01' - d ELSE d - DATE '2000-01-01' END LOOP
        IF is_newest_first THEN
            RETURN QUERY
                SELECT l.* FROM log_records l
                WHERE l.tenant_id = tenant AND l.project_id = project AND l.day = at_day AND l.time_ns >= from_ns AND l.time_ns < until_ns
                  AND (trace IS NULL OR l.trace_id = trace) AND (severity_ IS NULL OR l.severity >= severity_)
                  AND (service_ IS NULL OR l.service = service_)
                ORDER BY l.time_ns DESC, l.nth DESC, l.digest DESC LIMIT most;
        ELSE
            RETURN QUERY
                SELECT l.* FROM log_records l
                WHERE l.tenant_id = tenant AND l.project_id = project AND l.day = at_day AND l.time_ns >= from_ns AND l.time_ns < until_ns
                  AND (trace IS NULL OR l.trace_id = trace) AND (severity_ IS NULL OR l.severity >= severity_)
                  AND (service_ IS NULL OR l.service = service_)
                ORDER BY l.time_ns, l.nth, l.digest LIMIT most;
        END IF;
        GET DIAGNOSTICS got = ROW_COUNT;
        most := most - got;
        EXIT WHEN most <= 0;
    END LOOP;
END
$$;

-- For a trace that has no stored log: its records as lines of one, of the first project that the caller may read and that has some.
--
--   ids   what the trace may be called
CREATE OR REPLACE FUNCTION log_lines(ids uuid[], most bigint) RETURNS TABLE (is_free boolean, line text)
LANGUAGE plpgsql STABLE ROWS 100 AS $$
#variable_conflict use_column
DECLARE
    p     record;
    trace uuid;
BEGIN
    FOR p IN SELECT r.project_id, r.is_free FROM trace_readable() r
             JOIN trace_projects x ON x.tenant_id = app_tenant() AND x.id = r.project_id
             ORDER BY x.created_at, x.id LOOP
        FOREACH trace IN ARRAY ids LOOP
            RETURN QUERY
                SELECT p.is_free,
                       json_time_us(l.time_ns) || ' ' || coalesce(l.severity_text, severity_name(l.severity)) || ' ' || l.service || ': '
                       || coalesce(CASE WHEN jsonb_typeof(l.body) = 'string' THEN l.body #>> '{}' ELSE l.body::text END, l.event_name, '')
                       || CASE WHEN l.attributes = '{}' THEN '' ELSE ' ' || l.attributes::text END || E'\n'
                FROM log_find(p.project_id, trace, 0, 4102444800000000000, NULL, NULL, false, most) l
                ORDER BY l.time_ns, l.nth, l.digest;
            IF FOUND THEN
                RETURN;
            END IF;
        END LOOP;
    END LOOP;
END
$$;

-- A severity as OpenTelemetry calls it: TRACE, TRACE2 …
CREATE OR REPLACE FUNCTION severity_name(severity smallint) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN CASE WHEN severity BETWEEN 1 AND 24
                THEN (ARRAY['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'])[(severity + 3) / 4] || (ARRAY['', '2', '3', '4'])[(severity - 1) % 4 + 1]
                ELSE 'UNSPECIFIED' END;
END
$$;
