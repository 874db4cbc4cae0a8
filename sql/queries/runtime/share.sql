-- The slow pool's shares.

-- name: share_tenant :row
-- Lets the caller in, and tells whose tenant this is: of a key only the door knows.
SELECT app_tenant()::text AS tenant;
