-- Accounts as their users, and those who work with them, change them: pictures, and addresses that can be taken back.

-- A picture is a member's in a workspace, or, with user_id, the account's own, which it has everywhere else.
ALTER TABLE pictures
    ALTER organization_id DROP NOT NULL,
    ALTER member_id DROP NOT NULL,
    ADD user_id uuid,
    ADD CONSTRAINT pictures_of_user UNIQUE (tenant_id, user_id),
    ADD CONSTRAINT pictures_user FOREIGN KEY (tenant_id, user_id) REFERENCES users,
    ADD CONSTRAINT pictures_of_one CHECK (num_nonnulls(member_id, user_id) = 1 AND (member_id IS NULL) = (organization_id IS NULL));
GRANT DELETE ON pictures TO ashlar_api;

-- What an account looks like elsewhere from now on, or nowhere: the picture that it had goes.
CREATE FUNCTION user_picture_gone() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM pictures p WHERE p.tenant_id = NEW.tenant_id AND p.user_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_picture_gone AFTER UPDATE OF avatar_url ON users FOR EACH ROW
    WHEN (OLD.avatar_url IS DISTINCT FROM NEW.avatar_url AND strpos(OLD.avatar_url, '/storage/pictures/') > 0)
    EXECUTE FUNCTION user_picture_gone();

-- email_change: the mailbox that an account had can take it back.
ALTER TABLE one_time_tokens
    DROP CONSTRAINT one_time_tokens_kind_known,
    ADD CONSTRAINT one_time_tokens_kind_known
        CHECK (kind IN ('verify_email', 'reset_password', 'mfa', 'team_reset', 'team_invitation', 'activation', 'team_mfa', 'email_change'));

-- An account that has proved its address and has another one since is its user's own for good (account_hold), and an identity
-- that was linked by who changed it goes with the change.
GRANT DELETE ON account_makers, identities TO ashlar_api;
