-- Whose records there are, in the order in which they are listed and given to another member.

CREATE INDEX records_owned ON records (tenant_id, organization_id, owner_id, id) WHERE owner_id IS NOT NULL AND deleted_at IS NULL;
DROP INDEX records_of_owner;
