-- Small helpers of the lists and of single resources.

-- The pattern for "contains these characters", for ILIKE: %, _ and \ stand for themselves.
CREATE OR REPLACE FUNCTION like_pattern(search text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '%' || regexp_replace(search, '([\\%_])', '\\\1', 'g') || '%';

-- If-Match: is the row still one that the client read?  wanted holds the
-- updated_at of those, in microseconds since 1970; NULL: the client did not ask.
-- Raises AS412 when it has changed.  Stands in the WHERE of the statement that
-- changes the row, so that test and change are one; the cost makes PostgreSQL
-- evaluate it last, when the row is known to be there and the caller's own.
CREATE OR REPLACE FUNCTION if_match(updated_at timestamptz, wanted bigint[]) RETURNS boolean
LANGUAGE plpgsql STABLE COST 10000 AS $$
BEGIN
    IF wanted IS NULL OR (extract(epoch FROM updated_at) * 1000000)::bigint = ANY (wanted) THEN
        RETURN true;
    END IF;
    RAISE SQLSTATE 'AS412' USING MESSAGE = 'the resource has changed since it was read';
END
$$;

-- A time as answers have it, for those that stand inside of jsonb.
CREATE OR REPLACE FUNCTION json_time(at timestamptz) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
END
$$;
