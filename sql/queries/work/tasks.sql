-- What a worker does about tasks; see sql/functions/work/tasks.sql.

-- name: tasks_due :row
-- Of all tenants; call again while it finds as many.
SELECT tasks_due(:batch::integer) AS found;
