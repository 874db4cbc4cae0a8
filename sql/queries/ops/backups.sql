-- Dumps of the installation, as ashlar host has found them (host/dump_files.c).

-- name: backup_list :rows
-- unindexed: what ashlar host has found
SELECT f.one ->> 'filename' AS filename, (f.one ->> 'size_bytes')::bigint AS size_bytes, (f.one ->> 'created_at')::timestamptz AS created_at,
       'unknown'::text AS trigger
FROM jsonb_array_elements(:found::jsonb -> 'files') WITH ORDINALITY f (one, place)
ORDER BY f.place;

-- name: backup_stats :row
SELECT f.count, f.bytes AS total_size_bytes, CASE WHEN f.count = 0 THEN 0 ELSE f.bytes / f.count END AS average_size_bytes,
       l.last || '{"trigger": "unknown"}' AS last_backup,
       floor(extract(epoch FROM now() - CASE WHEN l.at > now() THEN now() ELSE l.at END))::bigint AS last_backup_age_seconds,
       f.oldest_at AS oldest_backup_at
FROM jsonb_to_record(:found::jsonb) f (count bigint, bytes bigint, oldest_at timestamptz, files jsonb)
CROSS JOIN LATERAL (SELECT f.files -> 0 AS last, (f.files #>> '{0,created_at}')::timestamptz AS at) l;

-- name: backup_log :row
SELECT 'offsite_backup.log'::text AS file, f.lines, cardinality(f.lines) AS line_count
FROM (SELECT ARRAY(SELECT jsonb_array_elements_text(:found::jsonb -> 'lines')) AS lines) f;
