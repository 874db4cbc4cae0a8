-- What the worker asks beside a claim, where there are traces: whose trace a job or a message is a part of.  As the
-- owner, since a claim is for all tenants.

CREATE OR REPLACE FUNCTION job_trace(tenant uuid, id uuid) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN (SELECT t.trace_context FROM job_traces t WHERE t.tenant_id = tenant AND t.job_id = job_trace.id);
END
$$;
REVOKE ALL ON FUNCTION job_trace(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION job_trace(uuid, uuid) TO ashlar_api;

CREATE OR REPLACE FUNCTION webhook_trace(tenant uuid, message text) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN (SELECT m.trace_context FROM webhook_messages m WHERE m.tenant_id = tenant AND m.id = message);
END
$$;
REVOKE ALL ON FUNCTION webhook_trace(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION webhook_trace(uuid, text) TO ashlar_api;
