-- Top-ups: packages that are bought once, and those that fill a wallet whenever it is low.
--
-- All that happens to a wallet's top-ups happens under the wallet's lock, which a spend holds, too: whether one is on its way is known there,
-- and nobody waits for two locks in another order (wallet, top-up, payment).

-- A package by its name, with the field that named it.  Raises AS422.
CREATE OR REPLACE FUNCTION package_find(slug text, unit text, field text) RETURNS packages
LANGUAGE plpgsql STABLE AS $$
DECLARE
    p packages;
BEGIN
    SELECT * INTO p FROM packages x WHERE x.slug = package_find.slug AND x.unit = package_find.unit AND x.is_offered;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS422' USING HINT = field, MESSAGE = format('this package is not on offer: choose one of %s',
            (SELECT string_agg(x.slug, ', ' ORDER BY x.price_cents, x.slug) FROM packages x WHERE x.unit = package_find.unit AND x.is_offered));
    END IF;
    RETURN p;
END
$$;

-- Begin to buy a package of tokens for one's own wallet; by a key that was used already: go on with that.  Raises AS409 where that was for
-- another package.
CREATE OR REPLACE FUNCTION topup_once(who uuid, wanted text, key text) RETURNS topups
LANGUAGE plpgsql AS $$
DECLARE
    p packages := package_find(wanted, 'tokens', 'package_slug');
    t topups;
BEGIN
    INSERT INTO topups (tenant_id, owner_id, user_id, unit, package, amount, bonus, price_cents, currency, request_key)
    VALUES (app_tenant(), who, who, p.unit, p.slug, p.amount, p.bonus, p.price_cents, p.currency, key)
    ON CONFLICT ON CONSTRAINT topups_request_key_unique DO NOTHING
    RETURNING * INTO t;
    IF NOT FOUND THEN
        SELECT * INTO t FROM topups x WHERE x.tenant_id = app_tenant() AND x.user_id = who AND x.request_key = key;
        IF t.package <> wanted THEN
            RAISE SQLSTATE 'AS409' USING HINT = 'idempotency_key', MESSAGE = format('this key was used already, for %s', t.package);
        END IF;
    END IF;
    RETURN t;
END
$$;

