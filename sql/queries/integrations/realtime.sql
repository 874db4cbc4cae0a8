-- What the realtime process asks; the functions are in sql/functions/integrations/realtime.sql,
-- and say more.  It enters no tenant: each of them is told the tenants.

-- name: realtime_tail :rows
-- As realtime/tail.h makes the parameters and reads the rows.
SELECT id, tenant_id::text, channel, kind, payload, sender, event, is_last, created_at, snapshot, at_ms, purges, purged_id
FROM realtime_tail(:hi::bigint, :since::pg_snapshot, :upto::pg_snapshot, :late::bigint, :max::integer);

-- name: realtime_subscribe :rows
-- May the user, and what did they miss behind :after (NULL: only where the channel is)?
-- No row: they may not.
SELECT is_recovered, position, is_over, id, kind, payload, sender, event, is_last, created_at
FROM realtime_subscribe(:tenant::uuid, :user::uuid, :channel, :after::bigint, :max::integer);

-- name: realtime_may_publish :row
SELECT set_config('app.tenant_id', :tenant, true) IS NOT NULL
       AND realtime_may(:user::uuid, :channel, 'publish') AS may;

-- name: realtime_may_many :rows
-- The numbers, from 1, of those that may not listen any more.
SELECT nr FROM realtime_refused_many(:tenants::uuid[], :users::uuid[], :channels::text[]) nr;

-- name: realtime_dead_many :rows
-- The numbers, from 1, of the connections that have to be closed.
SELECT nr FROM realtime_dead_many(:tenants::uuid[], :users::uuid[], :sessions::uuid[], :issuers::text[],
                                  :subjects::text[]) nr;

-- name: realtime_publish_many :rows
-- At most 256 at once: each channel is a lock.
SELECT nr, id FROM realtime_publish_many(:tenants::uuid[], :channels::text[], :payloads::jsonb[], :senders::text[]);

-- name: realtime_beat :row
SELECT realtime_beat(:process::uuid, :lease_s::integer) AS is_new;

-- name: realtime_goodbye :exec
SELECT realtime_goodbye(:process::uuid);

-- name: realtime_join :exec
SELECT realtime_join(:process::uuid, :tenants::uuid[], :channels::text[], :users::text[], :clients::bigint[]);

-- name: realtime_leave :exec
SELECT realtime_leave(:process::uuid, :tenants::uuid[], :channels::text[], :users::text[], :clients::bigint[]);

-- name: realtime_present :rows
SELECT user_id, connections, json_time(joined_at) AS joined_at
FROM realtime_present(:tenant::uuid, :channel, :max::integer);

-- name: realtime_rotate :row
SELECT realtime_rotate() AS emptied;

-- name: realtime_usage :exec
SELECT realtime_usage(:tenants::uuid[], :users::uuid[], :counts::bigint[]);

-- name: realtime_ticket_redeem :row
-- No row: it lets no caller in.
SELECT user_id, public_id, session_id::text, issuer, subject, end_at
FROM realtime_ticket_redeem(:tenant::uuid, :hash::bytea);

-- name: realtime_ticket_create :row
-- Of another issuer's token (no :session) the connection ends with it.
INSERT INTO realtime_tickets (tenant_id, hash, user_id, session_id, issuer, subject, credentials_end_at)
VALUES (@tenant, :ticket_hash::bytea, @user, :session::uuid, :issuer, :subject, to_timestamp(:end_s::bigint))
RETURNING :ticket::text AS ticket, expires_at;

-- name: realtime_connect :row
-- Who stands at the door, and is the page (@origin, in lower case) one of the tenant's, by its public keys?
SELECT app_tenant()::text AS tenant_id, u.id::text, u.public_id,
       EXISTS (SELECT FROM api_keys k
               WHERE k.tenant_id = app_tenant() AND k.type = 'public' AND k.is_active AND k.revoked_at IS NULL
                 AND @origin = ANY (k.allowed_origins)) AS is_from_page
FROM users u
WHERE u.tenant_id = @tenant AND u.id = @user;

-- name: realtime_listen :row
-- The same, for one channel: is it one, and may they listen to it?
SELECT app_tenant()::text AS tenant_id, u.id::text, u.public_id,
       EXISTS (SELECT FROM api_keys k
               WHERE k.tenant_id = app_tenant() AND k.type = 'public' AND k.is_active AND k.revoked_at IS NULL
                 AND @origin = ANY (k.allowed_origins)) AS is_from_page,
       realtime_kind(:channel) IS NOT NULL AS is_channel,
       coalesce(realtime_may(u.id, :channel, 'subscribe'), false) AS may
FROM users u
WHERE u.tenant_id = @tenant AND u.id = @user;

-- name: realtime_workspace :row
-- The same, for what a member is notified of and what the workspace is told: as realtime/authorizer.c reads it.
-- The state and the position of the member's channel are of one snapshot: what comes behind that is not in it.
SELECT app_tenant()::text AS tenant_id, u.id::text, u.public_id,
       EXISTS (SELECT FROM api_keys k
               WHERE k.tenant_id = app_tenant() AND k.type = 'public' AND k.is_active AND k.revoked_at IS NULL
                 AND @origin = ANY (k.allowed_origins)) AS is_from_page,
       'member:' || @member AS channel, 'workspace:' || @workspace AS also, true AS is_plain,
       realtime_position('member:' || @member) AS event_id, 'workspace_event' AS state_event, notification_state()::text AS state
FROM users u
WHERE u.tenant_id = @tenant AND u.id = @user;

-- name: realtime_team_events :row
-- The events of the tenant, for a member of its team.
SELECT m.tenant_id::text, m.id::text, 'team:' || m.id AS public_id, false AS is_from_page, 'tenant:' || m.tenant_id AS channel
FROM team_members m
WHERE m.tenant_id = @tenant AND m.id = @team;

-- name: realtime_key_events :row
-- The same for a secret key.
SELECT k.tenant_id::text, k.id::text, 'key:' || k.prefix AS public_id, false AS is_from_page, 'tenant:' || k.tenant_id AS channel
FROM api_keys k
WHERE k.tenant_id = @tenant AND k.hash = (SELECT decode(current_setting('app.key_hash', true), 'hex'));

-- name: realtime_team_requests :row
-- Its requests, as they are answered.
SELECT m.tenant_id::text, m.id::text, 'team:' || m.id AS public_id, false AS is_from_page, 'requests:' || m.tenant_id AS channel, true AS is_plain
FROM team_members m
WHERE m.tenant_id = @tenant AND m.id = @team;
