-- Mails about notifications: digests, what is asked again before one is sent, and the
-- link by which a member ends them.

-- May a member still be told of this by mail?  Whoever has left, may not see such things any more or has
-- switched it off since it happened, is not.
CREATE OR REPLACE FUNCTION notification_mailable(organization uuid, member uuid, event text) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM memberships m
        JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id AND u.access > 0
        JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id AND o.deleted_at IS NULL
        JOIN notification_events() e ON e.event_type = event
        LEFT JOIN notification_preferences p ON p.tenant_id = m.tenant_id AND p.organization_id = m.organization_id
                                            AND p.member_id = m.id AND p.event_type = event
        WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.id = member AND m.is_active
          AND NOT coalesce(p.muted, false) AND coalesce(p.email_enabled, e.email_enabled)
          AND (e.permission IS NULL OR permission_reach(m.tenant_id, m.organization_id, m.role, e.permission) IS NOT NULL));
END
$$;

-- What a digest lists: what of its queue was not read, and may still be told.
CREATE OR REPLACE FUNCTION notification_digest(job uuid)
RETURNS TABLE (event_type text, category text, needs_attention boolean, message text, count integer)
LANGUAGE plpgsql STABLE ROWS 20 AS $$
BEGIN
    RETURN QUERY
    SELECT q.event_type, e.category, e.needs_attention, q.message, q.count
    FROM notification_mails q
    JOIN notification_inboxes i ON i.tenant_id = q.tenant_id AND i.organization_id = q.organization_id AND i.member_id = q.member_id
    JOIN notification_events() e ON e.event_type = q.event_type
    LEFT JOIN notifications n ON n.tenant_id = q.tenant_id AND n.organization_id = q.organization_id AND n.member_id = q.member_id
                             AND n.id = q.notification_id
    WHERE q.tenant_id = app_tenant() AND q.job_id = job AND n.read_at IS NULL AND (n.nr IS NULL OR n.nr > i.read_to)
      AND notification_mailable(q.organization_id, q.member_id, q.event_type)
    ORDER BY e.rank, q.created_at, q.id;
END
$$;

