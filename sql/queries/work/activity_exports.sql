-- Exports of what happened in a workspace (sql/functions/work/activity_exports.sql).

-- columns: export
SELECT x.id AS job_id, x.status, x.progress::integer AS progress, x.format, x.filters, x.row_count, x.file_name, x.file_size,
       CASE WHEN x.expires_at <= now() THEN NULL WHEN x.object_id IS NOT NULL THEN 'object_store' WHEN x.file_size IS NOT NULL THEN 'inline' END AS storage,
       CASE WHEN x.expires_at > now() THEN jsonb_build_object('download_url', format('%s/api/v1/activity/export/jobs/%s/download', @public_url::text, x.id),
                                                              'expires_at', json_time_us(x.expires_at)) END AS output_data,
       x.error_message, x.created_at, x.started_at, x.completed_at
FROM activity_exports x;

-- name: activity_export_start :row
SELECT s.id AS job_id, 'queued' AS status, '/api/v1/activity/export/jobs/' || s.id AS status_url
FROM (SELECT activity_export_start(:format, jsonb_build_object('types', :types::text[], 'search', nullif(btrim(:search::text), ''), 'start_date', :start_date::text,
                                   'end_date', :end_date::text, 'scope', :scope::text, 'user_ids', :user_ids::uuid[], 'team_ids', :team_ids::uuid[])) AS id
      WHERE may(member_reach('can_view_activity') IS NOT NULL, 'this needs the permission can_view_activity, too')) s;

-- name: activity_export_list :rows
-- The caller's own, the newest first.
SELECT :columns(export)
FROM activity_exports x
WHERE x.tenant_id = @tenant AND x.organization_id = @workspace AND x.member_id = @member
ORDER BY x.created_at DESC, x.id DESC
LIMIT :limit OFFSET :skip;

-- name: activity_export_get :row
SELECT :columns(export)
FROM activity_exports x
WHERE x.tenant_id = @tenant AND x.organization_id = @workspace AND x.member_id = @member AND x.id = :job_id;

-- name: activity_export_file :row
-- The file of one, to be sent, or to be linked for an hour at most. No row: there is no such export.
SELECT x.tenant_id::text AS tenant_id, x.status, x.expires_at <= now() AS is_over, x.file_name, x.content, o.id::text AS object_id, o.backend, o.content_type,
       least(3600, extract(epoch FROM x.expires_at - now()))::bigint AS ttl_s,
       json_time_us(now() + make_interval(secs => least(3600, extract(epoch FROM x.expires_at - now()))::bigint)) AS link_expires_at, x.format
FROM activity_exports x
LEFT JOIN stored_objects o ON o.tenant_id = x.tenant_id AND o.id = x.object_id
WHERE x.tenant_id = @tenant AND x.organization_id = @workspace AND x.member_id = @member AND x.id = :job_id;

-- name: activity_export_begin :maybe
SELECT b.format, b.file_name, b.member::text AS member, b.actors::text AS actors, b.types::text AS types, b.from_at::text AS from_at, b.until_at::text AS until_at,
       b.search, b.total
FROM activity_export_begin(:organization::uuid, :export::uuid) b;

-- name: activity_export_rows :rows
-- The newest so many behind one, of what its member may see now, with what tells where the next ones begin. Of those who did it there are
-- fewer than rows: each is looked up once.
WITH page AS MATERIALIZED (
    SELECT a.created_at, a.id, a.actor_id, a.type, a.event, a.description, a.entity_type, a.entity_id, a.entity_name
    FROM activities a
    WHERE a.tenant_id = @tenant AND a.organization_id = :organization::uuid AND a.created_at >= :from_at::timestamptz AND a.created_at < :until_at::timestamptz
      AND a.scope_id = ANY ((SELECT activity_scopes(:organization::uuid, :member::uuid))::uuid[])
      [AND a.actor_id = ANY (:actors::uuid[])]
      [AND a.type = ANY (:types::text[])]
      [AND a.created_at <= :before_at::timestamptz AND (a.created_at, a.id) < (:before_at::timestamptz, :before_id::uuid)]
    ORDER BY a.created_at DESC, a.id DESC
    LIMIT :most::bigint
), who AS (
    SELECT d.actor_id, coalesce(r.ref ->> 'full_name', r.ref ->> 'display_name') AS name, r.ref ->> 'email' AS email
    FROM (SELECT DISTINCT p.actor_id FROM page p) d
    CROSS JOIN LATERAL member_ref(@tenant, :organization::uuid, d.actor_id) r
)
SELECT p.created_at AS timestamp, p.type, p.event, p.description, w.name AS actor_name, w.email AS actor_email, p.entity_type, p.entity_id, p.entity_name,
       p.created_at::text AS _at, p.id::text AS _id, p.description ILIKE coalesce(like_pattern(:search::text), '%') AS _matches
FROM page p
LEFT JOIN who w ON w.actor_id = p.actor_id
ORDER BY p.created_at DESC, p.id DESC;

-- name: activity_export_progress :exec
UPDATE activity_exports x SET progress = :progress::smallint
WHERE x.tenant_id = @tenant AND x.organization_id = :organization::uuid AND x.id = :export::uuid AND x.status = 'running' AND x.progress < :progress::smallint;

-- name: activity_export_await :row
SELECT activity_export_await(:organization::uuid, :export::uuid, :backend, :content_type, :size::bigint)::text AS object_id, (@tenant)::text AS tenant_id;

-- name: activity_export_done :exec
SELECT activity_export_done(:organization::uuid, :export::uuid, :row_count::bigint, :size::bigint, :content::bytea, :object::uuid, :sha256::bytea);

-- name: activity_export_failed :exec
SELECT activity_export_failed(:organization::uuid, :export::uuid, :message);

-- name: activity_exports_tend :row
-- And those of what people have (account_exports.sql).
SELECT activity_exports_tend(:most::integer) + account_exports_tend(:most::integer) AS ended;
