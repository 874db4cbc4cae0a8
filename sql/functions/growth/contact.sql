-- The contact form.

-- Take what a visitor wrote, and have it told to whom it concerns, in the same
-- transaction.
--
--   per, window_s  how often an address may: max in a window; retry_s is above 0
--                  when it may not, and nothing else happens then
--   is_spam        the field that people do not see was filled in: count it, make
--                  up a reference, and keep nothing
--   notify         whom to mail; NULL: no recipient
--   confirm        mail the sender, in this language, that it has arrived, as
--                  long as mail_take() lets it: the form asks nobody whether the
--                  address is theirs
--   webhook        post it to CONTACT_WEBHOOK_URL
CREATE OR REPLACE FUNCTION contact_submit(ip inet, max integer, window_s integer, is_spam boolean, name text, email text,
                                          email_key text, phone text, company text, subject text, message text, extra_fields jsonb, source text,
                                          notify text, confirm boolean, language text, webhook boolean,
                                          OUT retry_s integer, OUT remaining integer, OUT reset_s integer,
                                          OUT reference_id text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    who    text := limit_ip(ip);
    stored contact_submissions;
BEGIN
    retry_s := security_limit('contact', who, contact_submit.max, contact_submit.window_s, 0);
    SELECT l.remaining, l.reset_s INTO contact_submit.remaining, contact_submit.reset_s
    FROM contact_limit(ip, contact_submit.max, contact_submit.window_s) l;
    IF retry_s > 0 THEN
        RETURN;
    END IF;
    -- The first 32 bits of a random UUID are random; of the few that are taken, another one.
    LOOP
        contact_submit.reference_id := 'CNT-' || upper(left(gen_random_uuid()::text, 8));
        IF is_spam THEN
            RETURN;
        END IF;
        INSERT INTO contact_submissions (tenant_id, reference_id, name, email, phone, company, subject, message, extra_fields,
                                         source, ip_address, user_agent)
        VALUES (app_tenant(), contact_submit.reference_id, contact_submit.name, contact_submit.email, contact_submit.phone,
                contact_submit.company, contact_submit.subject, contact_submit.message,
                coalesce(contact_submit.extra_fields, '{}'), contact_submit.source, ip,
                left(request_user_agent(), 1024))
        ON CONFLICT (tenant_id, reference_id) DO NOTHING
        RETURNING * INTO stored;
        EXIT WHEN FOUND;
    END LOOP;
    IF notify IS NOT NULL THEN
        INSERT INTO jobs (tenant_id, queue, kind, payload)
        VALUES (app_tenant(), 'ashlar.mail', 'mail', jsonb_build_object(
            'template', 'contact_notification', 'to', notify, 'locale', 'en', 'reply_to', stored.email,
            'data', contact_data(stored)));
    END IF;
    IF confirm AND mail_take(who, NULL, limit_account(email_key, stored.email)) = 0 THEN
        INSERT INTO jobs (tenant_id, queue, kind, payload)
        VALUES (app_tenant(), 'ashlar.mail', 'mail', jsonb_build_object(
            'template', 'contact_confirmation', 'to', stored.email, 'locale', coalesce(language, 'en'),
            'data', jsonb_build_object('reference_id', stored.reference_id)));
    END IF;
    IF webhook THEN
        INSERT INTO jobs (tenant_id, kind, payload)
        VALUES (app_tenant(), 'contact.webhook', jsonb_build_object('reference_id', stored.reference_id));
    END IF;
END
$$;

-- What an address has left, without counting: of max in a window that ends in reset_s seconds.
CREATE OR REPLACE FUNCTION contact_limit(ip inet, max integer, window_s integer, OUT remaining integer, OUT reset_s integer)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    l rate_limits;
BEGIN
    SELECT * INTO l
    FROM rate_limits
    WHERE tenant_id = app_tenant() AND name = 'contact' AND subject = limit_ip(contact_limit.ip) AND window_ends > now();
    remaining := greatest(0, contact_limit.max - coalesce(l.tries, 0));
    reset_s := greatest(1, coalesce(ceil(extract(epoch FROM l.window_ends - now()))::integer, contact_limit.window_s));
END
$$;

-- A submission as the notification and the webhook tell it.
CREATE OR REPLACE FUNCTION contact_data(c contact_submissions) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN jsonb_build_object('reference_id', c.reference_id, 'name', c.name, 'email', c.email, 'phone', c.phone,
                              'company', c.company, 'subject', c.subject, 'message', c.message,
                              'extra_fields', c.extra_fields, 'source', c.source, 'submitted_at', json_time(c.created_at));
END
$$;
