-- Agents of a tenant: what is put down of what becomes of one.

-- In the audit log and in the tenant's activity, by its name.
CREATE OR REPLACE FUNCTION tenant_agent_note(agent text, action text, details jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit('tenant_agent.' || CASE action WHEN 'created' THEN 'create' WHEN 'updated' THEN 'update' WHEN 'deactivated' THEN 'deactivate'
                                       WHEN 'started' THEN 'start' WHEN 'stopped' THEN 'stop' WHEN 'restarted' THEN 'restart' ELSE action END,
                  'tenant_agent', agent, details);
    PERFORM activity_log_put('agent.' || action, 'agent', agent, details);
    RETURN true;
END
$$;
