-- after: users
-- {notification_number} = SELECT max(number) FROM tenant_notifications WHERE tenant_id = app_tenant()
SELECT tenant_notification_put('Dredging in the east basin', 'Until Friday, keep to the west side.', 'warning', 'harbour-office', '/notices/dredging');
SELECT tenant_notification_put('New charts', 'The charts of the estuary are up to date again.', 'info');

-- What one user has read, in both ways.
SELECT set_config('app.user_id', pg_temp.id('user')::text, true);
SELECT tenant_notification_read(min(number)) FROM tenant_notifications WHERE tenant_id = app_tenant();
SELECT tenant_notification_read_all();
SELECT set_config('app.user_id', '', true);
