-- Billing on the observability surface, whose path names the organization :org_id; what it asks for is asked as everywhere
-- (handlers/billing/asking.h).

-- name: org_subscription :row
-- What is known before anything is asked; provider_id is null where nothing is subscribed to that a provider has.
SELECT @tenant::text AS tenant, @user::text AS actor, l.look::text, l.is_test, o.prem_status, u.email, coalesce(s.customer_id, c.provider_id) AS customer, s.id::text AS subscription, s.provider_id,
       s.item_id, s.schedule_id, s.status, s.price_id AS price, s.quantity, s.amount, s.currency, s.interval, json_time(s.period_end) AS ends_at, extract(epoch FROM s.period_end)::bigint AS period_end,
       coalesce(s.cancel_at_period_end, false) AS will_cancel,
       own.key_sealed, CASE WHEN s.withheld_period IS NOT DISTINCT FROM s.period_start THEN s.withheld END AS withheld
FROM organizations o
JOIN users u ON u.tenant_id = @tenant AND u.id = @user
JOIN billing_look_begin() l ON true
LEFT JOIN subscriptions s ON s.tenant_id = @tenant AND s.owner_id = o.id AND s.is_current AND s.provider_id IS NOT NULL
LEFT JOIN billing_customers c ON c.tenant_id = @tenant AND c.owner_id = o.id AND c.provider = 'stripe'
LEFT JOIN payment_accounts own ON own.tenant_id = @tenant AND own.provider = 'stripe' AND own.is_enabled
WHERE o.tenant_id = @tenant AND o.id = :org_id;

-- name: billing_ask_org :row
SELECT a.tenant::text, a.operation::text, a.look::text, a.is_test, a.customer, a.email, a.name, a.subscription::text, a.provider_id, a.item_id, a.schedule_id,
       a.will_cancel, a.quantity, a.period_end, a.step, a.price, a.plan_name, a.price_shown, a.tier, a.waiting::text, a.new_cycle, :org_id::text AS organization,
       app_user()::text AS actor, own.key_sealed, s.interval, 0 AS trial_days, 0 AS seats
FROM billing_ask(:kind, :org_id::uuid, NULL, NULL, NULL, :request::jsonb) a
LEFT JOIN subscriptions s ON s.tenant_id = a.tenant AND s.id = a.subscription
LEFT JOIN payment_accounts own ON own.tenant_id = a.tenant AND own.provider = 'stripe' AND own.is_enabled;

-- name: org_pages :rows
-- Checkouts that may still be open; id: by which operation.
SELECT o.id::text AS operation, o.provider_id AS page
FROM billing_operations o
WHERE o.tenant_id = @tenant AND o.owner_id = :org_id AND o.kind = 'seats' AND o.state = 'done' AND o.created_at > now() - interval '1 day';

-- name: org_seats_plan :row
SELECT jsonb_build_object('paid', p.paid)::text AS request, p.paid::text AS paid, cardinality(p.paid) AS count, p.takes_owner
FROM seats_plan(:org_id::uuid, coalesce(:add::uuid[], '{}'), coalesce(:remove::uuid[], '{}')) p;

-- name: org_seats_dealt :row
SELECT 'the licences are dealt' AS message, seats_dealt(:org_id::uuid, :paid::uuid[]) AS paid_members_count;

-- name: org_member_count :row
SELECT count(*) AS members FROM memberships m WHERE m.tenant_id = @tenant AND m.organization_id = :org_id AND m.is_active;

-- name: subscription_lost :exec
-- Its provider knows of no such subscription.
SELECT subscription_lost(:shown::uuid);

-- name: billing_prices_known :row
-- Those that were read within the hour, by their ids.
SELECT coalesce(jsonb_object_agg(p.provider_id, p.price), '{}')::text AS prices
FROM billing_prices p
WHERE p.tenant_id = @tenant AND p.provider = 'stripe' AND p.provider_id IN (:seat_price, :token_price, :span_price)
  AND p.read_at > now() - interval '1 hour';

-- name: billing_prices_keep :exec
INSERT INTO billing_prices AS p (tenant_id, provider, provider_id, price)
SELECT @tenant, 'stripe', f.key, f.value
FROM jsonb_each(:fresh::jsonb) f
ORDER BY f.key
ON CONFLICT (tenant_id, provider, provider_id) DO UPDATE
SET price = excluded.price, read_at = excluded.read_at;

-- name: org_dashboard :row
SELECT d.current_period, d.past_periods, d.total_spent_all_time, d.is_legacy_billing, d.legacy_cancellation_date, d.project_breakdown
FROM billing_dashboard(:org_id::uuid, :period::uuid, :from_at::timestamptz, :until_at::timestamptz, :project_id::uuid, :prices::jsonb,
                       :seat_cents::bigint, nullif(:seat_price, '')) d;
