INSERT INTO organizations (tenant_id, id, name, slug, description, logo_url)
VALUES (app_tenant(), pg_temp.id('organization'), 'Harbour Works', 'harbour-works', 'Builds boats, and the software that they sail by.',
        'https://harbour.example/logo.png');
