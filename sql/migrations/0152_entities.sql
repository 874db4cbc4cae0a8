-- Entities of the platform surface: recordsets and records in another dialect.

-- A recordset that is an entity schema: every member of the organization may work with its records there, and its fields and name are changed there alone.
ALTER TABLE recordsets ADD COLUMN is_entity boolean NOT NULL DEFAULT false;
CREATE UNIQUE INDEX recordsets_entity_name_unique ON recordsets (tenant_id, organization_id, lower(name)) WHERE is_entity;
CREATE INDEX recordsets_entities ON recordsets (tenant_id, organization_id, created_at DESC, id) WHERE is_entity AND trashed_at IS NULL;
CREATE INDEX recordsets_entities_of_all ON recordsets (tenant_id, created_at DESC, id) WHERE is_entity AND trashed_at IS NULL;
SELECT changeable('recordsets', 'created_by_id', 'is_virtual', 'integration_type', 'staging_table', 'is_entity');

-- The version of the schema that all values of a record were checked against when it was written; NULL: written before this was put down.
ALTER TABLE records ADD COLUMN schema_version integer;

-- What is deleted for good is given a content that no recordset has, and taken away with all that is of it (records_remove()).
SELECT changeable('records', 'organization_id', 'recordset_id', 'created_by_id');
