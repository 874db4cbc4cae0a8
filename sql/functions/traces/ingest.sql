-- How spans come in.

-- Is who watches a project (the channel trace_project:<id>) to be told of traces that came, or went on?  Ten times a second, so that what is
-- sent does not grow with what comes in.
CREATE OR REPLACE FUNCTION trace_tell_is_due(project uuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    before timestamptz;
BEGIN
    IF NOT is_told(app_tenant()) THEN
        RETURN false;
    END IF;
    SELECT m.created_at INTO before
    FROM realtime_messages m WHERE m.tenant_id = app_tenant() AND m.channel = 'trace_project:' || project ORDER BY m.id DESC LIMIT 1;
    RETURN before IS NULL OR before <= clock_timestamp() - interval '100 milliseconds';
END
$$;
REVOKE ALL ON FUNCTION trace_tell_is_due(uuid) FROM PUBLIC;

-- Tell them: of so many traces, of which at most twenty are said.
CREATE OR REPLACE FUNCTION trace_tell_put(project uuid, trace_count bigint, traces jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM realtime_put('trace_project:' || project, jsonb_build_object('type', 'update', 'event', 'traces.received', 'data', jsonb_build_object(
        'project_id', project, 'trace_count', trace_count, 'traces', traces)), NULL, 'message', NULL, false);
END
$$;
REVOKE ALL ON FUNCTION trace_tell_put(uuid, bigint, jsonb) FROM PUBLIC;

-- The same of these, in the transaction that has the project's lock.
CREATE OR REPLACE FUNCTION trace_tell(project uuid, told traces[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF trace_tell_is_due(project) THEN
        PERFORM trace_tell_put(project, cardinality(told), (
            SELECT jsonb_agg(jsonb_build_object('trace_id', replace(t.trace_id::text, '-', ''), 'root_span_name', t.root_name, 'span_count', t.span_count,
                                                'status', (ARRAY['UNSET', 'OK', 'ERROR'])[t.last_status + 1], 'duration', t.last_ns - t.start_ns)
                             ORDER BY t.start_ns DESC, t.trace_id)
            FROM unnest(told[:20]) t));
    END IF;
END
$$;
REVOKE ALL ON FUNCTION trace_tell(uuid, traces[]) FROM PUBLIC;

-- Take spans of a project, an element of each array for one; what is there already is not taken again.  Raises AS404 where there is
-- no such project.
--
-- The spans themselves go in at once, whoever else writes.  What they come to (traces, trace_stats and the rest) is a difference to
-- what was there, so that is made by one transaction a project at a time.  All wait for one another in one order: days, partitions,
-- resources, spans by their ids, the project.
--
--   resources    of resource_attributes, from 1
--   kinds, statuses, flags, events, links   as the columns of spans
--   tags         arrays of text;  session_ids: whose conversation;  both NULL where a span says nothing of it
CREATE OR REPLACE FUNCTION trace_ingest(
    project uuid, trace_ids uuid[], span_ids bigint[], parent_ids bigint[], names text[], kinds smallint[], services text[],
    scopes text[], scope_versions text[], trace_states text[], start_ns bigint[], duration_ns bigint[], statuses smallint[],
    status_messages text[], attributes jsonb[], resources integer[], resource_attributes jsonb[], events jsonb[], links jsonb[],
    models text[], prompt_tokens bigint[], completion_tokens bigint[], cache_read_tokens bigint[], reasoning_tokens bigint[],
    total_tokens bigint[], prompt_costs bigint[], completion_costs bigint[], total_costs bigint[], tags jsonb[], session_ids text[],
    flags smallint[], OUT taken bigint, OUT duplicates bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    tenant       uuid := app_tenant();
    today        date := (now() AT TIME ZONE 'UTC')::date;
    organization uuid;
    class        smallint;
    resource_ids uuid[];
    days         date[];
    classes      smallint[];
    -- What was taken: by trace, and by class, minute and slot of the duration (0: it took no time).
    news         traces[];
    olds         traces[];
    sums         traces[];
    at_class     smallint[];
    at_minute    bigint[];
    at_slot      integer[];
    at_count     bigint[];
    at_errors    bigint[];
    at_min       bigint[];
    at_max       bigint[];
    at_day       date;
    span_names_  text[];
    tokens       numeric;
    left_        text[];
BEGIN
    SELECT p.organization_id, span_class(o.prem_status) INTO organization, class
    FROM trace_projects p
    JOIN organizations o ON o.tenant_id = p.tenant_id AND o.id = p.organization_id
    WHERE p.tenant_id = tenant AND p.id = project AND p.deleted_at IS NULL;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Project not found', DETAIL = project::text;
    END IF;
    days := ARRAY(SELECT DISTINCT span_day(x.at) AS day FROM unnest(trace_ingest.start_ns) x (at) ORDER BY day);
    classes := trace_day_classes(project, class, days, NULL);
    PERFORM span_partition(d.class, d.day)
    FROM unnest(classes, days) d (class, day)
    WHERE to_regclass('public.' || span_partition_name(d.class, d.day)) IS NULL
    ORDER BY d.class, d.day;

    resource_ids := ARRAY(SELECT md5(r.attributes::text)::uuid FROM unnest(resource_attributes) WITH ORDINALITY r (attributes, i) ORDER BY r.i);
    INSERT INTO span_resources AS s (tenant_id, project_id, id, attributes, last_day)
    SELECT tenant, project, r.id, (array_agg(r.attributes))[1], today
    FROM unnest(resource_ids, resource_attributes) r (id, attributes)
    WHERE NOT EXISTS (SELECT FROM span_resources e
                      WHERE e.tenant_id = tenant AND e.project_id = project AND e.id = r.id AND e.last_day >= today)
    GROUP BY r.id ORDER BY r.id
    ON CONFLICT (tenant_id, project_id, id) DO UPDATE SET last_day = greatest(s.last_day, excluded.last_day);

    WITH new AS (
        INSERT INTO spans AS s (tenant_id, project_id, trace_id, span_id, parent_id, start_ns, duration_ns, resource_id, prompt_tokens,
                                completion_tokens, cache_read_tokens, reasoning_tokens, total_tokens, prompt_cost, completion_cost, total_cost,
                                day, keep, kind, status, flags, name, service, scope, scope_version, trace_state, status_message, model,
                                attributes, events, links)
        SELECT tenant, project, x.trace_id, x.span_id, x.parent_id, x.start_ns, x.duration_ns, resource_ids[x.resource], x.prompt_tokens,
               x.completion_tokens, x.cache_read_tokens, x.reasoning_tokens, x.total_tokens, x.prompt_cost, x.completion_cost, x.total_cost,
               span_day(x.start_ns), classes[array_position(days, span_day(x.start_ns))], x.kind, x.status, x.flags, x.name,
               x.service, x.scope, x.scope_version, x.trace_state, x.status_message, x.model, x.attributes, x.events, x.links
        FROM unnest(trace_ids, span_ids, parent_ids, trace_ingest.start_ns, trace_ingest.duration_ns, resources, trace_ingest.prompt_tokens,
                    trace_ingest.completion_tokens, trace_ingest.cache_read_tokens, trace_ingest.reasoning_tokens,
                    trace_ingest.total_tokens, prompt_costs, completion_costs, total_costs, kinds, statuses, trace_ingest.flags, names,
                    services, scopes, scope_versions, trace_states, status_messages, models, trace_ingest.attributes, trace_ingest.events,
                    trace_ingest.links)
             x (trace_id, span_id, parent_id, start_ns, duration_ns, resource, prompt_tokens, completion_tokens, cache_read_tokens,
                reasoning_tokens, total_tokens, prompt_cost, completion_cost, total_cost, kind, status, flags, name, service, scope,
                scope_version, trace_state, status_message, model, attributes, events, links)
        ORDER BY x.trace_id, x.span_id
        ON CONFLICT DO NOTHING
        RETURNING s.trace_id, s.span_id, s.parent_id IS NOT NULL AS is_child, s.start_ns, s.duration_ns, s.status, s.keep, s.day, s.name, s.service,
                  s.prompt_tokens, s.completion_tokens, s.cache_read_tokens, s.reasoning_tokens, s.total_tokens, s.prompt_cost,
                  s.completion_cost, s.total_cost
    ), first AS (
        SELECT DISTINCT ON (n.trace_id) n.trace_id, n.span_id, n.is_child, n.start_ns, n.keep, n.day, n.name, n.service
        FROM new n ORDER BY n.trace_id, n.start_ns, n.is_child, n.span_id
    ), last AS (
        SELECT DISTINCT ON (n.trace_id) n.trace_id, n.span_id, n.start_ns, n.status
        FROM new n ORDER BY n.trace_id, n.start_ns DESC, n.span_id DESC
    ), counted AS (
        SELECT n.trace_id, count(*)::integer AS spans, (count(*) FILTER (WHERE n.status = 1))::integer AS oks,
               (count(*) FILTER (WHERE n.status = 2))::integer AS errors, sum(n.duration_ns) AS ns,
               coalesce(sum(n.prompt_tokens), 0) AS prompt, coalesce(sum(n.completion_tokens), 0) AS completion,
               coalesce(sum(n.cache_read_tokens), 0) AS cached, coalesce(sum(n.reasoning_tokens), 0) AS reasoning,
               coalesce(sum(n.total_tokens), 0) AS total, coalesce(sum(n.prompt_cost), 0) AS prompt_cost,
               coalesce(sum(n.completion_cost), 0) AS completion_cost, coalesce(sum(n.total_cost), 0) AS total_cost
        FROM new n GROUP BY n.trace_id
    ), labelled AS (
        SELECT x.trace_id, x.span_id, min(x.tags::text)::jsonb AS tags
        FROM unnest(trace_ids, span_ids, trace_ingest.tags) x (trace_id, span_id, tags) WHERE jsonb_typeof(x.tags) = 'array' GROUP BY 1, 2
    ), talked AS (
        SELECT x.trace_id, min(left(x.session_id, 255) COLLATE "C") AS session_id
        FROM unnest(trace_ids, session_ids) x (trace_id, session_id) WHERE x.session_id <> '' GROUP BY 1
    ), told AS (
        SELECT tenant AS tenant_id, project AS project_id, c.trace_id, f.start_ns, l.start_ns AS last_ns, l.start_ns - f.start_ns AS duration_ns,
               f.span_id AS first_span, f.is_child AS first_is_child, l.span_id AS last_span, l.status AS last_status, f.keep, f.day,
               c.spans AS span_count, c.oks AS ok_count, c.errors AS error_count, sum_within(c.prompt) AS prompt_tokens,
               sum_within(c.completion) AS completion_tokens, sum_within(c.cached) AS cache_read_tokens, sum_within(c.reasoning) AS reasoning_tokens,
               sum_within(c.total) AS total_tokens, sum_within(c.prompt_cost) AS prompt_cost, sum_within(c.completion_cost) AS completion_cost,
               sum_within(c.total_cost) AS total_cost, sum_within(c.ns) AS span_time_ns, left(f.service, 255) COLLATE "C" AS service,
               left(f.name, 255) COLLATE "C" AS root_name, g.tags, left(coalesce(array_to_string(g.tags, ' '), ''), 255) COLLATE "C" AS tags_key,
               w.session_id, now() AS created_at, now() AS updated_at
        FROM counted c
        JOIN first f ON f.trace_id = c.trace_id
        JOIN last l ON l.trace_id = c.trace_id
        LEFT JOIN labelled b ON b.trace_id = f.trace_id AND b.span_id = f.span_id
        LEFT JOIN talked w ON w.trace_id = c.trace_id
        CROSS JOIN LATERAL (SELECT CASE WHEN b.tags IS NOT NULL THEN
            ARRAY(SELECT left(e.tag, 255) FROM jsonb_array_elements_text(b.tags) WITH ORDINALITY e (tag, i) WHERE e.tag <> '' ORDER BY e.i LIMIT 64) END AS tags) g
    ), minutes AS (
        SELECT n.keep, n.start_ns / 60000000000 * 60 AS at, CASE WHEN n.duration_ns > 0 THEN span_slot(n.duration_ns) ELSE 0 END AS slot, count(*) AS n,
               count(*) FILTER (WHERE n.status = 2) AS errors, min(n.duration_ns) AS least, max(n.duration_ns) AS most
        FROM new n GROUP BY 1, 2, 3
    )
    SELECT (SELECT array_agg(t::traces ORDER BY t.trace_id) FROM (SELECT ROW (told.*)::traces AS t, told.trace_id FROM told) t (t, trace_id)),
           (SELECT count(*) FROM new), (SELECT sum(n.total_tokens) FROM new n), (SELECT max(n.day) FROM new n),
           ARRAY(SELECT DISTINCT left(n.name, 255) FROM new n), m.*
    INTO news, taken, tokens, at_day, span_names_, at_class, at_minute, at_slot, at_count, at_errors, at_min, at_max
    FROM (SELECT array_agg(m.keep), array_agg(m.at), array_agg(m.slot), array_agg(m.n), array_agg(m.errors), array_agg(m.least), array_agg(m.most)
          FROM minutes m) m;
    duplicates := cardinality(span_ids) - taken;
    IF taken = 0 THEN
        RETURN;
    END IF;

    PERFORM pg_advisory_xact_lock(hash_record_extended(ROW ('traces'::text, tenant, project), 0));

    -- What the traces were, and what they are with what came.
    SELECT array_agg(o::traces) FILTER (WHERE o.trace_id IS NOT NULL), array_agg(CASE WHEN o.trace_id IS NULL THEN n::traces ELSE trace_merge(o::traces, n::traces) END)
    INTO olds, sums
    FROM unnest(news) n
    LEFT JOIN LATERAL (SELECT t.* FROM traces t
                       WHERE t.tenant_id = tenant AND t.project_id = project AND t.trace_id = n.trace_id OFFSET 0) o ON true;

    INSERT INTO traces AS t (tenant_id, project_id, trace_id, start_ns, last_ns, first_span, first_is_child, last_span, last_status, keep, day,
                             span_count, ok_count, error_count, prompt_tokens, completion_tokens, cache_read_tokens, reasoning_tokens, total_tokens,
                             prompt_cost, completion_cost, total_cost, span_time_ns, service, root_name, tags, tags_key, session_id)
    SELECT m.tenant_id, m.project_id, m.trace_id, m.start_ns, m.last_ns, m.first_span, m.first_is_child, m.last_span, m.last_status, m.keep, m.day,
           m.span_count, m.ok_count, m.error_count, m.prompt_tokens, m.completion_tokens, m.cache_read_tokens, m.reasoning_tokens, m.total_tokens,
           m.prompt_cost, m.completion_cost, m.total_cost, m.span_time_ns, m.service, m.root_name, m.tags, m.tags_key, m.session_id
    FROM unnest(sums) m
    ON CONFLICT (tenant_id, project_id, trace_id) DO UPDATE
    SET start_ns = excluded.start_ns, last_ns = excluded.last_ns, first_span = excluded.first_span, first_is_child = excluded.first_is_child,
        last_span = excluded.last_span, last_status = excluded.last_status, keep = excluded.keep, day = excluded.day, span_count = excluded.span_count,
        ok_count = excluded.ok_count, error_count = excluded.error_count, prompt_tokens = excluded.prompt_tokens,
        completion_tokens = excluded.completion_tokens, cache_read_tokens = excluded.cache_read_tokens,
        reasoning_tokens = excluded.reasoning_tokens, total_tokens = excluded.total_tokens, prompt_cost = excluded.prompt_cost,
        completion_cost = excluded.completion_cost, total_cost = excluded.total_cost, span_time_ns = excluded.span_time_ns,
        service = excluded.service, root_name = excluded.root_name, tags = excluded.tags, tags_key = excluded.tags_key,
        session_id = excluded.session_id;

    INSERT INTO trace_stats AS s (tenant_id, project_id, width, keep, bucket, trace_count, ok_traces, error_traces, span_count, ok_spans, error_spans,
                                  prompt_tokens, completion_tokens, cache_read_tokens, reasoning_tokens, total_tokens, ok_tokens, error_tokens,
                                  prompt_cost, completion_cost, total_cost, ok_cost, span_time_ns, begun, begun_errors, min_ns, max_ns, durations)
    SELECT tenant, project, w.width, d.keep, d.at / w.width * w.width AS bucket, sum(d.sign), sum(d.ok), sum(d.error), sum(d.spans), sum(d.oks),
           sum(d.errors), sum(d.prompt), sum(d.completion), sum(d.cached), sum(d.reasoning), sum(d.total), sum(d.ok * abs(d.total)),
           sum(d.error * abs(d.total)), sum(d.prompt_cost), sum(d.completion_cost), sum(d.total_cost), sum(d.ok * abs(d.total_cost)), sum(d.ns),
           sum(d.begun), sum(d.begun_errors), min(d.least) FILTER (WHERE d.slot > 0), max(d.most) FILTER (WHERE d.slot > 0),
           span_slots(array_agg(d.slot) FILTER (WHERE d.slot > 0), array_agg(d.begun) FILTER (WHERE d.slot > 0))
    FROM (SELECT t.keep, t.start_ns / 1000000000 AS at, x.sign, CASE t.last_status WHEN 1 THEN x.sign ELSE 0 END AS ok,
                 CASE t.last_status WHEN 2 THEN x.sign ELSE 0 END AS error, x.sign * t.span_count AS spans, x.sign * t.ok_count AS oks,
                 x.sign * t.error_count AS errors, x.sign * t.prompt_tokens::numeric AS prompt, x.sign * t.completion_tokens::numeric AS completion,
                 x.sign * t.cache_read_tokens::numeric AS cached, x.sign * t.reasoning_tokens::numeric AS reasoning,
                 x.sign * t.total_tokens::numeric AS total, x.sign * t.prompt_cost::numeric AS prompt_cost,
                 x.sign * t.completion_cost::numeric AS completion_cost, x.sign * t.total_cost::numeric AS total_cost,
                 x.sign * t.span_time_ns::numeric AS ns, 0::bigint AS begun, 0::bigint AS begun_errors, 0 AS slot, 0::bigint AS least, 0::bigint AS most
          FROM (VALUES (1, sums), (-1, olds)) x (sign, set), unnest(x.set) t
          UNION ALL
          SELECT c.class, c.at, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, c.n, c.errors, c.slot, c.least, c.most
          FROM unnest(at_class, at_minute, at_slot, at_count, at_errors, at_min, at_max) c (class, at, slot, n, errors, least, most)) d
    CROSS JOIN (VALUES (60), (3600), (86400)) w (width)
    GROUP BY w.width, d.keep, d.at / w.width * w.width
    ORDER BY w.width, d.keep, d.at / w.width * w.width
    ON CONFLICT (tenant_id, project_id, width, keep, bucket) DO UPDATE
    SET trace_count = s.trace_count + excluded.trace_count, ok_traces = s.ok_traces + excluded.ok_traces, error_traces = s.error_traces + excluded.error_traces,
        span_count = s.span_count + excluded.span_count, ok_spans = s.ok_spans + excluded.ok_spans, error_spans = s.error_spans + excluded.error_spans,
        prompt_tokens = s.prompt_tokens + excluded.prompt_tokens, completion_tokens = s.completion_tokens + excluded.completion_tokens,
        cache_read_tokens = s.cache_read_tokens + excluded.cache_read_tokens, reasoning_tokens = s.reasoning_tokens + excluded.reasoning_tokens,
        total_tokens = s.total_tokens + excluded.total_tokens, ok_tokens = s.ok_tokens + excluded.ok_tokens, error_tokens = s.error_tokens + excluded.error_tokens,
        prompt_cost = s.prompt_cost + excluded.prompt_cost, completion_cost = s.completion_cost + excluded.completion_cost,
        total_cost = s.total_cost + excluded.total_cost, ok_cost = s.ok_cost + excluded.ok_cost, span_time_ns = s.span_time_ns + excluded.span_time_ns,
        begun = s.begun + excluded.begun, begun_errors = s.begun_errors + excluded.begun_errors, min_ns = least(s.min_ns, excluded.min_ns),
        max_ns = greatest(s.max_ns, excluded.max_ns), durations = span_slots_add(s.durations, excluded.durations);

    INSERT INTO trace_sizes AS s (tenant_id, project_id, keep, day, span_count, traces)
    SELECT tenant, project, t.keep, t.day, t.span_count, sum(x.sign)
    FROM (VALUES (1, sums), (-1, olds)) x (sign, set), unnest(x.set) t
    GROUP BY t.keep, t.day, t.span_count
    HAVING sum(x.sign) <> 0
    ORDER BY t.keep, t.day, t.span_count
    ON CONFLICT (tenant_id, project_id, keep, day, span_count) DO UPDATE SET traces = s.traces + excluded.traces;

    -- Few traces have other tags or another beginning than before, and those first of their spans.
    IF EXISTS (SELECT FROM unnest(olds) o WHERE o.tags IS NOT NULL) THEN
        DELETE FROM trace_tags t
        USING unnest(olds) o, unnest(sums) m
        WHERE m.trace_id = o.trace_id AND (m.start_ns, m.tags) IS DISTINCT FROM (o.start_ns, o.tags)
          AND t.tenant_id = tenant AND t.project_id = project AND t.tag = ANY (o.tags) AND t.start_ns = o.start_ns AND t.trace_id = o.trace_id;
    END IF;
    IF EXISTS (SELECT FROM unnest(sums) m WHERE m.tags IS NOT NULL) THEN
        INSERT INTO trace_tags (tenant_id, project_id, tag, start_ns, trace_id)
        SELECT DISTINCT tenant, project, g.tag, m.start_ns, m.trace_id
        FROM unnest(sums) m
        LEFT JOIN unnest(olds) o ON o.trace_id = m.trace_id
        CROSS JOIN LATERAL unnest(m.tags) g (tag)
        WHERE (o.start_ns, o.tags) IS DISTINCT FROM (m.start_ns, m.tags);
    END IF;

    INSERT INTO span_names AS s (tenant_id, project_id, kind, name, last_day)
    SELECT tenant, project, x.kind, x.name, at_day
    FROM (SELECT 'span' AS kind, n.name FROM unnest(span_names_) n (name)
          UNION SELECT 'root', m.root_name FROM unnest(sums) m
          UNION SELECT 'tag', g.tag FROM unnest(sums) m, unnest(m.tags) g (tag)) x
    WHERE NOT EXISTS (SELECT FROM span_names e
                      WHERE e.tenant_id = tenant AND e.project_id = project AND e.kind = x.kind AND e.name = x.name AND e.last_day >= at_day)
    ON CONFLICT (tenant_id, project_id, kind, name) DO UPDATE SET last_day = greatest(s.last_day, excluded.last_day);

    INSERT INTO trace_sessions AS s (tenant_id, project_id, session_id, first_ns, last_ns)
    SELECT tenant, project, m.session_id, min(m.start_ns), max(m.start_ns)
    FROM unnest(sums) m WHERE m.session_id IS NOT NULL GROUP BY m.session_id ORDER BY m.session_id
    ON CONFLICT (tenant_id, project_id, session_id) DO UPDATE
    SET first_ns = least(s.first_ns, excluded.first_ns), last_ns = greatest(s.last_ns, excluded.last_ns)
    WHERE s.first_ns > excluded.first_ns OR s.last_ns < excluded.last_ns;
    -- A trace that turns out to be another session's, or to have begun earlier, leaves the one where it was counted.
    left_ := ARRAY(SELECT DISTINCT o.session_id FROM unnest(olds) o JOIN unnest(sums) m ON m.trace_id = o.trace_id
                   WHERE o.session_id IS NOT NULL AND (o.session_id, o.start_ns) IS DISTINCT FROM (m.session_id, m.start_ns));
    IF cardinality(left_) > 0 THEN
        WITH ends AS (
            SELECT l.id, (SELECT min(t.start_ns) FROM traces t WHERE t.tenant_id = tenant AND t.project_id = project AND t.session_id = l.id) AS first_ns,
                   (SELECT max(t.start_ns) FROM traces t WHERE t.tenant_id = tenant AND t.project_id = project AND t.session_id = l.id) AS last_ns
            FROM unnest(left_) l (id)
        ), gone AS (
            DELETE FROM trace_sessions s USING ends e
            WHERE s.tenant_id = tenant AND s.project_id = project AND s.session_id = e.id AND e.first_ns IS NULL
        )
        UPDATE trace_sessions s SET first_ns = e.first_ns, last_ns = e.last_ns FROM ends e
        WHERE s.tenant_id = tenant AND s.project_id = project AND s.session_id = e.id AND e.first_ns IS NOT NULL;
    END IF;

    -- What is billed, on the day when it came.
    INSERT INTO usage_daily AS d (tenant_id, user_id, metric, day, organization_id, category, quantity, count)
    SELECT tenant, usage_id(NULL), u.metric, today, organization, project::text, sum_within(u.n), taken
    FROM (VALUES ('span_tokens', tokens), ('spans', taken::numeric)) u (metric, n)
    WHERE u.n > 0
    ON CONFLICT (tenant_id, user_id, metric, day, organization_id, category) DO UPDATE
    SET quantity = sum_within(d.quantity::numeric + excluded.quantity), count = d.count + excluded.count;
    PERFORM trace_tell(project, sums);
END
$$;
REVOKE ALL ON FUNCTION trace_ingest(uuid, uuid[], bigint[], bigint[], text[], smallint[], text[], text[], text[], text[], bigint[], bigint[],
    smallint[], text[], jsonb[], integer[], jsonb[], jsonb[], jsonb[], text[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[],
    bigint[], bigint[], jsonb[], text[], smallint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trace_ingest(uuid, uuid[], bigint[], bigint[], text[], smallint[], text[], text[], text[], text[], bigint[], bigint[],
    smallint[], text[], jsonb[], integer[], jsonb[], jsonb[], jsonb[], text[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[],
    bigint[], bigint[], jsonb[], text[], smallint[]) TO ashlar_api;
