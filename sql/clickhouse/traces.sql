-- What Ashlar asks ClickHouse of traces.  {name:Type} are parameters, which travel beside the text, and nothing that a client sent is ever
-- in it; :dir is ASC or DESC.  What a macro says stands in its place.
--
-- Columns are named, and typed, as those of the queries in sql/queries/traces that have the same names; what they mean is said there.

-- macro: project
project_id = {project:UUID}

-- macro: range
hour >= toDateTime(intDiv({from_s:Int64}, 3600) * 3600, 'UTC') AND hour < toDateTime({until_s:Int64}, 'UTC')
  AND start_ns >= {from_s:Int64} * 1000000000 AND start_ns < {until_s:Int64} * 1000000000

-- macro: dollars
toDecimalString(toDecimal256(:1, 0) * toDecimal256('0.0000001', 7), 7)

-- macro: cut
toBool({is_free:UInt8} AND last_ns < {cut_ns:Int64}
       AND start_ns < coalesce((SELECT start_ns FROM traces FINAL WHERE {is_free:UInt8} AND :project
                                ORDER BY start_ns DESC, trace_id DESC LIMIT 1 OFFSET {most_new:UInt64}), 0)) AS is_cut

-- macro: sums
count() :1 AS n, countIf(last_status = 1) :1 AS n_ok, countIf(last_status = 2) :1 AS n_error, sum(toInt128(prompt_tokens)) :1 AS s_prompt,
       sum(toInt128(completion_tokens)) :1 AS s_completion, sum(toInt128(cache_read_tokens)) :1 AS s_cached,
       sum(toInt128(reasoning_tokens)) :1 AS s_reasoning, sum(toInt128(total_tokens)) :1 AS s_total, sum(toInt128(prompt_cost)) :1 AS s_prompt_cost,
       sum(toInt128(completion_cost)) :1 AS s_completion_cost, sum(toInt128(total_cost)) :1 AS s_cost

-- macro: metrics
toBool({is_free:UInt8}) AS is_free, toInt64(n) AS total, toString(n) AS span_count, toString(n) AS trace_count, toString(n_ok) AS success_count, toString(n_error) AS fail_count,
       toString(n - n_ok - n_error) AS indeterminate_count, toString(s_prompt) AS prompt_tokens, toString(s_completion) AS completion_tokens,
       toString(s_cached) AS cache_read_input_tokens, toString(s_reasoning) AS reasoning_tokens, toString(s_total) AS total_tokens,
       :dollars(s_prompt_cost) AS prompt_cost, :dollars(s_completion_cost) AS completion_cost, :dollars(s_cost) AS total_cost,
       :dollars(intDiv(2 * s_cost + n, greatest(2 * n, 1))) AS average_cost_per_trace

-- macro: trace
lower(hex(trace_id)) AS trace_id, service, root_name, start_ns, last_ns - start_ns AS duration, toInt64(span_count) AS spans,
       toInt64(error_count) AS error_count, if(has_tags, toJSONString(tags), NULL) AS tags,
       if(total_cost > 0 OR total_tokens > 0, :dollars(total_cost), NULL) AS cost, total_tokens AS tokens, toInt64(last_status) AS last_status,
       nullIf(session_id, '') AS session_id

-- macro: batch
trace_id IN (SELECT trace_id FROM span_batches WHERE :project AND batch = {batch:UInt64})

-- macro: wanted
:project AND :range AND ({session:String} = '' OR session_id = {session:String})
  AND ({query:String} = '' OR positionCaseInsensitiveUTF8(root_name, {query:String}) > 0
       OR arrayExists(t -> positionCaseInsensitiveUTF8(t, {query:String}) > 0, tags)
       OR ({digits:String} <> '' AND startsWith(lower(hex(trace_id)), {digits:String})))

-- macro: found
SELECT * FROM traces FINAL WHERE :wanted ORDER BY start_ns DESC, trace_id DESC LIMIT 5000

-- macro: found_by_span
SELECT * FROM traces FINAL
    WHERE :project AND :range
      AND trace_id IN (
        SELECT trace_id FROM spans
        WHERE :project AND day >= toDate(intDiv({from_s:Int64}, 86400)) AND ({word:UInt64} = 0 OR has(words, {word:UInt64}))
          AND ({span:String} = '' OR positionCaseInsensitiveUTF8(name, {span:String}) > 0)
          AND trace_id IN (SELECT trace_id FROM traces FINAL WHERE :wanted ORDER BY start_ns DESC, trace_id DESC LIMIT 2000))

