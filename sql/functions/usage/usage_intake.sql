-- What a tenant's servers tell of their customers, and meters make of it.

-- A time of RFC 3339; NULL: it is none.
CREATE OR REPLACE FUNCTION usage_time(text text) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF text !~* '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$' THEN
        RETURN NULL;
    END IF;
    RETURN text::timestamptz;
EXCEPTION
    WHEN datetime_field_overflow OR invalid_datetime_format THEN
        RETURN NULL;
END
$$;

-- Refuse an event: the attribute, and the event's place where there are many.
CREATE OR REPLACE FUNCTION usage_event_bad(place bigint, attribute text, message text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    RAISE SQLSTATE 'AS422' USING
        HINT = CASE WHEN place IS NULL THEN attribute ELSE format('[%s].%s', place - 1, attribute) END,
        MESSAGE = CASE WHEN place IS NULL THEN '' ELSE format('event %s: ', place - 1) END || message;
END
$$;

-- Who an event is about: an organization's id, or a user's, or a user's public id.  No row: nobody.
CREATE OR REPLACE FUNCTION usage_subject(subject text, OUT organization uuid, OUT usr uuid) RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 1 AS $$
DECLARE
    tenant uuid := app_tenant();
    named  uuid := CASE WHEN subject ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN subject::uuid END;
BEGIN
    SELECT o.id INTO organization FROM organizations o WHERE o.tenant_id = tenant AND o.id = named AND o.deleted_at IS NULL;
    IF NOT FOUND THEN
        SELECT u.id INTO usr FROM users u WHERE u.tenant_id = tenant AND u.id = named AND u.deleted_at IS NULL;
    END IF;
    IF organization IS NULL AND usr IS NULL THEN
        SELECT u.id INTO usr FROM users u WHERE u.tenant_id = tenant AND u.public_id = subject AND u.deleted_at IS NULL;
    END IF;
    IF organization IS NOT NULL OR usr IS NOT NULL THEN
        RETURN NEXT;
    END IF;
END
$$;

-- Take CloudEvents (1.0): one, or an array of them.  Each (source, id) counts once in 32 days, which is also how late an
-- event may be; it counts on the day when it happened.  All of them are taken, or with an AS422 none.
--
--   accepted, duplicates, unmatched   how many; of the last no meter knows the type: they are remembered as the others
CREATE OR REPLACE FUNCTION usage_ingest(events jsonb, OUT accepted bigint, OUT duplicates bigint, OUT unmatched bigint)
LANGUAGE plpgsql AS $$
DECLARE
    tenant  uuid    := app_tenant();
    is_many boolean := jsonb_typeof(events) = 'array';
    e       jsonb;
    i       bigint;
    place   bigint;
    m       usage_meters;
    who     record;
    at      timestamptz;
    value   jsonb;
    hash    bytea;
    seen    bytea[];
    hashes  bytea[] := '{}';
    is_met  boolean;
    -- What they come to, a row each.
    metrics text[] := '{}';
    orgs    uuid[] := '{}';
    usrs    uuid[] := '{}';
    ats     timestamptz[] := '{}';
    ns      bigint[] := '{}';
    vals    bytea[] := '{}';
    ofs     bytea[] := '{}';
BEGIN
    accepted := 0;
    unmatched := 0;
    FOR e, i IN SELECT x.value, x.ordinality FROM jsonb_array_elements(CASE WHEN is_many THEN events ELSE jsonb_build_array(events) END) WITH ORDINALITY x LOOP
        place := CASE WHEN is_many THEN i END;
        IF jsonb_typeof(e) <> 'object' THEN
            PERFORM usage_event_bad(place, 'event', 'an event is an object');
        ELSIF e ->> 'specversion' IS DISTINCT FROM '1.0' THEN
            PERFORM usage_event_bad(place, 'specversion', 'specversion is "1.0"');
        ELSIF jsonb_typeof(e -> 'id') IS DISTINCT FROM 'string' OR char_length(e ->> 'id') NOT BETWEEN 1 AND 255 THEN
            PERFORM usage_event_bad(place, 'id', 'an id has 1 to 255 characters');
        ELSIF jsonb_typeof(e -> 'source') IS DISTINCT FROM 'string' OR char_length(e ->> 'source') NOT BETWEEN 1 AND 2048 THEN
            PERFORM usage_event_bad(place, 'source', 'a source is a URI reference of 1 to 2048 characters');
        ELSIF jsonb_typeof(e -> 'type') IS DISTINCT FROM 'string' OR char_length(e ->> 'type') NOT BETWEEN 1 AND 255 THEN
            PERFORM usage_event_bad(place, 'type', 'a type has 1 to 255 characters');
        ELSIF jsonb_typeof(e -> 'subject') IS DISTINCT FROM 'string' THEN
            PERFORM usage_event_bad(place, 'subject', 'the subject is whom it is about: an organization''s id, or a user''s');
        END IF;
        at := CASE WHEN e ? 'time' THEN usage_time(e ->> 'time') ELSE now() END;
        IF at IS NULL THEN
            PERFORM usage_event_bad(place, 'time', 'a time is one of RFC 3339, with its zone');
        ELSIF at < now() - interval '32 days' OR at > now() + interval '5 minutes' THEN
            PERFORM usage_event_bad(place, 'time', 'an event is at most 32 days late, and 5 minutes early');
        END IF;
        SELECT * INTO who FROM usage_subject(e ->> 'subject');
        IF NOT FOUND THEN
            PERFORM usage_event_bad(place, 'subject', 'there is no such organization or user');
        END IF;
        hash := sha256(convert_to((e ->> 'source') || chr(10) || (e ->> 'id'), 'UTF8'));
        CONTINUE WHEN hash = ANY (hashes);    -- twice in one batch
        hashes := hashes || hash;
        is_met := false;
        FOR m IN SELECT * FROM usage_meters x WHERE x.tenant_id = tenant AND x.event_type = e ->> 'type' LOOP
            is_met := true;
            value := e -> 'data' #> string_to_array(substr(m.value_path, 3), '.');
            IF m.aggregation IN ('sum', 'max') AND (jsonb_typeof(value) IS DISTINCT FROM 'number' OR (value #>> '{}')::numeric % 1 <> 0
                                                    OR (value #>> '{}')::numeric NOT BETWEEN 0 AND 1000000000000000) THEN
                PERFORM usage_event_bad(place, 'data', format('%s of data is a whole number up to 10^15, for the meter %s', substr(m.value_path, 3), m.key));
            ELSIF m.aggregation = 'unique' AND coalesce(jsonb_typeof(value), 'null') NOT IN ('string', 'number', 'boolean') THEN
                PERFORM usage_event_bad(place, 'data', format('%s of data is a text or a number, for the meter %s', substr(m.value_path, 3), m.key));
            END IF;
            metrics := metrics || m.metric;
            orgs := orgs || usage_id(who.organization);
            usrs := usrs || usage_id(who.usr);
            ats := ats || at;
            ns := ns || CASE WHEN m.aggregation IN ('sum', 'max') THEN (value #>> '{}')::numeric::bigint ELSE 1 END;
            vals := array_append(vals, CASE m.aggregation WHEN 'unique' THEN sha256(convert_to(value::text, 'UTF8')) END);
            ofs := ofs || hash;
        END LOOP;
        unmatched := unmatched + (NOT is_met)::integer;
    END LOOP;

    WITH new AS (
        INSERT INTO usage_event_ids (tenant_id, hash)
        SELECT tenant, h FROM unnest(hashes) h ORDER BY h
        ON CONFLICT DO NOTHING
        RETURNING usage_event_ids.hash
    )
    SELECT coalesce(array_agg(n.hash), '{}') INTO seen FROM new n;
    accepted := cardinality(seen);
    duplicates := CASE WHEN is_many THEN jsonb_array_length(events) ELSE 1 END - accepted;
    unmatched := least(unmatched, accepted);

    WITH r AS MATERIALIZED (
        SELECT x.*, utc_month(x.at) AS month FROM unnest(metrics, orgs, usrs, ats, ns, vals, ofs) x (metric, org, usr, at, n, val, of)
        WHERE x.of = ANY (seen)
    ), met AS (
        -- The first to meet a value in a month counts it.
        INSERT INTO usage_values (tenant_id, metric, organization_id, user_id, month, hash)
        SELECT DISTINCT tenant, r.metric, r.org, r.usr, (r.month AT TIME ZONE 'UTC')::date, r.val FROM r WHERE r.val IS NOT NULL
        ORDER BY 2, 3, 4, 5, 6
        ON CONFLICT DO NOTHING
        RETURNING usage_values.metric, organization_id, user_id, usage_values.month, usage_values.hash
    ), counted AS (
        SELECT r.metric, r.org, r.usr, r.at, r.month, r.n FROM r WHERE r.val IS NULL
        UNION ALL
        SELECT met.metric, met.organization_id, met.user_id, f.at, f.month, 1
        FROM met, LATERAL (SELECT r.at, r.month FROM r
                           WHERE r.metric = met.metric AND r.org = met.organization_id AND r.usr = met.user_id AND r.val = met.hash
                             AND (r.month AT TIME ZONE 'UTC')::date = met.month
                           ORDER BY r.at LIMIT 1) f
    ), noted AS (
        INSERT INTO usage_events (tenant_id, slot, metric, user_id, organization_id, quantity, occurred_at)
        SELECT tenant, usage_slot(c.at), c.metric, c.usr, c.org, c.n, c.at FROM counted c
    )
    INSERT INTO usage_counters AS u (tenant_id, organization_id, user_id, metric, period_start, period_end, used)
    SELECT tenant, c.org, c.usr, c.metric, c.month, utc_month(c.month + interval '32 days'),
           CASE WHEN starts_with(c.metric, 'peak.') THEN max(c.n) ELSE sum(c.n) END::bigint
    FROM counted c
    GROUP BY c.org, c.usr, c.metric, c.month
    ORDER BY c.org, c.usr, c.metric, c.month
    ON CONFLICT (tenant_id, organization_id, user_id, metric, period_start) DO UPDATE
    SET used = CASE WHEN starts_with(u.metric, 'peak.') THEN greatest(u.used, excluded.used) ELSE u.used + excluded.used END;
END
$$;
