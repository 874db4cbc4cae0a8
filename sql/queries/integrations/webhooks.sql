-- Webhooks: the endpoints of a workspace, or of the tenant where the route is
-- about none (@owner), and what became of deliveries.  That the caller may,
-- the door has checked.

-- columns: delivery
SELECT d.id, d.endpoint_id AS webhook_id, d.message_id, d.event, d.state AS status, d.attempts,
       CASE WHEN d.state = 'pending' THEN d.next_attempt_at END AS next_attempt_at, d.status_code, d.error,
       d.is_redelivery, d.created_at, d.finished_at
FROM webhook_deliveries d;

-- name: webhook_place :row
-- Lets the caller in, and tells which tenant and workspace this is about: in test mode it is not the token's tenant.
SELECT app_tenant()::text AS tenant, app_organization()::text AS workspace;

-- name: webhook_found :row
-- The same for one endpoint, with what is needed to send to it.  No row: there is none.
SELECT e.tenant_id::text AS tenant, e.organization_id::text AS workspace, e.url, e.secret_sealed, e.headers_sealed,
       CASE WHEN e.previous_secret_until > now() THEN e.previous_secret_sealed END AS previous_secret_sealed
FROM webhook_endpoints e
WHERE e.tenant_id = @tenant AND e.id = :webhook_id AND e.owner_id = @owner AND e.deleted_at IS NULL;

-- name: webhook_list :rows
-- All that there are, which are 50 at most.
SELECT w.*
FROM webhook_endpoints e, webhook_shown(e, NULL) w
WHERE e.tenant_id = @tenant AND e.owner_id = @owner AND e.deleted_at IS NULL
  AND (:is_active::boolean IS NULL OR e.is_active = :is_active)
ORDER BY e.created_at DESC, e.id
LIMIT :limit OFFSET :skip;

-- name: webhook_count :row
SELECT count(*) AS count
FROM webhook_endpoints e
WHERE e.tenant_id = @tenant AND e.owner_id = @owner AND e.deleted_at IS NULL
  AND (:is_active::boolean IS NULL OR e.is_active = :is_active);

-- name: webhook_get :row
SELECT w.*
FROM webhook_endpoints e, webhook_shown(e, NULL) w
WHERE e.tenant_id = @tenant AND e.id = :webhook_id AND e.owner_id = @owner AND e.deleted_at IS NULL;

-- name: webhook_create :row
-- At most 50 (webhook_room); the one answer with the secret in full.
WITH made AS (
    INSERT INTO webhook_endpoints
    :values(tenant_id = @tenant, organization_id = @workspace, created_by = @member, name, description, url,
            events = :event_list::text[], header_names = :header_names::text[], headers_sealed, is_active, secret_sealed,
            secret_tail = right(:secret_text, 4))
    FROM webhook_room()
    RETURNING *
)
SELECT w.*
FROM made, webhook_shown(made::webhook_endpoints, :secret_text) w,
     audit('webhook.create', 'webhook', made.id::text, webhook_noted(made::webhook_endpoints));

-- name: webhook_update :row
-- Fields that were not sent keep their value; events and headers are replaced
-- whole.  is_active means what switching means: see webhook_switch().
WITH changed AS (
    UPDATE webhook_endpoints e
    SET :set(name, description, url),
        events = CASE WHEN :has_events THEN :event_list::text[] ELSE e.events END,
        header_names = CASE WHEN :has_headers THEN :header_names::text[]
                            ELSE e.header_names END,
        headers_sealed = CASE WHEN :has_headers THEN :headers_sealed ELSE e.headers_sealed END,
        is_active = coalesce(:is_active, e.is_active),
        disabled_reason = CASE WHEN :is_active THEN NULL ELSE e.disabled_reason END,
        consecutive_failures = CASE WHEN :is_active THEN 0 ELSE e.consecutive_failures END,
        failing_since = CASE WHEN :is_active THEN NULL ELSE e.failing_since END
    WHERE e.tenant_id = @tenant AND e.id = :webhook_id AND e.owner_id = @owner AND e.deleted_at IS NULL
      AND if_match(e.updated_at, :if_match)
    RETURNING *
), off AS (
    SELECT webhook_drop(id) FROM changed WHERE NOT is_active
)
SELECT w.*
FROM changed
LEFT JOIN off ON true,
     webhook_shown(changed::webhook_endpoints, NULL) w,
     audit('webhook.update', 'webhook', changed.id::text,
           webhook_noted(changed::webhook_endpoints) || jsonb_build_object(
               'fields', :changed(name, description, url, events, headers, is_active)));

