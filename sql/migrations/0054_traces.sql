-- Spans, and what is known of their traces, by project (trace_projects).
--
-- Times are nanoseconds since 1970, as OTLP has them, durations too; costs are ten-millionths of a dollar; days are UTC.
-- sql/functions/traces/ingest.sql alone writes here.

-- How long something is kept: the class that the project's organization had when it came.
--   1 free, 2 pro, 3 enterprise

-- One row a span.  A partition for each class and day (spans_partition), made when the first span of it comes, or ahead, and dropped
-- when the class's days are over: nothing is deleted, and nothing vacuumed.  Of a span that is sent again the key is there already.
--
--   span_id, parent_id, trace_id   the 8 and 16 bytes of OTLP
--   kind, status                   as OTLP numbers them: kind 0 to 5; status 0 unset, 1 ok, 2 error
--   resource_id                    span_resources; scope: what made the span
--   attributes, events, links      with their types; of events time_ns, name, attributes; of links trace_id, span_id, trace_state, attributes
--   flags                          1: it ended before it began, 2: of its attributes, events or links something was cut
--   prompt_tokens … total_cost     of a call of a model, else NULL
CREATE TABLE spans (
    tenant_id         uuid NOT NULL,
    project_id        uuid NOT NULL,
    trace_id          uuid NOT NULL,
    span_id           bigint NOT NULL,
    parent_id         bigint,
    start_ns          bigint NOT NULL,
    duration_ns       bigint NOT NULL,
    resource_id       uuid NOT NULL,
    prompt_tokens     bigint,
    completion_tokens bigint,
    cache_read_tokens bigint,
    reasoning_tokens  bigint,
    total_tokens      bigint,
    prompt_cost       bigint,
    completion_cost   bigint,
    total_cost        bigint,
    day               date NOT NULL,
    keep              smallint NOT NULL,
    kind              smallint NOT NULL,
    status            smallint NOT NULL,
    flags             smallint NOT NULL,
    name              text COLLATE "C" NOT NULL,
    service           text COLLATE "C" NOT NULL,
    scope             text,
    scope_version     text,
    trace_state       text,
    status_message    text,
    model             text,
    attributes        jsonb NOT NULL,
    events            jsonb,
    links             jsonb,
    PRIMARY KEY (tenant_id, project_id, trace_id, span_id, keep, day)
) PARTITION BY LIST (keep);
SELECT isolate('spans');
GRANT SELECT ON spans TO ashlar_api;

-- Prompts and answers of models are long: lz4 costs a fifth of pglz, where this server has it.
DO $$
BEGIN
    ALTER TABLE spans ALTER attributes SET COMPRESSION lz4, ALTER events SET COMPRESSION lz4, ALTER links SET COMPRESSION lz4;
EXCEPTION
    WHEN feature_not_supported THEN NULL;
END
$$;

DO $$
BEGIN
    FOR keep IN 1..3 LOOP
        EXECUTE format('CREATE TABLE spans_%s PARTITION OF spans FOR VALUES IN (%s) PARTITION BY RANGE (day)',
                       (ARRAY['free', 'pro', 'enterprise'])[keep], keep);
        PERFORM isolate(('spans_' || (ARRAY['free', 'pro', 'enterprise'])[keep])::regclass);
    END LOOP;
END
$$;

-- What a process tells of itself with each span: kept once, by its MD5.  last_day: when it was last seen.
CREATE TABLE span_resources (
    tenant_id  uuid NOT NULL,
    project_id uuid NOT NULL,
    id         uuid NOT NULL,
    attributes jsonb NOT NULL,
    last_day   date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, project_id, id)
);
SELECT isolate('span_resources');
GRANT SELECT ON span_resources TO ashlar_api;

