-- A tenant's own accounts at providers of language models.

-- What is NULL stays as it is, but for an address that is taken away: has_url without url.  Raises AS422: there is no key yet.
CREATE OR REPLACE FUNCTION ai_account_put(of_provider text, enabled boolean, has_url boolean, url text, sealed text, tail text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF sealed IS NOT NULL THEN
        INSERT INTO ai_accounts AS a (tenant_id, provider, is_enabled, base_url, key_sealed, key_tail)
        VALUES (app_tenant(), of_provider, coalesce(enabled, true), url, sealed, tail)
        ON CONFLICT (tenant_id, provider) DO UPDATE
        SET key_sealed = excluded.key_sealed, key_tail = excluded.key_tail, is_enabled = coalesce(enabled, a.is_enabled),
            base_url = CASE WHEN has_url THEN url ELSE a.base_url END;
        RETURN;
    END IF;
    UPDATE ai_accounts a
    SET is_enabled = coalesce(enabled, a.is_enabled), base_url = CASE WHEN has_url THEN url ELSE a.base_url END
    WHERE a.tenant_id = app_tenant() AND a.provider = of_provider;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS422' USING MESSAGE = 'there is no key yet: give api_key', HINT = 'api_key';
    END IF;
END
$$;
