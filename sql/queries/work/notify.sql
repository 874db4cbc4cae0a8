-- What a worker does about notifications; see sql/functions/work/notify.sql.

-- name: notify_next :row
-- The next portion of what many are told.
SELECT notify_next() AS told;

-- name: notification_digests :row
-- How many members' queues were due and are mails now.
SELECT notification_digests(:batch::integer) AS n;

-- name: notification_mailable :row
-- Asked again before a mail is sent.
SELECT notification_mailable(:organization::uuid, :member::uuid, :event) AS may;

-- name: notification_digest :rows
-- What it lists.
SELECT d.event_type, d.category, d.needs_attention, d.message, d.count FROM notification_digest(:job_id::uuid) d;
