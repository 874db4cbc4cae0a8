-- What the audit log says of people can be emptied, and its chain holds all the same.
--
-- An entry's hash has no longer its details, address and browser in it but a digest of each, keyed with random bytes of its own. To
-- empty one is to remove the text and the key together: what is left is a digest of nothing that anybody could guess again, and
-- the chain does not change (audit_forget()). Entries from before keep their form, version 1, in which nothing can be emptied.

-- details_salt, origin_salt  the keys; NULL: emptied
-- origin                     ip_address and user_agent: whose they are is another question than whom the details are about
ALTER TABLE audit_events
    ADD COLUMN version smallint NOT NULL DEFAULT 1,
    ADD COLUMN details_salt bytea,
    ADD COLUMN details_digest bytea,
    ADD COLUMN origin_salt bytea,
    ADD COLUMN origin_digest bytea,
    ADD CONSTRAINT audit_events_version_known CHECK (version = 1 OR version = 2 AND details_digest IS NOT NULL AND origin_digest IS NOT NULL) NOT VALID;
CREATE INDEX audit_events_about ON audit_events (tenant_id, resource_id) WHERE resource_type IN ('user', 'member');
CREATE INDEX audit_events_on_behalf ON audit_events (tenant_id, on_behalf_of) WHERE on_behalf_of IS NOT NULL;

CREATE FUNCTION audit_digest(salt bytea, said jsonb) RETURNS bytea
LANGUAGE sql IMMUTABLE
RETURN sha256(salt || sha256(salt || convert_to(said::text, 'UTF8')));

CREATE OR REPLACE FUNCTION audit_hash(e audit_events) RETURNS bytea
LANGUAGE sql IMMUTABLE
RETURN sha256(e.prev_hash || convert_to(CASE e.version
    WHEN 1 THEN jsonb_build_array(
        e.tenant_id, e.seq, e.id, e.actor_id, e.actor_type, e.on_behalf_of, e.action, e.resource_type, e.resource_id,
        e.details, host(e.ip_address), e.user_agent, e.request_id,
        (extract(epoch FROM e.created_at) * 1000000)::bigint)
    ELSE jsonb_build_array(
        e.version, e.tenant_id, e.seq, e.id, e.actor_id, e.actor_type, e.on_behalf_of, e.action, e.resource_type, e.resource_id,
        encode(e.details_digest, 'hex'), encode(e.origin_digest, 'hex'), e.request_id,
        (extract(epoch FROM e.created_at) * 1000000)::bigint)
    END::text, 'UTF8'));

CREATE OR REPLACE FUNCTION audit_chain() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO audit_heads AS h (tenant_id, seq) VALUES (NEW.tenant_id, 1)
    ON CONFLICT (tenant_id) DO UPDATE SET seq = h.seq + 1
    RETURNING seq, hash INTO NEW.seq, NEW.prev_hash;
    NEW.created_at := clock_timestamp();
    NEW.version := 2;
    NEW.details_salt := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
    NEW.details_digest := audit_digest(NEW.details_salt, NEW.details);
    NEW.origin_salt := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
    NEW.origin_digest := audit_digest(NEW.origin_salt, jsonb_build_array(host(NEW.ip_address), NEW.user_agent));
    NEW.hash := audit_hash(NEW);
    UPDATE audit_heads SET hash = NEW.hash WHERE tenant_id = NEW.tenant_id;
    RETURN NEW;
END
$$;
