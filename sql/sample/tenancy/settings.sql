INSERT INTO plans (tenant_id, id, name)
VALUES (app_tenant(), pg_temp.id('plan'), 'Harbour Pro');

INSERT INTO subscription_events (tenant_id, provider, event_id, object_key, kind, rank, occurred_at, customer, product, status, amount_cents, currency)
VALUES (app_tenant(), 'stripe', 'evt_harbour_started', 'sub_harbour', 'started', 0, now() - interval '90 days', 'cus_harbour', 'Harbour Pro', 'active', 2900, 'eur');
