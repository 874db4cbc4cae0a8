-- after: members
-- Verified, as its record was there an hour ago.
INSERT INTO workspace_domains (tenant_id, id, organization_id, domain, joining_enabled, verified_at, outcome, checked_at, seen_at, due_at)
VALUES (app_tenant(), pg_temp.id('domain'), pg_temp.id('organization'), 'harbour-works.example', true, now() - interval '30 days', 'found', now() - interval '1 hour',
        now() - interval '1 hour', now() + interval '23 hours');

-- Somebody was let go long ago.
INSERT INTO membership_removals (tenant_id, organization_id, user_id, address_hash)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('user admin'), address_hash('admin@example.com', 'admin@example.com'));
