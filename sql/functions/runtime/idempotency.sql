-- Idempotency-Key: the first request with a key is carried out and its answer
-- stored in the same transaction; the same request again gets that answer.

-- Take the key for this transaction.  Returns when the request is to be
-- carried out; otherwise raises
--   AS003  the first request with this key is still running;
--   AS004  the key was used with another body;
--   AS002  it was answered: read the answer with idempotency_get.
--
-- The lock ends with the transaction, so a child that dies leaves no key taken.
-- The statement that reads comes after the one that locks: its snapshot sees
-- what the holder of the lock committed.
CREATE OR REPLACE FUNCTION idempotency_begin(principal text, route text, key text, body_hash bytea) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    stored bytea;
BEGIN
    IF NOT pg_try_advisory_xact_lock(
        hash_record_extended(ROW ('idempotency'::text, app_tenant(), principal, route, key), 0)) THEN
        RAISE SQLSTATE 'AS003' USING
            MESSAGE = 'a request with this Idempotency-Key is still running';
    END IF;

    SELECT k.body_hash INTO stored
    FROM idempotency_keys k
    WHERE k.tenant_id = app_tenant() AND k.principal = idempotency_begin.principal
      AND k.route = idempotency_begin.route AND k.key = idempotency_begin.key
      AND k.created_at > now() - interval '24 hours';
    IF NOT FOUND THEN
        RETURN;
    ELSIF stored <> idempotency_begin.body_hash THEN
        RAISE SQLSTATE 'AS004' USING
            MESSAGE = 'this Idempotency-Key was used with another body';
    END IF;
    RAISE SQLSTATE 'AS002' USING MESSAGE = 'answered before';
END
$$;
