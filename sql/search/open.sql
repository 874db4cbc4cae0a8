-- Before functions are replaced: those of ashlar_search (see close.sql) are ours for as long, since only an owner replaces
-- one.  In the same transaction as close.sql, so no other session ever sees it.
DO $$
DECLARE
    func regprocedure;
    is_member boolean := (SELECT rolsuper FROM pg_roles WHERE rolname = current_user);
BEGIN
    FOR func IN SELECT p.oid FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner WHERE r.rolname = 'ashlar_search' LOOP
        IF NOT is_member THEN
            EXECUTE format('GRANT ashlar_search TO %I', current_user);
        END IF;
        is_member := true;
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', func, current_user);
    END LOOP;
    IF is_member AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('REVOKE ashlar_search FROM %I', current_user);
    END IF;
END
$$;
