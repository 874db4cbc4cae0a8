-- Which modules of the product a workspace has switched off, and how they are set.  No row: it is on, as it comes.
CREATE TABLE module_settings (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    module          text NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    is_enabled      boolean NOT NULL DEFAULT true,
    settings        jsonb NOT NULL DEFAULT '{}',
    updated_by_id   uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT module_settings_module_unique PRIMARY KEY (tenant_id, organization_id, module),
    CONSTRAINT module_settings_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT module_settings_updated_by FOREIGN KEY (tenant_id, organization_id, updated_by_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (updated_by_id),
    CONSTRAINT module_settings_module_length CHECK (char_length(module) BETWEEN 1 AND 50),
    CONSTRAINT module_settings_settings_is_object CHECK (jsonb_typeof(settings) = 'object'),
    CONSTRAINT module_settings_settings_size CHECK (octet_length(settings::text) <= 65536)
);
CREATE INDEX module_settings_of_member ON module_settings (tenant_id, organization_id, updated_by_id) WHERE updated_by_id IS NOT NULL;

SELECT isolate('module_settings');
GRANT SELECT, INSERT ON module_settings TO ashlar_api;
SELECT changeable('module_settings');
