-- Usage on the platform surface: counters beside the plan's limits.  Where the path does not name the organization, usage_enter() asks
-- whether the caller is a member of it.

-- columns: record
-- What a user used in a period.
SELECT p.id, p.organization_id, p.user_id, p.plan_id, p.period_start, p.period_end, p.messages_count, p.tokens_count, p.usage_metadata,
       p.created_at, p.updated_at
FROM usage_periods(NULL, NULL) p;

-- name: organization_usage_get :row
-- The organization's total, and whose it is.
SELECT jsonb_build_object(
    'period_start', json_time(s.period_start), 'period_end', json_time(s.period_end), 'plan_id', s.plan_id, 'plan_name', s.plan_name,
    'messages', s.messages, 'cost_usd', s.cost_usd, 'tokens', s.token_totals,
    'by_user', (SELECT coalesce(jsonb_agg(u.row ORDER BY u.cost DESC, u.messages DESC, u.id), '[]')
                FROM (SELECT c.user_id AS id, coalesce(max(c.used) FILTER (WHERE c.metric = 'cost_usd'), 0) AS cost,
                             coalesce(max(c.used) FILTER (WHERE c.metric = 'messages'), 0) AS messages,
                             jsonb_build_object('user_id', c.user_id,
                                 'messages_count', coalesce(max(c.used) FILTER (WHERE c.metric = 'messages'), 0),
                                 'tokens_count', coalesce(max(c.used) FILTER (WHERE c.metric = 'ai_tokens'), 0),
                                 'cost_usd', usage_shown('cost_usd', coalesce(max(c.used) FILTER (WHERE c.metric = 'cost_usd'), 0))) AS row
                      FROM usage_counters c
                      WHERE c.tenant_id = @tenant AND c.organization_id = :organization_id AND c.user_id <> usage_id(NULL)
                        AND c.metric IN ('messages', 'ai_tokens', 'cost_usd') AND c.period_start = s.period_start
                      GROUP BY c.user_id) u)) AS usage_stats
FROM usage_state_of(:organization_id::uuid, NULL) s;

-- name: organization_usage_user :row
-- Also of a member who is deactivated: what they used stays.
SELECT to_jsonb(p) - 'is_current' || jsonb_build_object('period_start', json_time(p.period_start), 'period_end', json_time(p.period_end),
           'created_at', json_time(p.created_at), 'updated_at', json_time(p.updated_at)) AS usage
FROM memberships m, usage_periods(m.organization_id, m.user_id) p
WHERE m.tenant_id = @tenant AND m.organization_id = :organization_id AND m.user_id = :user AND p.is_current;

-- name: organization_usage_check :row
SELECT (l.limits -> 'would_exceed')::boolean AS would_exceed, l.limits
FROM (SELECT usage_limits_of(:organization_id::uuid, @user, jsonb_build_object(
          'messages', :additional_messages::bigint, 'ai_tokens', :additional_tokens::bigint)) AS limits) l;

-- name: user_usage_get :row
-- In the default organization.  No row: no plan.
SELECT :columns(record)
FROM users u, usage_scope(u.default_organization_id, u.id) s, usage_periods(u.default_organization_id, u.id) p
WHERE u.tenant_id = @tenant AND u.id = @user AND usage_own(:user::uuid)
  AND s.plan_id IS NOT NULL AND p.is_current;

-- name: user_usage_limits :row
SELECT usage_limits_of(u.default_organization_id, u.id, '{}') AS limits
FROM users u
WHERE u.tenant_id = @tenant AND u.id = @user AND usage_own(:user::uuid);

-- name: usage_current :row
SELECT s.period_start, s.period_end, coalesce(s.plan_name, '') AS plan_name, s.plan_id,
       jsonb_build_object('messages', s.messages, 'cost_usd', s.cost_usd, 'tokens', s.token_totals) AS usage,
       CASE WHEN s.plan_id IS NULL THEN 'No active plan' END AS error
FROM usage_enter(:organization_id::uuid, NULL) e, usage_state_of(:organization_id::uuid, @user) s
WHERE e;

-- name: usage_history :rows
-- Of the caller, in that organization.
SELECT :columns(record)
FROM usage_enter(:organization_id::uuid, NULL) e, usage_periods(:organization_id::uuid, @user) p
WHERE e
ORDER BY p.period_start DESC
LIMIT :limit OFFSET :skip;

-- name: usage_entities :row
SELECT count(x.id)::integer AS schemas_count, coalesce(sum(x.records_count), 0)::bigint AS records_count,
       coalesce(jsonb_agg(jsonb_build_object('schema_id', x.id, 'slug', x.slug, 'records_count', x.records_count) ORDER BY x.slug) FILTER (WHERE x.id IS NOT NULL), '[]')
           AS records_by_schema
FROM usage_enter(:organization_id::uuid, NULL) e
LEFT JOIN entity_counts(:organization_id::uuid) x ON true
WHERE e
GROUP BY e;

-- name: usage_stats :row
-- The caller's beside the organization's.
SELECT s.period_start, s.period_end, s.plan_name, s.plan_id,
       (SELECT jsonb_object_agg(k.key, jsonb_build_object(
            'user', usage_shown(k.metric, own.used), 'organization', usage_shown(k.metric, total.used),
            'max', k.meter -> 'max', 'remaining', k.meter -> 'remaining'))
        FROM (VALUES ('messages', 'messages', s.messages), ('cost_usd', 'cost_usd', s.cost_usd), ('tokens', 'ai_tokens', s.tokens)) k (key, metric, meter),
             usage_taken(:organization_id::uuid, @user, k.metric, s.period_start) own,
             usage_taken(:organization_id::uuid, NULL, k.metric, s.period_start) total) AS usage,
       CASE WHEN s.plan_id IS NULL THEN 'No active plan' END AS error
FROM usage_enter(:organization_id::uuid, NULL) e, usage_state_of(:organization_id::uuid, @user) s
WHERE e;

-- name: usage_check :row
SELECT c.allowed, usage_shown(c.metric, c.used) AS current_usage, usage_shown_limit(c.metric, c.most) AS max_limit,
       usage_shown_limit(c.metric, usage_left(c.most, c.used)) AS remaining, usage_shown(c.metric, c.requested) AS requested,
       CASE WHEN c.allowed THEN NULL WHEN c.has_plan THEN 'the limit would be passed' ELSE 'No active plan' END AS error
FROM usage_amount(:usage_type, :tokens::double precision) a, usage_enter(:organization_id::uuid, :user_id::uuid) e,
     usage_check(:organization_id::uuid, @user, a) c
WHERE e;

-- name: usage_consume :row
-- All of it or, with a 402, nothing.
SELECT true AS success, :tokens::double precision AS consumed, :usage_type AS usage_type, true AS allowed,
       usage_use(:organization_id::uuid, :user_id::uuid, :usage_type, :tokens::double precision) AS limits, NULL::text AS error;

-- name: usage_refused :row
-- Behind a refusal of usage_consume: what there is.  The body's "error" is the error itself.
SELECT '"success":false,"consumed":null,"usage_type":' || to_json(:usage_type::text) || ',"allowed":false,"limits":'
       || usage_limits_of(:organization_id::uuid, @user, usage_amount(:usage_type, :tokens::double precision)) AS more;
