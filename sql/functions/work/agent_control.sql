-- Agents that are started and stopped on a host: what it is asked, and what became of that.

-- The next number of a wish.  Of the clock, so that a database that was restored is not behind what its hosts have seen.
CREATE OR REPLACE FUNCTION agent_wish(last bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    RETURN greatest(last + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
END
$$;

-- The line that ashlar host gets (host/agents.c).
CREATE OR REPLACE FUNCTION agent_question(a tenant_agents, action text, default_model text, url text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    RETURN jsonb_build_object('verb', 'agents.apply', 'do', action, 'wish', a.wish, 'instance', tenant_number(a.tenant_id) || '-' || a.name, 'name', a.name,
                              'display_name', a.display_name, 'model', coalesce(a.model, default_model), 'emoji', a.emoji, 'interval_s', a.interval_s, 'url', url)::text;
END
$$;

-- The ten steps in their order.  What the host did not say was not done: it could not be asked, or was ended in the middle.
CREATE OR REPLACE FUNCTION agent_steps(said jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    why    text := coalesce(said ->> 'error', 'the host did not come to it');
    is_out boolean := false;
    names  text[] := '{validate,db_registration,workspace,soul_md,run_script,automations,unit_files,load_agent,heartbeat,log}';
    steps  jsonb := '[]';
    one    jsonb;
BEGIN
    FOR i IN 1 .. 10 LOOP
        one := (SELECT s FROM jsonb_array_elements(said -> 'steps') s WHERE s ->> 'name' = names[i] LIMIT 1);
        one := CASE
            WHEN i IN (1, 2, 10) THEN '{"status": "ok", "message": null}'
            WHEN i = 6 THEN '{"status": "skipped", "message": "it has no automations"}'
            WHEN i = 9 AND NOT is_out THEN '{"status": "ok", "message": null}'
            WHEN one IS NOT NULL THEN one
            WHEN is_out THEN '{"status": "skipped", "message": "a step before it failed"}'
            ELSE jsonb_build_object('status', 'failed', 'message', why)
        END;
        is_out := is_out OR one ->> 'status' = 'failed';
        steps := steps || jsonb_build_object('step', i, 'name', names[i], 'status', one ->> 'status', 'message', one ->> 'message');
    END LOOP;
    RETURN steps;
END
$$;

-- What the host did is put down.  A later wish has its own answer, and its status stays.
CREATE OR REPLACE FUNCTION agent_apply(agent_name text, action text, wished bigint, why text, said jsonb) RETURNS TABLE (name text, status text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    a tenant_agents;
BEGIN
    UPDATE tenant_agents x
    SET status = CASE WHEN x.wish > wished THEN x.status WHEN action = 'stop' THEN 'stopped' ELSE 'active' END,
        done_wish = greatest(x.done_wish, wished), run_due_at = CASE WHEN x.wanted = 'running' THEN now() + make_interval(secs => x.interval_s) END,
        host = coalesce(said ->> 'host', x.host), failures = CASE WHEN action = 'stop' THEN x.failures ELSE 0 END,
        steps = CASE WHEN action = 'stop' THEN x.steps ELSE agent_steps(said) END
    WHERE x.tenant_id = app_tenant() AND x.name = agent_name
    RETURNING * INTO a;
    IF FOUND THEN
        PERFORM tenant_agent_note(a.name, CASE action WHEN 'stop' THEN 'stopped' WHEN 'start' THEN 'started' ELSE 'restarted' END,
                                  jsonb_strip_nulls(jsonb_build_object('note', why, 'host', a.host)));
        name := a.name;
        status := a.status;
        RETURN NEXT;
    END IF;
END
$$;

-- ---------------------------------------------------------------- the clock of a host

-- What ashlar host is to do with its agents now: "run" those that are due, whose next time is put down with it, and repeat wishes that nobody has
-- carried out for ten seconds, which the api has in hand before.  At most a hundred of each.
CREATE OR REPLACE FUNCTION host_agents_due(this_host text) RETURNS TABLE (tenant uuid, agent bigint, wish bigint, question text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    here text := coalesce(current_setting('app.tenant_id', true), '');
    d    record;
    a    tenant_agents;
BEGIN
    FOR d IN (SELECT x.tenant_id, x.number, 'run' AS action FROM tenant_agents x
              WHERE x.host = this_host AND x.wanted = 'running' AND x.run_due_at <= now() AND x.run_due_at IS NOT NULL
              ORDER BY x.run_due_at LIMIT 100)
             UNION ALL
             (SELECT x.tenant_id, x.number, 'wish' FROM tenant_agents x
              WHERE x.host = this_host AND x.wish > x.done_wish AND x.wish < (extract(epoch FROM now() - interval '10 seconds') * 1000000)::bigint
              ORDER BY x.wish LIMIT 100) LOOP
        PERFORM set_config('app.tenant_id', d.tenant_id::text, true);
        IF d.action = 'run' THEN
            UPDATE tenant_agents x SET run_due_at = now() + make_interval(secs => x.interval_s)
            WHERE x.tenant_id = d.tenant_id AND x.number = d.number AND x.wanted = 'running' AND x.run_due_at <= now()
            RETURNING * INTO a;
        ELSE
            SELECT * INTO a FROM tenant_agents x WHERE x.tenant_id = d.tenant_id AND x.number = d.number;
        END IF;
        IF FOUND THEN
            tenant := a.tenant_id;
            agent := a.number;
            wish := a.wish;
            question := agent_question(a, CASE WHEN d.action = 'run' THEN 'run' WHEN a.wanted = 'running' THEN 'start' ELSE 'stop' END, coalesce(a.asked_model, ''), coalesce(a.asked_url, ''));
            RETURN NEXT;
        END IF;
    END LOOP;
    PERFORM set_config('app.tenant_id', here, true);
END
$$;
REVOKE ALL ON FUNCTION host_agents_due(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION host_agents_due(text) TO ashlar_api, ashlar_host;

-- A wish was carried out after all.
CREATE OR REPLACE FUNCTION host_agent_done(this_host text, tenant uuid, agent bigint, wished bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    here text := coalesce(current_setting('app.tenant_id', true), '');
    was  boolean;
BEGIN
    PERFORM set_config('app.tenant_id', tenant::text, true);
    UPDATE tenant_agents x
    SET done_wish = wished, status = CASE WHEN x.wanted = 'stopped' THEN 'stopped' WHEN x.status = 'stopped' THEN 'active' ELSE x.status END,
        run_due_at = CASE WHEN x.wanted = 'running' THEN now() + make_interval(secs => x.interval_s) END
    WHERE x.tenant_id = tenant AND x.number = agent AND x.host = this_host AND x.wish = wished;
    was := FOUND;
    PERFORM set_config('app.tenant_id', here, true);
    RETURN was;
END
$$;
REVOKE ALL ON FUNCTION host_agent_done(text, uuid, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION host_agent_done(text, uuid, bigint, bigint) TO ashlar_api, ashlar_host;
