-- after: users
-- {request_id} = 01932f3e-8b5a-4c3d-9e4f-5a6b7c8d9e0f
INSERT INTO request_errors (tenant_id, request_id, method, path, status, code, message, field, user_id)
SELECT app_tenant(), '01932f3e-8b5a-4c3d-9e4f-5a6b7c8d9e0f', 'POST', '/api/v1/app/projects', 422, 'VALIDATION_ERROR',
       'name must be a string of 1 to 255 characters', 'name', u.id
FROM users u
WHERE u.tenant_id = app_tenant() AND u.public_id = 'user_demo';
