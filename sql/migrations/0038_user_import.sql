-- Users who came with a hash of their password that another product had made; see lib/crypto/imported.h.

-- The key that a Firebase project mixes into all of its hashes, sealed by the owner's command (lib/crypto/seal.h):
-- once, and not in every hash, so that it can be looked after.  A hash names it by its id.  fingerprint is a
-- SHA-256 of the key, which is random: the same project imported again finds it.
CREATE TABLE password_signers (
    tenant_id   uuid NOT NULL REFERENCES tenants,
    id          uuid NOT NULL DEFAULT uuid_v7(),
    fingerprint bytea NOT NULL,
    key_sealed  text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT password_signers_unique UNIQUE (tenant_id, fingerprint),
    CONSTRAINT password_signers_fingerprint_length CHECK (octet_length(fingerprint) = 32)
);

SELECT isolate('password_signers');
GRANT SELECT ON password_signers TO ashlar_api;

-- Has the tenant any such hash left?  Each sign-in asks (password_imported()); where nobody was imported, or all have
-- signed in since, the answer is an empty index.
CREATE INDEX users_imported_hash ON users (tenant_id) WHERE password_hash NOT LIKE '$scrypt$%';
