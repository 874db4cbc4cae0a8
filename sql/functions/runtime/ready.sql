-- Is it ready?

-- Is there room to write?  More rows than work_mem holds go to a temporary file,
-- some 400 kB on the disk that the tables are on, unless temp_tablespaces names
-- another: it works in a read-only transaction, leaves nothing behind, and fails
-- with 53100 where a full disk would fail the next write.  A row that is written
-- would tell less, since it mostly finds room in a page that is there already.
CREATE OR REPLACE FUNCTION ready_room() RETURNS boolean
LANGUAGE plpgsql SET work_mem = '64kB' AS $$
BEGIN
    RETURN (SELECT count(*) > 0 FROM generate_series(1, 10000));
END
$$;
