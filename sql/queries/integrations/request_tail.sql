-- Requests as they are answered, for who listens: what the housekeeper asks (sql/functions/integrations/tenant_listeners.sql).

-- name: request_tail_tenants :rows
SELECT t.tenant, t.keys FROM request_tail_tenants() t;

-- name: request_tail_put :row
SELECT request_tail_put(:requests::jsonb) AS told;
