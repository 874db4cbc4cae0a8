-- Slots: values of records in typed columns, so that filters and orders are conditions of an index under the policies.
--
-- Which field is in which slot is the recordset's to say (recordsets.slots), so that one column is a city here and a name there; who writes a
-- record writes its slots (record_slotted()). Each slot has an index of those that have something in it: who uses none pays for none.

-- t01 to t16: the first 256 characters; n01 to n16: numbers as doubles; d01 to d08: times; b01 to b06: true or false. folded: all that is searched,
-- in small letters. What is deleted has none of these.
DO $$
DECLARE
    kinds text[] := '{{t,16,text COLLATE \"und-x-icu\"},{n,16,double precision},{d,8,timestamptz},{b,6,boolean}}';
    slot  text;
    kind  text;
    alter_ text := '';
    made  text := '';
BEGIN
    FOR kind, slot IN SELECT kinds[k][3], kinds[k][1] || lpad(i::text, 2, '0')
                      FROM generate_series(1, 4) k, generate_series(1, kinds[k][2]::integer) i ORDER BY k, i LOOP
        alter_ := alter_ || format(', ADD COLUMN %I %s', slot, kind);
        made := made || format(', %I %s', slot, kind);
    END LOOP;
    EXECUTE 'ALTER TABLE records ADD COLUMN folded text COLLATE "C"' || alter_;
    EXECUTE 'CREATE TYPE record_slots AS (folded text' || made || ')';
    FOR slot IN SELECT kinds[k][1] || lpad(i::text, 2, '0')
                FROM generate_series(1, 4) k, generate_series(1, kinds[k][2]::integer) i ORDER BY k, i LOOP
        EXECUTE format('CREATE INDEX records_%1$s ON records (content_id, %1$s, id) WHERE %1$s IS NOT NULL', slot);
    END LOOP;
END
$$;
SELECT changeable('records', 'organization_id', 'recordset_id', 'content_id', 'created_by_id');

-- The orders that every recordset has, and what every record may be looked for by.
CREATE INDEX records_changed ON records (content_id, updated_at DESC, id) WHERE deleted_at IS NULL;
CREATE INDEX records_titled ON records (content_id, (title COLLATE "und-x-icu"), id) WHERE title IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX records_states ON records (content_id, status, id) WHERE deleted_at IS NULL;
CREATE INDEX records_grouped ON records (content_id, group_id, id) WHERE group_id IS NOT NULL AND deleted_at IS NULL;

-- slots: {"t06": "city", "folded": ["on"]}, and of "folded" the keys whose texts are not searched; NULL: nobody has said it yet.  filled: the same as far
-- as all records have them, which is what may be asked.
ALTER TABLE recordsets ADD COLUMN slots jsonb, ADD COLUMN slots_filled jsonb NOT NULL DEFAULT '{}';
SELECT changeable('recordsets', 'slug', 'created_by_id', 'is_virtual', 'integration_type', 'staging_table');
CREATE INDEX recordsets_unfilled ON recordsets (tenant_id, organization_id, id) WHERE slots IS NULL OR slots <> slots_filled;

-- What is searched by three letters in a row, by tags and by tools; see 0031_search.sql. What comes is put into it in portions.
DO $$
BEGIN
    CREATE INDEX records_search ON records USING gin (content_id, folded gin_trgm_ops, tags, tool_statuses) WITH (gin_pending_list_limit = 512)
        WHERE deleted_at IS NULL;
EXCEPTION
    WHEN undefined_object OR undefined_file OR feature_not_supported THEN
        RAISE WARNING 'records are searched one by one: %', SQLERRM;
END
$$;

-- Slots are no change of what clients see.
CREATE OR REPLACE TRIGGER records_touch BEFORE UPDATE OF title, title_given, status, tags, field_values, tool_statuses, group_id, owner_id, version, deleted_at
    ON records FOR EACH ROW EXECUTE FUNCTION touch();
CREATE OR REPLACE TRIGGER recordsets_touch BEFORE UPDATE OF name, description, type, mode, icon, color, fields, title_field, schema_version, content_id, settings, is_virtual,
    integration_type, staging_table, owner_id, is_active, trashed_at, trashed_by_id ON recordsets FOR EACH ROW EXECUTE FUNCTION touch();