-- One row a trace: what its spans come to, in whatever order and batches they came.
--
--   start_ns, last_ns     when its first and its last span began
--   first_*               which is first: that began first; of several one without a parent; then the least id
--   service, root_name, tags   of the first span; tags_key is what a list by tags is sorted by
--   last_span, last_status     of the last one
--   day                   of start_ns
--   session_id            of the conversation that it belongs to, as any of its spans says; of several the least
--   span_time_ns          the sum of the spans' durations
CREATE TABLE traces (
    tenant_id         uuid NOT NULL,
    project_id        uuid NOT NULL,
    trace_id          uuid NOT NULL,
    start_ns          bigint NOT NULL,
    last_ns           bigint NOT NULL,
    duration_ns       bigint NOT NULL GENERATED ALWAYS AS (last_ns - start_ns) STORED,
    first_span        bigint NOT NULL,
    first_is_child    boolean NOT NULL,
    last_span         bigint NOT NULL,
    last_status       smallint NOT NULL,
    keep              smallint NOT NULL,
    day               date NOT NULL,
    span_count        integer NOT NULL,
    ok_count          integer NOT NULL,
    error_count       integer NOT NULL,
    prompt_tokens     bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    cache_read_tokens bigint NOT NULL,
    reasoning_tokens  bigint NOT NULL,
    total_tokens      bigint NOT NULL,
    prompt_cost       bigint NOT NULL,
    completion_cost   bigint NOT NULL,
    total_cost        bigint NOT NULL,
    span_time_ns      bigint NOT NULL,
    service           text COLLATE "C" NOT NULL,
    root_name         text COLLATE "C" NOT NULL,
    tags              text[],
    tags_key          text COLLATE "C" NOT NULL,
    session_id        text COLLATE "C",
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);
-- One for each order of the list.  start_ns stands behind each, so that a range of time is looked at in the index alone.
CREATE INDEX traces_by_start ON traces (tenant_id, project_id, start_ns, trace_id);
CREATE INDEX traces_by_duration ON traces (tenant_id, project_id, duration_ns, start_ns, trace_id);
CREATE INDEX traces_by_spans ON traces (tenant_id, project_id, span_count, start_ns, trace_id);
CREATE INDEX traces_by_errors ON traces (tenant_id, project_id, error_count, start_ns, trace_id);
CREATE INDEX traces_by_cost ON traces (tenant_id, project_id, total_cost, start_ns, trace_id);
CREATE INDEX traces_by_service ON traces (tenant_id, project_id, service, start_ns, trace_id);
CREATE INDEX traces_by_name ON traces (tenant_id, project_id, root_name, start_ns, trace_id);
CREATE INDEX traces_by_tags ON traces (tenant_id, project_id, tags_key, start_ns, trace_id);
CREATE INDEX traces_of_session ON traces (tenant_id, project_id, session_id, start_ns, trace_id) WHERE session_id IS NOT NULL;
CREATE INDEX traces_by_age ON traces (keep, day);
-- The last one: where costs are equal, as they are while nothing is known of a young table, PostgreSQL takes the index that was made last.
-- Of the others a trace's id would be the last column, and each look-up would read all of the project's.
ALTER TABLE traces ADD PRIMARY KEY (tenant_id, project_id, trace_id);
SELECT isolate('traces');
GRANT SELECT ON traces TO ashlar_api;

-- Which traces have a tag.
CREATE TABLE trace_tags (
    tenant_id  uuid NOT NULL,
    project_id uuid NOT NULL,
    tag        text COLLATE "C" NOT NULL,
    start_ns   bigint NOT NULL,
    trace_id   uuid NOT NULL,
    PRIMARY KEY (tenant_id, project_id, tag, start_ns, trace_id)
);
SELECT isolate('trace_tags');
GRANT SELECT ON trace_tags TO ashlar_api;

