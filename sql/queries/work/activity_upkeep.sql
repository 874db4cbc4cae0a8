-- What a worker does about months of activity; see sql/functions/work/activity_upkeep.sql.

-- name: activity_months_ahead :row
SELECT activity_months_ahead() AS made;

-- name: activity_forget :row
SELECT activity_forget(:months::integer, :batch::integer) AS removed;

-- name: activity_drop :row
SELECT activity_drop(:months::integer) AS dropped;
