-- What providers of payments say.

-- An amount in the currency's smallest unit, "cents", from one in whole units:
-- some currencies have none, a few have thousandths (ISO 4217).
CREATE OR REPLACE FUNCTION minor_units(amount numeric, currency text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN round(amount * CASE
    WHEN upper(currency) IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF',
                             'XOF', 'XPF') THEN 1
    WHEN upper(currency) IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000
    ELSE 100 END)::bigint;

-- The order of what happened to a subscription in the same second.
CREATE OR REPLACE FUNCTION subscription_rank(kind text) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN array_position('{started,resumed,uncancelled,changed,payment_failed,payment_succeeded,renewed,on_hold,paused,cancelled,expired,refunded,revoked}'::text[],
                      kind)::smallint;

-- The one way in for everything that a provider says of a subscription or of a
-- payment for one, in the words of subscription_events (0009_webhooks_in.sql):
-- put down what happened, for billing to act on.  Returns the row's id.
--
-- Said twice it is one row, with what was said last: a replay may know more
-- (Google's state is fetched again).  What billing has done with it stays.
CREATE OR REPLACE FUNCTION billing_apply(provider text, kind text, event_id text, object_key text, occurred_at timestamptz,
                                         customer text DEFAULT NULL, account text DEFAULT NULL, product text DEFAULT NULL,
                                         status text DEFAULT NULL, starts_at timestamptz DEFAULT NULL,
                                         ends_at timestamptz DEFAULT NULL, is_ending boolean DEFAULT NULL,
                                         amount_cents bigint DEFAULT NULL, currency text DEFAULT NULL,
                                         environment text DEFAULT 'production', data jsonb DEFAULT '{}') RETURNS uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    made uuid;
BEGIN
    INSERT INTO subscription_events AS s
        (tenant_id, provider, event_id, object_key, kind, rank, occurred_at, customer, account, product, status, starts_at,
         ends_at, is_ending, amount_cents, currency, environment, data)
    VALUES (app_tenant(), billing_apply.provider, billing_apply.event_id, billing_apply.object_key, billing_apply.kind,
            subscription_rank(billing_apply.kind), billing_apply.occurred_at, billing_apply.customer, billing_apply.account,
            billing_apply.product, billing_apply.status, billing_apply.starts_at, billing_apply.ends_at,
            billing_apply.is_ending, billing_apply.amount_cents, upper(billing_apply.currency), billing_apply.environment,
            jsonb_strip_nulls(coalesce(billing_apply.data, '{}')))
    ON CONFLICT ON CONSTRAINT subscription_events_once DO UPDATE
    SET kind = excluded.kind, rank = excluded.rank, occurred_at = excluded.occurred_at, customer = excluded.customer,
        account = excluded.account, product = excluded.product, status = excluded.status, starts_at = excluded.starts_at,
        ends_at = excluded.ends_at, is_ending = excluded.is_ending, amount_cents = excluded.amount_cents,
        currency = excluded.currency, environment = excluded.environment, data = excluded.data
    RETURNING s.id INTO made;
    RETURN made;
END
$$;
