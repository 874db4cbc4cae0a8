-- Tokens that somebody who operates the installation gives, and gives back: of any tenant, whose audit log has it.

-- Whose wallet that is: a user's or a tenant's, by their number; the answer's tenant is the one that counts from here on.  Returns its
-- owner_id, and as whom the audit log has it.  Raises AS403 for who does not operate the installation, and AS404.
CREATE OR REPLACE FUNCTION token_owner(user_number bigint, company bigint, OUT owner uuid, OUT kind text, OUT name text)
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid;
BEGIN
    IF NOT app_operates() THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this is for those who operate the installation';
    ELSIF user_number IS NOT NULL THEN
        SELECT u.tenant_id, u.user_id INTO tenant, owner FROM operations_users(user_number, 1) u;
        IF NOT FOUND THEN
            RAISE SQLSTATE 'AS404' USING HINT = 'user_id', MESSAGE = 'User not found', DETAIL = user_number::text;
        END IF;
        PERFORM set_config('app.tenant_id', tenant::text, true);
        SELECT 'user', u.public_id INTO kind, name FROM users u WHERE u.tenant_id = tenant AND u.id = owner;
        RETURN;
    END IF;
    BEGIN
        tenant := tenant_meant(company);
    EXCEPTION WHEN SQLSTATE 'AS404' THEN
        RAISE SQLSTATE 'AS404' USING HINT = 'company_id', MESSAGE = 'Tenant not found', DETAIL = company::text;
    END;
    PERFORM set_config('app.tenant_id', tenant::text, true);
    SELECT tenant, 'tenant', company::text INTO owner, kind, name;
END
$$;

-- Put some in; returns the transaction.  Raises AS403 and AS404.
CREATE OR REPLACE FUNCTION token_grant(user_number bigint, company bigint, amount bigint, reason text, reference text) RETURNS wallet_transactions
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    here  text := current_setting('app.tenant_id', true);
    o     record;
    t     wallet_transactions;
BEGIN
    SELECT * INTO o FROM token_owner(user_number, company);
    PERFORM wallet_credit(CASE o.kind WHEN 'user' THEN o.owner END, 'tokens', 'admin_grant', amount, NULL, reference, jsonb_build_object('reason', reason));
    SELECT x.* INTO t    -- the newest, as the wallet is locked
    FROM wallets w JOIN wallet_transactions x ON x.tenant_id = w.tenant_id AND x.wallet_id = w.id
    WHERE w.tenant_id = app_tenant() AND w.owner_id = o.owner AND w.unit = 'tokens'
    ORDER BY x.number DESC LIMIT 1;
    PERFORM audit('tokens.grant', o.kind, o.name, jsonb_build_object('transaction', t.number, 'amount', amount, 'reason', reason));
    PERFORM set_config('app.tenant_id', here, true);
    RETURN t;
END
$$;

-- Give back of a consumption so much (NULL: what is left of it), which then no longer counts as consumed; returns the transaction.  Its source is
-- refund:NUMBER:N, the Nth of it.  Raises AS403 and AS404; AS409 when nothing is left of it or it was refunded ten times; AS422.
CREATE OR REPLACE FUNCTION token_refund(user_number bigint, company bigint, one bigint, amount bigint, reason text) RETURNS wallet_transactions
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    here   text := current_setting('app.tenant_id', true);
    o      record;
    w      wallets;
    was    wallet_transactions;
    t      wallet_transactions;
    times  bigint;
    before bigint;
BEGIN
    SELECT * INTO o FROM token_owner(user_number, company);
    SELECT x.* INTO w FROM wallets x WHERE x.tenant_id = app_tenant() AND x.owner_id = o.owner AND x.unit = 'tokens' FOR NO KEY UPDATE;
    SELECT x.* INTO was FROM wallet_transactions x WHERE x.tenant_id = w.tenant_id AND x.wallet_id = w.id AND x.number = one AND x.type = 'consume';
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING HINT = 'transaction_id', MESSAGE = 'Consumption not found', DETAIL = one::text;
    END IF;
    SELECT count(*), coalesce(sum(x.amount), 0) INTO times, before
    FROM wallet_transactions x
    WHERE x.tenant_id = w.tenant_id AND x.wallet_id = w.id AND x.type = 'refund'
      AND x.source = ANY (ARRAY(SELECT format('refund:%s:%s', one, n) FROM generate_series(1, 10) n));
    IF before = -was.amount THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'this consumption is refunded';
    ELSIF times = 10 THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'this consumption was refunded ten times, in parts';
    ELSIF amount > -was.amount - before THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'amount', MESSAGE = format('must be at most what is not refunded yet: %s', -was.amount - before);
    END IF;
    amount := coalesce(amount, -was.amount - before);
    UPDATE wallets x SET balance = x.balance + amount, lifetime_consumed = x.lifetime_consumed - amount WHERE x.tenant_id = w.tenant_id AND x.id = w.id;
    INSERT INTO wallet_transactions AS x (tenant_id, wallet_id, type, amount, balance_after, action, reference_id, metadata, source, consumed_after)
    VALUES (w.tenant_id, w.id, 'refund', amount, w.balance + amount, was.action, was.reference_id, jsonb_build_object('reason', reason, 'transaction_id', one),
            format('refund:%s:%s', one, times + 1), w.lifetime_consumed - amount)
    RETURNING x.* INTO t;
    PERFORM audit('tokens.refund', o.kind, o.name, jsonb_build_object('transaction', t.number, 'of', one, 'amount', amount, 'reason', reason));
    PERFORM set_config('app.tenant_id', here, true);
    RETURN t;
END
$$;
