-- Invoices that are kept here as their provider last had them, and what an invoice would be.

-- name: invoice_list :page
SELECT i.id, i.number, i.status, i.currency, i.total AS amount_total, i.amount_due, i.amount_paid, i.amount_remaining, i.attempts, i.next_attempt_at,
       i.issued_at, i.period_start, i.period_end, i.paid_at, i.page_url, i.pdf_url, i.provider, i.provider_id
FROM invoices i
WHERE i.tenant_id = @tenant AND i.owner_id = :organization_id
  [AND i.status = :status]
  [AND i.issued_at >= :from]
  [AND i.issued_at < :to]
ORDER BY i.issued_at DESC, i.id DESC;

-- name: subscription_previewed :row
-- due_now, next_amount and next_at are what the provider has said; where it was not asked, what the prices here make of it.
SELECT :effect AS effect, p.id AS plan_id, CASE :cycle WHEN 'year' THEN 'yearly' ELSE 'monthly' END AS billing_cycle,
       CASE WHEN x.plan_id IS NOT NULL THEN lower(p.currency) ELSE coalesce(s.currency, lower(p.currency)) END AS currency,
       coalesce(:due_now::bigint, CASE :step WHEN 'unpaid' THEN x.amount ELSE 0 END) AS due_now,
       coalesce(:next_amount::bigint, CASE WHEN :step IN ('end', 'here') OR :step = 'same' AND s.cancel_at_period_end THEN 0
                                           WHEN :step = 'unpaid' THEN x.amount
                                           WHEN :step IN ('same', 'stay') THEN coalesce(s.amount, 0) * s.quantity
                                           ELSE x.amount * s.quantity END) AS next_amount,
       coalesce(to_timestamp(:next_at::bigint), CASE WHEN :step NOT IN ('unpaid', 'here') THEN s.period_end END) AS next_at
FROM subscriptions s
JOIN plans p ON p.id = :plan::uuid
LEFT JOIN plan_prices x ON x.tenant_id = p.tenant_id AND x.plan_id = p.id AND x.interval = :cycle
WHERE s.tenant_id = @tenant AND s.id = :shown::uuid;