-- Sums, so that no figure about a project reads its traces: by minute, hour and day (width, in seconds), of the second `bucket`.
--
--   trace_count … span_time_ns   of traces, by when they began; a trace that turns out to have begun earlier moves
--     ok_*, error_*              of traces: of those whose last span had that status; of spans: their own
--   begun, begun_errors          spans, by when they themselves began
--     min_ns, max_ns, durations  how long those took, without those that took no time: durations[i] are those of span_slot() i
CREATE TABLE trace_stats (
    tenant_id         uuid NOT NULL,
    project_id        uuid NOT NULL,
    width             integer NOT NULL,
    keep              smallint NOT NULL,
    bucket            bigint NOT NULL,
    trace_count       bigint NOT NULL,
    ok_traces         bigint NOT NULL,
    error_traces      bigint NOT NULL,
    span_count        bigint NOT NULL,
    ok_spans          bigint NOT NULL,
    error_spans       bigint NOT NULL,
    prompt_tokens     numeric NOT NULL,
    completion_tokens numeric NOT NULL,
    cache_read_tokens numeric NOT NULL,
    reasoning_tokens  numeric NOT NULL,
    total_tokens      numeric NOT NULL,
    ok_tokens         numeric NOT NULL,
    error_tokens      numeric NOT NULL,
    prompt_cost       numeric NOT NULL,
    completion_cost   numeric NOT NULL,
    total_cost        numeric NOT NULL,
    ok_cost           numeric NOT NULL,
    span_time_ns      numeric NOT NULL,
    begun             bigint NOT NULL,
    begun_errors      bigint NOT NULL,
    min_ns            bigint,
    max_ns            bigint,
    durations         integer[],
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, project_id, width, keep, bucket)
) WITH (fillfactor = 60);
SELECT isolate('trace_stats');
GRANT SELECT ON trace_stats TO ashlar_api;

-- How many traces that began on a day have so many spans.
CREATE TABLE trace_sizes (
    tenant_id  uuid NOT NULL,
    project_id uuid NOT NULL,
    keep       smallint NOT NULL,
    day        date NOT NULL,
    span_count integer NOT NULL,
    traces     bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, project_id, keep, day, span_count)
) WITH (fillfactor = 80);
SELECT isolate('trace_sizes');
GRANT SELECT ON trace_sizes TO ashlar_api;

-- The words of a project, which are few beside its spans: what a search looks for first.
--   kind: span: a span is called so; root: the first of a trace; tag
CREATE TABLE span_names (
    tenant_id  uuid NOT NULL,
    project_id uuid NOT NULL,
    kind       text NOT NULL,
    name       text COLLATE "C" NOT NULL,
    last_day   date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, project_id, kind, name),
    CONSTRAINT span_names_kind_known CHECK (kind IN ('span', 'root', 'tag'))
);
SELECT isolate('span_names');
GRANT SELECT ON span_names TO ashlar_api;

-- Conversations: from the beginning of the first of their traces to that of the last.
CREATE TABLE trace_sessions (
    tenant_id  uuid NOT NULL,
    project_id uuid NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    first_ns   bigint NOT NULL,
    last_ns    bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, project_id, session_id)
);
CREATE INDEX trace_sessions_by_last ON trace_sessions (tenant_id, project_id, last_ns, session_id);
SELECT isolate('trace_sessions');
GRANT SELECT ON trace_sessions TO ashlar_api;

-- What is over is removed over all tenants: by functions of the owner that say so (sql/functions/traces/retention.sql).
DO $$
DECLARE
    tbl text;
BEGIN
    FOREACH tbl IN ARRAY ARRAY['traces', 'trace_tags', 'trace_stats', 'trace_sizes', 'span_names', 'span_resources', 'trace_sessions'] LOOP
        EXECUTE format('CREATE POLICY %I ON %I TO CURRENT_USER USING ((SELECT current_setting(''app.retention'', true)) = ''traces'')', tbl || '_retention', tbl);
    END LOOP;
    CREATE POLICY trace_projects_retention ON trace_projects FOR SELECT TO CURRENT_USER USING ((SELECT current_setting('app.retention', true)) = 'traces');
END
$$;
