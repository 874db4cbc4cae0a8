-- Which fields of a recordset are asked for by saved views: these get slots before others.

ALTER TABLE recordsets ADD COLUMN slots_wanted text[] NOT NULL DEFAULT '{}';
SELECT changeable('recordsets', 'created_by_id', 'is_virtual', 'integration_type', 'staging_table', 'is_entity');
