-- Tokens: the operations surface's wallets.  See sql/functions/billing/wallets.sql.

-- name: token_balance :row
-- One that was never used reads as empty.
SELECT coalesce(w.balance, 0) AS balance, coalesce(w.lifetime_purchased, 0) AS lifetime_purchased, coalesce(w.lifetime_bonus, 0) AS lifetime_bonus,
       coalesce(w.lifetime_consumed, 0) AS lifetime_consumed,
       coalesce((SELECT sum(h.amount) FROM wallet_holds h
                 WHERE h.tenant_id = w.tenant_id AND h.wallet_id = w.id AND h.status = 'held' AND h.expires_at > now()), 0)::bigint AS held, :company_id::bigint AS company_id, coalesce(w.updated_at, now()) AS updated_at
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

-- ---------------------------------------------------------------- holds

-- columns: token_hold
-- One that is past its time is told as that, whether or not somebody has needed it since.
SELECT h.number AS id, h.amount, CASE WHEN h.status = 'held' AND h.expires_at <= now() THEN 'expired' ELSE h.status END AS status, h.consumed,
       h.transaction AS transaction_id, h.action, h.reference_id, CASE WHEN w.user_id IS NULL THEN tenant_number(w.tenant_id) END AS company_id, h.metadata,
       h.expires_at, h.created_at
FROM wallet_holds h
JOIN wallets w ON w.tenant_id = h.tenant_id AND w.id = h.wallet_id;

-- name: token_hold_list :page
SELECT :columns(token_hold)
FROM wallet_holds h
:joins(token_hold)
WHERE h.tenant_id = @tenant
  AND h.wallet_id = (SELECT w.id FROM wallets w WHERE w.tenant_id = @tenant AND w.owner_id = wallet_meant(:company_id::bigint, @user) AND w.unit = 'tokens')
ORDER BY h.number DESC;

-- name: token_hold_get :row
SELECT :columns(token_hold)
FROM wallet_holds h
:joins(token_hold)
WHERE h.tenant_id = @tenant AND h.number = :hold_number AND w.owner_id IN (@user, @tenant) AND w.unit = 'tokens';

-- name: token_hold_create :row
SELECT made AS id, :amount::bigint AS amount, 'held' AS status, NULL::bigint AS consumed, NULL::bigint AS transaction_id, :action::text AS action,
       :reference_id::text AS reference_id, :company_id::bigint AS company_id, coalesce(:metadata::jsonb, '{}') AS metadata,
       now() + :expires_in::integer * interval '1 second' AS expires_at, now() AS created_at
FROM wallet_hold(:company_id::bigint, @user, 'tokens', :amount::bigint, :action, :reference_id, coalesce(:metadata::jsonb, '{}'), :expires_in::integer) made;

-- name: token_hold_commit :row
SELECT c.number AS transaction_id, c.consumed, c.balance
FROM wallet_hold_commit(@user, 'tokens', :hold_number::bigint, :amount::bigint) c;

-- name: token_hold_release :row
SELECT wallet_hold_release(@user, 'tokens', :hold_number::bigint) AS id, true AS released;

-- ---------------------------------------------------------------- of who operates the installation

-- name: token_grant :row
SELECT g.number AS id, g.type, g.amount, g.balance_after, g.action, g.reference_id, :company_id::bigint AS company_id, g.metadata, g.created_at
FROM token_grant(:user_id::bigint, :company_id::bigint, :amount::bigint, :reason, :reference_id) g;

-- name: token_refund :row
SELECT r.number AS id, r.type, r.amount, r.balance_after, r.action, r.reference_id, :company_id::bigint AS company_id, r.metadata, r.created_at
FROM token_refund(:user_id::bigint, :company_id::bigint, :transaction_id::bigint, :amount::bigint, :reason) r;
