-- An account that somebody else has made is activated by who has its mail, or a link that was passed on.
ALTER TABLE one_time_tokens
    DROP CONSTRAINT one_time_tokens_kind_known,
    ADD CONSTRAINT one_time_tokens_kind_known
        CHECK (kind IN ('verify_email', 'reset_password', 'mfa', 'team_reset', 'team_invitation', 'activation'));
