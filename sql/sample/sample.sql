-- One of everything that a tenant can have, in the tenant that the connection is in: what `ashlar seed` shows, and what the tests
-- ask about that are about every table or every path.  A file of its own for each noun; "-- after:" says whose rows it points to.
--
-- pg_temp.id('goal') is the id of the row that a path's {goal_id} names in the tests, in each tenant another one, 'dashboard member'
-- that of {member_id} on the dashboard; other words name further rows.  "-- {queue} = …" is for a part of a path that is no id.

-- No subscriber waits to be told of it (see is_told).
SELECT set_config('app.quiet', 'on', false);

CREATE OR REPLACE FUNCTION pg_temp.id(name text) RETURNS uuid
LANGUAGE sql STABLE STRICT
AS $$
    SELECT ('019b76da-a800-7' || substr(h, 1, 3) || '-8' || substr(h, 4, 3) || '-' || substr(h, 7, 12))::uuid
    FROM (SELECT md5(app_tenant() || ' ' || name) AS h) x
$$;
