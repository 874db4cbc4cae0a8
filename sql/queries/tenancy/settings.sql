-- A tenant's settings, and the sign-in providers that it has set up.

-- name: settings_get :row
-- Every provider that there is, configured or not; the secrets of none.
-- The settings' updated_at moves with the name and the providers, too.
SELECT s.tenant_id, t.name, t.slug, s.support_email, s.email_from_name, s.logo_url, s.brand_color,
       s.email_verification_required, s.refresh_token_rotation, s.verification_url, s.password_reset_url,
       s.invitation_url, s.webauthn_rp_id, s.default_plan_id,
       (SELECT json_agg(row_to_json(p) ORDER BY p.provider)
        FROM (SELECT known.provider, known.name, coalesce(o.is_enabled, false) AS is_enabled, o.client_id,
                     o.client_secret_sealed IS NOT NULL AS has_client_secret,
                     coalesce(o.redirect_uris, '{}') AS redirect_uris,
                     format('%s/api/v1/auth/%s/callback', @public_url::text, known.provider) AS callback_url,
                     json_time(o.updated_at) AS updated_at
              FROM (VALUES ('google', 'Google')) known (provider, name)
              LEFT JOIN oauth_providers o ON o.tenant_id = s.tenant_id AND o.provider = known.provider) p) AS oauth_providers,
       s.created_at, s.updated_at
FROM tenant_settings s
JOIN tenants t ON t.id = s.tenant_id
WHERE s.tenant_id = @tenant;

-- name: settings_update :exec
WITH before AS (
    SELECT to_jsonb(s) || jsonb_build_object('name', t.name) AS row
    FROM tenant_settings s
    JOIN tenants t ON t.id = s.tenant_id
    WHERE s.tenant_id = @tenant
), changed AS (
    UPDATE tenant_settings s
    SET :set(support_email, email_from_name, logo_url, email_verification_required, refresh_token_rotation,
             verification_url, password_reset_url, invitation_url, default_plan_id),
        brand_color = CASE WHEN :has_brand_color THEN lower(:brand_color) ELSE s.brand_color END,
        webauthn_rp_id = CASE WHEN :has_webauthn_rp_id THEN lower(:webauthn_rp_id) ELSE s.webauthn_rp_id END
    WHERE s.tenant_id = @tenant AND settings_plan_fits(:default_plan_id::uuid) AND if_match(s.updated_at, :if_match)
    RETURNING to_jsonb(s) || jsonb_build_object('name', CASE WHEN :has_name THEN to_jsonb(:name::text) END) AS row
), renamed AS (
    UPDATE tenants t SET name = :name FROM changed WHERE :has_name AND t.id = @tenant
)
SELECT audit('settings.update', 'settings', @tenant::text, jsonb_build_object('fields', fields))
FROM (SELECT changed_fields(before.row, jsonb_strip_nulls(jsonb_build_object('name', changed.row -> 'name'))
                                        || (changed.row - 'name')) AS fields
      FROM before, changed) c
WHERE fields <> '[]';

-- name: settings_lock :row
-- One change of the providers at a time, and settings that show it.
UPDATE tenant_settings SET tenant_id = tenant_id WHERE tenant_id = @tenant
RETURNING tenant_id::text AS tenant;

-- name: oauth_provider_put :row
-- Behind settings_lock.  Fields that were not sent keep their value; what is
-- stored is whole before the constraint looks at it.
WITH before AS (
    SELECT to_jsonb(o) AS row, o.client_id, o.client_secret_sealed, o.redirect_uris
    FROM (SELECT) one
    LEFT JOIN oauth_providers o ON o.tenant_id = @tenant AND o.provider = :provider
), stored AS (
    INSERT INTO oauth_providers (tenant_id, provider, is_enabled, client_id, client_secret_sealed, redirect_uris)
    SELECT @tenant, :provider, :is_enabled, coalesce(:client_id, b.client_id),
           coalesce(:client_secret_sealed, b.client_secret_sealed),
           CASE WHEN :has_redirect_uris THEN :redirect_uris::text[]
                ELSE coalesce(b.redirect_uris, '{}') END
    FROM before b
    ON CONFLICT (tenant_id, provider) DO UPDATE
    SET is_enabled = excluded.is_enabled, client_id = excluded.client_id,
        client_secret_sealed = excluded.client_secret_sealed, redirect_uris = excluded.redirect_uris
    RETURNING *
)
SELECT s.provider, 'Google' AS name, s.is_enabled, s.client_id, s.client_secret_sealed IS NOT NULL AS has_client_secret,
       s.redirect_uris, format('%s/api/v1/auth/%s/callback', @public_url::text, s.provider) AS callback_url, s.updated_at,
       audit('settings.update', 'oauth_provider', s.provider, jsonb_build_object('is_enabled', s.is_enabled, 'fields',
             changed_fields(coalesce(before.row, '{}'), to_jsonb(s) - 'tenant_id' - 'provider'))) AS _noted
FROM stored s, before;
