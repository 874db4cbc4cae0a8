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

-- Let go of what is held of a wallet longer than it was to be; is there more now?  Locks the wallet's row, as everybody does who changes it.
CREATE OR REPLACE FUNCTION wallet_holds_end(owner uuid, unit text) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    wallet uuid;
    freed  bigint;
BEGIN
    SELECT w.id INTO wallet FROM wallets w WHERE w.tenant_id = app_tenant() AND w.owner_id = owner AND w.unit = unit AND w.held > 0 FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    WITH over AS (
        UPDATE wallet_holds h SET status = 'expired', ended_at = h.expires_at
        WHERE h.tenant_id = app_tenant() AND h.wallet_id = wallet AND h.status = 'held' AND h.expires_at <= now()
        RETURNING h.amount
    )
    SELECT sum(o.amount) INTO freed FROM over o;
    UPDATE wallets w SET held = w.held - freed WHERE freed IS NOT NULL AND w.tenant_id = app_tenant() AND w.id = wallet;
    RETURN freed IS NOT NULL;
END
$$;

-- There are not so many: AS011, with those that nobody holds.
CREATE OR REPLACE FUNCTION wallet_short(owner uuid, unit text, amount bigint) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    free bigint := coalesce((SELECT w.balance - w.held FROM wallets w WHERE w.tenant_id = app_tenant() AND w.owner_id = owner AND w.unit = unit), 0);
BEGIN
    RAISE SQLSTATE 'AS011' USING MESSAGE = format('this takes %s, of which there are %s', amount, free),
        DETAIL = jsonb_build_object('balance', free, 'required', amount);
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
    LOOP
        UPDATE wallets w SET balance = w.balance - amount, lifetime_consumed = w.lifetime_consumed + amount
        WHERE w.tenant_id = app_tenant() AND w.owner_id = owner AND w.unit = unit AND w.balance - w.held >= amount
        RETURNING w.id, w.balance, w.lifetime_consumed, w.low_below INTO wallet, balance, consumed, low;
        EXIT WHEN FOUND;
        IF NOT wallet_holds_end(owner, unit) THEN    -- of those that are past their time there is none the second time
            PERFORM wallet_short(owner, unit, amount);
        END IF;
    END LOOP;
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

-- Set aside for an action until it is known what it takes, at most for so long.  Raises what wallet_consume() does.
CREATE OR REPLACE FUNCTION wallet_hold(company bigint, "user" uuid, unit text, amount bigint, action text, reference text, metadata jsonb, seconds integer)
RETURNS bigint
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    owner  uuid := wallet_meant(company, "user");
    wallet uuid;
    made   bigint;
BEGIN
    LOOP
        UPDATE wallets w SET held = w.held + amount
        WHERE w.tenant_id = app_tenant() AND w.owner_id = owner AND w.unit = unit AND w.balance - w.held >= amount
        RETURNING w.id INTO wallet;
        EXIT WHEN FOUND;
        IF NOT wallet_holds_end(owner, unit) THEN
            PERFORM wallet_short(owner, unit, amount);
        END IF;
    END LOOP;
    INSERT INTO wallet_holds AS h (tenant_id, wallet_id, amount, action, reference_id, metadata, expires_at)
    VALUES (app_tenant(), wallet, amount, action, reference, metadata, now() + seconds * interval '1 second')
    RETURNING h.number INTO made;
    RETURN made;
END
$$;

-- A hold of the user's own wallet or of their tenant's, whose wallet is locked first, and whose time may be over by now.  Raises AS404.
CREATE OR REPLACE FUNCTION wallet_hold_lock("user" uuid, unit text, one bigint) RETURNS wallet_holds
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    h     wallet_holds;
    owner uuid;
BEGIN
    SELECT w.owner_id INTO owner
    FROM wallet_holds x JOIN wallets w ON w.tenant_id = x.tenant_id AND w.id = x.wallet_id
    WHERE x.tenant_id = app_tenant() AND x.number = one AND w.owner_id IN ("user", app_tenant()) AND w.unit = unit;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Hold not found', DETAIL = one::text;
    END IF;
    PERFORM FROM wallets w WHERE w.tenant_id = app_tenant() AND w.owner_id = owner AND w.unit = unit FOR NO KEY UPDATE;
    PERFORM wallet_holds_end(owner, unit);
    SELECT x.* INTO h FROM wallet_holds x WHERE x.tenant_id = app_tenant() AND x.number = one;
    RETURN h;
END
$$;

-- Consume what is held, or of it so much as was needed; the rest is free again.  Raises AS404; AS409 when it is no longer held, and AS400 for
-- more than is.
CREATE OR REPLACE FUNCTION wallet_hold_commit("user" uuid, unit text, one bigint, amount bigint, OUT number bigint, OUT consumed bigint, OUT balance bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    h     wallet_holds := wallet_hold_lock("user", unit, one);
    owner uuid;
    total bigint;
    low   bigint;
BEGIN
    IF h.status <> 'held' THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = format('this hold is %s', h.status);
    ELSIF amount > h.amount THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'amount', MESSAGE = format('must be at most what is held: %s', h.amount);
    END IF;
    consumed := coalesce(amount, h.amount);
    UPDATE wallets w SET held = w.held - h.amount, balance = w.balance - consumed, lifetime_consumed = w.lifetime_consumed + consumed
    WHERE w.tenant_id = app_tenant() AND w.id = h.wallet_id
    RETURNING w.owner_id, w.balance, w.lifetime_consumed, w.low_below INTO owner, balance, total, low;
    INSERT INTO wallet_transactions AS t (tenant_id, wallet_id, type, amount, balance_after, action, reference_id, metadata, source, consumed_after)
    VALUES (app_tenant(), h.wallet_id, 'consume', -consumed, balance, h.action, h.reference_id, h.metadata, 'hold:' || one, total)
    RETURNING t.number INTO number;
    UPDATE wallet_holds x SET status = 'committed', consumed = consumed, transaction = number, ended_at = now()
    WHERE x.tenant_id = app_tenant() AND x.number = one;
    IF balance < low THEN
        PERFORM topup_want(owner, unit, balance + consumed, balance, low);
    END IF;
END
$$;

-- Let go of what is held.  One that is released or past its time stays as it is.  Raises AS404, and AS409 for one that was committed.
CREATE OR REPLACE FUNCTION wallet_hold_release("user" uuid, unit text, one bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    h wallet_holds := wallet_hold_lock("user", unit, one);
BEGIN
    IF h.status = 'committed' THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'this hold is committed';
    ELSIF h.status = 'held' THEN
        UPDATE wallet_holds x SET status = 'released', ended_at = now() WHERE x.tenant_id = app_tenant() AND x.number = one;
        UPDATE wallets w SET held = w.held - h.amount WHERE w.tenant_id = app_tenant() AND w.id = h.wallet_id;
    END IF;
    RETURN one;
END
$$;
