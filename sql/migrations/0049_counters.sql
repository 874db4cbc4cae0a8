-- More of what tenant_counters counts (0007), by a trigger that any table can have:
--
--   name                 key
--   organizations        "": those that are there
--   organizations_new    the day they came, in UTC
--   subscription_states  the status of those that count (is_current)
--   subscription_income  "usd/month", "usd/year": what active ones bring each interval, in the currency's smallest unit
--   subscriptions_ended  the day they ended, in UTC
--   files, file_bytes    "": stored objects, and their sizes
--
-- Which a row is in, and with how much, says a function of its table's name: (row) -> name, key, n.  As with users, of many rows
-- in one statement each counter changes once, in one order for all.

CREATE FUNCTION organization_counters(o organizations, OUT name text, OUT key text, OUT n bigint) RETURNS SETOF record
LANGUAGE sql IMMUTABLE ROWS 2
BEGIN ATOMIC
    SELECT 'organizations', '', 1 WHERE o.deleted_at IS NULL
    UNION ALL
    SELECT 'organizations_new', to_char(o.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 1 WHERE o.deleted_at IS NULL;
END;

CREATE FUNCTION subscription_counters(s subscriptions, OUT name text, OUT key text, OUT n bigint) RETURNS SETOF record
LANGUAGE sql IMMUTABLE ROWS 3
BEGIN ATOMIC
    SELECT 'subscription_states', s.status, 1 WHERE s.is_current
    UNION ALL
    SELECT 'subscription_income', lower(s.currency) || '/' || s.interval, s.amount * s.quantity
    WHERE s.is_current AND s.status = 'active' AND s.amount > 0 AND s.currency IS NOT NULL
    UNION ALL
    SELECT 'subscriptions_ended', to_char(s.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 1 WHERE s.status = 'canceled';
END;

CREATE FUNCTION stored_object_counters(o stored_objects, OUT name text, OUT key text, OUT n bigint) RETURNS SETOF record
LANGUAGE sql IMMUTABLE ROWS 2
BEGIN ATOMIC
    SELECT 'files', '', 1 WHERE o.state = 'stored'
    UNION ALL
    SELECT 'file_bytes', '', o.size WHERE o.state = 'stored';
END;

CREATE FUNCTION count_rows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    parts text := '';
BEGIN
    IF TG_OP <> 'DELETE' THEN
        parts := format('SELECT r.tenant_id, k.name, k.key, k.n FROM made r, %I(r) k', TG_ARGV[0]);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        parts := concat_ws(' UNION ALL ', nullif(parts, ''), format('SELECT r.tenant_id, k.name, k.key, -k.n AS n FROM gone r, %I(r) k', TG_ARGV[0]));
    END IF;
    EXECUTE 'INSERT INTO tenant_counters AS c (tenant_id, name, key, n) SELECT x.tenant_id, x.name, x.key, sum(x.n) FROM (' || parts || ') x
             GROUP BY 1, 2, 3 HAVING sum(x.n) <> 0 ORDER BY 1, 2, 3
             ON CONFLICT (tenant_id, name, key, shard) DO UPDATE SET n = c.n + excluded.n';
    RETURN NULL;
END
$$;

-- Have a table counted, from now on and what is there, by the function of this name.
CREATE FUNCTION counted(tbl regclass, counters text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    named name := (SELECT relname FROM pg_class WHERE oid = tbl);
    t     uuid;
BEGIN
    EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON %s REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION count_rows(%L)',
                   named || '_counted_in', tbl, counters);
    EXECUTE format('CREATE TRIGGER %I AFTER DELETE ON %s REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION count_rows(%L)',
                   named || '_counted_out', tbl, counters);
    EXECUTE format('CREATE TRIGGER %I AFTER UPDATE ON %s REFERENCING OLD TABLE AS gone NEW TABLE AS made FOR EACH STATEMENT
                    EXECUTE FUNCTION count_rows(%L)', named || '_counted', tbl, counters);
    FOR t IN SELECT id FROM tenants LOOP
        PERFORM set_config('app.tenant_id', t::text, true);
        EXECUTE format('INSERT INTO tenant_counters (tenant_id, name, key, n)
                        SELECT r.tenant_id, k.name, k.key, sum(k.n) FROM %s r, %I(r) k WHERE r.tenant_id = $1 GROUP BY 1, 2, 3 HAVING sum(k.n) <> 0',
                       tbl, counters) USING t;
    END LOOP;
    PERFORM set_config('app.tenant_id', '', true);
END
$$;
REVOKE ALL ON FUNCTION counted(regclass, text) FROM PUBLIC;

SELECT counted('organizations', 'organization_counters');
SELECT counted('subscriptions', 'subscription_counters');
SELECT counted('stored_objects', 'stored_object_counters');
