-- Mails: what is kept of those that were sent, and what an operator sees of all.

-- Keep of a mail's job that it was sent, to whom and in which language, and
-- nothing of what it said: its links and codes are of no more use here.  It is
-- usage of the user whom it went to, else of the tenant, by what it was about.
CREATE OR REPLACE FUNCTION mail_forget(id uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    mail jsonb;
BEGIN
    SELECT j.payload INTO mail FROM jobs j WHERE j.tenant_id = app_tenant() AND j.id = mail_forget.id AND j.kind = 'mail';
    IF FOUND THEN
        UPDATE jobs j
        SET payload = mail - '{sealed,data,user,notification}'::text[], updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
        WHERE j.tenant_id = app_tenant() AND j.id = mail_forget.id;
        DELETE FROM notification_mails q WHERE mail ? 'notification' AND q.tenant_id = app_tenant() AND q.job_id = mail_forget.id;
        PERFORM usage_note(NULL, (mail ->> 'user')::uuid, '{"email_sent": 1}', mail ->> 'template');
    END IF;
END
$$;
REVOKE ALL ON FUNCTION mail_forget(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mail_forget(uuid) TO ashlar_api;

-- The same of one that nobody wants any more, and that was not sent.
CREATE OR REPLACE FUNCTION mail_drop(id uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE jobs j
    SET payload = j.payload - '{sealed,data,user,notification}'::text[], updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
    WHERE j.tenant_id = app_tenant() AND j.id = mail_drop.id AND j.kind = 'mail';
    DELETE FROM notification_mails q WHERE q.tenant_id = app_tenant() AND q.job_id = mail_drop.id;
END
$$;
REVOKE ALL ON FUNCTION mail_drop(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mail_drop(uuid) TO ashlar_api;

-- For ashlar mails: those of a tenant with its test mode, to somebody, whose
-- address is spelled so and kept so; NULL: of all, to anybody.  n counts from the
-- newest of them.
CREATE OR REPLACE FUNCTION owner_mails(slug text, recipient text, address text)
RETURNS TABLE (tenant text, id uuid, created_at text, state text, n bigint, is_test boolean, tenant_id uuid, payload jsonb)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT t.slug, j.id, to_char(j.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
           CASE WHEN j.state IN ('scheduled', 'queued', 'running') THEN 'waits' WHEN j.state = 'completed' THEN 'sent' ELSE j.state END,
           row_number() OVER (ORDER BY j.created_at DESC, j.id DESC), t.test_of IS NOT NULL, j.tenant_id, j.payload
    FROM jobs j
    JOIN tenants t ON t.id = j.tenant_id
    WHERE j.kind = 'mail' AND (owner_mails.slug IS NULL OR t.slug = owner_mails.slug)
      AND (owner_mails.recipient IS NULL OR lower(j.payload ->> 'to') IN (lower(owner_mails.recipient), lower(owner_mails.address)));
END;
REVOKE ALL ON FUNCTION owner_mails(text, text, text) FROM PUBLIC;
