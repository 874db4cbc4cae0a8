-- Tokens: the operations surface's wallets.  See sql/functions/billing/wallets.sql.

-- name: token_balance :row
-- One that was never used reads as empty.
SELECT coalesce(w.balance, 0) AS balance, coalesce(w.lifetime_purchased, 0) AS lifetime_purchased, coalesce(w.lifetime_bonus, 0) AS lifetime_bonus,
       coalesce(w.lifetime_consumed, 0) AS lifetime_consumed, :company_id::bigint AS company_id, coalesce(w.updated_at, now()) AS updated_at
FROM wallet_meant(:company_id::bigint, @user) o (owner)
LEFT JOIN wallets w ON w.tenant_id = @tenant AND w.owner_id = o.owner AND w.unit = 'tokens';

-- name: token_transaction_list :page
SELECT t.number AS id, t.type, t.amount, t.balance_after, t.action, t.reference_id, :company_id::bigint AS company_id, t.metadata, t.created_at
FROM wallet_transactions t
WHERE t.tenant_id = @tenant
  AND t.wallet_id = (SELECT w.id FROM wallets w WHERE w.tenant_id = @tenant AND w.owner_id = wallet_meant(:company_id::bigint, @user) AND w.unit = 'tokens')
  [AND t.type = :type]
ORDER BY t.number DESC;

-- name: token_consume :row
SELECT c.number AS transaction_id, :amount::bigint AS consumed, c.balance, :action::text AS action, :reference_id::text AS reference_id,
       :company_id::bigint AS company_id
FROM wallet_consume(:company_id::bigint, @user, 'tokens', :amount::bigint, :action, :reference_id, coalesce(:metadata::jsonb, '{}')) c;
