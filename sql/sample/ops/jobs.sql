-- {queue} = harbour-reports
-- Ended or far away, so that no worker takes one.
INSERT INTO job_queues (tenant_id, name, is_paused)
VALUES (app_tenant(), 'harbour-reports', true);

INSERT INTO job_schedules (tenant_id, id, queue, kind, every_ms, payload)
VALUES (app_tenant(), pg_temp.id('schedule'), 'harbour-reports', 'tide-report', 86400000, '{"of": "the whole harbour"}');

INSERT INTO jobs (tenant_id, id, queue, kind, state, payload, run_at, attempts, last_error, finished_at)
VALUES
    (app_tenant(), pg_temp.id('job'), 'ashlar', 'chart-import', 'failed', '{"chart": "Outer roads"}', now() - interval '2 hours', 10, 'the sounding boat does not answer',
     now() - interval '1 hour'),
    (app_tenant(), pg_temp.id('task'), 'harbour-reports', 'tide-report', 'scheduled', '{"of": "the inner harbour"}', now() + interval '10 years', 0, NULL, NULL);
