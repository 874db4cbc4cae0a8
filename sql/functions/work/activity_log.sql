-- The activity log of a tenant: what its people read of what happened.  Who changes something for security's sake calls audit(), too.

-- How a user is named there, and what they are: a machine user is an agent.
CREATE OR REPLACE FUNCTION activity_log_actor(who uuid, OUT actor_type text, OUT actor_id text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT CASE u.role WHEN 'agent' THEN 'agent' ELSE 'user' END, a.number::text INTO actor_type, actor_id
    FROM users u JOIN user_accounts a ON a.tenant_id = u.tenant_id AND a.user_id = u.id
    WHERE u.tenant_id = app_tenant() AND u.id = who;
    IF NOT FOUND THEN
        actor_type := 'system';
        actor_id := 'system';
    END IF;
END
$$;

-- Something happened, in the caller's tenant: activity_log_put('apikey.created', 'api_key', id, '{"name": "CI"}').
--
--   entity   its id, as this surface shows it: of a user, their number
--   who      the user who did it; NULL: nobody, but the program itself
--
-- metadata are for everybody in the tenant, and outlast who is named there: no addresses, no names of people, no secrets.
CREATE OR REPLACE FUNCTION activity_log_put(action text, entity_type text, entity text, metadata jsonb DEFAULT '{}', who uuid DEFAULT app_user()) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO activity_log (tenant_id, actor_type, actor_id, action, entity_type, entity_id, metadata)
    SELECT app_tenant(), a.actor_type, a.actor_id, activity_log_put.action, activity_log_put.entity_type, entity, coalesce(activity_log_put.metadata, '{}')
    FROM activity_log_actor(who) a;
END
$$;

-- Does a caller say it of themselves, or may they say it of others?  Who is no administrator and no machine speaks for no other user.  Raises AS403.
CREATE OR REPLACE FUNCTION activity_log_speaks(actor_type text, actor_id text) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF actor_type = 'user'
       AND activity_log_speaks.actor_id IS DISTINCT FROM (SELECT a.number::text FROM user_accounts a WHERE a.tenant_id = app_tenant() AND a.user_id = app_user())
       AND NOT EXISTS (SELECT FROM users u WHERE u.tenant_id = app_tenant() AND u.id = app_user()
                         AND (u.access >= 2 AND coalesce(current_setting('app.key', true), '') <> 'organization' OR u.role = 'agent')) THEN
        RAISE SQLSTATE 'AS403' USING HINT = 'actor_id', MESSAGE = 'only an administrator or a machine user speaks for another user';
    END IF;
    RETURN true;
END
$$;

-- Counted when the transaction commits, so that nobody waits for a counter longer than that; the day first, which all of a tenant have in common,
-- so that two never wait for each other in a circle.
CREATE OR REPLACE FUNCTION activity_log_count() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    within text := coalesce(current_setting('app.tenant_id', true), '');
BEGIN
    PERFORM set_config('app.tenant_id', NEW.tenant_id::text, true);
    INSERT INTO activity_log_counts AS c (tenant_id, kind, key, n)
    VALUES (NEW.tenant_id, 'day', to_char(NEW.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 1),
           (NEW.tenant_id, 'actor_type', NEW.actor_type, 1),
           (NEW.tenant_id, 'action', NEW.action, 1),
           (NEW.tenant_id, 'actor', NEW.actor_type || ':' || NEW.actor_id, 1)
    ON CONFLICT (tenant_id, kind, key) DO UPDATE SET n = c.n + 1;
    INSERT INTO activity_log_spans AS s (tenant_id, starts_at, n)
    VALUES (NEW.tenant_id, date_bin('5 minutes', NEW.created_at, '2000-01-01T00:00:00Z'), 1)
    ON CONFLICT (tenant_id, starts_at) DO UPDATE SET n = s.n + 1;
    PERFORM set_config('app.tenant_id', within, true);
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION activity_log_count() FROM PUBLIC;
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'activity_log'::regclass AND tgname = 'activity_log_count') THEN
        CREATE CONSTRAINT TRIGGER activity_log_count AFTER INSERT ON activity_log DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION activity_log_count();
    END IF;
END
$$;

-- How many there are: of everything, of one filter, or of an actor, what was counted when they came; of other filters together up to 10,001.
CREATE OR REPLACE FUNCTION activity_log_total(actor_type text, actor_id text, action text) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_variable
DECLARE
    wanted text := CASE WHEN actor_id IS NULL AND action IS NULL THEN 'actor_type'
                        WHEN actor_id IS NULL AND actor_type IS NULL THEN 'action'
                        WHEN action IS NULL AND actor_type IS NOT NULL THEN 'actor' END;
BEGIN
    IF wanted IS NOT NULL THEN
        RETURN (SELECT coalesce(sum(c.n), 0)::bigint FROM activity_log_counts c
                WHERE c.tenant_id = (SELECT app_tenant()) AND c.kind = wanted
                  AND c.key = ANY (CASE wanted WHEN 'action' THEN ARRAY[action] WHEN 'actor' THEN ARRAY[actor_type || ':' || actor_id]
                                               ELSE coalesce(ARRAY[nullif(actor_type, '')], '{}') END
                                   || CASE WHEN wanted = 'actor_type' AND actor_type IS NULL THEN '{agent,system,user}'::text[] ELSE '{}' END));
    END IF;
    RETURN (SELECT count(*) FROM (SELECT FROM activity_log l
                                  WHERE l.tenant_id = (SELECT app_tenant()) AND (actor_type IS NULL OR l.actor_type = actor_type)
                                    AND (actor_id IS NULL OR l.actor_id = actor_id) AND (action IS NULL OR l.action = action)
                                  LIMIT 10001) x);
END
$$;

-- How many there were since a time within the last days: whole days of which each is counted, then whole spans of five minutes, and what is left
-- of one of these, one by one.
CREATE OR REPLACE FUNCTION activity_log_since(since timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_variable
DECLARE
    span timestamptz := date_bin('5 minutes', since, '2000-01-01T00:00:00Z') + interval '5 minutes';
    day  timestamp := date_trunc('day', since AT TIME ZONE 'UTC') + interval '1 day';
BEGIN
    RETURN (SELECT count(*) FROM activity_log l WHERE l.tenant_id = (SELECT app_tenant()) AND l.created_at >= since AND l.created_at < span)
         + (SELECT coalesce(sum(s.n), 0) FROM activity_log_spans s
            WHERE s.tenant_id = (SELECT app_tenant()) AND s.starts_at >= span AND s.starts_at < day AT TIME ZONE 'UTC')
         + (SELECT coalesce(sum(c.n), 0) FROM activity_log_counts c
            WHERE c.tenant_id = (SELECT app_tenant()) AND c.kind = 'day' AND c.key >= to_char(day, 'YYYY-MM-DD') COLLATE "C");
END
$$;

-- The figures of a tenant; as many rows are read for ten million activities as for a thousand.
CREATE OR REPLACE FUNCTION activity_log_stats(OUT total bigint, OUT last_24h bigint, OUT last_7d bigint, OUT by_actor_type jsonb, OUT top_actions jsonb,
                                              OUT top_actors jsonb, OUT by_day jsonb)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    tenant uuid := app_tenant();
    today  date := (now() AT TIME ZONE 'UTC')::date;
BEGIN
    SELECT '{"agent": 0, "system": 0, "user": 0}' || coalesce(jsonb_object_agg(c.key, c.n), '{}'), coalesce(sum(c.n), 0) INTO by_actor_type, total
    FROM activity_log_counts c WHERE c.tenant_id = tenant AND c.kind = 'actor_type';
    last_24h := activity_log_since(now() - interval '24 hours');
    last_7d := activity_log_since(now() - interval '7 days');
    SELECT coalesce(jsonb_agg(jsonb_build_object('action', x.key, 'count', x.n) ORDER BY x.n DESC, x.key), '[]') INTO top_actions
    FROM (SELECT c.key, c.n FROM activity_log_counts c WHERE c.tenant_id = tenant AND c.kind = 'action' ORDER BY c.n DESC LIMIT 10) x;
    SELECT coalesce(jsonb_agg(jsonb_build_object('actor_type', split_part(x.key, ':', 1), 'actor_id', substr(x.key, strpos(x.key, ':') + 1), 'count', x.n)
                              ORDER BY x.n DESC, x.key), '[]') INTO top_actors
    FROM (SELECT c.key, c.n FROM activity_log_counts c WHERE c.tenant_id = tenant AND c.kind = 'actor' ORDER BY c.n DESC LIMIT 10) x;
    SELECT jsonb_agg(jsonb_build_object('date', to_char(d, 'YYYY-MM-DD'), 'count', coalesce(c.n, 0)) ORDER BY d) INTO by_day
    FROM generate_series(today - 29, today, interval '1 day') d
    LEFT JOIN activity_log_counts c ON c.tenant_id = tenant AND c.kind = 'day' AND c.key = to_char(d, 'YYYY-MM-DD') COLLATE "C";
END
$$;