-- name: span_put
INSERT INTO spans (project_id, trace_id, span_id, parent_id, has_parent, batch, keep, start_ns, duration_ns, kind, status, flags, is_call, name, service, scope,
                   scope_version, trace_state, status_message, model, session_id, tags, prompt_tokens, completion_tokens, cache_read_tokens,
                   reasoning_tokens, total_tokens, prompt_cost, completion_cost, total_cost, attributes, resource, events, links, words)
FORMAT RowBinary

-- name: trace_put
-- What the traces of a batch come to, with all that is there of them.  The time is taken before the spans are read: so of two that put the
-- same trace at once the later one has seen what the other has put in, and stays.
INSERT INTO traces (project_id, hour, trace_id, keep, start_ns, last_ns, last_status, span_count, ok_count, error_count, prompt_tokens,
                    completion_tokens, cache_read_tokens, reasoning_tokens, total_tokens, prompt_cost, completion_cost, total_cost, span_time_ns,
                    service, root_name, has_tags, tags, tags_key, session_id, ver, gone)
SELECT {project:UUID}, place.2, trace_id, place.1, first.1, last.1, last.2, n, n_ok, n_error, prompt, completion, cached, reasoning, total, cost_of_prompt,
       cost_of_completion, cost, took, first.2, substringUTF8(first.3, 1, 255), first.4 <> '',
       arraySlice(arrayFilter(t -> t <> '', JSONExtract(first.4, 'Array(String)')), 1, 64) AS words_,
       substringUTF8(arrayStringConcat(words_, ' '), 1, 255), session, toUInt64(toUnixTimestamp64Nano(now64(9))), place <> (first.5, first.6)
FROM (
    SELECT trace_id, argMin((start_ns, service, name, tags, keep, hour), (start_ns, has_parent, span_id)) AS first,
           argMax((start_ns, status), (start_ns, span_id)) AS last, count() AS n, countIf(status = 1) AS n_ok, countIf(status = 2) AS n_error,
           least(sum(toInt128(prompt_tokens)), 9000000000000000000) AS prompt, least(sum(toInt128(completion_tokens)), 9000000000000000000) AS completion,
           least(sum(toInt128(cache_read_tokens)), 9000000000000000000) AS cached, least(sum(toInt128(reasoning_tokens)), 9000000000000000000) AS reasoning,
           least(sum(toInt128(total_tokens)), 9000000000000000000) AS total, least(sum(toInt128(prompt_cost)), 9000000000000000000) AS cost_of_prompt,
           least(sum(toInt128(completion_cost)), 9000000000000000000) AS cost_of_completion, least(sum(toInt128(total_cost)), 9000000000000000000) AS cost,
           least(sum(toInt128(duration_ns)), 9000000000000000000) AS took, minIf(session_id, session_id <> '') AS session,
           groupUniqArray((keep, hour)) AS places
    FROM spans FINAL WHERE :project AND :batch GROUP BY trace_id)
ARRAY JOIN places AS place
SETTINGS do_not_merge_across_partitions_select_final = 0

-- name: batch_count
-- How many spans came with a batch and were not there before, and their tokens.
SELECT toInt64(countIf(batch = {batch:UInt64})) AS taken, toString(sumIf(toInt128(total_tokens), batch = {batch:UInt64})) AS tokens
FROM spans FINAL WHERE :project AND :batch
SETTINGS do_not_merge_across_partitions_select_final = 0

-- name: batch_traces
-- What trace_tell() tells of a batch, as JSON: of its newest twenty traces; and how many they are.
SELECT toInt64(max(n)) AS trace_count,
       toJSONString(groupArray(CAST((id, name, spans, status, duration), 'Tuple(trace_id String, root_span_name String, span_count UInt64, status String, duration Int64)'))) AS traces
FROM (
    SELECT lower(hex(trace_id)) AS id, substringUTF8(first.2, 1, 255) AS name, spans, ['UNSET', 'OK', 'ERROR'][last.2 + 1] AS status,
           last.1 - first.1 AS duration, count() OVER () AS n
    FROM (
        SELECT trace_id, argMin((start_ns, name), (start_ns, has_parent, span_id)) AS first, argMax((start_ns, status), (start_ns, span_id)) AS last,
               count() AS spans
        FROM spans FINAL WHERE :project AND :batch GROUP BY trace_id)
    ORDER BY first.1 DESC, trace_id LIMIT 20)
SETTINGS do_not_merge_across_partitions_select_final = 0

