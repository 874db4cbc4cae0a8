-- Signing up with a workspace: a run from the first check to the last row (sql/functions/identity/signup.sql).

-- It is committed before a provider is asked for anything, and again with all that it makes; so whoever dies in between leaves
-- a row that the worker finds, and finishes or undoes.
--
-- kind         free: nothing is paid; card: a subscription with a card; checkout: a page to pay on; invite: it was paid before
-- state        running, then done; or undoing, while what the provider has made for it is taken back, then failed
-- step         of the table in providers/signup.c, that the client is told
-- request      what the account and the workspace are made of; emptied when it ends
-- organization_id  the id that its workspace has, or would have
-- hash         of the job id that a client follows it by, which job_sealed is for its events; NULL: it waits for the answer
-- origin       from where it was asked for, and with what
-- sealed       the last event, with the tokens, for ten minutes
-- due_at       when the worker takes it, unless it has ended
CREATE TABLE signup_runs (
    tenant_id       uuid NOT NULL REFERENCES tenants,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    kind            text NOT NULL,
    state           text NOT NULL DEFAULT 'running',
    step            text NOT NULL DEFAULT 'validating',
    email           text NOT NULL,
    email_key       text,
    request         jsonb NOT NULL,
    invite_id       uuid,
    plan_id         uuid,
    interval        text NOT NULL DEFAULT 'month',
    affiliate_code  text,
    organization_id uuid NOT NULL DEFAULT uuid_v7(),
    user_id         uuid,
    hash            bytea,
    job_sealed      text,
    origin          jsonb NOT NULL DEFAULT '{}',
    sealed          text,
    error           text,
    due_at          timestamptz NOT NULL,
    ended_at        timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT signup_runs_hash_unique UNIQUE (tenant_id, hash),
    CONSTRAINT signup_runs_invite FOREIGN KEY (tenant_id, invite_id) REFERENCES signup_invites,
    CONSTRAINT signup_runs_kind_known CHECK (kind IN ('free', 'card', 'checkout', 'invite')),
    CONSTRAINT signup_runs_state_known CHECK (state IN ('running', 'undoing', 'done', 'failed')),
    CONSTRAINT signup_runs_step_known CHECK (step IN ('validating', 'creating_user', 'creating_workspace', 'running_migrations', 'seeding_data',
                                                      'linking_subscription', 'done')),
    CONSTRAINT signup_runs_invited CHECK ((kind = 'invite') = (invite_id IS NOT NULL)),
    CONSTRAINT signup_runs_ended CHECK ((ended_at IS NOT NULL) = (state IN ('done', 'failed'))),
    CONSTRAINT signup_runs_emptied CHECK (ended_at IS NULL OR request = '{}'),
    CONSTRAINT signup_runs_affiliate_length CHECK (char_length(affiliate_code) <= 100)
);
CREATE UNIQUE INDEX signup_runs_invite_unique ON signup_runs (tenant_id, invite_id) WHERE invite_id IS NOT NULL AND ended_at IS NULL;
CREATE INDEX signup_runs_of_invite ON signup_runs (tenant_id, invite_id) WHERE invite_id IS NOT NULL;
CREATE INDEX signup_runs_due ON signup_runs (tenant_id, due_at) WHERE ended_at IS NULL;
CREATE INDEX signup_runs_sealed ON signup_runs (tenant_id, ended_at) WHERE sealed IS NOT NULL;
CREATE INDEX signup_runs_old ON signup_runs (created_at);

SELECT isolate('signup_runs');
SELECT purgeable('signup_runs', 'ended_at IS NOT NULL AND created_at < now() - interval ''30 days''');
GRANT SELECT, INSERT ON signup_runs TO ashlar_api;
GRANT UPDATE (state, step, request, user_id, sealed, job_sealed, error, due_at, ended_at) ON signup_runs TO ashlar_api;
