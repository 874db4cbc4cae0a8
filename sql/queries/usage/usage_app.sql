-- Usage on the app surface: sums by day, which are some seconds behind what has happened.

-- columns: summary
SELECT (SELECT jsonb_object_agg(m.key, jsonb_build_object(
            'current_period', m.this_month, 'previous_period', m.last_month,
            'growth_rate', usage_growth(m.this_month, m.last_month), 'daily_average', usage_average(m.this_month, 30)))
        FROM usage_months(u.id, :metric) m) AS metrics, usage_period() AS period
FROM users u;

-- name: usage_summary :row
SELECT :columns(summary)
FROM users u
WHERE u.tenant_id = @tenant AND u.id = @user;

-- name: admin_usage_summary :row
SELECT :columns(summary)
FROM users u
WHERE u.tenant_id = @tenant AND u.public_id = :user AND u.deleted_at IS NULL;

-- name: usage_current_period :row
SELECT max(m.this_month) FILTER (WHERE m.key = 'api_requests') AS api_requests,
       max(m.this_month) FILTER (WHERE m.key = 'ai_tokens') AS ai_tokens,
       max(m.this_month) FILTER (WHERE m.key = 'ai_requests') AS ai_requests,
       max(m.this_month) FILTER (WHERE m.key = 'storage_bytes') AS storage_bytes,
       max(m.this_month) FILTER (WHERE m.key = 'file_uploads') AS file_uploads,
       max(m.this_month) FILTER (WHERE m.key = 'file_downloads') AS file_downloads,
       max(m.this_month) FILTER (WHERE m.key = 'websocket_messages') AS websocket_messages,
       max(m.this_month) FILTER (WHERE m.key = 'background_jobs') AS background_jobs,
       max(m.this_month) FILTER (WHERE m.key = 'email_sent') AS email_sent,
       usage_period() AS period
FROM usage_months(@user, NULL) m;

-- name: usage_trends :row
-- The last days beside as many before them.
WITH d AS MATERIALIZED (
    SELECT x.day, x.value, x.day > usage_today() - :days::integer AS is_current FROM usage_days(@user, :metric, 2 * :days::integer) x
), s AS (
    SELECT coalesce(sum(d.value) FILTER (WHERE d.is_current), 0)::bigint AS now, coalesce(sum(d.value) FILTER (WHERE NOT d.is_current), 0)::bigint AS before FROM d
)
SELECT :metric AS metric, s.now AS current_period, s.before AS previous_period, usage_growth(s.now, s.before) AS growth_rate,
       usage_average(s.now, :days::integer) AS daily_average, p.day AS peak_day, p.value AS peak_value,
       CASE WHEN s.now > s.before THEN 'increasing' WHEN s.now < s.before THEN 'decreasing' ELSE 'stable' END AS trend
FROM s, (SELECT d.day, d.value FROM d WHERE d.is_current ORDER BY d.value DESC, d.day DESC LIMIT 1) p;

-- name: usage_daily :row
SELECT :metric AS metric, jsonb_agg(jsonb_build_object('date', d.day, 'value', d.value) ORDER BY d.day) AS data, sum(d.value)::bigint AS total,
       usage_average(sum(d.value)::bigint, :days::integer) AS average
FROM usage_days(@user, :metric, :days::integer) d;

-- name: usage_breakdown :row
-- Of this month.  What has no category is "other".
SELECT :metric AS metric, coalesce(jsonb_object_agg(c.category, c.value), '{}') AS breakdown, coalesce(sum(c.value), 0)::bigint AS total
FROM (SELECT coalesce(nullif(d.category, ''), 'other') AS category, sum(d.quantity)::bigint AS value
      FROM usage_daily d
      WHERE d.tenant_id = @tenant AND d.user_id = @user AND d.metric = :metric AND d.day >= usage_month(0) AND d.day < usage_month(-1)
      GROUP BY 1) c;

-- name: usage_metric_list :row
SELECT jsonb_agg(jsonb_build_object('key', m.key, 'name', m.name, 'description', m.description, 'unit', m.unit) ORDER BY m.nr) AS metrics
FROM usage_metrics() WITH ORDINALITY m (key, name, unit, description, is_listed, is_counted, resets, nr)
WHERE m.is_listed;

-- name: admin_usage_top_users :row
-- Of this month.  Who has used nothing of it is not there.
SELECT :metric AS metric, coalesce(jsonb_agg(jsonb_build_object('user_id', t.public_id, 'email', t.email, 'value', t.value)
                                             ORDER BY t.value DESC, t.public_id), '[]') AS users, usage_period() AS period
FROM (SELECT u.public_id, u.email, s.value
      FROM (SELECT d.user_id, sum(d.quantity)::bigint AS value
            FROM usage_daily d
            WHERE d.tenant_id = @tenant AND d.metric = :metric AND d.day >= usage_month(0) AND d.day < usage_month(-1)
              AND d.user_id <> usage_id(NULL)
            GROUP BY d.user_id) s
      JOIN users u ON u.tenant_id = @tenant AND u.id = s.user_id AND u.deleted_at IS NULL
      WHERE s.value > 0
      ORDER BY s.value DESC, u.public_id
      LIMIT :limit) t;
