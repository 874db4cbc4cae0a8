-- Invitations as workspaces make them: what is put down about who is invited, and how their token left.

-- Beside the invitation, since functions return that whole; each has one.
--
-- full_name … timezone  what their profile begins with (member_profiles)
-- message   what the mail says beside the invitation
-- is_shown  the token that is good now was handed to who invites, to be passed on: it proves no address
-- revives   who is invited had left by being switched off: accepting brings that membership back
CREATE TABLE invitation_details (
    tenant_id     uuid NOT NULL,
    invitation_id uuid NOT NULL,
    full_name     text,
    display_name  text,
    title         text,
    department    text,
    phone         text,
    bio           text,
    timezone      text,
    message       text,
    is_shown      boolean NOT NULL DEFAULT false,
    revives       boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, invitation_id),
    CONSTRAINT invitation_details_invitation FOREIGN KEY (tenant_id, invitation_id) REFERENCES invitations ON DELETE CASCADE,
    CONSTRAINT invitation_details_lengths CHECK (greatest(char_length(full_name), char_length(display_name), char_length(title),
        char_length(department)) <= 255 AND char_length(phone) <= 50 AND char_length(bio) <= 2000 AND char_length(timezone) <= 64
        AND char_length(message) <= 1000)
);
SELECT isolate('invitation_details');
GRANT SELECT, INSERT ON invitation_details TO ashlar_api;
SELECT changeable('invitation_details');

CREATE FUNCTION invitation_details_made() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO invitation_details (tenant_id, invitation_id) VALUES (NEW.tenant_id, NEW.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER invitations_details AFTER INSERT ON invitations FOR EACH ROW EXECUTE FUNCTION invitation_details_made();

-- Of those that are there.
DO $$
DECLARE
    t uuid;
BEGIN
    FOR t IN SELECT id FROM tenants LOOP
        PERFORM set_config('app.tenant_id', t::text, true);
        INSERT INTO invitation_details (tenant_id, invitation_id) SELECT i.tenant_id, i.id FROM invitations i WHERE i.tenant_id = t;
    END LOOP;
END
$$;
