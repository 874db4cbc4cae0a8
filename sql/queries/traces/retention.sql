-- What the worker asks; see sql/functions/traces/retention.sql.  today NULL: it is today (UTC).

-- name: spans_ahead :row
SELECT spans_ahead(coalesce(:today::date, (now() AT TIME ZONE 'UTC')::date)) AS made;

-- name: spans_drop :row
SELECT spans_drop(coalesce(:today::date, (now() AT TIME ZONE 'UTC')::date), :days::integer[]) AS dropped;

-- name: traces_expire :row
SELECT traces_expire(coalesce(:today::date, (now() AT TIME ZONE 'UTC')::date), :days::integer[], :batch::integer) AS removed;

-- name: trace_files_expire :row
SELECT trace_files_expire(coalesce(:today::date, (now() AT TIME ZONE 'UTC')::date), :days::integer[], :batch::integer) AS removed;

-- name: traces_forget :row
SELECT traces_forget(:project::uuid, :batch::integer) AS removed;
