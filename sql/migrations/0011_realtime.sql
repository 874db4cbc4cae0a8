-- What is told to clients at once: messages on channels, who is there, and the
-- tickets with which they come in.  sql/functions/realtime.sql has the ways in
-- and out; nobody else reads or writes these tables.

-- ---------------------------------------------------------------- messages

-- The outbox that every realtime process tails.  A message is written in the
-- transaction of the change that it tells of (realtime_publish).
--
--   id       in order of commit within a channel: whoever publishes there holds
--            the channel's lock from before the id is drawn until the commit
--   xid      the transaction; a tailer asks for the messages of those that were
--            running when it last looked (see realtime_tail)
--   slot     which minute it is from, of a ring of four.  A minute that is over
--            for two is truncated (realtime_rotate): there is nothing to create,
--            to drop or to vacuum while it runs, and nothing grows
--   kind     "message"; "notification", for all connections of a user; "event",
--            of a stream such as a job's progress, which is_last ends;
--            "presence", somebody came or went: not kept for who was away
--   sender   the public id of the user who sent it; NULL: the server did
--   event    the name of an event
CREATE SEQUENCE realtime_ids;

CREATE TABLE realtime_messages (
    tenant_id  uuid NOT NULL,
    channel    text NOT NULL,
    id         bigint NOT NULL,
    slot       smallint NOT NULL,
    xid        xid8 NOT NULL,
    kind       text NOT NULL,
    payload    jsonb NOT NULL,
    sender     text,
    event      text,
    is_last    boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, channel, id, slot),
    CONSTRAINT realtime_messages_kind_known CHECK (kind IN ('message', 'notification', 'event', 'presence'))
) PARTITION BY LIST (slot);
CREATE INDEX realtime_messages_new ON realtime_messages (id);
CREATE INDEX realtime_messages_late ON realtime_messages (xid, id);
SELECT isolate('realtime_messages');
-- Tailing, publishing in batches and rotating are over all tenants: functions that run as the owner.
CREATE POLICY realtime_messages_directory ON realtime_messages TO CURRENT_USER USING (true) WITH CHECK (true);

DO $$
BEGIN
    FOR i IN 0..3 LOOP
        -- Truncated a few minutes after it was filled: what vacuum would do for it is never used.
        EXECUTE format('CREATE TABLE realtime_messages_%1$s PARTITION OF realtime_messages FOR VALUES IN (%1$s)
                        WITH (autovacuum_vacuum_insert_threshold = -1)', i);
        PERFORM isolate(('realtime_messages_' || i)::regclass);
    END LOOP;
END
$$;

-- How far the ring was emptied.  Of no tenant.
--
--   mark, mark_at        a time, and which transactions had ended by then
--   safe                 the same of at least ten seconds ago: what those wrote has been
--                        there for every tailer to read, and may go
--   purges, purged_id    how often messages went, and the highest id of them
--   forgotten_id         of gone messages up to here it is not known any more which channels they were on
CREATE TABLE realtime_state (
    id           boolean PRIMARY KEY DEFAULT true,
    mark         pg_snapshot,
    mark_at      timestamptz NOT NULL DEFAULT '-infinity',
    safe         pg_snapshot,
    purges       bigint NOT NULL DEFAULT 0,
    purged_id    bigint NOT NULL DEFAULT 0,
    forgotten_id bigint NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT realtime_state_single CHECK (id)
);
CREATE TRIGGER realtime_state_touch BEFORE UPDATE ON realtime_state FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO realtime_state DEFAULT VALUES;

-- The last message of each channel that is gone, for a day: so that a client
-- which was away from a quiet channel is told for certain that it missed
-- nothing.  xid: no transaction from before it can still write below last_id.
CREATE TABLE realtime_floors (
    tenant_id  uuid NOT NULL,
    channel    text NOT NULL,
    last_id    bigint NOT NULL,
    xid        xid8 NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, channel)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX realtime_floors_age ON realtime_floors (updated_at);
CREATE TRIGGER realtime_floors_touch BEFORE UPDATE ON realtime_floors FOR EACH ROW EXECUTE FUNCTION touch();
SELECT isolate('realtime_floors');
CREATE POLICY realtime_floors_directory ON realtime_floors TO CURRENT_USER USING (true) WITH CHECK (true);

-- ---------------------------------------------------------------- who is there

-- The realtime processes of all hosts, of no tenant.  One that has not renewed
-- its lease is dead, and so is who was there through it.
--
-- These and the tickets are unlogged: after a crash of PostgreSQL the processes
-- find that they are not in the list, and put down again who is there.
CREATE UNLOGGED TABLE realtime_processes (
    id          uuid PRIMARY KEY,
    lease_until timestamptz NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER realtime_processes_touch BEFORE UPDATE ON realtime_processes FOR EACH ROW EXECUTE FUNCTION touch();

-- Which connection is on which channel, of those that asked for presence.
-- client is its number within the process; user_id the user's public id.
CREATE UNLOGGED TABLE realtime_presence (
    tenant_id  uuid NOT NULL,
    channel    text NOT NULL,
    user_id    text NOT NULL,
    process    uuid NOT NULL,
    client     bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, channel, user_id, process, client)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX realtime_presence_of_process ON realtime_presence (process, client);
CREATE TRIGGER realtime_presence_touch BEFORE UPDATE ON realtime_presence FOR EACH ROW EXECUTE FUNCTION touch();
SELECT isolate('realtime_presence');
CREATE POLICY realtime_presence_directory ON realtime_presence TO CURRENT_USER USING (true) WITH CHECK (true);

-- ---------------------------------------------------------------- tickets

-- What opens one connection, within 30 seconds: a query string is written down
-- in too many places for a token that is good for longer.  It carries the
-- credentials with which it was asked for: a session of ours, or another
-- issuer's subject with the expiry of its token (credentials_end_at).
CREATE UNLOGGED TABLE realtime_tickets (
    tenant_id          uuid NOT NULL,
    hash               bytea NOT NULL,
    user_id            uuid NOT NULL,
    session_id         uuid,
    issuer             text,
    subject            text,
    credentials_end_at timestamptz,
    expires_at         timestamptz NOT NULL DEFAULT now() + interval '30 seconds',
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, hash),
    CONSTRAINT realtime_tickets_hash_length CHECK (octet_length(hash) = 32)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX realtime_tickets_age ON realtime_tickets (expires_at);
CREATE TRIGGER realtime_tickets_touch BEFORE UPDATE ON realtime_tickets FOR EACH ROW EXECUTE FUNCTION touch();
SELECT isolate('realtime_tickets');
SELECT purgeable('realtime_tickets', 'expires_at < now() - interval ''1 minute''');
GRANT SELECT, INSERT, DELETE ON realtime_tickets TO ashlar_api;

-- ---------------------------------------------------------------- jobs

-- Who follows its progress, on the channel job:<id> (see job_follow); NULL: nobody.
ALTER TABLE jobs ADD created_by uuid;

-- However it ends, which is when it gets a finished_at, whoever follows it is told, and let go; jobs that
-- nobody follows pay nothing.
CREATE FUNCTION job_over() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM realtime_put_in(NEW.tenant_id, 'job:' || NEW.id, jsonb_build_object('state', NEW.state, 'result', NEW.result),
                            NULL, 'event', NEW.state, true);
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION job_over() FROM PUBLIC;
CREATE TRIGGER jobs_over AFTER UPDATE OF finished_at ON jobs FOR EACH ROW
    WHEN (NEW.created_by IS NOT NULL AND NEW.state IN ('completed', 'failed', 'cancelled') AND OLD.state <> NEW.state)
    EXECUTE FUNCTION job_over();
