-- What is read of activity: which, how many, and by days.

-- An end of a range as clients say it: a time, or a date, which stands for the whole day (UTC). The last one is taken up to and without what
-- comes back.
CREATE OR REPLACE FUNCTION activity_bound(said text, is_last boolean) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN said IS NULL THEN CASE WHEN is_last THEN 'infinity'::timestamptz ELSE '-infinity' END
                WHEN char_length(said) = 10 THEN (said::date + is_last::integer)::timestamp AT TIME ZONE 'UTC'
                -- Answers have milliseconds: such a one is meant with all that is in it.
                ELSE said::timestamptz + is_last::integer * CASE WHEN said ~ '[.][0-9]{4}' THEN interval '1 microsecond' ELSE interval '1 millisecond' END END;
END
$$;

-- The end of one.  Raises AS422 where it is before the beginning.
CREATE OR REPLACE FUNCTION activity_end(begins text, ends text) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF activity_bound(ends, true) <= activity_bound(begins, false) THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'end_date', MESSAGE = 'end_date must not be before start_date';
    END IF;
    RETURN activity_bound(ends, true);
END
$$;

-- Whose activity is meant, as ids of members; NULL: anybody's. users are ids of users or of members, also of such as have left; teams: who is
-- in them now. All that is given has to be so.
CREATE OR REPLACE FUNCTION activity_actors(is_mine boolean, users uuid[], teams uuid[]) RETURNS uuid[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
    tenant uuid := app_tenant();
    actors uuid[];
    others uuid[];
BEGIN
    IF users IS NOT NULL THEN
        actors := users || ARRAY(SELECT m.id FROM users u JOIN memberships m ON m.tenant_id = tenant AND m.user_id = u.id
                                 WHERE u.tenant_id = tenant AND m.organization_id = app_organization()
                                   AND (u.id = ANY (users) OR u.public_id = ANY (users::text[])));
    END IF;
    IF teams IS NOT NULL THEN
        others := ARRAY(SELECT DISTINCT t.member_id FROM workspace_team_members t
                        WHERE t.tenant_id = tenant AND t.organization_id = app_organization() AND t.team_id = ANY (teams));
        actors := CASE WHEN actors IS NULL THEN others ELSE ARRAY(SELECT unnest(actors) INTERSECT SELECT unnest(others)) END;
    END IF;
    IF is_mine THEN
        actors := CASE WHEN actors IS NULL OR app_member() = ANY (actors) THEN ARRAY[app_member()] ELSE '{}' END;
    END IF;
    RETURN actors;
END
$$;

-- The same between two times, for who sees many scopes: by time, and looked at one after the other, since to begin anew in each of a
-- thousand scopes is to read all of a day for a page.
CREATE OR REPLACE FUNCTION activity_newest(scopes uuid[], actors uuid[], types text[], lo timestamptz, hi timestamptz, before_at timestamptz,
                                           before_id uuid, most bigint) RETURNS TABLE (created_at timestamptz, id uuid)
LANGUAGE plpgsql STABLE ROWS 100 SET enable_sort = off SET enable_bitmapscan = off SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
BEGIN
    RETURN QUERY
        SELECT a.created_at, a.id FROM activities a
        WHERE a.tenant_id = tenant AND a.organization_id = organization AND a.created_at >= lo AND a.created_at < hi
          AND a.scope_id = ANY (scopes) AND (actors IS NULL OR a.actor_id = ANY (actors)) AND (types IS NULL OR a.type = ANY (types))
          AND (before_at IS NULL OR (a.created_at, a.id) < (before_at, before_id))
        ORDER BY a.created_at DESC, a.id DESC LIMIT most;
END
$$;

-- The newest so many, from one time up to and without another, by their keys. The days of which there is none are told by activity_days, and passed
-- over, so that what is hidden costs no more than what is not there; from a day on it goes back by twice as many each time.
--
--   scopes         activity_scopes();  actors, types   NULL: any
--   before_at, before_id   behind that one;  NULL: from the newest on
CREATE OR REPLACE FUNCTION activity_find(scopes uuid[], actors uuid[], types text[], from_at timestamptz, until_at timestamptz, before_at timestamptz,
                                         before_id uuid, most bigint) RETURNS TABLE (created_at timestamptz, id uuid)
LANGUAGE plpgsql STABLE ROWS 100 AS $$
#variable_conflict use_column
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
    last_        date;
    lo           timestamptz;
    hi           timestamptz := least(until_at, before_at + interval '1 microsecond');
    days         integer := 1;
    got          bigint;
BEGIN
    WHILE most > 0 AND hi > from_at LOOP
        SELECT d.day INTO last_ FROM activity_days d
        WHERE d.tenant_id = tenant AND d.organization_id = organization AND d.day > '-infinity'
          AND d.day <= CASE WHEN isfinite(hi) THEN ((hi - interval '1 microsecond') AT TIME ZONE 'UTC')::date ELSE 'infinity' END
          AND d.scope_id = ANY (scopes) AND (actors IS NULL OR d.actor_id = ANY (actors)) AND (types IS NULL OR d.type = ANY (types))
        ORDER BY d.day DESC LIMIT 1;
        EXIT WHEN last_ IS NULL;
        hi := least(hi, (last_ + 1)::timestamp AT TIME ZONE 'UTC');
        lo := greatest(from_at, (last_ + 1 - days)::timestamp AT TIME ZONE 'UTC');
        IF cardinality(scopes) > 20 THEN
            RETURN QUERY SELECT * FROM activity_newest(scopes, actors, types, lo, hi, before_at, before_id, most);
        ELSE
            RETURN QUERY
                SELECT a.created_at, a.id FROM activities a
                WHERE a.tenant_id = tenant AND a.organization_id = organization AND a.created_at >= lo AND a.created_at < hi
                  AND a.scope_id = ANY (scopes) AND (actors IS NULL OR a.actor_id = ANY (actors)) AND (types IS NULL OR a.type = ANY (types))
                  AND (before_at IS NULL OR (a.created_at, a.id) < (before_at, before_id))
                ORDER BY a.created_at DESC, a.id DESC LIMIT most;
        END IF;
        GET DIAGNOSTICS got = ROW_COUNT;
        most := most - got;
        hi := lo;
        days := least(2 * days, 366);
    END LOOP;
END
$$;

-- Where one stands among all, as clients carry it on: its time in microseconds and its id. It says nothing of what one may see.
CREATE OR REPLACE FUNCTION activity_cursor(at timestamptz, id uuid) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN translate(encode(int8send((extract(epoch FROM at) * 1000000)::bigint) || uuid_send(id), 'base64'), '+/', '-_');

-- The same back; of NULL, the ends. Raises AS422 for what is none.
CREATE OR REPLACE FUNCTION activity_cursor_read(said text, OUT at timestamptz, OUT id uuid)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    bytes bytea;
    us    bigint;
BEGIN
    IF said IS NOT NULL THEN
        bytes := decode(translate(said, '-_', '+/'), 'base64');
        us := ('x' || encode(substr(bytes, 1, 8), 'hex'))::bit(64)::bigint;
        -- From 1970 to the year 9999.
        IF us NOT BETWEEN 0 AND 253402300799999999 THEN
            RAISE SQLSTATE 'AS422' USING HINT = 'cursor', MESSAGE = 'cursor must be the next_cursor of an answer';
        END IF;
        at := timestamptz 'epoch' + us * interval '1 microsecond';
        id := encode(substr(bytes, 9, 16), 'hex')::uuid;
    END IF;
END
$$;

-- How many there are, up to most: whole days by their sums.
CREATE OR REPLACE FUNCTION activity_total(scopes uuid[], actors uuid[], types text[], from_at timestamptz, until_at timestamptz, most bigint) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
    first        date;
    last_        date;    -- behind the last one
    n            bigint;
BEGIN
    first := CASE WHEN NOT isfinite(from_at) THEN '-infinity'::date ELSE ((from_at AT TIME ZONE 'UTC') + interval '1 day' - interval '1 microsecond')::date END;
    last_ := CASE WHEN NOT isfinite(until_at) THEN 'infinity'::date ELSE (until_at AT TIME ZONE 'UTC')::date END;
    IF actors IS NULL AND first = '-infinity' AND last_ = 'infinity' THEN
        SELECT sum(d.count) INTO n FROM activity_days d
        WHERE d.tenant_id = tenant AND d.organization_id = organization AND d.day = '-infinity' AND d.scope_id = ANY (scopes)
          AND (types IS NULL OR d.type = ANY (types));
        RETURN least(coalesce(n, 0), most);
    END IF;
    IF first >= last_ THEN    -- within a day, or over one midnight
        RETURN (SELECT count(*) FROM activity_find(scopes, actors, types, from_at, until_at, NULL, NULL, most));
    END IF;
    SELECT sum(x.count) INTO n
    FROM (SELECT d.count FROM activity_days d
          WHERE d.tenant_id = tenant AND d.organization_id = organization AND d.day >= first AND d.day > '-infinity' AND d.day < last_
            AND d.scope_id = ANY (scopes) AND (actors IS NULL OR d.actor_id = ANY (actors)) AND (types IS NULL OR d.type = ANY (types))
          LIMIT most) x;    -- each is one at least
    n := coalesce(n, 0);
    IF n < most AND isfinite(from_at) THEN
        n := n + (SELECT count(*) FROM activity_find(scopes, actors, types, from_at, first::timestamp AT TIME ZONE 'UTC', NULL, NULL, most - n));
    END IF;
    IF n < most AND isfinite(until_at) THEN
        n := n + (SELECT count(*) FROM activity_find(scopes, actors, types, last_::timestamp AT TIME ZONE 'UTC', until_at, NULL, NULL, most - n));
    END IF;
    RETURN least(n, most);
END
$$;

-- How many there were, of what a member may see: of all days, and of the last thirty (UTC, today one of them) by day and by who did it.
CREATE OR REPLACE FUNCTION activity_stats(scopes uuid[], OUT total bigint, OUT today bigint, OUT last_7_days bigint, OUT last_30_days bigint,
                                          OUT by_type jsonb, OUT by_day jsonb, OUT top_members jsonb)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
    this_day     date := (now() AT TIME ZONE 'UTC')::date;
    counts       bigint[];
BEGIN
    SELECT coalesce(sum(x.n), 0), jsonb_object_agg(t.type, coalesce(x.n, 0)) INTO total, by_type
    FROM unnest(ARRAY['action', 'goal', 'record', 'integration', 'user']) t (type)
    LEFT JOIN (SELECT d.type, sum(d.count) AS n FROM activity_days d
               WHERE d.tenant_id = tenant AND d.organization_id = organization AND d.day = '-infinity' AND d.scope_id = ANY (scopes)
               GROUP BY d.type) x ON x.type = t.type;
    WITH days AS MATERIALIZED (
        SELECT d.day, d.actor_id, sum(d.count)::bigint AS n FROM activity_days d
        WHERE d.tenant_id = tenant AND d.organization_id = organization AND d.day BETWEEN this_day - 29 AND this_day AND d.scope_id = ANY (scopes)
        GROUP BY d.day, d.actor_id
    ), each AS (
        SELECT g.day::date AS day, coalesce(sum(d.n), 0)::bigint AS n
        FROM generate_series(this_day - 29, this_day, interval '1 day') g (day)
        LEFT JOIN days d ON d.day = g.day::date
        GROUP BY 1
    ), most AS (
        SELECT s.n, r.ref, s.actor_id
        FROM (SELECT d.actor_id, sum(d.n)::bigint AS n FROM days d
              JOIN memberships m ON m.tenant_id = tenant AND m.organization_id = organization AND m.id = d.actor_id
              GROUP BY d.actor_id ORDER BY 2 DESC, 1 LIMIT 5) s
        CROSS JOIN LATERAL member_ref(tenant, organization, s.actor_id) r
    )
    SELECT array_agg(e.n ORDER BY e.day), jsonb_agg(jsonb_build_object('date', to_char(e.day, 'YYYY-MM-DD'), 'count', e.n) ORDER BY e.day),
           (SELECT coalesce(jsonb_agg(jsonb_build_object('member', m.ref, 'count', m.n) ORDER BY m.n DESC, m.actor_id), '[]') FROM most m)
    INTO counts, by_day, top_members
    FROM each e;
    today := counts[30];
    last_7_days := (SELECT sum(n) FROM unnest(counts[24:30]) n);
    last_30_days := (SELECT sum(n) FROM unnest(counts) n);
END
$$;
