-- How records are spread; see sql/functions/records/record_facets.sql.

-- name: record_facets :row
SELECT f.recordset_id, f.total, f.facets FROM record_facets(:recordset_slug, :fields::text[], :interval, :measure, :asked::jsonb, :limit::integer) f;
