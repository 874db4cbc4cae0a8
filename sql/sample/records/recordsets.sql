-- after: members teams
-- {recordset_slug} = soundings
-- {key} = ground
-- {recordset_id} = soundings
INSERT INTO recordsets (tenant_id, id, organization_id, slug, name, description, type, mode, icon, color, fields, title_field, settings, owner_id, created_by_id)
VALUES
    (app_tenant(), pg_temp.id('recordset'), pg_temp.id('organization'), 'soundings', 'Soundings', 'Where somebody has let down the lead, and how deep it was.',
     'custom', 'TABLE', 'anchor', '#1a73e8',
     '[{"key": "place", "label": "Place", "type": "text", "required": true, "options": [], "default": null, "description": "As the chart has it", "hidden": false},
       {"key": "depth", "label": "Depth in metres", "type": "number", "required": false, "options": [], "default": null, "description": null, "hidden": false},
       {"key": "ground", "label": "Ground", "type": "select", "required": false, "options": ["sand", "mud", "rock"], "default": null, "description": null, "hidden": false},
       {"key": "sounded_on", "label": "Sounded on", "type": "date", "required": false, "options": [], "default": null, "description": null, "hidden": false},
       {"key": "log", "label": "Page of the log", "type": "text", "required": false, "options": [], "default": null, "description": null, "hidden": false, "unique": true},
       {"key": "latitude", "label": "Latitude", "type": "latitude", "required": false, "options": [], "default": null, "description": null, "hidden": false},
       {"key": "longitude", "label": "Longitude", "type": "longitude", "required": false, "options": [], "default": null, "description": null, "hidden": false}]',
     'place', '{"versioning_enabled": true}', pg_temp.id('member'), pg_temp.id('member'));

INSERT INTO recordsets (tenant_id, id, organization_id, slug, name, owner_id, created_by_id, is_active, trashed_at, trashed_by_id)
VALUES (app_tenant(), pg_temp.id('recordset wrecks'), pg_temp.id('organization'), 'old-wrecks', 'Old wrecks', pg_temp.id('member theo'), pg_temp.id('member theo'),
        false, now() - interval '3 days', pg_temp.id('member'));

INSERT INTO recordset_counts (tenant_id, organization_id, recordset_id, stripe, count)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('recordset'), 0, 0);

INSERT INTO recordset_grants (tenant_id, organization_id, recordset_id, id, team_id, can_view, can_create, can_edit_own, granted_by_id)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('recordset'), pg_temp.id('recordset_grant'), pg_temp.id('team'), true, true, true, pg_temp.id('member'));

INSERT INTO recordset_grants (tenant_id, organization_id, recordset_id, member_id, can_view, granted_by_id)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('recordset'), pg_temp.id('member'), true, pg_temp.id('member'));
