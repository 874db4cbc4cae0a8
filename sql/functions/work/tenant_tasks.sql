-- Tasks of a tenant on the operations surface.  Its internal rows say P0 to P3 and done, its public ones critical to low, and cancelled also of what
-- is archived; what is stored is one (sql/migrations/0144_tasks.sql).

-- ---------------------------------------------------------------- words

CREATE OR REPLACE FUNCTION task_shown(status text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE status WHEN 'completed' THEN 'done' ELSE status END;

CREATE OR REPLACE FUNCTION task_shown_public(status text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE status WHEN 'completed' THEN 'done' WHEN 'archived' THEN 'cancelled' ELSE status END;

CREATE OR REPLACE FUNCTION task_stored(status text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE status WHEN 'done' THEN 'completed' ELSE status END;

CREATE OR REPLACE FUNCTION task_public_priority(rank smallint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (ARRAY['critical', 'high', 'medium', 'low'])[rank + 1];

-- P0 to P3, or critical to low.
CREATE OR REPLACE FUNCTION task_rank_of(word text) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN word LIKE 'P_' THEN substr(word, 2)::smallint ELSE (array_position(ARRAY['critical', 'high', 'medium', 'low'], word) - 1)::smallint END;

-- Of filters: what is stored under these words; NULL: all there are.
CREATE OR REPLACE FUNCTION task_statuses(words text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN words IS NULL THEN '{todo,in_progress,review,blocked,completed,cancelled,archived}'::text[]
            ELSE ARRAY(SELECT DISTINCT task_stored(w) FROM unnest(words) w) END;

CREATE OR REPLACE FUNCTION task_statuses_public(word text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE word WHEN 'cancelled' THEN '{cancelled,archived}'::text[] ELSE task_statuses(CASE WHEN word IS NOT NULL THEN ARRAY[word] END) END;

CREATE OR REPLACE FUNCTION task_ranks(words text[]) RETURNS smallint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN words IS NULL THEN '{0,1,2,3}'::smallint[] ELSE ARRAY(SELECT DISTINCT task_rank_of(w) FROM unnest(words) w ORDER BY 1) END;

-- "me" is the caller's username.
CREATE OR REPLACE FUNCTION task_name(word text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF word = 'me' THEN
        RETURN (SELECT left(operations_username(a.username, u.full_name, u.email, u.public_id), 100)
                FROM users u JOIN user_accounts a ON a.tenant_id = u.tenant_id AND a.user_id = u.id
                WHERE u.tenant_id = app_tenant() AND u.id = app_user());
    END IF;
    RETURN word;
END
$$;

-- The product of a slug; NULL: none was said.  A slug that is none finds nothing: -1.
CREATE OR REPLACE FUNCTION task_product(slug text) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN slug IS NOT NULL THEN
        coalesce((SELECT p.number FROM products p WHERE p.tenant_id = app_tenant() AND p.slug = task_product.slug), -1) END;
END
$$;

-- ---------------------------------------------------------------- finding

-- The newest of some priorities: as many walks as there are words, each through what it wants alone.
CREATE OR REPLACE FUNCTION task_newest(statuses text[], ranks smallint[], of_assignee text, of_product bigint, most bigint) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE ROWS 50 AS $$
BEGIN
    IF of_assignee IS NULL AND of_product IS NULL THEN
        RETURN QUERY
        SELECT n.number FROM unnest(ranks) r CROSS JOIN unnest(statuses) s CROSS JOIN LATERAL (
            SELECT t.number FROM tasks t
            WHERE t.tenant_id = (SELECT app_tenant()) AND t.kind = 'tenant' AND t.priority = r AND t.status = s
            ORDER BY t.number DESC LIMIT most) n
        ORDER BY n.number DESC LIMIT most;
    ELSIF of_product IS NULL THEN
        RETURN QUERY
        SELECT n.number FROM unnest(ranks) r CROSS JOIN unnest(statuses) s CROSS JOIN LATERAL (
            SELECT t.number FROM tasks t
            WHERE t.tenant_id = (SELECT app_tenant()) AND t.kind = 'tenant' AND t.assignee = of_assignee AND t.priority = r AND t.status = s
            ORDER BY t.number DESC LIMIT most) n
        ORDER BY n.number DESC LIMIT most;
    ELSIF of_assignee IS NULL THEN
        RETURN QUERY
        SELECT n.number FROM unnest(ranks) r CROSS JOIN unnest(statuses) s CROSS JOIN LATERAL (
            SELECT t.number FROM tasks t
            WHERE t.tenant_id = (SELECT app_tenant()) AND t.kind = 'tenant' AND t.product_number = of_product AND t.priority = r AND t.status = s
            ORDER BY t.number DESC LIMIT most) n
        ORDER BY n.number DESC LIMIT most;
    ELSE
        RETURN QUERY
        SELECT n.number FROM unnest(ranks) r CROSS JOIN unnest(statuses) s CROSS JOIN LATERAL (
            SELECT t.number FROM tasks t
            WHERE t.tenant_id = (SELECT app_tenant()) AND t.kind = 'tenant' AND t.assignee = of_assignee AND t.product_number = of_product
              AND t.priority = r AND t.status = s
            ORDER BY t.number DESC LIMIT most) n
        ORDER BY n.number DESC LIMIT most;
    END IF;
END
$$;

-- The first of a list by priority, the newest of each first.
CREATE OR REPLACE FUNCTION task_ranked(statuses text[], ranks smallint[], of_assignee text, of_product bigint, most bigint) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE ROWS 50 AS $$
DECLARE
    r    smallint;
    n    bigint;
    has  bigint := 0;
BEGIN
    FOREACH r IN ARRAY ranks LOOP
        RETURN QUERY SELECT task_newest(statuses, ARRAY[r], of_assignee, of_product, most - has);
        GET DIAGNOSTICS n = ROW_COUNT;
        has := has + n;
        EXIT WHEN has >= most;
    END LOOP;
END
$$;

-- How many those are, as they were counted when they came.
CREATE OR REPLACE FUNCTION task_total(statuses text[], ranks smallint[], of_assignee text, of_product bigint) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(sum(c.n), 0) FROM task_counts c
            WHERE c.tenant_id = (SELECT app_tenant()) AND c.assignee = coalesce(of_assignee, '') AND c.product_number = coalesce(of_product, 0)
              AND c.status = ANY (statuses) AND c.priority = ANY (ranks));
END
$$;

-- An assignee's task that is to be done next: the most urgent, the oldest of these.  Raises AS422.
CREATE OR REPLACE FUNCTION task_next(of_assignee text) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
    PERFORM valid(of_assignee IS NOT NULL, 'assignee', 'next=true needs assignee');
    FOR r IN 0 .. 3 LOOP
        RETURN QUERY
        SELECT t.number FROM tasks t
        WHERE t.tenant_id = (SELECT app_tenant()) AND t.kind = 'tenant' AND t.assignee = of_assignee AND t.priority = r::smallint AND t.status = 'todo'
        ORDER BY t.number LIMIT 1;
        EXIT WHEN FOUND;
    END LOOP;
END
$$;

-- The newest of those that have each word of search in their title or description, in any case, up to 1,001; sql/search/close.sql says whose
-- function this is, and why.  What many have is found by walking through the newest 5,000, what few of these have by three characters in a
-- row, of which what is shorter has none, and then that is all.
CREATE OR REPLACE FUNCTION task_candidates(search text, statuses text[], ranks smallint[], of_assignee text, of_product bigint)
RETURNS TABLE (number bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100 SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    most     integer := 1001;
    words    text[] := ARRAY(SELECT w FROM regexp_split_to_table(btrim(search), '\s+') w ORDER BY char_length(w) DESC LIMIT 10);
    patterns text[] := ARRAY(SELECT like_pattern(w) FROM unnest(words) w);
    pattern  text := patterns[1];
    numbers  bigint[] := '{}';
    found    bigint[];
    seen     bigint;
    walked   bigint := 0;
    ahead    bigint := 500;
    behind   bigint := 9223372036854775807;
BEGIN
    LOOP
        SELECT array_agg(n.number ORDER BY n.number DESC)
                   FILTER (WHERE n.status = ANY (statuses) AND n.priority = ANY (ranks) AND (of_assignee IS NULL OR n.assignee = of_assignee)
                             AND (of_product IS NULL OR n.product_number = of_product)
                             AND (SELECT bool_and(n.title ILIKE p OR coalesce(n.description ILIKE p, false)) FROM unnest(patterns) p)), count(*), min(n.number)
        INTO found, seen, behind
        FROM (SELECT t.number, t.title, t.description, t.status, t.priority, t.assignee, t.product_number FROM tasks t
              WHERE t.tenant_id = (SELECT app_tenant()) AND t.kind = 'tenant' AND t.number < behind
              ORDER BY t.number DESC LIMIT ahead) n;
        numbers := numbers || coalesce(found, '{}');
        walked := walked + seen;
        EXIT WHEN seen < ahead OR cardinality(numbers) >= most;
        IF walked >= 5000 THEN
            IF char_length(words[1]) > 2 THEN
                numbers := ARRAY(SELECT n.number
                                 FROM (SELECT t.tenant_id, t.number, t.title, t.description, t.status, t.priority, t.assignee, t.product_number FROM tasks t
                                       WHERE t.tenant_id::text = (SELECT app_tenant())::text AND t.kind = 'tenant'
                                         AND (t.title ILIKE pattern OR t.description ILIKE pattern) OFFSET 0) n
                                 WHERE n.tenant_id = (SELECT app_tenant()) AND n.status = ANY (statuses) AND n.priority = ANY (ranks)
                                   AND (of_assignee IS NULL OR n.assignee = of_assignee) AND (of_product IS NULL OR n.product_number = of_product)
                                   AND (SELECT bool_and(n.title ILIKE p OR coalesce(n.description ILIKE p, false)) FROM unnest(patterns) p)
                                 ORDER BY n.number DESC LIMIT most);
            END IF;
            EXIT;
        END IF;
        ahead := 2 * ahead;
    END LOOP;
    RETURN QUERY SELECT x FROM unnest(numbers[1:most]) x;
END
$$;
REVOKE ALL ON FUNCTION task_candidates(text, text[], smallint[], text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION task_candidates(text, text[], smallint[], text, bigint) TO ashlar_api;

-- ---------------------------------------------------------------- making

-- Make one, and say its number and what is there.  deduplicates: one that is open, of the same product, assignee and title, made within a day,
-- is answered in its place, whoever asks at the same moment.  Raises AS422.
CREATE OR REPLACE FUNCTION tenant_task_add(title text, description text, type text, status text, priority smallint, assignee text, product bigint,
                                           category text, max_duration integer, deduplicates boolean,
                                           OUT id uuid, OUT is_old boolean, OUT reason text)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    key text := lower(btrim(title));
BEGIN
    PERFORM valid(key <> '', 'title', 'title must say something');
    PERFORM valid(product IS NULL OR EXISTS (SELECT FROM products p WHERE p.tenant_id = app_tenant() AND p.number = product), 'product_id', 'there is no such product');
    is_old := false;
    IF deduplicates THEN
        PERFORM pg_advisory_xact_lock(hash_record_extended(ROW ('task'::text, app_tenant(), product, assignee, key), 0));
        SELECT t.id INTO id FROM tasks t
        WHERE t.tenant_id = app_tenant() AND t.kind = 'tenant' AND t.is_open AND t.title_key = key AND t.created_at > now() - interval '24 hours'
          AND t.product_number IS NOT DISTINCT FROM product AND t.assignee IS NOT DISTINCT FROM assignee
        ORDER BY t.created_at DESC LIMIT 1;
        IF FOUND THEN
            is_old := true;
            reason := 'an open task of the same title, product and assignee was made within the last 24 hours';
            RETURN;
        END IF;
    END IF;
    INSERT INTO tasks AS t (tenant_id, kind, number, title, title_key, description, type, status, priority, assignee, product_number, category,
                            max_duration_seconds, maker_id)
    VALUES (app_tenant(), 'tenant', nextval('task_numbers'), title, key, description, coalesce(type, 'other'), status, priority, assignee, product, category,
            max_duration, app_user())
    RETURNING t.id INTO id;
END
$$;

-- What is made of the title.
CREATE OR REPLACE FUNCTION task_title_key() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.title_key := lower(btrim(NEW.title));
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER tasks_title_key BEFORE UPDATE OF title ON tasks FOR EACH ROW
    WHEN (NEW.kind = 'tenant' AND OLD.title <> NEW.title) EXECUTE FUNCTION task_title_key();

-- ---------------------------------------------------------------- counting

-- Under which keys a task counts: all, its assignee's, its product's, and both.
CREATE OR REPLACE FUNCTION task_count_keys(of_assignee text, of_product bigint) RETURNS TABLE (assignee text, product bigint)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 4
BEGIN ATOMIC
    SELECT v.a, v.p FROM (VALUES ('', 0::bigint, true), (of_assignee, 0, of_assignee IS NOT NULL), ('', of_product, of_product IS NOT NULL),
                                 (of_assignee, of_product, of_assignee IS NOT NULL AND of_product IS NOT NULL)) v (a, p, is_one)
    WHERE v.is_one;
END;

-- In the order of the keys, so that two never wait for each other in a circle.
CREATE OR REPLACE FUNCTION task_count_made() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO task_counts AS c (tenant_id, assignee, product_number, status, priority, part, n)
    SELECT m.tenant_id, k.assignee, k.product, m.status, m.priority, pg_backend_pid() % 8, count(*)
    FROM made m CROSS JOIN LATERAL task_count_keys(m.assignee, m.product_number) k
    WHERE m.kind = 'tenant' GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT ON CONSTRAINT task_counts_pkey DO UPDATE SET n = c.n + EXCLUDED.n;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION task_count_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO task_counts AS c (tenant_id, assignee, product_number, status, priority, part, n)
    SELECT m.tenant_id, k.assignee, k.product, m.status, m.priority, pg_backend_pid() % 8, sum(m.d)
    FROM (SELECT x.tenant_id, x.assignee, x.product_number, x.status, x.priority, 1 AS d FROM made x WHERE x.kind = 'tenant'
          UNION ALL SELECT x.tenant_id, x.assignee, x.product_number, x.status, x.priority, -1 FROM gone x WHERE x.kind = 'tenant') m
    CROSS JOIN LATERAL task_count_keys(m.assignee, m.product_number) k
    GROUP BY 1, 2, 3, 4, 5 HAVING sum(m.d) <> 0 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT ON CONSTRAINT task_counts_pkey DO UPDATE SET n = c.n + EXCLUDED.n;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION task_count_gone() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO task_counts AS c (tenant_id, assignee, product_number, status, priority, part, n)
    SELECT m.tenant_id, k.assignee, k.product, m.status, m.priority, pg_backend_pid() % 8, -count(*)
    FROM gone m CROSS JOIN LATERAL task_count_keys(m.assignee, m.product_number) k
    WHERE m.kind = 'tenant' GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT ON CONSTRAINT task_counts_pkey DO UPDATE SET n = c.n + EXCLUDED.n;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER tasks_count_made AFTER INSERT ON tasks REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION task_count_made();
CREATE OR REPLACE TRIGGER tasks_count_changed AFTER UPDATE ON tasks REFERENCING OLD TABLE AS gone NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION task_count_changed();
CREATE OR REPLACE TRIGGER tasks_count_gone AFTER DELETE ON tasks REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION task_count_gone();

-- ---------------------------------------------------------------- what follows

CREATE OR REPLACE FUNCTION task_logged() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF nullif(current_setting('app.tasks_in_bulk', true), '') IS NOT NULL THEN
        RETURN NULL;
    ELSIF TG_OP = 'INSERT' THEN
        PERFORM activity_log_put('task.created', 'task', NEW.number::text, jsonb_build_object('status', task_shown(NEW.status), 'priority', 'P' || NEW.priority));
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM activity_log_put('task.deleted', 'task', OLD.number::text, jsonb_build_object('status', task_shown(OLD.status)));
    ELSIF NEW.status = 'cancelled' AND OLD.status <> 'cancelled' THEN
        PERFORM activity_log_put('task.cancelled', 'task', NEW.number::text, jsonb_build_object('previous_status', task_shown(OLD.status)));
    ELSE
        PERFORM activity_log_put('task.updated', 'task', NEW.number::text, jsonb_build_object('status', task_shown(NEW.status))
                                 || CASE WHEN NEW.status <> OLD.status THEN jsonb_build_object('previous_status', task_shown(OLD.status)) ELSE '{}' END);
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER tasks_logged_made AFTER INSERT ON tasks FOR EACH ROW
    WHEN (NEW.kind = 'tenant' AND is_told(NEW.tenant_id)) EXECUTE FUNCTION task_logged();
CREATE OR REPLACE TRIGGER tasks_logged_changed AFTER UPDATE ON tasks FOR EACH ROW
    WHEN (NEW.kind = 'tenant' AND is_told(NEW.tenant_id)
          AND (OLD.title, OLD.description, OLD.type, OLD.status, OLD.priority, OLD.assignee, OLD.product_number, OLD.resolution, OLD.max_duration_seconds)
              IS DISTINCT FROM (NEW.title, NEW.description, NEW.type, NEW.status, NEW.priority, NEW.assignee, NEW.product_number, NEW.resolution, NEW.max_duration_seconds))
    EXECUTE FUNCTION task_logged();
CREATE OR REPLACE TRIGGER tasks_logged_gone AFTER DELETE ON tasks FOR EACH ROW
    WHEN (OLD.kind = 'tenant' AND is_told(OLD.tenant_id)) EXECUTE FUNCTION task_logged();

-- Does one wait for what has not ended?
CREATE OR REPLACE FUNCTION task_is_blocked(task bigint) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM task_dependencies d JOIN tasks b ON b.tenant_id = d.tenant_id AND b.number = d.blocker_number
                   WHERE d.tenant_id = app_tenant() AND d.blocked_number = task AND b.is_open);
END
$$;

-- What blocks another one has it blocked; and what has ended, or is gone, lets go of those that it alone held.
CREATE OR REPLACE FUNCTION task_blocks() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tasks t SET status = 'blocked'
    WHERE t.tenant_id = NEW.tenant_id AND t.number = NEW.blocked_number AND t.status IN ('todo', 'in_progress', 'review')
      AND EXISTS (SELECT FROM tasks b WHERE b.tenant_id = NEW.tenant_id AND b.number = NEW.blocker_number AND b.is_open);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER task_dependencies_block AFTER INSERT ON task_dependencies FOR EACH ROW EXECUTE FUNCTION task_blocks();

-- They are locked first, in one order: of two that end at once the later one sees the other's end.
CREATE OR REPLACE FUNCTION task_let_go(tenant uuid, tasks bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM tasks t WHERE t.tenant_id = tenant AND t.number = ANY (tasks) AND t.status = 'blocked' ORDER BY t.number FOR NO KEY UPDATE;
    UPDATE tasks t SET status = 'todo'
    WHERE t.tenant_id = tenant AND t.number = ANY (tasks) AND t.status = 'blocked' AND NOT task_is_blocked(t.number);
END
$$;

CREATE OR REPLACE FUNCTION task_unblocks() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM task_let_go(NEW.tenant_id, ARRAY(SELECT d.blocked_number FROM task_dependencies d WHERE d.tenant_id = NEW.tenant_id AND d.blocker_number = NEW.number));
    RETURN NULL;
END
$$;

-- Also the last of what one waited for, if it is deleted.
CREATE OR REPLACE FUNCTION task_dependency_gone() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM task_let_go(OLD.tenant_id, ARRAY[OLD.blocked_number]);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER task_dependencies_let_go AFTER DELETE ON task_dependencies FOR EACH ROW EXECUTE FUNCTION task_dependency_gone();

CREATE OR REPLACE TRIGGER tasks_unblock AFTER UPDATE OF status ON tasks FOR EACH ROW
    WHEN (NEW.kind = 'tenant' AND OLD.status NOT IN ('completed', 'cancelled', 'archived') AND NEW.status IN ('completed', 'cancelled', 'archived'))
    EXECUTE FUNCTION task_unblocks();

-- Up to batch open tasks of an archived product, made until then; how many.  None where it is archived no more; of what is left a further job
-- takes care.
CREATE OR REPLACE FUNCTION product_tasks_archive(product bigint, until timestamptz, batch integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    n integer;
BEGIN
    PERFORM FROM products p WHERE p.tenant_id = app_tenant() AND p.number = product AND p.status = 'archived' FOR SHARE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    PERFORM set_config('app.tasks_in_bulk', 'on', true);
    UPDATE tasks t SET status = 'archived'
    WHERE t.tenant_id = app_tenant() AND t.kind = 'tenant' AND t.is_open
      AND t.number IN (SELECT x.number FROM tasks x
                       WHERE x.tenant_id = app_tenant() AND x.kind = 'tenant' AND x.is_open AND x.product_number = product AND x.created_at <= until
                       ORDER BY x.number LIMIT batch FOR NO KEY UPDATE);
    GET DIAGNOSTICS n = ROW_COUNT;
    PERFORM set_config('app.tasks_in_bulk', '', true);
    IF n > 0 THEN
        PERFORM activity_log_put('product.tasks_archived', 'product', product::text, jsonb_build_object('count', n));
    END IF;
    IF n = batch THEN
        PERFORM job_add('ashlar', 'product.archive', jsonb_build_object('product', product, 'until', until));
    END IF;
    RETURN n;
END
$$;

-- Of a product that is archived, a job archives the tasks; one that is called or looks otherwise is carried through by somebody.
CREATE OR REPLACE FUNCTION product_tasks_follow() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'archived' AND OLD.status <> 'archived' THEN
        PERFORM job_add('ashlar', 'product.archive', jsonb_build_object('product', NEW.number, 'until', clock_timestamp()));
    END IF;
    IF (NEW.name, NEW.tagline, NEW.brand_color, NEW.accent_color) IS DISTINCT FROM (OLD.name, OLD.tagline, OLD.brand_color, OLD.accent_color) THEN
        PERFORM tenant_task_add('Carry the brand of ' || NEW.name || ' through', 'Its name, tagline or colors have changed.', 'content', 'todo', 2::smallint, NULL,
                                NEW.number, 'brand', NULL, true);
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER products_tasks_follow AFTER UPDATE OF name, tagline, brand_color, accent_color, status ON products FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION product_tasks_follow();
