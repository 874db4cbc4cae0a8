-- The search in activity; sql/search/close.sql says whose function activity_candidates() is, and why.

-- The newest so many, up to 10,001, whose description contains search, in any case, by the index activities_search; the other conditions as
-- activity_find() has them. It goes back month by month, until there are enough.
CREATE OR REPLACE FUNCTION activity_candidates(organization uuid, scopes uuid[], actors uuid[], types text[], from_at timestamptz, until_at timestamptz,
                                               search text, "limit" bigint) RETURNS TABLE (created_at timestamptz, id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100 SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    pattern text := like_pattern(btrim(search));    -- of nothing: all
    most    bigint := least("limit", 10001);
    first   timestamptz;    -- the oldest month, and behind the last
    last_   timestamptz;
    lo      timestamptz;
    hi      timestamptz;
    got     bigint;
BEGIN
    SELECT to_date(min(p.month), 'YYYYMM')::timestamp AT TIME ZONE 'UTC', (to_date(max(p.month), 'YYYYMM') + interval '1 month') AT TIME ZONE 'UTC' INTO first, last_
    FROM (SELECT right(t.relid::regclass::text, 6) AS month FROM pg_partition_tree('public.activities') t WHERE t.isleaf) p;
    first := greatest(first, from_at);
    hi := least(last_, until_at);
    WHILE most > 0 AND hi > first LOOP
        lo := greatest(first, date_trunc('month', hi - interval '1 microsecond', 'UTC'));
        RETURN QUERY
            SELECT n.created_at, n.id
            FROM (SELECT a.organization_id, a.created_at, a.id, a.scope_id, a.actor_id, a.type FROM activities a
                  WHERE a.tenant_id = (SELECT app_tenant()) AND a.organization_id::text = organization::text AND a.description ILIKE pattern
                    AND a.created_at >= lo AND a.created_at < hi OFFSET 0) n
            WHERE n.organization_id = organization AND (n.scope_id IN (SELECT unnest(scopes))) IS TRUE
              AND (actors IS NULL OR (n.actor_id IN (SELECT unnest(actors))) IS TRUE) AND (types IS NULL OR n.type = ANY (types))
            ORDER BY n.created_at DESC, n.id DESC LIMIT most;
        GET DIAGNOSTICS got = ROW_COUNT;
        most := most - got;
        hi := lo;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION activity_candidates(uuid, uuid[], uuid[], text[], timestamptz, timestamptz, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION activity_candidates(uuid, uuid[], uuid[], text[], timestamptz, timestamptz, text, bigint) TO ashlar_api;

-- The same, as it is asked for: the newest 200 of what one may see are looked at, and as long as one in twenty is found there, as many again. What
-- fewer have is looked for by the index.
CREATE OR REPLACE FUNCTION activity_search(scopes uuid[], actors uuid[], types text[], from_at timestamptz, until_at timestamptz, search text,
                                           most bigint) RETURNS TABLE (created_at timestamptz, id uuid)
LANGUAGE plpgsql STABLE ROWS 100 AS $$
#variable_conflict use_column
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
    pattern      text := like_pattern(btrim(search));
    last_at      timestamptz;
    last_id      uuid;
    at_          timestamptz[];
    ids          uuid[];
    batch        bigint := 200;
    looked_at    bigint := 0;
    found_       bigint := 0;
    got          bigint;
BEGIN
    LOOP
        SELECT array_agg(f.created_at), array_agg(f.id) INTO at_, ids
        FROM (SELECT x.created_at, x.id FROM activity_find(scopes, actors, types, from_at, until_at, last_at, last_id, batch) x ORDER BY x.created_at DESC, x.id DESC) f;
        RETURN QUERY
            SELECT a.created_at, a.id FROM unnest(at_, ids) k (at, id)
            JOIN activities a ON a.tenant_id = tenant AND a.organization_id = organization AND a.created_at = k.at AND a.id = k.id
            WHERE a.description ILIKE pattern
            ORDER BY a.created_at DESC, a.id DESC LIMIT most - found_;
        GET DIAGNOSTICS got = ROW_COUNT;
        found_ := found_ + got;
        looked_at := looked_at + coalesce(cardinality(ids), 0);
        IF found_ >= most OR coalesce(cardinality(ids), 0) < batch THEN
            RETURN;
        END IF;
        last_at := at_[batch];
        last_id := ids[batch];
        EXIT WHEN found_ * 20 < looked_at;
        batch := least(batch * 2, 3200);
    END LOOP;
    RETURN QUERY
        SELECT c.created_at, c.id
        FROM activity_candidates(organization, scopes, actors, types, from_at, last_at + interval '1 microsecond', search, most - found_ + batch) c
        WHERE (c.created_at, c.id) < (last_at, last_id)    -- of those of one moment some are told already
        ORDER BY c.created_at DESC, c.id DESC LIMIT most - found_;
END
$$;
