-- What bench/records measures: filled as fast as PostgreSQL can, so its indexes are made behind it. The rows are as records_made() writes them.
--
--   many, others  how many records are in the large recordset, and in all of the 1,000 others
--   tenant
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET session_replication_role = replica;    -- no events, no stream: nobody listens
SET maintenance_work_mem = '1GB';

CREATE TEMP TABLE kept AS SELECT indexrelid::regclass AS name, pg_get_indexdef(indexrelid) AS def FROM pg_index WHERE indrelid IN ('records'::regclass, 'record_geometries'::regclass) AND NOT indisprimary;
SELECT format('DROP INDEX %s', name) FROM kept \gexec
ALTER TABLE records DROP CONSTRAINT records_pkey;
ALTER TABLE record_geometries DROP CONSTRAINT record_geometries_pkey;

SELECT id AS org FROM organizations WHERE slug = 'bench' \gset
SELECT id AS member FROM memberships WHERE organization_id = :'org' \gset

CREATE TEMP TABLE made AS
SELECT r.id AS set_id, r.content_id, r.slug, CASE r.slug WHEN 'many' THEN :many ELSE 1000 END AS n,
       ARRAY(SELECT x ->> 'key' FROM jsonb_array_elements(r.fields) x ORDER BY 1) AS keys
FROM recordsets r WHERE r.organization_id = :'org' AND r.slug IN ('many', 'thousand', 'with', 'without');

-- The i-th of n: text_3 is rare in five of them, number_4 is -1 in nine of ten, is_1 and is_2 are true in a half each, never both.
INSERT INTO records (tenant_id, organization_id, id, recordset_id, content_id, title, field_values, owner_id, created_by_id, changed_by_id, changed_fields, schema_version,
                     created_at, updated_at, changed_at, folded, t06, t07, t08, t09, n06, n07, n08, n09, d04, d05, b03, b04)
SELECT :'tenant', :'org', (lpad(to_hex((1700000000000 + i)::bigint), 12, '0') || '7' || substr(md5(m.slug || i), 1, 3) || '8' || substr(md5(i || m.slug), 4, 15))::uuid,
       m.set_id, m.content_id, t1,
       jsonb_build_object('text_1', t1, 'text_2', t2, 'text_3', t3, 'text_4', t4, 'number_1', i % 10007, 'number_2', i * 2 % 10007, 'number_3', i * 3 % 10007, 'number_4', n4,
           'on_1', to_char(d1, 'YYYY-MM-DD'), 'on_2', to_char(d2, 'YYYY-MM-DD'), 'is_1', i % 2 = 0, 'is_2', i % 2 = 1,
           'text_5', 'word ' || i * 5 % 1000, 'text_6', 'word ' || i * 6 % 1000, 'text_7', 'word ' || i * 7 % 1000, 'text_8', 'word ' || i * 8 % 1000,
           'number_5', i * 5 % 10007, 'number_6', i * 6 % 10007, 'number_7', i * 7 % 10007, 'number_8', i * 8 % 10007,
           'on_3', to_char(d1, 'YYYY-MM-DD'), 'on_4', to_char(d2, 'YYYY-MM-DD'), 'is_3', i % 3 = 0, 'is_4', i % 4 = 0, 'kind_1', substr('abcd', 1 + i % 4, 1),
           'kind_2', substr('abcd', 1 + i * 3 % 4, 1), 'note_1', h1, 'note_2', h2, 'note_3', h3, 'note_4', h4),
       :'member', :'member', :'member', m.keys, 1, at, at, at,
       concat_ws(E'\n', t1, substr('abcd', 1 + i % 4, 1), substr('abcd', 1 + i * 3 % 4, 1), h1, h2, h3, h4, t1, t2, t3, t4, 'word ' || i * 5 % 1000, 'word ' || i * 6 % 1000,
                 'word ' || i * 7 % 1000, 'word ' || i * 8 % 1000),
       t1, t2, t3, t4, i % 10007, i * 2 % 10007, i * 3 % 10007, n4, d1::timestamp AT TIME ZONE 'UTC', d2::timestamp AT TIME ZONE 'UTC', i % 2 = 0, i % 2 = 1
FROM made m CROSS JOIN LATERAL generate_series(1, m.n::integer) i
CROSS JOIN LATERAL (SELECT 'word ' || i % 1000 AS t1, 'word ' || i * 2 % 1000 AS t2, CASE WHEN i % (m.n / 5) = 77 THEN 'rare' ELSE 'word ' || i * 3 % 1000 END AS t3, 'word ' || i * 4 % 1000 AS t4,
                           CASE WHEN i % 10 = 0 THEN i % 1000 ELSE -1 END AS n4, '2020-01-01'::date + i % 2000 AS d1, '2020-01-01'::date + i * 2 % 2000 AS d2,
                           'the ' || md5(i::text) || ' of it' AS h1, 'the ' || md5((i * 2)::text) || ' of it' AS h2, 'the ' || md5((i * 3)::text) || ' of it' AS h3,
                           'the ' || md5((i * 4)::text) || ' of it' AS h4, to_timestamp(1700000000 + i / 1000.0) AS at OFFSET 0) v;

