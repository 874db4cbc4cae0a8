-- Let the api change all columns of a table but those of its primary key, id, created_at, updated_at
-- and those named: so a column is written where it is made, and in no grant.  Stands beside
-- isolate(), and once more where the table gets a column.
CREATE FUNCTION changeable(tbl regclass, VARIADIC but text[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT UPDATE (%s) ON %s TO ashlar_api', (
        SELECT string_agg(quote_ident(a.attname), ', ')
        FROM pg_attribute a
        WHERE a.attrelid = tbl AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
          AND a.attname <> ALL (but || '{id,created_at,updated_at}')
          AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = tbl AND i.indisprimary AND a.attnum = ANY (i.indkey))), tbl);
END
$$;
REVOKE ALL ON FUNCTION changeable(regclass, text[]) FROM PUBLIC;
