-- What is read of activity: which, how many, and by days.
--
-- No statement here says day > '-infinity', for all that days of all are left out: so PostgreSQL does not read them by activity_days_age, which has those of
-- all workspaces; and where a day is asked for of somebody, or of a scope, it is compared together with the type, as the indexes for these have it: else all of the
-- days between would be as good in the eyes of PostgreSQL, since they lie side by side.

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

-- The newest so many of a workspace, whoever may see them, each with whether it is asked for: by time, one after the other. Ids are looked for in
-- a hash of them (which a plan for any list of scopes has for a subquery alone), since there may be a thousand.
CREATE OR REPLACE FUNCTION activity_walk(scopes uuid[], actors uuid[], types text[], lo timestamptz, hi timestamptz, before_at timestamptz,
                                         before_id uuid, visits bigint) RETURNS TABLE (created_at timestamptz, id uuid, is_asked boolean)
LANGUAGE plpgsql STABLE ROWS 400 SET enable_sort = off SET enable_bitmapscan = off SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
BEGIN
    RETURN QUERY
        SELECT a.created_at, a.id, (types IS NULL OR a.type = ANY (types)) AND a.scope_id IN (SELECT unnest(scopes))
               AND (actors IS NULL OR a.actor_id IN (SELECT unnest(actors)))
        FROM activities a
        WHERE a.tenant_id = tenant AND a.organization_id = organization AND a.created_at >= lo AND a.created_at < hi
          AND (before_at IS NULL OR (a.created_at, a.id) < (before_at, before_id))
        ORDER BY a.created_at DESC, a.id DESC LIMIT visits;
END
$$;

-- The types that there are in scopes, and whose each is.
CREATE OR REPLACE FUNCTION activity_kinds(scopes uuid[], types text[], OUT of_scopes uuid[], OUT kinds text[])
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
#variable_conflict use_variable
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
BEGIN
    SELECT coalesce(array_agg(x.scope_id), '{}'), coalesce(array_agg(x.type), '{}') INTO of_scopes, kinds
    FROM (SELECT DISTINCT d.scope_id, d.type FROM activity_days d
          WHERE d.tenant_id = tenant AND d.organization_id = organization AND d.day = '-infinity' AND d.scope_id = ANY (scopes)
            AND (types IS NULL OR d.type = ANY (types))) x;
END
$$;

-- One of the last days up to one on which there is any, if it is among the last few hundred sums: mostly it is.
CREATE OR REPLACE FUNCTION activity_recent_day(scopes uuid[], actors uuid[], types text[], upto date) RETURNS date
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
    earliest     date := '0001-01-01';    -- those of all days are none
BEGIN
    RETURN (SELECT x.day
            FROM (SELECT d.day, d.scope_id, d.actor_id, d.type FROM activity_days d
                  WHERE d.tenant_id = tenant AND d.organization_id = organization AND d.day >= earliest AND d.day <= upto
                  ORDER BY d.day DESC LIMIT 300) x
            WHERE (types IS NULL OR x.type = ANY (types)) AND (x.scope_id IN (SELECT unnest(scopes))) IS TRUE
              AND (actors IS NULL OR (x.actor_id IN (SELECT unnest(actors))) IS TRUE)
            LIMIT 1);
END
$$;

-- The last day, up to one, on which there is any; NULL: there is none. of_scopes and kinds are activity_kinds(), or NULL: it is looked for by
-- who did it.
CREATE OR REPLACE FUNCTION activity_last_day(scopes uuid[], actors uuid[], types text[], of_scopes uuid[], kinds text[], upto date) RETURNS date
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
    earliest     date := '0001-01-01';
