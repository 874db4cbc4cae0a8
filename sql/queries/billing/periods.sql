-- What was used in a period, for the invoice that is drafted for it (worker/billing_period.c).

-- name: billing_period_keep :row
SELECT k.period::text AS period, k.costs::text AS costs, k.quantities::text AS quantities, coalesce(k.was_there, false) AS was_there,
       coalesce(k.is_early, false) AS is_early, k.problem
FROM billing_period_keep(:organization::uuid, :invoice, :currency, to_timestamp(:from::bigint), to_timestamp(:until::bigint), :prices::jsonb,
                         :seat_cents::bigint) k;

-- name: billing_period_invoiced :exec
UPDATE billing_periods
SET status = 'invoiced', invoiced_at = now()
WHERE tenant_id = @tenant AND id = :period::uuid AND status = 'pending';
