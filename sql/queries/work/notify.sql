-- What a worker does about notifications; see sql/functions/work/notify.sql.

-- name: notify_next :row
-- The next portion of what many are told.
SELECT notify_next() AS told;

-- name: notification_digests :row
-- Members' queues that were due are mails now; as many as were asked for, so that there may be more.
SELECT notification_digests(:batch::integer) >= :batch::integer AS is_more;

-- name: notification_mailable :row
-- Asked again before a mail is sent.
SELECT notification_mailable(:organization::uuid, :member::uuid, :event) AS may;

-- name: notification_digest :rows
-- What it lists.
SELECT d.event_type, d.category, d.needs_attention, d.message, d.count FROM notification_digest(:job_id::uuid) d;

-- name: notification_wake :row
-- Has a snoozed one come back?
SELECT notification_wake() AS woken;
