-- The search for projects; sql/search/close.sql says whose function this is, and why.

-- An owner's projects whose name contains search, in any case: the ids of a page of
-- them, newest first, and how many there are, counted up to 51, or to one more than
-- the page ends with.  all_of is how many projects the owner has.
--
-- What many have is found by walking through the newest, as far as it goes on to
-- promise less than the index.  What few have is found by three characters in a row
-- (see project_grams()): the index projects_search knows whose name has which, and a
-- match costs there what two names cost that are walked past.  What is shorter than
-- three has none, and where a policy forbids the index, all are walked through.
--
-- A name of ASCII alone is compared as bytes, in half the time that ILIKE takes.  The
-- OFFSET 0 hides the owner from the planner, which would else take the index of the
-- list: it knows what an owner has on average.
CREATE OR REPLACE FUNCTION project_candidates(owner uuid, search text, "limit" bigint, skip bigint, all_of bigint,
                                              OUT total bigint, OUT ids uuid[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    pattern text := lower(like_pattern(search)) COLLATE "C";
    most    bigint := least(greatest(51, skip + "limit" + 1), 10001);
    indexed boolean := char_length(search) > 2 AND current_user = 'ashlar_search';
    found   uuid[];
    walked  bigint := 0;
    ahead   bigint := 60;    -- how many are walked through next
    seen    bigint;          -- of these
    missing bigint;          -- how many more it seems to take
BEGIN
    LOOP
        SELECT array_agg(n.id) FILTER (WHERE lower(n.name COLLATE "C") LIKE pattern
                                          OR octet_length(n.name) > char_length(n.name) AND n.name ILIKE pattern), count(*)
        INTO found, seen
        FROM (SELECT p.id, p.name FROM projects p
              WHERE p.tenant_id = (SELECT app_tenant()) AND p.owner_id = owner AND p.deleted_at IS NULL
              ORDER BY p.created_at DESC, p.id DESC LIMIT ahead OFFSET walked) n;
        ids := ids || found;
        total := coalesce(cardinality(ids), 0);
        EXIT WHEN seen < ahead OR total >= most;
        walked := walked + ahead;
        missing := 2 * (most - total) * walked / (2 * total + 1);
        IF indexed AND missing > (2 * total + 1) * all_of / walked THEN
            ids := ARRAY(SELECT n.id
                         FROM (SELECT p.id, p.owner_id, p.name, p.created_at FROM projects p
                               WHERE p.tenant_id = (SELECT app_tenant()) AND p.deleted_at IS NULL
                                 AND project_grams(p.owner_id, p.name) @> project_grams(owner, search) OFFSET 0) n
                         WHERE n.owner_id = owner
                           AND (lower(n.name COLLATE "C") LIKE pattern
                                OR octet_length(n.name) > char_length(n.name) AND n.name ILIKE pattern)
                         ORDER BY n.created_at DESC, n.id DESC LIMIT most);
            total := cardinality(ids);
            EXIT;
        END IF;
        ahead := least(2 * walked, 1 + missing * 5 / 4);
    END LOOP;
    total := least(total, most);
    ids := ids[skip + 1 : least(skip + "limit", most)];
END
$$;
REVOKE ALL ON FUNCTION project_candidates(uuid, text, bigint, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION project_candidates(uuid, text, bigint, bigint, bigint) TO ashlar_api;