-- The provider has a payment for it.
CREATE OR REPLACE FUNCTION topup_asked(topup uuid, intent text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE topups t SET provider_id = intent, status = CASE t.status WHEN 'pending' THEN 'asked' ELSE t.status END, asked_at = coalesce(t.asked_at, now())
    WHERE t.tenant_id = app_tenant() AND t.id = topup AND t.provider_id IS NULL;
    INSERT INTO payments (tenant_id, user_id, provider, provider_id, amount, currency)
    SELECT t.tenant_id, t.user_id, t.provider, t.provider_id, t.price_cents, t.currency FROM topups t WHERE t.tenant_id = app_tenant() AND t.id = topup
    ON CONFLICT ON CONSTRAINT payments_provider_id_unique DO NOTHING;
END
$$;

-- What is told of one.
CREATE OR REPLACE FUNCTION topup_tell(verb text, t topups) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM event_emit('topup.' || verb, NULL, jsonb_build_object(
        'id', t.id, 'user_id', t.user_id, 'is_of_tenant', t.owner_id = t.tenant_id, 'is_automatic', t.config_id IS NOT NULL, 'unit', t.unit,
        'package', t.package, 'amount', t.amount, 'bonus', t.bonus, 'price_cents', t.price_cents, 'currency', t.currency, 'status', t.status,
        'error', t.error, 'created_at', json_time(t.created_at)));
END
$$;

-- A mail to who pays, about what keeps a wallet from being filled.
CREATE OR REPLACE FUNCTION topup_mail(c topup_configs, why text, is_paused boolean) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    SELECT c.tenant_id, 'ashlar.mail', 'mail',
           jsonb_build_object('template', 'topup_failed', 'to', u.email, 'locale', u.locale,
                              'data', jsonb_build_object('package', p.name, 'price', amount_text(p.price_cents, p.currency), 'reason', why,
                                                         'paused', CASE WHEN is_paused THEN 'yes' END))
    FROM users u, packages p
    WHERE u.tenant_id = c.tenant_id AND u.id = c.user_id AND u.access > 0 AND u.email IS NOT NULL AND p.slug = c.package
      AND mail_take('topup:' || c.id, true, limit_account(u.email_key, u.email)) = 0;
END
$$;

-- It has come to nothing.  A card that declines, or wants its owner, pauses what has asked for it, which is mailed: else it would be asked
-- again with each spend.  Whatever else went wrong is tried again with a spend after wait_s.
CREATE OR REPLACE FUNCTION topup_fail(topup uuid, why text, is_declined boolean, wait_s integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    t topups;
    c topup_configs;
BEGIN
    PERFORM FROM wallets w JOIN topups x ON x.tenant_id = w.tenant_id AND x.owner_id = w.owner_id AND x.unit = w.unit
    WHERE w.tenant_id = app_tenant() AND x.id = topup FOR NO KEY UPDATE OF w;
    UPDATE topups x SET status = 'failed', error = left(why, 500), ended_at = now()
    WHERE x.tenant_id = app_tenant() AND x.id = topup AND x.status IN ('pending', 'asked')
    RETURNING * INTO t;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    UPDATE topup_configs x
    SET last_error = left(why, 500), is_enabled = x.is_enabled AND NOT is_declined, retry_at = now() + make_interval(secs => wait_s)
    WHERE x.tenant_id = t.tenant_id AND x.id = t.config_id
    RETURNING * INTO c;
    IF FOUND AND is_declined THEN
        PERFORM topup_mail(c, why, true);
    END IF;
    PERFORM audit('topup.fail', 'topup', t.id::text, jsonb_build_object('package', t.package, 'reason', why, 'is_paused', is_declined AND c.id IS NOT NULL), 'billing', 'system');
    PERFORM topup_tell('failed', t);
END
$$;

-- A payment was read.  True: it is a top-up's, and what was paid is in the wallet, once, whoever says so first.
--
-- Whoever died between asking and putting down what the payment is called has left a top-up without that; the payment says whose it is.
CREATE OR REPLACE FUNCTION topup_see(provider text, object jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    here  uuid := app_tenant();
    meta  text := object #>> '{metadata,topup_id}';
    found topups;
    t     topups;
BEGIN
    SELECT * INTO found FROM topups x
    WHERE x.tenant_id = here AND x.provider = topup_see.provider AND x.provider_id = object ->> 'id';
    IF found.id IS NULL AND meta ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
        SELECT * INTO found FROM topups x WHERE x.tenant_id = here AND x.id = meta::uuid AND x.provider_id IS NULL;
    END IF;
    IF found.id IS NULL THEN
        RETURN false;
    END IF;
    PERFORM FROM wallets w WHERE w.tenant_id = here AND w.owner_id = found.owner_id AND w.unit = found.unit FOR NO KEY UPDATE;
    SELECT * INTO t FROM topups x WHERE x.tenant_id = here AND x.id = found.id FOR UPDATE;
    PERFORM topup_asked(t.id, object ->> 'id');
    IF object ->> 'status' = 'succeeded' THEN
        IF payment_credit(provider, object ->> 'id', (object ->> 'amount_received')::bigint, object ->> 'currency') THEN
            PERFORM wallet_credit(nullif(t.owner_id, here), t.unit, 'purchase', t.amount, object ->> 'id', t.package, jsonb_build_object('package', t.package));
            IF t.bonus > 0 THEN
                PERFORM wallet_credit(nullif(t.owner_id, here), t.unit, 'bonus', t.bonus, object ->> 'id', t.package, jsonb_build_object('package', t.package));
            END IF;
            UPDATE topups x SET status = 'succeeded', error = NULL, ended_at = now() WHERE x.tenant_id = here AND x.id = t.id RETURNING * INTO t;
            UPDATE topup_configs x SET last_topup_at = now(), last_error = CASE WHEN x.is_enabled THEN NULL ELSE x.last_error END, retry_at = NULL
            WHERE x.tenant_id = here AND x.id = t.config_id;
            PERFORM audit('topup.credit', 'topup', t.id::text, jsonb_build_object('package', t.package, 'payment', object ->> 'id', 'price_cents', t.price_cents), 'billing', 'system');
            PERFORM topup_tell('succeeded', t);
        END IF;
    ELSE
        UPDATE payments x SET status = object ->> 'status'
        WHERE x.tenant_id = here AND x.provider = topup_see.provider AND x.provider_id = object ->> 'id' AND x.credited_at IS NULL;
        -- Nobody is there to choose another card; who buys once is, and goes on with the same payment.
        IF object ->> 'status' = 'canceled' OR t.config_id IS NOT NULL AND object ->> 'status' IN ('requires_payment_method', 'requires_action', 'requires_confirmation') THEN
            PERFORM topup_fail(t.id, CASE object ->> 'status' WHEN 'requires_action' THEN 'authentication_required' WHEN 'canceled' THEN 'canceled' ELSE 'declined' END,
                               t.config_id IS NOT NULL, 3600);
        END IF;
    END IF;
    RETURN true;
END
$$;

-- ---------------------------------------------------------------- whenever a wallet is low

-- A spend has left less than the wallet's threshold, and before it there was `before`: tell of it where that is new, and have a package
-- bought, unless one is on its way.  Under the wallet's lock.
CREATE OR REPLACE FUNCTION topup_want(owner uuid, unit text, before bigint, left_over bigint, low bigint) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    here  uuid := app_tenant();
    month timestamptz := date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    c     topup_configs;
    p     packages;
    n     bigint;
    made  uuid;
BEGIN
    IF before >= low THEN
        PERFORM event_emit('wallet.low', NULL, jsonb_build_object('user_id', nullif(owner, here), 'is_of_tenant', owner = here, 'unit', unit, 'balance', left_over, 'threshold', low));
    END IF;
    SELECT * INTO c FROM topup_configs x
    WHERE x.tenant_id = here AND x.owner_id = owner AND x.unit = unit AND x.is_enabled AND (x.retry_at IS NULL OR x.retry_at <= now());
    IF NOT FOUND OR EXISTS (SELECT FROM topups t WHERE t.tenant_id = here AND t.config_id = c.id AND t.status IN ('pending', 'asked')) THEN
        RETURN;
    END IF;
    n := topup_count(c.id);
    IF n >= c.max_monthly THEN
        UPDATE topup_configs x
        SET last_error = 'monthly_limit_reached', retry_at = (date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC'
        WHERE x.tenant_id = here AND x.id = c.id;
        PERFORM topup_mail(c, 'monthly_limit_reached', false);
        RETURN;
    END IF;
    SELECT * INTO p FROM packages x WHERE x.slug = c.package;
    IF NOT FOUND THEN
        UPDATE topup_configs x SET last_error = 'package_is_gone', retry_at = now() + interval '1 day' WHERE x.tenant_id = here AND x.id = c.id;
        RETURN;
    END IF;
    INSERT INTO topups (tenant_id, owner_id, user_id, config_id, unit, package, amount, bonus, price_cents, currency)
    VALUES (here, owner, c.user_id, c.id, unit, p.slug, p.amount, p.bonus, p.price_cents, p.currency)
    ON CONFLICT DO NOTHING
    RETURNING id INTO made;
    IF made IS NOT NULL THEN
        PERFORM topup_job(made);
    END IF;
END
$$;

-- How many of a configuration's have been paid in this month, or are on their way.
CREATE OR REPLACE FUNCTION topup_count(config uuid) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT count(*) FROM topups t
            WHERE t.tenant_id = app_tenant() AND t.config_id = config AND t.status <> 'failed'
              AND t.created_at >= date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC');
END
$$;

CREATE OR REPLACE FUNCTION topup_job(topup uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM job_add('ashlar.topup', 'topup', jsonb_build_object('topup', topup), unique_key => 'topup:' || topup);
END
$$;

-- A wallet's configuration, as it is shown.
CREATE OR REPLACE FUNCTION topup_config(owner uuid, unit text)
RETURNS TABLE (number bigint, enabled boolean, threshold bigint, package text, most integer, this_month bigint, method text, last_topup_at timestamptz,
               last_error text, created_at timestamptz, updated_at timestamptz)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT c.number, c.is_enabled, c.threshold, c.package, c.max_monthly, topup_count(c.id), c.payment_method, c.last_topup_at, c.last_error,
           c.created_at, c.updated_at
    FROM topup_configs c
    WHERE c.tenant_id = app_tenant() AND c.owner_id = topup_config.owner AND c.unit = topup_config.unit;
END
$$;

-- Set a configuration up.  field: which one named the package.  Raises AS409 and AS422.
CREATE OR REPLACE FUNCTION topup_setup(owner uuid, who uuid, unit text, low bigint, wanted text, field text, enabled boolean, most integer, method text) RETURNS uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    p packages := package_find(wanted, unit, field);
BEGIN
    INSERT INTO topup_configs (tenant_id, owner_id, user_id, unit, is_enabled, threshold, package, max_monthly, payment_method)
    VALUES (app_tenant(), owner, who, unit, enabled, low, p.slug, most, method);
    PERFORM topup_threshold(owner, unit, low);
    PERFORM audit('topup.setup', 'topup', unit, jsonb_build_object('package', p.slug, 'threshold', low, 'max_monthly_topups', most, 'enabled', enabled));
    RETURN owner;
END
$$;

-- The wallet knows when it is low, so that a spend need not look.
CREATE OR REPLACE FUNCTION topup_threshold(owner uuid, unit text, low bigint) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
    INSERT INTO wallets (tenant_id, user_id, unit, low_below) VALUES (app_tenant(), nullif(owner, app_tenant()), unit, low)
    ON CONFLICT ON CONSTRAINT wallets_owner_unique DO UPDATE SET low_below = excluded.low_below;
END
$$;

-- Change it: what is NULL stays.  Who changes it pays from then on.  To switch it on again forgets what went wrong.  Raises AS404 and AS422.
CREATE OR REPLACE FUNCTION topup_change(owner uuid, who uuid, unit text, low bigint, wanted text, enabled boolean, most integer, method text) RETURNS uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    c topup_configs;
    p packages;
BEGIN
    IF wanted IS NOT NULL THEN
        p := package_find(wanted, unit, 'package_slug');
    END IF;
    PERFORM FROM wallets w WHERE w.tenant_id = app_tenant() AND w.owner_id = owner AND w.unit = unit FOR NO KEY UPDATE;
    UPDATE topup_configs x
    SET threshold = coalesce(low, x.threshold), package = coalesce(p.slug, x.package), is_enabled = coalesce(enabled, x.is_enabled),
        max_monthly = coalesce(most, x.max_monthly), payment_method = coalesce(method, x.payment_method), user_id = who,
        last_error = CASE WHEN enabled AND NOT x.is_enabled OR most > x.max_monthly OR method IS NOT NULL THEN NULL ELSE x.last_error END,
        retry_at = NULL
    WHERE x.tenant_id = app_tenant() AND x.owner_id = owner AND x.unit = unit
    RETURNING * INTO c;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'no automatic top-up is set up yet';
    END IF;
    PERFORM topup_threshold(owner, unit, c.threshold);
    PERFORM audit('topup.change', 'topup', unit, jsonb_build_object('package', c.package, 'threshold', c.threshold, 'max_monthly_topups', c.max_monthly, 'enabled', c.is_enabled));
    RETURN owner;
END
$$;

-- ---------------------------------------------------------------- the job "topup"

-- Begin to pay a top-up, or go on with it.  No payment_id and no customer: there is nothing to do, or problem says why it has failed.
--
-- is_old: the provider has forgotten the name by which it was asked, so that it has to be looked for among the customer's payments.
CREATE OR REPLACE FUNCTION topup_begin(topup uuid, OUT tenant text, OUT is_test boolean, OUT customer text, OUT method text, OUT was_asked boolean, OUT payment text,
                                       OUT price_cents bigint, OUT currency text, OUT who text, OUT is_old boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    here uuid := app_tenant();
    t    topups;
    c    topup_configs;
BEGIN
    SELECT * INTO t FROM topups x WHERE x.tenant_id = here AND x.id = topup;
    IF t.id IS NULL OR t.config_id IS NULL THEN
        RETURN;
    END IF;
    PERFORM FROM wallets w WHERE w.tenant_id = here AND w.owner_id = t.owner_id AND w.unit = t.unit FOR NO KEY UPDATE;
    SELECT * INTO t FROM topups x WHERE x.tenant_id = here AND x.id = topup FOR UPDATE;
    IF t.status NOT IN ('pending', 'asked') THEN
        RETURN;
    END IF;
    SELECT * INTO c FROM topup_configs x WHERE x.tenant_id = here AND x.id = t.config_id;
    -- Nobody was asked: what has changed meanwhile counts.
    IF t.status = 'pending' THEN
        IF NOT c.is_enabled THEN
            PERFORM topup_fail(t.id, 'switched_off', false, 0);
            RETURN;
        ELSIF NOT EXISTS (SELECT FROM users u WHERE u.tenant_id = here AND u.id = t.user_id AND u.access > 0) THEN
            PERFORM topup_fail(t.id, 'payer_is_gone', true, 3600);
            RETURN;
        END IF;
    END IF;
    SELECT b.provider_id INTO customer FROM billing_customers b WHERE b.tenant_id = here AND b.owner_id = t.user_id AND b.provider = 'stripe';
    IF customer IS NULL THEN
        PERFORM topup_fail(t.id, 'no_payment_method', true, 3600);
        RETURN;
    END IF;
    tenant := here::text;
    is_test := EXISTS (SELECT FROM tenants x WHERE x.id = here AND x.test_of IS NOT NULL);
    method := coalesce(t.payment_method, c.payment_method);
    was_asked := t.status = 'asked';
    payment := t.provider_id;
    price_cents := t.price_cents;
    currency := t.currency;
    who := t.user_id::text;
    is_old := t.asked_at < now() - interval '20 hours';
END
$$;

-- The provider is about to be asked, with this card: committed before that.
CREATE OR REPLACE FUNCTION topup_ask(topup uuid, method text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE topups t SET status = 'asked', payment_method = coalesce(t.payment_method, method), asked_at = coalesce(t.asked_at, now())
    WHERE t.tenant_id = app_tenant() AND t.id = topup AND t.status IN ('pending', 'asked');
    RETURN FOUND;
END
$$;

-- Automatic ones that have come to no end, of all tenants: their jobs may be gone, and what the provider has told may be lost.  As the owner.
CREATE OR REPLACE FUNCTION topups_sweep() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    here text := current_setting('app.tenant_id', true);
    t    record;
    n    bigint := 0;
BEGIN
    FOR t IN SELECT x.tenant_id, x.id FROM topups x
             WHERE x.config_id IS NOT NULL AND x.status IN ('pending', 'asked') AND x.updated_at < now() - interval '10 minutes'
             ORDER BY x.updated_at LIMIT 1000 LOOP
        PERFORM set_config('app.tenant_id', t.tenant_id::text, true);
        PERFORM topup_job(t.id);
        n := n + 1;
    END LOOP;
    PERFORM set_config('app.tenant_id', coalesce(here, ''), true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION topups_sweep() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION topups_sweep() TO ashlar_api;
