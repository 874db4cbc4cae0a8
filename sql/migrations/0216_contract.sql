-- What the last release kept for the binaries before it, and nobody calls any more.

DROP FUNCTION IF EXISTS
    record_import_begin(uuid, uuid),
    record_import_batch(uuid, uuid, bigint, bigint, jsonb, jsonb, bigint, bigint),
    records_batch(uuid, jsonb, text),
    record_export_batch(uuid, uuid, text[], timestamptz, uuid, bigint, bigint),
    record_facet_values(records, text, text);
