-- Addresses are found by a key.

-- email_key is what stays of an address when spelling does not count; fcgi/email.h
-- says which spellings are one, and is the only one who does.  NULL, and then
-- the address is found by exactly the spelling that is stored:
--   * where those rules refuse it: it was taken before there were any, or an
--     issuer vouches for it;
--   * where another account has the key: two that were one address under other
--     rules stay two;
--   * where nobody has made it yet: ashlar migrate fills in what is there.
-- What is compared is the key; what is shown, and written to, is the address.
--
-- An address was in lower case by lower(), which follows the database's locale;
-- now it is kept as fcgi/email.h says.

ALTER TABLE users
    ADD email_key text,
    DROP CONSTRAINT users_email_format,
    ADD CONSTRAINT users_email_format CHECK (email ~ '^[^@\s]+@[^@\s]+$' AND char_length(email) <= 254);
CREATE UNIQUE INDEX users_email_key_unique ON users (tenant_id, email_key) WHERE deleted_at IS NULL AND email_key IS NOT NULL;
GRANT UPDATE (email_key) ON users TO ashlar_api;

ALTER TABLE team_members
    ADD email_key text,
    DROP CONSTRAINT team_members_email_format,
    ADD CONSTRAINT team_members_email_format CHECK (email ~ '^[^@\s]+@[^@\s]+$' AND char_length(email) <= 254);
CREATE UNIQUE INDEX team_members_email_key_unique ON team_members (email_key) WHERE deleted_at IS NULL AND email_key IS NOT NULL;

ALTER TABLE invitations
    ADD email_key text,
    DROP CONSTRAINT invitations_email_format,
    ADD CONSTRAINT invitations_email_format CHECK (email ~ '^[^@\s]+@[^@\s]+$' AND char_length(email) <= 254);
CREATE UNIQUE INDEX invitations_pending_key_unique ON invitations (tenant_id, organization_id, email_key)
    WHERE status = 'pending' AND email_key IS NOT NULL;
CREATE INDEX invitations_pending_of_key ON invitations (tenant_id, email_key) WHERE status = 'pending' AND email_key IS NOT NULL;

ALTER TABLE identity_profiles ADD email_key text;
CREATE INDEX identity_profiles_email_key ON identity_profiles (tenant_id, email_key) WHERE email_key IS NOT NULL;
GRANT UPDATE (email_key) ON identity_profiles TO ashlar_api;

-- The key of an address that is ASCII, where it is its lower case; NULL for
-- others, which are not for SQL to judge.  Under "C", since in tr_TR the lower
-- case of I is no i.
CREATE FUNCTION email_key_ascii(email text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN email COLLATE "C" ~ '^[!-~]+$' AND email COLLATE "C" !~* '[@.]xn--' THEN lower(email COLLATE "C") END;

-- Trigger: whoever writes an address without its key, such as the last release,
-- sample data and a psql, gets one for it if that is certain, and no stale one.
CREATE FUNCTION email_key_kept() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.email IS NULL THEN
        NEW.email_key := NULL;
    ELSIF NEW.email_key IS NULL
          OR TG_OP = 'UPDATE' AND NEW.email_key = OLD.email_key AND NEW.email IS DISTINCT FROM OLD.email THEN
        NEW.email_key := email_key_ascii(NEW.email);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER users_email_key BEFORE INSERT OR UPDATE OF email ON users FOR EACH ROW EXECUTE FUNCTION email_key_kept();
CREATE TRIGGER team_members_email_key BEFORE INSERT OR UPDATE OF email ON team_members
    FOR EACH ROW EXECUTE FUNCTION email_key_kept();
CREATE TRIGGER invitations_email_key BEFORE INSERT OR UPDATE OF email ON invitations
    FOR EACH ROW EXECUTE FUNCTION email_key_kept();
CREATE TRIGGER identity_profiles_email_key BEFORE INSERT OR UPDATE OF email ON identity_profiles
    FOR EACH ROW EXECUTE FUNCTION email_key_kept();
