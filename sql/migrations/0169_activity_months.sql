-- What happened on the days of a month, by scope and by who did it: what the counts of the last thirty days read, a row instead of thirty.

-- days    all its days as one number, each as twelve digits, those of the first at the end: so that one sum adds up all of them, and what is behind a
--         division by a power of ten is the days from one on (activity_day(), sql/functions/work/workspace_activity_reads.sql)
--
-- Kept as long as somebody counts it: activity_forget() removes what is older than three months.
CREATE TABLE activity_months (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    month           date NOT NULL,
    scope_id        uuid NOT NULL,
    actor_id        uuid NOT NULL,
    days            numeric NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, month, scope_id, actor_id),
    CONSTRAINT activity_months_first CHECK (extract(day FROM month) = 1)
) WITH (fillfactor = 70);
CREATE INDEX activity_months_age ON activity_months (month) WHERE month > '-infinity';    -- for activity_forget() alone, which says so
SELECT isolate('activity_months');
GRANT SELECT ON activity_months TO ashlar_api;
-- The owner removes what is over, of whatever tenant, while it says so.
CREATE POLICY activity_months_retention ON activity_months TO CURRENT_USER
    USING (current_setting('app.retention', true) = 'activity') WITH CHECK (current_setting('app.retention', true) = 'activity');

-- Kept by the sums of days, whoever writes those: from here on, which waits for who does, none is missed.
CREATE FUNCTION activity_month_count() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO activity_months AS m (tenant_id, organization_id, month, scope_id, actor_id, days)
    VALUES (NEW.tenant_id, NEW.organization_id, date_trunc('month', NEW.day)::date, NEW.scope_id, NEW.actor_id,
            (NEW.count - CASE TG_OP WHEN 'UPDATE' THEN OLD.count ELSE 0 END) * ('1e' || 12 * (extract(day FROM NEW.day) - 1))::numeric)
    ON CONFLICT (tenant_id, organization_id, month, scope_id, actor_id) DO UPDATE SET days = m.days + EXCLUDED.days;
    RETURN NULL;
END
$$;
CREATE TRIGGER activity_days_months AFTER INSERT OR UPDATE OF count ON activity_days FOR EACH ROW
    WHEN (NEW.day > '-infinity') EXECUTE FUNCTION activity_month_count();

-- Of those that are there.
DO $$
DECLARE
    t uuid;
BEGIN
    FOR t IN SELECT id FROM tenants LOOP
        PERFORM set_config('app.tenant_id', t::text, true);
        INSERT INTO activity_months (tenant_id, organization_id, month, scope_id, actor_id, days)
        SELECT d.tenant_id, d.organization_id, date_trunc('month', d.day)::date, d.scope_id, d.actor_id, sum(d.count * ('1e' || 12 * (extract(day FROM d.day) - 1))::numeric)
        FROM activity_days d
        WHERE d.tenant_id = t AND d.day >= (date_trunc('month', now() AT TIME ZONE 'UTC') - interval '2 months')::date
        GROUP BY 1, 2, 3, 4, 5;
    END LOOP;
    PERFORM set_config('app.tenant_id', '', true);
END
$$;
