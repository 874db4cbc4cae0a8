-- Memberships that end at a date: guests.

-- Beside the membership, since functions return that whole; one of an owner has none.
--
-- ends_at  from then on the membership is nobody, whether a job has come by or not: see the policy
CREATE TABLE membership_ends (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    member_id       uuid NOT NULL,
    ends_at         timestamptz NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, member_id),
    CONSTRAINT membership_ends_member FOREIGN KEY (tenant_id, organization_id, member_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE CASCADE
);
CREATE INDEX membership_ends_due ON membership_ends (ends_at, tenant_id);    -- few are: who is over is switched off within seconds
SELECT isolate('membership_ends');
CREATE POLICY membership_ends_due_read ON membership_ends FOR SELECT TO CURRENT_USER USING (ends_at <= now());
GRANT SELECT, INSERT, DELETE ON membership_ends TO ashlar_api;
SELECT changeable('membership_ends', 'organization_id', 'member_id');

-- What is over nobody sees, by whatever statement: no door, list, stream, count of seats or mail can forget to ask.  The subqueries are
-- about no row, so a statement asks them once.  Whoever switches them off says so (membership_ends.sql).  What is searched for is asked by a role
-- that sees no dates: that is told (member_page()).
CREATE POLICY memberships_ended ON memberships AS RESTRICTIVE TO CURRENT_USER, ashlar_api
    USING ((SELECT coalesce(current_setting('app.sees_over', true), '') = 'on')
           OR id <> ALL (ARRAY(SELECT e.member_id FROM membership_ends e WHERE e.tenant_id = (SELECT app_tenant()) AND e.ends_at <= now())))
    WITH CHECK (true);

CREATE FUNCTION membership_owned() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM membership_ends e WHERE e.tenant_id = NEW.tenant_id AND e.organization_id = NEW.organization_id AND e.member_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER memberships_owned AFTER UPDATE OF role ON memberships FOR EACH ROW WHEN (NEW.role = 'owner' AND OLD.role <> 'owner')
    EXECUTE FUNCTION membership_owned();

-- Until when who is invited is to be a member.
ALTER TABLE invitation_details ADD membership_ends_at timestamptz;
GRANT UPDATE (membership_ends_at) ON invitation_details TO ashlar_api;
