-- after: users
-- {request_id} = 01932f3e-8b5a-4c3d-9e4f-5a6b7c8d9e0f
INSERT INTO request_errors (tenant_id, request_id, method, path, status, code, message, field, user_id)
SELECT app_tenant(), e.request_id, 'POST', '/api/v1/app/projects', 422, 'VALIDATION_ERROR', e.message, 'name', u.id
FROM users u,
     (VALUES ('harbour-1', 'name is required'), ('harbour-2', 'name must not be null'), ('harbour-3', 'name must be a string of 1 to 255 characters'),
             ('01932f3e-8b5a-4c3d-9e4f-5a6b7c8d9e0f', 'name must be a string of 1 to 255 characters')) e (request_id, message)
WHERE u.tenant_id = app_tenant() AND u.public_id = 'user_demo';