BEGIN
    IF of_scopes IS NULL THEN
        RETURN (SELECT max(x.day)
                FROM unnest(actors) w (actor)
                CROSS JOIN unnest(types) k (kind)
                CROSS JOIN LATERAL (
                    SELECT d.day FROM activity_days d
                    WHERE d.tenant_id = tenant AND d.organization_id = organization AND d.actor_id = w.actor
                      AND (d.type, d.day) >= (k.kind COLLATE "C", earliest) AND (d.type, d.day) <= (k.kind COLLATE "C", upto) AND (d.scope_id IN (SELECT unnest(scopes))) IS TRUE
                    ORDER BY d.type DESC, d.day DESC LIMIT 1) x);
    END IF;
    RETURN (SELECT max(x.day)
            FROM unnest(of_scopes, kinds) s (scope, kind)
            CROSS JOIN LATERAL (
                SELECT d.day FROM activity_days d
                WHERE d.tenant_id = tenant AND d.organization_id = organization AND d.scope_id = s.scope
                  AND (d.type, d.day) >= (s.kind COLLATE "C", earliest) AND (d.type, d.day) <= (s.kind COLLATE "C", upto) AND (actors IS NULL OR (d.actor_id IN (SELECT unnest(actors))) IS TRUE)
                ORDER BY d.type DESC, d.day DESC LIMIT 1) x);
END
$$;

