-- What a worker does about notifications; see sql/functions/work/notify.sql.

-- name: notify_next :row
-- The next portion of what many are told.
SELECT notify_next() AS told;
