-- Notifications: whom something is told, and by which ways.

-- A notification as the API shows it, for where it is told before a client asks.
CREATE OR REPLACE FUNCTION notification_data(n notifications) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN jsonb_build_object(
        'id', n.id, 'event_type', n.event_type, 'category', t.category, 'title', n.title, 'message', n.message,
        'data', n.data, 'link', n.link, 'entity_type', n.entity_type, 'entity_id', n.entity_id, 'actor', actor.ref,
        'needs_attention', t.needs_attention, 'is_read', n.read_at IS NOT NULL, 'read_at', json_time_us(n.read_at),
        'created_at', json_time_us(n.created_at))
    FROM notification_types() t
    LEFT JOIN member_ref(n.tenant_id, n.organization_id, n.actor_id) actor ON true
    WHERE t.event_type = n.event_type;
END
$$;

-- Notify members of a workspace, in the transaction in which it happens: a row for
-- each who wants one, told on their stream, and a mail for each who wants that at
-- once, as far as mail_take() lets it.  Nobody is notified of what they did
-- themselves, nor who is deactivated.  subject is what it is about, as {"type",
-- "id", "link"}; title and message are for people.
--
-- Channels are locked until the transaction ends (see realtime_publish), in the
-- order of their names.
CREATE OR REPLACE FUNCTION notify(organization uuid, members uuid[], event_type text, title text, message text,
                                  subject jsonb, data jsonb DEFAULT '{}') RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    n notifications;
BEGIN
    FOR n IN
        WITH made AS (
            INSERT INTO notifications (tenant_id, organization_id, member_id, event_type, title, message, data, link,
                                       entity_type, entity_id, actor_id)
            SELECT m.tenant_id, m.organization_id, m.id, t.event_type, notify.title, notify.message, notify.data,
                   subject ->> 'link', subject ->> 'type', subject ->> 'id', app_member()
            FROM memberships m
            JOIN notification_types() t ON t.event_type = notify.event_type
            LEFT JOIN notification_preferences p ON p.tenant_id = m.tenant_id AND p.organization_id = m.organization_id
                                                AND p.member_id = m.id AND p.event_type = t.event_type
            WHERE m.tenant_id = app_tenant() AND m.organization_id = notify.organization AND m.id = ANY (members)
              AND m.is_active AND m.id IS DISTINCT FROM app_member()
              AND NOT coalesce(p.muted, false) AND coalesce(p.inapp_enabled, t.inapp_enabled)
            RETURNING *
        )
        SELECT * FROM made ORDER BY member_id
    LOOP
        PERFORM realtime_put('member:' || n.member_id, notification_data(n), NULL, 'event', 'notification', false);
    END LOOP;
    WITH who AS MATERIALIZED (    -- mail_take() counts only those
        SELECT m.tenant_id, u.id, u.email, u.email_key, u.locale, o.name
        FROM memberships m
        JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id AND u.access > 0 AND u.email IS NOT NULL
        JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
        CROSS JOIN LATERAL notification_choices(m.tenant_id, m.organization_id, m.id) c
        WHERE m.tenant_id = app_tenant() AND m.organization_id = notify.organization AND m.id = ANY (members)
          AND m.is_active AND m.id IS DISTINCT FROM app_member()
          AND c.event_type = notify.event_type AND c.email_enabled AND NOT c.muted
          AND NOT EXISTS (SELECT FROM notification_deliveries d
                          WHERE d.tenant_id = m.tenant_id AND d.organization_id = m.organization_id AND d.member_id = m.id
                            AND d.email_delivery_mode = 'digest')
    )
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    SELECT tenant_id, 'ashlar.mail', 'mail', jsonb_build_object('template', 'notification', 'to', email, 'user', id, 'locale', locale,
               'data', jsonb_build_object('title', notify.title, 'message', notify.message, 'workspace', name))
    FROM who
    WHERE mail_take('notifications:' || notify.organization, true, limit_account(email_key, email)) = 0;
END
$$;

-- How many the caller has not read, up to 10,001.
CREATE OR REPLACE FUNCTION notification_unread() RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT count(*) FROM (SELECT FROM notifications n
                                  WHERE n.tenant_id = app_tenant() AND n.organization_id = app_organization()
                                    AND n.member_id = app_member() AND n.read_at IS NULL
                                  LIMIT 10001) counted);
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
    FROM notification_types() t
    LEFT JOIN notification_preferences p ON p.tenant_id = notification_choices.tenant
        AND p.organization_id = notification_choices.organization AND p.member_id = notification_choices.member
        AND p.event_type = t.event_type
$$;

-- The kind of event, if there is one.  Raises AS422; field is what that is called.
CREATE OR REPLACE FUNCTION notification_known(event_type text, field text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM notification_types() t WHERE t.event_type = notification_known.event_type) THEN
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
        JOIN notification_types() t ON t.event_type = c.choice ->> 'event_type'
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
