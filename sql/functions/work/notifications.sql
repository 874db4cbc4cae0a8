-- Notifications: a member's list, and what they want to be told; notify.sql tells them.

-- A notification as the API shows it, for where it is told before a client asks.
CREATE OR REPLACE FUNCTION notification_data(n notifications) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN jsonb_build_object(
        'id', n.id, 'event_type', n.event_type, 'category', t.category, 'title', n.title, 'message', n.message,
        'data', n.data, 'link', n.link, 'entity_type', n.entity_type, 'entity_id', n.entity_id, 'actor', actor.ref,
        'needs_attention', t.needs_attention, 'count', n.count, 'is_read', n.read_at IS NOT NULL, 'read_at', json_time_us(n.read_at),
        'archived_at', json_time_us(n.archived_at), 'snoozed_until', json_time_us(n.snoozed_until), 'created_at', json_time_us(coalesce(n.told_at, n.created_at)))
    FROM notification_events() t
    LEFT JOIN member_ref(n.tenant_id, n.organization_id, n.actor_id) actor ON true
    WHERE t.event_type = n.event_type;
END
$$;

-- Which of these kinds of events are about what the caller may not see (any more): they are in no list
-- and no number.
CREATE OR REPLACE FUNCTION notification_hidden(kinds text[]) RETURNS text[]
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN app_org_role() = 'owner' THEN '{}' ELSE ARRAY(
        SELECT e.event_type FROM notification_events() e
        WHERE e.event_type = ANY (kinds) AND e.permission IS NOT NULL AND member_reach(e.permission) IS NULL) END;
END
$$;

-- Where the caller's list stands: how many there are and how many of them are unread, up to which number all are
-- read, and which kinds are withheld.
CREATE OR REPLACE FUNCTION notification_box(OUT total bigint, OUT unread bigint, OUT read_to bigint, OUT hidden text[])
LANGUAGE plpgsql STABLE AS $$
DECLARE
    i notification_inboxes;
BEGIN
    SELECT * INTO i FROM notification_inboxes x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.member_id = app_member();
    hidden := notification_hidden(ARRAY(SELECT jsonb_object_keys(i.total)));
    total := (SELECT coalesce(sum(k.value::bigint), 0) FROM jsonb_each_text(i.total) k WHERE k.key <> ALL (hidden));
    unread := (SELECT coalesce(sum(k.value::bigint), 0) FROM jsonb_each_text(i.unread) k WHERE k.key <> ALL (hidden));
    read_to := coalesce(i.read_to, 0);
END
$$;

-- How many there are of each category, without those that are withheld: {"goals": {"total", "unread"}}.
CREATE OR REPLACE FUNCTION notification_count_by() RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    i      notification_inboxes;
    hidden text[];
BEGIN
    SELECT * INTO i FROM notification_inboxes x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.member_id = app_member();
    hidden := notification_hidden(ARRAY(SELECT jsonb_object_keys(i.total)));
    RETURN (SELECT jsonb_object_agg(c.category, jsonb_build_object('total', coalesce(k.total, 0), 'unread', coalesce(k.unread, 0)))
            FROM notification_categories() c
            LEFT JOIN (SELECT e.category, sum((i.total ->> e.event_type)::bigint) AS total, sum((i.unread ->> e.event_type)::bigint) AS unread
                       FROM notification_events() e WHERE e.event_type <> ALL (hidden) GROUP BY 1) k ON k.category = c.category);
END
$$;

-- How many the caller has not read.
CREATE OR REPLACE FUNCTION notification_unread() RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT b.unread FROM notification_box() b);
END
$$;

