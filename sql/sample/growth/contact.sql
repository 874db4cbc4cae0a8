INSERT INTO contact_submissions (tenant_id, reference_id, name, email, company, subject, message)
VALUES (app_tenant(), 'CNT-0DE40001', 'Quentin Quay', 'quentin@quay.example', 'Quay & Daughters', 'A chart for our pier', 'Is our pier on any of your charts?');
