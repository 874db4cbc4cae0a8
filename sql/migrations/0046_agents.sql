-- Agents: those that a tenant defines, what their users say to them, and those that run elsewhere and tell of their calls.

-- ---------------------------------------------------------------- elsewhere

-- An agent that runs elsewhere.  What it has done is in external_agent_daily, and each call in external_agent_calls.
CREATE TABLE external_agents (
    tenant_id    uuid NOT NULL REFERENCES tenants,
    id           uuid NOT NULL DEFAULT uuid_v7(),
    name         text NOT NULL,
    description  text,
    platform     text,
    is_active    boolean NOT NULL DEFAULT true,
    calls_count  bigint NOT NULL DEFAULT 0,
    last_call_at timestamptz,
    created_by   uuid NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT external_agents_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT external_agents_description_length CHECK (char_length(description) <= 2000),
    CONSTRAINT external_agents_platform_length CHECK (char_length(platform) <= 50)
) WITH (fillfactor = 80);    -- each call counts (HOT)
CREATE UNIQUE INDEX external_agents_name_unique ON external_agents (tenant_id, lower(name));
SELECT isolate('external_agents', 'name', 'description', 'platform', 'is_active');
GRANT SELECT, INSERT ON external_agents TO ashlar_api;
SELECT changeable('external_agents', 'created_by');

-- A call that was told of, of which nothing is ever changed.  cost: in millionths of a dollar.
CREATE TABLE external_agent_calls (
    tenant_id         uuid NOT NULL,
    id                uuid NOT NULL DEFAULT uuid_v7(),
    external_agent_id uuid NOT NULL,
    user_id           uuid,
    organization_id   uuid,
    input_tokens      bigint NOT NULL,
    output_tokens     bigint NOT NULL,
    total_tokens      bigint NOT NULL,
    cost              bigint NOT NULL,
    duration_ms       bigint NOT NULL,
    status            text NOT NULL,
    error_message     text,
    call_metadata     jsonb,
    created_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT external_agent_calls_agent FOREIGN KEY (tenant_id, external_agent_id) REFERENCES external_agents,
    CONSTRAINT external_agent_calls_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT external_agent_calls_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT external_agent_calls_status_known CHECK (status IN ('SUCCESS', 'ERROR')),
    CONSTRAINT external_agent_calls_not_negative CHECK (least(input_tokens, output_tokens, total_tokens, cost, duration_ms) >= 0)
);
CREATE INDEX external_agent_calls_of_agent ON external_agent_calls (tenant_id, external_agent_id, id);
SELECT isolate('external_agent_calls');
GRANT SELECT, INSERT ON external_agent_calls TO ashlar_api;

-- What each has done on a day (UTC) for each organization (usage_id), which analytics reads.
CREATE TABLE external_agent_daily (
    tenant_id         uuid NOT NULL,
    day               date NOT NULL,
    external_agent_id uuid NOT NULL,
    organization_id   uuid NOT NULL,
    calls             bigint NOT NULL,
    errors            bigint NOT NULL,
    total_tokens      bigint NOT NULL,
    cost              bigint NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, day, external_agent_id, organization_id),
    CONSTRAINT external_agent_daily_agent FOREIGN KEY (tenant_id, external_agent_id) REFERENCES external_agents
) WITH (fillfactor = 80);
SELECT isolate('external_agent_daily');
GRANT SELECT, INSERT ON external_agent_daily TO ashlar_api;
SELECT changeable('external_agent_daily');

-- ---------------------------------------------------------------- a tenant's own

