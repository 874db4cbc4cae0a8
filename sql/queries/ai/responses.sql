-- What was said in turns before, in the form of OpenAI's Responses.

-- name: response_items :row
SELECT ai_response_items(:previous_response_id, @user, :api_key::bytea)::text AS items;

-- name: response_keep :exec
INSERT INTO ai_responses (tenant_id, id, owner_id, previous_id, items)
VALUES (@tenant, :operation::uuid, :of_user::uuid, ai_response_id(:previous_response_id), :items::jsonb);

-- name: response_delete :row
DELETE FROM ai_responses r
WHERE r.tenant_id = @tenant AND r.id = (SELECT ai_response_id(:response_id)) AND r.owner_id = (SELECT ai_owner(@user, :api_key::bytea))
RETURNING :response_id AS id, 'response' AS object, true AS deleted;