-- How the caller's list is now, for the stream: as notification_sync() tells it when it changes.
CREATE OR REPLACE FUNCTION notification_state(notification uuid DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN jsonb_build_object(
        'event_type', 'notifications_updated', 'workspace_id', app_organization(), 'actor_id', app_member(),
        'data', jsonb_build_object('notification_id', notification, 'unread_count', notification_unread()),
        'timestamp', json_time_us(now()));
END
$$;

-- Tell the caller's devices that their list is another one; notification NULL: all of it.
CREATE OR REPLACE FUNCTION notification_sync(notification uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    state jsonb := notification_state(notification);    -- with what the statements before this one did
BEGIN
    PERFORM realtime_put('member:' || app_member(), state, NULL, 'event', 'workspace_event', false);
END
$$;

-- The caller has read one, or (NULL) all: how many that had not been read.  Raises AS404.
-- The inbox is locked first, as notify() does it: no number up to its last one is still to come.
CREATE OR REPLACE FUNCTION notification_read(notification uuid) RETURNS bigint
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
    member       uuid := app_member();
    i            notification_inboxes;
    n            notifications;
    changed      bigint;
BEGIN
    SELECT * INTO i FROM notification_inboxes x
    WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.member_id = member FOR NO KEY UPDATE;
    IF notification IS NOT NULL THEN
        SELECT * INTO n FROM notifications x
        WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.member_id = member AND x.id = notification;
        IF NOT FOUND OR notification_hidden(ARRAY[n.event_type]) <> '{}' THEN
            RAISE SQLSTATE 'AS404' USING MESSAGE = 'Notification not found', DETAIL = notification::text;
        ELSIF n.read_at IS NOT NULL OR n.nr <= i.read_to THEN    -- or it is put away
            RETURN 0;
        END IF;
        UPDATE notifications x SET read_at = now()
        WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.member_id = member AND x.id = notification;
        changed := 1;
    ELSE
        changed := notification_unread();
        IF coalesce(i.unread, '{}') = '{}' THEN
            RETURN 0;
        END IF;
        INSERT INTO notification_marks (tenant_id, organization_id, member_id, nr) VALUES (tenant, organization, member, i.last_nr);
        UPDATE notification_inboxes x SET read_to = x.last_nr, unread = '{}'
        WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.member_id = member;
    END IF;
    PERFORM notification_sync(notification);
    RETURN changed;
END
$$;

-- What a member wants to be notified of, each kind of event: what they chose, else
-- what is recommended.  It is put into the query that joins it.
CREATE OR REPLACE FUNCTION notification_choices(tenant uuid, organization uuid, member uuid)
RETURNS TABLE (rank integer, event_type text, category text, label text, inapp_enabled boolean, email_enabled boolean,
               whatsapp_enabled boolean, muted boolean, is_default boolean)
LANGUAGE sql STABLE ROWS 45 AS $$
    SELECT t.rank, t.event_type, t.category, t.label, coalesce(p.inapp_enabled, t.inapp_enabled),
           coalesce(p.email_enabled, t.email_enabled), coalesce(p.whatsapp_enabled, t.whatsapp_enabled),
           coalesce(p.muted, false), p.id IS NULL
    FROM notification_events() t
    LEFT JOIN notification_preferences p ON p.tenant_id = notification_choices.tenant
        AND p.organization_id = notification_choices.organization AND p.member_id = notification_choices.member
        AND p.event_type = t.event_type
$$;

-- The kind of event, if there is one.  Raises AS422; field is what that is called.
CREATE OR REPLACE FUNCTION notification_known(event_type text, field text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM notification_events() t WHERE t.event_type = notification_known.event_type) THEN
        RAISE SQLSTATE 'AS422' USING HINT = field,
            MESSAGE = field || ' is no kind of event: GET /api/v1/notifications/defaults lists them';
    END IF;
    RETURN event_type;
END
$$;

-- Store what the caller wants: a list of {"event_type"} with the flags that are
-- given; others keep their value, or are as recommended.  The rows, in the order
-- given.  Raises AS422 for an event that there is none of, or is there twice.
CREATE OR REPLACE FUNCTION notification_choose(choices jsonb) RETURNS SETOF notification_preferences
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    twice bigint;
BEGIN
    PERFORM notification_known(c.choice ->> 'event_type', format('preferences[%s].event_type', c.nr - 1))
    FROM jsonb_array_elements(choices) WITH ORDINALITY c (choice, nr);
    SELECT max(c.nr) INTO twice FROM jsonb_array_elements(choices) WITH ORDINALITY c (choice, nr)
    GROUP BY c.choice ->> 'event_type' HAVING count(*) > 1 LIMIT 1;
    IF FOUND THEN
        RAISE SQLSTATE 'AS422' USING HINT = format('preferences[%s].event_type', twice - 1),
            MESSAGE = format('preferences[%s].event_type is there twice', twice - 1);
    END IF;
    RETURN QUERY
    WITH asked AS (
        SELECT c.nr, t.event_type, t.inapp_enabled, t.email_enabled, t.whatsapp_enabled,
               (c.choice ->> 'inapp_enabled')::boolean AS inapp, (c.choice ->> 'email_enabled')::boolean AS email,
               (c.choice ->> 'whatsapp_enabled')::boolean AS whatsapp, (c.choice ->> 'muted')::boolean AS muted
        FROM jsonb_array_elements(choices) WITH ORDINALITY c (choice, nr)
        JOIN notification_events() t ON t.event_type = c.choice ->> 'event_type'
    ), stored AS (
        INSERT INTO notification_preferences AS p (tenant_id, organization_id, member_id, event_type, inapp_enabled,
                                                   email_enabled, whatsapp_enabled, muted)
        SELECT app_tenant(), app_organization(), app_member(), a.event_type, coalesce(a.inapp, a.inapp_enabled),
               coalesce(a.email, a.email_enabled), coalesce(a.whatsapp, a.whatsapp_enabled), coalesce(a.muted, false)
        FROM asked a
        ORDER BY a.event_type
        ON CONFLICT ON CONSTRAINT notification_preferences_event_unique DO UPDATE
        SET (inapp_enabled, email_enabled, whatsapp_enabled, muted) = (
            SELECT coalesce(a.inapp, p.inapp_enabled), coalesce(a.email, p.email_enabled),
                   coalesce(a.whatsapp, p.whatsapp_enabled), coalesce(a.muted, p.muted)
            FROM asked a WHERE a.event_type = p.event_type)
        RETURNING p.*
    )
    SELECT s.* FROM stored s JOIN asked a ON a.event_type = s.event_type ORDER BY a.nr;
END
$$;
