-- Whose records they are, when a member gives all of theirs to another one.

-- Give up to batch of a member's records to another one; how many they were, 0: there are no more.  Nothing is told of each, and no version
-- is made: whose a record is is no value of it.
CREATE OR REPLACE FUNCTION records_give(organization uuid, member uuid, heir uuid, batch integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    quiet text := coalesce(current_setting('app.quiet', true), '');
    ids   uuid[];
    n     bigint;
BEGIN
    SELECT array_agg(x.id) INTO ids
    FROM (SELECT r.id FROM records r
          WHERE r.tenant_id = app_tenant() AND r.organization_id = organization AND r.owner_id = member AND r.deleted_at IS NULL
          ORDER BY r.id LIMIT batch) x;
    -- As who writes into them does: the recordsets, and then the records in the order of their ids.
    PERFORM FROM recordsets s
    WHERE s.tenant_id = app_tenant() AND s.organization_id = organization
      AND s.id IN (SELECT r.recordset_id FROM records r WHERE r.tenant_id = app_tenant() AND r.organization_id = organization AND r.id = ANY (ids))
    ORDER BY s.id FOR KEY SHARE;
    PERFORM FROM records r WHERE r.tenant_id = app_tenant() AND r.organization_id = organization AND r.id = ANY (ids) ORDER BY r.id FOR NO KEY UPDATE;
    PERFORM set_config('app.quiet', 'on', true);
    UPDATE records r SET owner_id = heir
    WHERE r.tenant_id = app_tenant() AND r.organization_id = organization AND r.id = ANY (ids) AND r.owner_id = member AND r.deleted_at IS NULL;
    GET DIAGNOSTICS n = ROW_COUNT;
    PERFORM set_config('app.quiet', quiet, true);
    RETURN n;
END
$$;

-- All of them: a thousand at once, the others by a job.  How many they are.
CREATE OR REPLACE FUNCTION records_give_all(member uuid, heir uuid) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    SELECT count(*) INTO n FROM records r
    WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.owner_id = member AND r.deleted_at IS NULL
      AND r.content_id IN (SELECT s.content_id FROM recordsets s WHERE s.tenant_id = app_tenant() AND s.organization_id = app_organization());
    PERFORM records_give(app_organization(), member, heir, 1000);
    IF EXISTS (SELECT FROM records r
               WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.owner_id = member AND r.deleted_at IS NULL) THEN
        INSERT INTO jobs (tenant_id, queue, kind, payload, timeout_s)
        VALUES (app_tenant(), 'ashlar', 'records.give', jsonb_build_object('organization_id', app_organization(), 'member_id', member, 'heir_id', heir), 3600);
    END IF;
    RETURN n;
END
$$;
