-- That a recordset's records are others now, for pages that show them.

-- Once in a transaction for each recordset.  On a channel of its own, which realtime folds (realtime/fold.h): nobody who
-- changes records waits for another one's commit by it, and no page hears it more than once a second.
CREATE OR REPLACE FUNCTION records_tell(organization uuid, recordset uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    told text := coalesce(current_setting('app.told', true), '');
    this text := 'records ' || recordset || ';';
BEGIN
    IF strpos(told, this) > 0 THEN
        RETURN;
    END IF;
    PERFORM set_config('app.told', told || this, true);
    PERFORM realtime_put_each(ARRAY['records:' || recordset], jsonb_build_object(
        'event_type', 'records_updated', 'workspace_id', organization, 'actor_id', app_member(),
        'data', jsonb_build_object('recordset_id', recordset), 'timestamp', json_time_us(now())), '{"{}"}', 'workspace_event');
END
$$;

CREATE OR REPLACE FUNCTION records_told() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF is_told(app_tenant()) THEN    -- in no tenant it is NULL
        PERFORM records_tell(x.organization_id, x.recordset_id)
        FROM (SELECT DISTINCT t.organization_id, t.recordset_id FROM touched t WHERE t.recordset_id IS NOT NULL) x;
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER records_told_made AFTER INSERT ON records REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION records_told();
CREATE OR REPLACE TRIGGER records_told_changed AFTER UPDATE ON records REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION records_told();
CREATE OR REPLACE TRIGGER records_told_gone AFTER DELETE ON records REFERENCING OLD TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION records_told();

-- And what hangs on them.
CREATE OR REPLACE TRIGGER record_interactions_told_made AFTER INSERT ON record_interactions REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION records_told();
CREATE OR REPLACE TRIGGER record_interactions_told_changed AFTER UPDATE ON record_interactions REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION records_told();
CREATE OR REPLACE TRIGGER record_interactions_told_gone AFTER DELETE ON record_interactions REFERENCING OLD TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION records_told();
CREATE OR REPLACE TRIGGER tasks_told_made AFTER INSERT ON tasks REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION records_told();
CREATE OR REPLACE TRIGGER tasks_told_changed AFTER UPDATE ON tasks REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION records_told();
CREATE OR REPLACE TRIGGER tasks_told_gone AFTER DELETE ON tasks REFERENCING OLD TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION records_told();
CREATE OR REPLACE TRIGGER record_insights_told_made AFTER INSERT ON record_insights REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION records_told();
CREATE OR REPLACE TRIGGER record_insights_told_changed AFTER UPDATE ON record_insights REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION records_told();
