-- Days on which something happened, of a scope and of who did it: a page of activity asks them where to look, and walks through no others.
CREATE INDEX activity_days_of_scope ON activity_days (tenant_id, organization_id, scope_id, type, day, actor_id);
CREATE INDEX activity_days_of_actor ON activity_days (tenant_id, organization_id, actor_id, type, day, scope_id);

-- What came in its place is made behind the migrations.
DROP FUNCTION IF EXISTS activity_newest(uuid[], uuid[], text[], timestamptz, timestamptz, timestamptz, uuid, bigint);
