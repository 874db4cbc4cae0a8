-- What users have said to agents, and what agents have done for them: the caller's own alone.

-- columns: conversation
SELECT c.id, c.tenant_id, c.user_id, c.agent_id, c.title, c.status, c.created_at, c.updated_at
FROM agent_conversations c;

-- columns: execution
SELECT x.id, x.agent_id, x.tenant_id, x.user_id, x.organization_id, x.input_text, x.output_text, x.tokens_used, x.execution_time_ms,
       x.status, x.error_message, x.execution_metadata, x.created_at
FROM agent_executions x;

-- name: execution_list :rows
SELECT :columns(execution)
FROM agent_executions x
WHERE x.tenant_id = @tenant AND x.user_id = @user AND x.agent_id = :agent_id AND agent_enter(:agent_id::uuid)
ORDER BY x.id DESC
LIMIT :limit OFFSET :skip;

-- name: conversation_create :row
WITH made AS (
    INSERT INTO agent_conversations :values(tenant_id = @tenant, agent_id = :agent_id::uuid, user_id = @user, title)
    WHERE agent_enter(:agent_id::uuid)
    RETURNING *
)
SELECT :columns(conversation)
FROM made c;

-- name: conversation_list :rows
SELECT :columns(conversation)
FROM agent_conversations c
WHERE c.tenant_id = @tenant AND c.user_id = @user AND c.agent_id = :agent_id AND agent_enter(:agent_id::uuid)
ORDER BY c.updated_at DESC, c.id DESC
LIMIT :limit OFFSET :skip;

-- name: conversation_get :row
-- All messages of a conversation, which are 1,000 at most.
SELECT :columns(conversation), (
    SELECT coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'role', m.role, 'content', m.content, 'tokens_used', m.tokens_used,
                                                 'message_metadata', m.message_metadata, 'created_at', json_time(m.created_at)) ORDER BY m.id), '[]')
    FROM agent_messages m
    WHERE m.tenant_id = c.tenant_id AND m.conversation_id = c.id) AS messages
FROM agent_conversations c
WHERE c.tenant_id = @tenant AND c.id = :conversation_id AND c.agent_id = :agent_id AND c.user_id = @user;

-- name: conversation_end :row
UPDATE agent_conversations c
SET status = 'ENDED'
WHERE c.tenant_id = @tenant AND c.id = :conversation_id AND c.agent_id = :agent_id AND c.user_id = @user
RETURNING c.id;

-- name: chat_begin :row
SELECT b.execution_id::text AS execution_id, b.organization_id::text AS organization, b.system_prompt, b.model, b.temperature::text AS temperature, b.max_tokens::text AS max_tokens,
       b.mcp_servers::text AS mcp_servers, b.history::text AS history, b.passages::text AS passages, app_tenant()::text AS tenant
FROM agent_chat_begin(:agent_id::uuid, :conversation_id::uuid, :organization::uuid, :new::integer, :input_text, :use_rag::boolean) b;

-- name: chat_end :row
SELECT :columns(execution)
FROM agent_chat_end(:execution::uuid, :output, :tokens_used::bigint, :cost_used::bigint, :duration_ms::bigint, :problem, :metadata::jsonb, :said::jsonb) x;
