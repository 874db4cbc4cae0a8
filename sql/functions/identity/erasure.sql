-- Erasing a user: nothing of the person stays, and what others have stays whole.
--
-- What becomes of each column that says whose a row is: t/api/identity/erasure.t compares this with every foreign key to users, so that a
-- table that is new has its line here.
--
--   ends    user_erase() itself ends it, by what there is for it: whoever else is concerned is told, bytes are removed, a provider asked
--   delete  the row is deleted
--   clear   the column is emptied
--   keep    it is for the books, or a count, and leads to a row of users in which nothing of the person stands any more
--
-- exported_as is what its rows are called in what a person is given of theirs (account_exports.sql), found which those are where col is not
-- the user: of $1, the tenant, $2, the user, and $3, their addresses.
CREATE OR REPLACE FUNCTION erasures() RETURNS TABLE (tbl text, col text, action text, exported_as text, found text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 70
BEGIN ATOMIC
    VALUES ('memberships', 'user_id', 'ends', 'memberships', NULL), ('subscriptions', 'user_id', 'ends', 'subscriptions', NULL),
           ('files', 'owner_id', 'ends', 'files', NULL), ('pictures', 'user_id', 'ends', 'pictures', NULL),
           ('stored_objects', 'user_id', 'ends', 'stored_objects', NULL), ('api_keys', 'creator_id', 'ends', 'api_keys', NULL),
           ('agent_conversations', 'user_id', 'ends', 'agent_conversations', NULL), ('identities', 'user_id', 'ends', 'identities', NULL),
           ('user_accounts', 'user_id', 'ends', 'user_accounts', NULL), ('account_names', 'user_id', 'ends', 'account_names', NULL),
           ('wallets', 'user_id', 'ends', 'wallets', NULL), ('signup_runs', 'user_id', 'ends', 'signup_runs', NULL),
           ('tenant_team_members', 'user_id', 'ends', 'tenant_team_members', NULL), ('agent_executions', 'user_id', 'delete', 'agent_executions', NULL),
           ('external_agent_calls', 'user_id', 'delete', 'external_agent_calls', NULL), ('file_folders', 'owner_id', 'delete', 'file_folders', NULL),
           ('projects', 'owner_id', 'delete', 'projects', NULL), ('account_makers', 'user_id', 'delete', 'account_makers', NULL),
           ('membership_removals', 'user_id', 'delete', 'membership_removals', NULL), ('one_time_tokens', 'user_id', 'delete', 'one_time_tokens', NULL),
           ('opsboard_profiles', 'user_id', 'delete', 'opsboard_profiles', NULL), ('passkeys', 'user_id', 'delete', 'passkeys', NULL),
           ('recovery_codes', 'user_id', 'delete', 'recovery_codes', NULL), ('totp_factors', 'user_id', 'delete', 'totp_factors', NULL),
           ('webauthn_challenges', 'user_id', 'delete', 'webauthn_challenges', NULL), ('request_errors', 'user_id', 'delete', 'request_errors', NULL),
           ('user_settings', 'user_id', 'delete', 'user_settings', NULL), ('topup_configs', 'user_id', 'delete', 'topup_configs', NULL),
           ('sessions', 'impersonator_id', 'delete', 'sessions_as_another', NULL), ('sessions', 'user_id', 'delete', 'sessions', NULL),
           ('realtime_tickets', 'user_id', 'delete', 'realtime_tickets', NULL), ('known_addresses', 'account_id', 'delete', 'known_addresses', NULL),
           ('ai_responses', 'owner_id', 'delete', 'ai_responses', NULL),
           ('tenant_notification_inboxes', 'user_id', 'delete', 'tenant_notification_inboxes', NULL),
           ('tenant_notification_marks', 'user_id', 'delete', 'tenant_notification_marks', NULL),
           ('tenant_notification_reads', 'user_id', 'delete', 'tenant_notification_reads', NULL), ('account_exports', 'user_id', 'delete', 'account_exports', NULL),
           ('invitations', 'invited_by', 'clear', 'invitations_sent', NULL), ('member_profiles', 'invited_by', 'clear', 'members_invited', NULL),
           ('tenant_team_invitations', 'invited_by', 'clear', 'team_invitations_sent', NULL), ('products', 'creator_id', 'clear', 'products', NULL),
           ('tasks', 'maker_id', 'clear', 'tenant_tasks', NULL),
           ('credentials', 'updated_by_id', 'clear', 'credentials_written', NULL), ('credential_versions', 'made_by_id', 'clear', 'credential_versions_written', NULL),
           ('billing_customers', 'user_id', 'keep', 'billing_customers', NULL), ('billing_operations', 'user_id', 'keep', 'billing_operations', NULL),
           ('invoices', 'user_id', 'keep', 'invoices', NULL), ('payments', 'user_id', 'keep', 'payments', NULL),
           ('topups', 'user_id', 'keep', 'topups', NULL), ('ai_calls', 'user_id', 'keep', 'ai_calls', NULL),
           ('ai_daily', 'user_id', 'keep', 'ai_daily', NULL), ('usage_counters', 'user_id', 'keep', 'usage_counters', NULL),
           ('usage_daily', 'user_id', 'keep', 'usage_daily', NULL), ('usage_events', 'user_id', 'keep', 'usage_events', NULL),
           ('usage_limits', 'user_id', 'keep', 'usage_limits', NULL), ('usage_operations', 'user_id', 'keep', 'usage_operations', NULL),
           ('usage_values', 'user_id', 'keep', 'usage_values', NULL),
           -- What is the person's by something of theirs, or by their address: user_erase() and erase_mentions() end it.
           ('users', 'id', 'ends', 'account', NULL),
           ('organizations', 'id', 'ends', 'organizations', 'EXISTS (SELECT FROM memberships m WHERE m.tenant_id = $1 AND m.organization_id = x.id AND m.user_id = $2 AND m.role = ''owner'')'),
           ('member_profiles', 'member_id', 'ends', 'member_profiles', 'x.member_id IN (SELECT m.id FROM memberships m WHERE m.tenant_id = $1 AND m.user_id = $2)'),
           ('identity_profiles', 'subject', 'ends', 'identity_profiles', '(x.issuer, x.subject) IN (SELECT i.issuer, i.subject FROM identities i WHERE i.tenant_id = $1 AND i.user_id = $2)'),
           ('agent_messages', 'conversation_id', 'ends', 'agent_messages', 'x.conversation_id IN (SELECT c.id FROM agent_conversations c WHERE c.tenant_id = $1 AND c.user_id = $2)'),
           ('wallet_transactions', 'wallet_id', 'ends', 'wallet_transactions', 'x.wallet_id IN (SELECT w.id FROM wallets w WHERE w.tenant_id = $1 AND w.user_id = $2)'),
           ('invitations', 'email', 'ends', 'invitations', 'lower(x.email) = ANY ($3)'), ('tenant_team_invitations', 'email', 'ends', 'team_invitations', 'lower(x.email) = ANY ($3)'),
           ('contact_submissions', 'email', 'ends', 'contact_submissions', 'lower(x.email) = ANY ($3)'),
           ('audit_events', 'actor_id', 'ends', 'audit_events', 'x.actor_id = (SELECT u.public_id FROM users u WHERE u.tenant_id = $1 AND u.id = $2)');
END;

-- The addresses by which a user is known, in lower case.
CREATE OR REPLACE FUNCTION user_addresses(who uuid) RETURNS text[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
    tenant uuid := app_tenant();
BEGIN
    RETURN ARRAY(
        SELECT DISTINCT lower(a) FROM (
            SELECT e.a FROM users u, LATERAL (VALUES (u.email), (u.email_key)) e (a) WHERE u.tenant_id = tenant AND u.id = who
            UNION SELECT p.email FROM opsboard_profiles p WHERE p.tenant_id = tenant AND p.user_id = who
            UNION SELECT p.email FROM identities i JOIN identity_profiles p ON p.tenant_id = i.tenant_id AND p.issuer = i.issuer AND p.subject = i.subject
                  WHERE i.tenant_id = tenant AND i.user_id = who) x (a)
        WHERE a LIKE '%_@_%');
END
$$;

-- A regular expression that finds an address, but not as a part of a longer one: ann@example.com is not in joann@example.com.
CREATE OR REPLACE FUNCTION address_pattern(address text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '(?<![a-z0-9._%+-])' || regexp_replace(address, '([\\^$.|?*+(){}\[\]])', '\\\1', 'g') || '(?![a-z0-9_-]|\.[a-z0-9])';

-- What is on its way, or was kept for a while, and has one of these addresses in it, or ids of the user or their memberships: mails and
-- other jobs, what webhooks brought and bring, what pages were told, answers that would be sent again, invitations, sign-ups. All of it
-- is gone within weeks by itself, so none of these tables is long.
CREATE OR REPLACE FUNCTION erase_mentions(tenant uuid, who uuid, addresses text[], ids text[]) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    said  text[] := ARRAY(SELECT address_pattern(a) FROM unnest(addresses) a);
    about text[] := said || ARRAY(SELECT '"' || regexp_replace(i, '([\\^$.|?*+(){}\[\]])', '\\\1', 'g') || '"' FROM unnest(ids) i);
    asked text[] := ARRAY(SELECT i.id::text FROM invitations i WHERE i.tenant_id = tenant AND lower(i.email) = ANY (addresses));
BEGIN
    PERFORM audit_forget_of('invitation', asked);
    PERFORM audit_forget_addresses(addresses);
    UPDATE activities a SET entity_name = 'deleted-user', description = activity_word(a.event), metadata = '{}'
    FROM invitations i
    WHERE i.tenant_id = tenant AND lower(i.email) = ANY (addresses)
      AND a.tenant_id = tenant AND a.organization_id = i.organization_id AND a.type = 'user' AND a.entity_id = i.id::text;
    DELETE FROM rate_limits l WHERE l.tenant_id = tenant AND l.subject ~* ANY (said);
    DELETE FROM jobs j WHERE j.tenant_id = tenant AND j.state <> 'running'
        AND (j.payload ->> 'user' = who::text OR concat_ws(' ', j.payload, j.result, j.last_error, j.errors) ~* ANY (said));
    DELETE FROM webhook_messages m WHERE m.tenant_id = tenant AND m.payload::text ~* ANY (about);
    UPDATE webhook_attempts a SET response_head = NULL, response_body = NULL
    WHERE a.tenant_id = tenant AND concat_ws(' ', a.response_head, a.response_body) ~* ANY (said);
    DELETE FROM webhook_events e WHERE e.tenant_id = tenant AND e.state <> 'queued' AND concat_ws(' ', e.payload, e.raw) ~* ANY (said);
    DELETE FROM realtime_messages m WHERE m.tenant_id = tenant AND concat_ws(' ', m.payload, m.sender) ~* ANY (about);
    DELETE FROM idempotency_keys k WHERE k.tenant_id = tenant AND concat_ws(' ', k.headers, k.body) ~* ANY (about);
    DELETE FROM invitations i WHERE i.tenant_id = tenant AND lower(i.email) = ANY (addresses);
    DELETE FROM tenant_team_invitations i WHERE i.tenant_id = tenant AND lower(i.email) = ANY (addresses);
    DELETE FROM signup_runs r WHERE r.tenant_id = tenant AND (r.user_id = who OR lower(r.email) = ANY (addresses));
    DELETE FROM contact_submissions c WHERE c.tenant_id = tenant AND lower(c.email) = ANY (addresses);
END
$$;

-- One membership, behind the organization's lock.  An organization that would be left without an owner passes to the admin who has been
-- there longest, else to the member; one that nobody else is in ends, and is called nothing any more.
CREATE OR REPLACE FUNCTION erase_member(m memberships) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    heir memberships;
    key  uuid;
    s    uuid;
BEGIN
    IF m.role = 'owner' AND m.is_active AND NOT EXISTS (
        SELECT FROM memberships x JOIN users u ON u.tenant_id = x.tenant_id AND u.id = x.user_id
        WHERE x.tenant_id = m.tenant_id AND x.organization_id = m.organization_id AND x.role = 'owner' AND x.is_active
          AND x.user_id <> m.user_id AND u.access > 0) THEN
        SELECT x.* INTO heir
        FROM memberships x JOIN users u ON u.tenant_id = x.tenant_id AND u.id = x.user_id
        WHERE x.tenant_id = m.tenant_id AND x.organization_id = m.organization_id AND x.is_active AND x.user_id <> m.user_id AND u.access > 0
        ORDER BY x.role = 'admin' DESC, x.joined_at, x.id LIMIT 1;
        IF FOUND THEN
            UPDATE memberships x SET role = 'owner' WHERE x.tenant_id = m.tenant_id AND x.organization_id = m.organization_id AND x.id = heir.id;
            PERFORM member_audit('member.role', heir, jsonb_build_object('from', heir.role, 'to', 'owner', 'inherited', true));
        ELSE
            FOR s IN SELECT x.id FROM subscriptions x
                     WHERE x.tenant_id = m.tenant_id AND x.organization_id = m.organization_id AND x.ended_at IS NULL LOOP
                PERFORM erase_subscription(s);
            END LOOP;
            UPDATE invitations i SET status = 'cancelled', responded_at = now()
            WHERE i.tenant_id = m.tenant_id AND i.organization_id = m.organization_id AND i.status = 'pending';
            UPDATE organizations o SET deleted_at = now(), name = 'deleted', slug = 'deleted-' || left(md5(o.id::text), 12), logo_url = NULL
            WHERE o.tenant_id = m.tenant_id AND o.id = m.organization_id AND o.deleted_at IS NULL;
        END IF;
    END IF;
    FOR key IN UPDATE api_keys k SET revoked_at = now(), revoke_reason = 'its maker was erased'
               WHERE k.tenant_id = m.tenant_id AND k.organization_id = m.organization_id AND k.made_by = m.id AND k.revoked_at IS NULL
               RETURNING k.id LOOP
        PERFORM audit('api_key.revoke', 'api_key', key::text, jsonb_build_object('organization_id', m.organization_id));
    END LOOP;
    -- Whatever was told of them, and what others were told that they did.
    UPDATE activities a SET entity_name = 'deleted-user', description = activity_word(a.event), metadata = '{}'
    WHERE a.tenant_id = m.tenant_id AND a.organization_id = m.organization_id AND a.type = 'user'
      AND (a.entity_id = m.id::text OR a.metadata ->> 'to_member_id' = m.id::text);
    DELETE FROM notifications n WHERE n.tenant_id = m.tenant_id AND n.organization_id = m.organization_id AND n.actor_id = m.id;
    PERFORM stored_object_drop(p.object_id) FROM pictures p
    WHERE p.tenant_id = m.tenant_id AND p.organization_id = m.organization_id AND p.member_id = m.id;
    DELETE FROM pictures p WHERE p.tenant_id = m.tenant_id AND p.organization_id = m.organization_id AND p.member_id = m.id;
    PERFORM member_gone(m);
    DELETE FROM memberships x WHERE x.tenant_id = m.tenant_id AND x.organization_id = m.organization_id AND x.id = m.id;
    PERFORM workspace_tell(m.organization_id, 'members_updated', jsonb_build_object('member_id', m.id));
END
$$;

-- What an activity is called of which nothing else is said any more.
CREATE OR REPLACE FUNCTION activity_word(event text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN replace(split_part(event, '.', 2), '_', ' ') || ': deleted-user';

-- End a subscription: at its provider by a job, here at once where there is none.
CREATE OR REPLACE FUNCTION erase_subscription(subscription uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM subscriptions x WHERE x.tenant_id = app_tenant() AND x.id = subscription AND x.provider_id IS NOT NULL) THEN
        PERFORM job_add('ashlar', 'billing.do', jsonb_build_object('subscription', subscription, 'kind', 'end'));
    ELSE
        PERFORM subscription_change_here(subscription, 'cancel', false, NULL, NULL);
    END IF;
END
$$;

-- Erase a user of the tenant.  Whether the caller may is asked before.  Raises AS404.
CREATE OR REPLACE FUNCTION user_erase(who uuid) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant    uuid := app_tenant();
    quiet     text := coalesce(current_setting('app.quiet', true), '');
    u         users;
    m         memberships;
    addresses text[];
    r         record;
BEGIN
    -- Organizations first, as everywhere.
    FOR m IN SELECT x.* FROM memberships x WHERE x.tenant_id = tenant AND x.user_id = who ORDER BY x.organization_id LOOP
        PERFORM organization_lock(m.organization_id);
    END LOOP;
    SELECT * INTO u FROM users x WHERE x.tenant_id = tenant AND x.id = who AND x.deleted_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'User not found';
    END IF;
    addresses := user_addresses(who);
    PERFORM set_config('app.quiet', 'on', true);
    -- Before anybody is told that they are gone.
    PERFORM erase_mentions(tenant, who, addresses, ARRAY[who::text, u.public_id]
                           || ARRAY(SELECT x.id::text FROM memberships x WHERE x.tenant_id = tenant AND x.user_id = who));
    FOR m IN SELECT x.* FROM memberships x WHERE x.tenant_id = tenant AND x.user_id = who ORDER BY x.organization_id LOOP
        PERFORM erase_member(m);
    END LOOP;
    PERFORM erase_subscription(s.id) FROM subscriptions s WHERE s.tenant_id = tenant AND s.user_id = who AND s.ended_at IS NULL;
    UPDATE api_keys k SET revoked_at = coalesce(k.revoked_at, now()) WHERE k.tenant_id = tenant AND k.creator_id = who AND k.revoked_at IS NULL;
    PERFORM file_delete(f.id, who) FROM files f WHERE f.tenant_id = tenant AND f.owner_id = who;
    PERFORM stored_object_drop(p.object_id) FROM pictures p WHERE p.tenant_id = tenant AND p.user_id = who;
    DELETE FROM pictures p WHERE p.tenant_id = tenant AND p.user_id = who;
    PERFORM stored_object_drop(o.id) FROM stored_objects o
    WHERE o.tenant_id = tenant AND o.user_id = who AND o.organization_id IS NULL AND o.state <> 'gone';
    UPDATE stored_objects o SET user_id = NULL WHERE o.tenant_id = tenant AND o.user_id = who;
    DELETE FROM agent_messages a USING agent_conversations c
    WHERE c.tenant_id = tenant AND c.user_id = who AND a.tenant_id = tenant AND a.conversation_id = c.id;
    DELETE FROM identity_profiles p USING identities i
    WHERE i.tenant_id = tenant AND i.user_id = who AND p.tenant_id = tenant AND p.issuer = i.issuer AND p.subject = i.subject;
    DELETE FROM idempotency_keys k USING identities i
    WHERE i.tenant_id = tenant AND i.user_id = who AND k.tenant_id = tenant AND k.principal = i.issuer || ' ' || i.subject;
    DELETE FROM idempotency_keys k WHERE k.tenant_id = tenant AND k.principal LIKE '% ' || u.public_id;
    DELETE FROM identities i WHERE i.tenant_id = tenant AND i.user_id = who;
    UPDATE user_accounts a SET username = NULL WHERE a.tenant_id = tenant AND a.user_id = who;
    UPDATE wallet_transactions t SET reference_id = NULL, metadata = '{}' FROM wallets w
    WHERE w.tenant_id = tenant AND w.user_id = who AND t.tenant_id = tenant AND t.wallet_id = w.id;
    UPDATE wallet_holds h SET reference_id = NULL, metadata = '{}' FROM wallets w
    WHERE w.tenant_id = tenant AND w.user_id = who AND h.tenant_id = tenant AND h.wallet_id = w.id;
    UPDATE billing_operations b SET request = '{}', answer = NULL, error = NULL WHERE b.tenant_id = tenant AND b.user_id = who AND b.ended_at IS NOT NULL;
    FOR r IN SELECT e.* FROM erasures() e WHERE e.action IN ('delete', 'clear') LOOP
        EXECUTE format(CASE r.action WHEN 'delete' THEN 'DELETE FROM %1$I x WHERE x.tenant_id = $1 AND x.%2$I = $2'
                                     ELSE 'UPDATE %1$I x SET %2$I = NULL WHERE x.tenant_id = $1 AND x.%2$I = $2' END, r.tbl, r.col) USING tenant, who;
    END LOOP;
    DELETE FROM agent_conversations c WHERE c.tenant_id = tenant AND c.user_id = who;
    PERFORM set_config('app.quiet', quiet, true);
    PERFORM account_end(who);
    PERFORM audit_forget(u.public_id);
END
$$;
REVOKE ALL ON FUNCTION user_erase(uuid) FROM PUBLIC;

-- The caller's own account, for good; its number.  Raises AS403.
CREATE OR REPLACE FUNCTION operations_user_erase_me() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    who uuid := app_user();
    u   users;
BEGIN
    SELECT * INTO u FROM users x WHERE x.tenant_id = app_tenant() AND x.id = who AND x.deleted_at IS NULL;
    IF NOT FOUND OR u.access > 1 THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'an administrator is erased by another one';
    ELSIF nullif(current_setting('app.request', true), '')::jsonb ->> 'on_behalf_of' IS NOT NULL THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'an account is erased by its user, not by who acts for them';
    END IF;
    PERFORM user_erase(who);
    PERFORM activity_log_put('user.deleted', 'user', a.number::text, '{}', NULL) FROM user_accounts a WHERE a.tenant_id = app_tenant() AND a.user_id = who;
    RETURN (SELECT a.number FROM user_accounts a WHERE a.tenant_id = app_tenant() AND a.user_id = who);
END
$$;
REVOKE ALL ON FUNCTION operations_user_erase_me() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION operations_user_erase_me() TO ashlar_api;

-- Another user, by number: of the tenant, or of any for who operates the installation.  Only a superadmin erases an administrator, and
-- the last one stays.  Raises AS403, AS404 and AS409.
CREATE OR REPLACE FUNCTION operations_user_erase(one bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    here uuid := app_tenant();
    mine users;
    seen record;
    u    users;
BEGIN
    SELECT * INTO mine FROM users x WHERE x.tenant_id = here AND x.id = app_user() AND x.access > 1;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this is for administrators';
    END IF;
    SELECT * INTO seen FROM operations_users(one, 1);
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'User not found', DETAIL = one::text;
    ELSIF seen.user_id = mine.id THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'nobody erases the account that they call with';
    END IF;
    PERFORM set_config('app.tenant_id', seen.tenant_id::text, true);
    SELECT * INTO u FROM users x WHERE x.tenant_id = seen.tenant_id AND x.id = seen.user_id;
    IF u.access > 1 AND mine.access < 3 THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'only a superadmin erases an administrator';
    ELSIF u.role = 'superadmin' AND u.is_active THEN
        PERFORM superadmin_stays(u.id);
    END IF;
    PERFORM user_erase(u.id);
    PERFORM activity_log_put('user.deleted', 'user', one::text, '{}', CASE WHEN seen.tenant_id = here THEN mine.id END);
    PERFORM set_config('app.tenant_id', here::text, true);
    RETURN one;
END
$$;
REVOKE ALL ON FUNCTION operations_user_erase(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION operations_user_erase(bigint) TO ashlar_api;
