-- {provider} = google
-- Not enabled: it has no secret.  A tenant that has its own keeps it.
INSERT INTO oauth_providers (tenant_id, provider, client_id)
VALUES (app_tenant(), 'google', 'harbour-works.apps.example.com')
ON CONFLICT DO NOTHING;
