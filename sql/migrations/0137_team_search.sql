-- Teams of a workspace of very many are found by the letters of what they are called, three by three, and of what they do; see 0031_search.sql.
DO $$
BEGIN
    CREATE INDEX workspace_teams_search ON workspace_teams USING gin ((organization_id::text), name gin_trgm_ops, description gin_trgm_ops) WITH (fastupdate = off);
EXCEPTION
    WHEN undefined_object OR undefined_file OR feature_not_supported THEN
        RAISE WARNING 'teams are searched one by one: %', SQLERRM;
END
$$;