-- Turn the queues that are due, of at most so many members of all tenants, into a mail each.  A queue is
-- claimed, marked and turned into its mail in one transaction, behind the lock of the member's inbox: of
-- two that do this at once each has other members, and who dies has done nothing.
CREATE OR REPLACE FUNCTION notification_digests(batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    here text := current_setting('app.tenant_id', true);
    i    notification_inboxes;
    who  record;
    job  uuid;
    late timestamptz;
    n    bigint := 0;
BEGIN
    FOR i IN
        SELECT * FROM notification_inboxes x WHERE x.digest_at <= now() ORDER BY x.digest_at LIMIT batch FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        PERFORM set_config('app.tenant_id', i.tenant_id::text, true);
        n := n + 1;
        SELECT quiet_until(d.quiet_from, d.quiet_to, d.time_zone, now()) INTO late FROM notification_deliveries d
        WHERE d.tenant_id = i.tenant_id AND d.organization_id = i.organization_id AND d.member_id = i.member_id;
        IF late IS NOT NULL THEN
            UPDATE notification_inboxes x SET digest_at = late
            WHERE x.tenant_id = i.tenant_id AND x.organization_id = i.organization_id AND x.member_id = i.member_id;
            CONTINUE;
        END IF;
        SELECT u.id, u.email, u.locale, o.name INTO who
        FROM memberships m
        JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id AND u.access > 0 AND u.email IS NOT NULL
        JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id AND o.deleted_at IS NULL
        WHERE m.tenant_id = i.tenant_id AND m.organization_id = i.organization_id AND m.id = i.member_id AND m.is_active;
        DELETE FROM notification_mails q
        WHERE q.tenant_id = i.tenant_id AND q.organization_id = i.organization_id AND q.member_id = i.member_id AND q.job_id IS NULL
          AND (who.id IS NULL OR EXISTS (
                SELECT FROM notifications x
                WHERE x.tenant_id = q.tenant_id AND x.organization_id = q.organization_id AND x.member_id = q.member_id
                  AND x.id = q.notification_id AND (x.read_at IS NOT NULL OR x.nr <= i.read_to)));
        job := NULL;
        IF who.id IS NOT NULL AND (i.more > 0 OR EXISTS (
               SELECT FROM notification_mails q
               WHERE q.tenant_id = i.tenant_id AND q.organization_id = i.organization_id AND q.member_id = i.member_id AND q.job_id IS NULL)) THEN
            INSERT INTO jobs AS j (tenant_id, queue, kind, payload)
            VALUES (i.tenant_id, 'ashlar.mail', 'mail', jsonb_build_object(
                'template', 'notification_digest', 'to', who.email, 'user', who.id, 'locale', who.locale,
                'notification', jsonb_build_object('organization', i.organization_id, 'member', i.member_id),
                'data', jsonb_build_object('workspace', who.name, 'more', i.more)))
            RETURNING j.id INTO job;
            UPDATE notification_mails q SET job_id = job
            WHERE q.tenant_id = i.tenant_id AND q.organization_id = i.organization_id AND q.member_id = i.member_id AND q.job_id IS NULL;
        END IF;
        UPDATE notification_inboxes x SET digest_at = NULL, more = 0
        WHERE x.tenant_id = i.tenant_id AND x.organization_id = i.organization_id AND x.member_id = i.member_id;
    END LOOP;
    PERFORM set_config('app.tenant_id', coalesce(here, ''), true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION notification_digests(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION notification_digests(integer) TO ashlar_api;

-- Another frequency counts from what waits for the longest; and who wants mails at once gets one last digest.
CREATE OR REPLACE FUNCTION notification_delivery_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE notification_inboxes i
    SET digest_at = CASE WHEN NEW.email_delivery_mode = 'instant' THEN now() ELSE (
            SELECT min(q.created_at) + make_interval(mins => NEW.digest_frequency_minutes::integer) FROM notification_mails q
            WHERE q.tenant_id = i.tenant_id AND q.organization_id = i.organization_id AND q.member_id = i.member_id AND q.job_id IS NULL) END
    WHERE i.tenant_id = NEW.tenant_id AND i.organization_id = NEW.organization_id AND i.member_id = NEW.member_id
      AND EXISTS (SELECT FROM notification_mails q
                  WHERE q.tenant_id = i.tenant_id AND q.organization_id = i.organization_id AND q.member_id = i.member_id AND q.job_id IS NULL);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER notification_deliveries_changed AFTER INSERT OR UPDATE OF email_delivery_mode, digest_frequency_minutes
    ON notification_deliveries FOR EACH ROW EXECUTE FUNCTION notification_delivery_changed();

-- What a mail's link is about: one kind of event, or (NULL) all of them.  No row: the member is none any more.
CREATE OR REPLACE FUNCTION notification_mail_of(organization uuid, member uuid, event text)
RETURNS TABLE (event_type text, workspace text, email_enabled boolean)
LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
    RETURN QUERY
    SELECT event, o.name::text, EXISTS (SELECT FROM notification_choices(m.tenant_id, m.organization_id, m.id) c
                                  WHERE (event IS NULL OR c.event_type = event) AND c.email_enabled AND NOT c.muted)
    FROM memberships m JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
    WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.id = member;
END
$$;

-- No more mails about it, whatever comes by other ways.  What is asked for again is done again.
CREATE OR REPLACE FUNCTION notification_mail_end(organization uuid, member uuid, event text)
RETURNS TABLE (event_type text, workspace text, email_enabled boolean)
LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO notification_preferences AS p (tenant_id, organization_id, member_id, event_type, inapp_enabled, email_enabled,
                                               whatsapp_enabled, muted)
    SELECT m.tenant_id, m.organization_id, m.id, c.event_type, c.inapp_enabled, false, c.whatsapp_enabled, c.muted
    FROM memberships m, notification_choices(m.tenant_id, m.organization_id, m.id) c
    WHERE m.tenant_id = app_tenant() AND m.organization_id = notification_mail_end.organization AND m.id = member
      AND (event IS NULL OR c.event_type = event) AND c.email_enabled
    ORDER BY c.event_type
    ON CONFLICT ON CONSTRAINT notification_preferences_event_unique DO UPDATE SET email_enabled = false;
    RETURN QUERY SELECT * FROM notification_mail_of(notification_mail_end.organization, member, event);
END
$$;
