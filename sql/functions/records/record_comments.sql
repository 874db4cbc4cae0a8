-- Who is told of a comment on a record.

-- Who is mentioned, and may see the record; whose record it is, unless mentioned; and whoever reads what happens.
CREATE OR REPLACE FUNCTION record_commented(record uuid, comment uuid, mentions uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    r    record;
    told uuid[];
BEGIN
    IF NOT is_told(app_tenant()) THEN
        RETURN;
    END IF;
    SELECT x.id, x.owner_id, x.title, s.id AS recordset_id, s.owner_id AS recordset_owner_id INTO r
    FROM records x
    JOIN recordsets s ON s.tenant_id = x.tenant_id AND s.organization_id = x.organization_id AND s.id = x.recordset_id
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = record;
    SELECT coalesce(array_agg(m.id), '{}') INTO told
    FROM memberships m
    CROSS JOIN recordset_rights(m.tenant_id, m.organization_id, r.recordset_id, r.recordset_owner_id, m.id, m.role) x
    WHERE m.tenant_id = app_tenant() AND m.organization_id = app_organization() AND m.id = ANY (mentions || r.owner_id) AND x.rights > 0
      AND m.id IS DISTINCT FROM app_member();
    PERFORM notify(app_organization(), e.event, ARRAY(SELECT t FROM unnest(told) t WHERE (t = ANY (mentions)) = e.is_mentioned),
                   jsonb_build_object('type', 'record', 'id', record, 'link', '/records/' || record), app_member(),
                   jsonb_build_object('record_id', record, 'recordset_id', r.recordset_id, 'comment_id', comment, 'title', r.title))
    FROM (VALUES ('record_mention', true), ('record_comment', false)) e (event, is_mentioned);
    PERFORM activity_put(app_organization(), 'record.comment_added', 'recordset', r.recordset_id, app_member(), record::text, r.title,
                         jsonb_build_object('recordset_id', r.recordset_id, 'comment_id', comment));
END
$$;
