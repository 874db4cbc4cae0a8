-- How often a field without a slot was filtered or sorted by in a large recordset: behind the third time it gets one.

-- {"key": times}: of those that have been counted, and are not wanted yet.
ALTER TABLE recordsets ADD COLUMN slot_uses jsonb NOT NULL DEFAULT '{}';
SELECT changeable('recordsets', 'created_by_id', 'is_virtual', 'integration_type', 'staging_table', 'is_entity');
