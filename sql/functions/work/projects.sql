-- The search for projects; sql/search/close.sql says whose function this is, and why.

-- An owner's projects whose name contains search, in any case: how many there
-- are, up to 10,001, and the ids of a page of them, newest first.
--
-- What many of the newest have is found by walking through them in order.  What is
-- rare is found by the trigrams of its letters: of 100,000 in a tenth of a
-- millisecond, where walking takes 87.  A word without three letters in a row has no
-- trigram, and where there is no such index (projects_search), or the policy forbids
-- it, all are walked through.
--
-- The index is told the owner as text: by owner_id alone the planner would take the
-- index of the list, since it knows what an owner has on average.
CREATE OR REPLACE FUNCTION project_candidates(owner uuid, search text, "limit" bigint, skip bigint, OUT total bigint, OUT ids uuid[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    pattern text := like_pattern(search);
    seen    integer;
    hits    integer;
BEGIN
    SELECT count(*), count(*) FILTER (WHERE n.name ILIKE pattern) INTO seen, hits
    FROM (SELECT p.name FROM projects p
          WHERE p.tenant_id = (SELECT app_tenant()) AND p.owner_id = owner AND p.deleted_at IS NULL
          ORDER BY p.created_at DESC, p.id DESC LIMIT 50) n;
    IF seen = 50 AND hits < 13 AND search ~ '\w{3}' AND current_user = 'ashlar_search' AND to_regclass('projects_search') IS NOT NULL THEN
        ids := ARRAY(SELECT p.id FROM projects p
                     WHERE p.tenant_id = (SELECT app_tenant()) AND p.owner_id::text = owner::text AND p.deleted_at IS NULL
                       AND p.name ILIKE pattern
                     ORDER BY p.created_at DESC, p.id DESC LIMIT 10001);
    ELSE
        ids := ARRAY(SELECT p.id FROM projects p
                     WHERE p.tenant_id = (SELECT app_tenant()) AND p.owner_id = owner AND p.deleted_at IS NULL
                       AND p.name ILIKE pattern
                     ORDER BY p.created_at DESC, p.id DESC LIMIT 10001);
    END IF;
    total := cardinality(ids);
    ids := ids[skip + 1 : skip + "limit"];
END
$$;
REVOKE ALL ON FUNCTION project_candidates(uuid, text, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION project_candidates(uuid, text, bigint, bigint) TO ashlar_api;
