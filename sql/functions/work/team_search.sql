-- The search among teams; sql/search/close.sql says whose function this is, and why.

-- Those whose name, or what they do, contains search, in any case: in no order, and as many as a list may ever have.
CREATE OR REPLACE FUNCTION team_candidates(organization uuid, search text) RETURNS TABLE (id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20 SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    pattern text := like_pattern(search);
BEGIN
    RETURN QUERY
        SELECT n.id
        FROM (SELECT t.organization_id, t.id FROM workspace_teams t
              WHERE t.tenant_id = (SELECT app_tenant()) AND t.organization_id::text = organization::text AND (t.name ILIKE pattern OR t.description ILIKE pattern)
              OFFSET 0) n
        WHERE n.organization_id = organization
        LIMIT 100000;
END
$$;
REVOKE ALL ON FUNCTION team_candidates(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION team_candidates(uuid, text) TO ashlar_api;
