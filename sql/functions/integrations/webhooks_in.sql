-- Webhooks that are received: stored once, and processed by a job (worker/webhook_in.c).
--
-- Events come twice and in any order, and are processed many at once.  What
-- they say of a user is a state with the provider's own time, of which the
-- newest counts (identity_apply); what they say of a subscription is put down
-- with its time (billing_apply).  Both make any order of arrival end the same.

-- ---------------------------------------------------------------- receiving

-- The members of an object that are no secrets, by their names.
CREATE OR REPLACE FUNCTION without_secrets(o jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT coalesce(jsonb_object_agg(m.key, m.value), '{}')
        FROM jsonb_each(CASE WHEN jsonb_typeof(o) = 'object' THEN o ELSE '{}' END) m
        WHERE m.key !~ '(password|secret|token|otp)');

-- A body without the secrets that are in some: a row of auth.users has the
-- hash of the password and the tokens of its mails, Clerk's mails and messages
-- have codes that sign in, Stripe's objects a client_secret.  Administrators
-- read stored events, and need none of that.
CREATE OR REPLACE FUNCTION webhook_redact(provider text, type text, payload jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF provider = 'supabase' THEN
        IF jsonb_typeof(payload -> 'record') = 'object' THEN
            payload := payload || jsonb_build_object('record', without_secrets(payload -> 'record'));
        END IF;
        IF jsonb_typeof(payload -> 'old_record') = 'object' THEN
            payload := payload || jsonb_build_object('old_record', without_secrets(payload -> 'old_record'));
        END IF;
    ELSIF provider = 'clerk' AND type ~ '^(email|sms)\.' THEN
        payload := payload || jsonb_build_object('data', without_secrets(payload -> 'data') - '{data,body,body_plain,message}'::text[]);
    ELSIF provider = 'stripe' THEN
        payload := payload #- '{data,object,client_secret}';
    END IF;
    RETURN payload;
END
$$;

-- Store an event that is new, with the job that processes it.  One that is
-- there already is the same one, sent again: nothing to do.  One with a problem
-- cannot be processed: a dead letter, which a replay may read better (raw).
-- is_own: it came from the tenant's own account at its provider.
CREATE OR REPLACE FUNCTION webhook_event_keep(provider text, event_id text, type text, object_key text,
                                              occurred_at timestamptz, payload jsonb, signed text, raw text,
                                              problem text, is_own boolean) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    made uuid;
BEGIN
    INSERT INTO webhook_events AS e (tenant_id, provider, event_id, type, object_key, occurred_at, payload, signed, raw,
                                     state, error, processed_at, is_own)
    VALUES (app_tenant(), webhook_event_keep.provider, webhook_event_keep.event_id, webhook_event_keep.type,
            webhook_event_keep.object_key, coalesce(webhook_event_keep.occurred_at, now()),
            webhook_redact(webhook_event_keep.provider, webhook_event_keep.type, webhook_event_keep.payload),
            webhook_event_keep.signed, webhook_event_keep.raw, CASE WHEN problem IS NULL THEN 'received' ELSE 'failed' END,
            problem, CASE WHEN problem IS NOT NULL THEN now() END, coalesce(webhook_event_keep.is_own, false))
    ON CONFLICT ON CONSTRAINT webhook_events_once DO NOTHING
    RETURNING e.id INTO made;
    IF made IS NOT NULL AND problem IS NULL THEN
        PERFORM job_add('ashlar', 'webhook.in', jsonb_build_object('event', made), unique_key => 'webhook.in:' || made);
    END IF;
END
$$;

-- An administrator has it processed again.  No row: there is no such event.
-- type and what follows: what its raw body says now, where it has one; with a
-- problem it stays a dead letter.
CREATE OR REPLACE FUNCTION webhook_event_replay(event uuid, type text, object_key text, occurred_at timestamptz,
                                                payload jsonb, problem text) RETURNS SETOF webhook_events
LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_column
DECLARE
    e webhook_events;
BEGIN
    UPDATE webhook_events x
    SET state = CASE WHEN problem IS NULL THEN 'received' ELSE 'failed' END, replays = x.replays + 1, error = problem,
        processed_at = CASE WHEN problem IS NOT NULL THEN now() END, type = coalesce(webhook_event_replay.type, x.type),
        object_key = CASE WHEN webhook_event_replay.type IS NULL THEN x.object_key ELSE webhook_event_replay.object_key END,
        occurred_at = coalesce(webhook_event_replay.occurred_at, x.occurred_at),
        payload = CASE WHEN webhook_event_replay.payload IS NULL THEN x.payload
                       ELSE webhook_redact(x.provider, coalesce(webhook_event_replay.type, x.type), webhook_event_replay.payload) END
    WHERE x.tenant_id = app_tenant() AND x.id = event
    RETURNING * INTO e;
    IF FOUND THEN
        IF problem IS NULL THEN
            PERFORM job_add('ashlar', 'webhook.in', jsonb_build_object('event', e.id), unique_key => 'webhook.in:' || e.id);
        END IF;
        PERFORM audit('webhook.replay', 'webhook_event', e.id::text,
                      jsonb_build_object('provider', e.provider, 'type', e.type, 'event_id', e.event_id));
        RETURN NEXT e;
    END IF;
END
$$;

-- ---------------------------------------------------------------- processing

-- Process an event, and put down how that went.  plays: the packages whose Play
-- notifications are ours; play: the state that Google's API tells of the
-- subscription; email and key: the address that it is about, as the API reads it.
-- Where one of these is missing the row asks for it, and nothing is done.
--
-- An event that cannot be understood fails, once and for all: trying again
-- would not help, a new version of us may, and then there is the replay.  What
-- is the database's trouble is raised, for the job to try again.
CREATE OR REPLACE FUNCTION webhook_event_process(event uuid, clerk_issuer text, supabase_issuer text, plays text[],
                                                 play jsonb, key text, email text, OUT package text,
                                                 OUT purchase_token text, OUT address text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    e       webhook_events;
    why_not text;
    failed  text;
BEGIN
    SELECT * INTO e FROM webhook_events x WHERE x.tenant_id = app_tenant() AND x.id = event FOR UPDATE;
    IF NOT FOUND THEN
        RETURN; -- it was there for 90 days
    END IF;
    IF e.provider = 'google' AND play IS NULL THEN
        SELECT w.package, w.purchase_token INTO package, purchase_token FROM webhook_google_wants(e, plays) w;
        IF package IS NOT NULL THEN
            RETURN;
        END IF;
    ELSIF email IS NULL THEN
        address := webhook_address(e);
        IF address IS NOT NULL THEN
            RETURN;
        END IF;
    END IF;
    BEGIN
        why_not := CASE e.provider
            WHEN 'clerk' THEN webhook_clerk(e, clerk_issuer, key, address_kept(key, email))
            WHEN 'supabase' THEN webhook_supabase(e, supabase_issuer, key, address_kept(key, email))
            WHEN 'stripe' THEN webhook_stripe(e)
            WHEN 'apple' THEN webhook_apple(e)
            WHEN 'google' THEN webhook_google(e, plays, play)
        END;
    EXCEPTION WHEN OTHERS THEN
        -- Of the classes, these are about data; the others are about connections, locks and disks.
        IF left(SQLSTATE, 2) NOT IN ('22', '23', 'AS', 'P0') THEN
            RAISE;
        END IF;
        failed := SQLERRM;
    END;
    UPDATE webhook_events x
    SET state = CASE WHEN failed IS NOT NULL THEN 'failed' WHEN why_not IS NOT NULL THEN 'ignored' ELSE 'processed' END,
        attempts = x.attempts + 1, error = left(coalesce(failed, why_not), 2000), processed_at = clock_timestamp()
    WHERE x.tenant_id = e.tenant_id AND x.id = e.id;
END
$$;

-- An attempt has failed outside of PostgreSQL; the last one, or one that leaves no hope.
CREATE OR REPLACE FUNCTION webhook_event_failed(event uuid, error text, is_last boolean) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    UPDATE webhook_events x
    SET state = CASE WHEN is_last THEN 'failed' ELSE x.state END, attempts = x.attempts + 1,
        error = left(webhook_event_failed.error, 2000), processed_at = CASE WHEN is_last THEN clock_timestamp() END
    WHERE x.tenant_id = app_tenant() AND x.id = event;
END;

-- Milliseconds, or seconds, since 1970 as a time; NULL for what is no number.
CREATE OR REPLACE FUNCTION json_epoch(v jsonb, per_second integer) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(v) = 'number' OR v #>> '{}' ~ '^[0-9]{1,15}$'
            THEN to_timestamp((v #>> '{}')::numeric / per_second) END;

-- The id of an object that may be there itself or only by its id.
CREATE OR REPLACE FUNCTION json_id(v jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(v) WHEN 'object' THEN v ->> 'id' WHEN 'string' THEN v #>> '{}' END;

-- ---------------------------------------------------------------- users

-- An address that a user can have, in lower case, else NULL.
CREATE OR REPLACE FUNCTION fit_email(email text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN lower(email) ~ '^[^@\s]+@[^@\s]+$' AND char_length(email) <= 254 THEN lower(email) END;

-- The address that the issuer of these users has verified, as it tells it; else NULL.
CREATE OR REPLACE FUNCTION webhook_address(e webhook_events) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    d       jsonb := e.payload -> 'data';
    r       jsonb := e.payload -> 'record';
    address text;
BEGIN
    IF e.provider = 'clerk' AND e.type IN ('user.created', 'user.updated') THEN
        SELECT a ->> 'email_address' INTO address
        FROM jsonb_array_elements(CASE WHEN jsonb_typeof(d -> 'email_addresses') = 'array' THEN d -> 'email_addresses' ELSE '[]' END) a
        WHERE a ->> 'id' = d ->> 'primary_email_address_id' AND a #>> '{verification,status}' = 'verified'
        LIMIT 1;
    ELSIF e.provider = 'supabase' AND e.type IN ('INSERT auth.users', 'UPDATE auth.users')
          AND coalesce(r ->> 'email_confirmed_at', r ->> 'confirmed_at') IS NOT NULL THEN
        address := r ->> 'email';
    END IF;
    RETURN CASE WHEN fit_email(address) IS NOT NULL THEN address END;
END
$$;

-- A picture that a user can have, else NULL.
CREATE OR REPLACE FUNCTION fit_avatar(url text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN url ~ '^https://[^\s]+$' AND char_length(url) <= 2048 THEN url END;

-- Whoever moves addresses between users of issuers holds these locks, of their
-- address_name()s, in order, so that one that is given up is found by who waits
-- for it.
CREATE OR REPLACE FUNCTION lock_addresses(VARIADIC addresses text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    address text;
BEGIN
    FOR address IN SELECT DISTINCT a FROM unnest(addresses) a WHERE a IS NOT NULL ORDER BY a LOOP
        PERFORM pg_advisory_xact_lock(hash_record_extended(ROW ('address'::text, app_tenant(), address), 0));
    END LOOP;
END
$$;

-- Give a user an address that their issuer has verified, if no other user has it.
CREATE OR REPLACE FUNCTION address_take(who uuid, key text, address text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM address_proved(who, 'issuer', is_inside => true, address => address, key => key);
    RETURN true;
EXCEPTION WHEN unique_violation THEN
    RETURN false;
END
$$;

-- An address is free: it is for who could not have it when their issuer said it is theirs.
CREATE OR REPLACE FUNCTION address_freed(key text, address text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    waits record;
BEGIN
    SELECT u.id, p.email_key, p.email INTO waits
    FROM (SELECT x.* FROM identity_profiles x WHERE x.tenant_id = app_tenant() AND x.email_key = key
          UNION ALL
          SELECT x.* FROM identity_profiles x
          WHERE x.tenant_id = app_tenant() AND x.email = address AND (x.email_key = key) IS NOT TRUE) p
    JOIN identities i USING (tenant_id, issuer, subject)
    JOIN users u ON u.tenant_id = i.tenant_id AND u.id = i.user_id
    WHERE p.deleted_at IS NULL AND u.email IS NULL AND u.deleted_at IS NULL
    ORDER BY p.issuer, p.subject
    LIMIT 1;
    IF FOUND THEN
        PERFORM address_take(waits.id, waits.email_key, waits.email);
    END IF;
END
$$;

-- A user as their issuer has them since version, as event tells.  Makes the
-- user who was not known here, as signing in would (identity_user); changes who
-- is known; deletes.  Returns NULL, or why it did nothing.
--
-- The newest version counts, whichever comes last; deleted is the end.  key and
-- email are the address that the issuer has verified, which it spells so.  Name and picture change here
-- when they change there, so that what a user writes here stays until then; who
-- is banned there is not active here, until the ban ends.
--
-- A deleted user keeps nothing but the name by which rows refer to them; their
-- sessions end by a trigger.  One who was never heard of is put down as deleted
-- too: their token may still be good for a minute, and must not make them.
CREATE OR REPLACE FUNCTION identity_apply(issuer text, subject text, version timestamptz, event text, key text, email text,
                                          spelling text, full_name text, avatar_url text, is_banned boolean, is_deleted boolean)
RETURNS text
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant    uuid := app_tenant();
    p         identity_profiles;
    u         users;
    known     boolean;
    kept_out  boolean := false;
BEGIN
    IF coalesce(issuer, '') = '' THEN
        RAISE SQLSTATE 'AS422' USING MESSAGE = 'no issuer is configured whose users these are';
    ELSIF subject IS NULL OR char_length(subject) NOT BETWEEN 1 AND 255 THEN
        RAISE SQLSTATE 'AS422' USING MESSAGE = 'the user''s id must be 1 to 255 characters';
    ELSIF version IS NULL THEN
        RAISE SQLSTATE 'AS422' USING MESSAGE = 'the event does not tell when the user was changed';
    END IF;
    PERFORM pg_advisory_xact_lock(hash_record_extended(ROW ('identity'::text, tenant, issuer, subject), 0));
    SELECT * INTO p FROM identity_profiles x WHERE x.tenant_id = tenant AND x.issuer = issuer AND x.subject = subject;
    known := FOUND;
    IF p.deleted_at IS NOT NULL THEN
        RETURN CASE WHEN NOT is_deleted THEN 'the user was deleted' END;
    ELSIF known AND NOT is_deleted AND (p.version, p.version_event) > (version, event) THEN
        RETURN 'a newer event of this user was processed before';
    END IF;
    IF is_deleted THEN
        key := NULL; email := NULL; full_name := NULL; avatar_url := NULL;
    END IF;

    SELECT x.* INTO u
    FROM identities i JOIN users x ON x.tenant_id = i.tenant_id AND x.id = i.user_id
    WHERE i.tenant_id = tenant AND i.issuer = issuer AND i.subject = subject;
    IF NOT FOUND THEN
        PERFORM lock_addresses(address_name(key, email));
        u.id := identity_made(issuer, subject, key, email, NULL, full_name => full_name, avatar_url => avatar_url,
                              is_email_verified => true, is_active => NOT (is_banned OR is_deleted),
                              deleted_at => CASE WHEN is_deleted THEN now() END);
        kept_out := is_banned;
        IF NOT is_deleted THEN
            PERFORM audit('user.create', 'user', (SELECT x.public_id FROM users x WHERE x.tenant_id = tenant AND x.id = u.id),
                          jsonb_build_object('method', 'webhook', 'issuer', issuer), 'system', 'system');
        END IF;
    ELSIF u.deleted_at IS NULL THEN
        -- Two whose keys meet stay two: it is still theirs.
        IF u.email_key IS NULL AND u.email = lower(spelling) THEN
            key := NULL;
            email := u.email;
        END IF;
        PERFORM lock_addresses(address_name(u.email_key, u.email), address_name(key, email));
        IF is_deleted THEN
            UPDATE users x
            SET deleted_at = now(), is_active = false, email = NULL, is_email_verified = false, full_name = NULL,
                avatar_url = NULL, password_hash = NULL
            WHERE x.tenant_id = tenant AND x.id = u.id;
            PERFORM audit('user.delete', 'user', u.public_id, jsonb_build_object('issuer', issuer), 'system', 'system');
        ELSE
            -- Another ban than the one that keeps them out already: an administrator's stays when theirs ends.
            kept_out := is_banned AND (u.is_active OR coalesce(p.is_banned, false));
            UPDATE users x
            SET full_name = CASE WHEN NOT known THEN coalesce(full_name, x.full_name)
                                 WHEN full_name IS DISTINCT FROM p.full_name THEN full_name ELSE x.full_name END,
                avatar_url = CASE WHEN NOT known THEN coalesce(avatar_url, x.avatar_url)
                                  WHEN avatar_url IS DISTINCT FROM p.avatar_url THEN avatar_url ELSE x.avatar_url END,
                -- Another one is taken below, in a change of its own: told once, from the old address to the new.
                email = CASE WHEN email IS NOT NULL THEN x.email END,
                is_email_verified = x.is_email_verified AND email IS NOT NULL,
                is_active = CASE WHEN is_banned THEN false WHEN coalesce(p.is_banned, false) THEN true ELSE x.is_active END
            WHERE x.tenant_id = tenant AND x.id = u.id;
            IF email IS NOT NULL AND NOT address_take(u.id, key, email) THEN
                UPDATE users x SET email = NULL, is_email_verified = false WHERE x.tenant_id = tenant AND x.id = u.id;
            END IF;
            IF is_banned AND u.is_active OR coalesce(p.is_banned, false) AND NOT is_banned AND NOT u.is_active THEN
                PERFORM audit(CASE WHEN is_banned THEN 'user.deactivate' ELSE 'user.activate' END, 'user', u.public_id,
                              jsonb_build_object('issuer', issuer), 'system', 'system');
            END IF;
        END IF;
    END IF;

    INSERT INTO identity_profiles AS x (tenant_id, issuer, subject, version, version_event, email, email_key, full_name,
                                        avatar_url, is_banned, deleted_at)
    VALUES (tenant, issuer, subject, version, event, email, key, full_name, avatar_url, kept_out,
            CASE WHEN is_deleted THEN now() END)
    ON CONFLICT ON CONSTRAINT identity_profiles_pkey DO UPDATE
    SET version = greatest(x.version, excluded.version), version_event = excluded.version_event, email = excluded.email,
        email_key = excluded.email_key, full_name = excluded.full_name, avatar_url = excluded.avatar_url, is_banned = excluded.is_banned,
        deleted_at = excluded.deleted_at;
    IF NOT is_same_address(u.email_key, u.email, key, email) THEN
        PERFORM address_freed(u.email_key, u.email);    -- now that this profile does not ask for it any more
    END IF;
    RETURN NULL;
END
$$;

-- Clerk: user.created, user.updated, user.deleted.
CREATE OR REPLACE FUNCTION webhook_clerk(e webhook_events, issuer text, key text, email text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    d jsonb := e.payload -> 'data';
BEGIN
    IF e.type NOT IN ('user.created', 'user.updated', 'user.deleted') THEN
        RETURN 'nothing is done for this type of event';
    END IF;
    RETURN identity_apply(issuer, d ->> 'id',
        CASE WHEN e.type = 'user.deleted' THEN e.occurred_at ELSE json_epoch(d -> 'updated_at', 1000) END, e.event_id,
        key, email, webhook_address(e),
        left(nullif(btrim(concat_ws(' ', d ->> 'first_name', d ->> 'last_name')), ''), 255),
        fit_avatar(coalesce(d ->> 'image_url', d ->> 'profile_image_url')),
        coalesce(d -> 'banned' = 'true', false), e.type = 'user.deleted');
END
$$;

-- Supabase: INSERT, UPDATE, DELETE on auth.users, as its database webhooks tell.
-- A row with deleted_at is one of a user whom Supabase keeps for the record only.
CREATE OR REPLACE FUNCTION webhook_supabase(e webhook_events, issuer text, key text, email text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    r       jsonb := CASE WHEN e.payload ->> 'type' = 'DELETE' THEN e.payload -> 'old_record' ELSE e.payload -> 'record' END;
    is_gone boolean := e.payload ->> 'type' = 'DELETE' OR r ->> 'deleted_at' IS NOT NULL;
BEGIN
    IF e.type NOT IN ('INSERT auth.users', 'UPDATE auth.users', 'DELETE auth.users') THEN
        RETURN 'nothing is done for this table';
    END IF;
    RETURN identity_apply(issuer, r ->> 'id',
        coalesce((r ->> 'updated_at')::timestamptz, (r ->> 'created_at')::timestamptz,
                 CASE WHEN is_gone THEN e.occurred_at END), e.event_id,
        key, email, webhook_address(e),
        left(nullif(btrim(coalesce(r #>> '{raw_user_meta_data,full_name}', r #>> '{raw_user_meta_data,name}')), ''), 255),
        fit_avatar(coalesce(r #>> '{raw_user_meta_data,avatar_url}', r #>> '{raw_user_meta_data,picture}')),
        coalesce((r ->> 'banned_until')::timestamptz > now(), false), is_gone);
END
$$;

-- ---------------------------------------------------------------- subscriptions

-- The line of an invoice that says what the subscription is on: prorations tell
-- of the plan that was left, and other items of no plan at all.  NULL: an invoice
-- of such lines alone.
CREATE OR REPLACE FUNCTION stripe_plan_line(lines jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT l.line
        FROM jsonb_array_elements(CASE WHEN jsonb_typeof(lines) = 'array' THEN lines ELSE '[]' END) WITH ORDINALITY l(line, place)
        WHERE coalesce(l.line #> '{parent,subscription_item_details,proration}', l.line -> 'proration', 'false') <> 'true'
          AND coalesce(l.line #>> '{parent,type}', l.line ->> 'type', 'subscription') IN ('subscription_item_details', 'subscription')
        ORDER BY l.place
        LIMIT 1);

-- Stripe's events of subscriptions and of what is paid for them: each has its object read (billing_look_add), and is put down
-- as it came.  Where an
-- object has moved between versions of Stripe's API, both places are looked at.
-- Only a subscription's own status is one: an invoice and a checkout session
-- have theirs.
CREATE OR REPLACE FUNCTION webhook_stripe(e webhook_events) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    o     jsonb := e.payload #> '{data,object}';
    kind  text := CASE e.type
        WHEN 'checkout.session.completed' THEN 'started'
        WHEN 'customer.subscription.created' THEN 'started'
        WHEN 'customer.subscription.updated' THEN 'changed'
        WHEN 'customer.subscription.deleted' THEN 'cancelled'
        WHEN 'customer.subscription.paused' THEN 'paused'
        WHEN 'customer.subscription.resumed' THEN 'resumed'
        WHEN 'invoice.paid' THEN 'payment_succeeded'
        WHEN 'invoice.payment_failed' THEN 'payment_failed' END;
    item  jsonb := coalesce(o #> '{items,data,0}', stripe_plan_line(o #> '{lines,data}'));
    about jsonb := coalesce(o #> '{parent,subscription_details}', o -> 'subscription_details');
    whose jsonb := CASE WHEN NOT e.is_own THEN coalesce(about -> 'metadata', o -> 'metadata') END;    -- its own account's is nobody else's
    sub   text := CASE WHEN e.type LIKE 'customer.subscription.%' THEN o ->> 'id'
                       ELSE coalesce(json_id(o -> 'subscription'), json_id(about -> 'subscription')) END;
BEGIN
    IF e.type IN ('charge.refunded', 'charge.dispute.created', 'charge.dispute.closed') THEN
        RETURN webhook_stripe_charge(e.type, o, e.is_own);
    END IF;
    IF e.type = 'invoice.payment_failed' THEN
        PERFORM audit('invoice.payment_failed', 'invoice', o ->> 'id', jsonb_build_object('provider', 'stripe', 'attempts', o -> 'attempt_count',
                      'is_critical', o ->> 'attempt_count' ~ '^([3-9]|[1-9][0-9]+)$'), 'stripe', 'system');
    END IF;
    -- Whose a checkout was that was opened elsewhere is in the session, and not in the subscription.
    IF e.type = 'checkout.session.completed' AND whose ->> 'organization_id' IS NULL THEN
        PERFORM billing_customer_keep(x.id, NULL, 'stripe', json_id(o -> 'customer'))
        FROM organizations x
        WHERE x.tenant_id = app_tenant()
          AND x.id = CASE WHEN coalesce(o ->> 'client_reference_id', o #>> '{metadata,org_id}') ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                          THEN coalesce(o ->> 'client_reference_id', o #>> '{metadata,org_id}')::uuid END;
    END IF;
    -- What it is now is read from Stripe: an event may be old, and come twice.
    IF e.type LIKE 'invoice.%' AND o ->> 'id' IS NOT NULL AND sub IS NOT NULL THEN
        PERFORM billing_look_add('stripe', 'invoice', o ->> 'id', whose);
    ELSIF e.type LIKE 'payment_intent.%' AND o ->> 'id' IS NOT NULL THEN
        PERFORM billing_look_add('stripe', 'payment', o ->> 'id', whose);
        RETURN NULL;
    END IF;
    IF sub IS NOT NULL THEN
        PERFORM billing_look_add('stripe', 'subscription', sub, whose);
    END IF;
    IF kind IS NULL THEN
        RETURN CASE WHEN sub IS NULL THEN 'nothing is done for this type of event' END;
    ELSIF sub IS NULL THEN
        RETURN 'this is not about a subscription';
    END IF;
    PERFORM billing_apply('stripe', kind, e.event_id, sub, e.occurred_at,
        customer => json_id(o -> 'customer'),
        account => coalesce(o ->> 'client_reference_id', o #>> '{metadata,user_id}', about #>> '{metadata,user_id}'),
        product => coalesce(json_id(item -> 'price'), item #>> '{pricing,price_details,price}'),
        status => CASE WHEN e.type LIKE 'customer.subscription.%' THEN o ->> 'status' END,
        starts_at => coalesce(json_epoch(o -> 'current_period_start', 1), json_epoch(item -> 'current_period_start', 1),
                              json_epoch(item #> '{period,start}', 1)),
        ends_at => coalesce(json_epoch(o -> 'ended_at', 1), json_epoch(o -> 'current_period_end', 1),
                            json_epoch(item -> 'current_period_end', 1), json_epoch(item #> '{period,end}', 1)),
        is_ending => CASE WHEN e.type LIKE 'customer.subscription.%'
                          THEN coalesce(o -> 'cancel_at_period_end' = 'true', false) OR coalesce(o ->> 'cancel_at', o ->> 'ended_at') IS NOT NULL END,
        amount_cents => (CASE e.type WHEN 'invoice.paid' THEN o ->> 'amount_paid' WHEN 'invoice.payment_failed' THEN o ->> 'amount_due'
                                     WHEN 'checkout.session.completed' THEN o ->> 'amount_total' END)::bigint,
        currency => o ->> 'currency',
        environment => CASE WHEN e.payload -> 'livemode' = 'false' THEN 'sandbox' ELSE 'production' END,
        data => jsonb_build_object('object', o ->> 'object', 'id', o ->> 'id', 'billing_reason', o ->> 'billing_reason',
                                   'attempt_count', o -> 'attempt_count', 'invoice', json_id(o -> 'invoice')));
    RETURN NULL;
END
$$;

-- Apple's App Store Server Notifications, version 2; the payload has transaction
-- and renewal decoded.  price is in thousandths of the currency's unit.  What is
-- bought once has an originalTransactionId, too, and is refunded and revoked.
CREATE OR REPLACE FUNCTION webhook_apple(e webhook_events) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    d       jsonb := e.payload -> 'data';
    t       jsonb := d -> 'transactionInfo';
    r       jsonb := d -> 'renewalInfo';
    subtype text := e.payload ->> 'subtype';
    sub     text := coalesce(t ->> 'originalTransactionId', r ->> 'originalTransactionId');
    kind    text := CASE e.type
        WHEN 'SUBSCRIBED' THEN 'started'
        WHEN 'DID_RENEW' THEN 'renewed'
        WHEN 'EXPIRED' THEN 'expired'
        WHEN 'REFUND' THEN 'refunded'
        WHEN 'REVOKE' THEN 'revoked'
        WHEN 'DID_FAIL_TO_RENEW' THEN 'payment_failed'
        WHEN 'GRACE_PERIOD_EXPIRED' THEN 'on_hold'
        WHEN 'DID_CHANGE_RENEWAL_STATUS' THEN CASE subtype WHEN 'AUTO_RENEW_DISABLED' THEN 'cancelled' ELSE 'uncancelled' END
        WHEN 'DID_CHANGE_RENEWAL_PREF' THEN 'changed'
        WHEN 'OFFER_REDEEMED' THEN 'changed'
        WHEN 'RENEWAL_EXTENDED' THEN 'changed'
        WHEN 'REFUND_REVERSED' THEN 'changed' END;
BEGIN
    IF kind IS NULL THEN
        RETURN 'nothing is done for this type of event';
    ELSIF sub IS NULL OR t ->> 'type' IN ('Consumable', 'Non-Consumable') THEN
        RETURN 'this is not about a subscription';
    END IF;
    PERFORM billing_apply('apple', kind, e.event_id, sub, e.occurred_at,
        account => t ->> 'appAccountToken',
        product => coalesce(t ->> 'productId', r ->> 'productId'),
        status => CASE (d ->> 'status') WHEN '1' THEN 'active' WHEN '2' THEN 'expired' WHEN '3' THEN 'past_due'
                                        WHEN '4' THEN 'grace_period' WHEN '5' THEN 'revoked' END,
        starts_at => json_epoch(t -> 'purchaseDate', 1000),
        ends_at => json_epoch(t -> 'expiresDate', 1000),
        is_ending => CASE r ->> 'autoRenewStatus' WHEN '0' THEN true WHEN '1' THEN false END,
        amount_cents => minor_units((t ->> 'price')::numeric / 1000, t ->> 'currency'),
        currency => t ->> 'currency',
        environment => CASE WHEN d ->> 'environment' = 'Production' THEN 'production' ELSE 'sandbox' END,
        data => jsonb_build_object('subtype', subtype, 'bundle_id', d ->> 'bundleId', 'transaction_id', t ->> 'transactionId',
                                   'next_product', r ->> 'autoRenewProductId', 'revocation_reason', t -> 'revocationReason',
                                   'offer_type', t -> 'offerType', 'expiration_intent', r -> 'expirationIntent'));
    RETURN NULL;
END
$$;

-- Of which purchase must Google be asked before its notification says anything?  NULL: of none.
CREATE OR REPLACE FUNCTION webhook_google_wants(e webhook_events, plays text[], OUT package text, OUT purchase_token text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    n jsonb := e.payload -> 'notification';
BEGIN
    IF webhook_google_kind(e) IS NOT NULL AND n ->> 'packageName' = ANY (plays) THEN
        package := n ->> 'packageName';
        purchase_token := e.object_key;
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION webhook_google_kind(e webhook_events) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN CASE e.type
    WHEN 'SUBSCRIPTION_PURCHASED' THEN 'started'
    WHEN 'SUBSCRIPTION_RENEWED' THEN 'renewed'
    WHEN 'SUBSCRIPTION_RECOVERED' THEN 'resumed'
    WHEN 'SUBSCRIPTION_RESTARTED' THEN 'uncancelled'
    WHEN 'SUBSCRIPTION_CANCELED' THEN 'cancelled'
    WHEN 'SUBSCRIPTION_CANCELLATION_SCHEDULED' THEN 'cancelled'
    WHEN 'SUBSCRIPTION_PENDING_PURCHASE_CANCELED' THEN 'cancelled'
    WHEN 'SUBSCRIPTION_EXPIRED' THEN 'expired'
    WHEN 'SUBSCRIPTION_REVOKED' THEN 'revoked'
    WHEN 'SUBSCRIPTION_ON_HOLD' THEN 'on_hold'
    WHEN 'SUBSCRIPTION_IN_GRACE_PERIOD' THEN 'payment_failed'
    WHEN 'SUBSCRIPTION_PAUSED' THEN 'paused'
    WHEN 'SUBSCRIPTION_PAUSE_SCHEDULE_CHANGED' THEN 'changed'
    WHEN 'SUBSCRIPTION_DEFERRED' THEN 'changed'
    WHEN 'SUBSCRIPTION_PRICE_CHANGE_CONFIRMED' THEN 'changed'
    WHEN 'SUBSCRIPTION_PRICE_CHANGE_UPDATED' THEN 'changed'
    WHEN 'SUBSCRIPTION_ITEMS_CHANGED' THEN 'changed'
    WHEN 'VOIDED_PURCHASE' THEN CASE WHEN e.payload #>> '{notification,voidedPurchaseNotification,productType}' = '1'
                                     THEN 'refunded' END END;

-- Google's Play notifications, with the state that its API tells (SubscriptionPurchaseV2).
CREATE OR REPLACE FUNCTION webhook_google(e webhook_events, plays text[], play jsonb) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    kind text := webhook_google_kind(e);
    item jsonb := play #> '{lineItems,0}';
BEGIN
    IF e.payload #>> '{notification,packageName}' = ANY (plays) IS NOT TRUE THEN
        RETURN 'this is about another app';
    ELSIF kind IS NULL THEN
        RETURN 'nothing is done for this type of event';
    END IF;
    PERFORM billing_apply('google', kind, e.event_id, e.object_key, e.occurred_at,
        account => coalesce(play #>> '{externalAccountIdentifiers,obfuscatedExternalAccountId}',
                            play #>> '{externalAccountIdentifiers,externalAccountId}'),
        product => item ->> 'productId',
        status => lower(replace(play ->> 'subscriptionState', 'SUBSCRIPTION_STATE_', '')),
        starts_at => (play ->> 'startTime')::timestamptz,
        ends_at => (item ->> 'expiryTime')::timestamptz,
        is_ending => CASE WHEN item -> 'autoRenewingPlan' IS NOT NULL
                          THEN (item #> '{autoRenewingPlan,autoRenewEnabled}' = 'true') IS NOT TRUE END,
        amount_cents => minor_units(coalesce((item #>> '{autoRenewingPlan,recurringPrice,units}')::numeric, 0)
                                    + coalesce((item #>> '{autoRenewingPlan,recurringPrice,nanos}')::numeric, 0) / 1000000000,
                                    item #>> '{autoRenewingPlan,recurringPrice,currencyCode}'),
        currency => item #>> '{autoRenewingPlan,recurringPrice,currencyCode}',
        environment => CASE WHEN jsonb_typeof(play -> 'testPurchase') = 'object' THEN 'sandbox' ELSE 'production' END,
        data => jsonb_build_object('package', e.payload #>> '{notification,packageName}', 'order_id', play ->> 'latestOrderId',
                                   'replaces', play ->> 'linkedPurchaseToken', 'acknowledgement', play ->> 'acknowledgementState',
                                   'region', play ->> 'regionCode'));
    RETURN NULL;
END
$$;
