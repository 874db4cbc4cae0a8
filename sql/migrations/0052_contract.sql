-- What the last release kept for the binaries before it, and nobody calls any more.

DROP FUNCTION IF EXISTS
    webhook_event_store(text, text, text, text, timestamptz, jsonb, text, text, text),
    realtime_count(uuid[], bigint[]);
