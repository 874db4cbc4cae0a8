-- Where spans are, and how long they took.

-- The slot of a duration in a histogram, 1 to 146: a quarter of a doubling each, so that what is in one is told from its middle
-- within a tenth; below a microsecond (1) and above half a day (146) all are one.
CREATE OR REPLACE FUNCTION span_slot(ns bigint) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN least(146, greatest(1, floor(4 * ln(greatest(ns, 1)::double precision) / ln(2::double precision))::integer - 38));

-- The middle of a slot, in nanoseconds.
CREATE OR REPLACE FUNCTION span_slot_ns(slot integer) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN round(power(2::double precision, (slot + 38.5) / 4))::bigint;

-- A histogram of so many in each of these slots; NULL: of nothing.
CREATE OR REPLACE FUNCTION span_slots(slots integer[], counts bigint[]) RETURNS integer[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    sums integer[] := array_fill(0, ARRAY[146]);
BEGIN
    IF cardinality(slots) > 0 THEN
        FOR i IN 1..cardinality(slots) LOOP
            sums[slots[i]] := least(sums[slots[i]] + counts[i], 2000000000);
        END LOOP;
        RETURN sums;
    END IF;
    RETURN NULL;
END
$$;

-- Two histograms as one.
CREATE OR REPLACE FUNCTION span_slots_add(a integer[], b integer[]) RETURNS integer[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF a IS NULL OR b IS NULL THEN
        RETURN coalesce(a, b);
    END IF;
    RETURN ARRAY(SELECT least(x.a::bigint + x.b, 2000000000)::integer FROM unnest(a, b) WITH ORDINALITY x (a, b, i) ORDER BY x.i);
END
$$;

-- A sum that a client can make as large as it likes, as far as it goes.
CREATE OR REPLACE FUNCTION sum_within(n numeric) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN least(n, 9000000000000000000)::bigint;

-- A trace with what came of it later: o was there, n are the new spans.
CREATE OR REPLACE FUNCTION trace_merge(o traces, n traces) RETURNS traces
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    m traces := o;
BEGIN
    IF (n.start_ns, n.first_is_child, n.first_span) < (o.start_ns, o.first_is_child, o.first_span) THEN
        m.start_ns := n.start_ns;
        m.first_is_child := n.first_is_child;
        m.first_span := n.first_span;
        m.keep := n.keep;
        m.day := n.day;
        m.service := n.service;
        m.root_name := n.root_name;
        m.tags := n.tags;
        m.tags_key := n.tags_key;
    END IF;
    IF (n.last_ns, n.last_span) > (o.last_ns, o.last_span) THEN
        m.last_ns := n.last_ns;
        m.last_span := n.last_span;
        m.last_status := n.last_status;
    END IF;
    m.session_id := least(o.session_id, n.session_id);
    m.span_count := o.span_count + n.span_count;
    m.ok_count := o.ok_count + n.ok_count;
    m.error_count := o.error_count + n.error_count;
    m.prompt_tokens := sum_within(o.prompt_tokens::numeric + n.prompt_tokens);
    m.completion_tokens := sum_within(o.completion_tokens::numeric + n.completion_tokens);
    m.cache_read_tokens := sum_within(o.cache_read_tokens::numeric + n.cache_read_tokens);
    m.reasoning_tokens := sum_within(o.reasoning_tokens::numeric + n.reasoning_tokens);
    m.total_tokens := sum_within(o.total_tokens::numeric + n.total_tokens);
    m.prompt_cost := sum_within(o.prompt_cost::numeric + n.prompt_cost);
    m.completion_cost := sum_within(o.completion_cost::numeric + n.completion_cost);
    m.total_cost := sum_within(o.total_cost::numeric + n.total_cost);
    m.span_time_ns := sum_within(o.span_time_ns::numeric + n.span_time_ns);
    RETURN m;
END
$$;

-- The day (UTC) of a time.
CREATE OR REPLACE FUNCTION span_day(ns bigint) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN DATE '1970-01-01' + (ns / 86400000000000)::integer;

-- How long spans of an organization are kept: the class as spans.keep has it.
CREATE OR REPLACE FUNCTION span_class(prem_status text) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE prem_status WHEN 'enterprise' THEN 3 WHEN 'pro' THEN 2 ELSE 1 END::smallint;

-- The name of a day's partition of spans, or of log records.
CREATE OR REPLACE FUNCTION kept_partition_name(of_ text, class smallint, day date) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN format('%s_%s_%s', of_, (ARRAY['free', 'pro', 'enterprise'])[class], to_char(day, 'YYYYMMDD'));
END
$$;

-- Make the partition of a class and day, unless it is there; true: it was made.  Made apart and attached then, it is in nobody's way
-- who reads or writes the table meanwhile: only who makes another one waits.  Whether it is there is asked of the catalog: what a session
-- remembers of names is not looked at again because of an advisory lock.
CREATE OR REPLACE FUNCTION kept_partition(of_ text, class smallint, day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    part text := kept_partition_name(of_, class, day);
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('span partitions', 0));
    IF EXISTS (SELECT FROM pg_class c WHERE c.relname = part AND c.relnamespace = 'public'::regnamespace) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE public.%I (LIKE %I INCLUDING DEFAULTS INCLUDING COMPRESSION INCLUDING INDEXES)', part, of_);
    PERFORM isolate(('public.' || part)::regclass);
    EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                   of_ || '_' || (ARRAY['free', 'pro', 'enterprise'])[class], part, day, day + 1);
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION kept_partition(text, smallint, date) FROM PUBLIC;

-- The same of spans.
CREATE OR REPLACE FUNCTION span_partition_name(class smallint, day date) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN kept_partition_name('spans', class, day);
END
$$;

CREATE OR REPLACE FUNCTION span_partition(class smallint, day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN kept_partition('spans', class, day);
END
$$;
REVOKE ALL ON FUNCTION span_partition(smallint, date) FROM PUBLIC;