-- Of the days from one to another the newest, together with as many as are asked for, with whose they are: the ids of scopes, or of who did it
-- where of_scopes is NULL; the others as activity_last_day() has them.
CREATE OR REPLACE FUNCTION activity_days_with(scopes uuid[], actors uuid[], types text[], of_scopes uuid[], kinds text[], first date, last_ date,
                                              most bigint, OUT days date[], OUT whose uuid[], OUT lowest date)
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_variable
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
BEGIN
    IF of_scopes IS NULL THEN
        SELECT array_agg(t.day), array_agg(t.actor_id), min(t.day) INTO days, whose, lowest
        FROM (SELECT d.day, d.actor_id, sum(sum(d.count)) OVER (ORDER BY d.day DESC GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS newer
              FROM unnest(actors) w (actor)
              CROSS JOIN unnest(types) k (kind)
              JOIN activity_days d ON d.tenant_id = tenant AND d.organization_id = organization AND d.actor_id = w.actor
                                  AND (d.type, d.day) >= (k.kind COLLATE "C", first) AND (d.type, d.day) <= (k.kind COLLATE "C", last_)
              WHERE (d.scope_id IN (SELECT unnest(scopes))) IS TRUE
              GROUP BY d.day, d.actor_id) t
        WHERE coalesce(t.newer, 0) < most;
    ELSE
        SELECT array_agg(t.day), array_agg(t.scope_id), min(t.day) INTO days, whose, lowest
        FROM (SELECT d.day, d.scope_id, sum(sum(d.count)) OVER (ORDER BY d.day DESC GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS newer
              FROM unnest(of_scopes, kinds) s (scope, kind)
              JOIN activity_days d ON d.tenant_id = tenant AND d.organization_id = organization AND d.scope_id = s.scope
                                  AND (d.type, d.day) >= (s.kind COLLATE "C", first) AND (d.type, d.day) <= (s.kind COLLATE "C", last_)
              WHERE (actors IS NULL OR (d.actor_id IN (SELECT unnest(actors))) IS TRUE)
              GROUP BY d.day, d.scope_id) t
        WHERE coalesce(t.newer, 0) < most;
    END IF;
END
$$;

-- The newest so many, from one time up to and without another, by their keys. What is hidden costs no more than what is not there, and neither the
-- length of the history: activity_days tells on which days, in which scopes or by whom there is any, and these alone are read.
-- For who sees many scopes the newest few hundred are gone through first, of which most are theirs.
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
    all_types    text[] := '{action,goal,record,integration,user}';
    few          integer := 20;
    by_actor     boolean := coalesce(cardinality(actors) <= few, false) AND cardinality(scopes) > few;
    walks        boolean := cardinality(scopes) > few AND NOT by_actor;
    of_scopes    uuid[];
    kinds        text[];
    upto         date;
    last_        date;
    lo           timestamptz;
    hi           timestamptz := least(until_at, before_at + interval '1 microsecond');
    days         integer := 1;
    got          bigint;
    visits       bigint;
    visited      bigint;
    at_          timestamptz[];
    ids          uuid[];
    found_days   date[];
    whose        uuid[];
BEGIN
    IF by_actor THEN
        types := coalesce(types, all_types);
    END IF;
    WHILE most > 0 AND hi > from_at LOOP
        upto := CASE WHEN isfinite(hi) THEN ((hi - interval '1 microsecond') AT TIME ZONE 'UTC')::date ELSE 'infinity' END;
        last_ := CASE WHEN walks THEN activity_recent_day(scopes, actors, types, upto) END;
        IF last_ IS NULL THEN
            walks := false;
            IF NOT by_actor AND of_scopes IS NULL THEN
                SELECT k.of_scopes, k.kinds INTO of_scopes, kinds FROM activity_kinds(scopes, types) k;
            END IF;
            last_ := activity_last_day(scopes, actors, types, of_scopes, kinds, upto);
        END IF;
        EXIT WHEN last_ IS NULL OR isfinite(from_at) AND last_ < (from_at AT TIME ZONE 'UTC')::date;
        hi := least(hi, (last_ + 1)::timestamp AT TIME ZONE 'UTC');
        lo := greatest(from_at, (last_ + 1 - days)::timestamp AT TIME ZONE 'UTC');
        IF walks THEN
            visits := least(4 * most + 200, 20000);
            SELECT count(*), (array_agg(w.created_at))[count(*)], (array_agg(w.id))[count(*)], array_agg(w.created_at) FILTER (WHERE w.is_asked), array_agg(w.id) FILTER (WHERE w.is_asked)
            INTO visited, before_at, before_id, at_, ids
            FROM activity_walk(scopes, actors, types, lo, hi, before_at, before_id, visits) w;
            RETURN QUERY SELECT f.at, f.id FROM unnest(at_, ids) WITH ORDINALITY f (at, id, nr) WHERE f.nr <= most ORDER BY f.nr;
            GET DIAGNOSTICS got = ROW_COUNT;
            most := most - got;
            walks := visited < visits;    -- else there are too many others: by scopes
            hi := CASE WHEN walks THEN lo ELSE before_at + interval '1 microsecond' END;
        ELSE
            SELECT w.days, w.whose, w.lowest INTO found_days, whose, last_
            FROM activity_days_with(scopes, actors, types, of_scopes, kinds, (lo AT TIME ZONE 'UTC')::date, last_, most) w;
            IF by_actor THEN
                RETURN QUERY
                    SELECT x.created_at, x.id
                    FROM unnest(found_days, whose) k (day, actor)
                    CROSS JOIN LATERAL (
                        SELECT a.created_at, a.id FROM activities a
                        WHERE a.tenant_id = tenant AND a.organization_id = organization AND a.actor_id = k.actor
                          AND a.created_at >= greatest(lo, k.day::timestamp AT TIME ZONE 'UTC') AND a.created_at < least(hi, (k.day + 1)::timestamp AT TIME ZONE 'UTC')
                          AND (a.scope_id IN (SELECT unnest(scopes))) IS TRUE AND (types IS NULL OR a.type = ANY (types))
                          AND (before_at IS NULL OR (a.created_at, a.id) < (before_at, before_id))
                        ORDER BY a.created_at DESC, a.id DESC LIMIT most) x
                    ORDER BY x.created_at DESC, x.id DESC LIMIT most;
            ELSE
                RETURN QUERY
                    SELECT x.created_at, x.id
                    FROM unnest(found_days, whose) k (day, scope)
                    CROSS JOIN LATERAL (
                        SELECT a.created_at, a.id FROM activities a
                        WHERE a.tenant_id = tenant AND a.organization_id = organization AND a.scope_id = k.scope
                          AND a.created_at >= greatest(lo, k.day::timestamp AT TIME ZONE 'UTC') AND a.created_at < least(hi, (k.day + 1)::timestamp AT TIME ZONE 'UTC')
                          AND (actors IS NULL OR (a.actor_id IN (SELECT unnest(actors))) IS TRUE) AND (types IS NULL OR a.type = ANY (types))
                          AND (before_at IS NULL OR (a.created_at, a.id) < (before_at, before_id))
                        ORDER BY a.created_at DESC, a.id DESC LIMIT most) x
                    ORDER BY x.created_at DESC, x.id DESC LIMIT most;
            END IF;
            GET DIAGNOSTICS got = ROW_COUNT;
            most := most - got;
            hi := greatest(lo, last_::timestamp AT TIME ZONE 'UTC');
        END IF;
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

-- How many there are of the days from one up to and without another, where it is less than most: by their sums, of which those of others are not read.
CREATE OR REPLACE FUNCTION activity_days_total(scopes uuid[], actors uuid[], types text[], first date, last_ date, most bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_variable
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
    earliest     date := greatest(first, '0001-01-01');
    n            bigint;
BEGIN
    IF cardinality(actors) <= 20 AND cardinality(scopes) > 20 THEN
        SELECT sum(x.count) INTO n
        FROM (SELECT d.count
              FROM unnest(actors) w (actor)
              CROSS JOIN unnest(coalesce(types, '{action,goal,record,integration,user}')) k (kind)
              JOIN activity_days d ON d.tenant_id = tenant AND d.organization_id = organization AND d.actor_id = w.actor
                                  AND (d.type, d.day) >= (k.kind COLLATE "C", earliest) AND (d.type, d.day) < (k.kind COLLATE "C", last_)
              WHERE (d.scope_id IN (SELECT unnest(scopes))) IS TRUE
              LIMIT most) x;    -- each is one at least
    ELSE
        SELECT sum(x.count) INTO n
        FROM (SELECT d.count
              FROM activity_kinds(scopes, types) a
              CROSS JOIN unnest(a.of_scopes, a.kinds) s (scope, kind)
              JOIN activity_days d ON d.tenant_id = tenant AND d.organization_id = organization AND d.scope_id = s.scope
                                  AND (d.type, d.day) >= (s.kind COLLATE "C", earliest) AND (d.type, d.day) < (s.kind COLLATE "C", last_)
              WHERE (actors IS NULL OR (d.actor_id IN (SELECT unnest(actors))) IS TRUE)
              LIMIT most) x;
    END IF;
    RETURN coalesce(n, 0);
END
$$;

-- How many there are of all days, by type. For who sees many scopes all sums are gone through, as long as those of others are not too many; else those of
-- each scope are looked for.
CREATE OR REPLACE FUNCTION activity_sums(scopes uuid[], types text[]) RETURNS TABLE (type text, n bigint)
LANGUAGE plpgsql STABLE ROWS 5 SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
    most         bigint := 10 * cardinality(scopes);
    seen         bigint;
    kinds        text[];
    sums         bigint[];
BEGIN
    IF cardinality(scopes) > 20 THEN
        SELECT coalesce(sum(g.seen), 0), array_agg(g.type), array_agg(g.n) INTO seen, kinds, sums
        FROM (SELECT x.type, count(*) AS seen, sum(x.count) FILTER (WHERE x.scope_id IN (SELECT unnest(scopes)))::bigint AS n    -- in a hash of them
              FROM (SELECT d.type, d.scope_id, d.count FROM activity_days d
                    WHERE d.tenant_id = tenant AND d.organization_id = organization AND d.day = '-infinity' LIMIT most) x
              GROUP BY x.type) g;
    END IF;
    IF seen < most THEN
        RETURN QUERY SELECT x.type, x.n FROM unnest(kinds, sums) x (type, n) WHERE x.n IS NOT NULL AND (types IS NULL OR x.type = ANY (types));
    ELSE
        RETURN QUERY
            SELECT d.type, sum(d.count)::bigint FROM activity_days d
            WHERE d.tenant_id = tenant AND d.organization_id = organization AND d.day = '-infinity' AND d.scope_id = ANY (scopes)
              AND (types IS NULL OR d.type = ANY (types))
            GROUP BY d.type;
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
        RETURN least(coalesce((SELECT sum(x.n) FROM activity_sums(scopes, types) x), 0), most);
    END IF;
    IF first >= last_ THEN    -- within a day, or over one midnight
        RETURN (SELECT count(*) FROM activity_find(scopes, actors, types, from_at, until_at, NULL, NULL, most));
    END IF;
    n := activity_days_total(scopes, actors, types, first, last_, most);
    IF n < most AND isfinite(from_at) THEN
        n := n + (SELECT count(*) FROM activity_find(scopes, actors, types, from_at, first::timestamp AT TIME ZONE 'UTC', NULL, NULL, most - n));
    END IF;
    IF n < most AND isfinite(until_at) THEN
        n := n + (SELECT count(*) FROM activity_find(scopes, actors, types, last_::timestamp AT TIME ZONE 'UTC', until_at, NULL, NULL, most - n));
    END IF;
    RETURN least(n, most);
END
$$;

-- The count of a day in a number of activity_months; of that and the month's next ones, where it is not the only one.
CREATE OR REPLACE FUNCTION activity_day(days numeric, day date, is_only boolean) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN mod(div(days, ('1e' || 12 * (extract(day FROM day) - 1))::numeric), CASE WHEN is_only THEN 1e12 ELSE 999999999999 END);    -- by nines: the sum of its digits

-- How many there were in some months, each the first of its days, and by whom: of many scopes as activity_sums() has it.
CREATE OR REPLACE FUNCTION activity_months_by(scopes uuid[], months date[]) RETURNS TABLE (month date, actor_id uuid, days numeric)
LANGUAGE plpgsql STABLE ROWS 100 SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_incremental_sort = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
    most         bigint := 10 * cardinality(scopes);
    seen         bigint;
    found_       date[];
    actors       uuid[];
    sums         numeric[];
BEGIN
    IF cardinality(scopes) > 20 THEN
        SELECT coalesce(sum(g.seen), 0), array_agg(g.month), array_agg(g.actor_id), array_agg(g.days) INTO seen, found_, actors, sums
        FROM (SELECT x.month, x.actor_id, count(*) AS seen, sum(x.days) FILTER (WHERE x.scope_id IN (SELECT unnest(scopes))) AS days
              FROM (SELECT m.month, m.scope_id, m.actor_id, m.days FROM activity_months m
                    WHERE m.tenant_id = tenant AND m.organization_id = organization AND m.month = ANY (months) LIMIT most) x
              GROUP BY x.month, x.actor_id) g;
    END IF;
    IF seen < most THEN
        RETURN QUERY SELECT x.month, x.actor_id, x.days FROM unnest(found_, actors, sums) x (month, actor_id, days) WHERE x.days IS NOT NULL;
    ELSE
        RETURN QUERY
            SELECT m.month, m.actor_id, sum(m.days)
            FROM unnest(months) k (month)
            CROSS JOIN unnest(scopes) s (scope)
            JOIN activity_months m ON m.tenant_id = tenant AND m.organization_id = organization AND m.month = k.month AND m.scope_id = s.scope
            GROUP BY m.month, m.actor_id;
    END IF;
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
    first        date := this_day - 29;
    months       date[] := ARRAY(SELECT m::date FROM generate_series(date_trunc('month', first), this_day, interval '1 month') m);
    found_       date[];
    actors       uuid[];
    sums         numeric[];
    counts       bigint[];
    who          record;
BEGIN
    SELECT coalesce(sum(x.n), 0), jsonb_object_agg(t.type, coalesce(x.n, 0)) INTO total, by_type
    FROM unnest(ARRAY['action', 'goal', 'record', 'integration', 'user']) t (type)
    LEFT JOIN activity_sums(scopes, NULL) x ON x.type = t.type;
    SELECT array_agg(m.month), array_agg(m.actor_id), array_agg(m.days) INTO found_, actors, sums FROM activity_months_by(scopes, months) m;
    SELECT array_agg(e.n ORDER BY e.day), jsonb_agg(jsonb_build_object('date', to_char(e.day, 'YYYY-MM-DD'), 'count', e.n) ORDER BY e.day)
    INTO counts, by_day
    FROM (SELECT g.day, coalesce(activity_day(m.days, g.day, true), 0) AS n
          FROM (SELECT first + i AS day FROM generate_series(0, 29) i) g
          LEFT JOIN (SELECT x.month, sum(x.days) AS days FROM unnest(found_, sums) x (month, days) GROUP BY x.month) m ON m.month = date_trunc('month', g.day)) e;
    -- Those with the most, as far as they are still here: one by one, since a workspace has far more members than are asked for.
    top_members := '[]';
    FOR who IN SELECT x.actor_id, sum(activity_day(x.days, greatest(first, x.month), false))::bigint AS n FROM unnest(found_, actors, sums) x (month, actor_id, days)
               GROUP BY x.actor_id HAVING sum(activity_day(x.days, greatest(first, x.month), false)) > 0 ORDER BY 2 DESC, 1 LOOP
        EXIT WHEN jsonb_array_length(top_members) = 5;
        top_members := top_members || coalesce((SELECT jsonb_build_object('member', r.ref, 'count', who.n) FROM member_ref(tenant, organization, who.actor_id) r), '[]');
    END LOOP;
    today := counts[30];
    last_7_days := (SELECT sum(n) FROM unnest(counts[24:30]) n);
    last_30_days := (SELECT sum(n) FROM unnest(counts) n);
END
$$;
