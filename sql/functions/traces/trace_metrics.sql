-- Figures of a project, of sums alone (trace_stats, trace_sizes): none reads its spans.

-- The durations that so much of a histogram's spans stay below, in nanoseconds, within a tenth; NULL: there are none.
CREATE OR REPLACE FUNCTION span_percentiles(counts bigint[], parts numeric[]) RETURNS bigint[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    all_of bigint := (SELECT sum(c) FROM unnest(counts) c);
    found  bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(parts)]);
    seen   bigint := 0;
BEGIN
    FOR slot IN 1..coalesce(cardinality(counts), 0) LOOP
        CONTINUE WHEN counts[slot] = 0;
        seen := seen + counts[slot];
        FOR i IN 1..cardinality(parts) LOOP
            IF found[i] IS NULL AND seen >= ceil(parts[i] * all_of) THEN
                found[i] := span_slot_ns(slot);
            END IF;
        END LOOP;
    END LOOP;
    RETURN found;
END
$$;

-- ProjectMetrics of a range of time, both ends of it included, to the second. most_days: a free plan's; figures that the contract has one of
-- for each trace are those of the newest 1,000. Durations, and what happened when, are by the minute.
CREATE OR REPLACE FUNCTION project_metrics(project uuid, start_at timestamptz, end_at timestamptz, most_days integer,
                                           OUT project_id uuid, OUT trace_count bigint, OUT span_count jsonb, OUT token_metrics jsonb,
                                           OUT duration_metrics jsonb, OUT success_datetime jsonb, OUT fail_datetime jsonb,
                                           OUT indeterminate_datetime jsonb, OUT spans_per_trace jsonb, OUT trace_durations jsonb,
                                           OUT trace_cost_dates jsonb, OUT over_time jsonb, OUT start_time timestamptz, OUT end_time timestamptz,
                                           OUT freeplan_truncated boolean)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    tenant  uuid        := app_tenant();
    is_free boolean     := (trace_reader(project)).is_free;
    cutoff  timestamptz := date_trunc('second', now()) - make_interval(days => most_days);
    from_s  bigint;
    until_s bigint;
    step    integer;
    sums    trace_stats;
    begun   trace_stats;
    counts  bigint[];
    timed   bigint;
    at      bigint[];
    largest integer;
