-- Subscriptions of organizations, and of users on the app surface.  What is asked of the provider is begun by one query
-- (billing_ask), and what came of it put down by another, in a transaction of its own (handlers/billing/asking.h).

-- columns: subscription
SELECT s.id, s.plan_id, s.organization_id, s.tenant_id, CASE s.provider WHEN 'stripe' THEN s.customer_id END AS stripe_customer_id,
       CASE s.provider WHEN 'stripe' THEN s.provider_id END AS stripe_subscription_id,
       CASE s.interval WHEN 'year' THEN 'yearly' ELSE 'monthly' END AS billing_cycle, subscription_word(s.status) AS status,
       coalesce(s.period_start, month.starts_at) AS current_period_start, coalesce(s.period_end, month.ends_at) AS current_period_end,
       s.cancel_at_period_end, s.canceled_at, s.trial_start, s.trial_end,
       s.metadata || CASE WHEN s.next_plan_id IS NOT NULL THEN jsonb_build_object('scheduled_plan_id', s.next_plan_id,
                                                                                  'scheduled_at', json_time(s.next_at)) ELSE '{}' END AS subscription_metadata,
       s.created_at, s.updated_at
FROM subscriptions s
LEFT JOIN subscription_period(CASE WHEN s.period_start IS NULL AND s.is_current THEN s.owner_id END) month ON true;

-- name: subscription_of_organization :maybe
-- With the plan in it; null: there is none.
SELECT :columns(subscription),
       (SELECT jsonb_build_object(
                   'id', p.id, 'name', p.name, 'description', p.description, 'price_monthly', trim_scale(amount_shown(monthly.amount, p.currency)),
                   'price_yearly', trim_scale(amount_shown(yearly.amount, p.currency)), 'currency', p.currency,
                   'max_messages_per_month', p.limits -> 'messages', 'max_cost_usd_per_month', trim_scale((p.limits ->> 'cost_usd')::numeric * 0.000001),
                   'max_tokens_per_month', p.limits -> 'tokens', 'features', p.features, 'is_free', p.is_free, 'is_active', p.is_active,
                   'stripe_product_id', CASE p.provider WHEN 'stripe' THEN p.provider_id END,
                   'stripe_price_id_monthly', CASE monthly.provider WHEN 'stripe' THEN monthly.provider_id END,
                   'stripe_price_id_yearly', CASE yearly.provider WHEN 'stripe' THEN yearly.provider_id END,
                   'created_at', json_time(p.created_at), 'updated_at', json_time(p.updated_at))
        FROM plans p
        LEFT JOIN plan_prices monthly ON monthly.tenant_id = p.tenant_id AND monthly.plan_id = p.id AND monthly.interval = 'month'
        LEFT JOIN plan_prices yearly ON yearly.tenant_id = p.tenant_id AND yearly.plan_id = p.id AND yearly.interval = 'year'
        WHERE p.id = s.plan_id) AS plan
FROM subscriptions s
:joins(subscription)
WHERE s.tenant_id = @tenant AND s.owner_id = :organization_id AND s.is_current;

-- name: subscription_current :row
-- Of the organization that is named, else of the user's default one.
SELECT :columns(subscription)
FROM billing_organization(:organization::uuid, NULL, @user, 'ORG_READ') place
JOIN subscriptions s ON s.tenant_id = @tenant AND s.owner_id = place AND s.is_current
:joins(subscription);

-- name: subscription_get :row
SELECT :columns(subscription), s.updated_at AS _updated_at
FROM billing_organization(NULL, :subscription_id::uuid, @user, 'BILLING_MANAGE') place
JOIN subscriptions s ON s.tenant_id = @tenant AND s.id = :subscription_id AND s.owner_id = place
:joins(subscription);

-- name: subscription_shown :row
-- What was just made or changed.
SELECT :columns(subscription), s.updated_at AS _updated_at
FROM subscriptions s
:joins(subscription)
WHERE s.tenant_id = @tenant AND s.id = :shown::uuid;

