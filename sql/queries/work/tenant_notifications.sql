-- Notifications of a tenant; see sql/functions/work/tenant_notifications.sql.

-- columns: tenant_notification
SELECT n.number AS id, n.title, n.message, n.type, n.source, n.link, read_at IS NOT NULL AS read, read_at, n.created_at
FROM tenant_notifications n
CROSS JOIN LATERAL tenant_notification_read_at(n.nr, n.created_at) read_at;

-- name: tenant_notification_list :page
-- total: [:type| tenant_notification_total(:read::boolean, :type) | tenant_notification_total(:read::boolean, NULL)]
-- unindexed: a page, whose order tenant_notification_find() has from an index
SELECT :columns(tenant_notification)
FROM (SELECT k.nr FROM tenant_notification_find(:read::boolean, :type::text, :limit::bigint + :skip::bigint) k ORDER BY k.nr DESC LIMIT :limit OFFSET :skip) f
CROSS JOIN LATERAL (SELECT x.* FROM tenant_notifications x WHERE x.tenant_id = @tenant AND x.nr = f.nr OFFSET 0) n    -- one by one: no join with all
CROSS JOIN LATERAL tenant_notification_read_at(n.nr, n.created_at) read_at
ORDER BY n.nr DESC
LIMIT :limit;

-- name: tenant_notification_create :row
SELECT made.number AS id, :title::text AS title, :message::text AS message, :type::text AS type, :source::text AS source, nullif(:link::text, '') AS link,
       false AS read, NULL::timestamptz AS read_at, made.created_at
FROM tenant_notification_put(:title, :message, :type, :source, :link) made;

-- name: tenant_notification_unread_count :row
SELECT tenant_notification_unread() AS count;

-- name: tenant_notification_read_all :row
SELECT true AS success, tenant_notification_read_all() AS updated;

-- name: tenant_notification_read :row
-- What was just read is not seen by this statement, and was read now.
SELECT n.number AS id, n.title, n.message, n.type, n.source, n.link, true AS read, coalesce(tenant_notification_read_at(n.nr, n.created_at), now()) AS read_at,
       n.created_at
FROM tenant_notification_read(:notification_number::bigint) one
JOIN tenant_notifications n ON n.tenant_id = @tenant AND n.nr = one;
