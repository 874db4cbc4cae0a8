-- What is read of traces: who may, sums over a range of time, and what a search finds.

-- A project whose traces the caller may read, as a member of its organization, or since it is the Demo Org's. Raises AS404.
CREATE OR REPLACE FUNCTION trace_reader(project uuid, OUT organization_id uuid, OUT is_free boolean)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT p.organization_id, o.prem_status = 'free' INTO trace_reader.organization_id, is_free
    FROM trace_projects p
    JOIN organizations o ON o.tenant_id = p.tenant_id AND o.id = p.organization_id AND o.deleted_at IS NULL
    WHERE p.tenant_id = app_tenant() AND p.id = project AND p.deleted_at IS NULL
      AND (p.organization_id = demo_org()
           OR EXISTS (SELECT FROM memberships m
                      WHERE m.tenant_id = p.tenant_id AND m.organization_id = p.organization_id AND m.user_id = app_user() AND m.is_active));
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Project not found', DETAIL = project::text;
    END IF;
END
$$;

-- The time of so many nanoseconds, as far as PostgreSQL has them: to the microsecond.
CREATE OR REPLACE FUNCTION ns_time(ns bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN TIMESTAMPTZ 'epoch' + (ns / 1000) * INTERVAL '1 microsecond';

-- The same as answers have it, where it stands inside of jsonb.
CREATE OR REPLACE FUNCTION json_time_us(ns bigint) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN to_char(ns_time(ns) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
END
$$;

-- Ten-millionths of a dollar as dollars.
CREATE OR REPLACE FUNCTION span_dollars(cost numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN cost * 0.0000001;

-- The seconds of a range whose ends are in it, or which has none: from one up to and without the other.
CREATE OR REPLACE FUNCTION trace_bounds(start_at timestamptz, end_at timestamptz, OUT from_s bigint, OUT until_s bigint)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    from_s := least(4102444800, greatest(0, coalesce(floor(extract(epoch FROM start_at))::bigint, 0)));
    until_s := least(4102444800, greatest(0, coalesce(floor(extract(epoch FROM end_at))::bigint + 1, 4102444800)));
END
$$;

-- A range of seconds, up to and without the last one, in pieces of whole days, hours and minutes (width, in seconds); what is left at the
-- edges, at most a minute each, has the width 0.
CREATE OR REPLACE FUNCTION trace_ranges(from_s bigint, until_s bigint) RETURNS TABLE (width integer, lo bigint, hi bigint)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE ROWS 7 AS $$
DECLARE
    a     bigint := from_s;
    b     bigint := until_s;
    low   bigint;
    high  bigint;
    wider integer;
BEGIN
    width := 0;
    FOREACH wider IN ARRAY ARRAY[60, 3600, 86400] LOOP
        low := (a + wider - 1) / wider * wider;
        high := b / wider * wider;
        EXIT WHEN low >= high;
        IF a < low THEN
            lo := a;
            hi := low;
            RETURN NEXT;
        END IF;
        IF high < b THEN
            lo := high;
            hi := b;
            RETURN NEXT;
        END IF;
        a := low;
        b := high;
        width := wider;
    END LOOP;
    IF a < b THEN
        lo := a;
        hi := b;
        RETURN NEXT;
    END IF;
END
$$;

-- The sums that make up a range of seconds: those of days, hours and minutes as they are kept, and one for each edge, made of its
-- traces. Of how long spans took, and when they themselves began, the edges know nothing.
CREATE OR REPLACE FUNCTION trace_slices(project uuid, from_s bigint, until_s bigint) RETURNS SETOF trace_stats
LANGUAGE plpgsql STABLE ROWS 100 AS $$
DECLARE
    tenant uuid := app_tenant();
BEGIN
    -- Laterally and with an end: so each range is looked up in the index, whatever the planner thinks of how many there are.
    RETURN QUERY
        SELECT s.*
        FROM trace_ranges(from_s, until_s) r
        CROSS JOIN (VALUES (1::smallint), (2::smallint), (3::smallint)) k (keep)
        CROSS JOIN LATERAL (SELECT x.* FROM trace_stats x
                            WHERE x.tenant_id = tenant AND x.project_id = project AND x.width = r.width AND x.keep = k.keep
                              AND x.bucket >= r.lo AND x.bucket < r.hi OFFSET 0) s
        WHERE r.width > 0;
    RETURN QUERY
        SELECT s.*
        FROM trace_ranges(from_s, until_s) r
        CROSS JOIN LATERAL (
            SELECT tenant, project, 0, 0::smallint, r.lo, count(*), count(*) FILTER (WHERE t.last_status = 1), count(*) FILTER (WHERE t.last_status = 2),
                   sum(t.span_count)::bigint, sum(t.ok_count)::bigint, sum(t.error_count)::bigint, sum(t.prompt_tokens), sum(t.completion_tokens),
                   sum(t.cache_read_tokens), sum(t.reasoning_tokens), sum(t.total_tokens), coalesce(sum(t.total_tokens) FILTER (WHERE t.last_status = 1), 0),
                   coalesce(sum(t.total_tokens) FILTER (WHERE t.last_status = 2), 0), sum(t.prompt_cost), sum(t.completion_cost), sum(t.total_cost),
                   coalesce(sum(t.total_cost) FILTER (WHERE t.last_status = 1), 0), sum(t.span_time_ns), 0::bigint, 0::bigint, NULL::bigint,
                   NULL::bigint, NULL::integer[], now(), now()
            FROM traces t
            WHERE t.tenant_id = tenant AND t.project_id = project AND t.start_ns >= r.lo * 1000000000 AND t.start_ns < r.hi * 1000000000
            HAVING count(*) > 0) s
        WHERE r.width = 0;
END
$$;

-- What the traces of a range come to: the members of TraceMetrics.
CREATE OR REPLACE FUNCTION trace_sums(project uuid, from_s bigint, until_s bigint, OUT traces bigint, OUT successes bigint, OUT failures bigint,
                                      OUT prompt_tokens numeric, OUT completion_tokens numeric, OUT cache_read_tokens numeric,
                                      OUT reasoning_tokens numeric, OUT total_tokens numeric, OUT prompt_cost numeric,
                                      OUT completion_cost numeric, OUT total_cost numeric)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT coalesce(sum(s.trace_count), 0), coalesce(sum(s.ok_traces), 0), coalesce(sum(s.error_traces), 0), coalesce(sum(s.prompt_tokens), 0),
           coalesce(sum(s.completion_tokens), 0), coalesce(sum(s.cache_read_tokens), 0), coalesce(sum(s.reasoning_tokens), 0),
           coalesce(sum(s.total_tokens), 0), coalesce(sum(s.prompt_cost), 0), coalesce(sum(s.completion_cost), 0), coalesce(sum(s.total_cost), 0)
    INTO traces, successes, failures, trace_sums.prompt_tokens, trace_sums.completion_tokens, trace_sums.cache_read_tokens,
         trace_sums.reasoning_tokens, trace_sums.total_tokens, trace_sums.prompt_cost, trace_sums.completion_cost, trace_sums.total_cost
    FROM trace_slices(project, from_s, until_s) s;
END
$$;

-- When the newest but n of a project's traces began; NULL: there are fewer.
CREATE OR REPLACE FUNCTION trace_newest(project uuid, n bigint) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT t.start_ns FROM traces t
            WHERE t.tenant_id = app_tenant() AND t.project_id = project
            ORDER BY t.start_ns DESC, t.trace_id DESC OFFSET greatest(n - 1, 0) LIMIT 1);
END
$$;

-- The words of a kind that contain these characters, in any case: at most 200, of 50,000 that are looked at.
CREATE OR REPLACE FUNCTION trace_words(project uuid, kind text, search text) RETURNS text[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
    pattern text := like_pattern(search);
BEGIN
    RETURN ARRAY(SELECT n.name
                 FROM (SELECT x.name, x.last_day FROM span_names x
                       WHERE x.tenant_id = app_tenant() AND x.project_id = project AND x.kind = trace_words.kind LIMIT 50000) n
                 WHERE n.name COLLATE pg_catalog."default" ILIKE pattern
                 ORDER BY n.last_day DESC, n.name LIMIT 200);
END
$$;

-- The traces that a search means, the newest `most` of them: whose first span's name, or one of whose tags, contains these
-- characters, in any case, or whose id begins with them (eight or more digits).
--
-- Which names and tags there are is looked up first, as they are few; then each one's newest traces are read from an index: as many
-- as twice its share, and more while that is not enough.
CREATE OR REPLACE FUNCTION trace_matches(project uuid, from_ns bigint, until_ns bigint, search text, most integer) RETURNS uuid[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
    tenant uuid   := app_tenant();
    roots  text[] := trace_words(project, 'root', search);
    tags   text[] := trace_words(project, 'tag', search);
    digits text   := CASE WHEN search ~* '^[0-9a-f-]{8,36}$' THEN replace(search, '-', '') END;
    words  integer := greatest(1, cardinality(roots) + cardinality(tags));
    shares bigint := greatest(100, most::bigint * 2 / words);
    found  uuid[];
BEGIN
    IF char_length(digits) NOT BETWEEN 8 AND 32 THEN
        digits := NULL;
    END IF;
    LOOP
        found := ARRAY(
            SELECT f.trace_id
            FROM (SELECT DISTINCT a.start_ns, a.trace_id
                  FROM (SELECT x.start_ns, x.trace_id
                        FROM unnest(roots) r (name)
                        CROSS JOIN LATERAL (SELECT t.start_ns, t.trace_id FROM traces t
                                            WHERE t.tenant_id = tenant AND t.project_id = project AND t.root_name = r.name COLLATE "C"
                                              AND t.start_ns >= from_ns AND t.start_ns < until_ns
                                            ORDER BY t.start_ns DESC, t.trace_id DESC LIMIT shares) x
                        UNION ALL
                        SELECT x.start_ns, x.trace_id
                        FROM unnest(tags) g (tag)
                        CROSS JOIN LATERAL (SELECT t.start_ns, t.trace_id FROM trace_tags t
                                            WHERE t.tenant_id = tenant AND t.project_id = project AND t.tag = g.tag COLLATE "C"
                                              AND t.start_ns >= from_ns AND t.start_ns < until_ns
                                            ORDER BY t.start_ns DESC, t.trace_id DESC LIMIT shares) x
                        UNION ALL
                        SELECT x.start_ns, x.trace_id
                        FROM (SELECT t.start_ns, t.trace_id FROM traces t
                              WHERE t.tenant_id = tenant AND t.project_id = project
                                AND t.trace_id >= rpad(digits, 32, '0')::uuid AND t.trace_id <= rpad(digits, 32, 'f')::uuid LIMIT most) x
                        WHERE x.start_ns >= from_ns AND x.start_ns < until_ns) a
                  ORDER BY a.start_ns DESC, a.trace_id DESC LIMIT most) f);
        EXIT WHEN cardinality(found) >= most OR shares >= most;
        shares := shares * 4;
    END LOOP;
    RETURN found;
END
$$;

-- The traces among the newest 2,000 of a range, or among those given, of which a span says this: its attribute, or its process's, has that
-- text, or its name contains these characters.
CREATE OR REPLACE FUNCTION trace_span_matches(project uuid, from_ns bigint, until_ns bigint, among uuid[], attribute text, value text, span text)
RETURNS uuid[]
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    tenant  uuid := app_tenant();
    names   text[];
    origins uuid[];
    ids     uuid[];
    firsts  date[];
    lasts   date[];
    from_day  date;
    until_day date;
BEGIN
    IF span IS NOT NULL THEN
        names := trace_words(project, 'span', span);
        IF cardinality(names) = 0 THEN
            RETURN '{}';
        END IF;
    END IF;
    IF attribute IS NOT NULL THEN
        origins := ARRAY(SELECT r.id FROM (SELECT x.id, x.attributes FROM span_resources x WHERE x.tenant_id = tenant AND x.project_id = project
                                           ORDER BY x.id LIMIT 10000) r
                         WHERE r.attributes ->> attribute = value);
    END IF;
    SELECT array_agg(c.trace_id), array_agg(c.day), array_agg(span_day(c.last_ns)), min(c.day), max(span_day(c.last_ns))
    INTO ids, firsts, lasts, from_day, until_day
    FROM (SELECT t.trace_id, t.day, t.last_ns FROM traces t
          WHERE t.tenant_id = tenant AND t.project_id = project AND t.start_ns >= from_ns AND t.start_ns < until_ns AND among IS NULL
          ORDER BY t.start_ns DESC, t.trace_id DESC LIMIT 2000) c;
    IF among IS NOT NULL THEN
        SELECT array_agg(t.trace_id), array_agg(t.day), array_agg(span_day(t.last_ns)), min(t.day), max(span_day(t.last_ns))
        INTO ids, firsts, lasts, from_day, until_day
        FROM unnest(among[:2000]) a (id)
        JOIN traces t ON t.tenant_id = tenant AND t.project_id = project AND t.trace_id = a.id;
    END IF;
    RETURN ARRAY(
        SELECT c.id
        FROM unnest(ids, firsts, lasts) c (id, first, last)
        WHERE EXISTS (SELECT FROM spans s
                      WHERE s.tenant_id = tenant AND s.project_id = project AND s.trace_id = c.id AND s.day BETWEEN c.first AND c.last
                        AND s.day BETWEEN from_day AND until_day AND (names IS NULL OR s.name = ANY (names))
                        AND (attribute IS NULL OR s.attributes ->> attribute = value OR s.resource_id = ANY (origins))));
END
$$;

-- The ids that a list is narrowed to, newest first.
CREATE OR REPLACE FUNCTION trace_found(project uuid, from_ns bigint, until_ns bigint, search text, attribute text, value text, span text, session text)
RETURNS SETOF uuid
LANGUAGE plpgsql STABLE ROWS 1000 AS $$
DECLARE
    ids uuid[];
BEGIN
    IF search IS NOT NULL THEN
        ids := trace_matches(project, from_ns, until_ns, search, 5000);
    END IF;
    IF session IS NOT NULL THEN
        ids := ARRAY(SELECT t.trace_id FROM traces t
                     WHERE t.tenant_id = app_tenant() AND t.project_id = project AND t.session_id = session COLLATE "C" AND t.start_ns >= from_ns AND t.start_ns < until_ns
                       AND (ids IS NULL OR t.trace_id = ANY (ids))
                     ORDER BY t.start_ns DESC, t.trace_id DESC LIMIT 5000);
    END IF;
    IF attribute IS NOT NULL OR span IS NOT NULL THEN
        ids := trace_span_matches(project, from_ns, until_ns, ids, attribute, value, span);
    END IF;
    RETURN QUERY SELECT unnest(ids);
END
$$;

-- The spans of a trace, from the first on, `most` of them: of the days that it lasted, which the planner is told.
CREATE OR REPLACE FUNCTION trace_spans(project uuid, trace uuid, first date, last date, most integer) RETURNS SETOF spans
LANGUAGE plpgsql STABLE ROWS 100 SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    RETURN QUERY
        SELECT s.*
        FROM spans s
        WHERE s.tenant_id = app_tenant() AND s.project_id = project AND s.trace_id = trace AND s.day BETWEEN first AND last
        ORDER BY s.start_ns, s.parent_id IS NOT NULL, s.span_id
        LIMIT most;
END
$$;

-- The first project that the caller may read and that has this trace.  No row: none.
CREATE OR REPLACE FUNCTION trace_anywhere(trace uuid) RETURNS TABLE (project_id uuid, is_free boolean)
LANGUAGE plpgsql STABLE ROWS 1 AS $$
#variable_conflict use_column
DECLARE
    tenant uuid := app_tenant();
BEGIN
    RETURN QUERY
        SELECT p.id, o.prem_status = 'free'
        FROM (SELECT m.organization_id FROM memberships m WHERE m.tenant_id = tenant AND m.user_id = app_user() AND m.is_active
              UNION SELECT demo_org()) m
        JOIN organizations o ON o.tenant_id = tenant AND o.id = m.organization_id AND o.deleted_at IS NULL
        JOIN trace_projects p ON p.tenant_id = tenant AND p.organization_id = o.id AND p.deleted_at IS NULL
        JOIN traces t ON t.tenant_id = tenant AND t.project_id = p.id AND t.trace_id = trace
        ORDER BY p.id LIMIT 1;
END
$$;
