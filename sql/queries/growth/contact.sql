-- The contact form; see sql/functions/growth/contact.sql.

-- name: contact_submit :row
-- One statement: what is counted, kept and sent commits together.
SELECT s.retry_s, s.remaining, s.reset_s, s.reference_id
FROM contact_submit(:ip::inet, :max::integer, :window_s::integer, :is_spam::boolean, :name, :email, :email_key, :phone, :company, :subject, :message,
                    :extra_fields::jsonb, :source, :notify, :confirm::boolean, :language, :webhook::boolean) s;

-- name: contact_status :row
-- What is left, without counting.
SELECT l.remaining, l.reset_s FROM contact_limit(:ip::inet, :max::integer, :window_s::integer) l;

-- name: contact_event :row
-- What the webhook posts, byte for byte the same however often; no row: it is past its retention.
SELECT json_build_object('event', 'contact.submitted', 'timestamp', json_time(c.created_at),
                         'data', contact_data(c))::text AS body
FROM contact_submissions c
WHERE c.tenant_id = @tenant AND c.reference_id = :reference_id;
