-- Webhooks that are sent, for those who own endpoints, in their tenant.  The
-- deliverer's side is deliveries.sql.

-- A time with its microseconds, as this surface has it, for those that stand inside of jsonb.
CREATE OR REPLACE FUNCTION json_time_us(at timestamptz) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
END
$$;

-- An endpoint as its owner sees it.  full_secret is NULL but in the answer that made
-- it: then only its end is shown.  Volatile: it sees what the same statement
-- has just written.
CREATE OR REPLACE FUNCTION webhook_shown(e webhook_endpoints, full_secret text)
RETURNS TABLE (id uuid, workspace_id uuid, name text, description text, url text, events text[], headers jsonb,
               is_active boolean, secret text, last_triggered_at timestamptz, last_status_code integer,
               success_count bigint, failure_count bigint, consecutive_failures integer, disabled_reason text,
               created_by uuid, created_at timestamptz, updated_at timestamptz)
LANGUAGE sql VOLATILE ROWS 1
BEGIN ATOMIC
    SELECT e.id, e.organization_id, e.name, e.description, e.url, e.events,
           (SELECT coalesce(jsonb_object_agg(h.header, '***'), '{}') FROM unnest(e.header_names) h (header)),
           e.is_active, coalesce(full_secret, 'whsec_****' || e.secret_tail), e.last_triggered_at, e.last_status_code,
           e.success_count, e.failure_count, e.consecutive_failures, e.disabled_reason, e.created_by, e.created_at, e.updated_at;
END;

-- What the audit log says of an endpoint: not its path, which often is a secret.
CREATE OR REPLACE FUNCTION webhook_noted(e webhook_endpoints) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN jsonb_build_object('organization_id', e.organization_id, 'name', e.name, 'origin', substring(e.url FROM '^[a-z]+://[^/?#]+'));

