-- A signer key of no project, which seals nobody's password.
INSERT INTO password_signers (tenant_id, fingerprint, key_sealed)
VALUES (app_tenant(), sha256('a signer key of nobody'), 'a sealed key of nobody');
