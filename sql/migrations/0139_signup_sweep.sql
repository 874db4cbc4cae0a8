-- Sign-ups that nobody goes on with are looked for in one question over all tenants.
CREATE POLICY signup_runs_sweep ON signup_runs FOR SELECT TO CURRENT_USER
    USING (ended_at IS NULL AND due_at <= now() OR sealed IS NOT NULL AND ended_at < now() - interval '10 minutes');
CREATE INDEX signup_runs_left ON signup_runs (due_at) WHERE ended_at IS NULL;
CREATE INDEX signup_runs_kept ON signup_runs (ended_at) WHERE sealed IS NOT NULL;
DROP INDEX signup_runs_due, signup_runs_sealed;
