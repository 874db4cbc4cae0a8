-- What models are asked: begun by one query, and what came of it put down by another, in a transaction of its own
-- (handlers/ai/meter.h).

-- name: ai_begin :row
SELECT b.operation::text AS operation, b.user_id::text AS user_id, b.key_id::text AS key_id,
       (SELECT array_to_string(s.fallbacks, ',') FROM ai_settings s WHERE s.tenant_id = @tenant) AS fallbacks
FROM ai_begin(:organization::uuid, @user, :api_key::bytea, :is_open::boolean, :tokens::bigint, :cost::bigint, :model, :life::integer) b;

-- name: ai_end :row
SELECT ai_end(:operation::uuid, :organization::uuid, :of_user::uuid, :of_key::uuid, :calls::jsonb, :request_id) AS is_new;

-- name: ai_place :row
-- Whose limits count on the gateway: the organization that is named, which a user has to be a member of, or else the user's default one.
SELECT ai_place(:organization::uuid, @user)::text AS place;

-- name: ai_settings_get :row
SELECT coalesce((SELECT s.fallbacks FROM ai_settings s WHERE s.tenant_id = @tenant), '{}') AS fallbacks;

-- name: ai_settings_save :row
INSERT INTO ai_settings (tenant_id, fallbacks) VALUES (@tenant, :fallbacks::text[])
ON CONFLICT (tenant_id) DO UPDATE SET fallbacks = excluded.fallbacks
RETURNING fallbacks;
