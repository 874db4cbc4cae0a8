-- Scores of traces.

-- Give a score, or give it anew.  It may come before its trace's spans do, so nobody asks whether those are there.
CREATE OR REPLACE FUNCTION score_put(project uuid, trace uuid, span bigint, called text, score double precision, note text) RETURNS trace_scores
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    tenant uuid := app_tenant();
    before trace_scores;
    put    trace_scores;
BEGIN
    -- Of two at once the second sees what the first has given: the sums are of differences.
    PERFORM pg_advisory_xact_lock(hash_record_extended(ROW ('score'::text, tenant, project, trace, called), 0));
    SELECT * INTO before
    FROM trace_scores s
    WHERE s.tenant_id = tenant AND s.project_id = project AND s.trace_id = trace AND s.span_id = span AND s.name = called COLLATE "C";
    INSERT INTO trace_scores AS s (tenant_id, project_id, trace_id, span_id, name, value, comment)
    VALUES (tenant, project, trace, span, called, score, note)
    ON CONFLICT (tenant_id, project_id, trace_id, span_id, name) DO UPDATE SET value = excluded.value, comment = excluded.comment
    RETURNING * INTO put;
    INSERT INTO trace_score_days AS d (tenant_id, project_id, name, day, count, total)
    VALUES (tenant, project, called, (put.created_at AT TIME ZONE 'UTC')::date, CASE WHEN before.id IS NULL THEN 1 ELSE 0 END, put.value - coalesce(before.value, 0))
    ON CONFLICT (tenant_id, project_id, name, day) DO UPDATE SET count = d.count + excluded.count, total = d.total + excluded.total;
    RETURN put;
END
$$;
REVOKE ALL ON FUNCTION score_put(uuid, uuid, bigint, text, double precision, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION score_put(uuid, uuid, bigint, text, double precision, text) TO ashlar_api;

-- What the scores of a project's last days come to, at most 100 names.
CREATE OR REPLACE FUNCTION score_averages(project uuid, first date, last date) RETURNS TABLE (name text, count bigint, average double precision)
LANGUAGE plpgsql STABLE ROWS 10 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT d.name, sum(d.count)::bigint, sum(d.total) / nullif(sum(d.count), 0)
        FROM trace_score_days d
        WHERE d.tenant_id = app_tenant() AND d.project_id = project AND d.day >= first AND d.day <= last
        GROUP BY d.name HAVING sum(d.count) > 0
        ORDER BY d.name LIMIT 100;
END
$$;
