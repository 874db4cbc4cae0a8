-- What a request was refused with, or failed at.

-- name: request_error_note :row
-- What the housekeeper asks: see sql/functions/ops/request_errors.sql.
SELECT request_errors_note(:errors::jsonb) AS noted;

-- name: request_error_get :row
-- A key sees its tenant's, a user their own.
WITH these AS MATERIALIZED (    -- by the request's id, of which there are few, and not by the newest first
    SELECT e.*
    FROM request_errors e
    WHERE e.tenant_id = @tenant AND e.request_id = :request_id
)
SELECT e.request_id, e.method, e.path, e.status, e.code, e.message, e.field, e.created_at AS happened_at
FROM these e
WHERE @user IS NULL OR e.user_id = @user
ORDER BY e.id DESC
LIMIT 1;
