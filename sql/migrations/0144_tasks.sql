-- Tasks: one table for those of all surfaces; a kind says what one is about, and each surface shows its own words for the same values.

-- kind, subject_id   'record': the record, whose recordset_id and content_id stand beside it, for who counts those of a whole recordset; there are no
--                    foreign keys to these (0102_records.sql)
-- organization_id    the workspace; NULL: none, of what is the tenant's own
-- number             in the tenant, where people call tasks by numbers; NULL: they do not
-- status             of all dialects: completed is also called done, and todo pending
-- priority           0 urgent (P0, critical), 1 high, 2 medium, 3 low
-- type               as its surface has them: follow_up, call, …
-- due_told           what the assignee was told of due_at: 0 nothing, 1 that it is near, 2 that it has passed
CREATE TABLE tasks (
    tenant_id       uuid NOT NULL,
    organization_id uuid,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    kind            text NOT NULL,
    number          bigint,
    subject_id      uuid,
    recordset_id    uuid,
    content_id      uuid,
    title           text NOT NULL,
    description     text,
    type            text NOT NULL DEFAULT 'other',
    status          text NOT NULL DEFAULT 'todo',
    is_open         boolean NOT NULL GENERATED ALWAYS AS (status NOT IN ('completed', 'cancelled', 'archived')) STORED,
    priority        smallint NOT NULL DEFAULT 2,
    due_at          timestamptz,
    due_told        smallint NOT NULL DEFAULT 0,
    assignee_id     uuid,
    outcome         text,
    outcome_notes   text,
    completed_at    timestamptz,
    completed_by_id uuid,
    created_by_id   uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT tasks_tenant FOREIGN KEY (tenant_id) REFERENCES tenants,
    CONSTRAINT tasks_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT tasks_assignee FOREIGN KEY (tenant_id, organization_id, assignee_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (assignee_id),
    CONSTRAINT tasks_completed_by FOREIGN KEY (tenant_id, organization_id, completed_by_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (completed_by_id),
    CONSTRAINT tasks_created_by FOREIGN KEY (tenant_id, organization_id, created_by_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (created_by_id),
    CONSTRAINT tasks_number_unique UNIQUE (tenant_id, number),
    CONSTRAINT tasks_kind_known CHECK (kind IN ('record')),
    CONSTRAINT tasks_of_record CHECK (kind <> 'record' OR num_nonnulls(organization_id, subject_id, recordset_id, content_id) = 4),
    CONSTRAINT tasks_title_length CHECK (char_length(title) BETWEEN 1 AND 500),
    CONSTRAINT tasks_description_length CHECK (char_length(description) <= 50000),
    CONSTRAINT tasks_type_length CHECK (char_length(type) BETWEEN 1 AND 50),
    CONSTRAINT tasks_status_known CHECK (status IN ('todo', 'in_progress', 'review', 'blocked', 'completed', 'cancelled', 'archived')),
    CONSTRAINT tasks_priority_known CHECK (priority BETWEEN 0 AND 3),
    CONSTRAINT tasks_outcome_length CHECK (char_length(outcome) <= 255 AND char_length(outcome_notes) <= 5000),
    CONSTRAINT tasks_completed_is CHECK ((completed_at IS NOT NULL) = (status = 'completed'))
);
CREATE INDEX tasks_of_subject ON tasks (tenant_id, organization_id, subject_id, due_at, priority, id) WHERE subject_id IS NOT NULL;
CREATE INDEX tasks_of_content ON tasks (tenant_id, organization_id, content_id, is_open, due_at, priority, id) INCLUDE (subject_id, completed_at)
    WHERE content_id IS NOT NULL;
CREATE INDEX tasks_of_assignee ON tasks (tenant_id, organization_id, assignee_id, due_at, id) WHERE assignee_id IS NOT NULL;
CREATE INDEX tasks_of_creator ON tasks (tenant_id, organization_id, created_by_id) WHERE created_by_id IS NOT NULL;
CREATE INDEX tasks_of_completer ON tasks (tenant_id, organization_id, completed_by_id) WHERE completed_by_id IS NOT NULL;
CREATE INDEX tasks_due ON tasks (due_told, due_at) WHERE is_open AND assignee_id IS NOT NULL AND due_told < 2;

-- What its owner only marks is no change of it.
SELECT isolate('tasks', 'title', 'description', 'type', 'status', 'priority', 'due_at', 'assignee_id', 'outcome', 'outcome_notes', 'number');
-- The clock looks for those of all tenants that are due (tasks_due()).
CREATE POLICY tasks_due_directory ON tasks FOR SELECT TO CURRENT_USER
    USING (is_open AND assignee_id IS NOT NULL AND due_told < 2 AND due_at <= now() + interval '24 hours');
GRANT SELECT, INSERT, DELETE ON tasks TO ashlar_api;
SELECT changeable('tasks', 'organization_id', 'kind', 'subject_id', 'recordset_id', 'content_id', 'created_by_id');
