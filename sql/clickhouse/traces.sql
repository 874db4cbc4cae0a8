-- What Ashlar asks ClickHouse of traces.  {name:Type} are parameters, which travel beside the text, and nothing that a client sent is ever
-- in it; :dir is ASC or DESC.  What a macro says stands in its place.
--
-- Columns are named, and typed, as those of the queries in sql/queries/traces that have the same names; what they mean is said there.

-- macro: project
project_id = {project:UUID}

-- macro: range
hour >= toDateTime(intDiv({from_s:Int64}, 3600) * 3600, 'UTC') AND hour < toDateTime({until_s:Int64}, 'UTC')
  AND start_ns >= {from_s:Int64} * 1000000000 AND start_ns < {until_s:Int64} * 1000000000

-- macro: open
-- Of a range (open_hours), what no sum stands for: hours in which something was put in since theirs was made, or of which a part is in it.
(hour IN ({open:Array(DateTime('UTC'))}) OR hour < toDateTime({sums_from_s:Int64}, 'UTC') OR hour >= toDateTime({sums_until_s:Int64}, 'UTC'))

-- macro: closed
-- And the sums of all else.
:project AND hour >= toDateTime({sums_from_s:Int64}, 'UTC') AND hour < toDateTime({sums_until_s:Int64}, 'UTC')
  AND hour NOT IN ({open:Array(DateTime('UTC'))})

-- macro: valid
-- Of what is kept of hours beside their sums, what is of the sums that are true.
(hour, keep, seen) IN (SELECT hour, keep, seen FROM hour_sums FINAL WHERE :closed)

-- macro: near
-- Of what is read from one end alone, as many hours as have that many.
hour >= toDateTime({near_from_s:Int64}, 'UTC') AND hour < toDateTime({near_until_s:Int64}, 'UTC')

-- macro: dollars
toDecimalString(toDecimal256(:1, 0) * toDecimal256('0.0000001', 7), 7)

