-- Pipelines: what one is made of.

-- Stages as they are kept, of those that were sent: what was left out is made of the name and of the place; in the order that they say.
-- Raises AS422: an id or a name twice, no stage that is open.
CREATE OR REPLACE FUNCTION pipeline_stages(given jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    made jsonb;
    bad  record;
BEGIN
    SELECT jsonb_agg(jsonb_build_object(
               'id', coalesce(x ->> 'id', nullif(rtrim(left(btrim(regexp_replace(lower(x ->> 'name'), '[^a-z0-9]+', '-', 'g'), '-'), 64), '-'), ''), 'stage-' || nr),
               'name', x ->> 'name',
               'color', coalesce(x ->> 'color', CASE x ->> 'stage_type' WHEN 'won' THEN '#16a34a' WHEN 'lost' THEN '#dc2626' ELSE '#2563eb' END),
               'order', coalesce((x ->> 'order')::bigint, nr - 1),
               'probability', coalesce(x -> 'probability', CASE x ->> 'stage_type' WHEN 'won' THEN '100' ELSE '0' END::jsonb),
               'stage_type', coalesce(x ->> 'stage_type', 'open')) ORDER BY nr)
    INTO made FROM jsonb_array_elements(given) WITH ORDINALITY e (x, nr);
    SELECT e.nr - 1 AS nr, w.what, e.x ->> w.what AS value INTO bad
    FROM jsonb_array_elements(made) WITH ORDINALITY e (x, nr)
    CROSS JOIN (VALUES ('id'), ('name')) w (what)
    WHERE EXISTS (SELECT FROM jsonb_array_elements(made) WITH ORDINALITY o (x, nr)
                  WHERE o.nr < e.nr AND CASE w.what WHEN 'id' THEN o.x ->> 'id' = e.x ->> 'id' ELSE lower(o.x ->> 'name') = lower(e.x ->> 'name') END)
    ORDER BY e.nr, w.what LIMIT 1;
    IF FOUND THEN
        RAISE SQLSTATE 'AS422' USING HINT = format('stages[%s].%s', bad.nr, bad.what), MESSAGE = format('stages[%s].%s is that of another stage: %s', bad.nr, bad.what, bad.value);
    ELSIF NOT made @> '[{"stage_type": "open"}]' THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'stages', MESSAGE = 'stages must have one that is open';
    END IF;
    RETURN (SELECT jsonb_agg(x ORDER BY (x ->> 'order')::bigint, nr) FROM jsonb_array_elements(made) WITH ORDINALITY e (x, nr));
END
$$;

-- The stages of who names none: the options of the field, where it has some, else those of a sale.
CREATE OR REPLACE FUNCTION pipeline_default_stages(field jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF jsonb_array_length(field -> 'options') > 30 THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'stages', MESSAGE = format('stages must be named: %s has %s options, and a pipeline up to 30 stages',
                                                                       field ->> 'key', jsonb_array_length(field -> 'options'));
    ELSIF jsonb_array_length(field -> 'options') > 0 THEN
        -- An option is its own id, so that what is written into the field is one.
        RETURN (SELECT jsonb_agg(CASE WHEN char_length(o) <= 64 THEN jsonb_build_object('id', o, 'name', o) ELSE jsonb_build_object('name', left(o, 100)) END ORDER BY nr)
                FROM jsonb_array_elements_text(field -> 'options') WITH ORDINALITY e (o, nr));
    END IF;
    RETURN '[{"name": "Lead", "probability": 10}, {"name": "Underwriting", "probability": 25}, {"name": "LOI", "probability": 50},
             {"name": "Due Diligence", "probability": 70}, {"name": "Closing", "probability": 90}, {"name": "Closed Won", "stage_type": "won"},
             {"name": "Lost", "stage_type": "lost"}]';
END
$$;

-- Give a recordset its pipeline.  A stage_field that its schema lacks is put into it, as a select of the stages.  Raises AS404, AS403, AS409, AS422.
CREATE OR REPLACE FUNCTION pipeline_add(slug_or_id text, name text, description text, stage_field text, value_field text, stages jsonb) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    wanted uuid := recordset_here(slug_or_id, 64);
    s      recordsets;
    field  jsonb;
    worth  jsonb;
    kept   jsonb;
    made   uuid;
BEGIN
    SELECT x.* INTO s FROM recordsets x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = wanted AND x.trashed_at IS NULL
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Recordset not found', DETAIL = slug_or_id;
    ELSIF EXISTS (SELECT FROM pipelines p
                  WHERE p.tenant_id = s.tenant_id AND p.organization_id = s.organization_id AND p.recordset_id = s.id AND p.deleted_at IS NULL) THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'recordset_id', MESSAGE = 'this recordset has a pipeline';
    END IF;
    SELECT f INTO field FROM jsonb_array_elements(s.fields) f WHERE f ->> 'key' = stage_field;
    SELECT f INTO worth FROM jsonb_array_elements(s.fields) f WHERE f ->> 'key' = value_field;
    IF field ->> 'type' NOT IN ('select', 'text') THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'stage_field', MESSAGE = format('stage_field must be a field of the type select or text: %s is %s', stage_field, field ->> 'type');
    ELSIF field IS NULL AND stage_field !~ '^[a-z][a-z0-9_]{0,62}$' THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'stage_field', MESSAGE = 'stage_field must be the key of a field: a small letter, and up to 62 small letters, digits and _';
    ELSIF worth IS NOT NULL AND record_class(worth ->> 'type') <> 'n' THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'value_field', MESSAGE = format('value_field must be a field of numbers: %s is %s', value_field, worth ->> 'type');
    END IF;
    kept := pipeline_stages(coalesce(stages, pipeline_default_stages(field)));
    IF field IS NULL THEN
        IF s.is_virtual THEN
            RAISE SQLSTATE 'AS422' USING HINT = 'stage_field', MESSAGE = 'stage_field must be a field that there is: those of this recordset are an integration''s';
        ELSIF jsonb_array_length(s.fields) >= 500 THEN
            RAISE SQLSTATE 'AS422' USING HINT = 'stage_field', MESSAGE = 'the recordset has 500 fields, and no place for another one';
        END IF;
        UPDATE recordsets x
        SET schema_version = x.schema_version + 1, fields = x.fields || jsonb_build_array(jsonb_build_object(
            'key', stage_field, 'label', initcap(replace(stage_field, '_', ' ')), 'type', 'select', 'required', false,
            'options', (SELECT jsonb_agg(k ->> 'id' ORDER BY nr) FROM jsonb_array_elements(kept) WITH ORDINALITY e (k, nr)),
            'default', NULL, 'description', NULL, 'hidden', false))
        WHERE x.tenant_id = s.tenant_id AND x.organization_id = s.organization_id AND x.id = s.id;
        PERFORM audit('recordset.update', 'recordset', s.id::text, jsonb_build_object('organization_id', s.organization_id, 'schema_version', s.schema_version + 1,
                      'fields', '["schema"]'::jsonb));
    END IF;
    INSERT INTO pipelines AS p (tenant_id, organization_id, recordset_id, name, description, stage_field, value_field, stages, created_by_id)
    VALUES (s.tenant_id, s.organization_id, s.id, coalesce(pipeline_add.name, left(s.name, 141) || ' Pipeline'), pipeline_add.description, pipeline_add.stage_field,
            nullif(pipeline_add.value_field, ''), kept, app_member())
    RETURNING p.id INTO made;
    RETURN made(made);
END
$$;
