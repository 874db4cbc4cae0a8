-- What members own, or are assigned to, for who goes: one table, which the list, the reassignment and the test of foreign keys
-- read (t/api/tenancy/member_removal.t: a column that refers to memberships is here, or says there why not).
--
--   kind      as the answer groups it; more than one table may be of a kind
--   tbl, col  whose column names the member
--   noun      what one is called
--   relation  owner, assignee or lead
--   title, status, link  expressions of the row x; status may be NULL
--   filter    which of the rows count, and are given to another one; "true": all
--   sorted    in which order they are listed: of what there may be a million of, that of an index
CREATE OR REPLACE FUNCTION owned_tables()
RETURNS TABLE (kind text, tbl text, col text, noun text, relation text, title text, status text, link text, filter text, sorted text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 5
BEGIN ATOMIC
    VALUES ('goals', 'goals', 'owner_id', 'goal', 'owner', 'x.title', 'x.status', '''/goals/'' || x.id', 'true', 'x.title, x.id'),
           ('goals', 'key_results', 'owner_id', 'key_result', 'assignee', 'x.title',
            'CASE WHEN x.is_completed THEN ''completed'' ELSE ''open'' END', '''/goals/'' || x.goal_id', 'true', 'x.title, x.id'),
           ('records', 'records', 'owner_id', 'record', 'owner', 'coalesce(x.title, '''')', 'x.status', '''/records/'' || x.id',
            'x.deleted_at IS NULL AND x.content_id IN (SELECT s.content_id FROM recordsets s WHERE s.tenant_id = $1 AND s.organization_id = $2)', 'x.id DESC'),
           ('recordsets', 'recordsets', 'owner_id', 'recordset', 'owner', 'x.name',
            'CASE WHEN x.trashed_at IS NOT NULL THEN ''trashed'' WHEN x.is_active THEN ''active'' ELSE ''inactive'' END', '''/recordsets/'' || x.slug', 'true',
            'x.name, x.id'),
           ('record_tasks', 'tasks', 'assignee_id', 'record_task', 'assignee', 'x.title', 'x.status', 'task_link(x.kind, x.subject_id)',
            'x.kind = ''record'' AND x.is_open AND x.subject_id IN (SELECT r.id FROM records r WHERE r.tenant_id = $1 AND r.organization_id = $2
             AND r.id = x.subject_id AND r.deleted_at IS NULL AND r.content_id IN (SELECT s.content_id FROM recordsets s
             WHERE s.tenant_id = $1 AND s.organization_id = $2))', 'x.due_at, x.id'),
           ('teams_led', 'workspace_teams', 'lead_member_id', 'team', 'lead', 'x.name',
            'CASE WHEN x.is_active THEN ''active'' ELSE ''inactive'' END', '''/teams/'' || x.id', 'true', 'x.name, x.id');
END;

-- All kinds that the answers name, also those that nothing is of yet.
CREATE OR REPLACE FUNCTION owned_names() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{actions,tasks,goals,records,recordsets,documents,record_tasks,teams_led}'::text[];

-- How many of each kind a member of the caller's workspace has, and up to 100 of them.
CREATE OR REPLACE FUNCTION owned_items(member uuid, OUT totals jsonb, OUT items jsonb)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    k    record;
    n    bigint;
    here jsonb;
BEGIN
    SELECT jsonb_object_agg(x, 0), jsonb_object_agg(x, '[]'::jsonb) INTO totals, items FROM unnest(owned_names()) x;
    FOR k IN SELECT * FROM owned_tables() LOOP
        EXECUTE format('SELECT count(*) FROM %I x WHERE x.tenant_id = $1 AND x.organization_id = $2 AND x.%I = $3 AND %s', k.tbl, k.col, k.filter)
        INTO n USING app_tenant(), app_organization(), member;
        EXECUTE format('SELECT coalesce(jsonb_agg(jsonb_build_object(''id'', y.id, ''type'', %L, ''title'', y.title, ''relation'', %L,
                                                                     ''status'', y.status, ''url'', y.link) ORDER BY y.nr), ''[]'')
                        FROM (SELECT x.id, %s AS title, %s AS status, %s AS link, row_number() OVER (ORDER BY %s) AS nr FROM %I x
                              WHERE x.tenant_id = $1 AND x.organization_id = $2 AND x.%I = $3 AND %s ORDER BY %s LIMIT 100) y',
                       k.noun, k.relation, k.title, k.status, k.link, k.sorted, k.tbl, k.col, k.filter, k.sorted)
        INTO here USING app_tenant(), app_organization(), member;
        totals := totals || jsonb_build_object(k.kind, (totals ->> k.kind)::bigint + n);
        items := items || jsonb_build_object(k.kind, (SELECT coalesce(jsonb_agg(e), '[]') FROM (
            SELECT e FROM jsonb_array_elements((items -> k.kind) || here) y(e) LIMIT 100) l));
    END LOOP;
    totals := totals || jsonb_build_object('total', (SELECT sum(v::bigint) FROM jsonb_each_text(totals) t(key, v)));
