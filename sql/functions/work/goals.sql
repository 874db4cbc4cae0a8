-- Goals and their key results: what is computed, and what needs a lock.

-- Where a goal stands, by its progress and the time that has gone by: on-track while
-- it is at most 10 points behind, at-risk until 30.
CREATE OR REPLACE FUNCTION goal_status(progress numeric, begins timestamptz, due date) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    ends     timestamptz := (due + 1)::timestamp AT TIME ZONE 'UTC';
    expected numeric;
BEGIN
    IF progress >= 100 THEN
        RETURN 'completed';
    ELSIF due IS NULL THEN
        RETURN 'on-track';
    END IF;
    expected := CASE WHEN now() >= ends THEN 100 WHEN now() <= begins THEN 0
                     ELSE 100 * extract(epoch FROM now() - begins) / extract(epoch FROM ends - begins) END;
    RETURN CASE WHEN expected - progress <= 10 THEN 'on-track' WHEN expected - progress <= 30 THEN 'at-risk' ELSE 'behind' END;
END
$$;

-- Trigger: progress is that of the key results, if there are any; a status of NULL is
-- to be found out; completed_at is the time since when it is completed.
CREATE OR REPLACE FUNCTION goal_settle() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    p numeric;
BEGIN
    SELECT round(CASE WHEN sum(k.weight) > 0 THEN sum(k.weight * k.progress) / sum(k.weight) ELSE avg(k.progress) END, 2) INTO p
    FROM key_results k
    WHERE k.tenant_id = NEW.tenant_id AND k.organization_id = NEW.organization_id AND k.goal_id = NEW.id;
    NEW.progress := trim_scale(coalesce(p, round(NEW.progress, 2)));
    NEW.status := coalesce(NEW.status, goal_status(
        NEW.progress, coalesce(NEW.start_date::timestamp AT TIME ZONE 'UTC', NEW.created_at), NEW.due_date));
    NEW.completed_at := CASE WHEN NEW.status = 'completed' THEN coalesce(NEW.completed_at, now()) END;
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER goals_settle BEFORE INSERT OR UPDATE ON goals FOR EACH ROW EXECUTE FUNCTION goal_settle();

-- The goal that the caller is about to change, behind its lock; reach says which are
-- theirs to change: all, or those that they made.  Raises AS404, AS403.
CREATE OR REPLACE FUNCTION goal_lock(goal uuid, reach text) RETURNS goals
LANGUAGE plpgsql AS $$
DECLARE
    g goals;
BEGIN
    SELECT x.* INTO g FROM goals x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = goal FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Goal not found', DETAIL = goal::text;
    ELSIF reach <> 'all' AND g.created_by IS DISTINCT FROM app_member() THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this goal is not yours to change';
    END IF;
    RETURN g;
END
$$;