-- The endpoint, if it is the workspace's (or the tenant's, where there is none).  Raises AS404.
CREATE OR REPLACE FUNCTION webhook_owned(endpoint uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM FROM webhook_endpoints e
    WHERE e.tenant_id = app_tenant() AND e.id = endpoint AND e.owner_id = coalesce(app_organization(), app_tenant())
      AND e.deleted_at IS NULL;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Webhook not found', DETAIL = endpoint::text;
    END IF;
    RETURN endpoint;
END
$$;

-- Take a place for one more endpoint of the workspace, or of the tenant where
-- there is none.  The row is locked: of two at once the second one waits, and
-- tests the new number.  Raises AS409.
CREATE OR REPLACE FUNCTION webhook_room() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF app_organization() IS NULL THEN
        UPDATE tenants SET webhook_count = webhook_count + 1 WHERE id = app_tenant() AND webhook_count < 50;
    ELSE
        UPDATE organizations SET webhook_count = webhook_count + 1
        WHERE tenant_id = app_tenant() AND id = app_organization() AND webhook_count < 50;
    END IF;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'there are 50 webhooks already, which is the limit: delete one first';
    END IF;
END
$$;

-- What is still on its way to an endpoint is not wanted any more.  An attempt that has
-- begun ends, and is not repeated.
CREATE OR REPLACE FUNCTION webhook_drop(endpoint uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE webhook_deliveries d SET state = 'dropped', finished_at = now()
    WHERE d.tenant_id = app_tenant() AND d.endpoint_id = endpoint AND d.state IN ('pending', 'delivering');
END
$$;

-- Switch an endpoint on or off (NULL: the other way round) and return it.  On
-- forgets why it was off; off drops what is pending.  No row: there is none.
CREATE OR REPLACE FUNCTION webhook_switch(endpoint uuid, active boolean) RETURNS SETOF webhook_endpoints
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    e webhook_endpoints;
BEGIN
    UPDATE webhook_endpoints x
    SET is_active = coalesce(active, NOT x.is_active),
        disabled_reason = NULL,
        consecutive_failures = CASE WHEN coalesce(active, NOT x.is_active) THEN 0 ELSE x.consecutive_failures END,
        failing_since = CASE WHEN coalesce(active, NOT x.is_active) THEN NULL ELSE x.failing_since END
    WHERE x.tenant_id = app_tenant() AND x.id = endpoint AND x.owner_id = coalesce(app_organization(), app_tenant())
      AND x.deleted_at IS NULL
    RETURNING * INTO e;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF NOT e.is_active THEN
        PERFORM webhook_drop(endpoint);
    END IF;
    PERFORM audit(CASE WHEN e.is_active THEN 'webhook.enable' ELSE 'webhook.disable' END, 'webhook', e.id::text, webhook_noted(e));
    RETURN NEXT e;
END
$$;

-- Remove an endpoint.  The row and what became of its deliveries stay until
-- they are purged: an attempt may be under way.  No row: there is none.
CREATE OR REPLACE FUNCTION webhook_delete(endpoint uuid) RETURNS SETOF webhook_endpoints
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    e webhook_endpoints;
BEGIN
    UPDATE webhook_endpoints x SET deleted_at = now(), is_active = false
    WHERE x.tenant_id = app_tenant() AND x.id = endpoint AND x.owner_id = coalesce(app_organization(), app_tenant())
      AND x.deleted_at IS NULL
    RETURNING * INTO e;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF e.organization_id IS NULL THEN
        UPDATE tenants t SET webhook_count = t.webhook_count - 1 WHERE t.id = e.tenant_id;
    ELSE
        UPDATE organizations o SET webhook_count = o.webhook_count - 1
        WHERE o.tenant_id = e.tenant_id AND o.id = e.organization_id;
    END IF;
    PERFORM webhook_drop(endpoint);
    PERFORM audit('webhook.delete', 'webhook', e.id::text, webhook_noted(e));
    RETURN NEXT e;
END
$$;

-- Send a message once more to an endpoint, under its old id, as a delivery of
-- its own.  No row: there is no such delivery.  Raises AS409 while the endpoint
-- is off.
CREATE OR REPLACE FUNCTION webhook_redeliver(endpoint uuid, delivery uuid) RETURNS SETOF webhook_deliveries
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    is_on boolean;
BEGIN
    SELECT e.is_active INTO is_on
    FROM webhook_endpoints e JOIN webhook_deliveries d ON d.tenant_id = e.tenant_id AND d.endpoint_id = e.id
    WHERE e.tenant_id = app_tenant() AND e.id = endpoint AND e.owner_id = coalesce(app_organization(), app_tenant())
      AND e.deleted_at IS NULL AND d.id = delivery
    FOR SHARE OF e;
    IF NOT FOUND THEN
        RETURN;
    ELSIF NOT is_on THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'this webhook is switched off: switch it on first';
    END IF;
    RETURN QUERY
        INSERT INTO webhook_deliveries (tenant_id, endpoint_id, message_id, event, is_redelivery)
        SELECT d.tenant_id, d.endpoint_id, d.message_id, d.event, true
        FROM webhook_deliveries d
        WHERE d.tenant_id = app_tenant() AND d.id = delivery
        RETURNING *;
END
$$;

-- The attempts of a delivery, oldest first; with_body: also what the receiver answered.
-- A workspace sees microseconds, the dashboard, whose endpoints are nobody's, milliseconds.
CREATE OR REPLACE FUNCTION webhook_history(delivery webhook_deliveries, with_body boolean) RETURNS jsonb
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT coalesce(jsonb_agg(jsonb_build_object(
               'number', a.number, 'attempted_at',
               CASE WHEN e.organization_id IS NULL THEN json_time(a.created_at) ELSE json_time_us(a.created_at) END,
               'status_code', a.status_code,
               'error', a.error, 'latency_ms', a.latency_ms, 'request_headers', a.request_headers,
               'response_head', a.response_head)
               || CASE WHEN with_body THEN jsonb_build_object('response_body', a.response_body) ELSE '{}' END
               ORDER BY a.number), '[]')
    FROM webhook_attempts a
    JOIN webhook_endpoints e ON e.tenant_id = a.tenant_id AND e.id = delivery.endpoint_id
    WHERE a.tenant_id = delivery.tenant_id AND a.delivery_id = delivery.id;
END;
