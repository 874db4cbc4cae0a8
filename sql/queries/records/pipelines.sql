-- Pipelines of recordsets; see sql/functions/records/pipelines.sql.

-- columns: pipeline
SELECT p.id, p.name, p.description, p.recordset_id, s.name AS recordset_name, p.stage_field, p.value_field, p.stages, p.is_active,
       coalesce((SELECT sum(c.count) FROM recordset_counts c
                 WHERE c.tenant_id = p.tenant_id AND c.organization_id = p.organization_id AND c.recordset_id = p.recordset_id), 0)::bigint AS record_count,
       p.created_by_id AS created_by, p.created_at, p.updated_at
FROM pipelines p
JOIN recordsets s ON s.tenant_id = p.tenant_id AND s.organization_id = p.organization_id AND s.id = p.recordset_id;

-- name: recordset_pipeline_get :row
SELECT :columns(pipeline)
FROM pipelines p :joins(pipeline)
WHERE p.tenant_id = @tenant AND p.organization_id = @workspace AND p.recordset_id = (SELECT recordset_here(:recordset_id, 1)) AND p.deleted_at IS NULL;

-- name: recordset_pipeline_create :row
SELECT pipeline_add(:recordset_id, :name, :description, :stage_field, :value_field, :stages::jsonb) AS _id;

-- name: pipeline_made :rows
-- The one that the statement before has made.
SELECT :columns(pipeline)
FROM pipelines p :joins(pipeline)
WHERE p.tenant_id = @tenant AND p.organization_id = @workspace AND p.id = @made;
