-- What a member does with notifications beside reading them: put away for good, or until a time;
-- and the hours in which they want no mail.

-- Put one of the caller's notifications into a place: 'list', 'archive', or, with the time at which it comes
-- back, 'later': where that has passed, it is back.  One that is archived is read.  One that comes back is unread, and on top.  Where it is
-- already, nothing happens.  Raises AS404, AS422.
CREATE OR REPLACE FUNCTION notification_put(notification uuid, place text, until timestamptz DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    i notification_inboxes;
    n notifications;
BEGIN
    IF until <= now() THEN
        place := 'list';
    ELSIF until > now() + interval '1 year' THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'until', MESSAGE = 'until must be within the next year';
    END IF;
    SELECT * INTO i FROM notification_inboxes x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.member_id = app_member() FOR NO KEY UPDATE;
    SELECT * INTO n FROM notifications x
    WHERE x.tenant_id = i.tenant_id AND x.organization_id = i.organization_id AND x.member_id = i.member_id AND x.id = notification;
    IF NOT FOUND OR notification_hidden(ARRAY[n.event_type]) <> '{}' THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Notification not found', DETAIL = notification::text;
    END IF;
    IF place = 'archive' AND n.archived_at IS NULL THEN
        PERFORM notification_take_out(i, n, true);
        UPDATE notifications x
        SET archived_at = now(), snoozed_until = NULL, nr = -abs(x.nr),
            read_at = coalesce(x.read_at, (SELECT m.created_at FROM notification_marks m
                                           WHERE m.tenant_id = n.tenant_id AND m.organization_id = n.organization_id AND m.member_id = n.member_id
                                             AND m.nr >= n.nr AND n.nr > 0 ORDER BY m.nr LIMIT 1), now())
        WHERE x.tenant_id = n.tenant_id AND x.organization_id = n.organization_id AND x.member_id = n.member_id AND x.id = n.id;
    ELSIF place = 'list' AND n.archived_at IS NOT NULL THEN
        UPDATE notifications x SET archived_at = NULL, nr = abs(x.nr)
        WHERE x.tenant_id = n.tenant_id AND x.organization_id = n.organization_id AND x.member_id = n.member_id AND x.id = n.id;
        UPDATE notification_inboxes x SET total = notification_counts(x.total, n.event_type, 1)
        WHERE x.tenant_id = n.tenant_id AND x.organization_id = n.organization_id AND x.member_id = n.member_id;
    ELSIF place = 'list' AND n.snoozed_until IS NOT NULL THEN
        PERFORM notification_bring_back(n);
    ELSIF place = 'later' THEN
        PERFORM notification_take_out(i, n, false);
        UPDATE notifications x SET snoozed_until = until, archived_at = NULL, read_at = NULL, nr = -abs(x.nr)
        WHERE x.tenant_id = n.tenant_id AND x.organization_id = n.organization_id AND x.member_id = n.member_id AND x.id = n.id;
    ELSE
        RETURN;
    END IF;
    PERFORM notification_sync(n.id);
END
$$;

-- One that leaves the list is counted there no more; the inbox is locked.  is_read: it is read with that, which
-- the trigger on read_at counts.
CREATE OR REPLACE FUNCTION notification_take_out(i notification_inboxes, n notifications, is_read boolean) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF n.nr > 0 THEN
        UPDATE notification_inboxes x
        SET total = notification_counts(x.total, n.event_type, -1),
            unread = CASE WHEN NOT is_read AND n.read_at IS NULL AND n.nr > i.read_to THEN notification_counts(x.unread, n.event_type, -1) ELSE x.unread END
        WHERE x.tenant_id = n.tenant_id AND x.organization_id = n.organization_id AND x.member_id = n.member_id;
    END IF;
END
$$;

-- A snoozed one comes back, as if it were told now; the inbox is locked.
CREATE OR REPLACE FUNCTION notification_bring_back(n notifications) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    number bigint;
BEGIN
    UPDATE notification_inboxes x
    SET last_nr = x.last_nr + 1, total = notification_counts(x.total, n.event_type, 1), unread = notification_counts(x.unread, n.event_type, 1)
    WHERE x.tenant_id = n.tenant_id AND x.organization_id = n.organization_id AND x.member_id = n.member_id
    RETURNING x.last_nr INTO number;
    UPDATE notifications x SET snoozed_until = NULL, nr = number, told_at = now()
    WHERE x.tenant_id = n.tenant_id AND x.organization_id = n.organization_id AND x.member_id = n.member_id AND x.id = n.id
    RETURNING x.* INTO n;
    PERFORM realtime_put('member:' || n.member_id, notification_data(n), NULL, 'event', 'notification', false);
END
$$;

-- Bring back the next one whose time has come, of any tenant; false: there is none.
CREATE OR REPLACE FUNCTION notification_wake() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    here text := current_setting('app.tenant_id', true);
    n    notifications;
BEGIN
    SELECT * INTO n FROM notifications x WHERE x.snoozed_until <= now() ORDER BY x.snoozed_until LIMIT 1;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM set_config('app.tenant_id', n.tenant_id::text, true);
    PERFORM FROM notification_inboxes i
    WHERE i.tenant_id = n.tenant_id AND i.organization_id = n.organization_id AND i.member_id = n.member_id FOR NO KEY UPDATE;
    SELECT * INTO n FROM notifications x
    WHERE x.tenant_id = n.tenant_id AND x.organization_id = n.organization_id AND x.member_id = n.member_id AND x.id = n.id
      AND x.snoozed_until <= now();
    IF FOUND THEN    -- and nobody else was faster
        PERFORM notification_bring_back(n);
    END IF;
    PERFORM set_config('app.tenant_id', coalesce(here, ''), true);
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION notification_wake() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION notification_wake() TO ashlar_api;

-- One of the caller's as lists show it, with what this transaction did to it.
CREATE OR REPLACE FUNCTION notification_shown(notification uuid)
RETURNS TABLE (id uuid, event_type text, category text, title text, message text, data jsonb, link text, entity_type text, entity_id text,
               actor jsonb, needs_attention boolean, count integer, is_read boolean, read_at timestamptz, archived_at timestamptz,
               snoozed_until timestamptz, created_at timestamptz)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
BEGIN
    RETURN QUERY
    SELECT x.id, x.event_type, t.category, x.title, x.message, x.data, x.link, x.entity_type, x.entity_id, actor.ref, t.needs_attention,
           x.count, x.read_at IS NOT NULL OR x.nr <= i.read_to AND x.nr > 0,
           coalesce(x.read_at, (SELECT m.created_at FROM notification_marks m
                                WHERE m.tenant_id = x.tenant_id AND m.organization_id = x.organization_id AND m.member_id = x.member_id
                                  AND m.nr >= x.nr AND x.nr > 0 ORDER BY m.nr LIMIT 1)),
           x.archived_at, x.snoozed_until, coalesce(x.told_at, x.created_at)
    FROM notifications x
    JOIN notification_events() t ON t.event_type = x.event_type
    JOIN notification_inboxes i ON i.tenant_id = x.tenant_id AND i.organization_id = x.organization_id AND i.member_id = x.member_id
    LEFT JOIN member_ref(x.tenant_id, x.organization_id, x.actor_id) actor ON true
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.member_id = app_member() AND x.id = notification;
END
$$;

-- ---------------------------------------------------------------- quiet hours

-- When the quiet hours end that it is in, by the clock of a zone; NULL: it is in none.
CREATE OR REPLACE FUNCTION quiet_until(quiet_from time, quiet_to time, zone text, at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
DECLARE
    clock timestamp := at AT TIME ZONE zone;
BEGIN
    IF quiet_from IS NULL OR NOT (CASE WHEN quiet_from < quiet_to THEN clock::time >= quiet_from AND clock::time < quiet_to
                                       ELSE clock::time >= quiet_from OR clock::time < quiet_to END) THEN
        RETURN NULL;
    END IF;
    RETURN (clock::date + CASE WHEN clock::time < quiet_to THEN 0 ELSE 1 END + quiet_to) AT TIME ZONE zone;
END
$$;

-- The caller's quiet hours, "22:00" and "07:00"; all NULL: none.  Raises AS422.
CREATE OR REPLACE FUNCTION notification_quiet(begins text, ends text, zone text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF num_nulls(begins, ends, zone) NOT IN (0, 3) THEN
        RAISE SQLSTATE 'AS422' USING HINT = (CASE WHEN begins IS NULL THEN 'from' WHEN ends IS NULL THEN 'to' ELSE 'time_zone' END),
            MESSAGE = 'from, to and time_zone go together: all of them, or null for all';
    ELSIF begins = ends THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'to', MESSAGE = 'to must be another time than from';
    ELSIF zone IS NOT NULL AND NOT is_timezone(zone) THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'time_zone', MESSAGE = 'time_zone must be a name of the time zone database, such as Europe/Berlin';
    END IF;
    INSERT INTO notification_deliveries AS d (tenant_id, organization_id, member_id, quiet_from, quiet_to, time_zone)
    VALUES (app_tenant(), app_organization(), app_member(), begins::time, ends::time, zone)
    ON CONFLICT (tenant_id, organization_id, member_id) DO UPDATE
    SET quiet_from = excluded.quiet_from, quiet_to = excluded.quiet_to, time_zone = excluded.time_zone;
END
$$;
