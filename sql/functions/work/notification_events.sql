-- What happens elsewhere that members are told of: memberships, money, limits.  Teams and goals tell
-- of themselves (teams.sql, goals.sql).

-- The member who does this, on whatever surface: not all name the workspace at the door.
CREATE OR REPLACE FUNCTION acting_member(organization uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN app_organization() = organization AND app_member() IS NOT NULL THEN app_member()
                ELSE (SELECT m.id FROM memberships m
                      WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.user_id = app_user()) END;
END
$$;

-- Who joined or left is told to those who may let people in; whose role is another one, themselves.  Somebody
-- who was invited joins by accepting it, and who is let in again has not left before.  The workspace's
-- channel is locked before those of its members, as everywhere.
CREATE OR REPLACE FUNCTION membership_notify() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    m       memberships := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    subject jsonb := jsonb_build_object('type', 'member', 'id', m.id, 'link', CASE WHEN TG_OP <> 'DELETE' THEN '/members/' || m.id END);
    event   text  := CASE WHEN TG_OP = 'INSERT' THEN 'member_joined' WHEN TG_OP = 'DELETE' THEN 'member_removed'
                          WHEN NEW.role <> OLD.role THEN 'role_changed'
                          WHEN to_jsonb(OLD) ->> 'status' = 'pending' THEN 'member_joined' END;
    data    jsonb;
BEGIN
    IF event IS NULL OR NOT EXISTS (SELECT FROM organizations o WHERE o.tenant_id = m.tenant_id AND o.id = m.organization_id AND o.deleted_at IS NULL) THEN
        RETURN NULL;
    END IF;
    PERFORM workspace_tell(m.organization_id, 'members_updated', jsonb_build_object('member_id', m.id));
    SELECT jsonb_build_object('member_id', m.id, 'member_name', coalesce(u.full_name, u.email, u.public_id), 'role', m.role) INTO data
    FROM users u
    WHERE u.tenant_id = m.tenant_id AND u.id = m.user_id;
    IF event = 'role_changed' THEN
        PERFORM notify(m.organization_id, event, ARRAY[m.id], subject, acting_member(m.organization_id), data || jsonb_build_object('previous_role', OLD.role));
    ELSE
        PERFORM notify(m.organization_id, event, members_who_may(m.organization_id, 'can_create_member'), subject,
                       CASE event WHEN 'member_joined' THEN m.id ELSE acting_member(m.organization_id) END, coalesce(data, '{}'));
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER memberships_notify_made AFTER INSERT ON memberships FOR EACH ROW
    WHEN (NEW.is_active AND is_told(NEW.tenant_id)) EXECUTE FUNCTION membership_notify();
CREATE OR REPLACE TRIGGER memberships_notify_changed AFTER UPDATE OF role, is_active ON memberships FOR EACH ROW
    WHEN (NEW.is_active AND (OLD.role <> NEW.role OR NOT OLD.is_active) AND is_told(NEW.tenant_id)) EXECUTE FUNCTION membership_notify();
CREATE OR REPLACE TRIGGER memberships_notify_gone AFTER DELETE ON memberships FOR EACH ROW
    WHEN (OLD.is_active AND is_told(OLD.tenant_id)) EXECUTE FUNCTION membership_notify();

-- ---------------------------------------------------------------- money

-- One more try to collect an invoice of an organization has failed.
CREATE OR REPLACE FUNCTION invoice_notify() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM notify(NEW.organization_id, 'payment_failed', members_who_may(NEW.organization_id, 'can_view_billing'),
                   jsonb_build_object('type', 'invoice', 'id', NEW.id, 'link', '/billing'), NULL,
                   jsonb_build_object('invoice_id', NEW.id, 'number', NEW.number, 'attempts', NEW.attempts,
                                      'plan', (SELECT coalesce(p.name, s.tier) FROM subscriptions s LEFT JOIN plans p ON p.id = s.plan_id
                                               WHERE s.tenant_id = NEW.tenant_id AND s.provider = NEW.provider AND s.provider_id = NEW.subscription),
                                      'amount', amount_text(NEW.amount_remaining, NEW.currency)),
                   format('invoice %s %s', NEW.id, NEW.attempts));
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER invoices_notify_made AFTER INSERT ON invoices FOR EACH ROW
    WHEN (NEW.organization_id IS NOT NULL AND NEW.status = 'open' AND NEW.attempts > 0 AND is_told(NEW.tenant_id)) EXECUTE FUNCTION invoice_notify();
CREATE OR REPLACE TRIGGER invoices_notify_changed AFTER UPDATE OF attempts ON invoices FOR EACH ROW
    WHEN (NEW.organization_id IS NOT NULL AND NEW.status = 'open' AND NEW.attempts > OLD.attempts AND is_told(NEW.tenant_id)) EXECUTE FUNCTION invoice_notify();

-- Trials of the tenant's organizations that end within 24 hours, each once.  Called by the clock.
CREATE OR REPLACE FUNCTION notify_trials() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM notify(s.organization_id, 'trial_ending', members_who_may(s.organization_id, 'can_view_billing'),
                   jsonb_build_object('type', 'subscription', 'id', s.id, 'link', '/billing'), NULL,
                   jsonb_build_object('subscription_id', s.id, 'plan', coalesce((SELECT p.name FROM plans p WHERE p.id = s.plan_id), s.tier),
                                      'ends_on', to_char(s.trial_end AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 'trial_end', json_time_us(s.trial_end)),
                   format('trial %s %s', s.id, extract(epoch FROM s.trial_end)::bigint))
    FROM subscriptions s
    WHERE s.tenant_id = app_tenant() AND s.is_current AND s.ended_at IS NULL AND s.status = 'trialing' AND s.organization_id IS NOT NULL
      AND s.trial_end > now() AND s.trial_end <= now() + interval '24 hours';
END
$$;

-- An organization has used all that its plan lets it, of this metric: once for a limit and a period (of what no
-- period resets: a month).
CREATE OR REPLACE FUNCTION notify_limit(organization uuid, metric text, used bigint, most bigint, starts_at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM notify(organization, 'usage_limit_reached', members_who_may(organization, 'can_view_billing'),
                   jsonb_build_object('type', 'usage', 'id', metric, 'link', '/billing'), NULL,
                   jsonb_build_object('metric', (SELECT coalesce(min(m.name), notify_limit.metric) FROM usage_metrics() m WHERE m.key = notify_limit.metric),
                                      'key', metric, 'used', used, 'limit', most),
                   format('limit %s %s %s', metric, most, CASE WHEN isfinite(starts_at) THEN extract(epoch FROM starts_at)::bigint::text
                                                              ELSE to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM') END));
END
$$;
