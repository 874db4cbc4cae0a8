-- Candidate functions: the search under row-level security.
--
-- Under a policy only leakproof operators become conditions of an index, and ILIKE, %, @@ and @> are none: a search would
-- test every row of the tenant.  So what is searched for is looked up by a function of the role ashlar_search, which has a
-- policy that shows it all rows of the searched tables, and nothing else: no login, no other table, no other column.  Such a
-- function is called <noun>_candidates, is SECURITY DEFINER with a fixed search_path, asks for tenant_id = app_tenant()
-- itself, and has a LIMIT; the api alone may execute it, and the query joins the table by id, where the tenant's
-- policy holds again.  t/ops/search.t reads pg_proc for these rules.
--
-- The owner becomes a member of that role for this transaction alone: a member would be shown all tenants, too.  Who may not
-- do that (without CREATEROLE, or where the role is another's) keeps the functions: then they see what the owner sees, the
-- tenant's rows, find the same, and test one row after the other.
DO $$
DECLARE
    -- What is searched: to add a table, its line here.
    tables text[] := ARRAY[
        'activities (tenant_id, organization_id, id, created_at, scope_id, actor_id, type, description)',
        'memberships (tenant_id, organization_id, id, is_active)',
        'member_profiles (tenant_id, organization_id, member_id, sort_name, search_text)',
        'users (tenant_id, id, created_at, standing, email, search_domain, search_name, search_last)',
        'workspace_teams (tenant_id, organization_id, id, name, description)',
        'text_files (tenant_id, number, name, content, workspace, category, ext, updated_at)',
        'tenant_teams (tenant_id, id, name)',
        'tasks (tenant_id, kind, number, title, description, status, priority, assignee, product_number)',
        'products (tenant_id, number, name, slug, tagline, description)',
        'projects (tenant_id, id, owner_id, name, created_at, deleted_at)',
        'record_geometries (tenant_id, organization_id, record_id, content_id, geometry, geometry_type)',
        'records (tenant_id, id, content_id, title, field_values, folded, tags, tool_statuses, deleted_at)',
        'organizations (tenant_id, id, name, slug, created_at, deleted_at)'];
    is_super boolean := (SELECT rolsuper FROM pg_roles WHERE rolname = current_user);
    tbl  text;
    func regprocedure;
BEGIN
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ashlar_search') THEN
            CREATE ROLE ashlar_search NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS;
        END IF;
    EXCEPTION
        WHEN duplicate_object OR unique_violation THEN NULL;    -- another database's migration
    END;
    IF NOT is_super THEN
        EXECUTE format('GRANT ashlar_search TO %I', current_user);
    END IF;
    FOREACH tbl IN ARRAY tables LOOP
        EXECUTE format('GRANT SELECT %s ON %I TO ashlar_search', substr(tbl, strpos(tbl, '(')), split_part(tbl, ' ', 1));
        IF NOT EXISTS (SELECT FROM pg_policy WHERE polname = split_part(tbl, ' ', 1) || '_search') THEN
            EXECUTE format('CREATE POLICY %I ON %I FOR SELECT TO ashlar_search USING (true)', split_part(tbl, ' ', 1) || '_search', split_part(tbl, ' ', 1));
        END IF;
    END LOOP;
    GRANT USAGE, CREATE ON SCHEMA public TO ashlar_search;
    FOR func IN SELECT oid FROM pg_proc WHERE proname LIKE '%\_candidates' AND pronamespace = 'public'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO ashlar_search', func);
    END LOOP;
    REVOKE CREATE ON SCHEMA public FROM ashlar_search;
    IF NOT is_super THEN
        EXECUTE format('REVOKE ashlar_search FROM %I', current_user);
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN NULL;    -- nothing of this was done
END
$$;
