-- A tenant's own metrics: meters, and the events that they measure.

-- columns: meter
SELECT m.key, m.name, m.unit, m.event_type, m.aggregation, m.value_path, m.max, m.created_at, m.updated_at
FROM usage_meters m;

-- name: usage_meter_list :rows
-- scan: all of a tenant's, 100 at most
SELECT :columns(meter)
FROM usage_meters m
WHERE m.tenant_id = @tenant
ORDER BY m.key;

-- name: usage_meter_create :row
-- scan: to count a tenant's, 100 at most
WITH made AS (
    INSERT INTO usage_meters :values(tenant_id = @tenant, key, name, unit, event_type, aggregation, value_path, max)
    WHERE valid((SELECT count(*) FROM usage_meters x WHERE x.tenant_id = @tenant) < 100, 'key', 'a tenant has 100 meters at most')
      AND valid((:aggregation::text = 'count') = (:value_path::text IS NULL), 'value_path', 'a count has none, all others need one')
    RETURNING *
)
SELECT :columns(meter), m.updated_at AS _updated_at
FROM made m, audit('usage_meter.create', 'usage_meter', m.key, jsonb_build_object('event_type', m.event_type, 'aggregation', m.aggregation, 'max', m.max));

-- name: usage_meter_get :row
SELECT :columns(meter), m.updated_at AS _updated_at
FROM usage_meters m
WHERE m.tenant_id = @tenant AND m.key = :meter;

-- name: usage_meter_update :row
WITH changed AS (
    UPDATE usage_meters
    SET :set(name, unit, max)
    WHERE tenant_id = @tenant AND key = :meter AND if_match(updated_at, :if_match)
    RETURNING *
)
SELECT :columns(meter), m.updated_at AS _updated_at
FROM changed m, audit('usage_meter.update', 'usage_meter', m.key, jsonb_build_object('fields', :changed(name, unit, max)));

-- name: usage_meter_delete :row
-- What it has measured stays, and is found again by a meter of its key.
WITH gone AS (
    DELETE FROM usage_meters WHERE tenant_id = @tenant AND key = :meter RETURNING key
)
SELECT 'the meter was deleted' AS message FROM gone g, audit('usage_meter.delete', 'usage_meter', g.key, '{}');

-- name: usage_meter_usage :row
-- This month's, of an organization or a user; of whom there is nothing it is 0.  The days are some seconds behind.
SELECT m.key, utc_month(now()) AS period_start, utc_month(utc_month(now()) + interval '32 days') AS period_end,
       coalesce(c.used, 0) AS used, m.max, usage_left(m.max, coalesce(c.used, 0)) AS remaining,
       m.max IS NULL OR coalesce(c.used, 0) + :amount::bigint <= m.max AS allowed,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('date', d.day, 'value', d.quantity) ORDER BY d.day), '[]')
        FROM usage_daily d
        WHERE d.tenant_id = @tenant AND d.user_id = usage_id(s.usr) AND d.organization_id = usage_id(s.organization) AND d.metric = m.metric
          AND d.day >= usage_month(0) AND d.day < usage_month(-1)) AS days
FROM usage_meters m
LEFT JOIN usage_subject(:subject) s ON true
LEFT JOIN usage_counters c ON c.tenant_id = @tenant AND c.organization_id = usage_id(s.organization) AND c.user_id = usage_id(s.usr)
    AND c.metric = m.metric AND c.period_start = utc_month(now())
WHERE m.tenant_id = @tenant AND m.key = :meter
  AND valid(s.organization IS NOT NULL OR s.usr IS NOT NULL, 'subject', 'there is no such organization or user');

-- name: usage_ingest :row
SELECT i.accepted, i.duplicates, i.unmatched
FROM usage_ingest(:events::jsonb) i;
