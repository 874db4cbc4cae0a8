-- Notifications of the caller in a workspace, and what they want to be notified of;
-- see sql/functions/work/notifications.sql.

-- columns: preference
SELECT p.id, p.member_id, p.event_type, t.category, p.inapp_enabled, p.email_enabled, p.whatsapp_enabled, p.muted,
       p.created_at, p.updated_at
FROM notification_preferences p
JOIN notification_events() t ON t.event_type = p.event_type;

-- name: notification_list :page
-- Newest first; total and the number of unread ones are counters.  Who did it is looked up of the page alone.
SELECT [:unread_only| b.unread | b.total] AS total, n.id, n.event_type, n.category, n.title, n.message, n.data,
       n.link, n.entity_type, n.entity_id, n.actor, n.needs_attention, n.count, n.is_read, n.read_at, n.archived_at, n.snoozed_until, n.created_at, b.unread AS _unread_count
FROM notification_box() b
LEFT JOIN LATERAL (
    SELECT x.id, x.event_type, t.category, x.title, x.message, x.data, x.link, x.entity_type, x.entity_id, actor.ref AS actor,
           t.needs_attention, x.count, x.read_at IS NOT NULL OR x.nr <= b.read_to AS is_read, coalesce(x.read_at, mark.read_at) AS read_at,
           x.archived_at, x.snoozed_until, coalesce(x.told_at, x.created_at) AS created_at
    FROM (SELECT * FROM notifications x
          WHERE x.tenant_id = @tenant AND x.organization_id = @workspace AND x.member_id = @member AND x.nr > 0
            AND x.event_type <> ALL (b.hidden)
            [AND x.nr > b.read_to AND x.read_at IS NULL AND :unread_only]
          ORDER BY x.nr DESC
          LIMIT :limit OFFSET :skip) x
    JOIN notification_events() t ON t.event_type = x.event_type
    LEFT JOIN member_ref(x.tenant_id, x.organization_id, x.actor_id) actor ON true
    LEFT JOIN LATERAL (
        SELECT m.created_at AS read_at FROM notification_marks m
        WHERE m.tenant_id = x.tenant_id AND m.organization_id = x.organization_id AND m.member_id = x.member_id AND m.nr >= x.nr
        ORDER BY m.nr LIMIT 1) mark ON x.nr <= b.read_to
    ORDER BY x.nr DESC
) n ON true;

-- name: notification_archive_list :page
-- What the caller has put away, the last first.
SELECT x.id, x.event_type, t.category, x.title, x.message, x.data, x.link, x.entity_type, x.entity_id, actor.ref AS actor, t.needs_attention,
       x.count, x.read_at IS NOT NULL AS is_read, x.read_at, x.archived_at, x.snoozed_until, coalesce(x.told_at, x.created_at) AS created_at
FROM notifications x
JOIN notification_events() t ON t.event_type = x.event_type
LEFT JOIN member_ref(x.tenant_id, x.organization_id, x.actor_id) actor ON true
WHERE x.tenant_id = @tenant AND x.organization_id = @workspace AND x.member_id = @member AND x.archived_at IS NOT NULL
  AND x.event_type <> ALL ((SELECT b.hidden FROM notification_box() b)::text[])
ORDER BY x.archived_at DESC, x.id DESC;

-- name: notification_snooze_list :page
-- What comes back, the next first.
SELECT x.id, x.event_type, t.category, x.title, x.message, x.data, x.link, x.entity_type, x.entity_id, actor.ref AS actor, t.needs_attention,
       x.count, x.read_at IS NOT NULL AS is_read, x.read_at, x.archived_at, x.snoozed_until, coalesce(x.told_at, x.created_at) AS created_at
FROM notifications x
JOIN notification_events() t ON t.event_type = x.event_type
LEFT JOIN member_ref(x.tenant_id, x.organization_id, x.actor_id) actor ON true
WHERE x.tenant_id = @tenant AND x.organization_id = @workspace AND x.member_id = @member AND x.snoozed_until IS NOT NULL
  AND x.event_type <> ALL ((SELECT b.hidden FROM notification_box() b)::text[])
ORDER BY x.snoozed_until, x.id;

-- name: notification_put :row
-- In one of its places, and as it is then.
SELECT n.id, n.event_type, n.category, n.title, n.message, n.data, n.link, n.entity_type, n.entity_id, n.actor, n.needs_attention, n.count,
       n.is_read, n.read_at, n.archived_at, n.snoozed_until, n.created_at
FROM (SELECT :notification_id::uuid AS id, notification_put(:notification_id, :place, :until) OFFSET 0) done,
     LATERAL notification_shown(done.id) n;

-- name: notification_counts :row
SELECT b.total, b.unread, notification_count_by() AS categories FROM notification_box() b;

-- name: notification_quiet_get :row
SELECT to_char(d.quiet_from, 'HH24:MI') AS from, to_char(d.quiet_to, 'HH24:MI') AS to, d.time_zone
FROM (VALUES (1)) one
LEFT JOIN notification_deliveries d ON d.tenant_id = @tenant AND d.organization_id = @workspace AND d.member_id = @member;

-- name: notification_quiet_put :row
SELECT :from::text AS from, :to::text AS to, :time_zone::text AS time_zone
FROM (SELECT notification_quiet(:from, :to, :time_zone) OFFSET 0) done;

-- name: notification_unread_count :row
SELECT notification_unread() AS count;

-- name: notification_read :row
-- One, or all.  One that was read stays as it is, and counts for nothing.
SELECT notification_read(:notification_id) AS updated;

