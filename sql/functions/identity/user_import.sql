-- Users who come from another product, with the hashes that it made of their passwords.

-- What comparing a password takes beside the account's own hash (NULL: there is no such user, or one without a
-- password).  decoy is the hash of some user of the tenant that another product made, NULL where there is none left;
-- signer_sealed is the signer key of the account's own hash, else of the decoy.  A sign-in in vain is to do the same
-- work and to find the same things whoever is meant, so nothing here depends on the account but which of two rows is read.
CREATE OR REPLACE FUNCTION password_imported(hash text, OUT decoy text, OUT signer_sealed text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    tenant uuid := app_tenant();
BEGIN
    SELECT u.password_hash INTO decoy
    FROM users u
    WHERE u.tenant_id = tenant AND u.password_hash NOT LIKE '$scrypt$%'
    LIMIT 1;
    IF decoy IS NOT NULL THEN
        SELECT s.key_sealed INTO signer_sealed
        FROM password_signers s
        WHERE s.tenant_id = tenant
          AND s.id = substring(CASE WHEN hash NOT LIKE '$scrypt$%' THEN hash ELSE decoy END
                               FROM '^\$firebase-scrypt\$[^$]*key=([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\$')::uuid;
    END IF;
END
$$;
