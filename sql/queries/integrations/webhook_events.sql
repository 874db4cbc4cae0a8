-- Webhooks that were received; see sql/functions/integrations/webhooks_in.sql.

-- columns: webhook_event
SELECT e.id, e.provider, e.event_id, e.type, e.object_key, e.state, e.attempts, e.replays, e.error, e.occurred_at,
       e.processed_at, e.created_at
FROM webhook_events e;

-- name: webhook_event_store :exec
SELECT webhook_event_keep(:provider, :event_id, :type, :object_key, to_timestamp(:occurred_ms::bigint / 1000.0),
                          :payload::jsonb, :signed, :raw, :problem, :is_own::boolean);

-- name: webhook_event_process :row
-- With a package, Google is to be asked about the purchase first; with an address, that is to be read; with a subscription, an
-- invite is to be made for who has paid for it (signup_invite_wanted).
SELECT w.package, w.purchase_token, coalesce(w.address, i.address) AS address, i.subscription, i.customer, i.full_name, i.locale, i.meta::text AS meta,
       i.is_test::text AS is_test, i.key_sealed, app_tenant()::text AS tenant
FROM webhook_event_process(:event::uuid, :clerk_issuer, :supabase_issuer, :plays::text[], :play::jsonb, :email_key, :email) w
LEFT JOIN LATERAL signup_invite_wanted(:event::uuid) i ON true;

-- name: webhook_event_failed :exec
SELECT webhook_event_failed(:event::uuid, :error, :is_last::boolean);

-- name: webhook_event_list :page
-- Newest first.  Type, state and provider have an index each, and the others are
-- tested on what that finds.
-- scan: a page of the index that is the list's order, and up to 10,001 of its entries
SELECT :columns(webhook_event)
FROM webhook_events e
WHERE e.tenant_id = @tenant
  [AND e.type = :type]
  [AND e.state = :state]
  [AND e.provider = :provider]
  [AND e.created_at >= :from]
  [AND e.created_at < :to]
ORDER BY e.created_at DESC, e.id DESC;

-- name: webhook_event_get :row
SELECT :columns(webhook_event), e.payload
FROM webhook_events e
WHERE e.tenant_id = @tenant AND e.id = :webhook_event_id;

-- name: webhook_event_raw :row
-- The body as it came, sealed, where the payload does not hold all of it.
SELECT provider, event_id, raw
FROM webhook_events
WHERE tenant_id = @tenant AND id = :webhook_event_id;

-- name: webhook_event_replay :row
SELECT :columns(webhook_event), e.payload
FROM webhook_event_replay(:webhook_event_id::uuid, :type, :object_key, to_timestamp(:occurred_ms::bigint / 1000.0),
                          :payload::jsonb, :problem) e;
