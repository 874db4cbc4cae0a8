-- after: recordsets records
INSERT INTO stored_objects (tenant_id, id, organization_id, backend, state, content_type, size, sha256)
VALUES (app_tenant(), pg_temp.id('object import'), pg_temp.id('organization'), 'local', 'stored', 'text/csv', 51, sha256('soundings'));

INSERT INTO record_uploads (tenant_id, organization_id, id, member_id, object_id, file_name, format, survey, surveyed_at)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('upload'), pg_temp.id('member'), pg_temp.id('object import'), 'soundings.csv', 'csv',
        '{"encoding": "utf-8", "delimiter": ",", "total_rows": 3, "sample_rows": [{"Place": "Off the mole", "Depth": "7.5"}],
          "columns": [{"name": "Place", "inferred_type": "text", "sample_values": ["Off the mole"], "null_count": 0, "unique_count": 3, "options": [], "date_format": null, "decimal": "."},
                      {"name": "Depth", "inferred_type": "text", "sample_values": ["7.5", "deep"], "null_count": 0, "unique_count": 3, "options": [], "date_format": null, "decimal": "."}]}',
        now());

INSERT INTO stored_objects (tenant_id, id, organization_id, backend, state, content_type, size, sha256)
VALUES (app_tenant(), pg_temp.id('object report'), pg_temp.id('organization'), 'local', 'stored', 'text/csv', 58, sha256('a report'));

INSERT INTO record_runs (tenant_id, organization_id, id, kind, status, recordset_id, member_id, options, format, file_name, progress, total_rows, processed_rows,
                         success_count, error_count, summary, object_id, started_at, completed_at, expires_at)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('import job'), 'import', 'completed', pg_temp.id('recordset'), pg_temp.id('member'),
        '{"field_mappings": {"Place": "place", "Depth": "depth"}}', 'csv', 'soundings.csv', 100, 3, 3, 2, 1,
        '{"total_rows": 3, "valid_rows": 2, "invalid_rows": 1, "errors_by_field": {"depth": 1},
          "sample_errors": [{"row_number": 4, "field": "depth", "value": "deep", "error": "is no number"}]}',
        pg_temp.id('object report'), now() - interval '1 hour', now() - interval '59 minutes', now() + interval '30 days');

INSERT INTO record_runs (tenant_id, organization_id, id, kind, recordset_id, member_id, options, format, file_name)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('import job queued'), 'import', pg_temp.id('recordset'), pg_temp.id('member'),
        '{"field_mappings": {"Place": "place"}}', 'csv', 'more-soundings.csv');

INSERT INTO record_runs (tenant_id, organization_id, id, kind, status, recordset_id, member_id, options, format, file_name, progress, total_rows, processed_rows,
                         success_count, started_at, completed_at)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('export job'), 'export', 'completed', pg_temp.id('recordset'), pg_temp.id('member'),
        '{"filters": []}', 'csv', 'soundings-2026-01-31-093000.csv', 100, 3, 3, 3, now() - interval '2 hours', now() - interval '2 hours');

INSERT INTO record_run_batches (tenant_id, organization_id, run_id, first_row, last_row, errors)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('import job'), 2, 4, '[{"row": 4, "field": "depth", "value": "deep", "error": "is no number"}]');

INSERT INTO record_runs (tenant_id, organization_id, id, kind, status, recordset_id, member_id, options, progress, total_rows, processed_rows, success_count, error_count,
                         skipped_count, summary, started_at, completed_at)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('geocode job'), 'geocode', 'completed', pg_temp.id('recordset'), pg_temp.id('member'),
        '{"address_fields": ["place"], "lat_field": "latitude", "lng_field": "longitude", "overwrite": false}', 100, 3, 3, 1, 1, 1,
        jsonb_build_object('after', '3', 'stalls', 0, 'errors', jsonb_build_array(jsonb_build_object('record_id', pg_temp.id('record'), 'address', 'Nowhere 1, Atlantis', 'error', 'no such place was found'))),
        now() - interval '3 hours', now() - interval '3 hours');

INSERT INTO geocode_answers (tenant_id, hash, lat, lng, expires_at)
VALUES (app_tenant(), sha256('somewhere'), 59.3, 18.1, now() + interval '29 days');

INSERT INTO record_run_keys (tenant_id, organization_id, run_id, key, hash)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('import job queued'), 'log', '\x00');