-- macro: cut
toBool({is_free:UInt8} AND last_ns < {cut_ns:Int64}
       AND start_ns < coalesce((SELECT start_ns FROM traces FINAL WHERE {is_free:UInt8} AND :project AND hour >= toDateTime({newest_s:Int64}, 'UTC')
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

-- macro: of_trace
trace_id, hour, start_ns, last_ns, last_status, span_count, error_count, prompt_tokens, completion_tokens, cache_read_tokens, reasoning_tokens, total_tokens,
        prompt_cost, completion_cost, total_cost, service, root_name, has_tags, tags, tags_key, session_id

-- macro: matches
positionCaseInsensitiveUTF8(word, {query:String}) > 0

-- macro: found
-- In hours that have sums by their words, in others by looking at each trace.
SELECT :of_trace
    FROM (SELECT :of_trace FROM traces FINAL WHERE :wanted AND :near AND :open
          UNION ALL
          SELECT :of_trace FROM word_traces
          WHERE :closed AND :near AND :valid AND ({session:String} = '' OR session_id = {session:String})
            AND word IN (SELECT word FROM hour_words WHERE :closed AND :near AND :matches))
    ORDER BY start_ns DESC, trace_id DESC LIMIT 1 BY trace_id LIMIT 5000

-- macro: found_or_id
-- And by the beginning of an id, which is a range of spans.
SELECT :of_trace
    FROM (SELECT :of_trace FROM traces FINAL WHERE :wanted AND :near AND :open
          UNION ALL
          SELECT :of_trace FROM word_traces
          WHERE :closed AND :near AND :valid AND ({session:String} = '' OR session_id = {session:String})
            AND word IN (SELECT word FROM hour_words WHERE :closed AND :near AND :matches)
          UNION ALL
          SELECT :of_trace FROM traces FINAL
          WHERE :closed AND :near AND ({session:String} = '' OR session_id = {session:String})
            AND (hour, trace_id) IN (SELECT hour, trace_id FROM spans
                                     WHERE :project AND trace_id >= toFixedString(unhex(rightPad({digits:String}, 32, '0')), 16)
                                       AND trace_id <= toFixedString(unhex(rightPad({digits:String}, 32, 'f')), 16)))
    ORDER BY start_ns DESC, trace_id DESC LIMIT 1 BY trace_id LIMIT 5000

-- macro: found_of_session
SELECT :of_trace FROM traces FINAL
    WHERE :project AND :range AND session_id = {session:String}
      AND (:open OR hour IN (SELECT hour FROM hour_sessions WHERE :closed AND :valid AND session_id = {session:String}))
    ORDER BY start_ns DESC, trace_id DESC LIMIT 5000

-- macro: found_by_span
SELECT * FROM traces FINAL
    WHERE :project AND :range AND :near
      AND trace_id IN (
        SELECT trace_id FROM spans
        WHERE :project AND day >= {first_day:Date} AND day <= {last_day:Date} AND ({word:UInt64} = 0 OR has(words, {word:UInt64}))
          AND ({span:String} = '' OR positionCaseInsensitiveUTF8(name, {span:String}) > 0)
          AND trace_id IN (SELECT trace_id FROM (:candidates)))

-- macro: candidates
SELECT trace_id, start_ns, last_ns FROM traces FINAL WHERE :wanted AND :near ORDER BY start_ns DESC, trace_id DESC LIMIT 2000

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

-- name: hour_mark
-- What was put in with a batch is there: its hours are marked, those of all spans of its traces.
INSERT INTO hour_marks (project_id, hour, keep, n, at, other)
SELECT {project:UUID}, hour, keep, 1, now('UTC'), toUnixTimestamp64Nano(now64(9)) FROM spans WHERE :project AND :batch GROUP BY hour, keep

-- name: hours_unsummed
-- Hours, the oldest first, in which something was put in of late (days) and since their sums were made; those that something may be put into at any
-- moment are left for later, but not for ever.
SELECT toString(m.project_id) AS project, toInt64(toUnixTimestamp(m.hour)) AS hour_s, toInt64(m.keep) AS keep, toString(m.marked) AS marked
FROM (SELECT project_id, hour, keep, sum(n) AS marked, max(at) AS marked_at FROM hour_marks
      WHERE (project_id, hour, keep) IN (SELECT project_id, hour, keep FROM hour_marks WHERE at >= now('UTC') - INTERVAL {days:UInt16} DAY)
      GROUP BY project_id, hour, keep
      HAVING marked_at < now('UTC') - INTERVAL 5 MINUTE OR hour < now('UTC') - INTERVAL 2 HOUR) AS m
LEFT ANTI JOIN (SELECT project_id, hour, keep, seen FROM hour_sums WHERE form = 1) AS s ON s.project_id = m.project_id AND s.hour = m.hour AND s.keep = m.keep AND s.seen = m.marked
ORDER BY m.hour, m.project_id, m.keep LIMIT {limit:UInt32}

-- macro: places
(SELECT tupleElement(p, 1) AS project_id, tupleElement(p, 2) AS hour, tupleElement(p, 3) AS keep, tupleElement(p, 4) AS marked
      FROM (SELECT arrayJoin({places:Array(Tuple(UUID, DateTime('UTC'), UInt8, UInt64))}) AS p))

-- macro: places_only
(project_id, hour, keep) IN (SELECT project_id, hour, keep FROM :places)

-- name: hour_sessions_put
-- The sessions of such hours: before their sums, which say that they count.
INSERT INTO hour_sessions (project_id, hour, session_id, keep, seen, first_ns, recent_ns)
SELECT t.project_id, t.hour, t.session_id, t.keep, any(p.marked), min(t.start_ns), max(t.start_ns)
FROM (SELECT project_id, hour, keep, session_id, start_ns FROM traces FINAL WHERE session_id <> '' AND :places_only) AS t
INNER JOIN :places AS p ON p.project_id = t.project_id AND p.hour = t.hour AND p.keep = t.keep
GROUP BY t.project_id, t.hour, t.session_id, t.keep

-- name: hour_words_put
-- And their words.
INSERT INTO hour_words (project_id, hour, word, is_tag, keep, seen, n)
SELECT t.project_id, t.hour, t.named.1, t.named.2, t.keep, any(p.marked), count()
FROM (SELECT project_id, hour, keep, arrayJoin(arrayConcat([(root_name, toUInt8(0))], arrayMap(g -> (toString(g), toUInt8(1)), arrayDistinct(tags)))) AS named
      FROM traces FINAL WHERE :places_only) AS t
INNER JOIN :places AS p ON p.project_id = t.project_id AND p.hour = t.hour AND p.keep = t.keep
GROUP BY t.project_id, t.hour, t.named, t.keep

-- name: word_traces_put
INSERT INTO word_traces (project_id, word, keep, seen, trace_id, hour, start_ns, last_ns, last_status, span_count, error_count, prompt_tokens,
                         completion_tokens, cache_read_tokens, reasoning_tokens, total_tokens, prompt_cost, completion_cost, total_cost, service, root_name,
                         has_tags, tags, tags_key, session_id)
SELECT t.project_id, t.word, t.keep, p.marked, t.trace_id, t.hour, t.start_ns, t.last_ns, t.last_status, t.span_count, t.error_count, t.prompt_tokens,
       t.completion_tokens, t.cache_read_tokens, t.reasoning_tokens, t.total_tokens, t.prompt_cost, t.completion_cost, t.total_cost, t.service, t.root_name,
       t.has_tags, t.tags, t.tags_key, t.session_id
FROM (SELECT *, arrayJoin(arrayDistinct(arrayConcat([root_name], arrayMap(g -> toString(g), tags)))) AS word FROM traces FINAL WHERE :places_only) AS t
INNER JOIN :places AS p ON p.project_id = t.project_id AND p.hour = t.hour AND p.keep = t.keep

-- name: hour_sums_put
-- What such hours come to.  How many marks they have was read before.
INSERT INTO hour_sums (project_id, hour, keep, seen, traces, ok_traces, error_traces, spans, ok_spans, error_spans, prompt_tokens, completion_tokens,
                       cache_read_tokens, reasoning_tokens, total_tokens, ok_tokens, error_tokens, prompt_cost, completion_cost, total_cost, ok_cost,
                       span_time_ns, first_ns, sizes, begun, begun_errors, timed, least_ns, most_ns, first_s, last_s, slots, form,
                       least_duration_ns, most_duration_ns,
                       least_span_count, most_span_count,
                       least_error_count, most_error_count,
                       least_total_cost, most_total_cost,
                       least_trace_id, most_trace_id,
                       least_service, most_service,
                       least_root_name, most_root_name,
                       least_tags_key, most_tags_key)
SELECT p.project_id, p.hour, p.keep, p.marked, t.n, t.n_ok, t.n_error, t.spans, t.oks, t.errors, t.s_prompt, t.s_completion, t.s_cached, t.s_reasoning,
       t.s_total, t.t_ok, t.t_error, t.s_prompt_cost, t.s_completion_cost, t.s_cost, t.c_ok, t.took, t.first_ns, t.sizes, s.begun, s.errors, s.timed, s.least,
       s.most, s.first_s, s.last_s, if(empty(s.slots), arrayWithConstant(147, toUInt64(0)), s.slots), 1,
       t.least_duration_ns, t.most_duration_ns,
       t.least_span_count, t.most_span_count,
       t.least_error_count, t.most_error_count,
       t.least_total_cost, t.most_total_cost,
       t.least_trace_id, t.most_trace_id,
       t.least_service, t.most_service,
       t.least_root_name, t.most_root_name,
       t.least_tags_key, t.most_tags_key
FROM :places AS p
LEFT JOIN (
    SELECT project_id, hour, keep, :sums(), sum(span_count) AS spans, sum(ok_count) AS oks, sum(error_count) AS errors,
           sumIf(toInt128(total_tokens), last_status = 1) AS t_ok, sumIf(toInt128(total_tokens), last_status = 2) AS t_error,
           sumIf(toInt128(total_cost), last_status = 1) AS c_ok, sum(toInt128(span_time_ns)) AS took, min(start_ns) AS first_ns,
           sumMap(map(span_count, toUInt64(1))) AS sizes,
           min((last_ns - start_ns, start_ns, trace_id)) AS least_duration_ns, max((last_ns - start_ns, start_ns, trace_id)) AS most_duration_ns,
           min((span_count, start_ns, trace_id)) AS least_span_count, max((span_count, start_ns, trace_id)) AS most_span_count,
           min((error_count, start_ns, trace_id)) AS least_error_count, max((error_count, start_ns, trace_id)) AS most_error_count,
           min((total_cost, start_ns, trace_id)) AS least_total_cost, max((total_cost, start_ns, trace_id)) AS most_total_cost,
           min((trace_id, start_ns, trace_id)) AS least_trace_id, max((trace_id, start_ns, trace_id)) AS most_trace_id,
           min((toString(service), start_ns, trace_id)) AS least_service, max((toString(service), start_ns, trace_id)) AS most_service,
           min((root_name, start_ns, trace_id)) AS least_root_name, max((root_name, start_ns, trace_id)) AS most_root_name,
           min((tags_key, start_ns, trace_id)) AS least_tags_key, max((tags_key, start_ns, trace_id)) AS most_tags_key
    FROM traces FINAL WHERE :places_only GROUP BY project_id, hour, keep) AS t ON t.project_id = p.project_id AND t.hour = p.hour AND t.keep = p.keep
LEFT JOIN (
    SELECT project_id, hour, keep, sum(c) AS begun, sum(c_error) AS errors, sumIf(c, slot > 0) AS timed, minIf(c_least, slot > 0) AS least,
           maxIf(c_most, slot > 0) AS most, min(c_first) AS first_s, max(c_last) AS last_s,
           sumForEach(arrayMap(i -> if(i = slot, c, toUInt64(0)), range(147))) AS slots
    FROM (SELECT project_id, hour, keep, slot, count() AS c, countIf(status = 2) AS c_error, min(duration_ns) AS c_least, max(duration_ns) AS c_most,
                 min(second) AS c_first, max(second) AS c_last
          FROM span_times FINAL WHERE :places_only GROUP BY project_id, hour, keep, slot)
    GROUP BY project_id, hour, keep) AS s ON s.project_id = p.project_id AND s.hour = p.hour AND s.keep = p.keep

-- name: open_hours
-- What is to be known of a range's hours before it is read, once, so that all that is read then tells the same hours apart:
--
--   open                which have no sum that is true
--   newest_s, oldest_s  from which on, or up to which, there are so many traces in closed ones; 0: there are not
--   top                 in which closed ones the first so many are, in an order whose ends are least_* (ASC) or most_*: as no hour that is not among
--                       the first by its own first trace can have one
--   closed              what those closed ones come to that are in the range as a whole
SELECT open, arrayFirst((p, c) -> c >= {most:UInt64}, newest, arrayCumSum(p -> p.2, newest)).1 AS newest_s,
       arrayFirst((p, c) -> c >= {most:UInt64}, arrayReverse(newest), arrayCumSum(p -> p.2, arrayReverse(newest))).1 AS oldest_s,
       toString(arrayMap(p -> p.2, arraySlice(if({is_down:UInt8}, arrayReverse(tips), tips), 1, least({most:UInt64}, 100000)))) AS top, closed
FROM (
    SELECT toString(arraySort(groupArrayIf(toUnixTimestamp(hour), NOT is_closed))) AS open,
           arrayReverseSort(groupArrayIf((toInt64(toUnixTimestamp(hour)), toUInt64(n)), is_whole AND n > 0)) AS newest,
           arraySort(groupArrayIf((tip, toUnixTimestamp(hour)), is_whole AND n > 0)) AS tips,
           toString((sumIf(n, is_whole), sumIf(n_ok, is_whole), sumIf(n_error, is_whole), sumIf(s_prompt, is_whole), sumIf(s_completion, is_whole),
                     sumIf(s_cached, is_whole), sumIf(s_reasoning, is_whole), sumIf(s_total, is_whole), sumIf(s_prompt_cost, is_whole),
                     sumIf(s_completion_cost, is_whole), sumIf(s_cost, is_whole))) AS closed
    FROM (SELECT hour, sum(marked) = sum(counted) AS is_closed,
                 is_closed AND hour >= toDateTime({sums_from_s:Int64}, 'UTC') AND hour < toDateTime({sums_until_s:Int64}, 'UTC') AS is_whole, sum(n) AS n,
                 sum(n_ok) AS n_ok, sum(n_error) AS n_error, sum(s_prompt) AS s_prompt, sum(s_completion) AS s_completion, sum(s_cached) AS s_cached,
                 sum(s_reasoning) AS s_reasoning, sum(s_total) AS s_total, sum(s_prompt_cost) AS s_prompt_cost, sum(s_completion_cost) AS s_completion_cost,
                 sum(s_cost) AS s_cost, arraySort(groupArrayArray(tips))[if({is_down:UInt8}, -1, 1)] AS tip
          FROM (SELECT hour, n AS marked, 0 AS counted, 0 AS n, 0 AS n_ok, 0 AS n_error, 0 AS s_prompt, 0 AS s_completion, 0 AS s_cached, 0 AS s_reasoning,
                       0 AS s_total, 0 AS s_prompt_cost, 0 AS s_completion_cost, 0 AS s_cost, [] AS tips
                FROM hour_marks WHERE :project AND :hours
                UNION ALL
                SELECT hour, 0 AS marked, seen AS counted, traces AS n, ok_traces AS n_ok, error_traces AS n_error, prompt_tokens AS s_prompt,
                       completion_tokens AS s_completion, cache_read_tokens AS s_cached, reasoning_tokens AS s_reasoning, total_tokens AS s_total,
                       prompt_cost AS s_prompt_cost, completion_cost AS s_completion_cost, total_cost AS s_cost, if(traces > 0, [{tip:Identifier}], []) AS tips
                FROM hour_sums FINAL WHERE :project AND :hours AND form = 1)
          GROUP BY hour))

-- macro: hours
hour >= toDateTime(intDiv({from_s:Int64}, 86400) * 86400, 'UTC') AND hour < toDateTime(intDiv({until_s:Int64} + 86399, 86400) * 86400, 'UTC')

-- name: words_reach
-- From which hour on there are 5,000 traces in closed ones that have a word like this: as each has one name, there are as many as there are of those
-- names, and at least as many as of any of those tags.  0: there are not.
SELECT arrayFirst((p, c) -> c >= 5000, newest, arrayCumSum(p -> p.2, newest)).1 AS reach_s
FROM (SELECT arrayReverseSort(groupArray((toInt64(toUnixTimestamp(hour)), least))) AS newest
      FROM (SELECT hour, greatest(sumIf(n, NOT is_tag), maxIf(n, is_tag)) AS least
            FROM hour_words FINAL WHERE :closed AND :valid AND :matches GROUP BY hour))

-- name: batch_days
-- In which class something of these days is there.
SELECT toInt64(toUInt16(toDate(hour))) AS day, toInt64(max(keep)) AS keep
FROM hour_marks WHERE :project AND toUInt16(toDate(hour)) IN ({days:Array(UInt16)}) GROUP BY toDate(hour)

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
-- closed: as open_hours has it.
SELECT :metrics
FROM (
    SELECT sum(n) AS n, sum(n_ok) AS n_ok, sum(n_error) AS n_error, sum(s_prompt) AS s_prompt, sum(s_completion) AS s_completion, sum(s_cached) AS s_cached,
           sum(s_reasoning) AS s_reasoning, sum(s_total) AS s_total, sum(s_prompt_cost) AS s_prompt_cost, sum(s_completion_cost) AS s_completion_cost,
           sum(s_cost) AS s_cost
    FROM (SELECT :sums() FROM traces FINAL WHERE :project AND :range AND :open
          UNION ALL
          SELECT c.1 AS n, c.2 AS n_ok, c.3 AS n_error, c.4 AS s_prompt, c.5 AS s_completion, c.6 AS s_cached, c.7 AS s_reasoning, c.8 AS s_total,
                 c.9 AS s_prompt_cost, c.10 AS s_completion_cost, c.11 AS s_cost
          FROM (SELECT {closed:Tuple(UInt64, UInt64, UInt64, Int128, Int128, Int128, Int128, Int128, Int128, Int128, Int128)} AS c)))

-- name: trace_page
SELECT :cut, :trace
FROM traces FINAL WHERE :project AND :range AND :near AND (:open OR {is_all:UInt8} OR hour IN ({top:Array(DateTime('UTC'))}))
ORDER BY {sort:Identifier} :dir, start_ns :dir, trace_id :dir LIMIT {limit:UInt32} OFFSET {offset:UInt64}

-- name: trace_search
-- Of the newest 5,000 that are found.
SELECT :metrics, :cut, :trace
FROM (SELECT *, last_ns - start_ns AS duration_ns, :sums(OVER ()) FROM (:found))
ORDER BY {sort:Identifier} :dir, start_ns :dir, trace_id :dir LIMIT {limit:UInt32} OFFSET {offset:UInt64}

-- name: trace_search_head
SELECT :metrics FROM (SELECT :sums() FROM (:found))

-- name: trace_search_id
SELECT :metrics, :cut, :trace
FROM (SELECT *, last_ns - start_ns AS duration_ns, :sums(OVER ()) FROM (:found_or_id))
ORDER BY {sort:Identifier} :dir, start_ns :dir, trace_id :dir LIMIT {limit:UInt32} OFFSET {offset:UInt64}

-- name: trace_search_id_head
SELECT :metrics FROM (SELECT :sums() FROM (:found_or_id))

-- name: trace_search_nothing
SELECT :metrics FROM (SELECT :sums() FROM traces WHERE false)

-- name: trace_search_session
SELECT :metrics, :cut, :trace
FROM (SELECT *, last_ns - start_ns AS duration_ns, :sums(OVER ()) FROM (:found_of_session))
ORDER BY {sort:Identifier} :dir, start_ns :dir, trace_id :dir LIMIT {limit:UInt32} OFFSET {offset:UInt64}

-- name: trace_search_session_head
SELECT :metrics FROM (SELECT :sums() FROM (:found_of_session))

-- name: trace_candidates
-- On which days the newest 2,000 have their spans, and where those traces begin.
SELECT toString(toDate(intDiv(min(start_ns), 86400000000000))) AS first_day, toString(toDate(intDiv(max(last_ns), 86400000000000))) AS last_day,
       toInt64(intDiv(min(start_ns), 3600000000000) * 3600) AS first_s
FROM (:candidates)

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

-- macro: is_in
:open AND start_ns >= {from_s:Int64} * 1000000000 AND start_ns < {until_s:Int64} * 1000000000

-- name: metrics_sums
-- What the traces of a range come to.  Amounts with five decimals are rounded once, half up.  days: what those that succeeded cost; sizes: how many have
-- so many spans, in ten steps and of whole days; both as JSON.  begun, first_s, last_s: of the spans of hours that have sums.
SELECT toInt64(n) AS traces, toString(spans) AS spans, toString(oks) AS oks, toString(errors) AS errors, toString(spans - oks - errors) AS others,
       toString(prompt) AS prompt, toString(completion) AS completion, toString(t) AS tokens, toString(t_ok) AS ok_tokens, toString(t_error) AS error_tokens,
       toString(if(spans = 0, 0, intDiv(200 * t + spans, 2 * spans) / 100)) AS average,
       toString(if(oks = 0, 0, intDiv(200 * t_ok + oks, 2 * oks) / 100)) AS ok_average,
       toString(if(errors = 0, 0, intDiv(200 * t_error + errors, 2 * errors) / 100)) AS error_average,
       toDecimalString(toDecimal256(intDiv(c + 50, 100), 0) * toDecimal256('0.00001', 5), 5) AS cost,
       toDecimalString(toDecimal256(intDiv(2 * c + 100 * n, greatest(200 * n, 1)), 0) * toDecimal256('0.00001', 5), 5) AS average_cost,
       toString(took) AS took, first_ns, toInt64(begun) AS begun, toInt64(first_s) AS first_s, toInt64(last_s) AS last_s,
       concat('{', arrayStringConcat(arrayMap(d -> concat('"', toString(d), '":', toString(arraySum(p -> if(p.1 = d, p.2, toInt128(0)), day_costs) / 10000000)),
                                              arraySort(arrayDistinct(arrayMap(p -> p.1, day_costs)))), ','), '}') AS days,
       concat('{', arrayStringConcat(arrayMap((size, n) -> concat('"', toString(size), '":', toString(n)), stepped.1, stepped.2), ','), '}') AS sizes
FROM (
    SELECT sum(n) AS n, sum(spans) AS spans, sum(oks) AS oks, sum(errors) AS errors, sum(prompt) AS prompt, sum(completion) AS completion, sum(t) AS t,
           sum(t_ok) AS t_ok, sum(t_error) AS t_error, sum(c) AS c, sum(took) AS took, minIf(first_ns, n > 0) AS first_ns,
           sum(begun) AS begun, minIf(first_s, begun > 0) AS first_s, max(last_s) AS last_s,
           groupArrayIf((day, c_ok), n_ok > 0) AS day_costs, sumMap(sizes) AS all_sizes, mapKeys(all_sizes) AS each,
           greatest(1, intDiv(arrayMax(each), 10)) AS step,
           arrayReduce('sumMap', [arrayMap(size -> intDiv(size, step) * step, each)], [mapValues(all_sizes)]) AS stepped
    FROM (
        SELECT toDate(hour) AS day, countIf(is_in) AS n, countIf(last_status = 1 AND is_in) AS n_ok, sumIf(span_count, is_in) AS spans,
               sumIf(ok_count, is_in) AS oks, sumIf(error_count, is_in) AS errors, sumIf(toInt128(prompt_tokens), is_in) AS prompt,
               sumIf(toInt128(completion_tokens), is_in) AS completion, sumIf(toInt128(total_tokens), is_in) AS t,
               sumIf(toInt128(total_tokens), last_status = 1 AND is_in) AS t_ok, sumIf(toInt128(total_tokens), last_status = 2 AND is_in) AS t_error,
               sumIf(toInt128(total_cost), is_in) AS c, sumIf(toInt128(total_cost), last_status = 1 AND is_in) AS c_ok,
               sumIf(toInt128(span_time_ns), is_in) AS took, minIf(start_ns, is_in) AS first_ns,
               sumMapIf(map(span_count, toUInt64(1)), is_open) AS sizes, 0 AS begun, 0 AS first_s, 0 AS last_s
        FROM (SELECT hour, last_status, span_count, ok_count, error_count, prompt_tokens, completion_tokens, total_tokens, total_cost, span_time_ns, start_ns,
                     hour IN ({open:Array(DateTime('UTC'))}) AS is_open, :is_in AS is_in
              FROM traces FINAL WHERE :project AND :hours AND (hour IN ({open:Array(DateTime('UTC'))}) OR hour IN ({edges:Array(DateTime('UTC'))})))
        GROUP BY toDate(hour)
        UNION ALL
        SELECT toDate(hour) AS day, sumIf(traces, is_whole) AS n, sumIf(ok_traces, is_whole) AS n_ok, sumIf(spans, is_whole) AS spans,
               sumIf(ok_spans, is_whole) AS oks, sumIf(error_spans, is_whole) AS errors, sumIf(prompt_tokens, is_whole) AS prompt,
               sumIf(completion_tokens, is_whole) AS completion, sumIf(total_tokens, is_whole) AS t, sumIf(ok_tokens, is_whole) AS t_ok,
               sumIf(error_tokens, is_whole) AS t_error, sumIf(total_cost, is_whole) AS c, sumIf(ok_cost, is_whole) AS c_ok,
               sumIf(span_time_ns, is_whole) AS took, minIf(first_ns, is_whole AND traces > 0) AS first_ns, sumMap(sizes) AS sizes,
               sumIf(begun, is_whole) AS begun, minIf(first_s, is_whole AND begun > 0) AS first_s, maxIf(last_s, is_whole) AS last_s
        FROM (SELECT *, hour >= toDateTime({sums_from_s:Int64}, 'UTC') AND hour < toDateTime({sums_until_s:Int64}, 'UTC') AS is_whole
              FROM hour_sums FINAL WHERE :project AND :hours AND hour NOT IN ({open:Array(DateTime('UTC'))}))
        GROUP BY toDate(hour)))

-- name: metrics_newest
SELECT last_ns, toInt64(last_status) AS last_status, span_time_ns FROM traces FINAL WHERE :project AND :range AND :near
ORDER BY start_ns DESC, trace_id DESC LIMIT 1000

-- macro: minutes
:project AND hour >= toDateTime(intDiv({from_s:Int64}, 3600) * 3600, 'UTC') AND hour < toDateTime({until_s:Int64}, 'UTC')
      AND second >= {from_s:Int64} AND second < {until_s:Int64}

-- name: metrics_extent
-- When the first and the last span of a range began; none: 0.
SELECT toInt64(sum(n)) AS begun, toInt64(minIf(first_s, n > 0)) AS first_s, toInt64(max(last_s)) AS last_s
FROM (SELECT count() AS n, min(second) AS first_s, max(second) AS last_s FROM span_times WHERE :minutes AND :open
      UNION ALL
      SELECT sum(begun) AS n, minIf(first_s, begun > 0) AS first_s, max(last_s) AS last_s FROM hour_sums FINAL WHERE :closed)

-- name: metrics_spans
-- What spans took (is_time false, by slot; of from_s to until_s), and when they began (true, by step; of low_s to high_s, whole steps).  Of an hour that
-- has a sum the least and the most stand with each of its slots: of all together it is that.  By minutes no sum tells it.
SELECT is_time, place, toInt64(sum(n)) AS spans, toInt64(sum(errors)) AS errors, toInt64(min(least)) AS least_ns, toInt64(max(most)) AS most_ns,
       toInt64(sum(timed)) AS timed
FROM (
    SELECT toBool(grouping(at) = 0) AS is_time, toInt64(if(is_time, at, slot)) AS place, if(is_time, countIf(is_dated), countIf(is_in)) AS n,
           countIf(status = 2 AND is_dated) AS errors, minIf(duration_ns, is_in AND slot > 0) AS least,
           if(is_time, maxIf(duration_ns, is_dated AND slot > 0), maxIf(duration_ns, is_in AND slot > 0)) AS most, countIf(is_dated AND slot > 0) AS timed
    FROM (SELECT intDiv(second, {step:UInt32}) * {step:UInt32} AS at, slot, status, duration_ns,
                 second >= {from_s:Int64} AND second < {until_s:Int64} AND :open AS is_in, {step:UInt32} < 3600 OR hour IN ({open:Array(DateTime('UTC'))}) AS is_dated
          FROM span_times FINAL
          WHERE :project AND hour >= toDateTime(intDiv({low_s:Int64}, 3600) * 3600, 'UTC') AND hour < toDateTime({high_s:Int64}, 'UTC')
            AND second >= {low_s:Int64} AND second < {high_s:Int64}
            AND ({step:UInt32} < 3600 OR hour IN ({open:Array(DateTime('UTC'))}) OR hour IN ({edges:Array(DateTime('UTC'))})))
    GROUP BY GROUPING SETS ((at), (slot))
    UNION ALL
    SELECT true AS is_time, toInt64(intDiv(toUnixTimestamp(hour), {step:UInt32}) * {step:UInt32}) AS place, begun AS n, begun_errors AS errors, least_ns AS least,
           most_ns AS most, timed
    FROM hour_sums FINAL
    WHERE :project AND {step:UInt32} >= 3600 AND hour >= toDateTime({low_s:Int64}, 'UTC') AND hour < toDateTime({high_s:Int64}, 'UTC')
      AND hour NOT IN ({open:Array(DateTime('UTC'))})
    UNION ALL
    SELECT false AS is_time, toInt64(slot) AS place, n, 0 AS errors, least_ns AS least, most_ns AS most, 0 AS timed
    FROM (SELECT slots, least_ns, most_ns FROM hour_sums FINAL WHERE :closed AND begun > 0) ARRAY JOIN slots AS n, range(147) AS slot)
WHERE n > 0
GROUP BY is_time, place
ORDER BY is_time, place

-- macro: sessions
SELECT session_id, min(first_ns) AS first_ns, max(recent_ns) AS recent_ns
      FROM (SELECT session_id, start_ns AS first_ns, start_ns AS recent_ns FROM traces FINAL
            WHERE :project AND session_id <> '' AND hour IN ({open:Array(DateTime('UTC'))})
            UNION ALL
            SELECT session_id, first_ns, recent_ns FROM hour_sessions
            WHERE :project AND hour NOT IN ({open:Array(DateTime('UTC'))})
              AND (hour, keep, seen) IN (SELECT hour, keep, seen FROM hour_sums FINAL WHERE :project))
      GROUP BY session_id

-- name: trace_session_count
SELECT toInt64(count()) AS total FROM (:sessions)

-- name: trace_session_page
-- A page of them, each id in hexadecimal digits.
SELECT toInt64(n) AS total, lower(hex(session_id)) AS id, first_ns, recent_ns
FROM (SELECT session_id, first_ns, recent_ns, count() OVER () AS n FROM (:sessions)
      ORDER BY recent_ns DESC, session_id DESC LIMIT {limit:UInt32} OFFSET {offset:UInt64})
ORDER BY recent_ns DESC, session_id DESC

-- name: trace_session_list
-- What those of a page come to.
SELECT {total:Int64} AS total, s.session_id AS session_id, fromUnixTimestamp64Micro(intDiv(s.first_ns, 1000), 'UTC') AS start_time,
       fromUnixTimestamp64Micro(intDiv(s.recent_ns, 1000), 'UTC') AS last_time, toInt64(t.traces) AS trace_count, toInt64(t.errors) AS error_count,
       toInt64(t.spans) AS span_count, toInt64(t.tokens) AS total_tokens, toDecimal256(t.cost, 0) * toDecimal256('0.0000001', 7) AS total_cost
FROM (SELECT unhex(tupleElement(p, 1)) AS session_id, tupleElement(p, 2) AS first_ns, tupleElement(p, 3) AS recent_ns
      FROM (SELECT arrayJoin({page:Array(Tuple(String, Int64, Int64))}) AS p)) AS s
INNER JOIN (
    SELECT session_id, count() AS traces, countIf(last_status = 2) AS errors, sum(span_count) AS spans,
           least(sum(toInt128(total_tokens)), 9000000000000000000) AS tokens, sum(toInt128(total_cost)) AS cost
    FROM (SELECT * FROM traces FINAL
          WHERE :project AND :near AND session_id IN (arrayMap(p -> unhex(tupleElement(p, 1)), {page:Array(Tuple(String, Int64, Int64))}))
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
  AND toDateOrZero(extract(partition, '[0-9]{4}-[0-9]{2}-[0-9]{2}')) < toDate(now('UTC')) - {days:Array(UInt16)}[toUInt8OrZero(extract(partition, '^.([0-9])'))]
ORDER BY table, partition_id

-- macro: over
toDate(hour) < toDate(now('UTC')) - {days:Array(UInt16)}[keep]

-- name: hours_over
-- Is anything kept of hours that are over?
SELECT count() AS n FROM (SELECT 1 FROM hour_marks WHERE :over LIMIT 1 UNION ALL SELECT 1 FROM hour_words WHERE :over LIMIT 1)

-- name: drop_word_traces
DELETE FROM word_traces WHERE :over

-- name: drop_hour_words
DELETE FROM hour_words WHERE :over

-- name: drop_hour_sessions
DELETE FROM hour_sessions WHERE :over

-- name: drop_hour_sums
DELETE FROM hour_sums WHERE :over

-- name: drop_hour_marks
DELETE FROM hour_marks WHERE :over

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

-- name: forget_hour_sums
DELETE FROM hour_sums WHERE :project

-- name: forget_hour_sessions
DELETE FROM hour_sessions WHERE :project

-- name: forget_hour_marks
DELETE FROM hour_marks WHERE :project

-- name: forget_hour_words
DELETE FROM hour_words WHERE :project

-- name: forget_word_traces
DELETE FROM word_traces WHERE :project