-- name: trace_list_head
SELECT :metrics FROM (SELECT :sums() FROM traces FINAL WHERE :project AND :range)

-- name: trace_page
SELECT :cut, :trace
FROM traces FINAL WHERE :project AND :range
ORDER BY {sort:Identifier} :dir, start_ns :dir, trace_id :dir LIMIT {limit:UInt32} OFFSET {offset:UInt64}

-- name: trace_search
-- Of the newest 5,000 that are found.
SELECT :metrics, :cut, :trace
FROM (SELECT *, last_ns - start_ns AS duration_ns, :sums(OVER ()) FROM (:found))
ORDER BY {sort:Identifier} :dir, start_ns :dir, trace_id :dir LIMIT {limit:UInt32} OFFSET {offset:UInt64}

-- name: trace_search_head
SELECT :metrics FROM (SELECT :sums() FROM (:found))

-- name: trace_search_spans
-- Of those that have such a span among the newest 2,000.
SELECT :metrics, :cut, :trace
FROM (SELECT *, last_ns - start_ns AS duration_ns, :sums(OVER ()) FROM (:found_by_span))
ORDER BY {sort:Identifier} :dir, start_ns :dir, trace_id :dir LIMIT {limit:UInt32} OFFSET {offset:UInt64}

-- name: trace_search_spans_head
SELECT :metrics FROM (SELECT :sums() FROM (:found_by_span))

-- name: trace_find
-- The projects among these that have one of these traces, or what of one came in.
SELECT DISTINCT toString(project_id) AS project_id
FROM spans WHERE project_id IN ({projects:Array(UUID)}) AND trace_id IN (arrayMap(t -> toFixedString(unhex(t), 16), {traces:Array(String)}))
ORDER BY project_id

-- name: trace_head
SELECT :cut, toString(project_id) AS project_id, toString(toDate(hour)) AS first_day, toString(toDate(intDiv(last_ns, 86400000000000))) AS last_day,
       if(has_tags, toJSONString(tags), NULL) AS tags, nullIf(session_id, '') AS session_id, toString(span_count) AS span_count, '1' AS trace_count,
       toString(ok_count) AS success_count, toString(error_count) AS fail_count, toString(span_count - ok_count - error_count) AS indeterminate_count,
       toString(prompt_tokens) AS prompt_tokens, toString(completion_tokens) AS completion_tokens, toString(cache_read_tokens) AS cache_read_input_tokens,
       toString(reasoning_tokens) AS reasoning_tokens, toString(total_tokens) AS total_tokens, :dollars(prompt_cost) AS prompt_cost,
       :dollars(completion_cost) AS completion_cost, :dollars(total_cost) AS total_cost, :dollars(total_cost) AS average_cost_per_trace
FROM traces FINAL
WHERE :project AND trace_id = toFixedString(unhex({trace:String}), 16)
  AND hour IN (SELECT hour FROM spans WHERE :project AND trace_id = toFixedString(unhex({trace:String}), 16))

-- name: trace_spans
SELECT span_id, parent_id, toBool(has_parent) AS has_parent, name, toInt64(kind) AS kind, service, start_ns, duration_ns, toInt64(status) AS status,
       status_message, toInt64(flags) AS flags, scope, attributes, nullIf(events, '') AS events, nullIf(links, '') AS links, resource, prompt_tokens,
       completion_tokens, cache_read_tokens, reasoning_tokens, total_tokens, prompt_cost, completion_cost, total_cost, toBool(is_call) AS has_counters
