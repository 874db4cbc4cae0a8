-- Wallets: what is put in and taken out.  A change is one UPDATE of the wallet's row, under whose lock the transaction gets its number, so that
-- transactions of a wallet are in the order in which its balance changed.

-- Whose wallet (owner_id) a caller means: their own, or with a tenant's number that tenant's, whose they have to be.  Raises AS403.
CREATE OR REPLACE FUNCTION wallet_meant(company bigint, "user" uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF company <> tenant_number(app_tenant()) THEN
        RAISE SQLSTATE 'AS403' USING HINT = 'company_id', MESSAGE = 'company_id must be the number of the tenant that you are part of';
    END IF;
    RETURN CASE WHEN company IS NULL THEN "user" ELSE app_tenant() END;
END
$$;

-- Take out for an action; what that leaves may be low (topup_want).  Raises what wallet_meant() does, and AS011 if there is less than that.
CREATE OR REPLACE FUNCTION wallet_consume(company bigint, "user" uuid, unit text, amount bigint, action text, reference text, metadata jsonb,
                                          OUT number bigint, OUT balance bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    owner    uuid := wallet_meant(company, "user");
    wallet   uuid;
    consumed bigint;
    low      bigint;
BEGIN
    UPDATE wallets w SET balance = w.balance - amount, lifetime_consumed = w.lifetime_consumed + amount
    WHERE w.tenant_id = app_tenant() AND w.owner_id = owner AND w.unit = unit AND w.balance >= amount
    RETURNING w.id, w.balance, w.lifetime_consumed, w.low_below INTO wallet, balance, consumed, low;
    IF NOT FOUND THEN
        balance := coalesce((SELECT w.balance FROM wallets w
                             WHERE w.tenant_id = app_tenant() AND w.owner_id = owner AND w.unit = unit), 0);
        RAISE SQLSTATE 'AS011' USING MESSAGE = format('this takes %s, of which there are %s', amount, balance),
            DETAIL = jsonb_build_object('balance', balance, 'required', amount);
    END IF;
    INSERT INTO wallet_transactions AS t (tenant_id, wallet_id, type, amount, balance_after, action, reference_id, metadata, consumed_after)
    VALUES (app_tenant(), wallet, 'consume', -amount, balance, action, reference, metadata, consumed)
    RETURNING t.number INTO number;
    IF balance < low THEN
        PERFORM topup_want(owner, unit, balance + amount, balance, low);
    END IF;
END
$$;

-- Put in, of a type that is none of consumption: to owner's wallet, or NULL to the tenant's.  False: of this source there is one of this type already,
-- and nothing is done.
CREATE OR REPLACE FUNCTION wallet_credit(owner uuid, unit text, type text, amount bigint, source text, reference text, metadata jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    is_bonus boolean := type NOT IN ('purchase', 'refund');
    w        wallets;
BEGIN
    INSERT INTO wallets (tenant_id, user_id, unit) VALUES (app_tenant(), owner, unit)
    ON CONFLICT ON CONSTRAINT wallets_owner_unique DO NOTHING;
    SELECT x.* INTO w FROM wallets x
    WHERE x.tenant_id = app_tenant() AND x.owner_id = coalesce(owner, app_tenant()) AND x.unit = unit
    FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM wallet_transactions t WHERE t.tenant_id = w.tenant_id AND t.wallet_id = w.id AND t.source = source AND t.type = type) THEN
        RETURN false;
    END IF;
    UPDATE wallets x
    SET balance            = x.balance + amount,
        lifetime_purchased = x.lifetime_purchased + CASE WHEN is_bonus THEN 0 ELSE amount END,
        lifetime_bonus     = x.lifetime_bonus + CASE WHEN is_bonus THEN amount ELSE 0 END
    WHERE x.tenant_id = w.tenant_id AND x.id = w.id;
    INSERT INTO wallet_transactions (tenant_id, wallet_id, type, amount, balance_after, reference_id, metadata, source, consumed_after)
    VALUES (w.tenant_id, w.id, type, amount, w.balance + amount, reference, metadata, source, w.lifetime_consumed);
    RETURN true;
END
$$;
