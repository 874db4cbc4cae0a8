-- What people write through the contact form.

-- reference_id is what the sender is told, and what the CRM and the mails carry.
-- Rows are kept for a year (purge()), which is long enough for an enquiry and
-- short enough for what somebody wrote about themselves.
CREATE TABLE contact_submissions (
    tenant_id    uuid NOT NULL REFERENCES tenants,
    id           uuid NOT NULL DEFAULT uuid_v7(),
    reference_id text NOT NULL,
    name         text NOT NULL,
    email        text NOT NULL,
    phone        text,
    company      text,
    subject      text,
    message      text NOT NULL,
    extra_fields jsonb NOT NULL DEFAULT '{}',
    source       text,
    ip_address   inet,
    user_agent   text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT contact_submissions_reference_unique UNIQUE (tenant_id, reference_id),
    CONSTRAINT contact_submissions_reference_format CHECK (reference_id ~ '^CNT-[0-9A-F]{8}$'),
    CONSTRAINT contact_submissions_lengths CHECK (
        char_length(name) <= 100 AND char_length(email) <= 254 AND char_length(phone) <= 50
        AND char_length(company) <= 200 AND char_length(subject) <= 200 AND char_length(message) <= 5000
        AND char_length(source) <= 100 AND char_length(user_agent) <= 1024),
    CONSTRAINT contact_submissions_extra_fields_size CHECK (
        jsonb_typeof(extra_fields) = 'object' AND octet_length(extra_fields::text) <= 32768)
);
CREATE INDEX contact_submissions_age ON contact_submissions (created_at);
CREATE TRIGGER contact_submissions_touch BEFORE UPDATE ON contact_submissions FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('contact_submissions');
SELECT purgeable('contact_submissions', $$created_at < now() - interval '1 year'$$);
GRANT SELECT, INSERT ON contact_submissions TO ashlar_api;
