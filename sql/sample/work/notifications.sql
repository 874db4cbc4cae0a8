-- after: members goals
-- {event_type} = team_added
INSERT INTO notifications (tenant_id, id, organization_id, member_id, event_type, title, message, actor_id)
VALUES
    (app_tenant(), pg_temp.id('notification'), pg_temp.id('organization'), pg_temp.id('member'), 'team_added', 'You lead Navigation', 'Theo has made you its lead.',
     pg_temp.id('member theo')),
    (app_tenant(), pg_temp.id('notification theo'), pg_temp.id('organization'), pg_temp.id('member theo'), 'team_added', 'You are in Navigation', 'Dana has added you.',
     pg_temp.id('member'));

INSERT INTO notification_preferences (tenant_id, id, organization_id, member_id, event_type, inapp_enabled, email_enabled, whatsapp_enabled, muted)
VALUES (app_tenant(), pg_temp.id('preference'), pg_temp.id('organization'), pg_temp.id('member'), 'team_added', true, false, false, false);

INSERT INTO notification_deliveries (tenant_id, organization_id, member_id, email_delivery_mode)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('member'), 'digest');
