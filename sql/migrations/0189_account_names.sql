-- Signing in by an address alone (operations surface): which account is meant.

-- Addresses are unique within a tenant, and this door names none.  So a name is one account's over the default tenant and those who have signed up
-- here, whichever tenant that put them into.  Products that keep their users in a tenant of their own have them by their keys, and none of them here.
--
--   kind       of an address, its key (email_keys.sql), else in lower case; or a username, in lower case
--   is_proved  by the mail of its address: a name that is not gives way to who proves it
CREATE TABLE account_names (
    tenant_id  uuid NOT NULL,
    user_id    uuid NOT NULL,
    kind       text NOT NULL,
    name       text NOT NULL,
    is_proved  boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id, kind),
    CONSTRAINT account_names_unique UNIQUE (kind, name),
    CONSTRAINT account_names_user FOREIGN KEY (tenant_id, user_id) REFERENCES users ON DELETE CASCADE,
    CONSTRAINT account_names_kind_known CHECK (kind IN ('email', 'username'))
);
-- The api reads and writes them by functions alone, whose owner finds them whatever the tenant.
SELECT isolate('account_names');
CREATE POLICY account_names_directory ON account_names TO CURRENT_USER USING (true) WITH CHECK (true);

-- When both were accepted, of who has signed up here.
ALTER TABLE user_accounts ADD COLUMN terms_accepted_at timestamptz, ADD COLUMN privacy_accepted_at timestamptz;
SELECT changeable('user_accounts', 'number');

-- Have an account go by a name; NULL: by none of that kind any more.  False: it is another one's.  Who loses a username to whoever has proved
-- their address has none then.
CREATE FUNCTION account_name_claim(tenant uuid, who uuid, kind text, name text, is_proved boolean) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    held account_names;
BEGIN
    DELETE FROM account_names n WHERE n.tenant_id = tenant AND n.user_id = who AND n.kind = kind AND n.name IS DISTINCT FROM name;
    IF name IS NULL THEN
        RETURN true;
    END IF;
    INSERT INTO account_names (tenant_id, user_id, kind, name, is_proved) VALUES (tenant, who, kind, name, is_proved)
    ON CONFLICT ON CONSTRAINT account_names_unique DO NOTHING;
    IF FOUND THEN
        RETURN true;
    END IF;
    SELECT n.* INTO held FROM account_names n WHERE n.kind = kind AND n.name = name FOR UPDATE;
    IF NOT FOUND THEN
        RAISE serialization_failure USING MESSAGE = 'the name has just been given up';
    ELSIF held.user_id <> who AND (held.is_proved OR NOT is_proved) THEN
        RETURN false;
    END IF;
    UPDATE account_names n SET tenant_id = tenant, user_id = who, is_proved = is_proved WHERE n.kind = kind AND n.name = name;
    IF held.user_id <> who AND kind = 'username' THEN
        PERFORM set_config('app.tenant_id', held.tenant_id::text, true);
        UPDATE user_accounts a SET username = NULL WHERE a.tenant_id = held.tenant_id AND a.user_id = held.user_id;
        PERFORM set_config('app.tenant_id', tenant::text, true);
    END IF;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION account_name_claim(uuid, uuid, text, text, boolean) FROM PUBLIC;

