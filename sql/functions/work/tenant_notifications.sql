-- Notifications of a tenant: each is one row for everybody, and what a user has read is a number (sql/migrations/0186_tenant_notifications.sql).

-- Tell everybody.  In the order in which they get their numbers they are there, too: who makes the next one waits for the counter.
CREATE OR REPLACE FUNCTION tenant_notification_put(title text, message text, type text, source text DEFAULT NULL, link text DEFAULT NULL,
                                                   OUT number bigint, OUT created_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    nr bigint;
BEGIN
    INSERT INTO tenant_notification_counts AS c (tenant_id, last_nr, info, warning, error, success)
    VALUES (app_tenant(), 1, (type = 'info')::integer, (type = 'warning')::integer, (type = 'error')::integer, (type = 'success')::integer)
    ON CONFLICT (tenant_id) DO UPDATE
    SET last_nr = c.last_nr + 1, info = c.info + EXCLUDED.info, warning = c.warning + EXCLUDED.warning, error = c.error + EXCLUDED.error,
        success = c.success + EXCLUDED.success
    RETURNING c.last_nr INTO nr;
    INSERT INTO tenant_notifications AS n (tenant_id, nr, type, title, message, source, link, created_at)
    VALUES (app_tenant(), nr, type, title, message, source, nullif(link, ''),
            greatest(clock_timestamp(), (SELECT x.created_at FROM tenant_notifications x WHERE x.tenant_id = app_tenant() AND x.nr = nr - 1)))
    RETURNING n.number, n.created_at INTO number, created_at;
END
$$;

-- How far the caller has read, and how many there are.
CREATE OR REPLACE FUNCTION tenant_notification_inbox(OUT last_nr bigint, OUT read_to bigint, OUT read_above bigint)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT c.last_nr, i.read_to, i.read_above INTO last_nr, read_to, read_above
    FROM tenant_notification_counts c
    LEFT JOIN tenant_notification_inboxes i ON i.tenant_id = c.tenant_id AND i.user_id = app_user()
    WHERE c.tenant_id = app_tenant();
    last_nr := coalesce(last_nr, 0);
    IF read_to IS NULL THEN
        read_above := 0;
        read_to := coalesce((SELECT n.nr - 1 FROM tenant_notifications n
                             WHERE n.tenant_id = app_tenant()
                               AND n.created_at >= (SELECT u.created_at FROM users u WHERE u.tenant_id = app_tenant() AND u.id = app_user())
                             ORDER BY n.created_at, n.nr LIMIT 1), last_nr);
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION tenant_notification_unread() RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    i record;
BEGIN
    SELECT * INTO i FROM tenant_notification_inbox();
    RETURN i.last_nr - i.read_to - i.read_above;
END
$$;

-- The newest of a type and of what is read or is not; NULL: any.  What is read behind read_to is newer than all before it.
CREATE OR REPLACE FUNCTION tenant_notification_find(is_read boolean, of_type text, most bigint) RETURNS TABLE (nr bigint)
LANGUAGE plpgsql STABLE ROWS 50 AS $$
#variable_conflict use_column
DECLARE
    tenant uuid := app_tenant();
    usr    uuid := app_user();
    i      record;
BEGIN
    SELECT * INTO i FROM tenant_notification_inbox();
    IF is_read THEN
        IF of_type IS NULL THEN
            RETURN QUERY
            (SELECT r.nr FROM tenant_notification_reads r WHERE r.tenant_id = tenant AND r.user_id = usr AND r.nr > i.read_to ORDER BY r.nr DESC LIMIT most)
            UNION ALL
            (SELECT n.nr FROM tenant_notifications n WHERE n.tenant_id = tenant AND n.nr <= i.read_to ORDER BY n.nr DESC LIMIT most);
        ELSE
            RETURN QUERY
            (SELECT r.nr FROM tenant_notification_reads r JOIN tenant_notifications n ON n.tenant_id = r.tenant_id AND n.nr = r.nr
             WHERE r.tenant_id = tenant AND r.user_id = usr AND r.nr > i.read_to AND n.type = of_type ORDER BY r.nr DESC LIMIT most)
            UNION ALL
            (SELECT n.nr FROM tenant_notifications n WHERE n.tenant_id = tenant AND n.type = of_type AND n.nr <= i.read_to ORDER BY n.nr DESC LIMIT most);
        END IF;
    ELSIF of_type IS NULL THEN
        RETURN QUERY
        SELECT n.nr FROM tenant_notifications n
        WHERE n.tenant_id = tenant AND n.nr > CASE WHEN is_read IS NULL THEN 0 ELSE i.read_to END
          AND (is_read IS NULL OR NOT EXISTS (SELECT FROM tenant_notification_reads r WHERE r.tenant_id = tenant AND r.user_id = usr AND r.nr = n.nr))
        ORDER BY n.nr DESC LIMIT most;
    ELSE
        RETURN QUERY
        SELECT n.nr FROM tenant_notifications n
        WHERE n.tenant_id = tenant AND n.type = of_type AND n.nr > CASE WHEN is_read IS NULL THEN 0 ELSE i.read_to END
          AND (is_read IS NULL OR NOT EXISTS (SELECT FROM tenant_notification_reads r WHERE r.tenant_id = tenant AND r.user_id = usr AND r.nr = n.nr))
        ORDER BY n.nr DESC LIMIT most;
    END IF;
END
$$;

-- How many those are: without both filters without counting, with both up to 10,001.
CREATE OR REPLACE FUNCTION tenant_notification_total(is_read boolean, of_type text) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    i record;
BEGIN
    IF is_read IS NOT NULL AND of_type IS NOT NULL THEN
        RETURN (SELECT least(count(*), 10001) FROM tenant_notification_find(is_read, of_type, 10001));
    ELSIF of_type IS NOT NULL THEN
        RETURN coalesce((SELECT CASE of_type WHEN 'info' THEN c.info WHEN 'warning' THEN c.warning WHEN 'error' THEN c.error ELSE c.success END
                         FROM tenant_notification_counts c WHERE c.tenant_id = app_tenant()), 0);
    END IF;
    SELECT * INTO i FROM tenant_notification_inbox();
    RETURN CASE WHEN is_read IS NULL THEN i.last_nr WHEN is_read THEN i.read_to + i.read_above ELSE i.last_nr - i.read_to - i.read_above END;
END
$$;

-- When the caller has read one; NULL: not yet.  What is older than the account was read when that was made.
CREATE OR REPLACE FUNCTION tenant_notification_read_at(nr bigint, created_at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
DECLARE
    since timestamptz := (SELECT u.created_at FROM users u WHERE u.tenant_id = app_tenant() AND u.id = app_user());
BEGIN
    IF created_at < since THEN
        RETURN since;
    END IF;
    RETURN coalesce((SELECT r.created_at FROM tenant_notification_reads r
                     WHERE r.tenant_id = app_tenant() AND r.user_id = app_user() AND r.nr = tenant_notification_read_at.nr),
                    (SELECT m.created_at FROM tenant_notification_marks m
                     WHERE m.tenant_id = app_tenant() AND m.user_id = app_user() AND m.read_to >= tenant_notification_read_at.nr
                     ORDER BY m.read_to LIMIT 1));
END
$$;

-- The caller's inbox for who changes it, behind its lock.
CREATE OR REPLACE FUNCTION tenant_notification_lock(OUT last_nr bigint, OUT read_to bigint, OUT read_above bigint)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO tenant_notification_inboxes (tenant_id, user_id, read_to)
    SELECT app_tenant(), app_user(), i.read_to FROM tenant_notification_inbox() i
    ON CONFLICT (tenant_id, user_id) DO NOTHING;
    PERFORM FROM tenant_notification_inboxes i WHERE i.tenant_id = app_tenant() AND i.user_id = app_user() FOR NO KEY UPDATE;
    SELECT i.last_nr, i.read_to, i.read_above INTO last_nr, read_to, read_above FROM tenant_notification_inbox() i;
END
$$;

-- Everything is read; returns how much was not.
CREATE OR REPLACE FUNCTION tenant_notification_read_all() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    i record;
    n bigint;
BEGIN
    SELECT * INTO i FROM tenant_notification_lock();
    n := i.last_nr - i.read_to - i.read_above;
    IF n > 0 THEN
        INSERT INTO tenant_notification_marks (tenant_id, user_id, read_to) VALUES (app_tenant(), app_user(), i.last_nr);
        UPDATE tenant_notification_inboxes x SET read_to = i.last_nr, read_above = 0 WHERE x.tenant_id = app_tenant() AND x.user_id = app_user();
    END IF;
    RETURN n;
END
$$;

-- One is read; once more changes nothing.  Returns its nr.  Raises AS404.
CREATE OR REPLACE FUNCTION tenant_notification_read(number bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    i   record;
    one bigint := (SELECT n.nr FROM tenant_notifications n WHERE n.tenant_id = app_tenant() AND n.number = tenant_notification_read.number);
BEGIN
    IF one IS NULL THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Notification not found', DETAIL = number::text;
    END IF;
    SELECT * INTO i FROM tenant_notification_lock();
    IF one > i.read_to THEN
        INSERT INTO tenant_notification_reads (tenant_id, user_id, nr) VALUES (app_tenant(), app_user(), one) ON CONFLICT DO NOTHING;
        IF FOUND THEN
            UPDATE tenant_notification_inboxes x SET read_above = x.read_above + 1 WHERE x.tenant_id = app_tenant() AND x.user_id = app_user();
        END IF;
    END IF;
    RETURN one;
END
$$;
