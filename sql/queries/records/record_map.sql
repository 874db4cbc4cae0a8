-- Records on maps; see sql/functions/records/record_map.sql.

-- name: record_map :rows
-- Written by hand, as they come: geometry and numbers are JSON as they are.
SELECT r.id::text AS id, postgis.ST_AsGeoJSON(g.geometry, 15) AS geometry, g.geometry_type, r.title,
       CASE WHEN g.geometry_type = 'Point' THEN postgis.ST_Y(g.geometry)::text END AS lat, CASE WHEN g.geometry_type = 'Point' THEN postgis.ST_X(g.geometry)::text END AS lng,
       [:fields| record_values(r.field_values, :fields::text[])::text | NULL::text ] AS fields
FROM record_map(:recordset_id::uuid, :asked::jsonb, :most::bigint) f (id)
JOIN record_geometries g ON g.tenant_id = @tenant AND g.organization_id = @workspace AND g.record_id = f.id
JOIN records r ON r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = f.id;

-- name: recordset_map :row
SELECT m.job_id::text AS job_id, m.total AS total_records, made(m.recordset_id) AS _made
FROM recordset_map(:recordset_id, :lat_field, :lng_field, :geometry_field) m;

-- name: records_place :row
SELECT p.last AS after, p.placed, p.skipped
FROM records_place(:organization::uuid, :recordset::uuid, :place::jsonb, :job::uuid, :after, :batch::integer) p;

-- name: record_spatial :row
-- One more than the limit is asked for.
SELECT to_jsonb(s.record_ids[1 : :limit::integer]) AS record_ids, least(cardinality(s.record_ids), :limit::integer) AS count, s.total, s.source_count,
       :operation::text AS operation, cardinality(s.record_ids) > :limit::integer AS truncated
FROM record_spatial(:source_recordset_id::uuid, :target_recordset_id::uuid, :source_record_ids::uuid[], :sources::jsonb, :targets::jsonb, :operation,
                    :buffer_meters::double precision, :limit::bigint + 1) s;
