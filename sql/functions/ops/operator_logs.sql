-- Logs as the operators of the installation read them: those that were put down here, with those that ashlar host has found in this host's files.

-- A page of them, the newest first, and how many there are: of those of the database the newest 10,000 are looked at.  No row but one of nulls
-- beside the total where there is none.
--
--   source  all, db or file
--   here    {"entries": […], "total": n} of ashlar host, or NULL: it was not asked
CREATE OR REPLACE FUNCTION operator_log_page(source text, agent text, level text, q text, here jsonb, most integer)
    RETURNS TABLE (total bigint, "timestamp" timestamptz, id bigint, origin text, agent_name text, severity text, message text, file text, meta jsonb)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    WITH seen AS (
        SELECT l.created_at, l.number, l.agent, l.level, l.message, l.meta
        FROM operator_logs l
        WHERE l.tenant_id = (SELECT app_tenant()) AND operator_log_page.source <> 'file'
        ORDER BY l.number DESC
        LIMIT 10000
    ), wanted AS (
        SELECT s.*
        FROM seen s
        WHERE (operator_log_page.agent IS NULL OR s.agent = operator_log_page.agent)
          AND (operator_log_page.level IS NULL OR s.level = operator_log_page.level)
          AND (operator_log_page.q IS NULL OR strpos(lower(s.message), lower(operator_log_page.q)) > 0)
    ), merged AS (
        (SELECT w.created_at AS at, w.number, 'db' AS origin, w.agent, w.level, w.message, NULL::text AS file, w.meta, -w.number AS place
         FROM wanted w
         ORDER BY w.number DESC
         LIMIT most)
        UNION ALL
        SELECT (e.one ->> 'timestamp')::timestamptz, NULL, 'file', e.one ->> 'agent', e.one ->> 'level', e.one ->> 'message', e.one ->> 'file',
               e.one -> 'meta', e.place
        FROM jsonb_array_elements(operator_log_page.here -> 'entries') WITH ORDINALITY e (one, place)
    )
    SELECT t.total, m.at, m.number, m.origin, m.agent, m.level, m.message, m.file, m.meta
    FROM (SELECT (SELECT count(*) FROM wanted) + coalesce((operator_log_page.here ->> 'total')::bigint, 0) AS total) t
    LEFT JOIN (SELECT * FROM merged ORDER BY at DESC, merged.origin, place LIMIT most) m ON true
    ORDER BY m.at DESC, m.origin, m.place;
END
$$;
