-- Tasks of all kinds: what follows from their status, who is told, and when they are due.

-- A priority as workspaces call it, and back.
CREATE OR REPLACE FUNCTION task_priority(rank smallint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (ARRAY['urgent', 'high', 'medium', 'low'])[rank + 1];

CREATE OR REPLACE FUNCTION task_rank(priority text) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (array_position(ARRAY['urgent', 'high', 'medium', 'low'], priority) - 1)::smallint;

-- Whom a task is given to: an active member of the workspace.  Raises AS404.
CREATE OR REPLACE FUNCTION task_assignee(member uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF member IS NOT NULL AND member IS DISTINCT FROM app_member()
       AND NOT EXISTS (SELECT FROM memberships m
                       WHERE m.tenant_id = app_tenant() AND m.organization_id = app_organization() AND m.id = member AND m.is_active) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Member not found', HINT = 'assigned_to_id', DETAIL = member::text;
    END IF;
    RETURN member;
END
$$;

-- Who completes one, and when, whichever way its status is changed; and of another time, or for somebody else, it is due anew.
CREATE OR REPLACE FUNCTION task_settle() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> 'completed' THEN
        NEW.completed_at := NULL;
        NEW.completed_by_id := NULL;
    ELSIF TG_OP = 'INSERT' OR OLD.status <> 'completed' THEN
        NEW.completed_at := coalesce(CASE WHEN TG_OP = 'INSERT' THEN NEW.completed_at END, now());
        NEW.completed_by_id := coalesce(CASE WHEN TG_OP = 'INSERT' THEN NEW.completed_by_id END, acting_member(NEW.organization_id));
    END IF;
    IF TG_OP = 'UPDATE' AND (NEW.due_at, NEW.assignee_id) IS DISTINCT FROM (OLD.due_at, OLD.assignee_id) THEN
        NEW.due_told := 0;
    END IF;
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER tasks_settle BEFORE INSERT OR UPDATE OF status, due_at, assignee_id ON tasks FOR EACH ROW EXECUTE FUNCTION task_settle();

-- The page of what it is about.
CREATE OR REPLACE FUNCTION task_link(kind text, subject uuid) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE kind WHEN 'record' THEN '/records/' || subject END;

CREATE OR REPLACE FUNCTION task_tell(t tasks, event text, recipient uuid, actor uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF recipient IS NOT NULL THEN
        PERFORM notify(t.organization_id, event, ARRAY[recipient], jsonb_build_object('type', 'task', 'id', t.id, 'link', task_link(t.kind, t.subject_id)), actor,
                       jsonb_strip_nulls(jsonb_build_object('task_id', t.id, 'title', t.title, 'status', t.status, 'due_date', json_time_us(t.due_at),
                           'record_id', CASE t.kind WHEN 'record' THEN t.subject_id END, 'recordset_id', t.recordset_id)));
    END IF;
END
$$;

-- Whoever gets a task is told so; of its status whose it is, and, where it is completed or not any more, who made it.
CREATE OR REPLACE FUNCTION task_notify() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    actor      uuid := acting_member(NEW.organization_id);
    is_given   boolean := TG_OP = 'INSERT' OR NEW.assignee_id IS DISTINCT FROM OLD.assignee_id;
    has_status boolean := TG_OP = 'UPDATE' AND NEW.status <> OLD.status;
BEGIN
    IF is_given THEN
        PERFORM task_tell(NEW, 'task_assigned', NEW.assignee_id, actor);
    ELSIF has_status THEN
        PERFORM task_tell(NEW, 'task_status_changed', NEW.assignee_id, actor);
    END IF;
    IF has_status AND 'completed' IN (NEW.status, OLD.status) THEN
        PERFORM task_tell(NEW, CASE NEW.status WHEN 'completed' THEN 'task_completed' ELSE 'task_reopened' END, NEW.created_by_id, actor);
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER tasks_notify_made AFTER INSERT ON tasks FOR EACH ROW
    WHEN (NEW.organization_id IS NOT NULL AND NEW.assignee_id IS NOT NULL AND is_told(NEW.tenant_id)) EXECUTE FUNCTION task_notify();
CREATE OR REPLACE TRIGGER tasks_notify_changed AFTER UPDATE OF status, assignee_id ON tasks FOR EACH ROW
    WHEN (NEW.organization_id IS NOT NULL AND (OLD.status, OLD.assignee_id) IS DISTINCT FROM (NEW.status, NEW.assignee_id) AND is_told(NEW.tenant_id))
    EXECUTE FUNCTION task_notify();

-- Up to batch tasks of all tenants that are due within 24 hours, or have been, of which their assignees were not told yet; how many.  As the
-- owner, who goes from one to the next.  Of what is deleted, or in the trash, nobody is told.
CREATE OR REPLACE FUNCTION tasks_due(batch integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    here text := coalesce(current_setting('app.tenant_id', true), '');
    d    record;
    t    tasks;
    n    integer := 0;
BEGIN
    FOR d IN (SELECT x.tenant_id, x.organization_id, x.id, x.due_at FROM tasks x
              WHERE x.is_open AND x.assignee_id IS NOT NULL AND x.due_told < 2 AND x.due_told = 0 AND x.due_at <= now() + interval '24 hours'
              ORDER BY x.due_at LIMIT batch)
             UNION ALL
             (SELECT x.tenant_id, x.organization_id, x.id, x.due_at FROM tasks x
              WHERE x.is_open AND x.assignee_id IS NOT NULL AND x.due_told < 2 AND x.due_told = 1 AND x.due_at <= now()
              ORDER BY x.due_at LIMIT batch)
             ORDER BY tenant_id, organization_id, id LIMIT batch LOOP
        PERFORM set_config('app.tenant_id', d.tenant_id::text, true);
        n := n + 1;
        UPDATE tasks x SET due_told = CASE WHEN x.due_at <= now() THEN 2 ELSE 1 END
        WHERE x.tenant_id = d.tenant_id AND x.id = d.id AND x.due_at = d.due_at AND x.is_open
        RETURNING x.* INTO t;
        IF FOUND AND (t.kind <> 'record'
                      OR EXISTS (SELECT FROM records r
                                 JOIN recordsets s ON s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id
                                                  AND s.content_id = r.content_id AND s.trashed_at IS NULL
                                 WHERE r.tenant_id = t.tenant_id AND r.organization_id = t.organization_id AND r.id = t.subject_id AND r.deleted_at IS NULL)) THEN
            PERFORM task_tell(t, CASE t.due_told WHEN 2 THEN 'task_overdue' ELSE 'task_due_soon' END, t.assignee_id, NULL);
        END IF;
    END LOOP;
    PERFORM set_config('app.tenant_id', here, true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION tasks_due(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tasks_due(integer) TO ashlar_api;
