-- What happened in a workspace: a row for each thing, and how many there were of a day.

-- A partition a month (UTC), made when its first row comes. Nobody changes a row;
-- activity_put() alone writes them (sql/functions/work/workspace_activity.sql), in the transaction of what happened. There is no foreign key: to attach a
-- month would wait for everybody who writes into the other table.
--
--   type, event   goal, goal.created: activity_events() has all there are
--   scope         whom it concerns: none: everybody in the workspace; recordset, channel: who may see the one with scope_id
--   scope_id      zero where the scope is none
--   actor_id      the member who did it; zero: nobody. Who has left is shown as nobody, and a workspace's history is not rewritten for it
--   description, entity_name   as things were called then
CREATE TABLE activities (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    scope_id        uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    actor_id        uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    created_at      timestamptz NOT NULL DEFAULT now(),
    type            text COLLATE "C" NOT NULL,
    event           text COLLATE "C" NOT NULL,
    scope           text NOT NULL DEFAULT 'none',
    entity_type     text,
    entity_id       text,
    entity_name     text,
    link            text,
    description     text NOT NULL,
    metadata        jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, organization_id, created_at, id),
    CONSTRAINT activities_type_known CHECK (type IN ('action', 'goal', 'record', 'integration', 'user')),
    CONSTRAINT activities_scope_known CHECK (scope IN ('none', 'recordset', 'channel')),
    CONSTRAINT activities_scope_has_id CHECK (scope = 'none' OR scope_id <> '00000000-0000-0000-0000-000000000000'),
    CONSTRAINT activities_description_length CHECK (char_length(description) BETWEEN 1 AND 1000),
    CONSTRAINT activities_metadata_size CHECK (octet_length(metadata::text) <= 8192)
) PARTITION BY RANGE (created_at);
CREATE INDEX activities_of_scope ON activities (tenant_id, organization_id, scope_id, created_at, id);
CREATE INDEX activities_of_actor ON activities (tenant_id, organization_id, actor_id, created_at, id);
SELECT isolate('activities');
GRANT SELECT ON activities TO ashlar_api;

-- Where a workspace's activities can be searched by the letters of what they say; see 0031_search.sql.
DO $$
BEGIN
    CREATE INDEX activities_search ON activities USING gin ((organization_id::text), description gin_trgm_ops);
EXCEPTION
    WHEN undefined_object OR undefined_file OR feature_not_supported THEN
        RAISE WARNING 'activities are searched one by one: %', SQLERRM;
END
$$;

-- How many there were of a day (UTC), of a scope, actor and type; and, of the day -infinity and nobody, how many of all days. So what is
-- counted costs no more with what has happened, and tells nothing of scopes that who asks may not see.
CREATE TABLE activity_days (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    day             date NOT NULL,
    scope_id        uuid NOT NULL,
    actor_id        uuid NOT NULL,
    type            text COLLATE "C" NOT NULL,
    count           bigint NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, day, scope_id, actor_id, type)
) WITH (fillfactor = 70);
SELECT isolate('activity_days');
GRANT SELECT ON activity_days TO ashlar_api;
