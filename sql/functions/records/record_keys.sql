-- Unique fields: of the live records of a recordset no two have the same value of one.

-- The unique fields of a schema, and what they are compared as.
CREATE OR REPLACE FUNCTION recordset_uniques(fields jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN (SELECT coalesce(jsonb_object_agg(f ->> 'key', record_class(f ->> 'type')), '{}')
            FROM jsonb_array_elements(fields) f WHERE f -> 'unique' = 'true' AND record_class(f ->> 'type') IN ('t', 'n', 'd') AND f ->> 'type' <> 'long_text');
END
$$;

-- What a value is compared by: numbers as doubles, times as moments, all else as text, letter by letter.  NULL: there is nothing to compare.
CREATE OR REPLACE FUNCTION record_key(class text, value jsonb) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    said text := CASE class WHEN 'n' THEN record_number(value)::text WHEN 'd' THEN extract(epoch FROM record_time(value))::text ELSE nullif(record_text(value), '') END;
BEGIN
    RETURN substr(sha256(convert_to(said, 'UTF8')), 1, 16);
END
$$;

-- What follows looks keys up one by one, each by an index that has it in full, and lets no plan do otherwise: of a table that has grown within a minute there are
-- no statistics, and all of a workspace's keys look like two.

-- Whose a key is; NULL: nobody's.
CREATE OR REPLACE FUNCTION record_of_key(content uuid, field text, hash bytea) RETURNS uuid
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_variable
BEGIN
    RETURN (SELECT k.record_id FROM record_keys k
            WHERE k.content_id = content AND k.key = field AND k.hash = hash AND k.tenant_id = app_tenant() AND k.organization_id = app_organization());
END
$$;

-- Take records their keys.
CREATE OR REPLACE FUNCTION record_keys_drop(ids uuid[]) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    one uuid;
BEGIN
    FOREACH one IN ARRAY ids LOOP
        DELETE FROM record_keys k WHERE k.tenant_id = app_tenant() AND k.organization_id = app_organization() AND k.record_id = one;
    END LOOP;
END
$$;

-- Give records of a content, which the caller has written, the keys that their values make.  Who has one already keeps it: raises AS409 that names the field,
-- or with is_many 40001, so that all of it is done again.
CREATE OR REPLACE FUNCTION record_keys_put(content uuid, uniques jsonb, ids uuid[], is_many boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
    old          record;
    taken        text;
BEGIN
    FOR old IN SELECT i.id, k.key
               FROM unnest(ids) i (id)
               CROSS JOIN LATERAL (SELECT r.field_values FROM records r WHERE r.tenant_id = tenant AND r.organization_id = organization AND r.id = i.id OFFSET 0) r
               CROSS JOIN LATERAL (SELECT x.key, x.hash FROM record_keys x
                                   WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.record_id = i.id OFFSET 0) k
               WHERE record_key(uniques ->> k.key, r.field_values -> k.key) IS DISTINCT FROM k.hash LOOP
        DELETE FROM record_keys k WHERE k.tenant_id = tenant AND k.organization_id = organization AND k.record_id = old.id AND k.key = old.key;
    END LOOP;
    -- In one order, so that two who write the same ones wait for one another, and not each for the other.
    WITH missing AS MATERIALIZED (
        SELECT i.id, u.key, w.hash
        FROM unnest(ids) i (id)
        CROSS JOIN LATERAL (SELECT r.field_values FROM records r WHERE r.tenant_id = tenant AND r.organization_id = organization AND r.id = i.id OFFSET 0) r
        CROSS JOIN LATERAL jsonb_each_text(uniques) u
        CROSS JOIN LATERAL (SELECT record_key(u.value, r.field_values -> u.key) AS hash OFFSET 0) w
        WHERE w.hash IS NOT NULL
          AND (SELECT k.key FROM record_keys k WHERE k.tenant_id = tenant AND k.organization_id = organization AND k.record_id = i.id AND k.key = u.key) IS NULL
    ), made AS (
        INSERT INTO record_keys (tenant_id, organization_id, record_id, key, content_id, hash)
        SELECT tenant, organization, m.id, m.key, content, m.hash FROM missing m ORDER BY m.key, m.hash
        ON CONFLICT ON CONSTRAINT record_keys_unique DO NOTHING
        RETURNING record_id, key
    )
    SELECT m.key INTO taken FROM missing m WHERE (m.id, m.key) NOT IN (SELECT x.record_id, x.key FROM made x) ORDER BY m.key LIMIT 1;
    IF taken IS NULL THEN
        RETURN;
    ELSIF is_many THEN
        RAISE SQLSTATE '40001' USING MESSAGE = 'somebody else was faster with one of these keys';
    END IF;
    RAISE SQLSTATE 'AS409' USING HINT = 'field_values.' || taken, MESSAGE = format('field_values.%s is that of another record', taken);
END
$$;

-- The values that a field has more than once in the live records of a recordset; NULL: none.  As the refusal's details have them: how many, and 20.
CREATE OR REPLACE FUNCTION recordset_duplicates(s recordsets, field text, class text) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
    RETURN (
        WITH twice AS (
            SELECT min(record_text(k.value)) AS value, count(*) AS n, (array_agg(k.id ORDER BY k.id))[1:20] AS ids
            FROM (SELECT r.id, r.field_values -> field AS value, record_key(class, r.field_values -> field) AS hash
                  FROM records r
                  WHERE r.tenant_id = s.tenant_id AND r.organization_id = s.organization_id AND r.content_id = s.content_id AND r.deleted_at IS NULL) k
            WHERE k.hash IS NOT NULL
            GROUP BY k.hash HAVING count(*) > 1
        )
        SELECT jsonb_build_object('duplicate_count', count(*), 'duplicates', jsonb_agg(jsonb_build_object('value', left(t.value, 255), 'count', t.n, 'record_ids', t.ids)
                                                                                       ORDER BY t.n DESC, t.value) FILTER (WHERE t.nr <= 20))
        FROM (SELECT *, row_number() OVER (ORDER BY n DESC, value) AS nr FROM twice) t
        HAVING count(*) > 0);
END
$$;

-- Have the records of a recordset, which is locked, the keys of these unique fields and of no others.
CREATE OR REPLACE FUNCTION recordset_keys(s recordsets, wanted jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    quiet text := coalesce(current_setting('app.quiet', true), '');
    stays text[] := ARRAY(SELECT w.key FROM jsonb_each_text(wanted) w WHERE s.uniques ->> w.key = w.value);
BEGIN
    DELETE FROM record_keys k
    USING records r
    WHERE r.tenant_id = s.tenant_id AND r.organization_id = s.organization_id AND r.content_id = s.content_id AND r.deleted_at IS NULL
      AND k.tenant_id = r.tenant_id AND k.organization_id = r.organization_id AND k.record_id = r.id AND k.key <> ALL (stays);
    INSERT INTO record_keys (tenant_id, organization_id, record_id, key, content_id, hash)
    SELECT r.tenant_id, r.organization_id, r.id, w.key, r.content_id, x.hash
    FROM records r
    CROSS JOIN jsonb_each_text(wanted - stays) w
    CROSS JOIN LATERAL (SELECT record_key(w.value, r.field_values -> w.key) AS hash) x
    WHERE r.tenant_id = s.tenant_id AND r.organization_id = s.organization_id AND r.content_id = s.content_id AND r.deleted_at IS NULL AND x.hash IS NOT NULL;
    PERFORM set_config('app.quiet', 'on', true);
    UPDATE recordsets x SET uniques = wanted WHERE x.tenant_id = s.tenant_id AND x.organization_id = s.organization_id AND x.id = s.id;
    PERFORM set_config('app.quiet', quiet, true);
END
$$;

-- A field that becomes unique has to be so already: AS409 with what is there more than once.  Of a large recordset the keys are a job's to write, and until
-- it has, the field is not unique yet.
CREATE OR REPLACE FUNCTION recordset_unique() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    wanted jsonb := recordset_uniques(NEW.fields);
    within text := coalesce(current_setting('app.tenant_id', true), '');
    n      bigint;
    f      record;
    twice  jsonb;
BEGIN
    IF wanted = NEW.uniques THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('app.tenant_id', NEW.tenant_id::text, true);
    SELECT coalesce(sum(c.count), 0) INTO n FROM recordset_counts c
    WHERE c.tenant_id = NEW.tenant_id AND c.organization_id = NEW.organization_id AND c.recordset_id = NEW.id;
    -- Who writes by the schema before has ended when this is locked; who wants to write waits, and reads the new one.
    IF n <= 100000 THEN
        PERFORM FROM recordsets s WHERE s.tenant_id = NEW.tenant_id AND s.organization_id = NEW.organization_id AND s.id = NEW.id FOR UPDATE;
    END IF;
    FOR f IN SELECT w.key, w.value AS class, x.nr - 1 AS nr FROM jsonb_each_text(wanted) w
             JOIN jsonb_array_elements(NEW.fields) WITH ORDINALITY x (f, nr) ON x.f ->> 'key' = w.key
             WHERE NEW.uniques ->> w.key IS DISTINCT FROM w.value ORDER BY x.nr LOOP
        twice := recordset_duplicates(NEW, f.key, f.class);
        IF twice IS NOT NULL THEN
            RAISE SQLSTATE 'AS409' USING HINT = format('schema.fields[%s].unique', f.nr), DETAIL = twice::text,
                MESSAGE = format('%s cannot be unique: %s of its values are there more than once', f.key, twice ->> 'duplicate_count');
        END IF;
    END LOOP;
    IF n <= 100000 THEN
        PERFORM recordset_keys(NEW, wanted);
    ELSE
        PERFORM job_add('ashlar', 'records.unique', jsonb_build_object('organization_id', NEW.organization_id, 'recordset_id', NEW.id),
                        timeout_s => 3600, unique_key => 'records.unique ' || NEW.id || ' ' || md5(wanted::text));
    END IF;
    PERFORM set_config('app.tenant_id', within, true);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER recordsets_unique AFTER UPDATE ON recordsets FOR EACH ROW
    WHEN (OLD.fields IS DISTINCT FROM NEW.fields) EXECUTE FUNCTION recordset_unique();

-- Of one that is new there is nothing to write.
CREATE OR REPLACE FUNCTION recordset_unique_made() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.uniques := recordset_uniques(NEW.fields);
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER recordsets_unique_made BEFORE INSERT ON recordsets FOR EACH ROW EXECUTE FUNCTION recordset_unique_made();

-- The job "records.unique".  Where a value has come twice meanwhile, the field is not unique again, and its recordset tells of it as of any change.
CREATE OR REPLACE FUNCTION recordset_unique_fill(organization uuid, recordset uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    s      recordsets;
    wanted jsonb;
    f      record;
BEGIN
    PERFORM set_config('app.organization_id', organization::text, true);
    SELECT x.* INTO s FROM recordsets x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = recordset FOR UPDATE;
    wanted := recordset_uniques(s.fields);
    IF s.id IS NULL OR wanted = s.uniques THEN
        RETURN false;
    END IF;
    FOR f IN SELECT w.key, w.value AS class FROM jsonb_each_text(wanted) w WHERE s.uniques ->> w.key IS DISTINCT FROM w.value LOOP
        IF recordset_duplicates(s, f.key, f.class) IS NOT NULL THEN
            wanted := wanted - f.key;
        END IF;
    END LOOP;
    PERFORM recordset_keys(s, wanted);
    IF wanted <> recordset_uniques(s.fields) THEN
        UPDATE recordsets x
        SET schema_version = x.schema_version + 1,
            fields = (SELECT jsonb_agg(CASE WHEN wanted ? (e.f ->> 'key') THEN e.f ELSE e.f - 'unique' END ORDER BY e.nr)
                      FROM jsonb_array_elements(x.fields) WITH ORDINALITY e (f, nr))
        WHERE x.tenant_id = s.tenant_id AND x.organization_id = s.organization_id AND x.id = s.id;
        PERFORM audit('recordset.update', 'recordset', s.id::text, jsonb_build_object('organization_id', s.organization_id, 'schema_version', s.schema_version + 1,
                      'fields', '["schema"]'::jsonb));
    END IF;
    RETURN true;
END
$$;
