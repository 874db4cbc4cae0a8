-- Plans from what a provider sells.

-- Make a plan of a provider's product, or bring the prices of the one that it is up to date; is_dry: only say what would be.
-- A row for each difference; none: there is nothing to do.
--
-- The plan is the one that has the product's id, else one of its prices; else a new one.  What it is called and what it includes is
-- its owner's from then on.  product: id name description currency, month and year as {id, amount}, or null.
CREATE OR REPLACE FUNCTION plan_import(provider text, product jsonb, is_dry boolean, OUT member text, OUT ours text, OUT theirs text)
RETURNS SETOF record
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    p      plans;
    cycle  text;
    has    plan_prices;
    sold   jsonb;
    is_new boolean;
    rest   boolean;
    called text := left(product ->> 'name', 200);
BEGIN
    SELECT * INTO p FROM plans q
    WHERE q.tenant_id = app_tenant() AND q.provider = plan_import.provider AND q.provider_id = product ->> 'id'
    ORDER BY q.created_at, q.id LIMIT 1;
    IF NOT FOUND THEN
        SELECT q.* INTO p
        FROM plan_prices x JOIN plans q ON q.tenant_id = x.tenant_id AND q.id = x.plan_id
        WHERE x.tenant_id = app_tenant() AND x.provider = plan_import.provider
          AND x.provider_id IN (product #>> '{month,id}', product #>> '{year,id}')
        ORDER BY q.created_at, q.id LIMIT 1;
    END IF;
    is_new := NOT FOUND;
    IF is_new THEN
        IF EXISTS (SELECT FROM plans q WHERE q.tenant_id = app_tenant() AND lower(q.name) = lower(called)) THEN
            called := called || ' (' || (product ->> 'id') || ')';
        END IF;
        member := 'plan'; ours := NULL; theirs := called; RETURN NEXT;
        IF NOT is_dry THEN
            INSERT INTO plans AS q (tenant_id, name, description, currency, provider, provider_id)
            VALUES (app_tenant(), called, left(product ->> 'description', 2000), upper(product ->> 'currency'), plan_import.provider, product ->> 'id')
            RETURNING * INTO p;
        END IF;
    ELSE
        IF (p.provider, p.provider_id) IS DISTINCT FROM (plan_import.provider, product ->> 'id') THEN
            member := 'product'; ours := p.provider_id; theirs := product ->> 'id'; RETURN NEXT;
        END IF;
        IF lower(p.currency) <> product ->> 'currency' THEN
            member := 'currency'; ours := lower(p.currency); theirs := product ->> 'currency'; RETURN NEXT;
        END IF;
        IF p.is_free THEN
            member := 'is_free'; ours := 'true'; theirs := 'false'; RETURN NEXT;
        END IF;
        IF NOT is_dry THEN
            UPDATE plans q
            SET provider = plan_import.provider, provider_id = product ->> 'id', is_free = false,
                currency = CASE WHEN lower(q.currency) = product ->> 'currency' THEN q.currency ELSE upper(product ->> 'currency') END
            WHERE q.tenant_id = p.tenant_id AND q.id = p.id
              AND (q.provider, q.provider_id, q.is_free, lower(q.currency)) IS DISTINCT FROM (plan_import.provider, product ->> 'id', false, product ->> 'currency');
        END IF;
    END IF;
    FOREACH cycle IN ARRAY '{month,year}'::text[] LOOP
        SELECT * INTO has FROM plan_prices x WHERE x.tenant_id = app_tenant() AND x.plan_id = p.id AND x.interval = cycle;
        sold := product -> cycle;
        -- One that is not sold stays, unless it is in another currency.
        rest := jsonb_typeof(sold) IS DISTINCT FROM 'object';
        IF rest AND (is_new OR lower(p.currency) = product ->> 'currency' OR has.provider_id IS NULL AND coalesce(has.amount, 0) = 0) THEN
            CONTINUE;
        END IF;
        IF (coalesce(has.amount, 0), has.provider_id) IS DISTINCT FROM (coalesce((sold ->> 'amount')::bigint, 0), sold ->> 'id') THEN
            member := cycle;
            ours := CASE WHEN has.provider_id IS NOT NULL OR has.amount > 0 THEN concat_ws(':', has.provider_id, has.amount) END;
            theirs := concat_ws(':', sold ->> 'id', sold ->> 'amount');
            RETURN NEXT;
            IF NOT is_dry THEN
                INSERT INTO plan_prices AS x (tenant_id, plan_id, interval, amount, provider, provider_id, is_global)
                VALUES (p.tenant_id, p.id, cycle, coalesce((sold ->> 'amount')::bigint, 0), plan_import.provider, sold ->> 'id', p.is_global)
                ON CONFLICT (tenant_id, plan_id, interval) DO UPDATE
                SET amount = excluded.amount, provider = excluded.provider, provider_id = excluded.provider_id;
            END IF;
        END IF;
    END LOOP;
    IF NOT is_dry AND member IS NOT NULL THEN
        PERFORM audit(CASE WHEN is_new THEN 'plan.create' ELSE 'plan.update' END, 'plan', p.id::text,
                      jsonb_build_object('name', p.name, 'provider', plan_import.provider, 'provider_id', product ->> 'id'));
    END IF;
END
$$;
