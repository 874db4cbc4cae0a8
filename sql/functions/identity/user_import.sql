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

-- Make the users of an export, as the owner: of each row by its n how it was found to exist ("email", "id", "google"),
-- or NULL where it was made.  An account that exists stays as it is, also one that was deleted since and has the id.
-- No two rows have an address, an id or a Google account in common (cmd/user_import.c sees to it).
--
-- is_dry: nothing is made, and what earlier batches would have made exists, too; it is in user_imports_seen, a temporary
-- table.
CREATE OR REPLACE FUNCTION user_import(batch jsonb, google_issuer text, is_dry boolean) RETURNS TABLE (n integer, found text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    tenant uuid := app_tenant();
    plan   uuid := default_plan();
BEGIN
    -- As oauth_sign_in() has it: of two who link an identity at once the second finds it.
    PERFORM pg_advisory_xact_lock(hash_record_extended(ROW ('identity'::text, tenant, google_issuer, g.subject), 0))
    FROM (SELECT r.v ->> 'google' AS subject FROM jsonb_array_elements(batch) r (v) WHERE r.v ? 'google' ORDER BY 1) g;

    RETURN QUERY
    WITH r AS MATERIALIZED (
        SELECT x.*, coalesce(x.id, 'user_' || replace(uuid_v7()::text, '-', '')) AS public_id
        FROM jsonb_to_recordset(batch) x (n integer, id text, email text, key text, sent text, hash text, name text, avatar text,
                                          google text, created_ms bigint, is_verified boolean, is_active boolean)
    ), judged AS MATERIALIZED (
        SELECT r.*,
               CASE WHEN EXISTS (SELECT FROM user_find(r.key, r.sent)) THEN 'email'
                    WHEN EXISTS (SELECT FROM users u WHERE u.tenant_id = tenant AND u.public_id = r.id) THEN 'id'
                    WHEN EXISTS (SELECT FROM identities i WHERE i.tenant_id = tenant AND i.issuer = google_issuer
                                                            AND i.subject = r.google) THEN 'google'
                    WHEN is_dry THEN user_import_seen(r.key, r.id, r.google) END AS found
        FROM r
    ), made AS (
        INSERT INTO users AS u (tenant_id, public_id, email, email_key, is_email_verified, full_name, avatar_url, is_active,
                                password_hash, current_plan_id, created_at)
        SELECT tenant, j.public_id, j.email, j.key, j.is_verified, left(j.name, 255), j.avatar, j.is_active, j.hash, plan,
               coalesce(to_timestamp(j.created_ms / 1000.0), now())
        FROM judged j
        WHERE j.found IS NULL AND NOT is_dry
        ORDER BY j.key    -- two that insert the same addresses wait for each other in one order
        ON CONFLICT DO NOTHING
        RETURNING u.id, u.public_id
    ), linked AS (
        INSERT INTO identities (tenant_id, issuer, subject, user_id)
        SELECT tenant, google_issuer, j.google, m.id
        FROM made m JOIN judged j ON j.public_id = m.public_id
        WHERE j.google IS NOT NULL
    )
    SELECT j.n, CASE WHEN m.id IS NULL AND NOT (is_dry AND j.found IS NULL) THEN coalesce(j.found, 'email') END
    FROM judged j LEFT JOIN made m ON m.public_id = j.public_id
    ORDER BY j.n;
END
$$;
REVOKE ALL ON FUNCTION user_import(jsonb, text, boolean) FROM PUBLIC;

-- For what is asked of tables that were empty a moment ago.
CREATE OR REPLACE FUNCTION user_import_analyze() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    ANALYZE users, identities;
END
$$;
REVOKE ALL ON FUNCTION user_import_analyze() FROM PUBLIC;

-- Where a dry run keeps what it has seen, while its connection lasts.
CREATE OR REPLACE FUNCTION user_import_watch() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    CREATE TEMPORARY TABLE user_imports_seen (kind text, name text, PRIMARY KEY (kind, name));
END
$$;
REVOKE ALL ON FUNCTION user_import_watch() FROM PUBLIC;

-- What it has seen of these.
CREATE OR REPLACE FUNCTION user_import_seen(key text, id text, google text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT s.kind FROM user_imports_seen s
            WHERE (s.kind, s.name) IN (('email', key), ('id', id), ('google', google))
            ORDER BY array_position(ARRAY['email', 'id', 'google'], s.kind) LIMIT 1);
END
$$;
REVOKE ALL ON FUNCTION user_import_seen(text, text, text) FROM PUBLIC;

-- Remember it: the rows of a batch that were made, by their n.
CREATE OR REPLACE FUNCTION user_import_see(batch jsonb, made integer[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO user_imports_seen (kind, name)
    SELECT k.kind, k.name
    FROM jsonb_array_elements(batch) r (v)
    CROSS JOIN LATERAL (VALUES ('email', r.v ->> 'key'), ('id', r.v ->> 'id'), ('google', r.v ->> 'google')) k (kind, name)
    WHERE (r.v ->> 'n')::integer = ANY (made) AND k.name IS NOT NULL;
END
$$;
REVOKE ALL ON FUNCTION user_import_see(jsonb, integer[]) FROM PUBLIC;
