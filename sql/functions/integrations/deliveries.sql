-- The deliverer's side of webhooks (worker/deliver.c).  It works for all
-- tenants, so these run as the owner of the tables, whom their policies let see
-- every row; what they do for one tenant (audit, mail) they do inside of it.

-- Which endpoints have something that is due: since a time, in microseconds
-- since 1970, what has become due from then on (at most that many rows are
-- looked at, oldest first); NULL: everything, one look into the index for each
-- endpoint that waits for anything.  first_at and last_at: of its rows seen.
--
-- The first is the usual way.  It reads no entry twice, however many are waiting
-- or dead in the index while somebody's old snapshot keeps it from being
-- cleaned; what it may miss, such as a row that was committed later than a
-- younger one, is found by the second, now and then.
CREATE OR REPLACE FUNCTION webhooks_due(since bigint, most integer)
RETURNS TABLE (endpoint text, first_at bigint, last_at bigint, tenant text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    begins timestamptz := 'epoch'::timestamptz + since * interval '1 microsecond';
BEGIN
    IF since IS NOT NULL THEN
        RETURN QUERY
            SELECT d.endpoint_id::text, (extract(epoch FROM min(d.next_attempt_at)) * 1000000)::bigint,
                   (extract(epoch FROM max(d.next_attempt_at)) * 1000000)::bigint, d.tenant_id::text
            FROM (SELECT x.tenant_id, x.endpoint_id, x.next_attempt_at
                  FROM webhook_deliveries x
                  WHERE x.state IN ('pending', 'delivering') AND x.next_attempt_at > begins AND x.next_attempt_at <= now()
                  ORDER BY x.next_attempt_at
                  LIMIT most) d
            GROUP BY d.tenant_id, d.endpoint_id;
        RETURN;
    END IF;
    RETURN QUERY
        WITH RECURSIVE waiting (id, at, tenant_id) AS (
            (SELECT x.endpoint_id, x.next_attempt_at, x.tenant_id
             FROM webhook_deliveries x
             WHERE x.state IN ('pending', 'delivering')
             ORDER BY x.endpoint_id, x.next_attempt_at
             LIMIT 1)
            UNION ALL
            SELECT n.endpoint_id, n.next_attempt_at, n.tenant_id
            FROM waiting w CROSS JOIN LATERAL (
                SELECT x.endpoint_id, x.next_attempt_at, x.tenant_id
                FROM webhook_deliveries x
                WHERE x.state IN ('pending', 'delivering') AND x.endpoint_id > w.id
                ORDER BY x.endpoint_id, x.next_attempt_at
                LIMIT 1) n
        )
        SELECT w.id::text, (extract(epoch FROM w.at) * 1000000)::bigint, (extract(epoch FROM w.at) * 1000000)::bigint,
               w.tenant_id::text
        FROM waiting w
        WHERE w.at <= now();
END
$$;
REVOKE ALL ON FUNCTION webhooks_due(bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION webhooks_due(bigint, integer) TO ashlar_api;

-- Take deliveries that are due: of each endpoint, from a time on (before which
-- there are none, as far as the caller knows), up to so many, for so long.  What
-- no endpoint wants any more, because it is off or gone, is dropped.
CREATE OR REPLACE FUNCTION webhook_claim(endpoints uuid[], fronts bigint[], slots integer[], lease_s integer)
RETURNS TABLE (endpoint text, delivery text, tenant text, claim integer, attempt integer, due_at bigint, url text,
               secret_sealed text, previous_secret_sealed text, headers_sealed text, message_id text, payload text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE webhook_deliveries d SET state = 'dropped', finished_at = now()
    FROM webhook_endpoints e
    WHERE e.id = ANY (endpoints) AND NOT e.is_active AND d.tenant_id = e.tenant_id AND d.endpoint_id = e.id
      AND d.state IN ('pending', 'delivering') AND d.next_attempt_at <= now();
    RETURN QUERY
        WITH due AS (
            SELECT x.tenant_id, x.id, x.next_attempt_at
            FROM unnest(endpoints, fronts, slots) w (id, front, slots)
            CROSS JOIN LATERAL (
                SELECT d.tenant_id, d.id, d.next_attempt_at
                FROM webhook_deliveries d
                WHERE d.endpoint_id = w.id AND d.state IN ('pending', 'delivering')
                  AND d.next_attempt_at >= 'epoch'::timestamptz + w.front * interval '1 microsecond'
                  AND d.next_attempt_at <= now()
                ORDER BY d.next_attempt_at
                LIMIT w.slots
                FOR UPDATE SKIP LOCKED) x
        ), taken AS (
            UPDATE webhook_deliveries d
            SET state = 'delivering', claims = d.claims + 1, next_attempt_at = now() + make_interval(secs => lease_s)
            FROM due
            WHERE d.tenant_id = due.tenant_id AND d.id = due.id
            RETURNING d.*, due.next_attempt_at AS due_at
        )
        SELECT t.endpoint_id::text, t.id::text, t.tenant_id::text, t.claims, t.attempts + 1,
               (extract(epoch FROM t.due_at) * 1000000)::bigint, e.url, e.secret_sealed,
               CASE WHEN e.previous_secret_until > now() THEN e.previous_secret_sealed END, e.headers_sealed, m.id, m.payload
        FROM taken t
        JOIN webhook_endpoints e ON e.tenant_id = t.tenant_id AND e.id = t.endpoint_id
        JOIN webhook_messages m ON m.tenant_id = t.tenant_id AND m.id = t.message_id
        ORDER BY t.due_at;
END
$$;
REVOKE ALL ON FUNCTION webhook_claim(uuid[], bigint[], integer[], integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION webhook_claim(uuid[], bigint[], integer[], integer) TO ashlar_api;

-- Switch an endpoint off that cannot be delivered to, and tell whose it is: the
-- workspace's owners and admins, or the tenant's, as far as mail_take() lets it.
-- Locked by the caller.
CREATE OR REPLACE FUNCTION webhook_give_up(e webhook_endpoints, reason text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    noted text := set_config('app.tenant_id', e.tenant_id::text, true);
    place text;
BEGIN
    UPDATE webhook_endpoints x SET is_active = false, disabled_reason = reason WHERE x.tenant_id = e.tenant_id AND x.id = e.id;
    UPDATE webhook_deliveries d SET state = 'dropped', finished_at = now()
    WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.id AND d.state IN ('pending', 'delivering');
    PERFORM audit('webhook.disable', 'webhook', e.id::text, webhook_noted(e) || jsonb_build_object('reason', reason),
                  'deliverer', 'system');
    IF e.organization_id IS NULL THEN
        SELECT t.name INTO place FROM tenants t WHERE t.id = e.tenant_id;
    ELSE
        SELECT o.name INTO place FROM organizations o WHERE o.tenant_id = e.tenant_id AND o.id = e.organization_id;
    END IF;
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    SELECT e.tenant_id, 'ashlar.mail', 'mail', jsonb_build_object('template', 'webhook_disabled', 'to', who.email, 'locale', who.locale,
               'data', jsonb_build_object('url', e.url, 'name', e.name, 'reason', reason, 'workspace', place))
    FROM (SELECT u.email, u.email_key, u.locale
          FROM memberships m JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id
          WHERE m.tenant_id = e.tenant_id AND m.organization_id = e.organization_id AND m.is_active
            AND m.role IN ('owner', 'admin') AND u.access > 0 AND u.email IS NOT NULL
          UNION ALL
          SELECT t.email, t.email_key, 'en'
          FROM team_members t
          WHERE e.organization_id IS NULL AND t.tenant_id = e.tenant_id AND t.role IN ('owner', 'admin') AND t.is_active
            AND t.deleted_at IS NULL AND t.joined_at IS NOT NULL
          LIMIT 20) who
    WHERE mail_take(coalesce('organization:' || e.organization_id, 'tenant'), true,
                    limit_account(who.email_key, who.email)) = 0;
END
$$;
REVOKE ALL ON FUNCTION webhook_give_up(webhook_endpoints, text) FROM PUBLIC;

-- What came of attempts, in the order in which they ended.  Of each:
--
--   tenant, endpoint, delivery, claim
--   outcome     delivered, retry (in delay_s seconds), failed, gone (a 410:
--               failed, and the endpoint is switched off), or back: it was not
--               tried, and is due again
--   status, error, latency_ms, request, head, body
--               for the history; no status: no answer
--
-- A delivery that was taken by another process meanwhile, or dropped, is left as
-- it is, but its attempt was made and counts.  Endpoints are locked first, in
-- one order: so do those who switch them on and off, before their deliveries.
-- Returns how many endpoints were switched off.
CREATE OR REPLACE FUNCTION webhook_finish(results jsonb, disable_after_s integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    e   webhook_endpoints;
    off integer := 0;
BEGIN
    PERFORM FROM webhook_endpoints x
    WHERE (x.tenant_id, x.id) IN (SELECT r.tenant, r.endpoint FROM jsonb_to_recordset(results) r (tenant uuid, endpoint uuid))
    ORDER BY x.tenant_id, x.id
    FOR NO KEY UPDATE;

    WITH r AS MATERIALIZED (
        SELECT * FROM ROWS FROM (jsonb_to_recordset(results) AS (
            tenant uuid, endpoint uuid, delivery uuid, claim integer, outcome text, delay_s double precision,
            status integer, error text, latency_ms integer, request jsonb, head text, body text))
            WITH ORDINALITY AS r (tenant, endpoint, delivery, claim, outcome, delay_s, status, error, latency_ms, request,
                                  head, body, n)
    ), ended AS (
        UPDATE webhook_deliveries d
        SET state = CASE r.outcome WHEN 'delivered' THEN 'delivered' WHEN 'retry' THEN 'pending' WHEN 'back' THEN 'pending'
                                   ELSE 'failed' END,
            attempts = d.attempts + (r.outcome <> 'back')::integer,
            next_attempt_at = CASE r.outcome WHEN 'retry' THEN now() + r.delay_s * interval '1 second'
                                             WHEN 'back' THEN now() ELSE d.next_attempt_at END,
            status_code = CASE WHEN r.outcome = 'back' THEN d.status_code ELSE r.status END,
            error = CASE WHEN r.outcome = 'back' THEN d.error ELSE r.error END,
            finished_at = CASE WHEN r.outcome IN ('retry', 'back') THEN NULL ELSE now() END
        FROM r
        WHERE d.tenant_id = r.tenant AND d.id = r.delivery AND d.claims = r.claim AND d.state = 'delivering'
    ), noted AS (
        INSERT INTO webhook_attempts (tenant_id, delivery_id, number, status_code, error, request_headers, response_head,
                                      response_body, latency_ms, created_at)
        SELECT r.tenant, r.delivery, r.claim, r.status, r.error, r.request, r.head, r.body, r.latency_ms,
               now() - r.latency_ms * interval '1 millisecond'
        FROM r JOIN webhook_deliveries d ON d.tenant_id = r.tenant AND d.id = r.delivery
        WHERE r.outcome <> 'back'
        ON CONFLICT DO NOTHING
    )
    UPDATE webhook_endpoints x
    SET success_count = x.success_count + s.good,
        failure_count = x.failure_count + s.bad,
        last_status_code = s.last_status,
        last_triggered_at = now(),
        consecutive_failures = CASE WHEN s.good > 0 THEN s.tail ELSE x.consecutive_failures + s.bad END,
        failing_since = CASE WHEN s.tail = 0 THEN NULL WHEN s.good > 0 THEN now() ELSE coalesce(x.failing_since, now()) END
    FROM (SELECT o.tenant, o.endpoint, o.good, o.bad, o.last_status,
                 coalesce(array_position(o.newest_first, true) - 1, o.bad) AS tail
          FROM (SELECT r.tenant, r.endpoint, count(*) FILTER (WHERE r.outcome = 'delivered') AS good,
                       count(*) FILTER (WHERE r.outcome <> 'delivered') AS bad,
                       (array_agg(r.status ORDER BY r.n DESC))[1] AS last_status,
                       array_agg(r.outcome = 'delivered' ORDER BY r.n DESC) AS newest_first
                FROM r
                WHERE r.outcome <> 'back'
                GROUP BY r.tenant, r.endpoint) o) s
    WHERE x.tenant_id = s.tenant AND x.id = s.endpoint;

    FOR e IN
        SELECT x.*
        FROM webhook_endpoints x
        WHERE (x.tenant_id, x.id) IN (SELECT r.tenant, r.endpoint FROM jsonb_to_recordset(results) r (tenant uuid, endpoint uuid))
          AND x.is_active
          AND (x.failing_since <= now() - disable_after_s * interval '1 second'
               OR x.id IN (SELECT r.endpoint FROM jsonb_to_recordset(results) r (endpoint uuid, outcome text)
                           WHERE r.outcome = 'gone'))
    LOOP
        off := off + 1;
        PERFORM webhook_give_up(e, CASE
            WHEN e.last_status_code = 410 THEN 'endpoint answered 410'
            ELSE 'no attempt has succeeded for ' || CASE WHEN disable_after_s % 86400 = 0
                THEN disable_after_s / 86400 || ' days' ELSE disable_after_s || ' seconds' END END);
    END LOOP;
    RETURN off;
END
$$;
REVOKE ALL ON FUNCTION webhook_finish(jsonb, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION webhook_finish(jsonb, integer) TO ashlar_api;
