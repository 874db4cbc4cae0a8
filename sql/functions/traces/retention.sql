-- What is over: days of spans and of log records whose class is kept no longer, what is known of their traces, logs and objects that were
-- stored beside them; and all of a project that is deleted.
-- Called by the worker, over and over, each time a transaction (worker/traces.h), so that no lock is held for long.

-- Make the days ahead that are likely to be needed, so that no request waits for that: tomorrow's, of classes that have today's or
-- yesterday's. How many were made.
CREATE OR REPLACE FUNCTION spans_ahead(today date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    -- CASE, since of conditions beside one another any may be asked first.
    RETURN (SELECT count(*)
            FROM unnest(ARRAY['spans', 'log_records']) t (name), generate_series(1, 3) c (class)
            WHERE CASE WHEN EXISTS (SELECT FROM pg_class p WHERE p.relnamespace = 'public'::regnamespace
                                      AND p.relname IN (kept_partition_name(t.name, c.class::smallint, today), kept_partition_name(t.name, c.class::smallint, today - 1)))
                       THEN kept_partition(t.name, c.class::smallint, today + 1) END);
END
$$;
REVOKE ALL ON FUNCTION spans_ahead(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION spans_ahead(date) TO ashlar_api;

-- Drop the oldest day that is over; its name, or NULL: there is none, or somebody has it in use, and it is tried again with the next
-- run. days: how many each class is kept.
CREATE OR REPLACE FUNCTION spans_drop(today date, days integer[]) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '100ms' AS $$
DECLARE
    part text;
BEGIN
    SELECT p.relname INTO part
    FROM unnest(ARRAY['spans', 'log_records']) t (name)
    CROSS JOIN generate_series(1, 3) c (class)
    JOIN pg_inherits i ON i.inhparent = format('public.%s_%s', t.name, (ARRAY['free', 'pro', 'enterprise'])[c.class])::regclass
    JOIN pg_class p ON p.oid = i.inhrelid
    WHERE to_date(right(p.relname, 8), 'YYYYMMDD') < today - days[c.class]
    ORDER BY right(p.relname, 8), p.relname LIMIT 1;
    IF part IS NOT NULL THEN
        EXECUTE format('DROP TABLE public.%I', part);
    END IF;
    RETURN part;
EXCEPTION
    WHEN lock_not_available OR deadlock_detected THEN RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION spans_drop(date, integer[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION spans_drop(date, integer[]) TO ashlar_api;

-- Remove up to batch rows from each table that tells of days that are over; how many went from the one with the most.
CREATE OR REPLACE FUNCTION traces_expire(today date, days integer[], batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    most bigint := 0;
    n    bigint;
    last date := today - greatest(days[1], days[2], days[3]);
BEGIN
    PERFORM set_config('app.retention', 'traces', true);    -- what policies let the owner see beyond a tenant
    FOR class IN 1..3 LOOP
        WITH gone AS (
            DELETE FROM traces t
            WHERE t.ctid = ANY (ARRAY(SELECT x.ctid FROM traces x WHERE x.keep = class AND x.day < today - days[class] LIMIT batch))
            RETURNING t.tenant_id, t.project_id, t.trace_id, t.start_ns, t.tags
        ), untagged AS (
            DELETE FROM trace_tags g USING gone x
            WHERE x.tags IS NOT NULL AND g.tenant_id = x.tenant_id AND g.project_id = x.project_id AND g.tag = ANY (x.tags) AND g.start_ns = x.start_ns
              AND g.trace_id = x.trace_id
        )
        SELECT count(*) INTO n FROM gone;
        most := greatest(most, n);
        DELETE FROM trace_stats s
        WHERE s.ctid = ANY (ARRAY(
            SELECT x.ctid
            FROM trace_projects p
            CROSS JOIN (VALUES (60), (3600), (86400)) w (width)
            CROSS JOIN LATERAL (SELECT y.ctid FROM trace_stats y
                                WHERE y.tenant_id = p.tenant_id AND y.project_id = p.id AND y.width = w.width AND y.keep = class
                                  AND y.bucket < (today - days[class] - DATE '1970-01-01') * 86400::bigint LIMIT batch) x
            LIMIT batch));
        GET DIAGNOSTICS n = ROW_COUNT;
        most := greatest(most, n);
        DELETE FROM trace_days s
        WHERE s.ctid = ANY (ARRAY(
            SELECT x.ctid
            FROM trace_projects p
            CROSS JOIN LATERAL (SELECT y.ctid FROM trace_days y
                                WHERE y.tenant_id = p.tenant_id AND y.project_id = p.id AND y.keep = class AND y.day < today - days[class] LIMIT batch) x
            LIMIT batch));
        GET DIAGNOSTICS n = ROW_COUNT;
        most := greatest(most, n);
        -- Sizes that a trace had before it grew are of no day's traces any more.
        DELETE FROM trace_sizes s
        WHERE s.ctid = ANY (ARRAY(
            SELECT x.ctid
            FROM trace_projects p
            CROSS JOIN LATERAL (SELECT y.ctid FROM trace_sizes y
                                WHERE y.tenant_id = p.tenant_id AND y.project_id = p.id AND y.keep = class
                                  AND (y.day < today - days[class] OR y.traces = 0 AND y.day < today - 1) LIMIT batch) x
            LIMIT batch));
        GET DIAGNOSTICS n = ROW_COUNT;
        most := greatest(most, n);
    END LOOP;
    DELETE FROM span_names s
    WHERE s.ctid = ANY (ARRAY(
        SELECT x.ctid FROM trace_projects p
        CROSS JOIN LATERAL (SELECT y.ctid FROM span_names y WHERE y.tenant_id = p.tenant_id AND y.project_id = p.id AND y.last_day < last LIMIT batch) x LIMIT batch));
    GET DIAGNOSTICS n = ROW_COUNT;
    most := greatest(most, n);
    -- A span may be of the day behind the one on which its resource was last seen.
    DELETE FROM span_resources s
    WHERE s.ctid = ANY (ARRAY(
        SELECT x.ctid FROM trace_projects p
        CROSS JOIN LATERAL (SELECT y.ctid FROM span_resources y WHERE y.tenant_id = p.tenant_id AND y.project_id = p.id AND y.last_day < last - 2 LIMIT batch) x LIMIT batch));
    GET DIAGNOSTICS n = ROW_COUNT;
    most := greatest(most, n);
    DELETE FROM trace_scores s
    WHERE s.ctid = ANY (ARRAY(
        SELECT x.ctid FROM trace_projects p
        CROSS JOIN LATERAL (SELECT y.ctid FROM trace_scores y WHERE y.tenant_id = p.tenant_id AND y.project_id = p.id AND y.created_at < last::timestamptz LIMIT batch) x
        LIMIT batch));
    GET DIAGNOSTICS n = ROW_COUNT;
    most := greatest(most, n);
    DELETE FROM trace_score_days s
    WHERE s.ctid = ANY (ARRAY(
        SELECT x.ctid FROM trace_projects p
        CROSS JOIN LATERAL (SELECT y.ctid FROM trace_score_days y WHERE y.tenant_id = p.tenant_id AND y.project_id = p.id AND y.day < last LIMIT batch) x
        LIMIT batch));
    GET DIAGNOSTICS n = ROW_COUNT;
    most := greatest(most, n);
    DELETE FROM trace_sessions s
    WHERE s.ctid = ANY (ARRAY(
        SELECT x.ctid FROM trace_projects p
        CROSS JOIN LATERAL (SELECT y.ctid FROM trace_sessions y
                            WHERE y.tenant_id = p.tenant_id AND y.project_id = p.id AND y.last_ns < (last - DATE '1970-01-01') * 86400000000000::bigint LIMIT batch) x
        LIMIT batch));
    GET DIAGNOSTICS n = ROW_COUNT;
    PERFORM set_config('app.retention', '', true);
    RETURN greatest(most, n);
END
$$;
REVOKE ALL ON FUNCTION traces_expire(date, integer[], integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION traces_expire(date, integer[], integer) TO ashlar_api;

-- Remove up to batch of the traces of a project that is deleted, with their spans; behind the last one the rest that is known of the project.
-- How many it was. project NULL: any that is deleted, of any tenant.
CREATE OR REPLACE FUNCTION traces_forget(project uuid, batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    tenant   uuid;
    of_      uuid;
    ids      uuid[];
    from_day date;
    last_day date;
    n        bigint;
    within   text := coalesce(current_setting('app.tenant_id', true), '');    -- the job's
BEGIN
    PERFORM set_config('app.retention', 'traces', true);
    SELECT p.tenant_id, p.id INTO tenant, of_
    FROM trace_projects p
    WHERE p.deleted_at IS NOT NULL AND (project IS NULL OR p.id = project)
      AND (EXISTS (SELECT FROM traces t WHERE t.tenant_id = p.tenant_id AND t.project_id = p.id)
           OR EXISTS (SELECT FROM span_names s WHERE s.tenant_id = p.tenant_id AND s.project_id = p.id)
           OR EXISTS (SELECT FROM span_resources r WHERE r.tenant_id = p.tenant_id AND r.project_id = p.id))
    ORDER BY p.id LIMIT 1;
    PERFORM set_config('app.retention', '', true);
    IF of_ IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM set_config('app.tenant_id', tenant::text, true);
    -- Who is putting something in has it there, or finds the project deleted.
    PERFORM pg_advisory_xact_lock(hash_record_extended(ROW ('traces'::text, tenant, of_), 0));
    SELECT array_agg(t.trace_id), min(t.day), max(span_day(t.last_ns)), count(*) INTO ids, from_day, last_day, n
    FROM (SELECT x.trace_id, x.day, x.last_ns FROM traces x WHERE x.tenant_id = tenant AND x.project_id = of_ ORDER BY x.start_ns, x.trace_id LIMIT batch) t;
    IF n > 0 THEN
        DELETE FROM spans s
        WHERE s.tenant_id = tenant AND s.project_id = of_ AND s.trace_id = ANY (ids) AND s.day BETWEEN from_day AND last_day;
        DELETE FROM traces t WHERE t.tenant_id = tenant AND t.project_id = of_ AND t.trace_id = ANY (ids);
    ELSE
        -- Days are planned one by one: all of them at once, each with its own lock, are hundreds.
        FOR from_day IN SELECT d FROM log_days(NULL, NULL) d LOOP
            DELETE FROM log_records l
            WHERE l.tenant_id = tenant AND l.project_id = of_ AND l.day = from_day
              AND (l.trace_id, l.time_ns, l.nth, l.digest, l.keep) IN (
                  SELECT x.trace_id, x.time_ns, x.nth, x.digest, x.keep FROM log_records x
                  WHERE x.tenant_id = tenant AND x.project_id = of_ AND x.day = from_day LIMIT batch);
            GET DIAGNOSTICS n = ROW_COUNT;
            EXIT WHEN n > 0;
        END LOOP;
        IF n > 0 THEN
            PERFORM set_config('app.tenant_id', within, true);
            RETURN n;
        END IF;
        DELETE FROM trace_days x WHERE x.tenant_id = tenant AND x.project_id = of_;
        DELETE FROM trace_scores x WHERE x.tenant_id = tenant AND x.project_id = of_;
        DELETE FROM trace_score_days x WHERE x.tenant_id = tenant AND x.project_id = of_;
        DELETE FROM trace_tags x WHERE x.tenant_id = tenant AND x.project_id = of_;
        DELETE FROM trace_stats x WHERE x.tenant_id = tenant AND x.project_id = of_;
        DELETE FROM trace_sizes x WHERE x.tenant_id = tenant AND x.project_id = of_;
        DELETE FROM trace_sessions x WHERE x.tenant_id = tenant AND x.project_id = of_;
        DELETE FROM span_names x WHERE x.tenant_id = tenant AND x.project_id = of_;
        DELETE FROM span_resources x WHERE x.tenant_id = tenant AND x.project_id = of_;
        GET DIAGNOSTICS n = ROW_COUNT;
    END IF;
    PERFORM set_config('app.tenant_id', within, true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION traces_forget(uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION traces_forget(uuid, integer) TO ashlar_api;

-- Remove up to batch logs and as many objects that came, or came anew, before all that their class is kept; how many went, of the kind with the
-- most. Their content goes with them, by jobs (stored_object_drop).
CREATE OR REPLACE FUNCTION trace_files_expire(today date, days integer[], batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    within text := coalesce(current_setting('app.tenant_id', true), '');
    most   bigint := 0;
    n      bigint;
    over   timestamptz;
    o      record;
BEGIN
    FOR class IN 1..3 LOOP
        over := (today - days[class])::timestamp AT TIME ZONE 'UTC';
        n := 0;
        PERFORM set_config('app.retention', 'traces', true);
        FOR o IN SELECT l.tenant_id, l.object_id FROM trace_logs l WHERE l.keep = class AND l.updated_at < over ORDER BY l.updated_at LIMIT batch LOOP
            PERFORM set_config('app.tenant_id', o.tenant_id::text, true);
            -- One that came anew meanwhile has another object.
            DELETE FROM trace_logs l WHERE l.tenant_id = o.tenant_id AND l.object_id = o.object_id;
            IF FOUND THEN
                PERFORM stored_object_drop(o.object_id);
            END IF;
            n := n + 1;
        END LOOP;
        most := greatest(most, n);
        n := 0;
        FOR o IN SELECT t.tenant_id, t.object_id FROM trace_objects t WHERE t.keep = class AND t.created_at < over ORDER BY t.created_at LIMIT batch LOOP
            PERFORM set_config('app.tenant_id', o.tenant_id::text, true);
            DELETE FROM trace_objects t WHERE t.tenant_id = o.tenant_id AND t.object_id = o.object_id;
            IF FOUND THEN
                PERFORM stored_object_drop(o.object_id);
            END IF;
            n := n + 1;
        END LOOP;
        most := greatest(most, n);
    END LOOP;
    PERFORM set_config('app.retention', '', true);
    PERFORM set_config('app.tenant_id', within, true);
    RETURN most;
END
$$;
REVOKE ALL ON FUNCTION trace_files_expire(date, integer[], integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trace_files_expire(date, integer[], integer) TO ashlar_api;
