-- The clock of agents: each runs when it is due, on its host, and what was wanted and not carried out is carried out later.

-- ashlar host's own role: it may ask what is due on it, and say what it did; no table is open to it.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ashlar_host') THEN
        CREATE ROLE ashlar_host LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
GRANT USAGE ON SCHEMA public TO ashlar_host;

-- run_due_at   when it is to run next; of several times that were missed there is one run
-- done_wish    the last wish that its host has carried out
-- asked_model  what the host was told for who names no model
-- asked_url    and where the API is
ALTER TABLE tenant_agents
    ADD run_due_at timestamptz,
    ADD done_wish bigint NOT NULL DEFAULT 0,
    ADD asked_model text,
    ADD asked_url text;
CREATE INDEX tenant_agents_run_due ON tenant_agents (host, run_due_at) WHERE wanted = 'running' AND host IS NOT NULL AND run_due_at IS NOT NULL;
CREATE INDEX tenant_agents_undone ON tenant_agents (host, wish) WHERE wish > done_wish AND host IS NOT NULL;
-- A host looks for its own, of all tenants (host_agents_due()).
CREATE POLICY tenant_agents_directory ON tenant_agents FOR SELECT TO CURRENT_USER USING (host IS NOT NULL);
SELECT changeable('tenant_agents', 'number', 'name');
