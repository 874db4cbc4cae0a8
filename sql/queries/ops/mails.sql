-- Mails that were kept in files, in development: whose they are.

-- name: kept_mail_list :rows
-- Of these, those of the tenant, in their order.
SELECT m.id, m.template, j."to", m.at AS sent_at
FROM unnest(:ids::uuid[], :templates::text[], :times::timestamptz[]) WITH ORDINALITY m (id, template, at, nr),
     LATERAL (SELECT x.payload ->> 'to' AS "to" FROM jobs x WHERE x.tenant_id = @tenant AND x.id = m.id AND x.kind = 'mail' LIMIT 1) j -- one by one
ORDER BY m.nr;

-- name: kept_mail_get :row
SELECT j.id, :template::text AS template, j.payload ->> 'to' AS "to", :time::timestamptz AS sent_at, :source::text AS source
FROM jobs j
WHERE j.tenant_id = @tenant AND j.id = :job_id AND j.kind = 'mail';
