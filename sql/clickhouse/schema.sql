-- Traces in ClickHouse: what `ashlar migrate` makes with CLICKHOUSE_URL, statement by statement, as far as it is not there yet.  Every
-- statement may run again.  The last one says which version of the schema there is; a server with a newer one is refused.
--
-- Nothing is counted where it comes in.  Spans are put in; what a trace is, is then read from its spans and put in its place
-- (sql/clickhouse/traces.sql, trace_put); what an hour comes to is read from its traces and spans, later on (hour_sum).  So whatever is done
-- twice, by whomever and in whatever order, comes to the same, and nothing needs a lock.
--
-- Times are nanoseconds since 1970, durations too; costs ten-millionths of a dollar; days and hours UTC.  keep: 1 free, 2 pro, 3 enterprise,
-- the class that the project's organization had when the first span of the day came: PostgreSQL knows it (trace_days), so that a span
-- is of one class however often and whenever it is sent, and always in one partition.  What is over is dropped a partition at a time, which
-- costs nothing, hence the days and classes.  Parts are written through to the disk before an insert is answered.

-- name: schema_spans
-- One row a span, by trace: for who reads a trace, or makes its sums.  Of a span that is sent again the first stays (ver).
--
--   batch     of the request that it came in, by time: a microsecond and twelve bits more
--   words     what it may be found by: a hash of each attribute's key and value, its own and its process's (handlers/traces/span_rows.h)
--   tags      a JSON array, or '' where it says nothing of them;  is_call: of a language model, so it has tokens and costs
--   attributes, resource, events, links   JSON, as in PostgreSQL's columns
CREATE TABLE IF NOT EXISTS spans
(
    project_id        UUID,
    trace_id          FixedString(16),
    span_id           Int64,
    parent_id         Int64,
    has_parent        UInt8,
    batch             UInt64,
    keep              UInt8,
    start_ns          Int64,
    duration_ns       Int64,
    kind              UInt8,
    status            UInt8,
    flags             UInt8,
    is_call           UInt8,
    name              String,
    service           LowCardinality(String),
    scope             LowCardinality(String),
    scope_version     LowCardinality(String),
    trace_state       String,
    status_message    String,
    model             LowCardinality(String),
    session_id        String,
    tags              String,
    prompt_tokens     Int64,
    completion_tokens Int64,
    cache_read_tokens Int64,
    reasoning_tokens  Int64,
    total_tokens      Int64,
    prompt_cost       Int64,
    completion_cost   Int64,
    total_cost        Int64,
    attributes        String CODEC(ZSTD(1)),
    resource          String CODEC(ZSTD(1)),
    events            String CODEC(ZSTD(1)),
    links             String CODEC(ZSTD(1)),
    words             Array(UInt64) CODEC(ZSTD(1)),
    day               Date DEFAULT toDate(intDiv(start_ns, 86400000000000)),
    hour              DateTime('UTC') DEFAULT toDateTime(intDiv(start_ns, 3600000000000) * 3600, 'UTC'),
    ver               UInt64 DEFAULT bitNot(batch),
    INDEX by_word words TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ReplacingMergeTree(ver)
PARTITION BY (keep, day)
ORDER BY (project_id, trace_id, span_id)
SETTINGS index_granularity = 256, fsync_after_insert = 1, fsync_part_directory = 1;

-- name: schema_span_times
-- The same by time and without what is read of a trace alone: what figures of a range are made of.  slot: as span_slot() of PostgreSQL
-- (sql/functions/traces/spans.sql), 0: it took no time.
CREATE TABLE IF NOT EXISTS span_times
(
    project_id  UUID,
    hour        DateTime('UTC'),
    trace_id    FixedString(16),
    span_id     Int64,
    second      UInt32,
    duration_ns Int64,
    slot        UInt8,
    status      UInt8,
    keep        UInt8,
    ver         UInt64
)
ENGINE = ReplacingMergeTree(ver)
PARTITION BY (keep, toDate(hour))
ORDER BY (project_id, hour, trace_id, span_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- name: schema_span_times_filled
CREATE MATERIALIZED VIEW IF NOT EXISTS span_times_filled TO span_times AS
SELECT project_id, hour, trace_id, span_id, toUInt32(intDiv(start_ns, 1000000000)) AS second, duration_ns,
       if(duration_ns > 0, toUInt8(least(146, greatest(1, floor(4 * log(greatest(duration_ns, 1)) / log(2)) - 38))), 0) AS slot, status, keep, ver
FROM spans;

-- name: schema_span_batches
-- Which traces a batch has spans of, for some days: also such spans as were there before, which a merge may remove at any time.
CREATE TABLE IF NOT EXISTS span_batches
(
    project_id UUID,
    batch      UInt64,
    trace_id   FixedString(16)
)
ENGINE = MergeTree
PARTITION BY toDate(toDateTime(intDiv(batch, 4096000000), 'UTC'))
ORDER BY (project_id, batch)
TTL toDateTime(intDiv(batch, 4096000000), 'UTC') + INTERVAL 3 DAY
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1;

-- name: schema_span_batches_filled
CREATE MATERIALIZED VIEW IF NOT EXISTS span_batches_filled TO span_batches AS
SELECT DISTINCT project_id, batch, trace_id FROM spans;

-- name: schema_traces
-- One row a trace: what its spans come to, as PostgreSQL's table of that name.  A trace is where its first span is (keep, hour); wherever
-- else it may have been thought to be while fewer of its spans were there, gone says that it is not.  ver: when its spans were read.
CREATE TABLE IF NOT EXISTS traces
(
    project_id        UUID,
    hour              DateTime('UTC'),
    trace_id          FixedString(16),
    keep              UInt8,
    start_ns          Int64,
    last_ns           Int64,
    duration_ns       Int64 ALIAS last_ns - start_ns,
    last_status       UInt8,
    span_count        UInt32,
    ok_count          UInt32,
    error_count       UInt32,
    prompt_tokens     Int64,
    completion_tokens Int64,
    cache_read_tokens Int64,
    reasoning_tokens  Int64,
    total_tokens      Int64,
    prompt_cost       Int64,
    completion_cost   Int64,
    total_cost        Int64,
    span_time_ns      Int64,
    service           LowCardinality(String),
    root_name         String,
    has_tags          UInt8,
    tags              Array(LowCardinality(String)),
    tags_key          String,
    session_id        String,
    ver               UInt64,
    gone              UInt8
)
ENGINE = ReplacingMergeTree(ver, gone)
PARTITION BY (keep, toDate(hour))
ORDER BY (project_id, hour, trace_id)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- name: schema_hour_marks
-- How often an hour of a class has had something put in.  A mark comes behind what it is for, when that is there for all who ask (hour_mark): so
-- what is read behind a mark has it.  It is only ever more, and a mark more than there need be costs a sum more.  other: who marked, so that no two
-- inserts are alike and none is taken for the other's repetition.
--
-- What is kept of hours is little, and read of all of them at once: parts of days would cost more than all that is in them.  Only what has a row
-- for each trace is in months.
CREATE TABLE IF NOT EXISTS hour_marks
(
    project_id UUID,
    hour       DateTime('UTC'),
    keep       UInt8,
    n          SimpleAggregateFunction(sum, UInt64),
    at         SimpleAggregateFunction(max, DateTime('UTC')),
    other      SimpleAggregateFunction(max, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY (project_id, hour, keep)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- name: schema_hour_marks_filled
-- Processes of a release that knows of no marks put traces in all the same, while there are any.
CREATE MATERIALIZED VIEW IF NOT EXISTS hour_marks_filled TO hour_marks AS
SELECT project_id, hour, keep, toUInt64(count()) AS n, now('UTC') AS at, max(ver) AS other FROM traces GROUP BY project_id, hour, keep;

-- name: schema_hour_sums
-- What an hour of a class came to when it had so many marks (seen).  With as many now, that is what it comes to.
--
--   traces … first_ns   of the traces that began in it;  sizes: how many have so many spans
--   begun … slots       of the spans that began in it, by slot of their duration (from 0);  timed: those that took time
--   form                1: with all columns;  0: as the release before had them, so it is made anew
--   least_*, most_*     the first and the last of the hour's traces in each order of the list: with when it began and its id no two are the same
CREATE TABLE IF NOT EXISTS hour_sums
(
    project_id        UUID,
    hour              DateTime('UTC'),
    keep              UInt8,
    seen              UInt64,
    traces            UInt64,
    ok_traces         UInt64,
    error_traces      UInt64,
    spans             UInt64,
    ok_spans          UInt64,
    error_spans       UInt64,
    prompt_tokens     Int128,
    completion_tokens Int128,
    cache_read_tokens Int128,
    reasoning_tokens  Int128,
    total_tokens      Int128,
    ok_tokens         Int128,
    error_tokens      Int128,
    prompt_cost       Int128,
    completion_cost   Int128,
    total_cost        Int128,
    ok_cost           Int128,
    span_time_ns      Int128,
    first_ns          Int64,
    sizes             Map(UInt32, UInt64),
    begun             UInt64,
    begun_errors      UInt64,
    timed             UInt64,
    least_ns          Int64,
    most_ns           Int64,
    first_s           UInt32,
    last_s            UInt32,
    slots             Array(UInt64),
    form              UInt8,
    least_duration_ns Tuple(Int64, Int64, FixedString(16)),
    most_duration_ns  Tuple(Int64, Int64, FixedString(16)),
    least_span_count  Tuple(UInt32, Int64, FixedString(16)),
    most_span_count   Tuple(UInt32, Int64, FixedString(16)),
    least_error_count Tuple(UInt32, Int64, FixedString(16)),
    most_error_count  Tuple(UInt32, Int64, FixedString(16)),
    least_total_cost  Tuple(Int64, Int64, FixedString(16)),
    most_total_cost   Tuple(Int64, Int64, FixedString(16)),
    least_trace_id    Tuple(FixedString(16), Int64, FixedString(16)),
    most_trace_id     Tuple(FixedString(16), Int64, FixedString(16)),
    least_service     Tuple(String, Int64, FixedString(16)),
    most_service      Tuple(String, Int64, FixedString(16)),
    least_root_name   Tuple(String, Int64, FixedString(16)),
    most_root_name    Tuple(String, Int64, FixedString(16)),
    least_tags_key    Tuple(String, Int64, FixedString(16)),
    most_tags_key     Tuple(String, Int64, FixedString(16))
)
ENGINE = ReplacingMergeTree(seen)
ORDER BY (project_id, hour, keep)
SETTINGS index_granularity = 256, fsync_after_insert = 1, fsync_part_directory = 1;

-- name: schema_hour_sessions
-- The sessions of an hour's traces, of each sum that was made; those with the sum's seen count.
CREATE TABLE IF NOT EXISTS hour_sessions
(
    project_id UUID,
    hour       DateTime('UTC'),
    session_id String,
    keep       UInt8,
    seen       UInt64,
    first_ns   Int64,
    recent_ns  Int64
)
ENGINE = ReplacingMergeTree(seen)
ORDER BY (project_id, session_id, hour, keep)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- name: schema_hour_words
-- What an hour's traces may be searched for, the names of their first spans and their tags, and how many have it; those with the sum's seen count.
CREATE TABLE IF NOT EXISTS hour_words
(
    project_id UUID,
    hour       DateTime('UTC'),
    word       String,
    is_tag     UInt8,
    keep       UInt8,
    seen       UInt64,
    n          UInt64
)
ENGINE = ReplacingMergeTree(seen)
ORDER BY (project_id, hour, word, is_tag, keep)
SETTINGS index_granularity = 4096, fsync_after_insert = 1, fsync_part_directory = 1;

-- name: schema_word_traces
-- The traces that have such a word, each with all that a list tells of it: so those of a word stand together.
CREATE TABLE IF NOT EXISTS word_traces
(
    project_id        UUID,
    word              String,
    hour              DateTime('UTC'),
    trace_id          FixedString(16),
    keep              UInt8,
    seen              UInt64,
    start_ns          Int64,
    last_ns           Int64,
    last_status       UInt8,
    span_count        UInt32,
    error_count       UInt32,
    prompt_tokens     Int64,
    completion_tokens Int64,
    cache_read_tokens Int64,
    reasoning_tokens  Int64,
    total_tokens      Int64,
    prompt_cost       Int64,
    completion_cost   Int64,
    total_cost        Int64,
    service           LowCardinality(String),
    root_name         String,
    has_tags          UInt8,
    tags              Array(LowCardinality(String)),
    tags_key          String,
    session_id        String
)
ENGINE = ReplacingMergeTree(seen)
PARTITION BY (keep, toYYYYMM(hour))
ORDER BY (project_id, word, hour, trace_id)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- name: schema_in_days
-- Of these what a release before kept in days: it is made anew.
SELECT name FROM system.tables
WHERE database = currentDatabase() AND name IN ('hour_marks', 'hour_sums', 'hour_sessions') AND partition_key <> ''
ORDER BY name;

-- name: schema_hours_before
-- Behind all that, where marks were made anew: what was there before.
INSERT INTO hour_marks (project_id, hour, keep, n, at, other)
SELECT project_id, hour, keep, 1, now('UTC'), toUnixTimestamp64Nano(now64(9)) FROM span_times GROUP BY project_id, hour, keep;

-- name: schema_version
CREATE TABLE IF NOT EXISTS ashlar_schema (version UInt32, made_at DateTime('UTC') DEFAULT now()) ENGINE = ReplacingMergeTree ORDER BY version;

-- name: schema_done
INSERT INTO ashlar_schema (version) SELECT 3 WHERE NOT EXISTS (SELECT 1 FROM ashlar_schema WHERE version >= 3);

-- name: schema_found
SELECT max(version) AS version FROM ashlar_schema;