BEGIN
    project_id := project;
    freeplan_truncated := false;
    IF is_free THEN
        freeplan_truncated := start_at IS NULL OR end_at IS NULL OR start_at < cutoff OR end_at < cutoff;
        start_at := greatest(start_at, cutoff);
        end_at := greatest(coalesce(end_at, now()), cutoff);
    END IF;
    SELECT b.from_s, b.until_s INTO from_s, until_s FROM trace_bounds(start_at, end_at) b;

    SELECT sum(s.trace_count), sum(s.span_count), sum(s.ok_spans), sum(s.error_spans), sum(s.prompt_tokens), sum(s.completion_tokens),
           sum(s.total_tokens), sum(s.ok_tokens), sum(s.error_tokens), sum(s.total_cost), sum(s.span_time_ns)
    INTO sums.trace_count, sums.span_count, sums.ok_spans, sums.error_spans, sums.prompt_tokens, sums.completion_tokens,
         sums.total_tokens, sums.ok_tokens, sums.error_tokens, sums.total_cost, sums.span_time_ns
    FROM trace_slices(project, from_s, until_s) s;
    trace_count := coalesce(sums.trace_count, 0);
    span_count := jsonb_build_object('total', coalesce(sums.span_count, 0), 'success', coalesce(sums.ok_spans, 0), 'fail', coalesce(sums.error_spans, 0),
        'unknown', coalesce(sums.span_count - sums.ok_spans - sums.error_spans, 0),
        'indeterminate', coalesce(sums.span_count - sums.ok_spans - sums.error_spans, 0));
    token_metrics := jsonb_build_object(
        'total_cost', round(span_dollars(coalesce(sums.total_cost, 0)), 5)::text,
        'average_cost_per_session', round(coalesce(span_dollars(sums.total_cost) / nullif(sums.trace_count, 0), 0), 5)::text,
        'prompt_tokens', coalesce(sums.prompt_tokens, 0), 'completion_tokens', coalesce(sums.completion_tokens, 0),
        'total_tokens', jsonb_build_object('all', coalesce(sums.total_tokens, 0), 'success', coalesce(sums.ok_tokens, 0), 'fail', coalesce(sums.error_tokens, 0)),
        'avg_tokens', jsonb_build_object('all', trim_scale(round(coalesce(sums.total_tokens / nullif(sums.span_count, 0), 0), 2)),
                                         'success', trim_scale(round(coalesce(sums.ok_tokens / nullif(sums.ok_spans, 0), 0), 2)),
                                         'fail', trim_scale(round(coalesce(sums.error_tokens / nullif(sums.error_spans, 0), 0), 2))));

    SELECT coalesce(jsonb_object_agg(d.day, trim_scale(span_dollars(d.cost)) ORDER BY d.day), '{}') INTO trace_cost_dates
    FROM (SELECT DATE '1970-01-01' + (s.bucket / 86400)::integer AS day, sum(s.ok_cost) AS cost
          FROM trace_slices(project, from_s, until_s) s GROUP BY 1 HAVING sum(s.ok_traces) > 0) d;

    -- By the minute: what spans did themselves.
    SELECT min(s.min_ns), max(s.max_ns), min(s.bucket), max(s.bucket + s.width) INTO begun.min_ns, begun.max_ns, begun.begun, begun.begun_errors
    FROM trace_slices(project, from_s / 60 * 60, (until_s + 59) / 60 * 60) s;
    counts := ARRAY(SELECT sum(c.n)::bigint
                    FROM trace_slices(project, from_s / 60 * 60, (until_s + 59) / 60 * 60) s, unnest(s.durations) WITH ORDINALITY c (n, slot)
                    GROUP BY c.slot ORDER BY c.slot);
    timed := (SELECT sum(c) FROM unnest(counts) c);
    at := span_percentiles(counts, '{0.5,0.9,0.95,0.99}');

    -- The newest 1,000, whose beginnings and ends are those of lists that would else have one entry for each trace.
    SELECT coalesce(jsonb_agg(json_time_us(n.last_ns) ORDER BY n.last_ns) FILTER (WHERE n.last_status = 1), '[]'),
           coalesce(jsonb_agg(json_time_us(n.last_ns) ORDER BY n.last_ns) FILTER (WHERE n.last_status = 2), '[]'),
           coalesce(jsonb_agg(json_time_us(n.last_ns) ORDER BY n.last_ns) FILTER (WHERE n.last_status = 0), '[]'),
           coalesce(jsonb_agg(n.span_time_ns ORDER BY n.span_time_ns) FILTER (WHERE n.span_time_ns > 0), '[]'), ns_time(max(n.last_ns))
    INTO success_datetime, fail_datetime, indeterminate_datetime, trace_durations, end_time
    FROM (SELECT t.last_ns, t.last_status, t.span_time_ns FROM traces t
          WHERE t.tenant_id = tenant AND t.project_id = project AND t.start_ns >= from_s * 1000000000 AND t.start_ns < until_s * 1000000000
          ORDER BY t.start_ns DESC, t.trace_id DESC LIMIT 1000) n;
    start_time := (SELECT ns_time(t.start_ns) FROM traces t
                   WHERE t.tenant_id = tenant AND t.project_id = project AND t.start_ns >= from_s * 1000000000 AND t.start_ns < until_s * 1000000000
                   ORDER BY t.start_ns, t.trace_id LIMIT 1);
    duration_metrics := jsonb_build_object('min_duration_ns', begun.min_ns, 'max_duration_ns', begun.max_ns,
        'avg_duration_ns', coalesce(round(sums.span_time_ns / nullif(timed, 0)), 0), 'total_duration_ns', nullif(sums.span_time_ns, 0),
        'p50_duration_ns', at[1], 'p90_duration_ns', at[2], 'p95_duration_ns', at[3], 'p99_duration_ns', at[4], 'trace_durations', trace_durations);

    -- Whole days, by when the traces began.
    largest := (SELECT max(z.span_count) FROM trace_sizes z CROSS JOIN (VALUES (1::smallint), (2::smallint), (3::smallint)) k (keep)
                WHERE z.tenant_id = tenant AND z.project_id = project AND z.keep = k.keep AND z.traces > 0
                  AND z.day >= span_day(from_s * 1000000000) AND z.day <= span_day((until_s - 1) * 1000000000));
    SELECT coalesce(jsonb_object_agg(x.bucket::text, x.n), '{}') INTO spans_per_trace
    FROM (SELECT z.span_count / greatest(1, largest / 10) * greatest(1, largest / 10) AS bucket, sum(z.traces) AS n
          FROM trace_sizes z CROSS JOIN (VALUES (1::smallint), (2::smallint), (3::smallint)) k (keep)
          WHERE z.tenant_id = tenant AND z.project_id = project AND z.keep = k.keep AND z.traces > 0
            AND z.day >= span_day(from_s * 1000000000) AND z.day <= span_day((until_s - 1) * 1000000000)
          GROUP BY 1) x;

    -- What happened when: by minutes, hours or days, so that it is at most 400 of them.
    from_s := greatest(from_s, begun.begun);
    until_s := least(until_s, begun.begun_errors);
    step := CASE WHEN until_s - from_s <= 4 * 3600 THEN 60 WHEN until_s - from_s <= 14 * 86400 THEN 3600 ELSE 86400 END;
    SELECT coalesce(jsonb_agg(jsonb_build_object('start_time', json_time(to_timestamp(b.bucket)), 'span_count', b.n, 'error_count', b.errors,
                                                 'max_duration_ns', b.most) ORDER BY b.bucket), '[]')
    INTO over_time
    FROM (SELECT s.bucket, sum(s.begun) AS n, sum(s.begun_errors) AS errors, max(s.max_ns) AS most
          FROM (VALUES (1::smallint), (2::smallint), (3::smallint)) k (keep)
          JOIN trace_stats s ON s.tenant_id = tenant AND s.project_id = project AND s.width = step AND s.keep = k.keep
              AND s.bucket >= from_s / step * step AND s.bucket < until_s
          WHERE s.begun > 0
          GROUP BY s.bucket ORDER BY s.bucket DESC LIMIT 500) b;
END
$$;
