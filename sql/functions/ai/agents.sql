-- A tenant's agents, and what users say to them.

-- A user's way to an agent: true, or AS404 unless it is there, active and made available.
CREATE OR REPLACE FUNCTION agent_enter(agent uuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF EXISTS (SELECT FROM agents a WHERE a.tenant_id = app_tenant() AND a.id = agent AND a.deleted_at IS NULL AND a.is_active
                                      AND a.available_to_end_users) THEN
        RETURN true;
    END IF;
    RAISE SQLSTATE 'AS404' USING MESSAGE = 'Agent not found', DETAIL = agent::text;
END
$$;

-- Tool servers as anybody may see them: without what is in their headers.
CREATE OR REPLACE FUNCTION agent_servers_shown(servers jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN (SELECT coalesce(jsonb_agg(s || jsonb_build_object('headers', (
                SELECT coalesce(jsonb_object_agg(h.key, '***'), '{}') FROM jsonb_each(s -> 'headers') h)) ORDER BY place), '[]')
            FROM jsonb_array_elements(servers) WITH ORDINALITY x (s, place));
END
$$;

-- Tool servers that were sent, each header's value sealed, or *** where the one that is stored for the same address is to
-- stay.  Of another address it would go to somebody else: AS422.
CREATE OR REPLACE FUNCTION agent_servers_kept(sent jsonb, stored jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    server jsonb;
    header text;
    value  text;
    kept   jsonb := '[]';
BEGIN
    FOR server IN SELECT jsonb_array_elements(sent) LOOP
        FOR header IN SELECT key FROM jsonb_each_text(server -> 'headers') WHERE jsonb_each_text.value = '***' LOOP
            SELECT s -> 'headers' ->> header INTO value
            FROM jsonb_array_elements(stored) s
            WHERE s ->> 'url' = server ->> 'url' AND s -> 'headers' ? header;
            IF NOT FOUND THEN
                RAISE SQLSTATE 'AS422' USING HINT = 'mcp_servers',
                    MESSAGE = format('%s: there is no value of %s to keep for this address', server ->> 'name', header);
            END IF;
            server := jsonb_set(server, ARRAY ['headers', header], to_jsonb(value));
        END LOOP;
        kept := kept || server;
    END LOOP;
    RETURN kept;
END
$$;

-- ---------------------------------------------------------------- chats

-- Begin to ask an agent: whether the caller may, and all that it takes. The execution is put down as pending, in the transaction
-- that holds its price, and stays so where its process dies.
--
--   organization  which is to pay; NULL: the caller's default one
--   new           how many messages are said
--   use_rag       is the question to be looked up in the agent's files?
--   passages      what was found there (knowledge_passages)
--   history       the last messages of the conversation, the oldest first: [{"role", "content"}], of at most 400,000 characters
--
-- Raises AS403, AS404, and AS409 where the conversation has ended or is full.
CREATE OR REPLACE FUNCTION agent_chat_begin(agent uuid, conversation uuid, organization uuid, new integer, input text, use_rag boolean,
                                            OUT execution_id uuid, OUT organization_id uuid, OUT system_prompt text, OUT model text,
                                            OUT temperature numeric, OUT max_tokens bigint, OUT mcp_servers jsonb, OUT history jsonb,
                                            OUT passages jsonb)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    tenant uuid := app_tenant();
    caller uuid := app_user();
    a      agents;
    talk   agent_conversations;
BEGIN
    PERFORM agent_enter(agent);
    SELECT * INTO a FROM agents x WHERE x.tenant_id = tenant AND x.id = agent;
    IF organization IS NOT NULL THEN
        PERFORM enter_organization(caller, organization, NULL, NULL);
        organization_id := organization;
    ELSE
        SELECT u.default_organization_id INTO organization_id FROM users u WHERE u.tenant_id = tenant AND u.id = caller;
    END IF;
    IF conversation IS NOT NULL THEN
        SELECT * INTO talk FROM agent_conversations c
        WHERE c.tenant_id = tenant AND c.id = conversation AND c.agent_id = agent AND c.user_id = caller;
        IF NOT FOUND THEN
            RAISE SQLSTATE 'AS404' USING MESSAGE = 'Conversation not found', DETAIL = conversation::text, HINT = 'conversation_id';
        ELSIF talk.status = 'ENDED' THEN
            RAISE SQLSTATE 'AS409' USING MESSAGE = 'the conversation has ended', HINT = 'conversation_id';
        ELSIF talk.messages + new >= 1000 THEN
            RAISE SQLSTATE 'AS409' USING MESSAGE = 'the conversation is full: it has 1,000 messages at most', HINT = 'conversation_id';
        END IF;
        SELECT jsonb_agg(jsonb_build_object('role', m.role, 'content', m.content) ORDER BY m.id) INTO history
        FROM (SELECT x.id, x.role, x.content, sum(length(x.content)) OVER (ORDER BY x.id DESC) AS upto
              FROM (SELECT y.id, y.role, y.content FROM agent_messages y
                    WHERE y.tenant_id = tenant AND y.conversation_id = conversation
                    ORDER BY y.id DESC LIMIT 200) x) m
        WHERE m.upto <= 400000;
    END IF;
    INSERT INTO agent_executions AS x (tenant_id, agent_id, user_id, organization_id, conversation_id, input_text)
    VALUES (tenant, agent, caller, agent_chat_begin.organization_id, conversation, input)
    RETURNING x.id INTO execution_id;
    system_prompt := a.system_prompt;
    model := a.model;
    temperature := trim_scale(a.temperature);
    max_tokens := a.max_tokens;
    mcp_servers := a.mcp_servers;
    IF use_rag AND a.rag_provider <> 'NONE' THEN
        passages := knowledge_passages(ARRAY(SELECT jsonb_array_elements_text(a.rag_config -> 'file_ids')::uuid), input,
                                       coalesce((a.rag_config ->> 'top_k')::integer, 5));
    END IF;
END
$$;

-- An execution has ended: what became of it, and what was said, which is kept in its conversation unless that has ended meanwhile.
--
--   said  the new messages, [{"role", "content"}]; NULL: it failed, and nothing of it is kept
CREATE OR REPLACE FUNCTION agent_chat_end(execution uuid, output text, tokens bigint, cost bigint, duration_ms bigint, error text,
                                          metadata jsonb, said jsonb) RETURNS SETOF agent_executions
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    x    agent_executions;
    kept integer := 0;
BEGIN
    UPDATE agent_executions e
    SET output_text = output, tokens_used = tokens, cost = agent_chat_end.cost, execution_time_ms = duration_ms,
        status = CASE WHEN error IS NULL THEN 'SUCCESS' ELSE 'FAILED' END, error_message = error, execution_metadata = metadata
    WHERE e.tenant_id = app_tenant() AND e.id = execution AND e.status = 'PENDING'
    RETURNING * INTO x;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    INSERT INTO agent_daily AS d (tenant_id, day, agent_id, organization_id, executions, failed, tokens, cost, duration_ms)
    VALUES (x.tenant_id, (x.created_at AT TIME ZONE 'UTC')::date, x.agent_id, usage_id(x.organization_id), 1, (error IS NOT NULL)::integer,
            tokens, agent_chat_end.cost, agent_chat_end.duration_ms)
    ON CONFLICT ON CONSTRAINT agent_daily_pkey DO UPDATE
    SET executions = d.executions + 1, failed = d.failed + excluded.failed, tokens = d.tokens + excluded.tokens,
        cost = d.cost + excluded.cost, duration_ms = d.duration_ms + excluded.duration_ms;
    IF x.conversation_id IS NOT NULL AND said IS NOT NULL THEN
        kept := jsonb_array_length(said);
        UPDATE agent_conversations c
        SET messages = c.messages + kept
        WHERE c.tenant_id = x.tenant_id AND c.id = x.conversation_id AND c.status = 'ACTIVE' AND c.messages + kept <= 1000;
        IF FOUND THEN
            INSERT INTO agent_messages (tenant_id, conversation_id, role, content, tokens_used, message_metadata)
            SELECT x.tenant_id, x.conversation_id, s.value ->> 'role', s.value ->> 'content',
                   CASE WHEN s.place = kept THEN tokens END, CASE WHEN s.place = kept THEN metadata END
            FROM jsonb_array_elements(said) WITH ORDINALITY s (value, place)
            ORDER BY s.place;
        END IF;
    END IF;
    RETURN NEXT x;
END
$$;
