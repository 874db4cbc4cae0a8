-- What a provider signed is kept whatever its form.

-- raw: the body as it came, sealed (providers/webhook_event.h), where payload
-- could not hold all of it: numbers and text that jsonb has no place for, or no
-- JSON at all.  A replay reads it again.
ALTER TABLE webhook_events ADD raw text;
GRANT UPDATE (type, object_key, occurred_at, payload) ON webhook_events TO ashlar_api;
