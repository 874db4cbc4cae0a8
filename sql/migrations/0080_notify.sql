-- The engine of notifications: where a member's list stands, what was told
-- already, what is to be told to many, and what waits for a mail.

-- One row a member, which whoever tells them something or reads locks first: so its
-- numbers are in order of commit, and its counters are true.
--
-- last_nr  the last number that was given to a notification
-- read_to  all up to this number are read, as notification_marks says since when
-- total, unread
--          how many there are by kind of event: {"team_added": 3}
-- hour     of told (by kind, in the list) and mailed: what they count.  What is beyond
--          that hour's caps is told by no more than its number: more, in the next digest
-- digest_at when the mail of what waits is due; NULL: nothing waits
CREATE TABLE notification_inboxes (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    member_id       uuid NOT NULL,
    last_nr         bigint NOT NULL DEFAULT 0,
    read_to         bigint NOT NULL DEFAULT 0,
    total           jsonb NOT NULL DEFAULT '{}',
    unread          jsonb NOT NULL DEFAULT '{}',
    hour            timestamptz NOT NULL DEFAULT '-infinity',
    told            jsonb NOT NULL DEFAULT '{}',
    mailed          integer NOT NULL DEFAULT 0,
    more            integer NOT NULL DEFAULT 0,
    digest_at       timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, member_id),
    CONSTRAINT notification_inboxes_member FOREIGN KEY (tenant_id, organization_id, member_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE INDEX notification_inboxes_due ON notification_inboxes (digest_at) WHERE digest_at IS NOT NULL;

SELECT isolate('notification_inboxes');
-- Whoever sends digests looks for those of all tenants.
CREATE POLICY notification_inboxes_directory ON notification_inboxes TO CURRENT_USER
    USING (digest_at IS NOT NULL) WITH CHECK (true);
GRANT SELECT, INSERT ON notification_inboxes TO ashlar_api;
SELECT changeable('notification_inboxes');

-- All was read: up to which number, and when.
CREATE TABLE notification_marks (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    member_id       uuid NOT NULL,
    nr              bigint NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, member_id, nr),
    CONSTRAINT notification_marks_inbox FOREIGN KEY (tenant_id, organization_id, member_id)
        REFERENCES notification_inboxes ON DELETE CASCADE
);

SELECT isolate('notification_marks');
GRANT SELECT, INSERT ON notification_marks TO ashlar_api;

-- nr     its place in the member's list, the newest has the largest; NULL: it is not in it
-- count  how many of the same member, event and entity it stands for
-- told_at  when the last of these was; NULL: there is one
ALTER TABLE notifications
    ADD nr bigint,
    ADD count integer NOT NULL DEFAULT 1,
    ADD told_at timestamptz;
SELECT changeable('notifications', 'event_type');

CREATE INDEX notifications_list ON notifications (tenant_id, organization_id, member_id, nr);
CREATE INDEX notifications_not_read ON notifications (tenant_id, organization_id, member_id, nr) WHERE read_at IS NULL;
CREATE INDEX notifications_of_entity ON notifications (tenant_id, organization_id, member_id, event_type, entity_id, nr)
    WHERE entity_id IS NOT NULL;

-- Of what was told before there were inboxes.  The owner is bound by the policies, too: tenant by tenant.
CREATE FUNCTION notifications_count_all() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    t uuid;
BEGIN
    FOR t IN SELECT id FROM tenants LOOP
        PERFORM set_config('app.tenant_id', t::text, true);
        UPDATE notifications n SET nr = o.nr
        FROM (SELECT x.organization_id, x.member_id, x.id,
                     row_number() OVER (PARTITION BY x.organization_id, x.member_id ORDER BY x.id) AS nr
              FROM notifications x WHERE x.tenant_id = t) o
        WHERE n.tenant_id = t AND n.organization_id = o.organization_id AND n.member_id = o.member_id AND n.id = o.id;
        INSERT INTO notification_inboxes (tenant_id, organization_id, member_id, last_nr, total, unread)
        SELECT t, k.organization_id, k.member_id, max(k.last_nr), jsonb_object_agg(k.event_type, k.total),
               coalesce(jsonb_object_agg(k.event_type, k.unread) FILTER (WHERE k.unread > 0), '{}')
        FROM (SELECT n.organization_id, n.member_id, n.event_type, max(n.nr) AS last_nr, count(*) AS total,
                     count(*) FILTER (WHERE n.read_at IS NULL) AS unread
              FROM notifications n WHERE n.tenant_id = t GROUP BY 1, 2, 3) k
        GROUP BY 2, 3;
    END LOOP;
    PERFORM set_config('app.tenant_id', '', true);
END
$$;
SELECT notifications_count_all();
DROP FUNCTION notifications_count_all();

-- How many there are, with so many more (or, below 0, less) of a kind.
CREATE FUNCTION notification_counts(counts jsonb, kind text, n bigint) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN coalesce((counts ->> kind)::bigint, 0) + n > 0
            THEN counts || jsonb_build_object(kind, coalesce((counts ->> kind)::bigint, 0) + n) ELSE counts - kind END;