FROM spans FINAL
WHERE :project AND trace_id = toFixedString(unhex({trace:String}), 16) AND day >= {first_day:Date} AND day <= {last_day:Date}
ORDER BY start_ns, has_parent, span_id LIMIT {most:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 0

-- name: trace_bars
SELECT span_id, parent_id, toBool(has_parent) AS has_parent, name, service, toInt64(status) AS status, start_ns, duration_ns
FROM spans FINAL
WHERE :project AND trace_id = toFixedString(unhex({trace:String}), 16) AND day >= {first_day:Date} AND day <= {last_day:Date}
ORDER BY start_ns, has_parent, span_id LIMIT {most:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 0

-- name: trace_export
-- Of the first traces behind one; _start_ns and trace_id say where to go on.
SELECT p.start_ns AS _start_ns, lower(hex(s.trace_id)) AS trace_id, s.span_id AS span_id, s.parent_id AS parent_id, toBool(s.has_parent) AS has_parent,
       hex(MD5(s.resource)) AS resource_id, trimRight(concat(s.scope, ' ', s.scope_version)) AS scope, s.scope AS scope_name,
       s.scope_version AS scope_version, s.trace_state AS trace_state, s.name AS name, toInt64(s.kind) AS kind, s.start_ns AS start_ns,
       s.duration_ns AS duration_ns, toInt64(s.status) AS status, s.status_message AS status_message, if(p.is_cut, '{}', s.attributes) AS attributes,
       if(p.is_cut OR s.events = '', NULL, s.events) AS events, if(p.is_cut OR s.links = '', NULL, s.links) AS links,
       if(p.is_cut, NULL, s.resource) AS resource
FROM (SELECT * FROM spans FINAL WHERE :project AND trace_id IN (SELECT trace_id FROM (:next)) LIMIT 100000 BY trace_id) AS s
INNER JOIN (:next) AS p ON p.trace_id = s.trace_id
ORDER BY p.start_ns, s.trace_id, resource_id, scope, scope_version, s.start_ns, s.span_id

-- macro: next
SELECT trace_id, start_ns, :cut FROM traces FINAL
      WHERE :project AND :range AND (start_ns, trace_id) > ({after_ns:Int64}, toFixedString(unhex({after:String}), 16))
      ORDER BY start_ns, trace_id LIMIT {limit:UInt32}

-- name: metrics_sums
-- What the traces of a range come to.  Amounts with five decimals are rounded once, half up.
SELECT toInt64(count()) AS traces, toString(sum(span_count)) AS spans, toString(sum(ok_count)) AS oks, toString(sum(error_count)) AS errors,
       toString(sum(span_count) - sum(ok_count) - sum(error_count)) AS others, toString(sum(toInt128(prompt_tokens))) AS prompt,
       toString(sum(toInt128(completion_tokens))) AS completion, sum(toInt128(total_tokens)) AS t, sumIf(toInt128(total_tokens), last_status = 1) AS t_ok,
       sumIf(toInt128(total_tokens), last_status = 2) AS t_error, toString(t) AS tokens, toString(t_ok) AS ok_tokens, toString(t_error) AS error_tokens,
       toString(if(sum(span_count) = 0, 0, intDiv(200 * t + sum(span_count), 2 * sum(span_count)) / 100)) AS average,
       toString(if(sum(ok_count) = 0, 0, intDiv(200 * t_ok + sum(ok_count), 2 * sum(ok_count)) / 100)) AS ok_average,
       toString(if(sum(error_count) = 0, 0, intDiv(200 * t_error + sum(error_count), 2 * sum(error_count)) / 100)) AS error_average,
       sum(toInt128(total_cost)) AS c, toDecimalString(toDecimal256(intDiv(c + 50, 100), 0) * toDecimal256('0.00001', 5), 5) AS cost,
       toDecimalString(toDecimal256(intDiv(2 * c + 100 * count(), greatest(200 * count(), 1)), 0) * toDecimal256('0.00001', 5), 5) AS average_cost,
       toString(sum(toInt128(span_time_ns))) AS took, min(start_ns) AS first_ns
FROM traces FINAL WHERE :project AND :range

-- name: metrics_days
SELECT toString(toDate(hour)) AS day, toString(sumIf(toInt128(total_cost), last_status = 1) / 10000000) AS cost
FROM traces FINAL WHERE :project AND :range GROUP BY toDate(hour) HAVING countIf(last_status = 1) > 0 ORDER BY toDate(hour)

-- name: metrics_sizes
-- Of whole days.
SELECT toInt64(intDiv(span_count, greatest(1, intDiv(largest, 10))) * greatest(1, intDiv(largest, 10))) AS size, toInt64(sum(n)) AS traces
FROM (SELECT span_count, count() AS n, max(span_count) OVER () AS largest FROM traces FINAL
      WHERE :project AND hour >= toDateTime(intDiv({from_s:Int64}, 86400) * 86400, 'UTC')
        AND hour < toDateTime((intDiv({until_s:Int64} - 1, 86400) + 1) * 86400, 'UTC')
      GROUP BY span_count)
GROUP BY size ORDER BY size

-- name: metrics_newest
SELECT last_ns, toInt64(last_status) AS last_status, span_time_ns FROM traces FINAL WHERE :project AND :range ORDER BY start_ns DESC, trace_id DESC LIMIT 1000

-- name: metrics_extent
-- When the first and the last span of a range began; none: 0.
SELECT toInt64(count()) AS n, toInt64(min(second)) AS first_s, toInt64(max(second)) AS last_s
FROM span_times
WHERE :project AND hour >= toDateTime(intDiv({from_s:Int64}, 3600) * 3600, 'UTC') AND hour < toDateTime({until_s:Int64}, 'UTC')
  AND second >= {from_s:Int64} AND second < {until_s:Int64}

-- name: metrics_spans
-- In one pass: what spans took (is_time false, by slot; of from_s to until_s), and when they began (true, by step; of low_s to high_s).
SELECT toBool(grouping(at) = 0) AS is_time, toInt64(if(is_time, at, slot)) AS place, toInt64(if(is_time, count(), countIf(is_in))) AS spans,
       toInt64(countIf(status = 2)) AS errors, toInt64(minIf(duration_ns, is_in AND slot > 0)) AS least_ns,
       toInt64(if(is_time, maxIf(duration_ns, slot > 0), maxIf(duration_ns, is_in AND slot > 0))) AS most_ns, toInt64(countIf(slot > 0)) AS timed
FROM (SELECT intDiv(second, {step:UInt32}) * {step:UInt32} AS at, slot, status, duration_ns, second >= {from_s:Int64} AND second < {until_s:Int64} AS is_in
      FROM span_times FINAL
      WHERE :project AND hour >= toDateTime(intDiv({low_s:Int64}, 3600) * 3600, 'UTC') AND hour < toDateTime({high_s:Int64}, 'UTC')
        AND second >= {low_s:Int64} AND second < {high_s:Int64})
GROUP BY GROUPING SETS ((at), (slot))
ORDER BY is_time, place

-- macro: sessions
SELECT session_id, min(start_ns) AS first_ns, max(start_ns) AS recent_ns, count() OVER () AS n
      FROM traces FINAL WHERE :project AND session_id <> '' GROUP BY session_id
      ORDER BY recent_ns DESC, session_id DESC LIMIT {limit:UInt32} OFFSET {offset:UInt64}

-- name: trace_session_count
SELECT toInt64(uniqExact(session_id)) AS total FROM traces FINAL WHERE :project AND session_id <> ''

-- name: trace_session_list
SELECT toInt64(s.n) AS total, s.session_id AS session_id, fromUnixTimestamp64Micro(intDiv(s.first_ns, 1000), 'UTC') AS start_time,
       fromUnixTimestamp64Micro(intDiv(s.recent_ns, 1000), 'UTC') AS last_time, toInt64(t.traces) AS trace_count, toInt64(t.errors) AS error_count,
       toInt64(t.spans) AS span_count, toInt64(t.tokens) AS total_tokens, toDecimal256(t.cost, 0) * toDecimal256('0.0000001', 7) AS total_cost
FROM (:sessions) AS s
INNER JOIN (
    SELECT session_id, count() AS traces, countIf(last_status = 2) AS errors, sum(span_count) AS spans,
           least(sum(toInt128(total_tokens)), 9000000000000000000) AS tokens, sum(toInt128(total_cost)) AS cost
    FROM (SELECT * FROM traces FINAL WHERE :project AND session_id IN (SELECT session_id FROM (:sessions))
          ORDER BY start_ns DESC, trace_id DESC LIMIT 1000 BY session_id)
    GROUP BY session_id) AS t ON t.session_id = s.session_id
ORDER BY s.recent_ns DESC, s.session_id DESC

-- name: trace_counts
SELECT toString(project_id) AS project_id, toInt64(sum(span_count)) AS span_count, toInt64(count()) AS trace_count
FROM traces FINAL WHERE project_id IN ({projects:Array(UUID)}) GROUP BY project_id

-- name: parts_over
-- Partitions of days that are over, by how long each class is kept.
SELECT DISTINCT table, partition_id
FROM system.parts
WHERE database = currentDatabase() AND active AND table IN ('spans', 'span_times', 'traces')
  AND toDate(extract(partition, '[0-9]{4}-[0-9]{2}-[0-9]{2}')) < toDate(now('UTC')) - {days:Array(UInt16)}[toUInt8(extract(partition, '^.([0-9])'))]
ORDER BY table, partition_id

-- name: drop_spans
ALTER TABLE spans DROP PARTITION ID {id:String}

-- name: drop_span_times
ALTER TABLE span_times DROP PARTITION ID {id:String}

-- name: drop_traces
ALTER TABLE traces DROP PARTITION ID {id:String}

-- name: forget_spans
DELETE FROM spans WHERE :project

-- name: forget_span_times
DELETE FROM span_times WHERE :project

-- name: forget_traces
DELETE FROM traces WHERE :project

-- name: forget_span_batches
DELETE FROM span_batches WHERE :project