-- name: webhook_toggle :row
SELECT w.*
FROM webhook_switch(:webhook_id::uuid, NULL) e, webhook_shown(e, NULL) w;

-- name: webhook_delete :row
SELECT id FROM webhook_delete(:webhook_id::uuid);

-- name: webhook_regenerate :row
-- The secret before it goes on signing for a day, beside the new one.
WITH changed AS (
    UPDATE webhook_endpoints e
    SET previous_secret_sealed = e.secret_sealed, previous_secret_until = now() + interval '24 hours',
        secret_sealed = :secret_sealed, secret_tail = right(:secret_text, 4)
    WHERE e.tenant_id = @tenant AND e.id = :webhook_id AND e.owner_id = @owner AND e.deleted_at IS NULL
    RETURNING *
)
SELECT w.*
FROM changed, webhook_shown(changed::webhook_endpoints, :secret_text) w,
     audit('webhook.regenerate_secret', 'webhook', changed.id::text, webhook_noted(changed::webhook_endpoints));

-- name: webhook_delivery_list :page
-- Newest first.
SELECT :columns(delivery), webhook_history(d, false) AS history
FROM webhook_deliveries d
WHERE d.tenant_id = @tenant AND d.endpoint_id = (SELECT webhook_owned(:webhook_id::uuid))
  [AND d.state = :status]
  [AND d.event = :event]
ORDER BY d.created_at DESC, d.id DESC;

-- name: webhook_delivery_get :row
-- With the body as it was sent, and what the receiver answered.
SELECT :columns(delivery), webhook_history(d, true) AS history, m.payload::json AS payload
FROM webhook_endpoints e
JOIN webhook_deliveries d ON d.tenant_id = e.tenant_id AND d.endpoint_id = e.id
JOIN webhook_messages m ON m.tenant_id = d.tenant_id AND m.id = d.message_id
WHERE e.tenant_id = @tenant AND e.id = :webhook_id AND e.owner_id = @owner AND e.deleted_at IS NULL
  AND d.id = :delivery_id;

-- name: webhook_redeliver :row
SELECT d.id, d.endpoint_id AS webhook_id, d.message_id, d.event, d.state AS status, d.attempts, d.next_attempt_at,
       d.status_code, d.error, d.is_redelivery, d.created_at, d.finished_at, '[]'::jsonb AS history
FROM webhook_redeliver(:webhook_id::uuid, :delivery_id::uuid) d;

-- name: webhook_due :rows
-- The deliverer's, for all tenants, as the next two are; see sql/functions/integrations/deliveries.sql.
SELECT endpoint, first_at, last_at, tenant FROM webhooks_due(:since::bigint, :most::integer);

-- name: webhook_claim :rows
SELECT endpoint, delivery, tenant, claim, attempt, due_at, url, secret_sealed, previous_secret_sealed, headers_sealed,
       message_id, payload
FROM webhook_claim(:endpoints::uuid[], :fronts::bigint[], :slots::integer[], :lease_s::integer);

-- name: webhook_claim_traced :rows
-- The same, with what made each.
SELECT endpoint, delivery, tenant, claim, attempt, due_at, url, secret_sealed, previous_secret_sealed, headers_sealed,
       message_id, payload, webhook_trace(tenant::uuid, message_id) AS trace
FROM webhook_claim(:endpoints::uuid[], :fronts::bigint[], :slots::integer[], :lease_s::integer);

-- name: webhook_finish :row
SELECT webhook_finish(:results::jsonb, :disable_after_s::integer) AS switched_off;
