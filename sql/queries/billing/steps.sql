-- What is done about subscriptions of itself.

-- name: billing_step_list :row
-- scan: a tenant has twenty at most
SELECT coalesce((SELECT jsonb_agg(jsonb_build_object('about', b.about, 'day', b.day, 'mail', b.mail, 'action', b.action) ORDER BY b.about, b.day)
                 FROM billing_steps b WHERE b.tenant_id = @tenant), '[]') AS steps;

-- name: billing_step_put :exec
SELECT billing_steps_put(:steps::jsonb);

-- name: plan_terms_get :row
-- scan: a tenant has few plans
SELECT p.id AS plan_id, p.trial_days, p.seats FROM plans p WHERE p.tenant_id = @tenant AND p.id = :plan_id AND NOT p.is_global;

-- name: plan_terms_put :row
SELECT p.id AS plan_id, p.trial_days, p.seats FROM plan_terms_put(:plan_id::uuid, :trial_days::integer, :seats) p;

-- name: billing_remind :row
SELECT billing_remind() AS looked_at;

-- name: billing_do_begin :row
SELECT b.operation::text, b.look::text, b.is_test, b.provider_id, b.item_id, b.quantity, b.is_busy, app_tenant()::text AS tenant, a.key_sealed
FROM billing_do_begin(:subscription::uuid, :kind, :job::uuid) b
LEFT JOIN payment_accounts a ON a.tenant_id = app_tenant() AND a.provider = 'stripe' AND a.is_enabled;

-- name: billing_do_end :exec
SELECT billing_do_end(:operation::uuid, :subscription::uuid, :kind, :object::jsonb, :look::bigint);

-- name: billing_do_failed :exec
SELECT billing_done(:operation::uuid, 'failed', NULL, :error);
