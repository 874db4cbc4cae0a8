-- A tenant's own account at a provider of payments.

-- From now on another account is asked, which knows neither the customers nor the subscriptions of the one before.  Raises AS409
-- while there are some that go on.
CREATE OR REPLACE FUNCTION payment_account_leave(provider text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    IF EXISTS (SELECT FROM subscriptions s
               WHERE s.tenant_id = app_tenant() AND s.provider = payment_account_leave.provider AND s.provider_id IS NOT NULL AND s.ended_at IS NULL) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'there are subscriptions that go on with the account until now: they have to end first';
    END IF;
    DELETE FROM billing_customers c WHERE c.tenant_id = app_tenant() AND c.provider = payment_account_leave.provider;
END
$$;

-- Set up the tenant's account, or change it.  What is NULL stays, but for the webhook's secret where has_webhook says that it was
-- sent.  Raises AS422 without a key, and AS409 as above, unless it is another key of the same account.
CREATE OR REPLACE FUNCTION payment_account_put(provider text, is_enabled boolean, account text, is_live boolean, key_sealed text, key_tail text,
                                               has_webhook boolean, webhook_sealed text, webhook_tail text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    was     payment_accounts;
    is_used boolean;
    is_same boolean;
BEGIN
    UPDATE tenant_settings SET tenant_id = tenant_id WHERE tenant_id = app_tenant();    -- one change at a time
    SELECT * INTO was FROM payment_accounts a WHERE a.tenant_id = app_tenant() AND a.provider = payment_account_put.provider;
    IF was.provider IS NULL AND payment_account_put.key_sealed IS NULL THEN
        RAISE SQLSTATE 'AS422' USING MESSAGE = 'secret_key is needed: there is none yet', HINT = 'secret_key';
    END IF;
    is_used := coalesce(payment_account_put.is_enabled, was.is_enabled, true);
    is_same := payment_account_put.key_sealed IS NULL OR coalesce(was.account = payment_account_put.account, false);
    IF is_used <> coalesce(was.is_enabled, false) OR is_used AND NOT is_same THEN
        PERFORM payment_account_leave(provider);
    END IF;
    INSERT INTO payment_accounts AS a (tenant_id, provider, is_enabled, account, is_live, key_sealed, key_tail, webhook_secret_sealed, webhook_secret_tail)
    VALUES (app_tenant(), payment_account_put.provider, is_used,
            CASE WHEN payment_account_put.key_sealed IS NULL THEN was.account ELSE payment_account_put.account END,
            coalesce(payment_account_put.is_live, was.is_live), coalesce(payment_account_put.key_sealed, was.key_sealed),
            coalesce(payment_account_put.key_tail, was.key_tail),
            CASE WHEN has_webhook THEN webhook_sealed ELSE was.webhook_secret_sealed END,
            CASE WHEN has_webhook THEN webhook_tail ELSE was.webhook_secret_tail END)
    ON CONFLICT ON CONSTRAINT payment_accounts_pkey DO UPDATE
    SET is_enabled = excluded.is_enabled, account = excluded.account, is_live = excluded.is_live, key_sealed = excluded.key_sealed, key_tail = excluded.key_tail,
        webhook_secret_sealed = excluded.webhook_secret_sealed, webhook_secret_tail = excluded.webhook_secret_tail;
    PERFORM audit('payment_account.update', 'payment_account', provider,
                  jsonb_build_object('account', payment_account_put.account, 'is_enabled', is_used, 'has_new_key', payment_account_put.key_sealed IS NOT NULL,
                                     'has_new_webhook_secret', has_webhook));
END
$$;

-- The installation's account takes the tenant's money again.  No row: there was none of its own.
CREATE OR REPLACE FUNCTION payment_account_delete(provider text) RETURNS SETOF payment_accounts
LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_column
DECLARE
    gone payment_accounts;
BEGIN
    UPDATE tenant_settings SET tenant_id = tenant_id WHERE tenant_id = app_tenant();
    DELETE FROM payment_accounts a WHERE a.tenant_id = app_tenant() AND a.provider = payment_account_delete.provider RETURNING * INTO gone;
    IF FOUND THEN
        IF gone.is_enabled THEN
            PERFORM payment_account_leave(provider);
        END IF;
        PERFORM audit('payment_account.delete', 'payment_account', provider, jsonb_build_object('account', gone.account));
        RETURN NEXT gone;
    END IF;
END
$$;
