-- What agents look things up in: the text of files, in passages.

-- Whether the text of an object is known.
--
--   state     wanted, ready, or failed with a reason for people
--   language  the configuration that its words are of
CREATE TABLE file_texts (
    tenant_id  uuid NOT NULL,
    object_id  uuid NOT NULL,
    state      text NOT NULL DEFAULT 'wanted',
    reason     text,
    language   regconfig NOT NULL DEFAULT 'simple',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, object_id),
    CONSTRAINT file_texts_object FOREIGN KEY (tenant_id, object_id) REFERENCES stored_objects ON DELETE CASCADE,
    CONSTRAINT file_texts_state_known CHECK (state IN ('wanted', 'ready', 'failed'))
);
SELECT isolate('file_texts');
GRANT SELECT, INSERT ON file_texts TO ashlar_api;
SELECT changeable('file_texts');

-- Its passages, from 0 on; starts_at: the character that one begins with.
CREATE TABLE file_passages (
    tenant_id  uuid NOT NULL,
    object_id  uuid NOT NULL,
    position   integer NOT NULL,
    starts_at  integer NOT NULL,
    content    text NOT NULL,
    words      tsvector NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, object_id, position),
    CONSTRAINT file_passages_text FOREIGN KEY (tenant_id, object_id) REFERENCES file_texts ON DELETE CASCADE
);
SELECT isolate('file_passages');
GRANT SELECT, INSERT, DELETE ON file_passages TO ashlar_api;
