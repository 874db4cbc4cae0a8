-- The home screen of the operations surface.

-- name: dashboard_overview :row
-- A wallet that was never used reads as empty, as token_balance has it.  There are no automations yet, and so no protocols.
SELECT (SELECT jsonb_build_object('balance', coalesce(w.balance, 0), 'lifetime_purchased', coalesce(w.lifetime_purchased, 0),
                                  'lifetime_bonus', coalesce(w.lifetime_bonus, 0), 'lifetime_consumed', coalesce(w.lifetime_consumed, 0),
                                  'held', coalesce((SELECT sum(h.amount) FROM wallet_holds h
                                                    WHERE h.tenant_id = w.tenant_id AND h.wallet_id = w.id AND h.status = 'held' AND h.expires_at > now()), 0),
                                  'company_id', NULL, 'updated_at', json_time(coalesce(w.updated_at, now())))
        FROM wallet_meant(NULL, @user) o (owner)
        LEFT JOIN wallets w ON w.tenant_id = @tenant AND w.owner_id = o.owner AND w.unit = 'tokens') AS token_balance,
       '[]'::jsonb AS protocols;

-- name: overview_of_recent_runs :rows
-- scan: ten of the primary key, from its end
SELECT r.number AS id, a.name AS agent_name, r.run_mode, r.status, r.model, r.task_number AS task_id, r.input_tokens, r.output_tokens,
       trim_scale(r.cost * 0.000001) AS cost_usd, r.duration_ms, r.summary, r.started_at, r.finished_at
FROM (SELECT * FROM agent_runs x WHERE x.tenant_id = @tenant ORDER BY x.number DESC LIMIT 10) r
JOIN tenant_agents a ON a.tenant_id = @tenant AND a.number = r.agent_number
ORDER BY r.number DESC;

-- name: overview_of_usage_7d :rows
-- unindexed: seven days
-- From what each day came to, which is kept as runs end.
SELECT d.day::date AS date, coalesce(u.runs, 0)::bigint AS runs, coalesce(u.tokens, 0)::bigint AS tokens, coalesce(trim_scale(u.cost * 0.000001), 0) AS cost_usd
FROM generate_series(0, 6) n (back)
CROSS JOIN LATERAL (SELECT (now() AT TIME ZONE 'UTC')::date - 6 + n.back AS day) d
LEFT JOIN LATERAL (SELECT sum(x.finished) AS runs, sum(x.input_tokens + x.output_tokens) AS tokens, sum(x.cost) AS cost
                   FROM agent_run_days x WHERE x.tenant_id = @tenant AND x.day = d.day) u ON true
ORDER BY d.day;