-- 1,000 points are in a box of as many degrees in either: of the thousand everywhere, of the many in a thousandth of the world.
INSERT INTO record_geometries (tenant_id, organization_id, record_id, content_id, geometry)
SELECT r.tenant_id, r.organization_id, r.id, r.content_id,
       postgis.ST_SetSRID(postgis.ST_MakePoint(m.side * ((h.x & 65535) / 65536.0 - 0.5), m.side / 2 * ((h.x >> 16 & 65535) / 65536.0 - 0.5)), 4326)
FROM (SELECT made.*, sqrt(n::float8 / 1000) * 2 AS side FROM made WHERE slug IN ('many', 'thousand')) m
JOIN records r ON r.content_id = m.content_id CROSS JOIN LATERAL (SELECT hashtext(r.id::text)::bigint + 2147483648 AS x) h;

-- The others: of eight fields.
INSERT INTO records (tenant_id, organization_id, id, recordset_id, content_id, title, field_values, owner_id, created_by_id, changed_by_id, changed_fields, schema_version,
                     created_at, updated_at, changed_at, folded, t06, t07, n06, n07)
SELECT :'tenant', :'org', (lpad(to_hex((1700000000000 + i)::bigint), 12, '0') || '7' || substr(h, 1, 3) || '8' || substr(h, 4, 15))::uuid, o.ids[1 + i % 1000], o.contents[1 + i % 1000],
       'word ' || i % 997, jsonb_build_object('name', 'word ' || i % 997, 'city', 'city ' || i % 101, 'amount', i % 10007, 'size', i % 13), :'member', :'member', :'member', '{amount,city,name,size}', 1,
       at, at, at, 'word ' || i % 997 || E'\ncity ' || i % 101 || E'\nword ' || i % 997, 'word ' || i % 997, 'city ' || i % 101, i % 10007, i % 13
FROM generate_series(1, :others) i
CROSS JOIN (SELECT array_agg(id ORDER BY id) AS ids, array_agg(content_id ORDER BY id) AS contents FROM recordsets WHERE organization_id = :'org' AND slug LIKE 'other-%') o
CROSS JOIN LATERAL (SELECT md5('o' || i) AS h, to_timestamp(1700000000 + i / 1000.0) AS at OFFSET 0) v;

INSERT INTO recordset_counts (tenant_id, organization_id, recordset_id, stripe, count)
SELECT :'tenant', :'org', recordset_id, 0, count(*) FROM records GROUP BY recordset_id
ON CONFLICT (tenant_id, organization_id, recordset_id, stripe) DO UPDATE SET count = excluded.count;

ALTER TABLE records ADD PRIMARY KEY (tenant_id, organization_id, id);
ALTER TABLE record_geometries ADD PRIMARY KEY (tenant_id, organization_id, record_id);
SELECT def FROM kept \gexec

-- A table of real columns each, as somebody makes it by hand for these very fields: with an index of each of those that have a slot.
SELECT format('CREATE TABLE hand_%s AS SELECT r.id, r.title, r.owner_id, r.created_at, r.updated_at, g.geometry AS place, r.t06::text AS text_1, r.t07::text AS text_2, r.t08::text AS text_3, r.t09::text AS text_4,
        r.n06 AS number_1, r.n07 AS number_2, r.n08 AS number_3, r.n09 AS number_4, r.d04::date AS on_1, r.d05::date AS on_2, r.b03 AS is_1, r.b04 AS is_2, v.*
    FROM records r LEFT JOIN record_geometries g ON g.record_id = r.id AND g.organization_id = r.organization_id AND g.tenant_id = r.tenant_id
    CROSS JOIN LATERAL jsonb_to_record(r.field_values) v (text_5 text, text_6 text, text_7 text, text_8 text, number_5 float8, number_6 float8, number_7 float8, number_8 float8, on_3 date, on_4 date,
        is_3 boolean, is_4 boolean, kind_1 text, kind_2 text, note_1 text, note_2 text, note_3 text, note_4 text)
    WHERE r.content_id = %L', slug, content_id),
    format('ALTER TABLE hand_%s ADD PRIMARY KEY (id)', slug),
    format('CREATE INDEX ON hand_%s (created_at DESC, id)', slug),
    format('CREATE INDEX ON hand_%s USING gist (place)', slug)
FROM recordsets WHERE slug IN ('many', 'thousand') \gexec
SELECT format('CREATE INDEX ON hand_%s (%I, id)', t, c)
FROM unnest('{many,thousand}'::text[]) t, unnest('{text_1,text_2,text_3,text_4,number_1,number_2,number_3,number_4,on_1,on_2,is_1,is_2,title}'::text[]) c \gexec

VACUUM ANALYZE;
