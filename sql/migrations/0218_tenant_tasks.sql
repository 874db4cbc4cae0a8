-- Tasks of a tenant (operations surface): a kind of tasks, in no organization, with a product, and an assignee who is a name.

-- assignee        a name, of a user or an agent, beside assignee_id, which is a member of a workspace
-- maker_id        the user who has made it, beside created_by_id
-- title_key       the title without its outer spaces and case, by which a second one is recognised
-- external_id     what the task is elsewhere, one of each in the tenant
ALTER TABLE tasks
    ADD COLUMN product_number bigint,
    ADD COLUMN assignee text,
    ADD COLUMN maker_id uuid,
    ADD COLUMN title_key text,
    ADD COLUMN category text,
    ADD COLUMN tags text,
    ADD COLUMN estimated_minutes integer,
    ADD COLUMN due_date date,
    ADD COLUMN resolution text,
    ADD COLUMN max_duration_seconds integer,
    ADD COLUMN external_id text,
    DROP CONSTRAINT tasks_kind_known,
    ADD CONSTRAINT tasks_kind_known CHECK (kind IN ('record', 'tenant')) NOT VALID,
    ADD CONSTRAINT tasks_of_tenant CHECK (kind <> 'tenant' OR organization_id IS NULL AND number IS NOT NULL AND title_key IS NOT NULL) NOT VALID,
    ADD CONSTRAINT tasks_tenant_texts CHECK (char_length(assignee) BETWEEN 1 AND 100 AND char_length(category) <= 100 AND char_length(tags) <= 1000
                                             AND char_length(resolution) <= 5000 AND char_length(external_id) BETWEEN 1 AND 200) NOT VALID,
    ADD CONSTRAINT tasks_product FOREIGN KEY (tenant_id, product_number) REFERENCES products NOT VALID,
    ADD CONSTRAINT tasks_maker FOREIGN KEY (tenant_id, maker_id) REFERENCES users ON DELETE SET NULL (maker_id) NOT VALID;
ALTER TABLE tasks
    VALIDATE CONSTRAINT tasks_kind_known, VALIDATE CONSTRAINT tasks_of_tenant, VALIDATE CONSTRAINT tasks_tenant_texts,
    VALIDATE CONSTRAINT tasks_product, VALIDATE CONSTRAINT tasks_maker;
CREATE SEQUENCE task_numbers;
GRANT USAGE ON SEQUENCE task_numbers TO ashlar_api;

-- Found by each filter, by priority or by age: what has several statuses or priorities is joined of as many walks.
CREATE INDEX tasks_ranked ON tasks (tenant_id, priority, status, number DESC) WHERE kind = 'tenant';
CREATE INDEX tasks_ranked_of_assignee ON tasks (tenant_id, assignee, priority, status, number DESC) WHERE kind = 'tenant' AND assignee IS NOT NULL;
CREATE INDEX tasks_ranked_of_product ON tasks (tenant_id, product_number, priority, status, number DESC) WHERE kind = 'tenant' AND product_number IS NOT NULL;
CREATE INDEX tasks_ranked_of_both ON tasks (tenant_id, assignee, product_number, priority, status, number DESC)
    WHERE kind = 'tenant' AND assignee IS NOT NULL AND product_number IS NOT NULL;
CREATE INDEX tasks_done ON tasks (tenant_id, completed_at DESC, number DESC) WHERE kind = 'tenant' AND status = 'completed';
CREATE INDEX tasks_done_of_assignee ON tasks (tenant_id, assignee, completed_at DESC, number DESC) WHERE kind = 'tenant' AND status = 'completed' AND assignee IS NOT NULL;
CREATE INDEX tasks_done_of_product ON tasks (tenant_id, product_number, completed_at DESC, number DESC)
    WHERE kind = 'tenant' AND status = 'completed' AND product_number IS NOT NULL;
CREATE INDEX tasks_newest ON tasks (tenant_id, number DESC) WHERE kind = 'tenant';
CREATE INDEX tasks_open_titles ON tasks (tenant_id, title_key, created_at DESC) WHERE kind = 'tenant' AND is_open;
CREATE INDEX tasks_open_of_product ON tasks (tenant_id, product_number, number) WHERE kind = 'tenant' AND is_open AND product_number IS NOT NULL;
CREATE INDEX tasks_of_maker ON tasks (tenant_id, maker_id, created_at) WHERE maker_id IS NOT NULL;
CREATE UNIQUE INDEX tasks_external_unique ON tasks (tenant_id, external_id) WHERE external_id IS NOT NULL;

DROP TRIGGER tasks_touch ON tasks;
CREATE TRIGGER tasks_touch BEFORE UPDATE OF title, description, type, status, priority, due_at, assignee_id, outcome, outcome_notes, number,
    product_number, assignee, category, tags, estimated_minutes, due_date, resolution, max_duration_seconds, external_id ON tasks
    FOR EACH ROW EXECUTE FUNCTION touch();
SELECT changeable('tasks', 'organization_id', 'kind', 'subject_id', 'recordset_id', 'content_id', 'created_by_id', 'maker_id', 'number');

-- They are found by three characters in a row; see 0031_search.sql.
DO $$
BEGIN
    CREATE INDEX tasks_search ON tasks USING gin ((tenant_id::text), title gin_trgm_ops, description gin_trgm_ops) WITH (gin_pending_list_limit = 512)
        WHERE kind = 'tenant';
EXCEPTION
    WHEN undefined_object OR undefined_file OR feature_not_supported THEN
        RAISE WARNING 'tasks are searched one by one: %', SQLERRM;
END
$$;

-- What one waits for: blocked_number is not to be begun before blocker_number has ended.
CREATE TABLE task_dependencies (
    tenant_id      uuid NOT NULL,
    blocked_number bigint NOT NULL,
    blocker_number bigint NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, blocked_number, blocker_number),
    CONSTRAINT task_dependencies_blocked FOREIGN KEY (tenant_id, blocked_number) REFERENCES tasks (tenant_id, number) ON DELETE CASCADE,
    CONSTRAINT task_dependencies_blocker FOREIGN KEY (tenant_id, blocker_number) REFERENCES tasks (tenant_id, number) ON DELETE CASCADE,
    CONSTRAINT task_dependencies_not_itself CHECK (blocked_number <> blocker_number)
);
CREATE INDEX task_dependencies_of_blocker ON task_dependencies (tenant_id, blocker_number, blocked_number);
SELECT isolate('task_dependencies');
GRANT SELECT, INSERT, DELETE ON task_dependencies TO ashlar_api;

-- How many there are of each status and priority: of all ('' and 0), of an assignee, of a product, and of both; in eight parts, so that those
-- who make tasks at once seldom wait for one another.
CREATE TABLE task_counts (
    tenant_id      uuid NOT NULL,
    assignee       text NOT NULL,
    product_number bigint NOT NULL,
    status         text NOT NULL,
    priority       smallint NOT NULL,
    part           smallint NOT NULL,
    n              bigint NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, assignee, product_number, status, priority, part),
    CONSTRAINT task_counts_tenant FOREIGN KEY (tenant_id) REFERENCES tenants
);
SELECT isolate('task_counts');
GRANT SELECT, INSERT ON task_counts TO ashlar_api;
GRANT UPDATE (n) ON task_counts TO ashlar_api;
