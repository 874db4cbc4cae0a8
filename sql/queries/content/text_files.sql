-- Files of the operations surface: texts of a tenant.

-- columns: text_file
SELECT f.number AS id, f.name, f.path, f.file_type, f.category, f.size_bytes, f.created_at, f.updated_at
FROM text_files f;

-- name: text_file_list :page
-- scan: a page of the index that is the order, and the count of a tenant's up to 10,001
SELECT :columns(text_file)
FROM text_files f
WHERE f.tenant_id = @tenant
  [AND f.category = :category]
ORDER BY f.updated_at DESC, f.number DESC;

-- name: text_file_put :row
-- One of each path: what is left out of one that is there stays.
INSERT INTO text_files AS f (tenant_id, name, path, file_type, category, content)
SELECT @tenant, :name, text_file_path(:path), :file_type, :category, :content
WHERE valid(coalesce(octet_length(:content) <= 1048576, true), 'content', 'content has at most 1 MiB')
ON CONFLICT (tenant_id, path) DO UPDATE
SET name = EXCLUDED.name,
    file_type = coalesce(EXCLUDED.file_type, f.file_type),
    category = coalesce(EXCLUDED.category, f.category),
    content = coalesce(EXCLUDED.content, f.content)
RETURNING :columns(text_file), f.xmax = 0 AS _created;

-- name: text_file_get :row
SELECT :columns(text_file), f.content
FROM text_files f
WHERE f.tenant_id = @tenant AND f.number = :file_number;

-- name: text_file_search :page
-- scan: a page of an index that is the order, or what a function has found, at most 101
[:q| WITH found AS MATERIALIZED (
    SELECT c.number, c.in_name FROM text_file_candidates(:q, :workspace, :category, lower(:ext)) c LIMIT 101
)]
SELECT :columns(text_file), [:q| CASE WHEN c.in_name THEN 'name' ELSE 'content' END | 'none'] AS matched_in,
       [:q| CASE WHEN NOT c.in_name THEN text_snippet(f.content, :q) END | NULL::text] AS snippet
FROM [:q| found c JOIN text_files f ON f.number = c.number | text_files f]
WHERE f.tenant_id = @tenant
  [:workspace !q| AND f.workspace = :workspace]
  [:category !q| AND f.category = :category]
  [:ext !q| AND f.ext = lower(:ext)]
ORDER BY [:q| c.in_name DESC,] f.updated_at DESC, f.number DESC;
