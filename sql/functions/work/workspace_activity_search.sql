-- The search in activity; sql/search/close.sql says whose function this is, and why.

-- The newest so many, up to 10,001, whose description contains search, in any case; the other conditions as activity_find() has them.
--
-- The newest 200 are walked through: what many have is found there. The others are found by three characters in a row, by the index
-- activities_search; where the server has none of it, one by one.
CREATE OR REPLACE FUNCTION activity_candidates(organization uuid, scopes uuid[], actors uuid[], types text[], from_at timestamptz, until_at timestamptz,
                                               search text, "limit" bigint) RETURNS TABLE (created_at timestamptz, id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100 SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    pattern text := like_pattern(btrim(search));    -- of nothing: all
    most    bigint := least("limit", 10001);
    last_at timestamptz;
    last_id uuid;
    walked  bigint;
    got     bigint;
BEGIN
    SELECT count(*), (array_agg(n.created_at))[count(*)], (array_agg(n.id))[count(*)] INTO walked, last_at, last_id
    FROM (SELECT a.created_at, a.id FROM activities a
          WHERE a.tenant_id = (SELECT app_tenant()) AND a.organization_id = organization AND a.created_at >= from_at AND a.created_at < until_at
            AND a.scope_id = ANY (scopes) AND (actors IS NULL OR a.actor_id = ANY (actors)) AND (types IS NULL OR a.type = ANY (types))
          ORDER BY a.created_at DESC, a.id DESC LIMIT 200) n;
    IF walked = 0 THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT a.created_at, a.id FROM activities a
        WHERE a.tenant_id = (SELECT app_tenant()) AND a.organization_id = organization AND a.created_at >= last_at AND a.created_at < until_at
          AND (a.created_at, a.id) >= (last_at, last_id)
          AND a.scope_id = ANY (scopes) AND (actors IS NULL OR a.actor_id = ANY (actors)) AND (types IS NULL OR a.type = ANY (types))
          AND a.description ILIKE pattern
        ORDER BY a.created_at DESC, a.id DESC LIMIT most;
    GET DIAGNOSTICS got = ROW_COUNT;
    IF walked < 200 OR got >= most THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT n.created_at, n.id
        FROM (SELECT a.organization_id, a.created_at, a.id, a.scope_id, a.actor_id, a.type FROM activities a
              WHERE a.tenant_id = (SELECT app_tenant()) AND a.organization_id::text = organization::text AND a.description ILIKE pattern OFFSET 0) n
        WHERE n.organization_id = organization AND n.created_at >= from_at AND (n.created_at, n.id) < (last_at, last_id)
          AND n.scope_id = ANY (scopes) AND (actors IS NULL OR n.actor_id = ANY (actors)) AND (types IS NULL OR n.type = ANY (types))
        ORDER BY n.created_at DESC, n.id DESC LIMIT most - got;
END
$$;
REVOKE ALL ON FUNCTION activity_candidates(uuid, uuid[], uuid[], text[], timestamptz, timestamptz, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION activity_candidates(uuid, uuid[], uuid[], text[], timestamptz, timestamptz, text, bigint) TO ashlar_api;
