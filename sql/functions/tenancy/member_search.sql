-- A page of a workspace's members: whose turn it is, and how many there are; sql/search/close.sql says whose function the search is, and why.

-- The ids of a page, in the order of names, and how many there are: counters say it, and of those who are not active an index that has no others.  Of a search
-- it is counted up to 51, or to one more than the page ends with.
--
--   search, active   NULL: any
CREATE OR REPLACE FUNCTION member_page(search text, active boolean, "limit" bigint, skip bigint, OUT total bigint, OUT ids uuid[])
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_variable
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
    over         uuid[] := ARRAY(SELECT e.member_id FROM membership_ends e WHERE e.tenant_id = tenant AND e.organization_id = organization AND e.ends_at <= now());
    members      bigint := (SELECT o.member_count FROM organizations o WHERE o.tenant_id = tenant AND o.id = organization) - cardinality(over);
    others       bigint := (SELECT count(*) FROM (SELECT FROM memberships m
                                                  WHERE m.tenant_id = tenant AND m.organization_id = organization AND NOT m.is_active LIMIT 10001) x);
BEGIN
    IF search <> '' THEN
        SELECT c.total, c.ids INTO total, ids FROM member_candidates(organization, search, active, "limit", skip, members + others, over) c;
    ELSIF NOT active THEN
        total := others;
        ids := ARRAY(SELECT p.member_id
                     FROM memberships m
                     JOIN member_profiles p ON p.tenant_id = m.tenant_id AND p.organization_id = m.organization_id AND p.member_id = m.id
                     WHERE m.tenant_id = tenant AND m.organization_id = organization AND NOT m.is_active
                     ORDER BY p.sort_name, p.member_id LIMIT "limit" OFFSET skip);
    ELSE
        total := members + CASE WHEN active THEN 0 ELSE others END;
        ids := ARRAY(SELECT p.member_id FROM member_profiles p
                     WHERE p.tenant_id = tenant AND p.organization_id = organization AND p.member_id <> ALL (over)
                       AND (active IS NULL OR (SELECT m.is_active FROM memberships m
                                               WHERE m.tenant_id = tenant AND m.organization_id = organization AND m.id = p.member_id))
                     ORDER BY p.sort_name, p.member_id LIMIT "limit" OFFSET skip);
    END IF;
END
$$;

-- Those whose name, or whose address, contains search, in any case; all_of is how many members there are, and over whose time is: they are none.
--
-- What many have is found by walking through them in the order of the list, as far as it goes on to promise less than the index
-- (see project_candidates()): one has six characters in a row (member_grams()), one three, of which what is shorter has none.
CREATE OR REPLACE FUNCTION member_candidates(organization uuid, search text, active boolean, "limit" bigint, skip bigint, all_of bigint, over uuid[],
                                             OUT total bigint, OUT ids uuid[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    pattern text := lower(like_pattern(search));
    most    bigint := least(greatest(51, skip + "limit" + 1), 10001);
    indexed boolean := char_length(search) > 2 AND current_user = 'ashlar_search';
    found   uuid[];
    walked  bigint := 0;
    ahead   bigint := 100;    -- how many are walked through next
    seen    bigint;           -- of these
    missing bigint;           -- how many more it seems to take
BEGIN
    LOOP
        SELECT array_agg(n.member_id) FILTER (WHERE n.search_text LIKE pattern AND n.member_id <> ALL (over) AND (active IS NULL OR active = (
                   SELECT m.is_active FROM memberships m
                   WHERE m.tenant_id = (SELECT app_tenant()) AND m.organization_id = organization AND m.id = n.member_id))), count(*)
        INTO found, seen
        FROM (SELECT p.member_id, p.search_text FROM member_profiles p
              WHERE p.tenant_id = (SELECT app_tenant()) AND p.organization_id = organization
              ORDER BY p.sort_name, p.member_id LIMIT ahead OFFSET walked) n;
        ids := ids || found;
        total := coalesce(cardinality(ids), 0);
        EXIT WHEN seen < ahead OR total >= most;
        walked := walked + ahead;
        missing := 2 * (most - total) * walked / (2 * total + 1);
        IF indexed AND missing > (2 * total + 1) * all_of / walked THEN
            IF char_length(search) > 5 THEN
                ids := ARRAY(SELECT n.member_id
                             FROM (SELECT p.organization_id, p.member_id, p.sort_name, p.search_text FROM member_profiles p
                                   WHERE p.tenant_id = (SELECT app_tenant())
                                     AND member_grams(p.organization_id, p.search_text) @> member_grams(organization, lower(search)) OFFSET 0) n
                             WHERE n.organization_id = organization AND n.search_text LIKE pattern AND n.member_id <> ALL (over)
                               AND (active IS NULL OR active = (SELECT m.is_active FROM memberships m
                                                                WHERE m.tenant_id = (SELECT app_tenant()) AND m.organization_id = organization AND m.id = n.member_id))
                             ORDER BY n.sort_name, n.member_id LIMIT most);
            ELSE
                ids := ARRAY(SELECT n.member_id
                             FROM (SELECT p.member_id, p.sort_name FROM member_profiles p
                                   WHERE p.tenant_id = (SELECT app_tenant()) AND p.organization_id::text = organization::text
                                     AND p.search_text LIKE pattern OFFSET 0) n
                             WHERE n.member_id <> ALL (over)
                               AND (active IS NULL OR active = (SELECT m.is_active FROM memberships m
                                                                WHERE m.tenant_id = (SELECT app_tenant()) AND m.organization_id = organization AND m.id = n.member_id))
                             ORDER BY n.sort_name, n.member_id LIMIT most);
            END IF;
            total := cardinality(ids);
            EXIT;
        END IF;
        ahead := least(2 * walked, 1 + missing * 5 / 4);
    END LOOP;
    total := least(total, most);
    ids := ids[skip + 1 : least(skip + "limit", most)];
END
$$;
REVOKE ALL ON FUNCTION member_candidates(uuid, text, boolean, bigint, bigint, bigint, uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION member_candidates(uuid, text, boolean, bigint, bigint, bigint, uuid[]) TO ashlar_api;
