-- What was said with models in turns that follow one another, as OpenAI's Responses have it: each turn for itself, and which one it
-- follows.

-- A turn: what was asked in it and what was answered, as items.
--
--   id           of the operation that it was (ai_calls.operation); clients know it as resp_<id>
--   owner_id     the user who asked, or the secret key that asked for nobody
--   previous_id  the turn that it follows; that one may be past its time
CREATE TABLE ai_responses (
    tenant_id   uuid NOT NULL REFERENCES tenants,
    id          uuid NOT NULL,
    owner_id    uuid NOT NULL,
    previous_id uuid,
    items       jsonb NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT ai_responses_items_list CHECK (jsonb_typeof(items) = 'array')
);
CREATE INDEX ai_responses_created_at ON ai_responses (created_at);
SELECT isolate('ai_responses');
SELECT purgeable('ai_responses', 'created_at < now() - interval ''30 days''');
GRANT SELECT, INSERT, DELETE ON ai_responses TO ashlar_api;
