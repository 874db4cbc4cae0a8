-- A tenant's own accounts at providers of language models: their key is asked with then, and not the installation's.

--   base_url    the tenant's own server of the provider's form; NULL: where the installation asks
--   key_sealed  lib/crypto/seal.h, purpose "ai_key"
--   key_tail    its last characters, by which people know it again
CREATE TABLE ai_accounts (
    tenant_id  uuid NOT NULL REFERENCES tenants,
    provider   text NOT NULL,
    is_enabled boolean NOT NULL DEFAULT true,
    base_url   text,
    key_sealed text NOT NULL,
    key_tail   text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, provider),
    CONSTRAINT ai_accounts_provider_known CHECK (provider IN ('openai', 'anthropic', 'perplexity')),
    CONSTRAINT ai_accounts_tail_length CHECK (char_length(key_tail) = 4)
);
SELECT isolate('ai_accounts');
GRANT SELECT, INSERT, DELETE ON ai_accounts TO ashlar_api;
SELECT changeable('ai_accounts', 'provider');
