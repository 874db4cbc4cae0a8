-- after: trace_projects
-- {trace_id} = 0af7651916cd43dd8448eb211c80319c
-- A conversation with a model, and a call that failed.
SELECT trace_ingest(
    pg_temp.id('trace project'), ARRAY[t.id, t.id, t.failed], ARRAY[1, 2, 3], ARRAY[NULL, 1, NULL]::bigint[], ARRAY['answer', 'chat gpt-4o-mini', 'tides'],
    ARRAY[2, 3, 2]::smallint[], ARRAY['harbour', 'harbour', 'harbour'], ARRAY['demo', 'demo', 'demo'], ARRAY['1.0', '1.0', '1.0'], ARRAY[NULL, NULL, NULL]::text[],
    ARRAY[t.ns, t.ns + 5000000, t.ns + 60000000000], ARRAY[1200000000, 1100000000, 30000000], ARRAY[1, 1, 2]::smallint[], ARRAY[NULL, NULL, 'no tide tables'],
    ARRAY['{"session.id": "demo-session", "observability.tags": "[\"demo\"]"}',
          '{"gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.prompt_tokens": 820, "gen_ai.usage.completion_tokens": 96}', '{"http.request.method": "GET"}']::jsonb[],
    ARRAY[1, 1, 1], ARRAY['{"service.name": "harbour", "telemetry.sdk.language": "nodejs"}']::jsonb[],
    ARRAY[NULL, NULL, format('[{"time_ns": %s, "name": "exception", "attributes": {"exception.type": "TypeError"}}]', t.ns + 60020000000)]::jsonb[],
    ARRAY[NULL, NULL, NULL]::jsonb[], ARRAY[NULL, 'gpt-4o-mini', NULL], ARRAY[NULL, 820, NULL]::bigint[], ARRAY[NULL, 96, NULL]::bigint[],
    ARRAY[NULL, 0, NULL]::bigint[], ARRAY[NULL, 0, NULL]::bigint[], ARRAY[NULL, 916, NULL]::bigint[], ARRAY[NULL, 1230, NULL]::bigint[],
    ARRAY[NULL, 576, NULL]::bigint[], ARRAY[NULL, 1806, NULL]::bigint[], ARRAY['["demo"]', NULL, NULL]::jsonb[], ARRAY['demo-session', NULL, NULL], ARRAY[0, 0, 0]::smallint[])
FROM (SELECT '0af76519-16cd-43dd-8448-eb211c80319c'::uuid AS id, '4bf92f35-77b3-4da6-a3ce-929d0e0e4736'::uuid AS failed,
             (extract(epoch FROM date_trunc('hour', now() - interval '1 day')) * 1000)::bigint * 1000000 AS ns) t;

-- What the two wrote into their log.
SELECT log_ingest(
    pg_temp.id('trace project'), ARRAY['0af76519-16cd-43dd-8448-eb211c80319c', '0af76519-16cd-43dd-8448-eb211c80319c', '00000000-0000-0000-0000-000000000000']::uuid[],
    ARRAY[1, 2, NULL], ARRAY[t.ns + 1000000, t.ns + 6000000, t.ns + 90000000000], ARRAY[t.ns + 2000000, NULL, NULL], ARRAY[md5('1'), md5('2'), md5('3')]::uuid[],
    ARRAY[9, 5, 13]::smallint[], ARRAY['INFO', NULL, 'warning'], ARRAY[NULL, NULL, NULL]::text[], ARRAY['"tides asked for"', '"816 tokens"', '{"free_mb": 12}']::jsonb[],
    ARRAY['{"port": "Harbour"}', '{}', '{}']::jsonb[], ARRAY[1, 1, 1], ARRAY['{"service.name": "harbour", "telemetry.sdk.language": "nodejs"}']::jsonb[],
    ARRAY['harbour', 'harbour', 'harbour'], ARRAY['demo', 'demo', NULL], ARRAY['1.0', '1.0', NULL], ARRAY[0, 0, 0]::smallint[])
FROM (SELECT (extract(epoch FROM date_trunc('hour', now() - interval '1 day')) * 1000)::bigint * 1000000 AS ns) t;

SELECT score_put(pg_temp.id('trace project'), '0af76519-16cd-43dd-8448-eb211c80319c', 0, 'helpfulness', 0.8, NULL);
