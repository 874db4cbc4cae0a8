-- Months of activity: those to come are made, and those that are over go. Called by the worker (worker/activity.c).

-- Make this month and the next one, so that no request waits for that; how many were made.
CREATE OR REPLACE FUNCTION activity_months_ahead() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN activity_month(now())::integer + activity_month((date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC')::integer;
END
$$;
REVOKE ALL ON FUNCTION activity_months_ahead() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION activity_months_ahead() TO ashlar_api;

-- The first day that is kept, of so many months and the one that runs.
CREATE OR REPLACE FUNCTION activity_kept_from(months integer) RETURNS date
LANGUAGE sql STABLE
RETURN (date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => months))::date;

-- Forget up to batch sums of days that are over, of all tenants: they count no more, for all days together neither; how many those were. A writer
-- adds to the sums of all days, so no more of them are locked at once than that. What belongs to them is shown until activity_drop().
-- With them up to batch sums of months that nobody counts any more.
CREATE OR REPLACE FUNCTION activity_forget(months integer, batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    n           bigint;
    months_gone bigint;
BEGIN
    PERFORM set_config('app.retention', 'activity', true);    -- what policies let the owner see beyond a tenant
    WITH gone AS (
        DELETE FROM activity_days d
        WHERE d.ctid = ANY (ARRAY(SELECT x.ctid FROM activity_days x WHERE x.day > '-infinity' AND x.day < activity_kept_from(months)
                                  ORDER BY x.day LIMIT batch FOR UPDATE SKIP LOCKED))
        RETURNING d.tenant_id, d.organization_id, d.scope_id, d.type, d.count
    ), sums AS (
        SELECT g.tenant_id, g.organization_id, g.scope_id, g.type, sum(g.count)::bigint AS count, count(*) AS days
        FROM gone g GROUP BY 1, 2, 3, 4
    ), less AS (
        UPDATE activity_days d SET count = d.count - s.count
        FROM (SELECT * FROM sums ORDER BY 1, 2, 3, 4) s
        WHERE d.tenant_id = s.tenant_id AND d.organization_id = s.organization_id AND d.day = '-infinity' AND d.scope_id = s.scope_id
          AND d.actor_id = '00000000-0000-0000-0000-000000000000' AND d.type = s.type
    )
    SELECT coalesce(sum(s.days), 0) INTO n FROM sums s;
    DELETE FROM activity_months m
    WHERE m.ctid = ANY (ARRAY(SELECT x.ctid FROM activity_months x WHERE x.month > '-infinity' AND x.month < (date_trunc('month', now() AT TIME ZONE 'UTC') - interval '2 months')::date
                              ORDER BY x.month LIMIT batch FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS months_gone = ROW_COUNT;
    PERFORM set_config('app.retention', '', true);
    RETURN n + months_gone;
END
$$;
REVOKE ALL ON FUNCTION activity_forget(integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION activity_forget(integer, integer) TO ashlar_api;

-- Drop the oldest month that is over; its name, or NULL: there is none, or somebody has it in use, and it is tried again with the next run.
CREATE OR REPLACE FUNCTION activity_drop(months integer) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '100ms' AS $$
DECLARE
    part text;
BEGIN
    SELECT p.relname INTO part
    FROM pg_inherits i
    JOIN pg_class p ON p.oid = i.inhrelid
    WHERE i.inhparent = 'public.activities'::regclass AND to_date(right(p.relname, 6), 'YYYYMM') < activity_kept_from(months)
    ORDER BY p.relname LIMIT 1;
    IF part IS NOT NULL THEN
        EXECUTE format('DROP TABLE public.%I', part);
    END IF;
    RETURN part;
EXCEPTION
    WHEN lock_not_available OR deadlock_detected THEN RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION activity_drop(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION activity_drop(integer) TO ashlar_api;
