-- Permissions as a workspace shows and sets them; how far one reaches for a caller is the door's to ask (enter.sql).

-- What they are about, as people call it.
CREATE OR REPLACE FUNCTION permission_resources() RETURNS TABLE (resource text, label text, noun text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 26
BEGIN ATOMIC
    VALUES ('workspace', 'Workspace', 'the workspace'), ('member', 'Members', 'members'), ('team', 'Teams', 'teams'),
           ('action', 'Channels', 'channels'), ('task', 'Tasks', 'tasks'), ('goal', 'Goals', 'goals'),
           ('document', 'Documents', 'documents'), ('contact', 'Contacts', 'contacts'), ('recordset', 'Recordsets', 'recordsets'),
           ('record', 'Records', 'records'), ('pipeline', 'Pipelines', 'pipelines'), ('map_report', 'Map reports', 'map reports'),
           ('meeting', 'Meetings', 'meetings'), ('artifact', 'Artifacts', 'artifacts'), ('investment', 'Investments', 'investments'),
           ('operator', 'Operators', 'operators'), ('brand', 'Brand', 'the brand'), ('report', 'Reports', 'reports'),
           ('course', 'Courses', 'courses'), ('ai', 'AI', 'AI'), ('activity', 'Activity', 'the activity'),
           ('integration', 'Integrations', 'integrations'), ('webhook', 'Webhooks', 'webhooks'), ('api_key', 'API keys', 'API keys'),
           ('module', 'Modules', 'modules'), ('billing', 'Billing', 'billing');
END;

-- Those that a workspace may change, in their order: what is done (edit, edit_own, …) to what, and by which roles by default.
CREATE OR REPLACE FUNCTION permission_list() RETURNS TABLE (name text, resource text, action text, label text, description text,
                                                            default_roles text[], number integer, resource_label text)
LANGUAGE plpgsql STABLE ROWS 80 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT p.name, r.resource, w[1] || CASE WHEN w[2] <> '' THEN '_own' ELSE '' END,
           upper(left(w[1], 1)) || substr(w[1], 2) || CASE WHEN w[2] <> '' THEN ' own ' ELSE ' ' END || r.noun,
           'May ' || w[1] || ' ' || r.noun || CASE WHEN w[2] <> '' THEN ' that are their own' ELSE '' END,
           ARRAY(SELECT x.name FROM roles x WHERE x.name = x.shown_as AND x.name = ANY (p.roles) ORDER BY x.rank DESC), p.number, r.label
    FROM permissions p
    CROSS JOIN LATERAL regexp_match(p.name, '^can_([a-z]+)_(own_)?(.+)$') w
    JOIN permission_resources() r ON r.resource = w[3]
    WHERE p.place = 'workspace'
    ORDER BY p.number;
END
$$;

-- What a role may in a workspace: by default, or as it has set (is_set).
CREATE OR REPLACE FUNCTION role_permission_list(organization uuid, role text) RETURNS TABLE (name text, is_granted boolean, is_set boolean, number integer)
LANGUAGE plpgsql ROWS 80 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT p.name, coalesce(s.is_granted, role_permission_list.role = ANY (p.roles)), s.is_granted IS NOT NULL, p.number
    FROM permissions p
    LEFT JOIN role_permissions s ON s.tenant_id = app_tenant() AND s.organization_id = organization
                                AND s.role = role_permission_list.role AND s.permission = p.name
    WHERE p.place = 'workspace' AND p.name LIKE 'can\_%'
    ORDER BY p.number;
END
$$;

-- The same of the caller's workspace, as one object, of which others are asked: {"can_view_team": true, …}.
CREATE OR REPLACE FUNCTION role_permission_map(role text) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT jsonb_object_agg(l.name, l.is_granted) FROM role_permission_list(app_organization(), role_permission_map.role) l);
END
$$;

-- A role as it is shown.  Volatile: it sees what the same statement has just set.
CREATE OR REPLACE FUNCTION role_permissions_shown(role text) RETURNS TABLE (name text, permissions jsonb, overrides jsonb, is_default boolean,
                                                                            editable boolean)
LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT role_permissions_shown.role, jsonb_object_agg(l.name, l.is_granted),
           coalesce(jsonb_object_agg(l.name, l.is_granted) FILTER (WHERE l.is_set), '{}'), NOT bool_or(l.is_set),
           role_permissions_shown.role <> 'owner'
    FROM role_permission_list(app_organization(), role_permissions_shown.role) l;
END
$$;

-- Set permissions of a role, {"can_view_team": true, …}, or, NULL, forget all that was set.  Whoever reads as that role has them:
-- a developer is a member here.  Raises AS404, AS403 of the owner's, which are all, and AS422 for a name that is none.
CREATE OR REPLACE FUNCTION role_permissions_set(role text, wanted jsonb) RETURNS text
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
    unknown      text;
BEGIN
    IF NOT EXISTS (SELECT FROM roles r WHERE r.name = role AND r.shown_as = role) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Role not found', DETAIL = role;
    ELSIF role = 'owner' AND wanted IS NOT NULL THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'owners have every permission, which nobody changes';
    END IF;
    SELECT k INTO unknown FROM jsonb_object_keys(wanted) k
    WHERE NOT EXISTS (SELECT FROM permissions p WHERE p.name = k AND p.place = 'workspace' AND p.name LIKE 'can\_%') LIMIT 1;
    IF FOUND THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'permissions', MESSAGE = format('there is no permission %s', left(unknown, 100));
    END IF;
    SELECT w.key INTO unknown FROM jsonb_each(wanted) w WHERE jsonb_typeof(w.value) <> 'boolean' LIMIT 1;
    IF FOUND THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'permissions', MESSAGE = format('%s must be true or false', unknown);
    END IF;
    PERFORM workspace_lock();
    IF wanted IS NULL THEN
        DELETE FROM role_permissions s USING roles r
        WHERE s.tenant_id = tenant AND s.organization_id = organization AND s.role = r.name AND r.shown_as = role;
    ELSE
        INSERT INTO role_permissions AS s (tenant_id, organization_id, role, permission, is_granted)
        SELECT tenant, organization, r.name, w.key, w.value::boolean
        FROM jsonb_each_text(wanted) w, roles r
        WHERE r.shown_as = role
        ON CONFLICT ON CONSTRAINT role_permissions_pkey DO UPDATE SET is_granted = excluded.is_granted
        WHERE s.is_granted <> excluded.is_granted;
    END IF;
    PERFORM audit(CASE WHEN wanted IS NULL THEN 'permissions.reset' ELSE 'permissions.update' END, 'role', role,
                  jsonb_strip_nulls(jsonb_build_object('organization_id', organization, 'permissions', wanted)));
    PERFORM event_emit('permissions.updated', organization, jsonb_build_object('organization_id', organization, 'role', role, 'permissions', role_permission_map(role)));
    PERFORM workspace_tell(organization, 'permissions_updated', jsonb_build_object('role', role));
    RETURN role;
END
$$;
