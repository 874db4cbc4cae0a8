-- Mails that were sent.

-- Keep of a mail's job that it was sent, to whom and in which language, and
-- nothing of what it said: its links and codes are of no more use here.
CREATE OR REPLACE FUNCTION mail_forget(id uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE jobs j
    SET payload = j.payload - 'sealed' - 'data', updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
    WHERE j.tenant_id = app_tenant() AND j.id = mail_forget.id AND j.kind = 'mail';
END
$$;
REVOKE ALL ON FUNCTION mail_forget(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mail_forget(uuid) TO ashlar_api;
