-- How long a project's days are kept (trace_days).

-- In which class something of a day is stored, in PostgreSQL: the one that is kept longest; NULL: nothing is.  Of days from before each had one
-- class.  No partition is read through, however few projects it is of.
CREATE OR REPLACE FUNCTION trace_day_stored(project uuid, at_day date) RETURNS smallint
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    of_  text;
    part text;
    is_  boolean;
BEGIN
    FOR class IN REVERSE 3..1 LOOP
        FOREACH of_ IN ARRAY ARRAY['spans', 'log_records'] LOOP
            part := kept_partition_name(of_, class::smallint, at_day);
            IF to_regclass('public.' || part) IS NOT NULL THEN
                EXECUTE format('SELECT EXISTS (SELECT FROM public.%I x WHERE x.tenant_id = app_tenant() AND x.project_id = $1)', part) INTO is_ USING project;
                IF is_ THEN
                    RETURN class;
                END IF;
            END IF;
        END LOOP;
    END LOOP;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION trace_day_stored(uuid, date) FROM PUBLIC;

-- The classes of these days, which are in order: of one that nothing came of before it is class from now on, or what is stored of it has (stored:
-- another store's, of each day).  Who comes at the same moment waits, and finds it.
CREATE OR REPLACE FUNCTION trace_day_classes(project uuid, class smallint, days date[], stored smallint[]) RETURNS smallint[]
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    found_ smallint[];
BEGIN
    FOR i IN 1..2 LOOP
        found_ := ARRAY(SELECT d.keep FROM trace_days d WHERE d.tenant_id = tenant AND d.project_id = project AND d.day = ANY (days) ORDER BY d.day);
        EXIT WHEN cardinality(found_) = cardinality(days);
        INSERT INTO trace_days (tenant_id, project_id, day, keep)
        SELECT tenant, project, x.day, coalesce(nullif(stored[x.i], 0), trace_day_stored(project, x.day), class)
        FROM unnest(days) WITH ORDINALITY x (day, i)
        WHERE NOT EXISTS (SELECT FROM trace_days d WHERE d.tenant_id = tenant AND d.project_id = project AND d.day = x.day)
        ORDER BY x.day
        ON CONFLICT DO NOTHING;
    END LOOP;
    RETURN found_;
END
$$;
REVOKE ALL ON FUNCTION trace_day_classes(uuid, smallint, date[], smallint[]) FROM PUBLIC;
