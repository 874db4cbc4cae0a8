-- after: goals teams members
SELECT activity_put(pg_temp.id('organization'), 'goal.created', 'none', NULL, pg_temp.id('member'), pg_temp.id('goal')::text, 'Charts that are never a day old',
                    '{"level": "team", "status": "on-track", "progress": 0}');
SELECT activity_put(pg_temp.id('organization'), 'user.team_created', 'none', NULL, pg_temp.id('member'), pg_temp.id('team')::text, 'Navigation');
