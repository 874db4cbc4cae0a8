-- Tasks about records; see sql/functions/work/tasks.sql and sql/functions/records/record_tracking.sql.

-- columns: record_task
SELECT t.id, t.subject_id AS record_id, t.recordset_id, t.title, t.description, t.type AS task_type, t.status, task_priority(t.priority) AS priority,
       t.due_at AS due_date, t.is_open AND coalesce(t.due_at < now(), false) AS is_overdue, t.assignee_id AS assigned_to_id, assignee.ref AS assigned_to, t.outcome,
       t.outcome_notes, t.completed_at, t.completed_by_id, t.created_by_id, t.created_at, t.updated_at
FROM tasks t
LEFT JOIN member_ref(t.tenant_id, t.organization_id, t.assignee_id) assignee ON true;

-- name: record_task_list :page
-- What is due first, then the most urgent; what is completed or cancelled only where it is asked for.
SELECT :columns(record_task)
FROM tasks t :joins(record_task)
WHERE t.tenant_id = @tenant AND t.organization_id = @workspace AND t.kind = 'record' AND t.subject_id = (SELECT record_here(:record_id::uuid, 1))
  [!status !include_completed| AND t.is_open]
  [AND t.status = :status]
  [AND t.priority = task_rank(:priority)]
ORDER BY t.due_at, t.priority, t.id;

-- name: record_task_create :row
-- Its recordset can neither go nor be emptied meanwhile.
WITH made AS (
    INSERT INTO tasks
    :values(tenant_id = @tenant, organization_id = @workspace, kind = 'record', subject_id = r.id, recordset_id = r.recordset_id, content_id = r.content_id,
            title, description, type = :task_type, priority = task_rank(:priority), due_at = :due_date,
            assignee_id = coalesce(task_assignee(:assigned_to_id::uuid), @member), created_by_id = @member)
    FROM records r
    WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = (SELECT record_to_edit(:record_id::uuid))
      AND record_recordset(r.recordset_id, r.content_id)
    RETURNING *
)
SELECT :columns(record_task) FROM made t :joins(record_task);

-- name: record_task_update :row
WITH changed AS (
    UPDATE tasks t
    SET :set(t.title, t.description, t.type = task_type, t.status, t.due_at = due_date, t.assignee_id = assigned_to_id),
        priority = CASE WHEN :has_priority THEN task_rank(:priority) ELSE t.priority END
    WHERE t.tenant_id = @tenant AND t.organization_id = @workspace AND t.kind = 'record' AND t.id = :task_id
      AND record_task_may(t.subject_id, 4, t.assignee_id, ARRAY[t.created_by_id],
                          'this is for who made the task or has it, and needs can_edit on the recordset else')
      AND if_match(t.updated_at, :if_match)
      AND (:assigned_to_id::uuid IS NOT DISTINCT FROM t.assignee_id OR task_assignee(:assigned_to_id::uuid) IS NOT DISTINCT FROM :assigned_to_id::uuid)
    RETURNING t.*
)
SELECT :columns(record_task) FROM changed t :joins(record_task);

-- name: record_task_complete :row
WITH changed AS (
    UPDATE tasks t
    SET status = 'completed', :set(t.outcome, t.outcome_notes)
    WHERE t.tenant_id = @tenant AND t.organization_id = @workspace AND t.kind = 'record' AND t.id = :task_id
      AND record_task_may(t.subject_id, 2, t.assignee_id, '{}',
                          'this is for who has the task, and needs can_edit on the recordset, or can_edit_own of who made or owns the record, else')
      AND must(t.status <> 'completed', 'this task is completed already')
    RETURNING t.*
)
SELECT :columns(record_task) FROM changed t :joins(record_task);

-- name: record_task_delete :row
DELETE FROM tasks t
WHERE t.tenant_id = @tenant AND t.organization_id = @workspace AND t.kind = 'record' AND t.id = :task_id
  AND record_part_may(t.subject_id, 4, ARRAY[t.created_by_id], 'this is for who made the task, and needs can_edit on the recordset else')
  AND if_match(t.updated_at, :if_match)
RETURNING 'Task deleted' AS message, t.id;

-- name: record_task_upcoming :rows
-- The ten of a recordset that are due next, of records that are there, in the order of the index; what is overdue is not to come.
SELECT :columns(record_task)
FROM (SELECT x.* FROM tasks x
      WHERE x.tenant_id = @tenant AND x.organization_id = @workspace AND x.content_id = (
                SELECT s.content_id FROM recordsets s
                WHERE s.tenant_id = @tenant AND s.organization_id = @workspace AND s.id = (SELECT recordset_here(:recordset_id::text, 1)))
        AND x.is_open AND x.due_at >= now()
        AND (SELECT r.deleted_at IS NULL FROM records r WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = x.subject_id)
      ORDER BY x.due_at, x.priority, x.id LIMIT 10) t
:joins(record_task)
ORDER BY t.due_at, t.priority, t.id;
