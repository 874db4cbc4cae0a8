-- What the app surface shows of the sums by day: a user's, in all organizations and outside of them.

-- The change in percent. From nothing to something is 100.
CREATE OR REPLACE FUNCTION usage_growth(current bigint, previous bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN previous <> 0 THEN trim_scale(round((current - previous) * 100.0 / previous, 2)) WHEN current = 0 THEN 0 ELSE 100 END;

-- On average, of so many days.
CREATE OR REPLACE FUNCTION usage_average(n bigint, days integer) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN trim_scale(round(n / days::numeric, 2));

-- Today, and the first day of the month, in UTC.
CREATE OR REPLACE FUNCTION usage_today() RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (now() AT TIME ZONE 'UTC')::date;

CREATE OR REPLACE FUNCTION usage_month(months_ago integer) RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => months_ago))::date;

-- The month, from its first second to its last.
CREATE OR REPLACE FUNCTION usage_period() RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN jsonb_build_object('start', json_time(usage_month(0)::timestamp AT TIME ZONE 'UTC'),
                              'end', json_time((usage_month(-1)::timestamp - interval '1 second') AT TIME ZONE 'UTC'));
END
$$;

-- A user's sums of this month and of the one before, of one metric, or of all that are listed (NULL); in their order.
CREATE OR REPLACE FUNCTION usage_months(usr uuid, metric text)
RETURNS TABLE (nr bigint, key text, this_month bigint, last_month bigint)
LANGUAGE plpgsql STABLE ROWS 9 AS $$
#variable_conflict use_column
DECLARE
    first_day date := usage_month(0);
    from_day  date := usage_month(1);
BEGIN
    RETURN QUERY
    SELECT m.nr, m.key, coalesce(sum(d.quantity) FILTER (WHERE d.day >= first_day), 0)::bigint,
           coalesce(sum(d.quantity) FILTER (WHERE d.day < first_day), 0)::bigint
    FROM usage_metrics() WITH ORDINALITY m (key, name, unit, description, is_listed, is_counted, resets, nr)
    LEFT JOIN usage_daily d ON d.tenant_id = app_tenant() AND d.user_id = usr AND d.metric = m.key
        AND d.day >= from_day AND d.day < usage_month(-1)
    WHERE m.is_listed AND m.key = coalesce(usage_months.metric, m.key)
    GROUP BY m.nr, m.key
    ORDER BY m.nr;
END
$$;

-- Each of the last days, the oldest first, and today the last.  All days have a row.
CREATE OR REPLACE FUNCTION usage_days(usr uuid, metric text, days integer) RETURNS TABLE (day date, value bigint)
LANGUAGE plpgsql STABLE ROWS 30 AS $$
#variable_conflict use_column
DECLARE
    last_day date := usage_today();
BEGIN
    RETURN QUERY
    SELECT g.day, coalesce(s.value, 0)
    FROM (SELECT last_day - n AS day FROM generate_series(0, days - 1) n) g
    LEFT JOIN (SELECT d.day, sum(d.quantity)::bigint AS value FROM usage_daily d
               WHERE d.tenant_id = app_tenant() AND d.user_id = usr AND d.metric = usage_days.metric
                 AND d.day > last_day - days AND d.day <= last_day
               GROUP BY d.day) s ON s.day = g.day
    ORDER BY g.day;
END
$$;

-- From which day to which: this month's up to today, where nothing is said.  Raises AS422.
CREATE OR REPLACE FUNCTION usage_range("from" date, "to" date, OUT first_day date, OUT last_day date)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    last_day := coalesce("to", usage_today());
    first_day := coalesce("from", date_trunc('month', last_day)::date);
    IF last_day < first_day THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'to', MESSAGE = 'to must not be before from';
    ELSIF last_day - first_day >= 366 THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'to', MESSAGE = 'from and to are 366 days at most';
    END IF;
END
$$;
