-- Calls of language models: what was asked of which one, by whom, and what it cost.  Money is millionths of a dollar.
--
-- A principal is as usage has it: an organization, a user in it or a user for themself; of a secret key without a user, the key
-- stands in the user's place.  What is not there is the uuid of zeros.

-- Each call, of which nothing is ever changed.
--
--   slot            the month, of a ring of sixteen (usage_slot, usage_rotate): one that is over for a year is truncated
--   purpose         what asked: an operation's id, or a prompt's name
--   prompt_version  the hash of the prompt's text; NULL: it was the caller's own
--   outcome         answered; cut: it broke off, gone: nobody waited for the rest, failed
--   is_estimated    the provider did not get to say the tokens
--   cost            rounded once, from tokens and the model's price on that day
--   first_ms        until the answer began; NULL: it never did
CREATE TABLE ai_calls (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    slot            smallint NOT NULL,
    operation       uuid NOT NULL,
    user_id         uuid NOT NULL,
    organization_id uuid NOT NULL,
    api_key_id      uuid NOT NULL,
    purpose         text NOT NULL,
    provider        text NOT NULL,
    model           text NOT NULL,
    prompt_version  text,
    input_tokens    bigint NOT NULL,
    cached_tokens   bigint NOT NULL,
    output_tokens   bigint NOT NULL,
    is_estimated    boolean NOT NULL,
    cost            bigint NOT NULL,
    outcome         text NOT NULL,
    error           text,
    first_ms        integer,
    duration_ms     integer NOT NULL,
    request_id      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id, slot),
    CONSTRAINT ai_calls_outcome_known CHECK (outcome IN ('answered', 'cut', 'gone', 'failed')),
    CONSTRAINT ai_calls_counts CHECK (input_tokens >= 0 AND output_tokens >= 0 AND cached_tokens BETWEEN 0 AND input_tokens AND cost >= 0)
) PARTITION BY LIST (slot);
SELECT isolate('ai_calls');
GRANT SELECT, INSERT ON ai_calls TO ashlar_api;
-- Rotating is over all tenants, by a function that runs as the owner.
CREATE POLICY ai_calls_directory ON ai_calls TO CURRENT_USER USING (true) WITH CHECK (true);

DO $$
BEGIN
    FOR i IN 0..15 LOOP
        EXECUTE format('CREATE TABLE ai_calls_%1$s PARTITION OF ai_calls FOR VALUES IN (%1$s)', i);
        PERFORM isolate(('ai_calls_' || i)::regclass);
    END LOOP;
END
$$;

-- Their sums by day, kept in the transaction that puts a call down.
CREATE TABLE ai_daily (
    tenant_id       uuid NOT NULL REFERENCES tenants,
    day             date NOT NULL,
    organization_id uuid NOT NULL,
    user_id         uuid NOT NULL,
    api_key_id      uuid NOT NULL,
    purpose         text NOT NULL,
    provider        text NOT NULL,
    model           text NOT NULL,
    calls           bigint NOT NULL DEFAULT 0,
    failures        bigint NOT NULL DEFAULT 0,
    input_tokens    bigint NOT NULL DEFAULT 0,
    cached_tokens   bigint NOT NULL DEFAULT 0,
    output_tokens   bigint NOT NULL DEFAULT 0,
    cost            bigint NOT NULL DEFAULT 0,
    duration_ms     bigint NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, day, organization_id, user_id, api_key_id, purpose, provider, model)
) WITH (fillfactor = 80);
SELECT isolate('ai_daily');
GRANT SELECT, INSERT ON ai_daily TO ashlar_api;
GRANT UPDATE (calls, failures, input_tokens, cached_tokens, output_tokens, cost, duration_ms) ON ai_daily TO ashlar_api;

-- What a tenant has chosen: the models that are asked, in this order, where the one that was named fails.
CREATE TABLE ai_settings (
    tenant_id  uuid PRIMARY KEY REFERENCES tenants,
    fallbacks  text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ai_settings_fallbacks_count CHECK (cardinality(fallbacks) <= 8)
);
SELECT isolate('ai_settings');
GRANT SELECT, INSERT ON ai_settings TO ashlar_api;
SELECT changeable('ai_settings');
