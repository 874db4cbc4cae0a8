-- What members can be notified of, and what is recommended: providers/notification.def,
-- as PostgreSQL reads it.  t/ops/notification_types.t fails where the two differ.

CREATE OR REPLACE FUNCTION notification_categories() RETURNS TABLE (rank integer, category text, label text, description text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 11 AS $$
VALUES
    ( 1, 'assigned_actions', 'Assigned Actions',          'work handed to you'),
    ( 2, 'owned_actions',    'Owned Actions',             'work you own or created'),
    ( 3, 'channels',         'Channels',                  'conversations you take part in'),
    ( 4, 'goals',            'Goals',                     'goals you own'),
    ( 5, 'records',          'Records',                   'records and recordsets'),
    ( 6, 'jobs',             'Imports, exports and jobs', 'background work you started'),
    ( 7, 'documents',        'Documents',                 'documents you can see'),
    ( 8, 'meetings',         'Meetings',                  'meetings and huddles'),
    ( 9, 'integrations',     'Integrations',              'data connections (admins and owners)'),
    (10, 'team',             'Team',                      'people of the workspace'),
    (11, 'billing',          'Billing',                   'plan and limits (admins and owners)')
$$;

-- message: with members of data in braces (notification_text); permission: what it takes to see what it is
-- about; needs_attention: a digest has it on top.
CREATE OR REPLACE FUNCTION notification_events()
RETURNS TABLE (rank integer, category text, event_type text, label text, message text, permission text, inapp_enabled boolean,
               email_enabled boolean, whatsapp_enabled boolean, needs_attention boolean)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 45 AS $$
VALUES
    ( 1, 'assigned_actions', 'task_assigned',              'A task was assigned to you',                       '{title}',                   'can_view_task',       true,  true,  false, true),
    ( 2, 'assigned_actions', 'task_due_soon',              'A task assigned to you is due within 24 hours',    '{title}',                   'can_view_task',       true,  true,  false, true),
    ( 3, 'assigned_actions', 'task_overdue',               'A task assigned to you passed its due date',       '{title}',                   'can_view_task',       true,  true,  false, true),
    ( 4, 'assigned_actions', 'task_status_changed',        'Status of a task assigned to you changed',         '{title}',                   'can_view_task',       true,  false, false, false),
    ( 5, 'assigned_actions', 'task_verified',              'Your completed task was verified or rejected',     '{title}',                   'can_view_task',       true,  true,  false, false),
    ( 6, 'owned_actions',    'task_completed',             'A task you own was completed',                     '{title}',                   'can_view_task',       true,  true,  false, true),
    ( 7, 'owned_actions',    'task_reopened',              'A task you own was reopened',                      '{title}',                   'can_view_task',       true,  false, false, false),
    ( 8, 'owned_actions',    'task_comment',               'Someone commented on a task you own',              '{title}',                   'can_view_task',       true,  false, false, false),
    ( 9, 'owned_actions',    'channel_completed',          'A channel you own was completed',                  '{channel_name}',            'can_view_action',     true,  false, false, false),
    (10, 'channels',         'channel_message',            'New message in a starred channel',                 '{channel_name}',            'can_view_action',     true,  false, false, false),
    (11, 'channels',         'channel_mention',            'You were mentioned in a channel',                  '{channel_name}',            'can_view_action',     true,  true,  false, true),
    (12, 'channels',         'channel_invited',            'You were added to a channel',                      '{channel_name}',            'can_view_action',     true,  true,  false, false),
    (13, 'channels',         'channel_file_added',         'A file was added to a starred channel',            '{channel_name}',            'can_view_action',     true,  false, false, false),
    (14, 'goals',            'goal_assigned',              'You became owner of a goal',                       '{title} ({progress} %)',    'can_view_goal',       true,  true,  false, true),
    (15, 'goals',            'goal_progress_updated',      'Progress was made on a goal you own',              '{title} ({progress} %)',    'can_view_goal',       true,  false, false, false),
    (16, 'goals',            'goal_at_risk',               'A goal you own is at risk or behind',              '{title} ({progress} %)',    'can_view_goal',       true,  true,  false, true),
    (17, 'goals',            'goal_completed',             'A goal you own was completed',                     '{title} ({progress} %)',    'can_view_goal',       true,  true,  false, false),
    (18, 'records',          'record_assigned',            'You became owner of a record',                     '{title}',                   'can_view_recordset',  true,  true,  false, true),
    (19, 'records',          'record_comment',             'New comment on a record you own',                  '{title}',                   'can_view_recordset',  true,  false, false, false),
    (20, 'records',          'record_mention',             'You were mentioned in a record comment',           '{title}',                   'can_view_recordset',  true,  true,  false, true),
    (21, 'records',          'record_updated',             'A record you own was changed by someone else',     '{title}',                   'can_view_recordset',  true,  false, false, false),
    (22, 'records',          'recordset_shared',           'A recordset was shared with you',                  '{name}',                    'can_view_recordset',  true,  true,  false, false),
    (23, 'records',          'map_report_shared',          'A map report was shared with you',                 '{name}',                    'can_view_map_report', true,  true,  false, false),
    (24, 'records',          'contact_insight',            'The AI found something about a contact of yours',  '{name}',                    'can_view_contact',    true,  false, false, false),
    (25, 'jobs',             'import_completed',           'An import finished',                               '{name}',                    NULL,                  true,  true,  false, false),
    (26, 'jobs',             'import_failed',              'An import failed',                                 '{name}',                    NULL,                  true,  true,  false, true),
    (27, 'jobs',             'export_completed',           'An export is ready',                               '{name}',                    NULL,                  true,  true,  false, false),
    (28, 'jobs',             'export_failed',              'An export failed',                                 '{name}',                    NULL,                  true,  true,  false, true),
    (29, 'jobs',             'geocode_completed',          'Geocoding finished',                               '{name}',                    NULL,                  true,  false, false, false),
    (30, 'jobs',             'report_ready',               'A generated report is ready',                      '{name}',                    'can_view_report',     true,  false, false, false),
    (31, 'documents',        'document_shared',            'A document was shared with you',                   '{name}',                    'can_view_document',   true,  true,  false, false),
    (32, 'documents',        'document_processed',         'A document you uploaded was processed',            '{name}',                    'can_view_document',   true,  false, false, false),
    (33, 'meetings',         'meeting_invited',            'You were invited to a meeting',                    '{title}',                   'can_view_meeting',    true,  true,  false, true),
    (34, 'meetings',         'meeting_starting',           'A meeting of yours starts in 10 minutes',          '{title}',                   'can_view_meeting',    true,  false, false, true),
    (35, 'meetings',         'huddle_invite',              'You were invited to a huddle',                     '{channel_name}',            'can_view_meeting',    true,  false, false, true),
    (36, 'integrations',     'integration_sync_completed', 'A sync finished',                                  '{name}',                    'can_view_integration', false, false, false, false),
    (37, 'integrations',     'integration_sync_failed',    'A sync failed',                                    '{name}',                    'can_view_integration', true,  true,  false, true),
    (38, 'integrations',     'integration_disconnected',   'An integration lost its connection',               '{name}',                    'can_view_integration', true,  true,  false, true),
    (39, 'team',             'member_joined',              'Someone joined the workspace',                     '{member_name}',             'can_view_member',     true,  false, false, false),
    (40, 'team',             'member_removed',             'Someone left the workspace',                       '{member_name}',             'can_view_member',     true,  false, false, false),
    (41, 'team',             'role_changed',               'Your role changed',                                '{role}',                    NULL,                  true,  true,  false, false),
    (42, 'team',             'team_added',                 'You were added to a team',                         '{team_name}',               'can_view_team',       true,  false, false, false),
    (43, 'billing',          'usage_limit_reached',        'A plan limit was reached',                         '{metric}: {used} / {limit}', 'can_view_billing',    true,  true,  false, true),
    (44, 'billing',          'trial_ending',               'The trial ends within 24 hours',                   '{plan}: {ends_on}',         'can_view_billing',    true,  true,  false, true),
    (45, 'billing',          'payment_failed',             'A payment failed',                                 '{amount} {plan}',           'can_view_billing',    true,  true,  false, true)
$$;
