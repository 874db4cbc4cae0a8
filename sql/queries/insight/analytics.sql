-- What a tenant's team sees of its product, from counters and sums by day.

-- name: analytics_overview :row
-- scan: the sums of the days that are asked for
SELECT p.starts_at AS period_start, p.ends_at AS period_end,
       jsonb_build_object('total', user_count(NULL, NULL), 'active', user_count(NULL, true), 'new', tenant_count('users_new', p.first::text, p.last::text)) AS users,
       jsonb_build_object('total', tenant_count('organizations'), 'new', tenant_count('organizations_new', p.first::text, p.last::text)) AS organizations,
       jsonb_build_object('active', tenant_count('subscription_states', 'active', 'active'), 'trialing', tenant_count('subscription_states', 'trialing', 'trialing'),
                          'past_due', tenant_count('subscription_states', 'past_due', 'past_due'),
                          'cancelled', tenant_count('subscriptions_ended', p.first::text, p.last::text), 'mrr', analytics_mrr()) AS subscriptions,
       (SELECT jsonb_build_object('messages', coalesce(sum(d.quantity) FILTER (WHERE d.metric = 'messages'), 0),
                                  'input_tokens', coalesce(sum(d.quantity) FILTER (WHERE d.metric = 'ai_input_tokens'), 0),
                                  'output_tokens', coalesce(sum(d.quantity) FILTER (WHERE d.metric = 'ai_output_tokens'), 0),
                                  'total_tokens', coalesce(sum(d.quantity) FILTER (WHERE d.metric = 'ai_tokens'), 0),
                                  'cost_usd', usage_shown('cost_usd', coalesce(sum(d.quantity) FILTER (WHERE d.metric = 'cost_usd'), 0)::bigint))
        FROM usage_daily d
        WHERE d.tenant_id = @tenant AND d.metric IN ('messages', 'ai_input_tokens', 'ai_output_tokens', 'ai_tokens', 'cost_usd')
          AND d.day BETWEEN p.first AND p.last) AS usage,
       (SELECT jsonb_build_object('executions', coalesce(sum(d.executions), 0), 'failed', coalesce(sum(d.failed), 0),
                                  'avg_execution_time_ms', coalesce(round(sum(d.duration_ms) / nullif(sum(d.executions), 0)), 0))
        FROM agent_daily d
        WHERE d.tenant_id = @tenant AND d.day BETWEEN p.first AND p.last) AS agents,
       (SELECT jsonb_build_object('calls', coalesce(sum(d.calls), 0), 'errors', coalesce(sum(d.errors), 0),
                                  'total_tokens', coalesce(sum(d.total_tokens), 0),
                                  'cost_usd', usage_shown('cost_usd', coalesce(sum(d.cost), 0)::bigint))
        FROM external_agent_daily d
        WHERE d.tenant_id = @tenant AND d.day BETWEEN p.first AND p.last) AS external_agents,
       (SELECT jsonb_build_object('schemas', count(*), 'records', coalesce(sum(x.records_count), 0)) FROM entity_counts(NULL) x) AS entities,
       jsonb_build_object('count', tenant_count('files'), 'bytes', tenant_count('file_bytes')) AS files,
       request_hours_sum(p.first::timestamp, p.last + interval '1 day') AS requests,
       jsonb_build_object('waiting', analytics_jobs('queued'), 'scheduled', analytics_jobs('scheduled'), 'running', analytics_jobs('running'),
                          'failed', analytics_jobs('failed')) AS jobs,
       analytics_webhooks() AS webhooks
FROM analytics_period(:from, :to) p;

-- name: analytics_usage :row
-- A bucket of each key, with zeros where there was nothing; of many keys the twenty that used most.
WITH days AS (
    SELECT date_trunc(:interval, d.day::timestamp) AS bucket, d.key, d.messages, d.tokens, d.cost, d.calls, d.errors
    FROM analytics_period(:from, :to) p, analytics_days(p.first, p.last, :source, :group_by) d
), keys AS (
    SELECT k.key, analytics_label(:group_by, k.key) AS label, k.place
    FROM (SELECT d.key, row_number() OVER (ORDER BY sum(d.tokens) DESC, sum(d.calls) DESC, d.key) AS place FROM days d GROUP BY d.key) k
    WHERE k.place <= 20
    UNION ALL
    SELECT '', NULL, 1 WHERE :group_by = 'none' AND NOT EXISTS (SELECT FROM days)
)
SELECT p.starts_at AS period_start, p.ends_at AS period_end, :interval::text AS interval, :group_by::text AS group_by, :source::text AS source,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('bucket', json_time(b.bucket AT TIME ZONE 'UTC'), 'key', nullif(k.key, ''), 'label', k.label,
                                                     'messages', coalesce(s.messages, 0), 'total_tokens', coalesce(s.tokens, 0),
                                                     'cost_usd', usage_shown('cost_usd', coalesce(s.cost, 0)::bigint),
                                                     'calls', coalesce(s.calls, 0), 'errors', coalesce(s.errors, 0)) ORDER BY b.bucket, k.place), '[]')
        FROM keys k
        CROSS JOIN generate_series(date_trunc(:interval, p.first::timestamp), p.last::timestamp, ('1 ' || :interval)::interval) b (bucket)
        LEFT JOIN (SELECT d.bucket, d.key, sum(d.messages) AS messages, sum(d.tokens) AS tokens, sum(d.cost) AS cost, sum(d.calls) AS calls,
                          sum(d.errors) AS errors
                   FROM days d
                   GROUP BY d.bucket, d.key) s ON s.bucket = b.bucket AND s.key IS NOT DISTINCT FROM k.key) AS points
FROM analytics_period(:from, :to) p;
