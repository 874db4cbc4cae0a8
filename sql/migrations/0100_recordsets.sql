-- Recordsets: tables that a workspace shapes by itself, and who may do what with one.

-- fields is the schema as clients have it, an array of definitions in their order; title_field names one of them.  A key stands
-- for ever for what was stored under it: who takes a field out of the schema takes no value away.  schema_version counts its
-- changes, so that who has checked values against it can tell whether it is still that one.
--
-- content_id is what its records name beside it: with another one all that there were are found no more, at once, however many.
--
-- A recordset in the trash (trashed_at) keeps its slug.
CREATE TABLE recordsets (
    tenant_id        uuid NOT NULL,
    organization_id  uuid NOT NULL,
    id               uuid NOT NULL DEFAULT uuid_v7(),
    slug             text NOT NULL,
    name             text NOT NULL,
    description      text,
    type             text NOT NULL DEFAULT 'custom',
    mode             text NOT NULL DEFAULT 'TABLE',
    icon             text,
    color            text,
    fields           jsonb NOT NULL DEFAULT '[]',
    title_field      text,
    schema_version   integer NOT NULL DEFAULT 1,
    content_id       uuid NOT NULL DEFAULT uuid_v7(),
    settings         jsonb NOT NULL DEFAULT '{}',
    is_virtual       boolean NOT NULL DEFAULT false,
    integration_type text,
    staging_table    text,
    owner_id         uuid,
    is_active        boolean NOT NULL DEFAULT true,
    created_by_id    uuid,
    trashed_at       timestamptz,
    trashed_by_id    uuid,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, id),
    CONSTRAINT recordsets_slug_unique UNIQUE (tenant_id, organization_id, slug),
    CONSTRAINT recordsets_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT recordsets_owner FOREIGN KEY (tenant_id, organization_id, owner_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (owner_id),
    CONSTRAINT recordsets_created_by FOREIGN KEY (tenant_id, organization_id, created_by_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (created_by_id),
    CONSTRAINT recordsets_trashed_by FOREIGN KEY (tenant_id, organization_id, trashed_by_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (trashed_by_id),
    CONSTRAINT recordsets_slug_format CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND char_length(slug) <= 120),
    CONSTRAINT recordsets_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT recordsets_description_length CHECK (char_length(description) <= 2000),
    CONSTRAINT recordsets_type_known CHECK (type IN ('custom', 'contacts', 'companies', 'properties', 'deals', 'products', 'operators',
                                                     'underwriting', 'integration')),
    CONSTRAINT recordsets_mode_known CHECK (mode IN ('TABLE', 'MAP', 'PIPELINE')),
    CONSTRAINT recordsets_icon_length CHECK (char_length(icon) <= 50),
    CONSTRAINT recordsets_color_format CHECK (color ~ '^#[0-9a-fA-F]{6}$'),
    CONSTRAINT recordsets_fields_is_array CHECK (jsonb_typeof(fields) = 'array' AND jsonb_array_length(fields) <= 500),
    CONSTRAINT recordsets_settings_is_object CHECK (jsonb_typeof(settings) = 'object'),
    CONSTRAINT recordsets_settings_size CHECK (octet_length(settings::text) <= 65536)
);
CREATE INDEX recordsets_list ON recordsets (tenant_id, organization_id, lower(name), id) WHERE trashed_at IS NULL;
CREATE INDEX recordsets_trash ON recordsets (tenant_id, organization_id, trashed_at DESC, id) WHERE trashed_at IS NOT NULL;
CREATE INDEX recordsets_trashed ON recordsets (trashed_at) WHERE trashed_at IS NOT NULL;
CREATE INDEX recordsets_of_owner ON recordsets (tenant_id, organization_id, owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX recordsets_of_creator ON recordsets (tenant_id, organization_id, created_by_id) WHERE created_by_id IS NOT NULL;
CREATE INDEX recordsets_of_trasher ON recordsets (tenant_id, organization_id, trashed_by_id) WHERE trashed_by_id IS NOT NULL;

SELECT isolate('recordsets');
SELECT purgeable('recordsets', 'trashed_at < now() - interval ''30 days''');
GRANT SELECT, INSERT, DELETE ON recordsets TO ashlar_api;
SELECT changeable('recordsets', 'slug', 'created_by_id', 'is_virtual', 'integration_type', 'staging_table');

-- How many records a recordset has: the sum of its stripes.  A writer counts in one of sixteen, so that of those that write
-- into one recordset at once few wait for one another.
CREATE TABLE recordset_counts (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    recordset_id    uuid NOT NULL,
    stripe          smallint NOT NULL,
    count           bigint NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, recordset_id, stripe),
    CONSTRAINT recordset_counts_recordset FOREIGN KEY (tenant_id, organization_id, recordset_id) REFERENCES recordsets ON DELETE CASCADE,
    CONSTRAINT recordset_counts_stripe_range CHECK (stripe BETWEEN 0 AND 15)
) WITH (fillfactor = 50);

SELECT isolate('recordset_counts');
GRANT SELECT, INSERT ON recordset_counts TO ashlar_api;
GRANT UPDATE (count) ON recordset_counts TO ashlar_api;

-- What a member, or each member of a team, may do with a recordset.  What one right means besides (can_edit: can_edit_own) is
-- stored with it; flags is all of them as bits, in the order of the columns, so that those of several grants are one bit_or().
CREATE TABLE recordset_grants (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    recordset_id    uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    member_id       uuid,
    team_id         uuid,
    grantee_id      uuid NOT NULL GENERATED ALWAYS AS (coalesce(member_id, team_id)) STORED,
    can_view        boolean NOT NULL DEFAULT true,
    can_create      boolean NOT NULL DEFAULT false,
    can_edit        boolean NOT NULL DEFAULT false,
    can_edit_own    boolean NOT NULL DEFAULT false,
    can_delete      boolean NOT NULL DEFAULT false,
    can_delete_own  boolean NOT NULL DEFAULT false,
    can_admin       boolean NOT NULL DEFAULT false,
    flags           integer NOT NULL GENERATED ALWAYS AS (can_view::integer + can_create::integer * 2 + can_edit::integer * 4
        + can_edit_own::integer * 8 + can_delete::integer * 16 + can_delete_own::integer * 32 + can_admin::integer * 64) STORED,
    granted_by_id   uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, recordset_id, grantee_id),
    CONSTRAINT recordset_grants_recordset FOREIGN KEY (tenant_id, organization_id, recordset_id) REFERENCES recordsets ON DELETE CASCADE,
    CONSTRAINT recordset_grants_member FOREIGN KEY (tenant_id, organization_id, member_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE CASCADE,
    CONSTRAINT recordset_grants_team FOREIGN KEY (tenant_id, organization_id, team_id) REFERENCES workspace_teams ON DELETE CASCADE,
    CONSTRAINT recordset_grants_granted_by FOREIGN KEY (tenant_id, organization_id, granted_by_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (granted_by_id),
    CONSTRAINT recordset_grants_to_one CHECK ((member_id IS NULL) <> (team_id IS NULL)),
    CONSTRAINT recordset_grants_closed CHECK (can_view AND (can_edit_own OR NOT can_edit) AND (can_delete_own OR NOT can_delete)
        AND (NOT can_admin OR (can_create AND can_edit AND can_delete)))
);
CREATE INDEX recordset_grants_of_member ON recordset_grants (tenant_id, organization_id, member_id) WHERE member_id IS NOT NULL;
CREATE INDEX recordset_grants_of_team ON recordset_grants (tenant_id, organization_id, team_id) WHERE team_id IS NOT NULL;
CREATE INDEX recordset_grants_of_granter ON recordset_grants (tenant_id, organization_id, granted_by_id) WHERE granted_by_id IS NOT NULL;

SELECT isolate('recordset_grants');
GRANT SELECT, INSERT, DELETE ON recordset_grants TO ashlar_api;
SELECT changeable('recordset_grants', 'recordset_id', 'member_id', 'team_id');
