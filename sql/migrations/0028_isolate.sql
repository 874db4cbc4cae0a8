-- isolate() also keeps a table's updated_at: what every table did by a line of its own.

-- Keep the rows of a table with a tenant_id apart, from the owner too, and its
-- updated_at in step with its changes.  Each such table calls this where it is
-- made; t/ops/isolation.t finds one that does not.
--
-- Where some columns are no change of the resource (a counter, the time of its
-- last use), those that are stand behind the table: isolate('passkeys', 'name').
CREATE FUNCTION isolate(tbl regclass, VARIADIC touched_by text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    named name := (SELECT relname FROM pg_class WHERE oid = tbl);
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', tbl);
    EXECUTE format('CREATE POLICY %I ON %s USING (tenant_id = (SELECT app_tenant()))
                    WITH CHECK (tenant_id = (SELECT app_tenant()))', named || '_isolation', tbl);
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = tbl AND attname = 'updated_at' AND NOT attisdropped) THEN
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE %s ON %s FOR EACH ROW EXECUTE FUNCTION touch()', named || '_touch',
                       (SELECT 'OF ' || string_agg(quote_ident(c), ', ') FROM unnest(touched_by) c), tbl);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION isolate(regclass, text[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION isolate(tbl regclass) RETURNS void
LANGUAGE sql
RETURN isolate(tbl, VARIADIC '{}');
