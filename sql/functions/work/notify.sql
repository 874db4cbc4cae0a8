-- notify(): the only way in which members of a workspace are told something.
--
-- It stands in the transaction of the change, works on sets, and decides in one
-- statement whom it tells: by what they want, whether they may see it, and that
-- nobody is told of what they did themselves.
--
--   * What is unread of one member, event and entity is folded into one, with a count.
--   * Of a kind a member gets at most 60 an hour in the list, and of all 20 mails; how
--     many there were beyond that is a line in the next digest.
--   * With a cause (a job's id, say) it is told once, however often that runs.
--   * More than 200 members are told by a worker, 200 in a transaction.
--
-- A member's inbox is locked first, in the order of members' ids; their channel of
-- realtime last, in the same order.

-- Which of the channels in providers/notification.def exist here: that are a list of ours, or have a
-- server to send with.  t/ops/notification_types.t compares.
CREATE OR REPLACE FUNCTION notification_channels() RETURNS TABLE (channel text, is_there boolean)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 3 AS $$
VALUES ('inapp', true), ('email', true), ('whatsapp', false)
$$;

-- "{title} ({progress} %)" with what there is in data; what is not there is empty.
CREATE OR REPLACE FUNCTION notification_text(pattern text, data jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN (SELECT btrim(string_agg(coalesce(m.part[1], '') || coalesce(data ->> m.part[2], ''), '' ORDER BY m.nr))
            FROM regexp_matches(pattern, '([^{]*)(?:\{(\w+)\})?', 'g') WITH ORDINALITY m (part, nr));
END
$$;

-- The roles that have a permission in a workspace, all of it or for what is their own.
CREATE OR REPLACE FUNCTION permission_roles(tenant uuid, organization uuid, permission text) RETURNS text[]
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT array_agg(DISTINCT r.role)
            FROM permissions p, LATERAL (
                SELECT unnest(p.roles || p.own_roles)
                UNION SELECT x.role FROM role_permissions x
                WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.permission IN (p.name, p.own_name)) r (role)
            WHERE p.name = permission_roles.permission AND permission_reach(tenant, organization, r.role, p.name) IS NOT NULL);
END
$$;

-- Who has a permission in a workspace, as what is about money is told.
CREATE OR REPLACE FUNCTION members_who_may(organization uuid, permission text) RETURNS uuid[]
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN ARRAY(SELECT m.id FROM memberships m
                 WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.is_active
                   AND m.role = ANY (permission_roles(app_tenant(), organization, permission)));
END
$$;

-- Tell members of a workspace of an event: one of notification_events().
--
--   entity  what it is about: {"type", "id", "link"}; {}: nothing that there is a page of
--   actor   the member who did it; NULL: nobody
--   data    for programs, and for the text: notification_events() says what that shows of it
--   cause   NULL, or what tells this apart from what is told another time
CREATE OR REPLACE FUNCTION notify(organization uuid, event text, recipients uuid[], entity jsonb, actor uuid,
                                  data jsonb DEFAULT '{}', cause text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM notification_events() e WHERE e.event_type = event) THEN
        RAISE 'notify: there is no kind of event %', event;
    ELSIF cardinality(recipients) > 200 THEN
        -- A schedule of the worker looks for these.
        INSERT INTO notification_fanouts (tenant_id, organization_id, event_type, members, entity, actor_id, data, cause)
        SELECT app_tenant(), organization, event, array_agg(DISTINCT r), entity, actor, notify.data, notify.cause FROM unnest(recipients) r;
    ELSIF cardinality(recipients) > 0 THEN
        PERFORM notify_now(organization, event, recipients, entity, actor, notify.data, notify.cause);
    END IF;
END
$$;

-- The same of at most 200, at once.
CREATE OR REPLACE FUNCTION notify_now(organization uuid, event text, recipients uuid[], entity jsonb, actor uuid, data jsonb,
                                      cause text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant  uuid := app_tenant();
    about   text := entity ->> 'id';
    t       record;
    roles   text[];
    said    text;
    members uuid[];
    listed  uuid[];
    mailed  uuid[];
    told    notifications[];
    n       notifications;
BEGIN
    SELECT * INTO t FROM notification_events() e WHERE e.event_type = event;
    roles := CASE WHEN t.permission IS NOT NULL THEN permission_roles(tenant, organization, t.permission) END;
    said := notification_text(t.message, data);

    -- Whom, and by which channels.
    WITH wanted AS (
        SELECT m.id, ARRAY(SELECT c.channel FROM notification_channels() c
                           WHERE c.is_there AND CASE c.channel WHEN 'inapp' THEN coalesce(p.inapp_enabled, t.inapp_enabled)
                                                               WHEN 'email' THEN coalesce(p.email_enabled, t.email_enabled)
                                                               WHEN 'whatsapp' THEN coalesce(p.whatsapp_enabled, t.whatsapp_enabled) END) AS channels
        FROM memberships m
        LEFT JOIN notification_preferences p ON p.tenant_id = m.tenant_id AND p.organization_id = m.organization_id
                                            AND p.member_id = m.id AND p.event_type = event
        WHERE m.tenant_id = tenant AND m.organization_id = organization AND m.id = ANY (recipients) AND m.is_active
          AND (m.id IS DISTINCT FROM actor OR t.category = 'jobs')
          AND (t.permission IS NULL OR m.role = ANY (roles))
          AND NOT coalesce(p.muted, false)
    ), news AS (
        INSERT INTO notification_causes (tenant_id, organization_id, member_id, event_type, cause)
        SELECT tenant, organization, w.id, event, cause FROM wanted w WHERE cause IS NOT NULL ORDER BY w.id
        ON CONFLICT ON CONSTRAINT notification_causes_pkey DO NOTHING
        RETURNING member_id
    )
    SELECT array_agg(w.id ORDER BY w.id), array_agg(w.id ORDER BY w.id) FILTER (WHERE 'inapp' = ANY (w.channels)),
           array_agg(w.id ORDER BY w.id) FILTER (WHERE 'email' = ANY (w.channels))
    INTO members, listed, mailed
    FROM wanted w
    WHERE w.channels <> '{}' AND (cause IS NULL OR w.id IN (SELECT x.member_id FROM news x));
    IF members IS NULL THEN
        RETURN;
    END IF;

    -- What another transaction tells them at the same time is seen by the statements behind this one.
    INSERT INTO notification_inboxes (tenant_id, organization_id, member_id)
    SELECT tenant, organization, m FROM unnest(members) WITH ORDINALITY x (m, nr)
    WHERE NOT EXISTS (SELECT FROM notification_inboxes i
                      WHERE i.tenant_id = tenant AND i.organization_id = organization AND i.member_id = m)
    ORDER BY x.nr
    ON CONFLICT ON CONSTRAINT notification_inboxes_pkey DO NOTHING;
    PERFORM FROM notification_inboxes i
    WHERE i.tenant_id = tenant AND i.organization_id = organization AND i.member_id = ANY (members)
    ORDER BY i.member_id FOR NO KEY UPDATE;

    IF listed IS NOT NULL THEN
        told := notify_list(organization, listed, event, t.label, said, entity, actor, data);
    END IF;
    IF mailed IS NOT NULL THEN
        PERFORM notify_mail(organization, mailed, event, t.label, said, entity, told);
    END IF;
    FOREACH n IN ARRAY coalesce(told, '{}') LOOP
        PERFORM realtime_put('member:' || n.member_id, notification_data(n), NULL, 'event', 'notification', false);
    END LOOP;
END
$$;

-- Into the lists of members whose inboxes are locked: what came of it, in the order of members.
CREATE OR REPLACE FUNCTION notify_list(organization uuid, members uuid[], event text, title text, message text, entity jsonb,
                                       actor uuid, data jsonb) RETURNS notifications[]
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant    uuid := app_tenant();
    about     text := entity ->> 'id';
    this_hour timestamptz := date_trunc('hour', now(), 'UTC');
    told      notifications[];
BEGIN
    WITH inbox AS MATERIALIZED (
        SELECT i.member_id, i.last_nr + 1 AS nr, old.id AS old_id,
               old.id IS NULL AND i.hour >= this_hour AND coalesce((i.told ->> event)::integer, 0) >= 60 AS is_over
        FROM notification_inboxes i
        LEFT JOIN LATERAL (
            SELECT o.id, o.nr, o.read_at FROM notifications o
            WHERE o.tenant_id = tenant AND o.organization_id = organization AND o.member_id = i.member_id
              AND o.event_type = event AND o.entity_id = about
            ORDER BY o.nr DESC NULLS LAST LIMIT 1) old ON old.nr > i.read_to AND old.read_at IS NULL
        WHERE i.tenant_id = tenant AND i.organization_id = organization AND i.member_id = ANY (members)
    ), folded AS (
        UPDATE notifications o
        SET nr = b.nr, count = o.count + 1, title = notify_list.title, message = notify_list.message, data = notify_list.data,
            link = entity ->> 'link', actor_id = actor, told_at = now()
        FROM inbox b
        WHERE o.tenant_id = tenant AND o.organization_id = organization AND o.member_id = b.member_id AND o.id = b.old_id
        RETURNING o.*
    ), made AS (
        INSERT INTO notifications (tenant_id, organization_id, member_id, event_type, title, message, data, link, entity_type,
                                   entity_id, actor_id, nr)
        SELECT tenant, organization, b.member_id, event, title, message, data, entity ->> 'link', entity ->> 'type', about, actor, b.nr
        FROM inbox b
        WHERE b.old_id IS NULL AND NOT b.is_over
        RETURNING *
    ), counted AS (
        UPDATE notification_inboxes i
        SET last_nr = CASE WHEN b.is_over THEN i.last_nr ELSE b.nr END,
            total   = CASE WHEN b.is_over OR b.old_id IS NOT NULL THEN i.total ELSE notification_counts(i.total, event, 1) END,
            unread  = CASE WHEN b.is_over OR b.old_id IS NOT NULL THEN i.unread ELSE notification_counts(i.unread, event, 1) END,
            told    = CASE WHEN b.old_id IS NOT NULL THEN CASE WHEN i.hour >= this_hour THEN i.told ELSE '{}' END
                           ELSE notification_counts(CASE WHEN i.hour >= this_hour THEN i.told ELSE '{}' END, event, 1) END,
            mailed  = CASE WHEN i.hour >= this_hour THEN i.mailed ELSE 0 END,
            hour    = greatest(i.hour, this_hour),
            more    = i.more + b.is_over::integer,
            digest_at = CASE WHEN b.is_over THEN coalesce(i.digest_at, this_hour + interval '1 hour') ELSE i.digest_at END
        FROM inbox b
        WHERE i.tenant_id = tenant AND i.organization_id = organization AND i.member_id = b.member_id
    )
    SELECT array_agg(x::notifications ORDER BY x.member_id) INTO told
    FROM (SELECT * FROM folded UNION ALL SELECT * FROM made) x;
    RETURN told;
END
$$;

-- By mail: at once, or into the queue of the next digest, which is also where it goes in quiet hours.
CREATE OR REPLACE FUNCTION notify_mail(organization uuid, members uuid[], event text, title text, message text, entity jsonb,
                                       told notifications[]) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant    uuid := app_tenant();
    this_hour timestamptz := date_trunc('hour', now(), 'UTC');
BEGIN
    WITH who AS MATERIALIZED (
        SELECT i.member_id, u.id AS user_id, u.email, u.locale, o.name AS workspace, n.id AS notification_id,
               coalesce(d.email_delivery_mode, 'instant') = 'digest' OR q.until IS NOT NULL AS waits,
               greatest(q.until, CASE WHEN d.email_delivery_mode = 'digest' THEN now() + make_interval(mins => d.digest_frequency_minutes::integer) END) AS due_at,
               i.hour >= this_hour AND i.mailed >= 20 AS is_over
        FROM notification_inboxes i
        JOIN memberships m ON m.tenant_id = i.tenant_id AND m.organization_id = i.organization_id AND m.id = i.member_id
        JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id AND u.access > 0 AND u.email IS NOT NULL
        JOIN organizations o ON o.tenant_id = i.tenant_id AND o.id = i.organization_id
        LEFT JOIN notification_deliveries d ON d.tenant_id = i.tenant_id AND d.organization_id = i.organization_id AND d.member_id = i.member_id
        LEFT JOIN quiet_until(d.quiet_from, d.quiet_to, d.time_zone, now()) q (until) ON true
        LEFT JOIN unnest(told) n ON n.member_id = i.member_id
        WHERE i.tenant_id = tenant AND i.organization_id = organization AND i.member_id = ANY (members)
    ), queued AS MATERIALIZED (
        SELECT w.member_id, w.notification_id,
               (SELECT q.id FROM notification_mails q
                WHERE q.tenant_id = tenant AND q.organization_id = organization AND q.member_id = w.member_id AND q.job_id IS NULL
                  AND q.event_type = event AND q.entity_id = entity ->> 'id'
                LIMIT 1) AS old_id
        FROM who w WHERE w.waits
    ), folded AS (
        UPDATE notification_mails q
        SET count = q.count + 1, message = notify_mail.message, notification_id = b.notification_id
        FROM queued b
        WHERE q.tenant_id = tenant AND q.organization_id = organization AND q.member_id = b.member_id AND q.id = b.old_id
    ), added AS (
        INSERT INTO notification_mails (tenant_id, organization_id, member_id, event_type, message, link, entity_type, entity_id, notification_id)
        SELECT tenant, organization, b.member_id, event, message, entity ->> 'link', entity ->> 'type', entity ->> 'id', b.notification_id
        FROM queued b
        WHERE b.old_id IS NULL
    ), sent AS (
        INSERT INTO jobs (tenant_id, queue, kind, payload)
        SELECT tenant, 'ashlar.mail', 'mail', jsonb_build_object(
            'template', 'notification', 'to', w.email, 'user', w.user_id, 'locale', w.locale,
            'notification', jsonb_build_object('organization', organization, 'member', w.member_id, 'event', event),
            'data', jsonb_build_object('title', title, 'message', coalesce(nullif(message, ''), title), 'workspace', w.workspace))
        FROM who w
        WHERE NOT w.waits AND NOT w.is_over
    )
    UPDATE notification_inboxes i
    SET mailed = CASE WHEN i.hour >= this_hour THEN i.mailed ELSE 0 END + (NOT w.waits AND NOT w.is_over)::integer,
        told   = CASE WHEN i.hour >= this_hour THEN i.told ELSE '{}' END,
        hour   = greatest(i.hour, this_hour),
        more   = i.more + (NOT w.waits AND w.is_over)::integer,
        digest_at = CASE WHEN w.waits THEN least(i.digest_at, w.due_at)
                         WHEN w.is_over THEN coalesce(i.digest_at, this_hour + interval '1 hour')
                         ELSE i.digest_at END
    FROM who w
    WHERE i.tenant_id = tenant AND i.organization_id = organization AND i.member_id = w.member_id;
END
$$;

-- Tell the next portion of those who are many; false: there is none that nobody else is at.  In the
-- portion's transaction it is put down how far it is, so whoever dies at it has told nobody.
CREATE OR REPLACE FUNCTION notify_next() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    here text := current_setting('app.tenant_id', true);
    f    notification_fanouts;
BEGIN
    SELECT * INTO f FROM notification_fanouts x ORDER BY x.id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM set_config('app.tenant_id', f.tenant_id::text, true);
    PERFORM notify_now(f.organization_id, f.event_type, f.members[f.done + 1:f.done + 200], f.entity, f.actor_id, f.data, f.cause);
    IF f.done + 200 >= cardinality(f.members) THEN
        DELETE FROM notification_fanouts x WHERE x.tenant_id = f.tenant_id AND x.organization_id = f.organization_id AND x.id = f.id;
    ELSE
        UPDATE notification_fanouts x SET done = x.done + 200
        WHERE x.tenant_id = f.tenant_id AND x.organization_id = f.organization_id AND x.id = f.id;
    END IF;
    PERFORM set_config('app.tenant_id', coalesce(here, ''), true);
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION notify_next() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION notify_next() TO ashlar_api;
