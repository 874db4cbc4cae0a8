-- Who is in an organization, in the activity log of the tenant (activity_log.sql).

-- Somebody joined an organization, left it, or has another role there, whoever changed it and on whatever surface.
CREATE OR REPLACE FUNCTION membership_logged() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    m      memberships := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    action text := CASE WHEN TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND OLD.is_active AND NOT NEW.is_active THEN 'organization.member_removed'
                        WHEN TG_OP = 'INSERT' OR NOT OLD.is_active THEN 'organization.member_added'
                        ELSE 'organization.role_changed' END;
    data   jsonb := jsonb_build_object('user_id', operations_user_number(m.user_id), 'role', workspace_role(m.role));
BEGIN
    IF action = 'organization.role_changed' THEN
        data := data || jsonb_build_object('previous_role', workspace_role(OLD.role));
    END IF;
    PERFORM activity_log_put(action, 'organization', m.organization_id::text, data);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER memberships_logged_made AFTER INSERT ON memberships FOR EACH ROW
    WHEN (NEW.is_active AND is_told(NEW.tenant_id)) EXECUTE FUNCTION membership_logged();
CREATE OR REPLACE TRIGGER memberships_logged_changed AFTER UPDATE OF role, is_active ON memberships FOR EACH ROW
    WHEN ((NEW.is_active OR OLD.is_active) AND (OLD.role <> NEW.role OR OLD.is_active <> NEW.is_active) AND is_told(NEW.tenant_id))
    EXECUTE FUNCTION membership_logged();
CREATE OR REPLACE TRIGGER memberships_logged_gone AFTER DELETE ON memberships FOR EACH ROW
    WHEN (OLD.is_active AND is_told(OLD.tenant_id)) EXECUTE FUNCTION membership_logged();
