-- Realtime: what is published, who may listen, and how it is read.
--
-- A channel is "<kind>:<id>": realtime_kind() and realtime_rights() know the kinds.
-- What is told on it is a row of realtime_messages, which every realtime process
-- tails; so the hosts add up without a broker, and what was rolled back was
-- never told.

-- ---------------------------------------------------------------- channels

-- The kind of a channel's name; NULL: it is none.  The lengths are not in the
-- pattern: counting there cost 30 times as much as the rest.
CREATE OR REPLACE FUNCTION realtime_kind(channel text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN channel ~ '^[a-z][a-z0-9_]*:[^[:space:][:cntrl:]]+$' AND strpos(channel, ':') <= 33
                 AND char_length(channel) <= strpos(channel, ':') + 255 THEN split_part(channel, ':', 1) END;

-- The id in it.
CREATE OR REPLACE FUNCTION realtime_id(channel text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN substr(channel, strpos(channel, ':') + 1);

-- The same where the kind's ids are UUIDs; NULL for any other text.
CREATE OR REPLACE FUNCTION realtime_uuid(channel text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN realtime_id(channel) ~ '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$'
            THEN realtime_id(channel)::uuid END;

-- The advisory lock of a channel.
CREATE OR REPLACE FUNCTION realtime_lock_key(tenant uuid, channel text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN hash_record_extended(ROW ('realtime'::text, tenant, channel), 0);

-- Which of these may: user (by id) and channel number nr, to listen (action
-- "subscribe") or to send ("publish").  Asked in the tenant (app_tenant()).
--
-- To add a kind, add a branch: for all of that kind at once, the numbers of those
-- for whom a look-up by an index finds something.  What no branch knows is refused.
-- (Branches, because one CASE sets up the look-ups of all kinds for each
-- question; LIMIT 1, so that it stays a look-up for each, whatever the planner
-- thinks of tables that have grown since it last looked.)
CREATE OR REPLACE FUNCTION realtime_rights(users uuid[], channels text[], action text) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE ROWS 10 AS $$
DECLARE
    tenant uuid := app_tenant();
    kind   text;
    nrs    bigint[];
    its    uuid[];
    names  text[];    -- the id in the channel's name
    ids    uuid[];    -- the same, where it is a UUID
BEGIN
    FOR kind, nrs, its, names, ids IN
        SELECT realtime_kind(a.channel), array_agg(a.nr), array_agg(a.usr), array_agg(realtime_id(a.channel)),
               array_agg(realtime_uuid(a.channel))
        FROM unnest(users, channels) WITH ORDINALITY a (usr, channel, nr)
        GROUP BY 1
    LOOP
        -- One's own devices, and what the server has to say to one.
        IF kind = 'user' THEN
            RETURN QUERY
            SELECT a.nr FROM unnest(nrs, its, names) a (nr, usr, name), LATERAL (
                SELECT FROM users u
                WHERE u.tenant_id = tenant AND u.id = a.usr AND u.public_id = a.name AND u.access > 0 LIMIT 1) found;
        ELSIF kind = 'project' THEN
            RETURN QUERY
            SELECT a.nr FROM unnest(nrs, its, ids) a (nr, usr, id), LATERAL (
                SELECT FROM projects p
                WHERE p.tenant_id = tenant AND p.id = a.id AND p.owner_id = a.usr AND p.deleted_at IS NULL LIMIT 1) found;
        ELSIF kind = 'organization' THEN
            RETURN QUERY
            SELECT a.nr FROM unnest(nrs, its, ids) a (nr, usr, id), LATERAL (
                SELECT FROM memberships m JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
                WHERE m.tenant_id = tenant AND m.organization_id = a.id AND m.user_id = a.usr AND m.is_active
                  AND o.deleted_at IS NULL LIMIT 1) found;
        -- What a member is notified of, and what is another one in a workspace: the server's to tell.
        ELSIF kind = 'member' AND action = 'subscribe' THEN
            RETURN QUERY
            SELECT a.nr FROM unnest(nrs, its, ids) a (nr, usr, id), LATERAL (
                SELECT FROM memberships m JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
                WHERE m.tenant_id = tenant AND m.id = a.id AND m.user_id = a.usr AND m.is_active
                  AND o.deleted_at IS NULL LIMIT 1) found;
        ELSIF kind = 'workspace' AND action = 'subscribe' THEN
            RETURN QUERY
            SELECT a.nr FROM unnest(nrs, its, ids) a (nr, usr, id), LATERAL (
                SELECT FROM memberships m JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
                WHERE m.tenant_id = tenant AND m.organization_id = a.id AND m.user_id = a.usr AND m.is_active
                  AND o.deleted_at IS NULL LIMIT 1) found;
        -- A job tells how far it is; no subscriber tells it anything.
        ELSIF kind = 'job' AND action = 'subscribe' THEN
            RETURN QUERY
            SELECT a.nr FROM unnest(nrs, its, ids) a (nr, usr, id), LATERAL (
                SELECT FROM jobs j WHERE j.tenant_id = tenant AND j.id = a.id AND j.created_by = a.usr LIMIT 1) found;
        -- How far a workspace's migration is, for who works there.
        ELSIF kind = 'workspace_run' AND action = 'subscribe' THEN
            RETURN QUERY
            SELECT a.nr FROM unnest(nrs, its, ids) a (nr, usr, id), LATERAL (
                SELECT FROM workspace_runs r
                JOIN memberships m ON m.tenant_id = r.tenant_id AND m.organization_id = r.organization_id AND m.user_id = a.usr AND m.is_active
                WHERE r.tenant_id = tenant AND r.id = a.id LIMIT 1) found;
        -- And its geocoding.
        ELSIF kind = 'record_run' AND action = 'subscribe' THEN
            RETURN QUERY
            SELECT a.nr FROM unnest(nrs, its, ids) a (nr, usr, id), LATERAL (
                SELECT FROM record_runs r
                JOIN memberships m ON m.tenant_id = r.tenant_id AND m.organization_id = r.organization_id AND m.user_id = a.usr AND m.is_active
                JOIN organizations o ON o.tenant_id = r.tenant_id AND o.id = r.organization_id AND o.deleted_at IS NULL
                WHERE r.tenant_id = tenant AND r.id = a.id AND r.kind = 'geocode' LIMIT 1) found;
        -- How far a sign-up is, of whom there is no user yet: who follows it stands for the run.
        ELSIF kind = 'signup' AND action = 'subscribe' THEN
            RETURN QUERY
            SELECT a.nr FROM unnest(nrs, its, ids) a (nr, usr, id), LATERAL (
                SELECT FROM signup_runs r WHERE r.tenant_id = tenant AND r.id = a.id AND r.id = a.usr LIMIT 1) found;
        -- Traces as they come in: the server's to tell whoever may read them (trace_reader).
        ELSIF kind = 'trace_project' AND action = 'subscribe' THEN
            RETURN QUERY
            SELECT a.nr FROM unnest(nrs, its, ids) a (nr, usr, id), LATERAL (
                SELECT FROM trace_projects p JOIN organizations o ON o.tenant_id = p.tenant_id AND o.id = p.organization_id
                WHERE p.tenant_id = tenant AND p.id = a.id AND p.deleted_at IS NULL AND o.deleted_at IS NULL
                  AND (o.id = demo_org() OR EXISTS (SELECT FROM memberships m WHERE m.tenant_id = tenant AND m.organization_id = o.id
                                                      AND m.user_id = a.usr AND m.is_active)) LIMIT 1) found;
        -- What the whole tenant hears: its team's to listen to, and its events its own server's, by a secret key.
        ELSIF kind IN ('tenant', 'requests') AND action = 'subscribe' THEN
            RETURN QUERY
            SELECT a.nr FROM unnest(nrs, its, ids) a (nr, usr, id), LATERAL (
                SELECT FROM team_members m
                WHERE a.id = tenant AND m.tenant_id = tenant AND m.id = a.usr AND m.access >= CASE kind WHEN 'tenant' THEN 2 ELSE 1 END
                UNION ALL
                SELECT FROM api_keys k
                WHERE a.id = tenant AND k.tenant_id = tenant AND k.id = a.usr AND kind = 'tenant' AND k.type = 'secret' AND k.is_active
                  AND k.revoked_at IS NULL AND k.tenant_active AND (k.scopes IS NULL OR '*' = ANY (k.scopes)) LIMIT 1) found;
        -- What is for everybody in the tenant, from the server.
        ELSIF kind = 'public' AND action = 'subscribe' THEN
            RETURN QUERY SELECT unnest(nrs);
        END IF;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION realtime_may(usr uuid, channel text, action text) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM realtime_rights(ARRAY[usr], ARRAY[channel], action));
END
$$;

-- The numbers of those that may not listen (any more), of several tenants: for a
-- process that asks again, every few seconds, for all that its clients listen to.
CREATE OR REPLACE FUNCTION realtime_refused_many(tenants uuid[], users uuid[], channels text[]) RETURNS SETOF bigint
LANGUAGE plpgsql ROWS 10 AS $$
DECLARE
    t        uuid;
    nrs      bigint[];
    its      uuid[];
    its_ones text[];
BEGIN
    FOR t, nrs, its, its_ones IN
        SELECT a.tenant, array_agg(a.nr), array_agg(a.usr), array_agg(a.channel)
        FROM unnest(tenants, users, channels) WITH ORDINALITY a (tenant, usr, channel, nr)
        GROUP BY 1
    LOOP
        PERFORM set_config('app.tenant_id', t::text, true);
        PERFORM tenant_listen_all(its_ones);
        RETURN QUERY
        SELECT n.nr FROM unnest(nrs) WITH ORDINALITY n (nr, i)
        WHERE n.i NOT IN (SELECT r FROM realtime_rights(its, its_ones, 'subscribe') r);
    END LOOP;
END
$$;

-- ---------------------------------------------------------------- publishing

-- A message, straight into the part of its slot, which the parent takes longer to find than the row takes to store.
CREATE OR REPLACE FUNCTION realtime_store(m realtime_messages) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    CASE m.slot
    WHEN 0 THEN INSERT INTO realtime_messages_0 VALUES (m.*);
    WHEN 1 THEN INSERT INTO realtime_messages_1 VALUES (m.*);
    WHEN 2 THEN INSERT INTO realtime_messages_2 VALUES (m.*);
    WHEN 3 THEN INSERT INTO realtime_messages_3 VALUES (m.*);
    END CASE;
END
$$;

-- What all ways of publishing end in: check, lock, and only then draw the id.
--
-- The order of these steps is what keeps a channel's ids in order of commit,
-- and what lets realtime_tail() know whose messages may still come: the
-- transaction has its number, the lock is held until it ends, then the id.
-- So publish late: others who publish on the channel wait for the commit.
CREATE OR REPLACE FUNCTION realtime_put_in(tenant uuid, channel text, payload jsonb, sender text, kind text, event text,
                                           is_last boolean) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    made   bigint;
    writer xid8 := pg_current_xact_id();
    at     timestamptz;
BEGIN
    IF tenant IS NULL THEN
        RAISE SQLSTATE '42501' USING MESSAGE = 'realtime: there is no tenant to publish in';
    ELSIF realtime_kind(channel) IS NULL THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'channel',
            MESSAGE = 'channel must be <kind>:<id>, such as project:018f3c1e-7b5a-7c3e-8d2f-0a1b2c3d4e5f';
    ELSIF octet_length(payload::text) > 32768 OR payload IS NULL THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'payload', MESSAGE = 'payload must be JSON of at most 32768 bytes';
    END IF;
    PERFORM pg_advisory_xact_lock(realtime_lock_key(tenant, channel));
    made := nextval('realtime_ids');
    at := clock_timestamp();
    PERFORM realtime_store(ROW(tenant, channel, made, realtime_slot(at), writer, kind, payload, sender, event, is_last, at));
    RAISE NOTICE USING ERRCODE = 'AS900', MESSAGE = 'realtime';
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION realtime_put_in(uuid, text, jsonb, text, text, text, boolean) FROM PUBLIC;

-- In the tenant of the transaction.
CREATE OR REPLACE FUNCTION realtime_put(channel text, payload jsonb, sender text, kind text, event text,
                                        is_last boolean) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN    -- in SQL it would be planned anew for each message
    RETURN realtime_put_in(app_tenant(), channel, payload, sender, kind, event, is_last);
END
$$;
REVOKE ALL ON FUNCTION realtime_put(text, jsonb, text, text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION realtime_put(text, jsonb, text, text, text, boolean) TO ashlar_api;

-- The same event on many channels, each with something of its own beside what they have in common (payload).  Who calls it holds
-- a lock, from before and until the end, that all have to take who publish on such a channel: so the channels' own are not taken.
CREATE OR REPLACE FUNCTION realtime_put_each(channels text[], payload jsonb, each jsonb[], event text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    tenant uuid := app_tenant();
    writer xid8 := pg_current_xact_id();
    at     timestamptz := clock_timestamp();
    slot   smallint := realtime_slot(at);
BEGIN
    IF tenant IS NULL THEN
        RAISE SQLSTATE '42501' USING MESSAGE = 'realtime: there is no tenant to publish in';
    ELSIF octet_length((payload || each[1])::text) > 32768 OR payload IS NULL THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'payload', MESSAGE = 'payload must be JSON of at most 32768 bytes';
    END IF;
    CASE slot    -- straight into its part, as realtime_store() does
    WHEN 0 THEN
        INSERT INTO realtime_messages_0 (tenant_id, channel, id, slot, xid, kind, payload, event, created_at)
        SELECT tenant, c.channel, nextval('realtime_ids'), slot, writer, 'event', payload || c.own, event, at FROM unnest(channels, each) c (channel, own);
    WHEN 1 THEN
        INSERT INTO realtime_messages_1 (tenant_id, channel, id, slot, xid, kind, payload, event, created_at)
        SELECT tenant, c.channel, nextval('realtime_ids'), slot, writer, 'event', payload || c.own, event, at FROM unnest(channels, each) c (channel, own);
    WHEN 2 THEN
        INSERT INTO realtime_messages_2 (tenant_id, channel, id, slot, xid, kind, payload, event, created_at)
        SELECT tenant, c.channel, nextval('realtime_ids'), slot, writer, 'event', payload || c.own, event, at FROM unnest(channels, each) c (channel, own);
    WHEN 3 THEN
        INSERT INTO realtime_messages_3 (tenant_id, channel, id, slot, xid, kind, payload, event, created_at)
        SELECT tenant, c.channel, nextval('realtime_ids'), slot, writer, 'event', payload || c.own, event, at FROM unnest(channels, each) c (channel, own);
    END CASE;
    RAISE NOTICE USING ERRCODE = 'AS900', MESSAGE = 'realtime';
END
$$;
REVOKE ALL ON FUNCTION realtime_put_each(text[], jsonb, jsonb[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION realtime_put_each(text[], jsonb, jsonb[], text) TO ashlar_api;

-- Which of the ring's four a time belongs to.
CREATE OR REPLACE FUNCTION realtime_slot(at timestamptz) RETURNS smallint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN ((extract(epoch FROM at)::bigint / 60) % 4)::smallint;
END
$$;

-- Tell everybody who listens to the channel, when this transaction commits.
-- sender is the public id of the user who sent it; NULL: the server.
-- Raises AS422.
CREATE OR REPLACE FUNCTION realtime_publish(channel text, payload jsonb, sender text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM realtime_put(channel, payload, sender, 'message', NULL, false);
END
$$;

-- Tell a user something, on all connections there are.
CREATE OR REPLACE FUNCTION realtime_notify(usr text, title text, message text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM realtime_put('user:' || usr, jsonb_build_object('title', title, 'message', message), NULL, 'notification',
                         NULL, false);
END
$$;

CREATE OR REPLACE FUNCTION realtime_notify(usr uuid, title text, message text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM realtime_notify(u.public_id, title, message)
    FROM users u
    WHERE u.tenant_id = app_tenant() AND u.id = usr;
END
$$;

-- The caller follows a job that was just added: SELECT job_follow(job_add(…)).
-- They, and no other users, may listen to the channel job:<id>; however the job ends,
-- the channel is told, and ends with it.
CREATE OR REPLACE FUNCTION job_follow(job uuid) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    UPDATE jobs SET created_by = app_user() WHERE tenant_id = app_tenant() AND id = job RETURNING id;
END;
REVOKE ALL ON FUNCTION job_follow(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION job_follow(uuid) TO ashlar_api;

-- Tell how far a job is, or anything else that takes its time and ends: an
-- event with a name on the channel job:<id>.  is_last ends the stream before the
-- job does.
CREATE OR REPLACE FUNCTION job_progress(job uuid, event text, data jsonb, is_last boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF event !~ '^[a-z][a-z0-9_.-]{0,63}$' THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'event',
            MESSAGE = 'event must be 1 to 64 characters of a-z, 0-9, ".", "_" and "-", a letter first';
    END IF;
    PERFORM realtime_put('job:' || job, data, NULL, 'event', event, job_progress.is_last);
END
$$;

-- What clients send, many at once, of several tenants; for the realtime
-- process, which has checked them.  Locks are taken in one order by all, so no
-- two batches wait for each other in a circle; ids follow the order given.
CREATE OR REPLACE FUNCTION realtime_publish_many(tenants uuid[], channels text[], payloads jsonb[], senders text[])
RETURNS TABLE (nr bigint, id bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp ROWS 10 AS $$
BEGIN
    PERFORM realtime_lock_many(tenants, channels);
    RETURN QUERY SELECT * FROM realtime_put_many('message', tenants, channels, payloads, senders);
END
$$;
REVOKE ALL ON FUNCTION realtime_publish_many(uuid[], text[], jsonb[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION realtime_publish_many(uuid[], text[], jsonb[], text[]) TO ashlar_api;

-- ---------------------------------------------------------------- tailing

-- What has been committed since the last look; see realtime/tail.h, which calls this.
--
--   hi     everything up to this id has been read, but for what the
--          transactions that had not ended in "since" may have written; NULL:
--          begin now
--   since  the snapshot of the last look
--   upto   NULL, or the snapshot up to which late messages are asked for
--   late   late messages up to this id have been read
--
-- A message below hi can come only from a transaction that had its number when
-- hi was read (see realtime_put) and had not ended: one that "since" lists, or
-- one from its xmax on, which is behind the last that had ended and not behind
-- the last that had begun.  So those that have ended meanwhile are asked for
-- theirs, by an index, and there is no list of the ids that are missing: a
-- transaction that stays open delays its own messages and no others, and one
-- that is rolled back leaves nothing.
--
-- The first row is the look itself: its snapshot (behind the timeline, which is
-- another one after a failover), and a time before it; with hi NULL, id is where
-- to begin.  Then messages, in order of their ids: late ones, then new ones, at
-- most max of each.  The last row tells how far the ring was emptied and when
-- that was asked, after the messages: TRUNCATE does not wait for snapshots.
CREATE OR REPLACE FUNCTION realtime_tail(hi bigint, since pg_snapshot, upto pg_snapshot, late bigint, max integer)
RETURNS TABLE (id bigint, tenant_id uuid, channel text, kind text, payload text, sender text, event text,
               is_last boolean, created_at text, snapshot text, at_ms bigint, purges bigint, purged_id bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET plan_cache_mode = force_generic_plan ROWS 10 AS $$
DECLARE
    began    bigint := extract(epoch FROM clock_timestamp()) * 1000;
    timeline text := left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/';
BEGIN
    IF hi IS NULL THEN
        RETURN QUERY
        SELECT coalesce((SELECT m.id FROM realtime_messages m ORDER BY m.id DESC LIMIT 1), 0), NULL::uuid, NULL, NULL,
               NULL, NULL, NULL, NULL::boolean, NULL, timeline || pg_current_snapshot(), began, NULL::bigint, NULL::bigint;
    ELSE
        RETURN QUERY
        SELECT NULL::bigint, NULL::uuid, NULL, NULL, NULL, NULL, NULL, NULL::boolean, NULL,
               timeline || pg_current_snapshot(), began, NULL::bigint, NULL::bigint
        UNION ALL
        (SELECT l.id, l.tenant_id, l.channel, l.kind, l.payload::text, l.sender, l.event, l.is_last,
                json_time(l.created_at), NULL, NULL::bigint, NULL::bigint, NULL::bigint
         FROM (SELECT one.* FROM pg_snapshot_xip(since) x,
                      LATERAL (SELECT m.* FROM realtime_messages m
                               WHERE m.xid = x AND m.id > late AND m.id <= hi
                               ORDER BY m.id LIMIT max) one
               WHERE pg_visible_in_snapshot(x, coalesce(upto, pg_current_snapshot()))
               UNION ALL
               (SELECT m.* FROM realtime_messages m
                WHERE m.xid >= pg_snapshot_xmax(since) AND m.xid < pg_snapshot_xmax(coalesce(upto, pg_current_snapshot()))
                  AND m.id > late AND m.id <= hi AND pg_visible_in_snapshot(m.xid, coalesce(upto, pg_current_snapshot()))
                OFFSET 0)) l
         ORDER BY l.id
         LIMIT max)
        UNION ALL
        (SELECT m.id, m.tenant_id, m.channel, m.kind, m.payload::text, m.sender, m.event, m.is_last,
                json_time(m.created_at), NULL, NULL::bigint, NULL::bigint, NULL::bigint
         FROM realtime_messages m
         WHERE m.id > hi
         ORDER BY m.id
         LIMIT max);
    END IF;
    RETURN QUERY
    SELECT NULL::bigint, NULL::uuid, NULL, NULL, NULL, NULL, NULL, NULL::boolean, NULL, NULL,
           (extract(epoch FROM clock_timestamp()) * 1000)::bigint, s.purges, s.purged_id
    FROM realtime_state s;
END
$$;
REVOKE ALL ON FUNCTION realtime_tail(bigint, pg_snapshot, pg_snapshot, bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION realtime_tail(bigint, pg_snapshot, pg_snapshot, bigint, integer) TO ashlar_api;

-- What a client missed on a channel: it has everything up to the id "after".
--
-- The first row: whether the following ones are all that it missed, and the
-- position of the channel, from which a client can ask the next time even if it
-- got no message.  is_recovered is false when some of it is gone (and never by
-- mistake true), when there are more than max, or when "after" was never given
-- out; the newest that are kept come all the same.  NULL asks for the position only.
--
-- The messages are read before the state of the ring: in between it can only
-- have become emptier, and that shows.
CREATE OR REPLACE FUNCTION realtime_history(tenant uuid, channel text, after bigint, max integer)
RETURNS TABLE (is_recovered boolean, "position" bigint, id bigint, kind text, payload text, sender text, event text,
               is_last boolean, created_at text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET plan_cache_mode = force_generic_plan ROWS 10 AS $$
#variable_conflict use_variable
DECLARE
    kept  realtime_messages[];    -- newest first
    here  bigint;
    whole boolean;
BEGIN
    SELECT ARRAY(SELECT m FROM realtime_messages m
                 WHERE m.tenant_id = tenant AND m.channel = realtime_history.channel AND m.id > after
                   AND m.kind <> 'presence'
                 ORDER BY m.id DESC LIMIT max + 1),
           (SELECT m.id FROM realtime_messages m
            WHERE m.tenant_id = tenant AND m.channel = realtime_history.channel
            ORDER BY m.id DESC LIMIT 1)
    INTO kept, here;
    SELECT after >= s.forgotten_id AND after >= coalesce(f.last_id, 0) AND after <= i.last_value
           AND cardinality(kept) <= max,
           coalesce(here, f.last_id, s.forgotten_id)
    INTO whole, here
    FROM realtime_state s CROSS JOIN realtime_ids i
    LEFT JOIN realtime_floors f ON f.tenant_id = tenant AND f.channel = realtime_history.channel;

    RETURN QUERY SELECT coalesce(whole, false), here, NULL::bigint, NULL, NULL, NULL, NULL, NULL::boolean, NULL;
    RETURN QUERY
    SELECT NULL::boolean, NULL::bigint, k.id, k.kind, k.payload::text, k.sender, k.event, k.is_last,
           json_time(k.created_at)
    FROM unnest(kept[1:max]) k
    ORDER BY k.id;
END
$$;
REVOKE ALL ON FUNCTION realtime_history(uuid, text, bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION realtime_history(uuid, text, bigint, integer) TO ashlar_api;

-- Up to which id a channel has told, as the snapshot of the statement has it: what a state that is read beside it
-- does not have yet has a larger one.  Of what the ring lost since, an older id than that is told, and never a newer one.
CREATE OR REPLACE FUNCTION realtime_position(channel text) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    tenant uuid := app_tenant();
BEGIN
    RETURN coalesce((SELECT m.id FROM realtime_messages m
                     WHERE m.tenant_id = tenant AND m.channel = realtime_position.channel ORDER BY m.id DESC LIMIT 1),
                    (SELECT f.last_id FROM realtime_floors f WHERE f.tenant_id = tenant AND f.channel = realtime_position.channel),
                    (SELECT s.forgotten_id FROM realtime_state s));
END
$$;
REVOKE ALL ON FUNCTION realtime_position(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION realtime_position(text) TO ashlar_api;

-- A user comes to a channel: may they, and what did they miss?  is_over: it is
-- the stream of a job that has ended, so nothing comes after what is kept.
-- No row: they may not.
CREATE OR REPLACE FUNCTION realtime_subscribe(tenant uuid, usr uuid, channel text, after bigint, max integer)
RETURNS TABLE (is_recovered boolean, "position" bigint, is_over boolean, id bigint, kind text, payload text, sender text,
               event text, is_last boolean, created_at text)
LANGUAGE plpgsql ROWS 10 AS $$
#variable_conflict use_variable
DECLARE
    state text;
BEGIN
    PERFORM set_config('app.tenant_id', tenant::text, true);
    IF NOT realtime_may(usr, channel, 'subscribe') THEN
        RETURN;
    END IF;
    PERFORM tenant_listen_all(ARRAY[channel]);
    IF realtime_kind(channel) = 'job' THEN    -- before its history: what it told before it ended is then there
        state := (SELECT j.state FROM jobs j WHERE j.tenant_id = tenant AND j.id = realtime_uuid(channel));
    END IF;
    RETURN QUERY
    SELECT h.is_recovered, h.position, coalesce(state IN ('completed', 'failed', 'cancelled'), false), h.id, h.kind,
           h.payload, h.sender, h.event, h.is_last, h.created_at
    FROM realtime_history(tenant, channel, after, max) h;
END
$$;

-- ---------------------------------------------------------------- the ring

-- Empty what is old: each realtime process calls this every few seconds, and
-- one of them does it.  Returns how many times it emptied or cut a minute.
--
-- A message goes when it is two minutes old and its transaction ended at least
-- ten seconds ago (see realtime_state): so tailers have read it.  A minute all of
-- whose messages are such is truncated.  When another session reads or writes there (a
-- dump; a transaction that wrote and stays open), no publisher waits for the lock for
-- more than a moment, and the messages are deleted instead.
--
-- The last id of each channel is kept (realtime_floors), before the lock is
-- taken: with it only what takes no time is done.
CREATE OR REPLACE FUNCTION realtime_rotate() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '50ms' AS $$
DECLARE
    here   pg_snapshot := pg_current_snapshot();
    at     timestamptz := clock_timestamp();
    s      realtime_state;
    part   text;
    newest record;
    oldest timestamptz;
    n      integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('realtime rotate', 0)) THEN
        RETURN 0;
    END IF;
    SELECT * INTO s FROM realtime_state;
    -- A number from the future is another cluster's: this one was restored from a dump.
    IF s.mark_at <= at - interval '10 seconds' OR pg_snapshot_xmax(s.mark) > pg_snapshot_xmax(here) THEN
        UPDATE realtime_state
        SET safe = CASE WHEN pg_snapshot_xmax(mark) <= pg_snapshot_xmax(here) THEN mark END, mark = here, mark_at = at
        RETURNING * INTO s;
    END IF;
    IF s.safe IS NULL THEN
        RETURN 0;
    END IF;

    FOR i IN 0..3 LOOP
        part := 'realtime_messages_' || i;
        SELECT m.id, m.created_at INTO newest FROM realtime_messages m WHERE m.slot = i ORDER BY m.id DESC LIMIT 1;
        CONTINUE WHEN newest.id IS NULL;
        IF i <> realtime_slot(at) AND newest.created_at < at - interval '2 minutes' THEN
            CONTINUE WHEN realtime_is_fresh(i, s.safe, here);
            PERFORM realtime_sink(i);
            BEGIN
                EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', part);
                IF NOT realtime_is_fresh(i, s.safe, here) THEN
                    EXECUTE format('TRUNCATE %I', part);
                    UPDATE realtime_state SET purges = purges + 1, purged_id = greatest(purged_id, newest.id);
                    n := n + 1;
                END IF;
                CONTINUE;
            EXCEPTION
                WHEN lock_not_available OR deadlock_detected THEN NULL;
            END;
        ELSE
            oldest := (SELECT m.created_at FROM realtime_messages m WHERE m.slot = i ORDER BY m.id LIMIT 1);
            CONTINUE WHEN oldest >= at - interval '4 minutes';
        END IF;
        n := n + realtime_cut(i, at - interval '2 minutes', s.safe, here);
    END LOOP;
    PERFORM realtime_forget(here);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION realtime_rotate() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION realtime_rotate() TO ashlar_api;

-- Parts of realtime_rotate(), in whose name they run.

-- Is there a message in a slot whose transaction may have ended just now?
CREATE OR REPLACE FUNCTION realtime_is_fresh(slot integer, safe pg_snapshot, here pg_snapshot) RETURNS boolean
LANGUAGE sql VOLATILE
RETURN EXISTS (SELECT FROM realtime_messages m
               WHERE m.slot = realtime_is_fresh.slot AND m.xid >= pg_snapshot_xmin(safe) AND m.xid < pg_snapshot_xmax(here)
                 AND NOT pg_visible_in_snapshot(m.xid, safe));
REVOKE ALL ON FUNCTION realtime_is_fresh(integer, pg_snapshot, pg_snapshot) FROM PUBLIC;

-- Put down the last message of each channel in a slot that is about to go.
CREATE OR REPLACE FUNCTION realtime_sink(slot integer) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    INSERT INTO realtime_floors AS f (tenant_id, channel, last_id, xid)
    SELECT m.tenant_id, m.channel, max(m.id), pg_snapshot_xmax(pg_current_snapshot())
    FROM realtime_messages m
    WHERE m.slot = realtime_sink.slot
    GROUP BY 1, 2
    ON CONFLICT (tenant_id, channel) DO UPDATE
    SET last_id = greatest(f.last_id, excluded.last_id), xid = excluded.xid;
END;
REVOKE ALL ON FUNCTION realtime_sink(integer) FROM PUBLIC;

-- Delete the old messages of a slot that cannot be truncated, ten thousand at
-- most; 1 if there were any.
CREATE OR REPLACE FUNCTION realtime_cut(slot integer, until timestamptz, safe pg_snapshot, here pg_snapshot) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    highest bigint;
BEGIN
    WITH gone AS (
        DELETE FROM realtime_messages m
        WHERE m.slot = realtime_cut.slot AND m.id = ANY (ARRAY(
            SELECT o.id FROM realtime_messages o
            WHERE o.slot = realtime_cut.slot AND o.created_at < until
              AND (pg_visible_in_snapshot(o.xid, safe) OR o.xid >= pg_snapshot_xmax(here))
            ORDER BY o.id LIMIT 10000))
        RETURNING m.tenant_id, m.channel, m.id
    ), sunk AS (
        INSERT INTO realtime_floors AS f (tenant_id, channel, last_id, xid)
        SELECT g.tenant_id, g.channel, max(g.id), pg_snapshot_xmax(pg_current_snapshot()) FROM gone g GROUP BY 1, 2
        ON CONFLICT (tenant_id, channel) DO UPDATE
        SET last_id = greatest(f.last_id, excluded.last_id), xid = excluded.xid
    )
    SELECT max(g.id) INTO highest FROM gone g;
    IF highest IS NULL THEN
        RETURN 0;
    END IF;
    UPDATE realtime_state SET purges = purges + 1, purged_id = greatest(purged_id, highest);
    RETURN 1;
END
$$;
REVOKE ALL ON FUNCTION realtime_cut(integer, timestamptz, pg_snapshot, pg_snapshot) FROM PUBLIC;

-- Of channels that were quiet for a day it is forgotten where they ended: who
-- was away for that long is told that it may have missed something.
CREATE OR REPLACE FUNCTION realtime_forget(here pg_snapshot) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    highest bigint;
BEGIN
    WITH gone AS (
        DELETE FROM realtime_floors f
        WHERE (f.tenant_id, f.channel) IN (
            SELECT o.tenant_id, o.channel FROM realtime_floors o
            WHERE o.updated_at < now() - interval '1 day' AND (o.xid <= pg_snapshot_xmin(here) OR o.xid > pg_snapshot_xmax(here))
            ORDER BY o.updated_at LIMIT 1000)
        RETURNING f.last_id
    )
    SELECT max(g.last_id) INTO highest FROM gone g;
    IF highest IS NOT NULL THEN
        UPDATE realtime_state SET forgotten_id = greatest(forgotten_id, highest);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION realtime_forget(pg_snapshot) FROM PUBLIC;

-- ---------------------------------------------------------------- who is there

-- The process is alive, for lease_s seconds more.  True: it was not in the list
-- (it is new, was thought dead, or PostgreSQL crashed), and has to say again who
-- is there through it.  Who was there through processes that are dead is gone.
CREATE OR REPLACE FUNCTION realtime_beat(process uuid, lease_s integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    dead   uuid;
    is_new boolean;
BEGIN
    UPDATE realtime_processes p SET lease_until = now() + make_interval(secs => lease_s) WHERE p.id = process;
    is_new := NOT FOUND;
    IF is_new THEN
        INSERT INTO realtime_processes (id, lease_until) VALUES (process, now() + make_interval(secs => lease_s));
    END IF;
    FOR dead IN SELECT p.id FROM realtime_processes p WHERE p.lease_until < now() FOR UPDATE SKIP LOCKED LOOP
        IF realtime_bury(dead, 1000) THEN
            DELETE FROM realtime_processes p WHERE p.id = dead;
        END IF;
    END LOOP;
    RETURN is_new;
END
$$;
REVOKE ALL ON FUNCTION realtime_beat(uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION realtime_beat(uuid, integer) TO ashlar_api;

-- The process ends: no member is there through it any more.
CREATE OR REPLACE FUNCTION realtime_goodbye(process uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF realtime_bury(process, 1000) THEN
        DELETE FROM realtime_processes p WHERE p.id = process;
    ELSE    -- the others go on with it
        UPDATE realtime_processes p SET lease_until = now() - interval '1 second' WHERE p.id = process;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION realtime_goodbye(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION realtime_goodbye(uuid) TO ashlar_api;

-- The members who were there through the process leave, at most so many; true: that was all.
CREATE OR REPLACE FUNCTION realtime_bury(process uuid, most integer) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    tenants  uuid[];
    channels text[];
    users    text[];
    clients  bigint[];
BEGIN
    SELECT array_agg(p.tenant_id), array_agg(p.channel), array_agg(p.user_id), array_agg(p.client)
    INTO tenants, channels, users, clients
    FROM (SELECT x.* FROM realtime_presence x WHERE x.process = realtime_bury.process ORDER BY x.client LIMIT most) p;
    IF tenants IS NOT NULL THEN
        PERFORM realtime_leave(process, tenants, channels, users, clients);
    END IF;
    RETURN coalesce(cardinality(tenants), 0) < most;
END
$$;
REVOKE ALL ON FUNCTION realtime_bury(uuid, integer) FROM PUBLIC;

-- Connections of a process came to channels, or left them.  The channel is told
-- when a user comes with the first connection and goes with the last: behind
-- the lock, so that of two at once the second one sees the first.
CREATE OR REPLACE FUNCTION realtime_join(process uuid, tenants uuid[], channels text[], users text[], clients bigint[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM realtime_lock_many(tenants, channels);
    WITH come AS (
        SELECT DISTINCT a.tenant, a.channel, a.usr FROM unnest(tenants, channels, users) a (tenant, channel, usr)
        WHERE NOT EXISTS (SELECT FROM realtime_presence p
                          WHERE p.tenant_id = a.tenant AND p.channel = a.channel AND p.user_id = a.usr)
    ), here AS (
        INSERT INTO realtime_presence (tenant_id, channel, user_id, process, client)
        SELECT a.tenant, a.channel, a.usr, realtime_join.process, a.client
        FROM unnest(tenants, channels, users, clients) a (tenant, channel, usr, client)
        ON CONFLICT DO NOTHING
    )
    SELECT array_agg(c.tenant), array_agg(c.channel), array_agg(c.usr) INTO tenants, channels, users FROM come c;
    PERFORM realtime_put_presence('join', tenants, channels, users);
END
$$;
REVOKE ALL ON FUNCTION realtime_join(uuid, uuid[], text[], text[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION realtime_join(uuid, uuid[], text[], text[], bigint[]) TO ashlar_api;

CREATE OR REPLACE FUNCTION realtime_leave(process uuid, tenants uuid[], channels text[], users text[], clients bigint[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM realtime_lock_many(tenants, channels);
    WITH gone AS (
        DELETE FROM realtime_presence p
        USING unnest(tenants, channels, users, clients) a (tenant, channel, usr, client)
        WHERE p.tenant_id = a.tenant AND p.channel = a.channel AND p.user_id = a.usr
          AND p.process = realtime_leave.process AND p.client = a.client
        RETURNING p.tenant_id, p.channel, p.user_id, p.process, p.client
    ), gone_users AS (
        SELECT DISTINCT g.tenant_id, g.channel, g.user_id FROM gone g
        WHERE NOT EXISTS (SELECT FROM realtime_presence p
                          WHERE p.tenant_id = g.tenant_id AND p.channel = g.channel AND p.user_id = g.user_id
                            AND NOT EXISTS (SELECT FROM gone x
                                            WHERE x.tenant_id = p.tenant_id AND x.channel = p.channel
                                              AND x.user_id = p.user_id AND x.process = p.process
                                              AND x.client = p.client))
    )
    SELECT array_agg(u.tenant_id), array_agg(u.channel), array_agg(u.user_id) INTO tenants, channels, users
    FROM gone_users u;
    PERFORM realtime_put_presence('leave', tenants, channels, users);
END
$$;
REVOKE ALL ON FUNCTION realtime_leave(uuid, uuid[], text[], text[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION realtime_leave(uuid, uuid[], text[], text[], bigint[]) TO ashlar_api;

-- Take the locks of channels, in one order for all who take more than one: so
-- there is no deadlock.
CREATE OR REPLACE FUNCTION realtime_lock_many(tenants uuid[], channels text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    k bigint;
BEGIN
    FOR k IN SELECT DISTINCT realtime_lock_key(a.tenant, a.channel) FROM unnest(tenants, channels) a (tenant, channel)
             ORDER BY 1 LOOP
        PERFORM pg_advisory_xact_lock(k);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION realtime_lock_many(uuid[], text[]) FROM PUBLIC;

-- Messages of many channels, whose locks are held; ids follow the order given.
CREATE OR REPLACE FUNCTION realtime_put_many(kind text, tenants uuid[], channels text[], payloads jsonb[], senders text[])
RETURNS TABLE (nr bigint, id bigint)
LANGUAGE plpgsql ROWS 10 AS $$
DECLARE
    writer xid8 := pg_current_xact_id();
BEGIN
    RETURN QUERY
    WITH drawn AS MATERIALIZED (
        SELECT a.*, nextval('realtime_ids') AS id, clock_timestamp() AS at
        FROM (SELECT * FROM unnest(tenants, channels, payloads, senders)
                            WITH ORDINALITY x (tenant, channel, payload, sender, nr) ORDER BY x.nr OFFSET 0) a
    ), made AS (
        INSERT INTO realtime_messages AS m (tenant_id, channel, id, slot, xid, kind, payload, sender, created_at)
        SELECT d.tenant, d.channel, d.id, realtime_slot(d.at), writer, realtime_put_many.kind, d.payload, d.sender, d.at
        FROM drawn d
    )
    SELECT d.nr, d.id FROM drawn d ORDER BY d.nr;
    IF FOUND THEN
        RAISE NOTICE USING ERRCODE = 'AS900', MESSAGE = 'realtime';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION realtime_put_many(text, uuid[], text[], jsonb[], text[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION realtime_put_presence(event text, tenants uuid[], channels text[], users text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF tenants IS NOT NULL THEN
        PERFORM realtime_put_many('presence', tenants, channels,
                                  ARRAY(SELECT jsonb_build_object('event', event, 'user_id', u.usr)
                                        FROM unnest(users) WITH ORDINALITY u (usr, nr) ORDER BY u.nr),
                                  array_fill(NULL::text, ARRAY[cardinality(tenants)]));
    END IF;
END
$$;
REVOKE ALL ON FUNCTION realtime_put_presence(text, uuid[], text[], text[]) FROM PUBLIC;

-- Who is on the channel, the longest there first.
CREATE OR REPLACE FUNCTION realtime_present(tenant uuid, channel text, max integer)
RETURNS TABLE (user_id text, connections bigint, joined_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp ROWS 10
BEGIN ATOMIC
    SELECT p.user_id, count(*), min(p.created_at)
    FROM realtime_presence p JOIN realtime_processes r ON r.id = p.process AND r.lease_until > now()
    WHERE p.tenant_id = tenant AND p.channel = realtime_present.channel
    GROUP BY p.user_id
    ORDER BY 3, 1
    LIMIT max;
END;
REVOKE ALL ON FUNCTION realtime_present(uuid, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION realtime_present(uuid, text, integer) TO ashlar_api;

-- ---------------------------------------------------------------- connections

-- The ticket with this hash, which is used up: whom it lets in.  No row: there is
-- none, it is over, or who asked for it may not come in any more.
CREATE OR REPLACE FUNCTION realtime_ticket_redeem(tenant uuid, hash bytea)
RETURNS TABLE (user_id uuid, public_id text, session_id uuid, issuer text, subject text, end_at bigint)
LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_column
DECLARE
    t realtime_tickets;
BEGIN
    PERFORM set_config('app.tenant_id', tenant::text, true);
    DELETE FROM realtime_tickets x
    WHERE x.tenant_id = tenant AND x.hash = realtime_ticket_redeem.hash
    RETURNING * INTO t;
    IF FOUND AND t.expires_at > now() THEN
        RETURN QUERY
        SELECT u.id, u.public_id, t.session_id, t.issuer, t.subject,
               floor(extract(epoch FROM coalesce(s.expires_at, t.credentials_end_at)))::bigint
        FROM users u
        LEFT JOIN sessions s ON s.tenant_id = u.tenant_id AND s.id = t.session_id
        WHERE u.tenant_id = tenant AND u.id = t.user_id
          AND NOT EXISTS (SELECT FROM realtime_dead_many(ARRAY[tenant], ARRAY[u.id], ARRAY[t.session_id],
                                                         ARRAY[t.issuer], ARRAY[t.subject]));
    END IF;
END
$$;

-- Who of those that came in with these credentials has to go, of several tenants:
-- their numbers, from 1.  What the door asks: a session of ours, of a user or of a member of the
-- team, another issuer's subject (session NULL), or, with the issuer "key", an API key.
CREATE OR REPLACE FUNCTION realtime_dead_many(tenants uuid[], users uuid[], sessions uuid[], issuers text[],
                                              subjects text[])
RETURNS SETOF bigint
LANGUAGE plpgsql ROWS 10 AS $$
DECLARE
    t uuid;
BEGIN
    FOR t IN SELECT DISTINCT x FROM unnest(tenants) x LOOP
        PERFORM set_config('app.tenant_id', t::text, true);
        RETURN QUERY
        SELECT a.nr
        FROM unnest(tenants, users, sessions, issuers, subjects)
             WITH ORDINALITY a (tenant, usr, session, issuer, subject, nr)
        LEFT JOIN LATERAL (
            SELECT true AS is_live, x.impersonator_id, x.method FROM sessions x
            WHERE x.tenant_id = t AND x.id = a.session AND x.user_id = a.usr AND x.revoked_at IS NULL
              AND x.expires_at > now() AND x.access > 0 LIMIT 1) s ON true
        LEFT JOIN LATERAL (
            SELECT x.id FROM users x WHERE x.tenant_id = t AND x.id = s.impersonator_id AND x.access >= 2 LIMIT 1) admin ON true
        LEFT JOIN LATERAL (
            SELECT true AS is_live FROM team_sessions x
            WHERE s.is_live IS NULL AND x.tenant_id = t AND x.id = a.session AND x.member_id = a.usr AND x.revoked_at IS NULL
              AND x.expires_at > now() AND x.access > 0 LIMIT 1) team ON true
        LEFT JOIN LATERAL (
            SELECT true AS is_live FROM api_keys k
            WHERE a.session IS NULL AND a.issuer = 'key' AND k.tenant_id = t AND k.id = a.usr AND k.type = 'secret' AND k.is_active
              AND k.revoked_at IS NULL AND k.tenant_active LIMIT 1) held ON true
        LEFT JOIN LATERAL (
            SELECT true AS is_live FROM signup_runs r
            WHERE a.session IS NULL AND a.issuer = 'signup' AND r.tenant_id = t AND r.id = a.usr LIMIT 1) run ON true
        LEFT JOIN LATERAL (
            SELECT true AS is_live FROM identities i JOIN users u ON u.tenant_id = i.tenant_id AND u.id = i.user_id
            WHERE a.session IS NULL AND i.tenant_id = t AND i.issuer = a.issuer AND i.subject = a.subject
              AND i.user_id = a.usr AND u.access > 0 LIMIT 1) other ON true
        WHERE a.tenant = t
          AND CASE WHEN a.session IS NULL THEN other.is_live IS NULL AND held.is_live IS NULL AND run.is_live IS NULL
                   WHEN s.is_live IS NULL THEN team.is_live IS NULL
                   WHEN s.impersonator_id IS NOT NULL THEN admin.id IS NULL
                   WHEN s.method = 'impersonation' THEN team_impersonator(t, a.session) IS NULL
                   ELSE false END;
    END LOOP;
END
$$;

-- What clients sent and were sent, by user: usage of today.
CREATE OR REPLACE FUNCTION realtime_usage(tenants uuid[], users uuid[], counts bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM usage_count(coalesce((
        SELECT jsonb_agg(jsonb_build_object('tenant', s.tenant, 'user', s.usr, 'metric', 'websocket_messages', 'n', s.n))
        FROM (SELECT x.tenant, x.usr, sum(x.n) AS n FROM unnest(tenants, users, counts) x (tenant, usr, n) GROUP BY 1, 2) s), '[]'));
END
$$;