-- Refuse an entry of a list of key results: the nr-th, from 1.
CREATE OR REPLACE FUNCTION key_results_refuse(nr bigint, field text, problem text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    path text := format('key_results[%s].%s', nr - 1, field);
BEGIN
    RAISE SQLSTATE 'AS422' USING HINT = path, MESSAGE = path || ' ' || problem;
END
$$;

-- The key results that a list names by id are the goal's, and each once.  Raises AS422.
CREATE OR REPLACE FUNCTION key_results_check(goal uuid, list jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM key_results_refuse(e.nr, 'id', 'is no key result of this goal, or is in the list twice')
    FROM jsonb_array_elements(list) WITH ORDINALITY e (entry, nr)
    WHERE e.entry ? 'id'
      AND (NOT EXISTS (SELECT FROM key_results k
                       WHERE k.tenant_id = app_tenant() AND k.organization_id = app_organization() AND k.goal_id = goal
                         AND k.id = (e.entry ->> 'id')::uuid)
           OR (SELECT count(*) FROM jsonb_array_elements(list) o WHERE lower(o ->> 'id') = lower(e.entry ->> 'id')) > 1)
    ORDER BY e.nr LIMIT 1;
END
$$;

-- Make a goal's key results these (NULL: leave them): an entry with the id of one
-- changes it, one without is added, and what is not in the list goes.  The goal is
-- locked, or it is not there yet: then ids are ignored.  Returns the goal's id and
-- how many it has.  Raises AS422.
CREATE OR REPLACE FUNCTION key_results_put(goal uuid, is_new boolean, list jsonb, OUT goal_id uuid, OUT n bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
    wanted       key_results[];
BEGIN
    goal_id := goal;
    IF list IS NULL THEN
        SELECT count(*) INTO n FROM key_results k
        WHERE k.tenant_id = tenant AND k.organization_id = organization AND k.goal_id = goal;
        RETURN;
    ELSIF NOT is_new THEN
        PERFORM key_results_check(goal, list);
    END IF;

    -- What an entry says, over what the key result is, or what a new one would be.
    SELECT array_agg(w ORDER BY e.nr) INTO wanted
    FROM jsonb_array_elements(list) WITH ORDINALITY e (entry, nr)
    LEFT JOIN key_results k ON NOT is_new AND k.tenant_id = tenant AND k.organization_id = organization
                           AND k.goal_id = goal AND k.id = (e.entry ->> 'id')::uuid,
    LATERAL jsonb_populate_record(k, CASE WHEN k.id IS NULL THEN '{"metric_type": "number", "start_value": 0, "weight": 1}'::jsonb
                                          ELSE '{}' END || e.entry || jsonb_build_object(
        'id', coalesce(k.id, uuid_v7()), 'position', coalesce(e.entry -> 'position', to_jsonb(e.nr - 1)))) w;

    PERFORM key_results_refuse(w.ordinality, 'target_value', 'is required: what is to be reached')
    FROM unnest(wanted) WITH ORDINALITY w
    WHERE w.target_value IS NULL AND w.metric_type NOT IN ('boolean', 'percentage')
    ORDER BY w.ordinality LIMIT 1;

    DELETE FROM key_results k
    WHERE k.tenant_id = tenant AND k.organization_id = organization AND k.goal_id = goal
      AND k.id NOT IN (SELECT w.id FROM unnest(wanted) w);
    INSERT INTO key_results AS k (tenant_id, organization_id, goal_id, id, title, description, metric_type, unit, start_value,
                                  target_value, current_value, weight, due_date, owner_id, position)
    SELECT tenant, organization, goal, w.id, w.title, w.description, w.metric_type, w.unit, v.start, v.target,
           coalesce(w.current_value, v.start), w.weight, w.due_date, w.owner_id, w.position
    FROM unnest(wanted) w, LATERAL (
        SELECT CASE WHEN w.metric_type = 'boolean' THEN 0 ELSE w.start_value END AS start,
               CASE WHEN w.metric_type = 'boolean' THEN 1 ELSE coalesce(w.target_value, 100) END AS target) v
    ON CONFLICT ON CONSTRAINT key_results_pkey DO UPDATE
    SET title = excluded.title, description = excluded.description, metric_type = excluded.metric_type, unit = excluded.unit,
        start_value = excluded.start_value, target_value = excluded.target_value, current_value = excluded.current_value,
        weight = excluded.weight, due_date = excluded.due_date, owner_id = excluded.owner_id, position = excluded.position;
    n := coalesce(cardinality(wanted), 0);
END
$$;

-- Put down how far key results are.  The goal is locked.  The note goes out with the
-- event.  Raises AS422.
CREATE OR REPLACE FUNCTION key_results_report(goal uuid, list jsonb, note text) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM key_results_check(goal, list);
    PERFORM key_results_refuse(e.nr, 'current_value', 'or is_completed is required')
    FROM jsonb_array_elements(list) WITH ORDINALITY e (entry, nr)
    WHERE NOT e.entry ?| '{current_value,is_completed}'
    ORDER BY e.nr LIMIT 1;
    UPDATE key_results k
    SET current_value = coalesce((e ->> 'current_value')::numeric, CASE
            WHEN (e ->> 'is_completed')::boolean THEN k.target_value
            WHEN k.is_completed THEN k.start_value
            ELSE k.current_value END)
    FROM jsonb_array_elements(list) e
    WHERE k.tenant_id = app_tenant() AND k.organization_id = app_organization() AND k.goal_id = goal
      AND k.id = (e ->> 'id')::uuid;
    PERFORM set_config('app.goal_report', jsonb_build_object('note', note)::text, true);
    RETURN goal;
END
$$;

-- ---------------------------------------------------------------- answers

-- The team as answers show one that something belongs to (the shape TeamRef).
CREATE OR REPLACE FUNCTION team_ref(t workspace_teams) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN t.id IS NOT NULL THEN jsonb_build_object('id', t.id, 'name', t.name) END;

-- Key results as a goal shows them, in their order: all columns but whose they are.  Volatile: it sees what the
-- statement that asks has written.
CREATE OR REPLACE FUNCTION key_results_of(g goals) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN coalesce(jsonb_agg(to_jsonb(k) - '{tenant_id,organization_id}'::text[] || jsonb_build_object(
        'progress', trim_scale(round(k.progress, 2)), 'created_at', json_time_us(k.created_at),
        'updated_at', json_time_us(k.updated_at)) ORDER BY k.position, k.created_at, k.id), '[]')
    FROM key_results k
    WHERE k.tenant_id = g.tenant_id AND k.organization_id = g.organization_id AND k.goal_id = g.id;
END
$$;

-- ---------------------------------------------------------------- what follows

-- The owner hears how it goes, of what others do.
CREATE OR REPLACE FUNCTION goal_notify() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    is_new_owner boolean := TG_OP = 'INSERT' OR NEW.owner_id IS DISTINCT FROM OLD.owner_id;
    subject      jsonb := jsonb_build_object('type', 'goal', 'id', NEW.id, 'link', '/goals/' || NEW.id);
    data         jsonb := jsonb_build_object('goal_id', NEW.id, 'title', NEW.title, 'progress', NEW.progress, 'status', NEW.status);
    event        text;
BEGIN
    FOREACH event IN ARRAY array_remove(ARRAY[
        CASE WHEN is_new_owner THEN 'goal_assigned' END,
        CASE WHEN NOT is_new_owner AND NEW.progress IS DISTINCT FROM OLD.progress THEN 'goal_progress_updated' END,
        CASE WHEN NEW.status IN ('at-risk', 'behind') AND (TG_OP = 'INSERT' OR NEW.status <> OLD.status) THEN 'goal_at_risk'
             WHEN NEW.status = 'completed' AND (TG_OP = 'INSERT' OR NEW.status <> OLD.status) THEN 'goal_completed' END], NULL)
    LOOP
        PERFORM notify(NEW.organization_id, event, ARRAY[NEW.owner_id], subject, app_member(), data);
    END LOOP;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER goals_notify_made AFTER INSERT ON goals FOR EACH ROW
    WHEN (NEW.owner_id IS NOT NULL AND is_told(NEW.tenant_id)) EXECUTE FUNCTION goal_notify();
CREATE OR REPLACE TRIGGER goals_notify_changed AFTER UPDATE OF owner_id, progress, status ON goals FOR EACH ROW
    WHEN (NEW.owner_id IS NOT NULL AND (OLD.owner_id, OLD.progress, OLD.status) IS DISTINCT FROM (NEW.owner_id, NEW.progress, NEW.status)
          AND is_told(NEW.tenant_id)) EXECUTE FUNCTION goal_notify();
