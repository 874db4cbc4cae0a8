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

-- Whom a comment mentions only since it was changed.
CREATE OR REPLACE FUNCTION record_comment_changed(record uuid, comment uuid, mentions uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF mentions = '{}' OR NOT is_told(app_tenant()) THEN
        RETURN;
    END IF;
    PERFORM notify(app_organization(), 'record_mention', t.told, jsonb_build_object('type', 'record', 'id', record, 'link', '/records/' || record), app_member(),
                   jsonb_build_object('record_id', record, 'recordset_id', x.recordset_id, 'comment_id', comment, 'title', x.title))
    FROM records x
    JOIN recordsets s ON s.tenant_id = x.tenant_id AND s.organization_id = x.organization_id AND s.id = x.recordset_id
    CROSS JOIN LATERAL (SELECT array_agg(m.id) AS told
                        FROM memberships m
                        CROSS JOIN recordset_rights(m.tenant_id, m.organization_id, s.id, s.owner_id, m.id, m.role) y
                        WHERE m.tenant_id = x.tenant_id AND m.organization_id = x.organization_id AND m.id = ANY (mentions) AND y.rights > 0
                          AND m.id IS DISTINCT FROM app_member()) t
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = record AND t.told IS NOT NULL;
END
$$;

-- Take one away: it is its author's to do, and who has can_admin on the recordset.  Answers to it answer what it answered.  NULL: there is none.
CREATE OR REPLACE FUNCTION record_comment_delete(record uuid, comment uuid, tag bigint[]) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    c comments;
BEGIN
    PERFORM record_here(record, 1);
    SELECT x.* INTO c FROM comments x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.subject_kind = 'record' AND x.subject_id = record AND x.id = comment FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM may(coalesce(c.author_id = app_member(), false) OR recordset_may(s.id, s.owner_id, 64), 'a comment is its author''s to delete, and needs can_admin on the recordset else')
    FROM records r
    JOIN recordsets s ON s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id
    WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.id = record;
    PERFORM if_match(c.updated_at, tag);
    UPDATE comments x SET parent_id = c.parent_id
    WHERE x.tenant_id = c.tenant_id AND x.organization_id = c.organization_id AND x.subject_kind = 'record' AND x.subject_id = record AND x.parent_id = comment;
    DELETE FROM comments x
    WHERE x.tenant_id = c.tenant_id AND x.organization_id = c.organization_id AND x.subject_kind = 'record' AND x.subject_id = record AND x.id = comment;
    RETURN comment;
END
$$;