-- What is inserted without its number gets one, and is counted; notify() does both for many at once.
CREATE FUNCTION notification_number() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notification_inboxes AS i (tenant_id, organization_id, member_id, last_nr, total, unread)
    VALUES (NEW.tenant_id, NEW.organization_id, NEW.member_id, 1, jsonb_build_object(NEW.event_type, 1),
            CASE WHEN NEW.read_at IS NULL THEN jsonb_build_object(NEW.event_type, 1) ELSE '{}' END)
    ON CONFLICT (tenant_id, organization_id, member_id) DO UPDATE
    SET last_nr = i.last_nr + 1, total = notification_counts(i.total, NEW.event_type, 1),
        unread = notification_counts(i.unread, NEW.event_type, CASE WHEN NEW.read_at IS NULL THEN 1 ELSE 0 END)
    RETURNING i.last_nr INTO NEW.nr;
    RETURN NEW;
END
$$;
CREATE TRIGGER notifications_number BEFORE INSERT ON notifications FOR EACH ROW
    WHEN (NEW.nr IS NULL) EXECUTE FUNCTION notification_number();

-- What is read, or deleted, one by one is counted no more.
CREATE FUNCTION notification_uncount() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE notification_inboxes i
    SET total = CASE TG_OP WHEN 'DELETE' THEN notification_counts(i.total, OLD.event_type, -1) ELSE i.total END,
        unread = CASE WHEN OLD.read_at IS NULL AND OLD.nr > i.read_to THEN notification_counts(i.unread, OLD.event_type, -1) ELSE i.unread END
    WHERE i.tenant_id = OLD.tenant_id AND i.organization_id = OLD.organization_id AND i.member_id = OLD.member_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER notifications_read AFTER UPDATE OF read_at ON notifications FOR EACH ROW
    WHEN (OLD.read_at IS NULL AND NEW.read_at IS NOT NULL AND OLD.nr IS NOT NULL) EXECUTE FUNCTION notification_uncount();
CREATE TRIGGER notifications_gone AFTER DELETE ON notifications FOR EACH ROW
    WHEN (OLD.nr IS NOT NULL) EXECUTE FUNCTION notification_uncount();

-- What was told already: who tells the same again, as a job that runs twice, tells nothing.
CREATE TABLE notification_causes (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    member_id       uuid NOT NULL,
    event_type      text NOT NULL,
    cause           text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, member_id, event_type, cause),
    CONSTRAINT notification_causes_member FOREIGN KEY (tenant_id, organization_id, member_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE CASCADE,
    CONSTRAINT notification_causes_cause_length CHECK (char_length(cause) BETWEEN 1 AND 255)
);
CREATE INDEX notification_causes_old ON notification_causes (created_at);

SELECT isolate('notification_causes');
SELECT purgeable('notification_causes', $$created_at < now() - interval '60 days'$$);
GRANT SELECT, INSERT ON notification_causes TO ashlar_api;

-- What more than 200 members are to be told, by portions: done is how many were.
CREATE TABLE notification_fanouts (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    event_type      text NOT NULL,
    members         uuid[] NOT NULL,
    done            integer NOT NULL DEFAULT 0,
    entity          jsonb NOT NULL,
    actor_id        uuid,
    data            jsonb NOT NULL,
    cause           text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, id),
    CONSTRAINT notification_fanouts_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations
);
CREATE INDEX notification_fanouts_oldest ON notification_fanouts (id);

SELECT isolate('notification_fanouts');
CREATE POLICY notification_fanouts_directory ON notification_fanouts TO CURRENT_USER USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON notification_fanouts TO ashlar_api;

-- What waits for a member's digest, until its mail is on its way (job_id) and then until it has left.
-- channel is the way: email, until there are others that wait.
CREATE TABLE notification_mails (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    member_id       uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    channel         text NOT NULL DEFAULT 'email',
    event_type      text NOT NULL,
    message         text NOT NULL,
    link            text,
    entity_type     text,
    entity_id       text,
    count           integer NOT NULL DEFAULT 1,
    notification_id uuid,
    job_id          uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, member_id, id),
    CONSTRAINT notification_mails_inbox FOREIGN KEY (tenant_id, organization_id, member_id)
        REFERENCES notification_inboxes ON DELETE CASCADE
);
CREATE INDEX notification_mails_waiting ON notification_mails (tenant_id, organization_id, member_id, event_type, entity_id)
    WHERE job_id IS NULL;
CREATE INDEX notification_mails_of_job ON notification_mails (tenant_id, job_id) WHERE job_id IS NOT NULL;
CREATE INDEX notification_mails_old ON notification_mails (created_at);

SELECT isolate('notification_mails');
SELECT purgeable('notification_mails', $$created_at < now() - interval '30 days'$$);
GRANT SELECT, INSERT, DELETE ON notification_mails TO ashlar_api;
SELECT changeable('notification_mails');