-- An agent of a tenant: what the model is told, and with what.
--
--   response_type     what its answers are to be
--   rag_provider      NONE, or where its knowledge is (rag_config: {"file_ids": […], "top_k": 5})
--   mcp_servers       its tools: [{"name", "url", "transport", "headers", "allowed_tools", "is_enabled"}], with the values
--                     of headers sealed
--   model, temperature, max_tokens
--                     what a chat may say otherwise; NULL: as the installation has it
--   deleted_at        its conversations and executions stay
CREATE TABLE agents (
    tenant_id              uuid NOT NULL REFERENCES tenants,
    id                     uuid NOT NULL DEFAULT uuid_v7(),
    name                   text NOT NULL,
    description            text,
    system_prompt          text NOT NULL,
    response_type          text NOT NULL DEFAULT 'text',
    rag_provider           text NOT NULL DEFAULT 'NONE',
    rag_config             jsonb,
    mcp_servers            jsonb NOT NULL DEFAULT '[]',
    model                  text,
    temperature            numeric,
    max_tokens             bigint,
    is_active              boolean NOT NULL DEFAULT true,
    available_to_end_users boolean NOT NULL DEFAULT false,
    created_by             uuid NOT NULL,
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz NOT NULL DEFAULT now(),
    deleted_at             timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT agents_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT agents_response_type_known CHECK (response_type IN ('text', 'audio', 'video')),
    CONSTRAINT agents_rag_provider_known CHECK (rag_provider IN ('NONE', 'GOOGLE_FILE_SEARCH')),
    CONSTRAINT agents_rag_config_files CHECK (rag_provider = 'NONE' OR coalesce(jsonb_array_length(rag_config -> 'file_ids'), 0) > 0),
    CONSTRAINT agents_mcp_servers_list CHECK (jsonb_typeof(mcp_servers) = 'array'),
    CONSTRAINT agents_temperature_range CHECK (temperature BETWEEN 0 AND 2),
    CONSTRAINT agents_max_tokens_range CHECK (max_tokens >= 1)
);
CREATE INDEX agents_newest ON agents (tenant_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX agents_available ON agents (tenant_id, created_at, id)
    WHERE deleted_at IS NULL AND is_active AND available_to_end_users;
SELECT isolate('agents');
GRANT SELECT, INSERT ON agents TO ashlar_api;
SELECT changeable('agents', 'created_by');

-- What a user and an agent have said; an ended one takes nothing more.
CREATE TABLE agent_conversations (
    tenant_id  uuid NOT NULL,
    id         uuid NOT NULL DEFAULT uuid_v7(),
    agent_id   uuid NOT NULL,
    user_id    uuid NOT NULL,
    title      text,
    status     text NOT NULL DEFAULT 'ACTIVE',
    messages   integer NOT NULL DEFAULT 0,    -- how many there are
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT agent_conversations_agent FOREIGN KEY (tenant_id, agent_id) REFERENCES agents,
    CONSTRAINT agent_conversations_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT agent_conversations_title_length CHECK (char_length(title) <= 255),
    CONSTRAINT agent_conversations_status_known CHECK (status IN ('ACTIVE', 'ENDED'))
);
CREATE INDEX agent_conversations_of_user ON agent_conversations (tenant_id, user_id, agent_id, updated_at, id);
CREATE INDEX agent_conversations_of_agent ON agent_conversations (tenant_id, agent_id);
SELECT isolate('agent_conversations');
GRANT SELECT, INSERT ON agent_conversations TO ashlar_api;
SELECT changeable('agent_conversations', 'agent_id', 'user_id');

CREATE TABLE agent_messages (
    tenant_id        uuid NOT NULL,
    id               uuid NOT NULL DEFAULT uuid_v7(),
    conversation_id  uuid NOT NULL,
    role             text NOT NULL,
    content          text NOT NULL,
    tokens_used      bigint,
    message_metadata jsonb,
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT agent_messages_conversation FOREIGN KEY (tenant_id, conversation_id) REFERENCES agent_conversations,
    CONSTRAINT agent_messages_role_known CHECK (role IN ('system', 'user', 'assistant'))
);
CREATE INDEX agent_messages_of_conversation ON agent_messages (tenant_id, conversation_id, id);
SELECT isolate('agent_messages');
GRANT SELECT, INSERT ON agent_messages TO ashlar_api;

-- Each time that an agent was asked, and what became of it.  cost: in millionths of a dollar.
CREATE TABLE agent_executions (
    tenant_id          uuid NOT NULL,
    id                 uuid NOT NULL DEFAULT uuid_v7(),
    agent_id           uuid NOT NULL,
    user_id            uuid NOT NULL,
    organization_id    uuid,
    conversation_id    uuid,
    input_text         text NOT NULL,
    output_text        text NOT NULL DEFAULT '',
    tokens_used        bigint NOT NULL DEFAULT 0,
    cost               bigint NOT NULL DEFAULT 0,
    execution_time_ms  bigint NOT NULL DEFAULT 0,
    status             text NOT NULL DEFAULT 'PENDING',
    error_message      text,
    execution_metadata jsonb,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT agent_executions_agent FOREIGN KEY (tenant_id, agent_id) REFERENCES agents,
    CONSTRAINT agent_executions_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    CONSTRAINT agent_executions_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT agent_executions_conversation FOREIGN KEY (tenant_id, conversation_id) REFERENCES agent_conversations,
    CONSTRAINT agent_executions_status_known CHECK (status IN ('SUCCESS', 'FAILED', 'PENDING'))
);
CREATE INDEX agent_executions_of_user ON agent_executions (tenant_id, user_id, agent_id, id);
CREATE INDEX agent_executions_of_agent ON agent_executions (tenant_id, agent_id);
SELECT isolate('agent_executions');
GRANT SELECT, INSERT ON agent_executions TO ashlar_api;
SELECT changeable('agent_executions', 'agent_id', 'user_id');

-- What each has done on a day (UTC) for each organization (usage_id), which analytics reads.
CREATE TABLE agent_daily (
    tenant_id       uuid NOT NULL,
    day             date NOT NULL,
    agent_id        uuid NOT NULL,
    organization_id uuid NOT NULL,
    executions      bigint NOT NULL,
    failed          bigint NOT NULL,
    tokens          bigint NOT NULL,
    cost            bigint NOT NULL,
    duration_ms     bigint NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, day, agent_id, organization_id),
    CONSTRAINT agent_daily_agent FOREIGN KEY (tenant_id, agent_id) REFERENCES agents
) WITH (fillfactor = 80);
SELECT isolate('agent_daily');
GRANT SELECT, INSERT ON agent_daily TO ashlar_api;
SELECT changeable('agent_daily');