END
$$;

-- Give what a member has to another one, all of it or of these kinds; how many of each.  Of records a member may have a million: those
-- beyond the first thousand are given by a job, and are counted here.  It is one act, and told as one (owned_told).  Raises AS404, and AS008 where it is the
-- same one, or not active.
CREATE OR REPLACE FUNCTION owned_give(member uuid, heir uuid, kinds text[], OUT reassigned jsonb, OUT total bigint)
LANGUAGE plpgsql AS $$
DECLARE
    k     record;
    m     memberships;
    n     bigint;
    ids   uuid[];
    given jsonb := '{}';    -- of each table the rows
    quiet text := coalesce(current_setting('app.quiet', true), '');
BEGIN
    PERFORM workspace_lock();
    PERFORM workspace_member_lock(x) FROM unnest(ARRAY[least(member, heir), greatest(member, heir)]) x;
    IF member = heir THEN
        RAISE SQLSTATE 'AS008' USING HINT = 'to_member_id', MESSAGE = 'to_member_id is the same member';
    END IF;
    SELECT x.* INTO m FROM memberships x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = heir;
    IF NOT m.is_active THEN
        RAISE SQLSTATE 'AS008' USING HINT = 'to_member_id', MESSAGE = 'to_member_id is not an active member';
    END IF;
    SELECT jsonb_object_agg(x, 0) INTO reassigned FROM unnest(owned_names()) x;
    total := 0;
    PERFORM set_config('app.quiet', 'on', true);
    FOR k IN SELECT * FROM owned_tables() o WHERE kinds IS NULL OR o.kind = ANY (kinds) LOOP
        IF k.tbl = 'records' THEN
            n := records_give_all(member, heir);
        ELSE
            EXECUTE format('WITH given AS (UPDATE %I x SET %I = $4 WHERE x.tenant_id = $1 AND x.organization_id = $2 AND x.%2$I = $3 AND %s RETURNING x.id)
                            SELECT array_agg(id ORDER BY id) FROM given', k.tbl, k.col, k.filter) INTO ids
            USING app_tenant(), app_organization(), member, heir;
            n := coalesce(cardinality(ids), 0);
            given := given || jsonb_build_object(k.tbl, coalesce(to_jsonb(ids), '[]'));
        END IF;
        reassigned := reassigned || jsonb_build_object(k.kind, (reassigned ->> k.kind)::bigint + n);
        total := total + n;
    END LOOP;
    PERFORM set_config('app.quiet', quiet, true);
    IF total > 0 AND is_told(app_tenant()) THEN
        PERFORM owned_told(member, heir, given, reassigned, total);
    END IF;
    PERFORM member_audit('member.reassign', x, jsonb_build_object('to', heir, 'reassigned', reassigned))
    FROM memberships x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = member;
    PERFORM workspace_tell(app_organization(), 'members_updated', jsonb_build_object('member_id', member));
END
$$;

-- Tell that a member's things are another one's: each recipient once of a kind, and activity and event once, however many they are.
--
--   given       table: [ids]
--   reassigned  kind: how many
CREATE OR REPLACE FUNCTION owned_told(member uuid, heir uuid, given jsonb, reassigned jsonb, total bigint) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
    goals        integer := coalesce(jsonb_array_length(given -> 'goals'), 0);
    teams        integer := coalesce(jsonb_array_length(given -> 'workspace_teams'), 0);
    tasks        integer := coalesce(jsonb_array_length(given -> 'tasks'), 0);
    records      bigint := coalesce((reassigned ->> 'records')::bigint, 0);
    m            memberships;
BEGIN
    SELECT x.* INTO m FROM memberships x WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id = member;
    -- The workspace's channel is locked before those of its members, as everywhere.
    PERFORM workspace_tell(organization, 'teams_updated', jsonb_build_object('team_id', t.id)) FROM jsonb_array_elements_text(given -> 'workspace_teams') t (id);
    PERFORM workspace_tell(organization, 'recordsets_updated', jsonb_build_object('recordset_id', r.id, 'change', 'updated'))
    FROM jsonb_array_elements_text(given -> 'recordsets') r (id);
    IF goals > 0 THEN
        PERFORM notify(organization, 'goal_assigned', ARRAY[heir],
                       jsonb_build_object('type', 'goal') || CASE goals WHEN 1 THEN jsonb_build_object('id', g.one, 'link', '/goals/' || g.one) ELSE '{"link": "/goals"}' END,
                       app_member(), jsonb_build_object('title', CASE goals WHEN 1 THEN g.title ELSE goals || ' goals' END, 'progress', g.progress, 'count', goals)
                                     || CASE goals WHEN 1 THEN jsonb_build_object('goal_id', g.one, 'status', g.status) ELSE '{}' END)
        FROM (SELECT min(x.id::text) AS one, min(x.title) AS title, min(x.status) AS status, trim_scale(round(avg(x.progress), 2)) AS progress FROM goals x
              WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id::text IN (SELECT jsonb_array_elements_text(given -> 'goals'))) g;
    END IF;
    IF records > 0 THEN
        PERFORM notify(organization, 'record_assigned', ARRAY[heir], '{"type": "record", "link": "/records"}', app_member(),
                       jsonb_build_object('title', CASE records WHEN 1 THEN 'a record' ELSE records || ' records' END, 'count', records));
    END IF;
    IF tasks > 0 THEN
        PERFORM notify(organization, 'task_assigned', ARRAY[heir],
                       jsonb_build_object('type', 'task') || CASE tasks WHEN 1 THEN jsonb_build_object('id', t.one, 'link', t.link) ELSE '{"link": "/tasks"}' END,
                       app_member(), jsonb_build_object('title', CASE tasks WHEN 1 THEN t.title ELSE tasks || ' tasks' END, 'count', tasks)
                                     || CASE tasks WHEN 1 THEN jsonb_build_object('task_id', t.one) ELSE '{}' END)
        FROM (SELECT min(x.id::text) AS one, min(x.title) AS title, min(task_link(x.kind, x.subject_id)) AS link FROM tasks x
              WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id::text IN (SELECT jsonb_array_elements_text(given -> 'tasks'))) t;
    END IF;
    IF teams > 0 THEN
        PERFORM notify(organization, 'team_added', ARRAY[heir],
                       jsonb_build_object('type', 'team') || CASE teams WHEN 1 THEN jsonb_build_object('id', t.one, 'link', '/teams/' || t.one) ELSE '{"link": "/teams"}' END,
                       app_member(), jsonb_build_object('team_name', CASE teams WHEN 1 THEN t.name ELSE teams || ' teams' END, 'role', 'lead', 'count', teams)
                                     || CASE teams WHEN 1 THEN jsonb_build_object('team_id', t.one) ELSE '{}' END)
        FROM (SELECT min(x.id::text) AS one, min(x.name) AS name FROM workspace_teams x
              WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id::text IN (SELECT jsonb_array_elements_text(given -> 'workspace_teams'))) t;
    END IF;
    PERFORM activity_put(organization, 'user.work_reassigned', 'none', NULL, app_member(), member::text, activity_member_name(organization, member, m.user_id),
                         jsonb_build_object('count', total, 'to_member_id', heir, 'to_member_name',
                                            (SELECT activity_member_name(organization, heir, x.user_id) FROM memberships x
                                             WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id = heir)));
    PERFORM event_emit('organization.work_reassigned', organization, jsonb_build_object('organization_id', organization, 'from_member_id', member, 'to_member_id', heir,
                                                                                       'reassigned', reassigned, 'total', total));
END
$$;