-- name: notification_type_list :row
-- By category, as one object.
SELECT jsonb_object_agg(c.category, jsonb_build_object('label', c.label, 'description', c.description, 'event_types', t.types)) AS defaults
FROM notification_categories() c
JOIN (SELECT t.category, jsonb_object_agg(t.event_type, jsonb_build_object(
                 'label', t.label, 'inapp_enabled', t.inapp_enabled, 'email_enabled', t.email_enabled,
                 'whatsapp_enabled', t.whatsapp_enabled, 'muted', false)) AS types
      FROM notification_events() t
      GROUP BY t.category) t ON t.category = c.category;

-- name: notification_preference_list :rows
-- Only what the caller has stored.
SELECT :columns(preference)
FROM notification_preferences p
:joins(preference)
WHERE p.tenant_id = @tenant AND p.organization_id = @workspace AND p.member_id = @member
ORDER BY t.rank;

-- name: notification_preference_create :row
WITH made AS (
    INSERT INTO notification_preferences
    :values(tenant_id = @tenant, organization_id = @workspace, member_id = @member, event_type = t.event_type,
            inapp_enabled = coalesce(:inapp_enabled, t.inapp_enabled), email_enabled = coalesce(:email_enabled, t.email_enabled),
            whatsapp_enabled = coalesce(:whatsapp_enabled, t.whatsapp_enabled), muted = coalesce(:muted, false))
    FROM notification_events() t
    WHERE t.event_type = notification_known(:event_type, 'event_type')
    RETURNING *
)
SELECT :columns(preference)
FROM made p
:joins(preference);

-- name: notification_preference_update :row
WITH changed AS (
    UPDATE notification_preferences p SET :set(inapp_enabled, email_enabled, whatsapp_enabled, muted)
    WHERE p.tenant_id = @tenant AND p.organization_id = @workspace AND p.member_id = @member AND p.id = :preference_id
    RETURNING p.*
)
SELECT :columns(preference)
FROM changed p
:joins(preference);

-- name: notification_preference_bulk :rows
SELECT :columns(preference)
FROM notification_choose(:preferences::jsonb) WITH ORDINALITY p
:joins(preference)
ORDER BY p.ordinality;

-- name: notification_preference_reset :rows
-- As recommended, each stored.
WITH made AS (
    INSERT INTO notification_preferences AS p
    :values(tenant_id = @tenant, organization_id = @workspace, member_id = @member, event_type = t.event_type,
            inapp_enabled = t.inapp_enabled, email_enabled = t.email_enabled, whatsapp_enabled = t.whatsapp_enabled, muted = false)
    FROM notification_events() t
    ORDER BY t.event_type
    ON CONFLICT ON CONSTRAINT notification_preferences_event_unique DO UPDATE
    SET inapp_enabled = excluded.inapp_enabled, email_enabled = excluded.email_enabled,
        whatsapp_enabled = excluded.whatsapp_enabled, muted = false
    RETURNING p.*
)
SELECT :columns(preference)
FROM made p
:joins(preference)
ORDER BY t.rank;

-- name: notification_preference_delete :row
DELETE FROM notification_preferences p
WHERE p.tenant_id = @tenant AND p.organization_id = @workspace AND p.member_id = @member AND p.id = :preference_id
RETURNING p.id;

-- name: notification_choice_list :row
-- Every kind of event, as one object.
SELECT jsonb_object_agg(c.event_type, to_jsonb(c) - 'rank') AS preferences
FROM notification_choices(@tenant, @workspace, @member) c;

-- name: notification_choice_update :row
-- No row: there is no such kind of event.
SELECT c.event_type, c.category, c.label, p.inapp_enabled, p.email_enabled, p.whatsapp_enabled, p.muted, false AS is_default
FROM notification_choices(@tenant, @workspace, @member) c,
     notification_choose(jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
         'event_type', c.event_type, 'inapp_enabled', :inapp_enabled::boolean, 'email_enabled', :email_enabled::boolean,
         'whatsapp_enabled', :whatsapp_enabled::boolean, 'muted', :muted::boolean)))) p
WHERE c.event_type = :event_type;

-- name: notification_delivery_get :row
SELECT coalesce(d.email_delivery_mode, 'instant') AS email_delivery_mode,
       coalesce(d.digest_frequency_minutes, '60') AS digest_frequency_minutes
FROM (VALUES (1)) one
LEFT JOIN notification_deliveries d ON d.tenant_id = @tenant AND d.organization_id = @workspace AND d.member_id = @member;

-- name: notification_delivery_put :row
INSERT INTO notification_deliveries AS d (tenant_id, organization_id, member_id, email_delivery_mode, digest_frequency_minutes)
VALUES (@tenant, @workspace, @member, :email_delivery_mode, coalesce(:digest_frequency_minutes, '60'))
ON CONFLICT (tenant_id, organization_id, member_id) DO UPDATE
SET email_delivery_mode = excluded.email_delivery_mode,
    digest_frequency_minutes = coalesce(:digest_frequency_minutes, d.digest_frequency_minutes)
RETURNING d.email_delivery_mode, d.digest_frequency_minutes;

-- name: notification_mail_get :row
-- What a mail's link is about; it is in the tenant that the link names.
SELECT d.event_type, t.label, d.workspace, d.email_enabled
FROM notification_mail_of(:organization::uuid, :member::uuid, :event) d
LEFT JOIN notification_events() t ON t.event_type = d.event_type;

-- name: notification_mail_end :row
SELECT d.event_type, t.label, d.workspace, d.email_enabled
FROM notification_mail_end(:organization::uuid, :member::uuid, :event) d
LEFT JOIN notification_events() t ON t.event_type = d.event_type;
