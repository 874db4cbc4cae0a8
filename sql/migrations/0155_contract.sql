-- What the last release kept for the binaries before it, and nobody calls any more.

DROP FUNCTION IF EXISTS
    recordset_slots(jsonb, jsonb, jsonb),
    record_version_end(records);
