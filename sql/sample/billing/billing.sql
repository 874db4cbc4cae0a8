-- after: settings organizations users
INSERT INTO plan_prices (tenant_id, plan_id, interval, amount, provider, provider_id)
VALUES
    (app_tenant(), pg_temp.id('plan'), 'month', 2900, 'stripe', 'price_harbour_month'),
    (app_tenant(), pg_temp.id('plan'), 'year', 29000, 'stripe', 'price_harbour_year');

INSERT INTO billing_customers (tenant_id, organization_id, provider, provider_id)
VALUES (app_tenant(), pg_temp.id('organization'), 'stripe', 'cus_harbour');

INSERT INTO subscriptions (tenant_id, id, organization_id, plan_id, tier, status, is_current, amount, currency, started_at, period_start,
                           period_end, provider, provider_id, customer_id, item_id, price_id, seen_at)
VALUES (app_tenant(), pg_temp.id('subscription'), pg_temp.id('organization'), pg_temp.id('plan'), 'harbour pro', 'active', true, 2900, 'usd',
        now() - interval '90 days', now() - interval '10 days', now() + interval '20 days', 'stripe', 'sub_harbour', 'cus_harbour',
        'si_harbour', 'price_harbour_month', now() - interval '10 days');

INSERT INTO invoices (tenant_id, organization_id, provider, provider_id, subscription, number, status, currency, total, amount_due,
                      amount_paid, amount_remaining, issued_at, paid_at)
VALUES (app_tenant(), pg_temp.id('organization'), 'stripe', 'in_harbour', 'sub_harbour', 'HARB-0001', 'paid', 'usd', 2900, 2900, 2900, 0,
        now() - interval '10 days', now() - interval '10 days');

INSERT INTO payments (tenant_id, organization_id, provider, provider_id, amount, currency, status, credited_at)
VALUES (app_tenant(), pg_temp.id('organization'), 'stripe', 'pi_harbour', 2900, 'usd', 'succeeded', now() - interval '10 days');

INSERT INTO billing_operations (tenant_id, organization_id, kind, request, state, provider, provider_id, ended_at)
VALUES (app_tenant(), pg_temp.id('organization'), 'checkout', '{"price": "price_harbour_month"}', 'done', 'stripe', 'cs_harbour',
        now() - interval '90 days');

-- Not enabled: nobody has its key.
INSERT INTO payment_accounts (tenant_id, provider, is_enabled, account, is_live, key_sealed, key_tail)
VALUES (app_tenant(), 'stripe', false, 'acct_harbour', false, 'v1.0.x', 'arbr');

INSERT INTO billing_prices (tenant_id, provider, provider_id, price)
VALUES (app_tenant(), 'stripe', 'price_harbour_seat', '{"id": "price_harbour_seat", "currency": "usd", "amount": 4000, "exact": "4000", "usage": "licensed", "interval": "month", "interval_count": 1, "divide_by": null}');

INSERT INTO billing_periods (tenant_id, id, organization_id, period_start, period_end, provider, provider_id, currency, seat_cost, seat_count,
                             usage_costs, usage_quantities, total_cost, status, invoiced_at)
VALUES (app_tenant(), pg_temp.id('billing period'), pg_temp.id('organization'), now() - interval '40 days', now() - interval '10 days', 'stripe',
        'in_harbour', 'usd', 8000, 2, '{"tokens": 12}', '{"tokens": 600000, "spans": 1200}', 8012, 'paid', now() - interval '10 days');

INSERT INTO billing_steps (tenant_id, about, day, mail)
VALUES (app_tenant(), 'past_due', 3, 'payment_past_due'), (app_tenant(), 'trial_end', -3, 'trial_ending');

INSERT INTO billing_steps_done (tenant_id, subscription_id, about, since, day)
VALUES (app_tenant(), pg_temp.id('subscription'), 'past_due', now() - interval '40 days', 3);