-- name: subscription_cancelled :row
-- The same, as the organization's cancel has it.
SELECT CASE WHEN s.ended_at IS NULL THEN 'the subscription ends with its period' ELSE 'the subscription has ended' END AS message,
       (SELECT to_jsonb(x) FROM (
            SELECT s.id, s.plan_id, s.organization_id, s.tenant_id, CASE s.provider WHEN 'stripe' THEN s.customer_id END AS stripe_customer_id,
                   CASE s.provider WHEN 'stripe' THEN s.provider_id END AS stripe_subscription_id,
                   CASE s.interval WHEN 'year' THEN 'yearly' ELSE 'monthly' END AS billing_cycle, subscription_word(s.status) AS status,
                   json_time(s.period_start) AS current_period_start, json_time(s.period_end) AS current_period_end, s.cancel_at_period_end,
                   json_time(s.canceled_at) AS canceled_at, json_time(s.trial_start) AS trial_start, json_time(s.trial_end) AS trial_end,
                   s.metadata AS subscription_metadata, json_time(s.created_at) AS created_at, json_time(s.updated_at) AS updated_at) x) AS subscription
FROM subscriptions s
WHERE s.tenant_id = @tenant AND s.id = :shown::uuid;

-- name: subscription_create_here :row
SELECT subscription_create(billing_organization(:organization_id::uuid, NULL, @user, 'BILLING_MANAGE'), :plan_id::uuid, :billing_cycle,
                           :subscription_metadata::jsonb)::text AS id;

-- name: billing_ask_organization :row
-- who: the user who acts, whose right is asked for; NULL: a server by its secret key.
SELECT a.tenant::text, a.operation::text, a.look::text, a.is_test, a.customer, a.email, a.name, a.subscription::text, a.provider_id, a.item_id, a.schedule_id,
       a.will_cancel, a.quantity, a.period_end, a.step, a.price, a.plan_name, a.price_shown, a.tier, a.waiting::text, a.new_cycle, place::text AS organization,
       coalesce(:who::uuid, app_user())::text AS actor, own.key_sealed, s.interval,
       CASE WHEN NOT EXISTS (SELECT FROM subscriptions h WHERE h.tenant_id = a.tenant AND h.owner_id = place AND h.provider_id IS NOT NULL) THEN wanted.trial_days END AS trial_days,
       CASE wanted.seats WHEN 'members' THEN (SELECT count(*) FROM memberships m WHERE m.tenant_id = a.tenant AND m.organization_id = place AND m.is_active) END AS seats
FROM billing_organization(:organization::uuid, :subscription::uuid, :who::uuid, :permission) place,
     billing_ask(:kind, place, NULL, :plan::uuid, :cycle, :request::jsonb) a
LEFT JOIN plans wanted ON wanted.id = :plan::uuid
LEFT JOIN subscriptions s ON s.tenant_id = a.tenant AND s.id = a.subscription
LEFT JOIN payment_accounts own ON own.tenant_id = a.tenant AND own.provider = 'stripe' AND own.is_enabled;

-- name: billing_ask_user :row
SELECT a.tenant::text, a.operation::text, a.look::text, a.is_test, a.customer, a.email, a.name, a.subscription::text, a.provider_id, a.item_id, a.schedule_id,
       a.will_cancel, a.quantity, a.period_end, a.step, a.price, a.plan_name, a.price_shown, a.tier, a.waiting::text, a.new_cycle, NULL::text AS organization,
       app_user()::text AS actor, own.key_sealed, s.interval, 0 AS trial_days, 0 AS seats
FROM billing_ask(:kind, NULL, @user, NULL, NULL, :request::jsonb) a
LEFT JOIN subscriptions s ON s.tenant_id = a.tenant AND s.id = a.subscription
LEFT JOIN payment_accounts own ON own.tenant_id = a.tenant AND own.provider = 'stripe' AND own.is_enabled;

-- name: billing_done :row
-- The operation's end, with the customer that the provider has made.
SELECT 1 AS done
FROM billing_customer_keep(:organization::uuid, CASE WHEN :organization::uuid IS NULL THEN @user END, 'stripe', :customer),
     billing_done(:operation::uuid, :state, :made, :error);

-- name: billing_seen :row
-- What the provider shows now; not applied: something newer has been.
SELECT s.subscription::text AS subscription, s.is_applied, s.problem
FROM set_config('app.seat_price', :seat_price, true) seats
CROSS JOIN LATERAL billing_see(CASE WHEN seats IS NOT NULL THEN 'stripe' END, :object::jsonb, :look::bigint) s;

-- name: subscription_next :exec
SELECT subscription_next(:shown::uuid, :next_plan::uuid, :next_cycle, :schedule);

