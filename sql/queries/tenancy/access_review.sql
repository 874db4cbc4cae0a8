-- Who reaches what in a workspace (sql/functions/tenancy/access_review.sql).

-- name: access_review :page
-- unindexed: it is made of several tables, and read as a file, from time to time
SELECT v.who_type, v.who_id, v.who_name, v.who_email, v.role, v.kind, v.resource_id, v.resource_name, v.access, v.through, v.via
FROM access_review(@workspace) v
WHERE true
  [AND v.who_id = :who_id]
  [AND v.kind = :kind]
  [AND v.resource_id = :resource_id]
ORDER BY v.who_type DESC, v.sort_name, v.who_id, v.kind DESC, lower(v.resource_name), v.resource_id, v.through, v.via;
