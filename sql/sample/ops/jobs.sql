-- {queue} = harbour-reports
-- Ended or far away, so that no worker takes one; or with a worker who keeps it.
INSERT INTO job_queues (tenant_id, name, is_paused)
VALUES (app_tenant(), 'harbour-reports', true);

INSERT INTO job_schedules (tenant_id, id, queue, kind, every_ms, payload)
VALUES (app_tenant(), pg_temp.id('schedule'), 'harbour-reports', 'tide-report', 86400000, '{"of": "the whole harbour"}');

INSERT INTO jobs (tenant_id, id, queue, kind, state, payload, run_at, attempts, last_error, finished_at, worker, started_at, lease_until)
VALUES
    (app_tenant(), pg_temp.id('job'), 'ashlar', 'chart-import', 'failed', '{"chart": "Outer roads"}', now() - interval '2 hours', 10, 'the sounding boat does not answer',
     now() - interval '1 hour', NULL, NULL, NULL),
    (app_tenant(), pg_temp.id('task'), 'harbour-reports', 'tide-report', 'scheduled', '{"of": "the inner harbour"}', now() + interval '10 years', 0, NULL, NULL, NULL, NULL, NULL),
    (app_tenant(), pg_temp.id('task claimed'), 'harbour-reports', 'tide-report', 'running', '{"of": "the outer roads"}', now(), 1, NULL, NULL, 'worker-1', now(), now() + interval '10 years'),
    (app_tenant(), pg_temp.id('task failed'), 'harbour-reports', 'tide-report', 'failed', '{"of": "the far bank"}', now() - interval '3 hours', 3, 'there is fog on the far bank', now(),
     'worker-1', now(), NULL);

INSERT INTO job_traces (tenant_id, job_id, trace_context)
VALUES (app_tenant(), pg_temp.id('job'), '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
