-- Rows that are past their use.

-- Delete up to batch of them from each table, of all tenants, and return how
-- many there were in the table with the most.  Runs as the owner, whom policies
-- let see exactly those (purgeable(), and idempotency_keys' own); the age is
-- said again so that an index finds them, and once more for a row that was just
-- renewed: IS TRUE, since that look must be by place, and not by the index again.
CREATE OR REPLACE FUNCTION purge(batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    most bigint := 0;
    n    bigint;
    old  record;
BEGIN
    FOR old IN VALUES
        ('idempotency_keys',    'created_at', interval '24 hours'),
        ('one_time_tokens',     'expires_at', interval '1 day'),
        ('webauthn_challenges', 'expires_at', interval '1 hour'),
        ('rate_limits',         'updated_at', interval '1 day'),
        ('known_addresses',     'signed_in_at', interval '180 days'),
        ('realtime_tickets',    'expires_at', interval '1 minute'),
        ('sessions',            'expires_at', interval '30 days'),
        ('team_sessions',       'expires_at', interval '30 days'),
        ('webhook_events',      'created_at', interval '90 days'),
        ('contact_submissions', 'created_at', interval '1 year'),
        ('webhook_messages',    'created_at', interval '30 days'),    -- and their deliveries with them
        ('usage_operations',    'created_at', interval '32 days'),
        ('usage_event_ids',     'created_at', interval '32 days'),
        ('usage_values',        'created_at', interval '70 days'),
        ('ai_responses',        'created_at', interval '30 days'),
        ('billing_operations',  'created_at', interval '90 days'),
        ('notification_causes', 'created_at', interval '60 days'),
        ('notification_mails',  'created_at', interval '30 days'),
        ('activity_exports',    'created_at', interval '30 days'),
        ('account_exports',     'created_at', interval '30 days'),
        ('activity_log_spans',  'starts_at', interval '8 days'),
        ('workspace_runs',      'created_at', interval '30 days'),
        ('record_run_batches',  'created_at', interval '40 days'),
        ('record_runs',         'created_at', interval '90 days'),
        ('geocode_answers',     'expires_at', interval '0'),
        ('webhook_endpoints',   'deleted_at', interval '31 days'),
        ('signup_runs',         'created_at', interval '30 days'),
        ('session_exchanges',   'created_at', interval '32 days'),
        ('recordsets',          'trashed_at', interval '30 days')     -- and what is of them
    LOOP
        EXECUTE format('DELETE FROM %1$I WHERE (%2$I < now() - $1) IS TRUE AND ctid = ANY (ARRAY(
                            SELECT ctid FROM %1$I WHERE %2$I < now() - $1 ORDER BY %2$I LIMIT $2))',
                       old.column1, old.column2)
        USING old.column3, batch;
        GET DIAGNOSTICS n = ROW_COUNT;
        most := greatest(most, n);
    END LOOP;
    PERFORM realtime_rotate();    -- where no realtime process runs, which does it every few seconds
    RETURN most;
END
$$;
REVOKE ALL ON FUNCTION purge(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION purge(integer) TO ashlar_api;
