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
-- A member's inbox is locked first, in the order of members' ids, and until the end: so
-- numbers in a list, and what is told on a member's channel, are in the order of commit.

-- Which of the channels in providers/notification.def exist here: that are a list of ours, or have a
-- server to send with.  t/ops/notification_types.t compares.
CREATE OR REPLACE FUNCTION notification_channels() RETURNS TABLE (channel text, is_there boolean)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 3 AS $$
VALUES ('inapp', true), ('email', true), ('whatsapp', false)
$$;

-- One of notification_events(), with which of these channels are there: {"category", …, "channels": {"inapp": true, …}}; NULL: there is none.  It is made of
-- both when they are: to look one up in a list of lines that each call begins anew took as long as all else that tells somebody.
DO $$
BEGIN
    EXECUTE format('CREATE OR REPLACE FUNCTION notification_kind(event text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
                    AS $kind$ BEGIN RETURN jsonb %L -> event; END $kind$',
                   (SELECT jsonb_object_agg(e.event_type, to_jsonb(e) || jsonb_build_object('channels', c.channels))
                    FROM notification_events() e, (SELECT jsonb_object_agg(x.channel, x.is_there) AS channels FROM notification_channels() x) c));
END
$$;

-- "{title} ({progress} %)" with what there is in data; what is not there is empty.  Part by part: a regular expression
-- takes five times as long.  With a path of its own: with that of its callers, of whom some run as the owner, each expression would be
-- planned anew whenever another one calls.
CREATE OR REPLACE FUNCTION notification_text(pattern text, data jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said   text := '';
    opens  integer;
    closes integer;
BEGIN
    LOOP
        opens := strpos(pattern, '{');
        EXIT WHEN opens = 0;
        closes := strpos(pattern, '}');
        said := said || left(pattern, opens - 1) || coalesce(data ->> substr(pattern, opens + 1, closes - opens - 1), '');
        pattern := substr(pattern, closes + 1);
    END LOOP;
    RETURN btrim(said || pattern);
END
$$;

-- The roles that have a permission in a workspace, all of it or for what is their own: as permission_reach() says of each.
CREATE OR REPLACE FUNCTION permission_roles(tenant uuid, organization uuid, permission text) RETURNS text[]
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_variable
DECLARE
    roles text[];
BEGIN
    SELECT p.roles || p.own_roles INTO roles FROM permissions p
    WHERE p.name = permission
      AND NOT EXISTS (SELECT FROM role_permissions x WHERE x.tenant_id = tenant AND x.organization_id = organization);
    IF NOT FOUND THEN    -- the workspace has rules of its own
        SELECT array_agg(r.name) INTO roles
        FROM permissions p
        CROSS JOIN roles r
        LEFT JOIN role_permissions a ON a.tenant_id = tenant AND a.organization_id = organization AND a.role = r.name
                                    AND a.permission = p.name AND p.name LIKE 'can\_%'
        LEFT JOIN role_permissions o ON o.tenant_id = tenant AND o.organization_id = organization AND o.role = r.name
                                    AND o.permission = p.own_name
        WHERE p.name = permission
          AND (coalesce(a.is_granted, r.name = ANY (p.roles)) OR coalesce(o.is_granted, r.name = ANY (p.own_roles)));
    END IF;
    RETURN roles;
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
    IF cardinality(recipients) = 1 THEN
        PERFORM notify_one(organization, event, recipients[1], entity, actor, notify.data, notify.cause);
    ELSIF cardinality(recipients) BETWEEN 2 AND 200 THEN
        PERFORM notify_now(organization, event, recipients, entity, actor, notify.data, notify.cause);
    ELSIF NOT EXISTS (SELECT FROM notification_events() e WHERE e.event_type = event) THEN
        RAISE 'notify: there is no kind of event %', event;
    ELSIF cardinality(recipients) > 200 THEN
        -- A schedule of the worker looks for these.
        INSERT INTO notification_fanouts (tenant_id, organization_id, event_type, members, entity, actor_id, data, cause)
        SELECT app_tenant(), organization, event, array_agg(DISTINCT r), entity, actor, notify.data, notify.cause FROM unnest(recipients) r;
    END IF;
END
$$;

-- How many there are, with so many more (or, below 0, less) of a kind.  Put into the query that asks: STABLE, as what it calls is, since as
-- IMMUTABLE (0080) it was planned for each call.
CREATE OR REPLACE FUNCTION notification_counts(counts jsonb, kind text, n bigint) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN coalesce((counts ->> kind)::bigint, 0) + n > 0
            THEN counts || jsonb_build_object(kind, coalesce((counts ->> kind)::bigint, 0) + n) ELSE counts - kind END;

-- Has a member got as many of a kind in this hour as there may be?  It is put into the query that asks.
CREATE OR REPLACE FUNCTION notification_is_over(hour timestamptz, told jsonb, kind text, this_hour timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN hour >= this_hour AND coalesce((told ->> kind)::integer, 0) >= 60;

-- What a member's stream is told, but for what is each one's own.
CREATE OR REPLACE FUNCTION notify_message(organization uuid, event text, entity jsonb, actor uuid, data jsonb, category text, title text, message text,
                                          needs_attention boolean) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN jsonb_build_object(
        'event_type', event, 'category', category, 'title', title, 'message', message, 'data', data, 'link', entity ->> 'link',
        'entity_type', entity ->> 'type', 'entity_id', entity ->> 'id', 'actor', (SELECT r.ref FROM member_ref(app_tenant(), organization, actor) r),
        'needs_attention', needs_attention, 'is_read', false, 'read_at', NULL, 'archived_at', NULL, 'snoozed_until', NULL,
        'created_at', json_time_us(now()));
END
$$;

-- The same of one, as most of what happens tells: each step once more, without sets, in as few statements as that can be said with.
CREATE OR REPLACE FUNCTION notify_one(organization uuid, event text, recipient uuid, entity jsonb, actor uuid, data jsonb, cause text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant    uuid := app_tenant();
    about     text := entity ->> 'id';
    this_hour timestamptz := date_trunc('hour', now(), 'UTC');
    kind      jsonb := notification_kind(event);
    label     text := kind ->> 'label';
    w         record;     -- by which channels
    i         record;     -- the inbox
    said      text;
    told      uuid;       -- the line in the list, and how many it stands for
    n         integer := 1;
BEGIN
    IF kind IS NULL THEN
        RAISE 'notify: there is no kind of event %', event;
    ELSIF actor = recipient AND kind ->> 'category' <> 'jobs' THEN
        RETURN;
    END IF;
    SELECT (kind -> 'channels' -> 'inapp')::boolean AND coalesce(p.inapp_enabled, (kind -> 'inapp_enabled')::boolean) AS in_list,
           (kind -> 'channels' -> 'email')::boolean AND coalesce(p.email_enabled, (kind -> 'email_enabled')::boolean) AS by_mail
    INTO w
    FROM memberships m
    LEFT JOIN notification_preferences p ON p.tenant_id = tenant AND p.organization_id = organization AND p.member_id = recipient AND p.event_type = event
    LEFT JOIN permissions r ON r.name = kind ->> 'permission'
    WHERE m.tenant_id = tenant AND m.organization_id = organization AND m.id = recipient AND m.is_active AND NOT coalesce(p.muted, false)
      AND CASE WHEN r.name IS NULL THEN kind ->> 'permission' IS NULL
               WHEN EXISTS (SELECT FROM role_permissions x WHERE x.tenant_id = tenant AND x.organization_id = organization)
               THEN permission_reach(tenant, organization, m.role, r.name) IS NOT NULL    -- the workspace has rules of its own
               ELSE m.role = ANY (r.roles) OR m.role = ANY (r.own_roles) END;
    IF NOT FOUND OR NOT (w.in_list OR w.by_mail) THEN
        RETURN;
    END IF;
    IF cause IS NOT NULL THEN
        INSERT INTO notification_causes (tenant_id, organization_id, member_id, event_type, cause) VALUES (tenant, organization, recipient, event, cause)
        ON CONFLICT ON CONSTRAINT notification_causes_pkey DO NOTHING;
        IF NOT FOUND THEN
            RETURN;
        END IF;
    END IF;

    -- The inbox, which is locked with that; in the list: with the next number, counted as if it were a new one, unless that is one too many.
    FOR tries IN 1..2 LOOP
        IF w.in_list THEN
            UPDATE notification_inboxes x
            SET last_nr = x.last_nr + 1,
                total   = CASE WHEN notification_is_over(x.hour, x.told, event, this_hour) THEN x.total ELSE notification_counts(x.total, event, 1) END,
                unread  = CASE WHEN notification_is_over(x.hour, x.told, event, this_hour) THEN x.unread ELSE notification_counts(x.unread, event, 1) END,
                more    = x.more + notification_is_over(x.hour, x.told, event, this_hour)::integer,
                told    = notification_counts(CASE WHEN x.hour >= this_hour THEN x.told ELSE '{}' END, event, 1),
                mailed  = CASE WHEN x.hour >= this_hour THEN x.mailed ELSE 0 END,
                hour    = greatest(x.hour, this_hour)
            WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.member_id = recipient
            RETURNING x.last_nr, x.read_to, (x.told ->> event)::integer > 60 AS is_over INTO i;
        ELSE
            PERFORM FROM notification_inboxes x
            WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.member_id = recipient FOR NO KEY UPDATE;
        END IF;
        EXIT WHEN FOUND;
        INSERT INTO notification_inboxes (tenant_id, organization_id, member_id)
        SELECT m.tenant_id, m.organization_id, m.id FROM memberships m    -- who has left meanwhile gets none
        WHERE m.tenant_id = tenant AND m.organization_id = organization AND m.id = recipient
        ON CONFLICT ON CONSTRAINT notification_inboxes_pkey DO NOTHING;
    END LOOP;

    said := notification_text(kind ->> 'message', data);
    IF w.in_list THEN
        IF NOT i.is_over THEN
            told := uuid_v7();    -- and not what the row RETURNS, which would be asked again whether it may be seen
            INSERT INTO notifications (tenant_id, organization_id, member_id, id, event_type, title, message, data, link, entity_type,
                                       entity_id, actor_id, nr)
            SELECT tenant, organization, recipient, told, event, label, said, data, entity ->> 'link', entity ->> 'type', about, actor, i.last_nr
            WHERE about IS NULL OR NOT coalesce((
                SELECT o.nr > i.read_to AND o.read_at IS NULL FROM notifications o
                WHERE o.tenant_id = tenant AND o.organization_id = organization AND o.member_id = recipient
                  AND o.event_type = event AND o.entity_id = about AND o.nr > 0
                ORDER BY o.nr DESC LIMIT 1), false);
            IF NOT FOUND THEN
                told := NULL;
            END IF;
        END IF;
        -- What is unread of the same gets that number instead.
        IF told IS NULL AND about IS NOT NULL THEN
            UPDATE notifications x
            SET nr = i.last_nr, count = x.count + 1, title = label, message = said, data = notify_one.data,
                link = entity ->> 'link', actor_id = actor, told_at = now()
            FROM (SELECT o.id, o.nr, o.read_at FROM notifications o
                  WHERE o.tenant_id = tenant AND o.organization_id = organization AND o.member_id = recipient
                    AND o.event_type = event AND o.entity_id = about AND o.nr > 0
                  ORDER BY o.nr DESC LIMIT 1) old
            WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.member_id = recipient AND x.id = old.id
              AND old.nr > i.read_to AND old.read_at IS NULL
            RETURNING x.id, x.count INTO told, n;
            IF FOUND THEN
                UPDATE notification_inboxes x
                SET total  = CASE WHEN i.is_over THEN x.total ELSE notification_counts(x.total, event, -1) END,
                    unread = CASE WHEN i.is_over THEN x.unread ELSE notification_counts(x.unread, event, -1) END,
                    told   = notification_counts(x.told, event, -1),
                    more   = x.more - i.is_over::integer
                WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.member_id = recipient;
            END IF;
        END IF;
        IF told IS NULL THEN
            UPDATE notification_inboxes x SET digest_at = coalesce(x.digest_at, this_hour + interval '1 hour')
            WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.member_id = recipient;
        END IF;
    END IF;
    IF w.by_mail THEN
        PERFORM notify_by_mail(organization, ARRAY[recipient], event, label, said, entity, ARRAY[recipient], ARRAY[told]);
    END IF;
    IF told IS NOT NULL THEN
        PERFORM realtime_put_each(ARRAY['member:' || recipient],
            notify_message(organization, event, entity, actor, data, kind ->> 'category', label, said, (kind -> 'needs_attention')::boolean), ARRAY[jsonb_build_object('id', told, 'count', n)], 'notification');
    END IF;
END
$$;

-- The same of at most 200, at once.
--
-- Each step is a statement of its own, since a plan that has all of them costs more to begin than they do, and works by
-- the places (ctid) of the inboxes, each of which is looked up by its key: by a join PostgreSQL walks through all
-- inboxes of a workspace where its statistics are from before there were so many.
CREATE OR REPLACE FUNCTION notify_now(organization uuid, event text, recipients uuid[], entity jsonb, actor uuid, data jsonb,
                                      cause text) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_variable
DECLARE
    tenant    uuid := app_tenant();
    about     text := entity ->> 'id';
    this_hour timestamptz := date_trunc('hour', now(), 'UTC');
    t         record;
    roles     text[];
    said      text;
    members   uuid[];     -- who is told, in the order of ids
    in_list   boolean[];  -- of each of them: in the list?
    by_mail   boolean[];
    places    tid[];      -- the inboxes of those with it in the list
    listed    uuid[];     -- who has a new number in the list, in no order, with that, and
    numbers   bigint[];
    read_to   bigint[];   -- up to which one all is read
    is_over   boolean[];  -- beyond the hour's cap?
    olds      uuid[];     -- what it is folded into; NULL: nothing
    told      uuid[];     -- who has a line in the list now, those with one that is folded first,
    ids       uuid[];     -- which one, and
    counts    integer[];  -- of those first how many it stands for
    here      bigint;
    channels  text[];
    each      jsonb[];
BEGIN
    SELECT e.*, c.inapp, c.email INTO t
    FROM notification_events() e,
         (SELECT bool_or(x.is_there AND x.channel = 'inapp') AS inapp, bool_or(x.is_there AND x.channel = 'email') AS email
          FROM notification_channels() x) c
    WHERE e.event_type = event;
    IF NOT FOUND THEN
        RAISE 'notify: there is no kind of event %', event;
    END IF;
    IF t.permission IS NOT NULL THEN
        roles := permission_roles(tenant, organization, t.permission);
    END IF;

    -- Whom, and by which channels.
    SELECT array_agg(w.id), array_agg(w.in_list), array_agg(w.by_mail) INTO members, in_list, by_mail
    FROM (SELECT m.id, t.inapp AND coalesce(p.inapp_enabled, t.inapp_enabled) AS in_list,
                 t.email AND coalesce(p.email_enabled, t.email_enabled) AS by_mail
          FROM memberships m
          LEFT JOIN notification_preferences p ON p.tenant_id = m.tenant_id AND p.organization_id = m.organization_id
                                              AND p.member_id = m.id AND p.event_type = event
          WHERE m.tenant_id = tenant AND m.organization_id = organization AND m.id = ANY (recipients) AND m.is_active
            AND (m.id IS DISTINCT FROM actor OR t.category = 'jobs')
            AND (t.permission IS NULL OR m.role = ANY (roles))
            AND NOT coalesce(p.muted, false)
          ORDER BY m.id) w
    WHERE w.in_list OR w.by_mail;
    IF cause IS NOT NULL THEN
        WITH news AS (
            INSERT INTO notification_causes (tenant_id, organization_id, member_id, event_type, cause)
            SELECT tenant, organization, w.id, event, cause FROM unnest(members) WITH ORDINALITY w (id, nr) ORDER BY w.nr
            ON CONFLICT ON CONSTRAINT notification_causes_pkey DO NOTHING
            RETURNING member_id
        )
        SELECT array_agg(w.id), array_agg(w.in_list), array_agg(w.by_mail) INTO members, in_list, by_mail
        FROM (SELECT w.* FROM unnest(members, in_list, by_mail) w (id, in_list, by_mail) JOIN news ON news.member_id = w.id ORDER BY w.id) w;
    END IF;
    IF members IS NULL THEN
        RETURN;
    END IF;

    -- Their inboxes.  What another transaction tells them at the same time is seen by the statements behind this one.
    FOR tries IN 1..2 LOOP
        SELECT array_agg(i.place) FILTER (WHERE w.in_list), count(*) INTO places, here
        FROM unnest(members, in_list) w (id, in_list), LATERAL (
            SELECT x.ctid AS place FROM notification_inboxes x
            WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.member_id = w.id FOR NO KEY UPDATE) i;
        EXIT WHEN here = cardinality(members);
        INSERT INTO notification_inboxes (tenant_id, organization_id, member_id)
        SELECT m.tenant_id, m.organization_id, m.id FROM memberships m    -- who has left meanwhile gets none
        WHERE m.tenant_id = tenant AND m.organization_id = organization AND m.id = ANY (members)
        ORDER BY m.id
        ON CONFLICT ON CONSTRAINT notification_inboxes_pkey DO NOTHING;
    END LOOP;

    said := notification_text(t.message, data);
    IF places IS NOT NULL THEN
        -- The next number for each, counted as if it were a new one, unless that is one too many.
        WITH counted AS (
            UPDATE notification_inboxes i
            SET last_nr = i.last_nr + 1,
                total   = CASE WHEN notification_is_over(i.hour, i.told, event, this_hour) THEN i.total ELSE notification_counts(i.total, event, 1) END,
                unread  = CASE WHEN notification_is_over(i.hour, i.told, event, this_hour) THEN i.unread ELSE notification_counts(i.unread, event, 1) END,
                more    = i.more + notification_is_over(i.hour, i.told, event, this_hour)::integer,
                told    = notification_counts(CASE WHEN i.hour >= this_hour THEN i.told ELSE '{}' END, event, 1),
                mailed  = CASE WHEN i.hour >= this_hour THEN i.mailed ELSE 0 END,
                hour    = greatest(i.hour, this_hour)
            WHERE i.ctid = ANY (places)
            RETURNING i.member_id, i.last_nr, i.read_to, (i.told ->> event)::integer > 60 AS is_over
        )
        SELECT array_agg(c.member_id), array_agg(c.last_nr), array_agg(c.read_to), array_agg(c.is_over)
        INTO listed, numbers, read_to, is_over
        FROM counted c;

        -- What is unread of the same gets that number instead.
        IF about IS NOT NULL THEN
            SELECT array_agg(old.id ORDER BY w.nr) INTO olds
            FROM unnest(listed, read_to) WITH ORDINALITY w (id, read_to, nr)
            LEFT JOIN LATERAL (
                SELECT o.id, o.nr, o.read_at FROM notifications o
                WHERE o.tenant_id = tenant AND o.organization_id = organization AND o.member_id = w.id
                  AND o.event_type = event AND o.entity_id = about AND o.nr > 0
                ORDER BY o.nr DESC LIMIT 1) old ON old.nr > w.read_to AND old.read_at IS NULL;
        END IF;
        IF num_nonnulls(VARIADIC olds) > 0 THEN
            WITH folded AS (
                UPDATE notifications o
                SET nr = w.nr, count = o.count + 1, title = t.label, message = said, data = notify_now.data,
                    link = entity ->> 'link', actor_id = actor, told_at = now()
                FROM unnest(listed, numbers, olds) w (id, nr, old)
                WHERE o.tenant_id = tenant AND o.organization_id = organization AND o.member_id = w.id AND o.id = w.old
                RETURNING o.member_id, o.id, o.count
            )
            SELECT array_agg(f.member_id), array_agg(f.id), array_agg(f.count) INTO told, ids, counts FROM folded f;
            UPDATE notification_inboxes i
            SET total  = CASE WHEN w.is_over THEN i.total ELSE notification_counts(i.total, event, -1) END,
                unread = CASE WHEN w.is_over THEN i.unread ELSE notification_counts(i.unread, event, -1) END,
                told   = notification_counts(i.told, event, -1),
                more   = i.more - w.is_over::integer
            FROM unnest(listed, is_over, olds) w (id, is_over, old)
            WHERE i.tenant_id = tenant AND i.organization_id = organization AND i.member_id = w.id AND w.old IS NOT NULL;
        END IF;
        IF true = ANY (is_over) THEN
            UPDATE notification_inboxes i
            SET digest_at = coalesce(i.digest_at, this_hour + interval '1 hour')
            FROM unnest(listed, is_over, olds) w (id, is_over, old)
            WHERE i.tenant_id = tenant AND i.organization_id = organization AND i.member_id = w.id AND w.is_over AND w.old IS NULL;
        END IF;
        WITH made AS (
            INSERT INTO notifications (tenant_id, organization_id, member_id, event_type, title, message, data, link, entity_type,
                                       entity_id, actor_id, nr)
            SELECT tenant, organization, w.id, event, t.label, said, data, entity ->> 'link', entity ->> 'type', about, actor, w.nr
            FROM unnest(listed, numbers, is_over, olds) w (id, nr, is_over, old)
            WHERE w.old IS NULL AND NOT w.is_over
            RETURNING member_id, id
        )
        SELECT told || array_agg(m.member_id), ids || array_agg(m.id) INTO told, ids FROM made m;
    END IF;
    IF true = ANY (by_mail) THEN
        PERFORM notify_by_mail(organization, ARRAY(SELECT w.id FROM unnest(members, by_mail) w (id, by_mail) WHERE w.by_mail), event,
                               t.label, said, entity, told, ids);
    END IF;

    -- On each one's channel: what they have in common, and what each has.
    IF told IS NOT NULL THEN
        SELECT array_agg('member:' || w.id), array_agg(jsonb_build_object('id', w.notification, 'count', coalesce(w.count, 1)))
        INTO channels, each
        FROM unnest(told, ids, counts) w (id, notification, count);
        PERFORM realtime_put_each(channels, notify_message(organization, event, entity, actor, data, t.category, t.label, said, t.needs_attention), each, 'notification');
    END IF;
END
$$;

-- By mail: at once, or into the queue of the next digest, which is also where it goes in quiet hours.  The members' inboxes are
-- locked; told are those of them who have it in the list, as the notifications ids.
CREATE OR REPLACE FUNCTION notify_by_mail(organization uuid, members uuid[], event text, title text, message text, entity jsonb,
                                          told uuid[], ids uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant    uuid := app_tenant();
    this_hour timestamptz := date_trunc('hour', now(), 'UTC');
BEGIN
    WITH who AS MATERIALIZED (
        SELECT i.place, w.id AS member_id, u.id AS user_id, u.email, u.locale, o.name AS workspace, n.id AS notification_id,
               coalesce(d.email_delivery_mode, 'instant') = 'digest' OR q.until IS NOT NULL AS waits,
               greatest(q.until, CASE WHEN d.email_delivery_mode = 'digest' THEN now() + make_interval(mins => d.digest_frequency_minutes::integer) END) AS due_at,
               i.hour >= this_hour AND i.mailed >= 20 AS is_over
        FROM unnest(members) w (id)
        CROSS JOIN LATERAL (
            SELECT x.ctid AS place, x.hour, x.mailed FROM notification_inboxes x
            WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.member_id = w.id LIMIT 1) i
        JOIN memberships m ON m.tenant_id = tenant AND m.organization_id = organization AND m.id = w.id
        JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id AND u.access > 0 AND u.email IS NOT NULL
        JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
        LEFT JOIN notification_deliveries d ON d.tenant_id = m.tenant_id AND d.organization_id = m.organization_id AND d.member_id = m.id
        LEFT JOIN quiet_until(d.quiet_from, d.quiet_to, d.time_zone, now()) q (until) ON true
        LEFT JOIN unnest(told, ids) n (member_id, id) ON n.member_id = w.id
    ), queued AS MATERIALIZED (
        SELECT w.member_id, w.notification_id,
               (SELECT q.id FROM notification_mails q
                WHERE q.tenant_id = tenant AND q.organization_id = organization AND q.member_id = w.member_id AND q.job_id IS NULL
                  AND q.event_type = event AND q.entity_id = entity ->> 'id'
                LIMIT 1) AS old_id
        FROM who w WHERE w.waits
    ), folded AS (
        UPDATE notification_mails q
        SET count = q.count + 1, message = notify_by_mail.message, notification_id = b.notification_id
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
    WHERE i.ctid = w.place;
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
    PERFORM notify_now(f.organization_id, f.event_type, f.members[f.done + 1:f.done + 200], f.entity,
                       (SELECT m.id FROM memberships m    -- who has left since is nobody
                        WHERE m.tenant_id = f.tenant_id AND m.organization_id = f.organization_id AND m.id = f.actor_id), f.data, f.cause);
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
