-- Rows that are past their use.

-- Delete up to batch of them from each table, of all tenants, and return how
-- many there were in the table with the most.  Runs as the owner, whom policies
-- let see exactly those (purgeable(), and idempotency_keys' own).  Rows that
-- somebody is just changing are skipped.
CREATE OR REPLACE FUNCTION purge(batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    most bigint := 0;
    n    bigint;
BEGIN
    DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM idempotency_keys WHERE created_at < now() - interval '24 hours'
        ORDER BY created_at LIMIT batch FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS n = ROW_COUNT;
    most := greatest(most, n);

    DELETE FROM one_time_tokens WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM one_time_tokens WHERE expires_at < now() - interval '1 day'
        ORDER BY expires_at LIMIT batch FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS n = ROW_COUNT;
    most := greatest(most, n);

    DELETE FROM webauthn_challenges WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM webauthn_challenges WHERE expires_at < now() - interval '1 hour'
        ORDER BY expires_at LIMIT batch FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS n = ROW_COUNT;
    most := greatest(most, n);

    DELETE FROM rate_limits WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM rate_limits WHERE updated_at < now() - interval '1 day'
        ORDER BY updated_at LIMIT batch FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS n = ROW_COUNT;
    most := greatest(most, n);

    DELETE FROM sessions WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM sessions WHERE expires_at < now() - interval '30 days'
        ORDER BY expires_at LIMIT batch FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS n = ROW_COUNT;
    most := greatest(most, n);

    DELETE FROM team_sessions WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM team_sessions WHERE expires_at < now() - interval '30 days'
        ORDER BY expires_at LIMIT batch FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN greatest(most, n);
END
$$;
REVOKE ALL ON FUNCTION purge(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION purge(integer) TO ashlar_api;
