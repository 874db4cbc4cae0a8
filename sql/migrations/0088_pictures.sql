-- What people look like: a picture of a member of a workspace, which anybody may look at who has its address.

-- organization_id, member_id  whose it is; it goes with the membership
-- key_hash                    of the address's secret part; member_profiles.avatar_url has the address
CREATE TABLE pictures (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    organization_id uuid NOT NULL,
    member_id       uuid NOT NULL,
    object_id       uuid NOT NULL,
    key_hash        bytea NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT pictures_of_member UNIQUE (tenant_id, organization_id, member_id),
    CONSTRAINT pictures_key_unique UNIQUE (tenant_id, key_hash),
    CONSTRAINT pictures_member FOREIGN KEY (tenant_id, organization_id, member_id) REFERENCES member_profiles ON DELETE CASCADE,
    CONSTRAINT pictures_object FOREIGN KEY (tenant_id, object_id) REFERENCES stored_objects,
    CONSTRAINT pictures_key_length CHECK (octet_length(key_hash) = 32)
);
CREATE UNIQUE INDEX pictures_of_object ON pictures (tenant_id, object_id);
SELECT isolate('pictures');
GRANT SELECT, INSERT ON pictures TO ashlar_api;
SELECT changeable('pictures', 'organization_id', 'member_id');

-- When its member goes, so does its content.
CREATE FUNCTION picture_gone() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM stored_object_drop(OLD.object_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER pictures_gone AFTER DELETE ON pictures FOR EACH ROW EXECUTE FUNCTION picture_gone();