-- name: subscription_change_here :exec
SELECT subscription_change_here(:shown::uuid, :kind, :at_period_end::boolean, :plan::uuid, :cycle);

-- name: subscription_metadata_set :exec
UPDATE subscriptions s
SET metadata = :subscription_metadata::jsonb
WHERE s.tenant_id = @tenant AND s.id = :shown::uuid;

-- name: billing_origins :row
SELECT billing_origin_allowed(:first) AS first, billing_origin_allowed(:second) AS second;

-- name: billing_customer_of_organization :row
-- Before the provider is asked for something of its customer's; customer is null where nothing was ever bought.
SELECT c.provider_id AS customer, l.look::text, l.is_test, @tenant::text AS tenant, own.key_sealed, place::text AS organization
FROM billing_organization(:organization::uuid, NULL, :who::uuid, :permission) place
JOIN billing_look_begin() l ON true
LEFT JOIN billing_customers c ON c.tenant_id = @tenant AND c.owner_id = place AND c.provider = 'stripe'
LEFT JOIN payment_accounts own ON own.tenant_id = @tenant AND own.provider = 'stripe' AND own.is_enabled;

-- name: billing_customer_of_user :row
SELECT c.provider_id AS customer, l.look::text, l.is_test, @tenant::text AS tenant, own.key_sealed, NULL::text AS organization
FROM billing_look_begin() l
LEFT JOIN billing_customers c ON c.tenant_id = @tenant AND c.owner_id = @user AND c.provider = 'stripe'
LEFT JOIN payment_accounts own ON own.tenant_id = @tenant AND own.provider = 'stripe' AND own.is_enabled;

-- name: invoices_keep :exec
-- Of a page that the provider has shown.
SELECT count(invoice_see('stripe', o, :look::bigint)) FROM jsonb_array_elements(:objects::jsonb) o;

-- name: user_plan_assign :row
-- A plan that costs nothing, or that the default organization pays for.
SELECT a.success FROM user_plan_assign(:user_id::uuid, :plan_id::uuid) a;

-- name: billing_status :row
-- Of the user alone: what they pay for by themselves.
SELECT coalesce(CASE WHEN s.ended_at IS NULL THEN s.tier END, 'free') AS plan, coalesce(s.status, 'none') AS status,
       s.period_end AS current_period_end, coalesce(s.cancel_at_period_end, false) AS cancel_at_period_end,
       coalesce(s.status IN ('active', 'trialing'), false) AS has_active_subscription
FROM (SELECT) one
LEFT JOIN LATERAL (SELECT * FROM subscriptions x
                   WHERE x.tenant_id = @tenant AND x.owner_id = @user
                   ORDER BY x.is_current DESC, x.started_at DESC
                   LIMIT 1) s ON true;

-- name: billing_cancelled :row
SELECT CASE WHEN s.ended_at IS NULL THEN 'your subscription ends with its period' ELSE 'your subscription has ended' END AS message,
       s.cancel_at_period_end, coalesce(s.ended_at, s.period_end) AS current_period_end
FROM subscriptions s
WHERE s.tenant_id = @tenant AND s.id = :shown::uuid AND s.owner_id = @user;

-- name: billing_resumed :row
SELECT 'your subscription goes on' AS message, s.status, coalesce(s.tier, 'free') AS plan
FROM subscriptions s
WHERE s.tenant_id = @tenant AND s.id = :shown::uuid AND s.owner_id = @user;

-- name: caller_id :row
SELECT app_user()::text AS id;

-- name: subscription_changed :row
SELECT true AS success, :message AS message, :plan_name AS plan_name, s.id AS subscription_id,
       CASE s.provider WHEN 'stripe' THEN s.provider_id END AS stripe_subscription_id, subscription_word(s.status) AS status, s.cancel_at_period_end
FROM subscriptions s
WHERE s.tenant_id = @tenant AND s.id = :shown::uuid;

-- name: subscription_ended :row
SELECT true AS success,
       CASE WHEN s.ended_at IS NULL THEN 'the subscription ends with its period' ELSE 'the subscription has ended' END AS message, s.cancel_at_period_end
FROM subscriptions s
WHERE s.tenant_id = @tenant AND s.id = :shown::uuid;

-- name: user_plan_assigned :row
SELECT true AS success, u.id AS user_id, u.current_plan_id AS plan_id
FROM users u
WHERE u.tenant_id = @tenant AND u.id = @user;