-- Has a user proved the name that their address is?  In the default tenant, whose issuers are the installation's, a verified address is that.
-- Anywhere else only a mail proves one (address_proved() says for whom): what a tenant's own issuer says would let that tenant keep people out
-- of addresses that it never had.
CREATE FUNCTION account_address_is_proved(u users, name text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN u.is_email_verified AND u.deleted_at IS NULL
       AND (u.tenant_id = '00000000-0000-7000-8000-000000000001'
            OR coalesce(current_setting('app.address_proved', true), '') = u.id::text
            OR EXISTS (SELECT FROM account_names n
                       WHERE n.tenant_id = u.tenant_id AND n.user_id = u.id AND n.kind = 'email' AND n.name = account_address_is_proved.name AND n.is_proved));
END
$$;
REVOKE ALL ON FUNCTION account_address_is_proved(users, text) FROM PUBLIC;

-- Has a user proved the address by which they go?  What their username is worth.
CREATE FUNCTION account_is_proved(tenant uuid, who uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM account_names n WHERE n.tenant_id = tenant AND n.user_id = who AND n.kind = 'email' AND n.is_proved);
END
$$;
REVOKE ALL ON FUNCTION account_is_proved(uuid, uuid) FROM PUBLIC;

-- Names follow the accounts: those of the default tenant, and of who has signed up here.
CREATE FUNCTION account_names_follow() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    within text := coalesce(current_setting('app.tenant_id', true), '');
    name   text := CASE WHEN NEW.deleted_at IS NULL THEN coalesce(NEW.email_key, lower(NEW.email)) END;
    proved boolean;
BEGIN
    PERFORM set_config('app.tenant_id', NEW.tenant_id::text, true);
    IF NEW.tenant_id = '00000000-0000-7000-8000-000000000001'
       OR EXISTS (SELECT FROM user_accounts a WHERE a.tenant_id = NEW.tenant_id AND a.user_id = NEW.id AND a.terms_accepted_at IS NOT NULL) THEN
        PERFORM account_name_claim(NEW.tenant_id, NEW.id, 'email', name, account_address_is_proved(NEW, name));
        IF NEW.deleted_at IS NOT NULL THEN
            PERFORM account_name_claim(NEW.tenant_id, NEW.id, 'username', NULL, false);
        ELSE
            proved := account_is_proved(NEW.tenant_id, NEW.id);
            UPDATE account_names n SET is_proved = proved
            WHERE n.tenant_id = NEW.tenant_id AND n.user_id = NEW.id AND n.kind = 'username' AND n.is_proved <> proved;
        END IF;
    END IF;
    PERFORM set_config('app.tenant_id', within, true);
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION account_names_follow() FROM PUBLIC;
CREATE TRIGGER users_names_made AFTER INSERT ON users FOR EACH ROW
    WHEN (NEW.tenant_id = '00000000-0000-7000-8000-000000000001' AND NEW.deleted_at IS NULL AND NEW.email IS NOT NULL) EXECUTE FUNCTION account_names_follow();
CREATE TRIGGER users_names_changed AFTER UPDATE OF email, email_key, is_email_verified, deleted_at ON users FOR EACH ROW
    WHEN ((OLD.email, OLD.email_key, OLD.is_email_verified, OLD.deleted_at) IS DISTINCT FROM (NEW.email, NEW.email_key, NEW.is_email_verified, NEW.deleted_at))
    EXECUTE FUNCTION account_names_follow();

-- And usernames: one that another account goes by is taken, as one within the tenant is.
CREATE FUNCTION account_username_follows() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    within text := coalesce(current_setting('app.tenant_id', true), '');
BEGIN
    IF NEW.tenant_id = '00000000-0000-7000-8000-000000000001' OR NEW.terms_accepted_at IS NOT NULL THEN
        PERFORM set_config('app.tenant_id', NEW.tenant_id::text, true);
        IF NOT account_name_claim(NEW.tenant_id, NEW.user_id, 'username', lower(NEW.username), account_is_proved(NEW.tenant_id, NEW.user_id)) THEN
            RAISE unique_violation USING CONSTRAINT = 'user_accounts_username_unique', MESSAGE = 'the username is taken';
        END IF;
        PERFORM set_config('app.tenant_id', within, true);
    END IF;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION account_username_follows() FROM PUBLIC;
CREATE TRIGGER user_accounts_name_follows AFTER UPDATE OF username ON user_accounts FOR EACH ROW
    WHEN (OLD.username IS DISTINCT FROM NEW.username) EXECUTE FUNCTION account_username_follows();

-- Those of the default tenant that are there, who has proved theirs first; nobody comes meanwhile, since the triggers hold the tables.
DO $$
DECLARE
    within text := coalesce(current_setting('app.tenant_id', true), '');
BEGIN
    PERFORM set_config('app.tenant_id', '00000000-0000-7000-8000-000000000001', true);
    INSERT INTO account_names (tenant_id, user_id, kind, name, is_proved)
    SELECT u.tenant_id, u.id, 'email', coalesce(u.email_key, lower(u.email)), u.is_email_verified
    FROM users u
    WHERE u.tenant_id = '00000000-0000-7000-8000-000000000001' AND u.email IS NOT NULL AND u.deleted_at IS NULL
    ORDER BY u.is_email_verified DESC, u.created_at, u.id
    ON CONFLICT DO NOTHING;
    INSERT INTO account_names (tenant_id, user_id, kind, name, is_proved)
    SELECT a.tenant_id, a.user_id, 'username', lower(a.username), account_is_proved(a.tenant_id, a.user_id)
    FROM user_accounts a JOIN users u ON u.tenant_id = a.tenant_id AND u.id = a.user_id
    WHERE a.tenant_id = '00000000-0000-7000-8000-000000000001' AND a.username IS NOT NULL AND u.deleted_at IS NULL
    ORDER BY u.is_email_verified DESC, a.number
    ON CONFLICT DO NOTHING;
    PERFORM set_config('app.tenant_id', within, true);
END
$$;
