-- Limits: may this principal use so much more of that?  And the counters that say so.
--
-- A principal is (organization, user): a user in an organization, whose plan is asked of the organization's total; or a user
-- alone (organization NULL); or an organization (user NULL).  amounts are by metric: {"messages": 1, "cost_usd": 1200}.
--
--   usage_check     looks only
--   usage_consume   uses it at once
--   usage_reserve   holds it until it is settled with what it came to, or released, or expired: a process that died
--                   gives back what it held
--   usage_give_back  it is used no more, as of bytes that are deleted
--
-- All but the first are done once for each operation id, and refuse with AS402: then nothing at all was booked.
--
-- The test is a guarded UPDATE of the counter itself, evaluated again behind a lock wait, so of fifty at once with one
-- unit left one passes.  Rows are locked in one order, so that nobody waits in a circle: the operation; the user's
-- counters, by metric; the organization's, by metric, and last, since they are what others wait for.

-- No organization, or no user, in a key.  A CASE, since under row-level security a condition with a COALESCE counts as one that
-- may leak, and is none of an index: the rows of the whole tenant would be read.
CREATE OR REPLACE FUNCTION usage_id(id uuid) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN id IS NULL THEN '00000000-0000-0000-0000-000000000000'::uuid ELSE id END;

-- Is its limit for a period, as usage_metrics() says it?  Asked with every unit that is used: no subquery.
CREATE OR REPLACE FUNCTION usage_resets(metric text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN metric <> 'storage_bytes';

-- What a plan's limits call it: those of messages, tokens and cost are a plan's, and without a plan there is none of them.
CREATE OR REPLACE FUNCTION usage_plan_key(metric text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE metric WHEN 'ai_tokens' THEN 'tokens' ELSE metric END;

CREATE OR REPLACE FUNCTION usage_needs_plan(metric text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN metric IN ('messages', 'ai_tokens', 'cost_usd');

-- The first moment of a UTC month.  STABLE, as date_trunc() is: else it is planned anew in each transaction.
CREATE OR REPLACE FUNCTION utc_month(at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN date_trunc('month', at, 'UTC');

-- ---------------------------------------------------------------- what applies

-- The plan that applies to a principal (plan_of_member), and the period of its limits: of the subscription, else the month.
-- Without a plan plan_id is null.  Asked with every unit that is used, so in one statement of whoever has a subscription.
CREATE OR REPLACE FUNCTION usage_scope(organization uuid, usr uuid, OUT plan_id uuid, OUT plan_name text, OUT limits jsonb,
                                       OUT period_start timestamptz, OUT period_end timestamptz)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    tenant uuid := app_tenant();
    s      record;
BEGIN
    SELECT x.owner_id, x.provider_id IS NULL AS is_ours, x.period_start, x.period_end, p.id, p.name, p.limits INTO s
    FROM subscriptions x LEFT JOIN plans p ON p.id = x.plan_id
    WHERE x.tenant_id = tenant AND x.owner_id IN (organization, usr) AND x.is_current AND x.status IN ('active', 'trialing')
    ORDER BY x.owner_id IS DISTINCT FROM organization
    LIMIT 1;
    IF FOUND AND s.is_ours THEN
        SELECT p.starts_at, p.ends_at INTO period_start, period_end FROM subscription_period(s.owner_id) p;
    ELSIF FOUND THEN
        period_start := s.period_start;
        period_end := s.period_end;
    END IF;
    IF period_start IS NULL OR period_end IS NULL THEN
        period_start := utc_month(now());
        period_end := utc_month(period_start + interval '32 days');
    END IF;
    plan_id := s.id;
    plan_name := s.name;
    limits := s.limits;
    IF plan_id IS NULL AND s.owner_id IS NOT NULL THEN    -- of a plan that is not the tenant's any more
        SELECT p.id, p.name, p.limits INTO plan_id, plan_name, limits
        FROM plan_of_member(organization, usr) p WHERE usr IS NOT NULL
        UNION ALL
        SELECT p.id, p.name, p.limits FROM plan_of_organization(organization) p WHERE usr IS NULL;
    ELSIF plan_id IS NULL THEN
        SELECT p.id, p.name, p.limits INTO plan_id, plan_name, limits
        FROM (SELECT 1 AS nr, u.current_plan_id AS plan FROM users u WHERE u.tenant_id = tenant AND u.id = usr
              UNION ALL
              SELECT 2, t.default_plan_id FROM tenant_settings t WHERE t.tenant_id = tenant) x
        JOIN plans p ON p.id = x.plan
        ORDER BY x.nr
        LIMIT 1;
    END IF;
END
$$;

-- How much a principal may use of a metric: NULL is no limit.  What was set for exactly this one comes before what the
-- plan says, which is asked of an organization's total, or of a user without one (is_total).
CREATE OR REPLACE FUNCTION usage_limit(organization uuid, usr uuid, metric text, is_total boolean, plan_id uuid, limits jsonb)
RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    most bigint;
BEGIN
    SELECT l.max INTO most
    FROM usage_limits l
    WHERE l.tenant_id = app_tenant() AND l.organization_id = usage_id(organization) AND l.user_id = usage_id(usr)
      AND l.metric = usage_limit.metric;
    IF NOT FOUND AND is_total THEN
        IF plan_id IS NULL AND usage_needs_plan(metric) THEN
            RETURN 0;
        END IF;
        most := (limits ->> usage_plan_key(metric))::bigint;
    END IF;
    RETURN most;
END
$$;

-- Whose limit is set: subject is an organization, or a user, outside of all organizations or in this one.  Raises AS404, AS422.
CREATE OR REPLACE FUNCTION usage_limit_whose(subject text, within uuid, OUT organization uuid, OUT usr uuid)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT s.organization, s.usr INTO organization, usr FROM usage_subject(subject) s;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Organization or user not found', DETAIL = subject;
    ELSIF within IS NOT NULL THEN
        IF organization IS NOT NULL THEN
            RAISE SQLSTATE 'AS422' USING HINT = 'organization_id', MESSAGE = 'the subject is an organization itself';
        END IF;
        SELECT o.id INTO organization FROM organizations o WHERE o.tenant_id = app_tenant() AND o.id = within AND o.deleted_at IS NULL;
        IF NOT FOUND THEN
            RAISE SQLSTATE 'AS422' USING HINT = 'organization_id', MESSAGE = 'there is no such organization';
        END IF;
    END IF;
    organization := usage_id(organization);
    usr := usage_id(usr);
END
$$;

-- ---------------------------------------------------------------- counters

-- Add to one counter: to what is used, and to what is reserved.  Where most is given, false if that would be passed.
CREATE OR REPLACE FUNCTION usage_add(organization uuid, usr uuid, metric text, amount bigint, held bigint, most bigint,
                                     plan uuid, starts_at timestamptz, ends_at timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    taken  bigint;
BEGIN
    IF NOT usage_resets(metric) THEN
        starts_at := '-infinity';
        ends_at := 'infinity';
    END IF;
    organization := usage_id(organization);
    usr := usage_id(usr);
    FOR i IN 1..2 LOOP
        UPDATE usage_counters c
        SET used = c.used + amount, reserved = c.reserved + held, plan_id = plan
        WHERE c.tenant_id = tenant AND c.organization_id = organization AND c.user_id = usr AND c.metric = usage_add.metric
          AND c.period_start = starts_at AND (most IS NULL OR c.used + c.reserved + amount + held <= most)
        RETURNING c.used + c.reserved INTO taken;
        IF FOUND THEN
            IF taken >= most AND most > 0 AND organization <> usage_id(NULL) AND usr = usage_id(NULL) THEN
                PERFORM notify_limit(organization, metric, taken, most, starts_at);
            END IF;
            RETURN true;
        END IF;
        EXIT WHEN i = 2;
        -- It is not there yet, or somebody makes it at this moment, who is waited for; or it has no room.
        INSERT INTO usage_counters (tenant_id, organization_id, user_id, metric, period_start, period_end, plan_id)
        VALUES (tenant, organization, usr, usage_add.metric, starts_at, ends_at, plan)
        ON CONFLICT DO NOTHING;
    END LOOP;
    RETURN false;
END
$$;

-- What of a counter is used and reserved, without what has expired and was not taken back yet.
CREATE OR REPLACE FUNCTION usage_taken(organization uuid, usr uuid, metric text, starts_at timestamptz,
                                       OUT used bigint, OUT reserved bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    tenant uuid := app_tenant();
BEGIN
    SELECT c.used, c.reserved INTO used, reserved
    FROM usage_counters c
    WHERE c.tenant_id = tenant AND c.organization_id = usage_id(organization) AND c.user_id = usage_id(usr)
      AND c.metric = usage_taken.metric
      AND c.period_start = CASE WHEN usage_resets(usage_taken.metric) THEN starts_at ELSE '-infinity' END;
    used := coalesce(used, 0);
    reserved := coalesce(reserved, 0);
    IF reserved > 0 THEN
        reserved := greatest(0, reserved - coalesce((
            SELECT sum((o.amounts ->> usage_taken.metric)::bigint)
            FROM usage_operations o
            WHERE o.tenant_id = tenant AND o.organization_id = usage_id(organization) AND o.state = 'reserved'
              AND o.expires_at <= now() AND (usr IS NULL OR o.user_id = usr)
              AND (o.period_start = starts_at OR NOT usage_resets(usage_taken.metric))), 0)::bigint);
    END IF;
END
$$;

-- When a period's limit is whole again; NULL: never.
CREATE OR REPLACE FUNCTION usage_resets_at(metric text, period_end timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN usage_resets(metric) THEN period_end END;

-- Raise the 402: what is used, the limit, what was asked for, and when there is more.
CREATE OR REPLACE FUNCTION usage_refuse(organization uuid, usr uuid, metric text, amount bigint, most bigint, plan_id uuid,
                                        starts_at timestamptz, ends_at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    t record;
BEGIN
    SELECT * INTO t FROM usage_taken(organization, usr, metric, starts_at);
    RAISE SQLSTATE 'AS402' USING
        MESSAGE = CASE WHEN plan_id IS NULL AND usage_needs_plan(metric) AND most = 0 THEN 'No active plan'
                       ELSE format('the limit of %s is reached', (SELECT coalesce(min(lower(m.name)), metric) FROM usage_metrics() m WHERE m.key = metric)) END,
        DETAIL = jsonb_build_object('metric', metric, 'used', t.used + t.reserved, 'limit', most, 'requested', amount,
                                    'resets_at', json_time(usage_resets_at(metric, ends_at)))::text;
END
$$;

-- Add all amounts to the counters of a principal: to what is used, or to what is reserved.  Raises AS402.  All limits are
-- read first: others wait from the first counter on.
CREATE OR REPLACE FUNCTION usage_take(organization uuid, usr uuid, amounts jsonb, is_held boolean, plan_id uuid, limits jsonb,
                                      starts_at timestamptz, ends_at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    is_both boolean  := organization IS NOT NULL AND usr IS NOT NULL;
    whose   uuid     := CASE WHEN NOT is_both THEN usr END;
    metrics text[]   := ARRAY(SELECT a.key FROM jsonb_object_keys(amounts) a (key) ORDER BY a.key COLLATE "C");
    own     bigint[] := '{}';
    total   bigint[] := '{}';
    m       text;
    n       bigint;
BEGIN
    FOREACH m IN ARRAY metrics LOOP
        IF is_both THEN
            own := own || usage_limit(organization, usr, m, false, plan_id, limits);
        END IF;
        total := total || usage_limit(organization, whose, m, true, plan_id, limits);
    END LOOP;
    IF is_both THEN
        FOR i IN 1 .. cardinality(metrics) LOOP
            n := (amounts ->> metrics[i])::bigint;
            IF NOT usage_add(organization, usr, metrics[i], CASE WHEN is_held THEN 0 ELSE n END, CASE WHEN is_held THEN n ELSE 0 END,
                             own[i], plan_id, starts_at, ends_at) THEN
                PERFORM usage_refuse(organization, usr, metrics[i], n, own[i], plan_id, starts_at, ends_at);
            END IF;
        END LOOP;
    END IF;
    FOR i IN 1 .. cardinality(metrics) LOOP
        n := (amounts ->> metrics[i])::bigint;
        IF NOT usage_add(organization, whose, metrics[i], CASE WHEN is_held THEN 0 ELSE n END, CASE WHEN is_held THEN n ELSE 0 END,
                         total[i], plan_id, starts_at, ends_at) THEN
            PERFORM usage_refuse(organization, whose, metrics[i], n, total[i], plan_id, starts_at, ends_at);
        END IF;
    END LOOP;
END
$$;

-- Put down what was used, as events.
CREATE OR REPLACE FUNCTION usage_note(organization uuid, usr uuid, amounts jsonb, category text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid     := app_tenant();
    slot   smallint := usage_slot(now());
    m      text;
    n      bigint;
BEGIN
    FOR m, n IN SELECT * FROM jsonb_each_text(amounts) LOOP
        IF n <> 0 THEN
            INSERT INTO usage_events (tenant_id, slot, metric, user_id, organization_id, quantity, category)
            VALUES (tenant, slot, m, usage_id(usr), usage_id(organization), n, usage_note.category);
        END IF;
    END LOOP;
END
$$;

-- ---------------------------------------------------------------- what features call

-- Would it be allowed?  One row for each metric, books nothing.  reserved counts as used.
--
--   most      NULL: no limit; the tighter one of the organization's and of the user's
CREATE OR REPLACE FUNCTION usage_check(organization uuid, usr uuid, amounts jsonb)
RETURNS TABLE (metric text, allowed boolean, used bigint, most bigint, requested bigint, resets_at timestamptz, has_plan boolean)
LANGUAGE plpgsql STABLE ROWS 2 AS $$
DECLARE
    s       record;
    is_both boolean := organization IS NOT NULL AND usr IS NOT NULL;
    own     bigint;
    taken   bigint;
BEGIN
    SELECT * INTO s FROM usage_scope(organization, usr);
    has_plan := s.plan_id IS NOT NULL;
    FOR metric, requested IN SELECT * FROM jsonb_each_text(amounts) LOOP
        most := usage_limit(organization, CASE WHEN NOT is_both THEN usr END, metric, true, s.plan_id, s.limits);
        SELECT t.used + t.reserved INTO used FROM usage_taken(organization, CASE WHEN NOT is_both THEN usr END, metric, s.period_start) t;
        allowed := most IS NULL OR used + requested <= most;
        IF is_both THEN
            own := usage_limit(organization, usr, metric, false, s.plan_id, s.limits);
            IF own IS NOT NULL THEN
                SELECT t.used + t.reserved INTO taken FROM usage_taken(organization, usr, metric, s.period_start) t;
                IF most IS NULL OR own - taken < most - used THEN
                    most := own;
                    used := taken;
                    allowed := used + requested <= most;
                END IF;
            END IF;
        END IF;
        resets_at := usage_resets_at(metric, s.period_end);
        RETURN NEXT;
    END LOOP;
END
$$;

-- Use amounts now.  With an operation id it is done once: true, or false when it had been done before.  Raises AS402.
CREATE OR REPLACE FUNCTION usage_consume(organization uuid, usr uuid, amounts jsonb, operation text DEFAULT NULL,
                                         category text DEFAULT '') RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    s record;
BEGIN
    SELECT * INTO s FROM usage_scope(organization, usr);
    RETURN usage_consume_in(organization, usr, amounts, operation, category, s.plan_id, s.limits, s.period_start, s.period_end);
END
$$;

-- The same in a scope that was found.
CREATE OR REPLACE FUNCTION usage_consume_in(organization uuid, usr uuid, amounts jsonb, operation text, category text, plan_id uuid,
                                            limits jsonb, starts_at timestamptz, ends_at timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF operation IS NOT NULL THEN
        INSERT INTO usage_operations (tenant_id, id, organization_id, user_id, state, amounts, actual, category, plan_id,
                                      period_start, period_end)
        VALUES (app_tenant(), operation, usage_id(organization), usage_id(usr), 'settled', usage_consume_in.amounts,
                usage_consume_in.amounts, usage_consume_in.category, usage_consume_in.plan_id, starts_at, ends_at)
        ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
    END IF;
    PERFORM usage_expire(organization, usr, operation, amounts, plan_id, starts_at, ends_at);
    PERFORM usage_note(organization, usr, amounts, category);
    PERFORM usage_take(organization, usr, amounts, false, plan_id, limits, starts_at, ends_at);
    RETURN true;
END
$$;

-- Hold amounts until expires_at.  Done once for each operation id; again it says the same.  Raises AS402.
CREATE OR REPLACE FUNCTION usage_reserve(operation text, organization uuid, usr uuid, amounts jsonb, expires_at timestamptz,
                                         category text DEFAULT '') RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    s record;
BEGIN
    SELECT * INTO s FROM usage_scope(organization, usr);
    INSERT INTO usage_operations (tenant_id, id, organization_id, user_id, state, amounts, category, plan_id,
                                  period_start, period_end, expires_at)
    VALUES (app_tenant(), operation, usage_id(organization), usage_id(usr), 'reserved', usage_reserve.amounts,
            usage_reserve.category, s.plan_id, s.period_start, s.period_end, usage_reserve.expires_at)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM usage_expire(organization, usr, operation, amounts, s.plan_id, s.period_start, s.period_end);
    PERFORM usage_take(organization, usr, amounts, true, s.plan_id, s.limits, s.period_start, s.period_end);
    RETURN true;
END
$$;

-- What a reservation came to, which is used now: more or less than was reserved, and other metrics, too; nobody asks
-- again whether that was allowed, since it has happened.  So also behind its expiry.  False: it had ended before, settled or
-- released.  Raises AS404 for an id that nothing was reserved under.
CREATE OR REPLACE FUNCTION usage_settle(operation text, actual jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    o usage_operations;
BEGIN
    SELECT * INTO o FROM usage_operations x WHERE x.tenant_id = app_tenant() AND x.id = operation FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Reservation not found', DETAIL = operation;
    ELSIF o.state NOT IN ('reserved', 'expired') THEN
        RETURN false;
    END IF;
    UPDATE usage_operations x SET state = 'settled', actual = usage_settle.actual
    WHERE x.tenant_id = o.tenant_id AND x.id = operation;
    PERFORM usage_note(nullif(o.organization_id, usage_id(NULL)), nullif(o.user_id, usage_id(NULL)), actual, o.category);
    PERFORM usage_end(o, actual);
    RETURN true;
END
$$;

-- It came to nothing.  False: it had ended before.
CREATE OR REPLACE FUNCTION usage_release(operation text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    o usage_operations;
BEGIN
    SELECT * INTO o FROM usage_operations x WHERE x.tenant_id = app_tenant() AND x.id = operation FOR NO KEY UPDATE;
    IF NOT FOUND OR o.state NOT IN ('reserved', 'expired') THEN
        RETURN false;
    END IF;
    UPDATE usage_operations x SET state = 'released' WHERE x.tenant_id = o.tenant_id AND x.id = operation;
    PERFORM usage_end(o, '{}');
    RETURN true;
END
$$;

-- Of what never resets, so much is there again, as when a file is deleted: whatever the limit is by now.
CREATE OR REPLACE FUNCTION usage_give_back(organization uuid, usr uuid, amounts jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    s record;
    m record;
BEGIN
    SELECT * INTO s FROM usage_scope(organization, usr);
    PERFORM usage_note(organization, usr, (SELECT jsonb_object_agg(a.key, -a.value::bigint) FROM jsonb_each_text(amounts) a), '');
    FOR m IN
        SELECT u.usr, a.key AS metric, a.value::bigint AS n
        FROM unnest(CASE WHEN organization IS NOT NULL AND usage_give_back.usr IS NOT NULL THEN ARRAY [usage_give_back.usr, NULL]
                         ELSE ARRAY [usage_give_back.usr] END) WITH ORDINALITY u (usr, nr), jsonb_each_text(amounts) a
        ORDER BY u.nr, a.key COLLATE "C"
    LOOP
        PERFORM usage_add(organization, m.usr, m.metric, -m.n, 0, NULL, s.plan_id, s.period_start, s.period_end);
    END LOOP;
END
$$;

-- ---------------------------------------------------------------- how reservations end

-- Take what an operation holds off the counters, and add what was used.  Of an expired one nothing is held.
CREATE OR REPLACE FUNCTION usage_end(o usage_operations, actual jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    none    uuid    := usage_id(NULL);
    is_both boolean := o.organization_id <> none AND o.user_id <> none;
    m       record;
BEGIN
    FOR m IN
        SELECT u.usr, coalesce(a.key, b.key) AS metric, coalesce(b.value::bigint, 0) AS used,
               CASE WHEN o.state = 'reserved' THEN coalesce(a.value::bigint, 0) ELSE 0 END AS held
        FROM unnest(CASE WHEN is_both THEN ARRAY [o.user_id, none] ELSE ARRAY [o.user_id] END) WITH ORDINALITY u (usr, nr),
             jsonb_each_text(o.amounts) a FULL JOIN jsonb_each_text(actual) b ON b.key = a.key
        ORDER BY u.nr, coalesce(a.key, b.key) COLLATE "C"
    LOOP
        PERFORM usage_add(o.organization_id, m.usr, m.metric, m.used, -m.held, NULL, o.plan_id, o.period_start, o.period_end);
    END LOOP;
END
$$;

-- Take back what an organization's dead reservations hold, or a user's without one; where there are none, this is a look
-- at an index.  Who does it is alone with that, holds no counter yet, and locks the user's own beside the others': in the
-- order that everybody keeps, all users' counters, and then the organization's.
--
-- operation is the caller's own, which is not dead whatever it says.
CREATE OR REPLACE FUNCTION usage_expire(organization uuid, usr uuid, operation text, amounts jsonb, plan_id uuid,
                                        starts_at timestamptz, ends_at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    owner  uuid := usage_id(organization);
    gone   usage_operations[];
    m      record;
BEGIN
    IF NOT EXISTS (SELECT FROM usage_operations x
                   WHERE x.tenant_id = tenant AND x.organization_id = owner AND x.state = 'reserved' AND x.expires_at <= now()
                     AND (organization IS NOT NULL OR x.user_id = usr) AND x.id IS DISTINCT FROM operation) THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hash_record_extended(
        ROW ('usage'::text, tenant, owner, usage_id(CASE WHEN organization IS NULL THEN usr END)), 0));
    WITH dead AS MATERIALIZED (
        SELECT x.id FROM usage_operations x
        WHERE x.tenant_id = tenant AND x.organization_id = owner AND x.state = 'reserved' AND x.expires_at <= now()
          AND (organization IS NOT NULL OR x.user_id = usr) AND x.id IS DISTINCT FROM operation
        ORDER BY x.id LIMIT 1000
        FOR NO KEY UPDATE
    ), ended AS (
        UPDATE usage_operations x SET state = 'expired'
        FROM dead d WHERE x.tenant_id = tenant AND x.id = d.id
        RETURNING x.*
    )
    SELECT array_agg(e::usage_operations) INTO gone FROM ended e;
    FOR m IN
        SELECT h.usr, h.metric, sum(h.n)::bigint AS held, h.plan_id, h.starts_at, h.ends_at
        FROM (SELECT o.user_id AS usr, a.key AS metric, a.value::bigint AS n, o.plan_id, o.period_start AS starts_at, o.period_end AS ends_at
              FROM unnest(gone) o, jsonb_each_text(o.amounts) a
              UNION ALL
              SELECT usage_id(NULL), a.key, a.value::bigint, o.plan_id, o.period_start, o.period_end
              FROM unnest(gone) o, jsonb_each_text(o.amounts) a
              WHERE organization IS NOT NULL AND o.user_id <> usage_id(NULL)
              UNION ALL
              SELECT usage_id(usr), a.key, 0, usage_expire.plan_id, usage_expire.starts_at, usage_expire.ends_at
              FROM jsonb_each_text(usage_expire.amounts) a) h
        GROUP BY 1, 2, 4, 5, 6
        ORDER BY h.usr = usage_id(NULL), h.usr, h.metric COLLATE "C", h.starts_at
    LOOP
        PERFORM usage_add(owner, m.usr, m.metric, 0, -m.held, NULL, m.plan_id, m.starts_at, m.ends_at);
    END LOOP;
END
$$;
