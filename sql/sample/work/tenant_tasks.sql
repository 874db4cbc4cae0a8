-- after: products
-- {task_number} = SELECT min(number) FROM tasks WHERE tenant_id = app_tenant() AND kind = 'tenant'
INSERT INTO tasks (tenant_id, kind, number, title, title_key, description, type, priority, assignee, product_number, maker_id)
SELECT app_tenant(), 'tenant', nextval('task_numbers'), x.title, lower(x.title), x.description, 'content', 1, 'theo',
       (SELECT min(number) FROM products WHERE tenant_id = app_tenant()), pg_temp.id('user')
FROM (VALUES ('Draw the harbour', 'As it is seen from the sea.'), ('Buy paper', NULL)) x (title, description);
INSERT INTO task_dependencies (tenant_id, blocked_number, blocker_number)
SELECT app_tenant(), min(number), max(number) FROM tasks WHERE tenant_id = app_tenant() AND kind = 'tenant';
