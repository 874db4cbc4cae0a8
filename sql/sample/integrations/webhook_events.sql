INSERT INTO webhook_events (tenant_id, id, provider, event_id, type, payload, state, processed_at)
VALUES (app_tenant(), pg_temp.id('webhook_event'), 'stripe', 'evt_harbour_paid', 'invoice.paid', '{"id": "evt_harbour_paid", "note": "the mooring is paid for"}', 'processed', now());
