-- What administrators look at: lists of users at any size, and numbers that
-- are there without counting.

-- ---------------------------------------------------------------- lists of users

-- standing names the group of users that a filter of role and state means, in
-- which the list is read: "admin/active", "user/inactive"; NULL: deleted.  One
-- column for the three, because with three the planner, who does not know the
-- value, would take users_list and look for the one administrator in a million.
ALTER TABLE users ADD standing text GENERATED ALWAYS AS (
    CASE WHEN deleted_at IS NULL THEN role || CASE WHEN is_active THEN '/active' ELSE '/inactive' END END) STORED;
CREATE INDEX users_of_standing ON users (tenant_id, standing, created_at DESC, id DESC);

-- What a search begins with (user_search): the address, its domain, the name, or
-- its last word.  Columns and not expressions of an index: where a policy has to
-- be asked first, PostgreSQL looks only for what cannot leak through an error,
-- such as a comparison with a column.  For the same reason trigrams would not be
-- asked; and those that all users share ("example.com") took 300 ms to intersect.
ALTER TABLE users
    ADD search_domain text COLLATE "C" GENERATED ALWAYS AS (split_part(email, '@', 2)) STORED,
    ADD search_name text COLLATE "C" GENERATED ALWAYS AS (lower(full_name)) STORED,
    ADD search_last text COLLATE "C" GENERATED ALWAYS AS (lower(substring(full_name FROM '[^ ]+$'))) STORED;
CREATE INDEX users_search_email ON users (tenant_id, standing, email COLLATE "C");
CREATE INDEX users_search_domain ON users (tenant_id, standing, search_domain);
CREATE INDEX users_search_name ON users (tenant_id, standing, search_name);
CREATE INDEX users_search_last ON users (tenant_id, standing, search_last);

-- ---------------------------------------------------------------- counters

-- How many there are of something, for each tenant: the writes add and
-- subtract, so that nobody counts a growing table.  A counter is the sum of up
-- to 16 rows, one for each of 16 groups of connections: people who sign up at
-- the same moment do not queue for one row.
--
--   name           key
--   users          the standing: "admin/active", "user/inactive"
--   users_new      the day they came, in UTC: "2026-11-21"
--   subscriptions  the plan of those who pay, or are on trial
--
-- Deleted users are in none of them.
CREATE TABLE tenant_counters (
    tenant_id  uuid NOT NULL REFERENCES tenants,
    name       text NOT NULL,
    key        text NOT NULL,
    shard      smallint NOT NULL DEFAULT pg_backend_pid() % 16,
    n          bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, name, key, shard)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE TRIGGER tenant_counters_touch BEFORE UPDATE ON tenant_counters FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('tenant_counters');
GRANT SELECT, INSERT ON tenant_counters TO ashlar_api;
GRANT UPDATE (n) ON tenant_counters TO ashlar_api;

-- The counters that a user is in.
CREATE FUNCTION user_counters(u users, OUT name text, OUT key text) RETURNS SETOF record
LANGUAGE sql IMMUTABLE ROWS 3
BEGIN ATOMIC
    SELECT 'users', u.standing WHERE u.deleted_at IS NULL
    UNION ALL
    SELECT 'users_new', to_char(u.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') WHERE u.deleted_at IS NULL
    UNION ALL
    SELECT 'subscriptions', u.subscription_plan
    WHERE u.deleted_at IS NULL AND u.subscription_plan <> 'free' AND u.subscription_status IN ('active', 'trialing');
END;

-- Of many rows in one statement each counter changes once, and always in the
-- same order, so that two such statements do not wait for each other in a circle.
CREATE FUNCTION count_users() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO tenant_counters AS c (tenant_id, name, key, n)
        SELECT u.tenant_id, k.name, k.key, count(*)
        FROM made u, user_counters(u) k
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (tenant_id, name, key, shard) DO UPDATE SET n = c.n + excluded.n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO tenant_counters AS c (tenant_id, name, key, n)
        SELECT u.tenant_id, k.name, k.key, -count(*)
        FROM gone u, user_counters(u) k
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (tenant_id, name, key, shard) DO UPDATE SET n = c.n + excluded.n;
    ELSE
        INSERT INTO tenant_counters AS c (tenant_id, name, key, n)
        SELECT NEW.tenant_id, k.name, k.key, sum(k.n)
        FROM (SELECT b.name, b.key, 1 AS n FROM user_counters(NEW) b
              UNION ALL
              SELECT a.name, a.key, -1 FROM user_counters(OLD) a) k
        GROUP BY 1, 2, 3 HAVING sum(k.n) <> 0 ORDER BY 1, 2, 3
        ON CONFLICT (tenant_id, name, key, shard) DO UPDATE SET n = c.n + excluded.n;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_counted_in AFTER INSERT ON users
    REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION count_users();
CREATE TRIGGER users_counted_out AFTER DELETE ON users
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION count_users();
-- A trigger with such a table of rows cannot name columns; this one, a row at a
-- time, costs nothing where none of these changes, which is nearly always.
CREATE TRIGGER users_counted AFTER UPDATE OF role, is_active, deleted_at, created_at, subscription_plan, subscription_status
    ON users FOR EACH ROW
    WHEN ((OLD.role, OLD.is_active, OLD.deleted_at, OLD.created_at, OLD.subscription_plan, OLD.subscription_status)
          IS DISTINCT FROM
          (NEW.role, NEW.is_active, NEW.deleted_at, NEW.created_at, NEW.subscription_plan, NEW.subscription_status))
    EXECUTE FUNCTION count_users();

-- Those that are there.
DO $$
DECLARE
    t tenants;
BEGIN
    FOR t IN SELECT * FROM tenants LOOP
        PERFORM set_config('app.tenant_id', t.id::text, true);
        INSERT INTO tenant_counters (tenant_id, name, key, n)
        SELECT u.tenant_id, k.name, k.key, count(*)
        FROM users u, user_counters(u) k
        WHERE u.tenant_id = t.id
        GROUP BY 1, 2, 3;
    END LOOP;
END
$$;

-- ---------------------------------------------------------------- who may not go on

-- A user who is deactivated has signed out everywhere: when they are let in
-- again, no old token comes back to life.  And whoever acted as a user who
-- becomes an administrator was not meant to act as one.
CREATE FUNCTION end_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sessions s
    SET revoked_at = now()
    WHERE s.tenant_id = NEW.tenant_id AND s.user_id = NEW.id AND s.revoked_at IS NULL
      AND (NEW.access = 0 OR s.impersonator_id IS NOT NULL);
    RETURN NULL;
END
$$;
CREATE TRIGGER users_sessions_end AFTER UPDATE OF role, is_active, deleted_at ON users FOR EACH ROW
    WHEN (NEW.access = 0 AND OLD.access > 0 OR NEW.access > 1 AND OLD.access <= 1)
    EXECUTE FUNCTION end_sessions();

-- ---------------------------------------------------------------- audit, flags, jobs

CREATE INDEX audit_events_of_actor_action ON audit_events (tenant_id, actor_id, action, seq);

ALTER TABLE feature_flags
    ADD CONSTRAINT feature_flags_percentage_given CHECK (flag_type <> 'percentage' OR percentage IS NOT NULL),
    ADD CONSTRAINT feature_flags_user_ids_given CHECK (flag_type <> 'user_list' OR cardinality(user_ids) > 0),
    ADD CONSTRAINT feature_flags_plans_given CHECK (flag_type <> 'plan_based' OR cardinality(plans) > 0);

CREATE INDEX jobs_queued ON jobs (tenant_id) WHERE state = 'queued';
