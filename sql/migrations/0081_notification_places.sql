-- Notifications that are put away, for good or until a time, and hours in which no mail comes.

-- What is archived or snoozed has its number below 0, which no list reads.
ALTER TABLE notifications
    ADD archived_at timestamptz,
    ADD snoozed_until timestamptz,
    ADD CONSTRAINT notifications_hidden CHECK (nr < 0 OR archived_at IS NULL AND snoozed_until IS NULL),
    ADD CONSTRAINT notifications_one_place CHECK (archived_at IS NULL OR snoozed_until IS NULL);
GRANT UPDATE (archived_at, snoozed_until) ON notifications TO ashlar_api;
CREATE INDEX notifications_archived ON notifications (tenant_id, organization_id, member_id, archived_at, id) WHERE archived_at IS NOT NULL;
CREATE INDEX notifications_snoozed ON notifications (tenant_id, organization_id, member_id, snoozed_until, id) WHERE snoozed_until IS NOT NULL;
CREATE INDEX notifications_wake ON notifications (snoozed_until) WHERE snoozed_until IS NOT NULL;

-- Who brings them back looks for those of all tenants.
CREATE POLICY notifications_directory ON notifications FOR SELECT TO CURRENT_USER USING (snoozed_until IS NOT NULL);

-- The hours in which a member gets no mail: from one time of their day to another; NULL: there are none.
ALTER TABLE notification_deliveries
    ADD quiet_from time,
    ADD quiet_to time,
    ADD time_zone text,
    ADD CONSTRAINT notification_deliveries_quiet CHECK (
        (quiet_from IS NULL) = (quiet_to IS NULL) AND (quiet_from IS NULL) = (time_zone IS NULL) AND quiet_from <> quiet_to);
GRANT UPDATE (quiet_from, quiet_to, time_zone) ON notification_deliveries TO ashlar_api;

-- What is deleted is counted no more, if it was.
CREATE OR REPLACE FUNCTION notification_uncount() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE notification_inboxes i
    SET total = CASE WHEN TG_OP = 'DELETE' AND OLD.nr > 0 THEN notification_counts(i.total, OLD.event_type, -1) ELSE i.total END,
        unread = CASE WHEN OLD.read_at IS NULL AND OLD.nr > i.read_to THEN notification_counts(i.unread, OLD.event_type, -1) ELSE i.unread END
    WHERE i.tenant_id = OLD.tenant_id AND i.organization_id = OLD.organization_id AND i.member_id = OLD.member_id;
    RETURN NULL;
END
$$;
