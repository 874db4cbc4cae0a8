-- What is told of a change, to webhooks and to whoever listens on a channel.
--
-- A trigger on the table sees every way in which its rows change (each surface,
-- another issuer's token, a webhook of somebody else's, a command), also the one
-- that is written next year, and stands in the transaction of the change: there
-- is no change without its event, and no event of what was rolled back.  What no
-- client can see (a counter, a password's hash, the time of a sign-in) is no
-- change: each trigger names the columns that are shown.
--
-- The events are listed in handlers/events.c, with the members of their data;
-- t/api/integrations/events.t compares that list with the calls here, so the type costs
-- nothing to check when it is sent.
--
-- Channels are locked until the transaction ends (see realtime_publish), so
-- that their messages are in order.  They are locked behind the rows that the
-- statement changed, an organization's before a user's, and nobody changes a
-- row of users behind the lock of that user's channel: see member_gone().

-- Is a change of this tenant's rows told?  Not of those that an operator makes
-- by hand, in no tenant, nor where app.quiet is set: by what fills the database
-- (ashlar seed), for whom nobody waits.
CREATE OR REPLACE FUNCTION is_told(tenant uuid) RETURNS boolean
LANGUAGE sql STABLE
RETURN tenant = app_tenant() AND nullif(current_setting('app.quiet', true), '') IS NULL;

-- Tell of one.  channels: who hears of it at once, in the order of their names.
-- Nobody can listen to the channel of a user whose id has a space in it, and
-- what is more than a message may hold is told without its data: neither is a
-- reason to refuse the change.
CREATE OR REPLACE FUNCTION tell(type text, organization uuid, data jsonb, VARIADIC channels text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    message jsonb := jsonb_build_object('type', 'update', 'event', type, 'data', data);
    channel text;
BEGIN
    PERFORM event_emit(type, organization, data);
    IF pg_column_size(message) > 5000 AND octet_length(message::text) > 32768 THEN
        message := jsonb_build_object('type', 'update', 'event', type, 'is_truncated', true,
                                      'data', jsonb_build_object('id', data -> 'id'));
    END IF;
    FOREACH channel IN ARRAY channels LOOP
        IF realtime_kind(channel) IS NOT NULL THEN
            PERFORM realtime_publish(channel, message);
        END IF;
    END LOOP;
END
$$;

-- What a resource was before, of the members that are other ones now.
CREATE OR REPLACE FUNCTION previous_attributes(before jsonb, after jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN jsonb_build_object('previous_attributes',
    (SELECT coalesce(jsonb_object_agg(b.key, b.value), '{}')
     FROM jsonb_each(before) b
     WHERE b.key <> 'updated_at' AND b.value IS DISTINCT FROM after -> b.key));

-- ---------------------------------------------------------------- users

CREATE OR REPLACE FUNCTION user_data(u users) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN jsonb_build_object(
        'id', u.id, 'sub', u.public_id, 'tenant_id', u.tenant_id, 'email', u.email, 'is_email_verified', u.is_email_verified,
        'display_name', u.full_name, 'avatar_url', u.avatar_url, 'locale', u.locale, 'role', u.role, 'status', u.status,
        'is_active', u.is_active, 'current_plan_id', u.current_plan_id, 'default_organization_id', u.default_organization_id,
        'created_at', json_time(u.created_at), 'updated_at', json_time(u.updated_at));
END
$$;

-- Of a statement, not of a row: an import of many costs nothing where nobody wants to know.
CREATE OR REPLACE FUNCTION users_made() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF event_wanted('user.created', NULL) THEN
        PERFORM event_emit('user.created', NULL, user_data(u))
        FROM made u
        WHERE u.deleted_at IS NULL AND is_told(u.tenant_id);    -- some are put down as deleted already: identity_apply()
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER users_made AFTER INSERT ON users
    REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION users_made();

-- Who is deleted has lost what was personal: of that nothing is told again.
CREATE OR REPLACE FUNCTION user_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    after jsonb := user_data(NEW);
BEGIN
    IF NEW.deleted_at IS NOT NULL THEN
        PERFORM tell('user.deleted', NULL, after, 'user:' || NEW.public_id);
    ELSE
        PERFORM tell(CASE WHEN NEW.is_active = OLD.is_active THEN 'user.updated'
                          WHEN NEW.is_active THEN 'user.activated' ELSE 'user.deactivated' END,
                     NULL, after || previous_attributes(user_data(OLD), after), 'user:' || NEW.public_id);
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER users_changed
    AFTER UPDATE OF public_id, email, is_email_verified, full_name, avatar_url, locale, role, status, is_active,
        current_plan_id, default_organization_id, deleted_at ON users FOR EACH ROW
    WHEN ((OLD.public_id, OLD.email, OLD.is_email_verified, OLD.full_name, OLD.avatar_url, OLD.locale, OLD.role,
           OLD.status, OLD.is_active, OLD.current_plan_id, OLD.default_organization_id, OLD.deleted_at)
          IS DISTINCT FROM
          (NEW.public_id, NEW.email, NEW.is_email_verified, NEW.full_name, NEW.avatar_url, NEW.locale, NEW.role,
           NEW.status, NEW.is_active, NEW.current_plan_id, NEW.default_organization_id, NEW.deleted_at)
          AND OLD.deleted_at IS NULL AND is_told(NEW.tenant_id))
    EXECUTE FUNCTION user_changed();

-- A session that a person began: not one that a command or an administrator made.
CREATE OR REPLACE FUNCTION session_made() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF event_wanted('user.signed_in', NULL) THEN
        PERFORM event_emit('user.signed_in', NULL, jsonb_build_object(
            'session_id', NEW.id, 'user_id', NEW.user_id, 'sub', NEW.subject, 'method', NEW.method,
            'has_mfa', NEW.has_mfa, 'ip', host(NEW.ip), 'user_agent', NEW.user_agent,
            'signed_in_at', json_time(NEW.created_at)));
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER sessions_made AFTER INSERT ON sessions FOR EACH ROW
    WHEN (NEW.method IN ('password', 'google', 'passkey') AND is_told(NEW.tenant_id))
    EXECUTE FUNCTION session_made();

-- ---------------------------------------------------------------- organizations

CREATE OR REPLACE FUNCTION organization_data(o organizations) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN jsonb_build_object(
        'id', o.id, 'name', o.name, 'slug', o.slug, 'description', o.description, 'logo_url', o.logo_url,
        'created_at', json_time(o.created_at), 'updated_at', json_time(o.updated_at));
END
$$;

-- Nobody listens to what has just been made.
CREATE OR REPLACE FUNCTION organization_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    after jsonb := organization_data(NEW);
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM event_emit('organization.created', NEW.id, after);
    ELSE
        PERFORM tell('organization.updated', NEW.id, after || previous_attributes(organization_data(OLD), after),
                     'organization:' || NEW.id);
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER organizations_made AFTER INSERT ON organizations FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION organization_changed();
CREATE OR REPLACE TRIGGER organizations_changed AFTER UPDATE OF name, slug, description, logo_url ON organizations FOR EACH ROW
    WHEN ((OLD.name, OLD.slug, OLD.description, OLD.logo_url)
          IS DISTINCT FROM (NEW.name, NEW.slug, NEW.description, NEW.logo_url) AND is_told(NEW.tenant_id))
    EXECUTE FUNCTION organization_changed();

-- The member hears of it, too: until then they are on no channel of the organization's.
CREATE OR REPLACE FUNCTION member_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    m    memberships := coalesce(NEW, OLD);
    u    users;
    data jsonb;
BEGIN
    SELECT * INTO u FROM users x WHERE x.tenant_id = m.tenant_id AND x.id = m.user_id;
    data := jsonb_build_object(
        'organization_id', m.organization_id, 'user_id', m.user_id, 'email', u.email, 'display_name', u.full_name,
        'role', m.role, 'is_active', m.is_active, 'joined_at', json_time(m.joined_at));
    IF TG_OP = 'UPDATE' THEN
        data := data || previous_attributes(jsonb_build_object('role', OLD.role, 'is_active', OLD.is_active), data);
    END IF;
    PERFORM tell(CASE TG_OP WHEN 'INSERT' THEN 'organization.member_added' WHEN 'UPDATE' THEN 'organization.member_updated'
                            ELSE 'organization.member_removed' END,
                 m.organization_id, data, 'organization:' || m.organization_id, 'user:' || u.public_id);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER memberships_made AFTER INSERT ON memberships FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION member_changed();
CREATE OR REPLACE TRIGGER memberships_changed AFTER UPDATE OF role, is_active ON memberships FOR EACH ROW
    WHEN ((OLD.role, OLD.is_active) IS DISTINCT FROM (NEW.role, NEW.is_active) AND is_told(NEW.tenant_id))
    EXECUTE FUNCTION member_changed();
CREATE OR REPLACE TRIGGER memberships_gone AFTER DELETE ON memberships FOR EACH ROW
    WHEN (is_told(OLD.tenant_id)) EXECUTE FUNCTION member_changed();

-- Invitations are on no channel: members who may not invite do not see them.
CREATE OR REPLACE FUNCTION invitation_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM event_emit(CASE NEW.status WHEN 'pending' THEN 'invitation.created' WHEN 'accepted' THEN 'invitation.accepted'
                                       WHEN 'rejected' THEN 'invitation.rejected' ELSE 'invitation.cancelled' END,
                       NEW.organization_id, jsonb_build_object(
        'id', NEW.id, 'organization_id', NEW.organization_id, 'organization_name', o.name, 'email', NEW.email,
        'role', NEW.role, 'status', NEW.status, 'invited_by', NEW.invited_by, 'expires_at', json_time(NEW.expires_at),
        'created_at', json_time(NEW.created_at)))
    FROM organizations o
    WHERE o.tenant_id = NEW.tenant_id AND o.id = NEW.organization_id;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER invitations_made AFTER INSERT ON invitations FOR EACH ROW
    WHEN (NEW.status = 'pending' AND is_told(NEW.tenant_id)) EXECUTE FUNCTION invitation_changed();
CREATE OR REPLACE TRIGGER invitations_answered AFTER UPDATE OF status ON invitations FOR EACH ROW
    WHEN (OLD.status = 'pending' AND NEW.status IN ('accepted', 'rejected', 'cancelled') AND is_told(NEW.tenant_id))
    EXECUTE FUNCTION invitation_changed();

CREATE OR REPLACE FUNCTION department_data(d departments) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN jsonb_build_object(
        'id', d.id, 'organization_id', d.organization_id, 'name', d.name, 'description', d.description,
        'is_default', d.is_default, 'is_active', d.is_active, 'settings', d.settings,
        'created_at', json_time(d.created_at), 'updated_at', json_time(d.updated_at));
END
$$;

CREATE OR REPLACE FUNCTION department_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    after jsonb := department_data(NEW);
BEGIN
    IF TG_OP = 'UPDATE' THEN
        after := after || previous_attributes(department_data(OLD), after);
    END IF;
    PERFORM tell(CASE TG_OP WHEN 'INSERT' THEN 'department.created' ELSE 'department.updated' END, NEW.organization_id,
                 after, 'organization:' || NEW.organization_id);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER departments_made AFTER INSERT ON departments FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION department_changed();
CREATE OR REPLACE TRIGGER departments_changed
    AFTER UPDATE OF name, description, is_default, is_active, settings ON departments FOR EACH ROW
    WHEN ((OLD.name, OLD.description, OLD.is_default, OLD.is_active, OLD.settings)
          IS DISTINCT FROM (NEW.name, NEW.description, NEW.is_default, NEW.is_active, NEW.settings)
          AND is_told(NEW.tenant_id))
    EXECUTE FUNCTION department_changed();

-- ---------------------------------------------------------------- projects

CREATE OR REPLACE FUNCTION project_data(p projects, owner text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN jsonb_build_object(
        'id', p.id, 'name', p.name, 'description', p.description, 'owner_id', owner,
        'created_at', json_time(p.created_at), 'updated_at', json_time(p.updated_at));
END
$$;

-- Who has the project open hears of a change; the owner, whose list is another one, of a new and of a deleted one.
CREATE OR REPLACE FUNCTION project_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    owner text := (SELECT u.public_id FROM users u WHERE u.tenant_id = NEW.tenant_id AND u.id = NEW.owner_id);
    after jsonb := project_data(NEW, owner);
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM tell('project.created', NULL, after, 'user:' || owner);
    ELSIF NEW.deleted_at IS NOT NULL THEN
        PERFORM tell('project.deleted', NULL, after, 'project:' || NEW.id, 'user:' || owner);
    ELSE
        PERFORM tell('project.updated', NULL, after || previous_attributes(project_data(OLD, owner), after),
                     'project:' || NEW.id);
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER projects_made AFTER INSERT ON projects FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION project_changed();
CREATE OR REPLACE TRIGGER projects_changed AFTER UPDATE OF name, description, deleted_at ON projects FOR EACH ROW
    WHEN ((OLD.name, OLD.description, OLD.deleted_at) IS DISTINCT FROM (NEW.name, NEW.description, NEW.deleted_at)
          AND OLD.deleted_at IS NULL AND is_told(NEW.tenant_id))
    EXECUTE FUNCTION project_changed();

-- ---------------------------------------------------------------- a tenant's own

CREATE OR REPLACE FUNCTION contact_made() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF event_wanted('contact.submitted', NULL) THEN
        PERFORM event_emit('contact.submitted', NULL, contact_data(NEW));
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER contact_submissions_made AFTER INSERT ON contact_submissions FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION contact_made();

-- Without the key itself, also of a public one.
CREATE OR REPLACE FUNCTION api_key_data(k api_keys) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN jsonb_build_object(
        'id', k.id, 'name', k.name, 'type', k.type, 'prefix', k.prefix, 'allowed_origins', k.allowed_origins,
        'is_active', k.is_active, 'created_by', k.created_by, 'revoked_at', json_time(k.revoked_at),
        'created_at', json_time(k.created_at));
END
$$;

CREATE OR REPLACE FUNCTION api_key_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    after jsonb := api_key_data(NEW);
BEGIN
    IF TG_OP = 'UPDATE' THEN
        after := after || previous_attributes(api_key_data(OLD), after);
    END IF;
    PERFORM event_emit(CASE WHEN TG_OP = 'INSERT' THEN 'api_key.created'
                            WHEN NEW.revoked_at IS NOT NULL THEN 'api_key.revoked' ELSE 'api_key.updated' END, NULL, after);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER api_keys_made AFTER INSERT ON api_keys FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION api_key_changed();
CREATE OR REPLACE TRIGGER api_keys_changed AFTER UPDATE OF name, allowed_origins, is_active, revoked_at ON api_keys FOR EACH ROW
    WHEN ((OLD.name, OLD.allowed_origins, OLD.is_active, OLD.revoked_at)
          IS DISTINCT FROM (NEW.name, NEW.allowed_origins, NEW.is_active, NEW.revoked_at) AND is_told(NEW.tenant_id))
    EXECUTE FUNCTION api_key_changed();

CREATE OR REPLACE FUNCTION flag_data(f feature_flags) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN jsonb_build_object(
        'id', f.id, 'key', f.key, 'name', f.name, 'description', f.description, 'flag_type', f.flag_type,
        'is_enabled', f.is_enabled, 'percentage', f.percentage, 'user_ids', f.user_ids, 'plans', f.plans,
        'created_at', json_time(f.created_at));
END
$$;

CREATE OR REPLACE FUNCTION flag_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    type text := CASE TG_OP WHEN 'INSERT' THEN 'feature_flag.created' WHEN 'UPDATE' THEN 'feature_flag.updated'
                            ELSE 'feature_flag.deleted' END;
    data jsonb;
BEGIN
    IF event_wanted(type, NULL) THEN    -- before its data are made: a flag may name 10,000 users
        data := flag_data(coalesce(NEW, OLD));
        IF TG_OP = 'UPDATE' THEN
            data := data || previous_attributes(flag_data(OLD), data);
        END IF;
        PERFORM event_emit(type, NULL, data);
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER feature_flags_made AFTER INSERT ON feature_flags FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION flag_changed();
CREATE OR REPLACE TRIGGER feature_flags_changed
    AFTER UPDATE OF name, description, flag_type, is_enabled, percentage, user_ids, plans ON feature_flags FOR EACH ROW
    WHEN ((OLD.name, OLD.description, OLD.flag_type, OLD.is_enabled, OLD.percentage, OLD.user_ids, OLD.plans)
          IS DISTINCT FROM
          (NEW.name, NEW.description, NEW.flag_type, NEW.is_enabled, NEW.percentage, NEW.user_ids, NEW.plans)
          AND is_told(NEW.tenant_id))
    EXECUTE FUNCTION flag_changed();
CREATE OR REPLACE TRIGGER feature_flags_gone AFTER DELETE ON feature_flags FOR EACH ROW
    WHEN (is_told(OLD.tenant_id)) EXECUTE FUNCTION flag_changed();

-- A webhook that was switched off because it could not be delivered to; others of
-- the same owner hear of it.  Without its URL, which often is a secret.
CREATE OR REPLACE FUNCTION webhook_disabled() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM event_emit('webhook.disabled', NEW.organization_id, jsonb_build_object(
        'id', NEW.id, 'workspace_id', NEW.organization_id, 'name', NEW.name, 'events', NEW.events,
        'disabled_reason', NEW.disabled_reason, 'last_status_code', NEW.last_status_code,
        'failing_since', json_time(NEW.failing_since)));
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER webhook_endpoints_disabled AFTER UPDATE OF is_active ON webhook_endpoints FOR EACH ROW
    WHEN (OLD.is_active AND NOT NEW.is_active AND NEW.disabled_reason IS NOT NULL AND NEW.deleted_at IS NULL
          AND is_told(NEW.tenant_id))
    EXECUTE FUNCTION webhook_disabled();

-- A job that has come to its end without success.  Jobs of all tenants are ended
-- by functions that are in none (see jobs.sql): this one is in the job's meanwhile.
-- Whatever fails a job sets last_error; what claims and completes it does not, and
-- so does not pay for looking.
CREATE OR REPLACE FUNCTION job_failed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    before text := current_setting('app.tenant_id', true);
BEGIN
    PERFORM set_config('app.tenant_id', NEW.tenant_id::text, true);
    IF event_wanted('job.failed', NULL) THEN
        PERFORM event_emit('job.failed', NULL, jsonb_build_object(
            'id', NEW.id, 'queue', NEW.queue, 'kind', NEW.kind, 'attempts', NEW.attempts,
            'max_attempts', NEW.max_attempts, 'error', NEW.last_error, 'created_at', json_time(NEW.created_at),
            'failed_at', json_time(coalesce(NEW.finished_at, now()))));
    END IF;
    PERFORM set_config('app.tenant_id', coalesce(before, ''), true);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER jobs_failed AFTER UPDATE OF last_error ON jobs FOR EACH ROW
    WHEN (NEW.state = 'failed' AND OLD.state <> 'failed') EXECUTE FUNCTION job_failed();
