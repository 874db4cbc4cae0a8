-- Sending mails; see worker/mail.c.

-- name: mail_begin :row
-- Whose mail it is, and how old; no row: the job is gone.
SELECT t.name AS tenant, t.slug = 'default' AS is_default, s.email_from_name, s.logo_url, s.brand_color, s.support_email,
       extract(epoch FROM j.created_at)::bigint AS created_s, extract(epoch FROM now() - j.created_at)::bigint AS age_s
FROM jobs j
JOIN tenants t ON t.id = j.tenant_id
JOIN tenant_settings s ON s.tenant_id = j.tenant_id
WHERE j.tenant_id = @tenant AND j.id = :job_id::uuid;

-- name: mail_forget :exec
-- In the transaction that completes the job.
SELECT mail_forget(:job_id::uuid);

-- name: mail_drop :exec
-- The same of one that was not sent.
SELECT mail_drop(:job_id::uuid);
