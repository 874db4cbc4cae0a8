-- Tasks of a tenant on the operations surface; see sql/functions/work/tenant_tasks.sql.

-- columns: tenant_task
SELECT t.number AS id, t.title, t.description, task_shown(t.status) AS status, 'P' || t.priority AS priority, t.assignee,
       (SELECT p.slug FROM products p WHERE p.tenant_id = t.tenant_id AND p.number = t.product_number) AS product, t.category, t.tags,
       t.estimated_minutes, t.due_date, t.created_at, t.updated_at
FROM tasks t;

-- columns: public_task
SELECT t.number AS id, t.title, t.description, t.type, task_public_priority(t.priority) AS priority, task_shown_public(t.status) AS status, t.assignee AS assigned_to,
       t.product_number AS product_id, t.resolution, t.max_duration_seconds, t.created_at, t.updated_at
FROM tasks t;

-- name: tenant_task_list :page
-- total: [:next| (SELECT count(*) FROM task_next(task_name(:assignee)))] [:q !next| (SELECT count(*) FROM task_candidates(:q, task_statuses(:status::text[]), task_ranks(:priority::text[]), task_name(:assignee), task_product(:product)))] [!q !next| task_total(task_statuses(:status::text[]), task_ranks(:priority::text[]), task_name(:assignee), task_product(:product))]
-- unindexed: those of a page, or of a search, that were found by an index
SELECT :columns(tenant_task)
FROM tasks t
WHERE t.tenant_id = @tenant AND t.kind = 'tenant' AND t.number = ANY (ARRAY(
    [:next| SELECT n FROM task_next(task_name(:assignee)) n]
    [:q !next| SELECT c.number FROM task_candidates(:q, task_statuses(:status::text[]), task_ranks(:priority::text[]), task_name(:assignee), task_product(:product)) c]
    [!q !next| SELECT r FROM task_ranked(task_statuses(:status::text[]), task_ranks(:priority::text[]), task_name(:assignee), task_product(:product), :skip::bigint + :limit::bigint) r]))
ORDER BY t.priority, t.number DESC;

-- name: tenant_task_create :row
SELECT a.id::text AS task_id, a.is_old, a.reason
FROM tenant_task_add(:title, :description, NULL, task_stored(:status), task_rank_of(:priority), task_name(:assignee),
                     (SELECT nullif(x, -1) FROM task_product(:product_slug) x WHERE valid(x IS DISTINCT FROM -1, 'product_slug', 'there is no such product')), NULL, NULL, true) a;

-- name: tenant_task_made :row
SELECT :columns(tenant_task), :is_old::boolean AS _deduplicated, :reason::text AS _reason
FROM tasks t
WHERE t.tenant_id = @tenant AND t.id = :made_task::uuid;

-- name: tenant_task_get :row
SELECT :columns(tenant_task), t.type, t.resolution, t.max_duration_seconds, t.completed_at, task_is_blocked(t.number) AS is_blocked, t.updated_at AS _updated_at
FROM tasks t
WHERE t.tenant_id = @tenant AND t.kind = 'tenant' AND t.number = :task_number::bigint;

-- name: tenant_task_blocked_by :rows
SELECT b.number AS id, b.title, task_shown(b.status) AS status
FROM task_dependencies d JOIN tasks b ON b.tenant_id = @tenant AND b.number = d.blocker_number
WHERE d.tenant_id = @tenant AND d.blocked_number = :task_number::bigint
ORDER BY d.blocker_number LIMIT 1000;

-- name: tenant_task_blocking :rows
SELECT b.number AS id, b.title, task_shown(b.status) AS status
FROM task_dependencies d JOIN tasks b ON b.tenant_id = @tenant AND b.number = d.blocked_number
WHERE d.tenant_id = @tenant AND d.blocker_number = :task_number::bigint
ORDER BY d.blocked_number LIMIT 1000;

-- name: tenant_task_delete :row
WITH gone AS (
    DELETE FROM tasks t WHERE t.tenant_id = @tenant AND t.kind = 'tenant' AND t.number = :task_number::bigint AND if_match(t.updated_at, :if_match)
    RETURNING t.number
)
SELECT g.number AS id, true AS deleted
FROM gone g, audit('task.delete', 'task', g.number::text, '{}');

-- name: public_task_list :page
-- total: task_total(task_statuses_public(:status), task_ranks(CASE WHEN :priority::text IS NOT NULL THEN ARRAY[:priority] END), :assigned_to, :product_id::bigint)
SELECT :columns(public_task)
FROM tasks t
WHERE t.tenant_id = @tenant AND t.kind = 'tenant' AND t.number = ANY (ARRAY(
    SELECT task_newest(task_statuses_public(:status), task_ranks(CASE WHEN :priority::text IS NOT NULL THEN ARRAY[:priority] END), :assigned_to, :product_id::bigint, :skip::bigint + :limit::bigint)))
ORDER BY t.number DESC;

-- name: public_task_create :row
SELECT a.id::text AS task_id, a.is_old, a.reason
FROM tenant_task_add(:title, :description, :type, task_stored(:status), task_rank_of(:priority), :assigned_to, :product_id::bigint, NULL, :max_duration_seconds::integer, false) a;

-- name: public_task_made :row
SELECT :columns(public_task) FROM tasks t WHERE t.tenant_id = @tenant AND t.id = :made_task::uuid;

-- name: public_task_get :row
SELECT :columns(public_task), t.updated_at AS _updated_at
FROM tasks t
WHERE t.tenant_id = @tenant AND t.kind = 'tenant' AND t.number = :task_number::bigint;

-- name: public_task_update :row
WITH changed AS (
    UPDATE tasks t
    SET :set(t.title, t.description, t.type, t.assignee = assigned_to, t.product_number = product_id, t.resolution, t.max_duration_seconds),
        priority = CASE WHEN :has_priority THEN task_rank_of(:priority) ELSE t.priority END,
        status = CASE WHEN :has_status THEN task_stored(:status) ELSE t.status END
    WHERE t.tenant_id = @tenant AND t.kind = 'tenant' AND t.number = :task_number::bigint
      AND valid(:has_title::boolean OR :has_description::boolean OR :has_type::boolean OR :has_priority::boolean OR :has_status::boolean OR :has_assigned_to::boolean
                OR :has_product_id::boolean OR :has_resolution::boolean OR :has_max_duration_seconds::boolean, 'title', 'send what is to be changed')
      AND valid(coalesce(btrim(:title) <> '', true), 'title', 'title must say something')
      AND if_match(t.updated_at, :if_match)
    RETURNING t.*
)
SELECT :columns(public_task), t.updated_at AS _updated_at FROM changed t;

-- name: public_task_cancel :row
WITH changed AS (
    UPDATE tasks t SET status = 'cancelled'
    WHERE t.tenant_id = @tenant AND t.kind = 'tenant' AND t.number = :task_number::bigint
    RETURNING t.number
)
SELECT c.number AS id, 'cancelled' AS status FROM changed c;

-- name: product_tasks_archive :row
SELECT product_tasks_archive((:payload::jsonb ->> 'product')::bigint, (:payload::jsonb ->> 'until')::timestamptz, 5000) AS archived;
