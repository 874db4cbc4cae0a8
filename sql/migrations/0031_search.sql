-- The index of the search for projects (project_candidates), by the letters of their names, three by three.
--
-- Both extensions are trusted: the owner of the database may create them.  Where the server does not have them (Debian's has),
-- or the owner may not, projects are searched one by one, as before.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE EXTENSION IF NOT EXISTS btree_gin;
    -- Without a list of what is to be put into it later, which each search would go through.
    CREATE INDEX projects_search ON projects USING gin ((owner_id::text), name gin_trgm_ops) WITH (fastupdate = off)
        WHERE deleted_at IS NULL;
EXCEPTION
    WHEN undefined_file OR feature_not_supported OR insufficient_privilege THEN
        RAISE WARNING 'projects are searched one by one: %', SQLERRM;
END
$$;
