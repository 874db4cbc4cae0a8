-- Rollups: what was used, by day.
--
-- Events are added up by the transaction that wrote them, and not by their time: all those of transactions from where the
-- last roll-up stopped up to the oldest one that still runs. So each event is added once, whatever transactions overlap
-- and however late it came, and the sums and the place where to go on are committed together: run again, it adds nothing.
-- What hosts counted in memory (usage_count) comes straight into the sums.

-- The part of a month.
CREATE OR REPLACE FUNCTION usage_slot(at timestamptz) RETURNS smallint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN ((extract(year FROM at AT TIME ZONE 'UTC') * 12 + extract(month FROM at AT TIME ZONE 'UTC'))::integer % 16)::smallint;
END
$$;

-- Add new events to the sums, about as many as most; returns how many there were.  One at a time does it.  A transaction
-- that runs for long holds it up, and nothing is lost by that.
CREATE OR REPLACE FUNCTION usage_roll(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    s     usage_state;
    until xid8 := pg_snapshot_xmin(pg_current_snapshot());
    last  xid8;
    n     bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('usage roll', 0)) THEN
        RETURN 0;
    END IF;
    SELECT * INTO s FROM usage_state;
    -- A number from the future is another cluster's: this one was restored from a dump.
    IF s.rolled > pg_snapshot_xmax(pg_current_snapshot()) THEN
        PERFORM usage_rebuild();
        RETURN 0;
    END IF;
    -- No more than that at once, so that what has piled up is done in pieces; a transaction is never cut.
    SELECT e.xid INTO last FROM usage_events e WHERE e.xid >= s.rolled ORDER BY e.xid OFFSET most LIMIT 1;
    IF last > s.rolled AND last < until THEN
        until := last;
    END IF;
    WITH sums AS (
        SELECT e.tenant_id, e.user_id, e.metric, (e.occurred_at AT TIME ZONE 'UTC')::date AS day, e.organization_id, e.category,
               CASE WHEN starts_with(e.metric, 'peak.') THEN max(e.quantity) ELSE sum(e.quantity) END::bigint AS quantity, count(*) AS count
        FROM usage_events e
        WHERE e.xid >= s.rolled AND e.xid < until AND e.created_at >= s.since
        GROUP BY 1, 2, 3, 4, 5, 6
    ), added AS (
        INSERT INTO usage_daily AS d (tenant_id, user_id, metric, day, organization_id, category, quantity, count)
        SELECT * FROM sums ORDER BY 1, 2, 3, 4, 5, 6
        ON CONFLICT (tenant_id, user_id, metric, day, organization_id, category) DO UPDATE
        SET quantity = CASE WHEN starts_with(d.metric, 'peak.') THEN greatest(d.quantity, excluded.quantity) ELSE d.quantity + excluded.quantity END,
            count = d.count + excluded.count
    )
    SELECT coalesce(sum(x.count), 0) INTO n FROM sums x;
    UPDATE usage_state SET rolled = until WHERE rolled < until;
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION usage_roll(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION usage_roll(integer) TO ashlar_api;

-- Make the sums of events anew, of all days whose events are kept.  While it runs no event is written.
CREATE OR REPLACE FUNCTION usage_rebuild() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    from_day date;
BEGIN
    LOCK TABLE usage_events IN SHARE MODE;
    SELECT min(e.occurred_at AT TIME ZONE 'UTC')::date INTO from_day FROM usage_events e;
    DELETE FROM usage_daily d
    WHERE d.day >= from_day AND d.metric NOT IN (SELECT m.key FROM usage_metrics() m WHERE m.is_counted);
    INSERT INTO usage_daily (tenant_id, user_id, metric, day, organization_id, category, quantity, count)
    SELECT e.tenant_id, e.user_id, e.metric, (e.occurred_at AT TIME ZONE 'UTC')::date, e.organization_id, e.category,
           CASE WHEN starts_with(e.metric, 'peak.') THEN max(e.quantity) ELSE sum(e.quantity) END::bigint, count(*)
    FROM usage_events e
    GROUP BY 1, 2, 3, 4, 5, 6;
    UPDATE usage_state SET rolled = pg_snapshot_xmin(pg_current_snapshot()), since = clock_timestamp();
END
$$;
REVOKE ALL ON FUNCTION usage_rebuild() FROM PUBLIC;

-- Empty the parts whose months are over for more than a year, in time before they come round again: of events, and of calls of
-- models (ai_calls), which have the same.
CREATE OR REPLACE FUNCTION usage_rotate() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '50ms' AS $$
DECLARE
    old    timestamptz;
    tbl    text;
    is_old boolean;
    n      integer := 0;
BEGIN
    FOR i IN 13..14 LOOP
        old := (date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => i)) AT TIME ZONE 'UTC';
        FOREACH tbl IN ARRAY ARRAY ['usage_events', 'ai_calls'] LOOP
            EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE slot = $1 LIMIT 1)', tbl) INTO is_old USING usage_slot(old);
            CONTINUE WHEN NOT is_old;
            BEGIN
                EXECUTE format('TRUNCATE %s_%s', tbl, usage_slot(old));
                n := n + 1;
            EXCEPTION
                WHEN lock_not_available OR deadlock_detected THEN NULL;
            END;
        END LOOP;
    END LOOP;
    RETURN n + api_key_uses_rotate();
END
$$;
REVOKE ALL ON FUNCTION usage_rotate() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION usage_rotate() TO ashlar_api;
