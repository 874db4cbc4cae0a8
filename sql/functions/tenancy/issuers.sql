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

-- Housekeepers fetch what is wanted; see sql/queries/runtime/jwks.sql.
CREATE OR REPLACE FUNCTION jwks_want(url text) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    INSERT INTO jwks (issuer, url, wanted_at)
    SELECT 'url:' || jwks_want.url, jwks_want.url, now() WHERE jwks_want.url IS NOT NULL
    ON CONFLICT (issuer) DO UPDATE SET wanted_at = now();
END;

-- Add one.  The tenant's settings are locked: of two at once the second counts the first.
CREATE OR REPLACE FUNCTION issuer_create(name text, issuer text, jwks_url text, secret_sealed text, audience text,
                                         email_claim text, role_claim text, max_role text, is_enabled boolean)
RETURNS SETOF tenant_issuers
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    made tenant_issuers;
BEGIN
    PERFORM FROM tenant_settings s WHERE s.tenant_id = app_tenant() FOR UPDATE;
    IF (SELECT count(*) FROM tenant_issuers i WHERE i.tenant_id = app_tenant()) >= 10 THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'a tenant can have at most 10 issuers';
    END IF;
    INSERT INTO tenant_issuers AS i (tenant_id, name, issuer, jwks_url, secret_sealed, audience, email_claim, role_claim,
                                     max_role, is_enabled)
    VALUES (app_tenant(), name, issuer, jwks_url, secret_sealed, audience, email_claim, role_claim, max_role, is_enabled)
    RETURNING i.* INTO made;
    PERFORM jwks_want(made.jwks_url);
    PERFORM audit('issuer.create', 'issuer', made.id::text, jsonb_build_object('issuer', made.issuer,
        'jwks_url', made.jwks_url, 'role_claim', made.role_claim, 'max_role', made.max_role, 'is_enabled', made.is_enabled));
    RETURN NEXT made;
END
$$;

-- Change one; no row: there is none with this id.  The audit log has what it is
-- now and whether the secret is another one, and never the secret.
CREATE OR REPLACE FUNCTION issuer_update(issuer_id uuid, name text, issuer text, jwks_url text, secret_sealed text,
                                         has_audience boolean, audience text, email_claim text, has_role_claim boolean,
                                         role_claim text, max_role text, is_enabled boolean)
RETURNS SETOF tenant_issuers
LANGUAGE plpgsql AS $$
DECLARE
    made tenant_issuers;
BEGIN
    UPDATE tenant_issuers i
    SET name = coalesce(issuer_update.name, i.name),
        issuer = coalesce(issuer_update.issuer, i.issuer),
        jwks_url = CASE WHEN issuer_update.secret_sealed IS NULL THEN coalesce(issuer_update.jwks_url, i.jwks_url) END,
        secret_sealed = CASE WHEN issuer_update.jwks_url IS NULL
                             THEN coalesce(issuer_update.secret_sealed, i.secret_sealed) END,
        audience = CASE WHEN has_audience THEN issuer_update.audience ELSE i.audience END,
        email_claim = coalesce(issuer_update.email_claim, i.email_claim),
        role_claim = CASE WHEN has_role_claim THEN issuer_update.role_claim ELSE i.role_claim END,
        max_role = coalesce(issuer_update.max_role, i.max_role),
        is_enabled = coalesce(issuer_update.is_enabled, i.is_enabled)
    WHERE i.tenant_id = app_tenant() AND i.id = issuer_id
    RETURNING i.* INTO made;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM jwks_want(made.jwks_url);
    PERFORM audit('issuer.update', 'issuer', made.id::text, jsonb_build_object('issuer', made.issuer,
        'jwks_url', made.jwks_url, 'new_secret', secret_sealed IS NOT NULL, 'role_claim', made.role_claim,
        'max_role', made.max_role, 'is_enabled', made.is_enabled));
    RETURN NEXT made;
END
$$;
