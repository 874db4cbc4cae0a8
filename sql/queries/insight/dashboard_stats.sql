-- What an administrator's first page shows.

-- name: dashboard_stats :row
-- From counters that the writes keep; days are days in UTC, today and those
-- before it.  Of jobs and webhooks up to 10,001 of each are counted, which an
-- index does.  A user who pays for nothing is on the plan "free".  webhooks are
-- those that were received, as far as they are kept: 90 days.
-- scan: an index of webhook_events, of at most 10,001 rows
SELECT jsonb_build_object('total', u.total, 'active', u.active, 'new_last_7_days', n.last_7, 'new_last_30_days', n.last_30)
           AS users,
       jsonb_build_object('active', s.active, 'by_plan',
           jsonb_build_object('free', greatest(u.total - s.active, 0), 'pro', 0, 'enterprise', 0) || s.by_plan) AS subscriptions,
       jsonb_build_object('total', w.n, 'failed', x.n, 'pending', p.n) AS webhooks,
       jsonb_build_object('queued', q.n, 'completed_last_24h', c.n, 'failed_last_24h', f.n) AS jobs
FROM (SELECT user_count(NULL, NULL) AS total, user_count(NULL, true) AS active) u,
     (SELECT coalesce(sum(n) FILTER (WHERE key >= to_char(now() AT TIME ZONE 'UTC' - interval '6 days', 'YYYY-MM-DD')), 0) AS last_7,
             coalesce(sum(n), 0) AS last_30
      FROM tenant_counters
      WHERE tenant_id = @tenant AND name = 'users_new'
        AND key BETWEEN to_char(now() AT TIME ZONE 'UTC' - interval '29 days', 'YYYY-MM-DD')
                    AND to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')) n,
     (SELECT coalesce(sum(p.n), 0) AS active, coalesce(jsonb_object_agg(p.key, p.n), '{}') AS by_plan
      FROM (SELECT key, sum(n) AS n FROM tenant_counters
            WHERE tenant_id = @tenant AND name = 'subscriptions'
            GROUP BY key HAVING sum(n) > 0) p) s,
     (SELECT count(*) AS n FROM (SELECT FROM webhook_events WHERE tenant_id = @tenant LIMIT 10001) e) w,
     (SELECT count(*) AS n FROM (SELECT FROM webhook_events WHERE tenant_id = @tenant AND state = 'failed' LIMIT 10001) e) x,
     (SELECT count(*) AS n FROM (SELECT FROM webhook_events WHERE tenant_id = @tenant AND state = 'received' LIMIT 10001) e) p,
     (SELECT count(*) AS n FROM (SELECT FROM jobs WHERE tenant_id = @tenant AND state = 'queued' LIMIT 10001) j) q,
     (SELECT count(*) AS n FROM (SELECT FROM jobs WHERE tenant_id = @tenant AND state = 'completed'
                                   AND finished_at > now() - interval '24 hours' LIMIT 10001) j) c,
     (SELECT count(*) AS n FROM (SELECT FROM jobs WHERE tenant_id = @tenant AND state = 'failed'
                                   AND finished_at > now() - interval '24 hours' LIMIT 10001) j) f;
