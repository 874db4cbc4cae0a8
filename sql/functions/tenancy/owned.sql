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
-- beyond the first thousand are given by a job, and are counted here.  Raises AS404, and AS008 where it is the same one, or not active.
CREATE OR REPLACE FUNCTION owned_give(member uuid, heir uuid, kinds text[], OUT reassigned jsonb, OUT total bigint)
LANGUAGE plpgsql AS $$
DECLARE
    k record;
    m memberships;
    n bigint;
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
    FOR k IN SELECT * FROM owned_tables() o WHERE kinds IS NULL OR o.kind = ANY (kinds) LOOP
        IF k.tbl = 'records' THEN
            n := records_give_all(member, heir);
        ELSE
            EXECUTE format('UPDATE %I x SET %I = $4 WHERE x.tenant_id = $1 AND x.organization_id = $2 AND x.%2$I = $3 AND %s', k.tbl, k.col, k.filter)
            USING app_tenant(), app_organization(), member, heir;
            GET DIAGNOSTICS n = ROW_COUNT;
        END IF;
        reassigned := reassigned || jsonb_build_object(k.kind, (reassigned ->> k.kind)::bigint + n);
        total := total + n;
    END LOOP;
    PERFORM member_audit('member.reassign', x, jsonb_build_object('to', heir, 'reassigned', reassigned))
    FROM memberships x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = member;
    PERFORM workspace_tell(app_organization(), 'members_updated', jsonb_build_object('member_id', member));
END
$$;
