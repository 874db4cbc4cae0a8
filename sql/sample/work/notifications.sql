-- after: members goals
-- {event_type} = team_added
-- {unsubscribe_token} = KiAqICogKg.mQ3T0bq3CAZGtaHAAcACAAAAAAAAACrhN3cyuLPC
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

INSERT INTO notification_marks (tenant_id, organization_id, member_id, nr)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('member'), 0);

INSERT INTO notification_causes (tenant_id, organization_id, member_id, event_type, cause)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('member'), 'export_completed', 'the export of May');

INSERT INTO notification_mails (tenant_id, organization_id, member_id, event_type, message, entity_type, entity_id, job_id)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('member'), 'goal_assigned', 'Every port has our charts (0 %)', 'goal',
        pg_temp.id('goal company')::text, pg_temp.id('mail of a digest'));

-- To nobody: who looks for one of these has nobody to tell.
INSERT INTO notification_fanouts (tenant_id, organization_id, event_type, members, entity, data)
VALUES (app_tenant(), pg_temp.id('organization'), 'member_joined', '{}', '{}', '{}');
