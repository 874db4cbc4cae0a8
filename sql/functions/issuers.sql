-- Issuers that a tenant trusts, beside those of the configuration.

-- For a token whose issuer is not configured, outside of any request's
-- transaction: does the tenant (the key's, else the given one) believe it?  No
-- row: no.  version is another one whenever the row is.
CREATE OR REPLACE FUNCTION issuer_find(tenant uuid, key bytea, name text)
RETURNS TABLE (tenant_id uuid, id uuid, version text, issuer text, jwks_url text, secret_sealed text, audience text,
               email_claim text, role_claim text, max_role text)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
    tenant := tenant_of(tenant, key);
    IF tenant IS NULL THEN
        RETURN;
    END IF;
    PERFORM set_config('app.tenant_id', tenant::text, true);
    RETURN QUERY
    SELECT i.tenant_id, i.id, extract(epoch FROM i.updated_at)::text, i.issuer, i.jwks_url, i.secret_sealed, i.audience,
           i.email_claim, i.role_claim, i.max_role
    FROM tenant_issuers i
    WHERE i.tenant_id = tenant AND i.issuer = name AND i.is_enabled;
END
$$;
