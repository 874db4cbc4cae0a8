-- Members of a workspace of very many: found by what they are called, and by their standing.

-- search_text  what a search looks through, in lower case: the name, how they want to be called, and the address, a line each;
--              the triggers that keep sort_name keep it
ALTER TABLE member_profiles ADD search_text text NOT NULL DEFAULT '';
GRANT UPDATE (search_text) ON member_profiles TO ashlar_api;

CREATE OR REPLACE FUNCTION member_profile_sorted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    SELECT lower(coalesce(NEW.full_name, u.full_name, u.email, '')),
           lower(concat_ws(E'\n', coalesce(NEW.full_name, u.full_name), NEW.display_name, u.email))
    INTO NEW.sort_name, NEW.search_text
    FROM memberships m JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id
    WHERE m.tenant_id = NEW.tenant_id AND m.organization_id = NEW.organization_id AND m.id = NEW.member_id;
    NEW.sort_name := coalesce(NEW.sort_name, '');
    NEW.search_text := coalesce(NEW.search_text, '');
    RETURN NEW;
END
$$;
DROP TRIGGER member_profiles_sorted ON member_profiles;
CREATE TRIGGER member_profiles_sorted BEFORE INSERT OR UPDATE OF full_name, display_name ON member_profiles
    FOR EACH ROW EXECUTE FUNCTION member_profile_sorted();

CREATE OR REPLACE FUNCTION user_renamed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE member_profiles p
    SET sort_name = CASE WHEN p.full_name IS NULL THEN lower(coalesce(NEW.full_name, NEW.email, '')) ELSE p.sort_name END,
        search_text = lower(concat_ws(E'\n', coalesce(p.full_name, NEW.full_name), p.display_name, NEW.email))
    FROM memberships m
    WHERE m.tenant_id = NEW.tenant_id AND m.user_id = NEW.id
      AND p.tenant_id = m.tenant_id AND p.organization_id = m.organization_id AND p.member_id = m.id;
    RETURN NULL;
END
$$;

-- Of those that are there.
DO $$
DECLARE
    t uuid;
BEGIN
    FOR t IN SELECT id FROM tenants LOOP
        PERFORM set_config('app.tenant_id', t::text, true);
        UPDATE member_profiles p SET search_text = lower(concat_ws(E'\n', coalesce(p.full_name, u.full_name), p.display_name, u.email))
        FROM memberships m JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id
        WHERE p.tenant_id = t AND m.tenant_id = t AND m.organization_id = p.organization_id AND m.id = p.member_id;
    END LOOP;
    PERFORM set_config('app.tenant_id', '', true);
END
$$;

-- By its letters, three by three; see 0031_search.sql.
DO $$
BEGIN
    CREATE INDEX member_profiles_search ON member_profiles USING gin ((organization_id::text), search_text gin_trgm_ops) WITH (fastupdate = off);
EXCEPTION
    WHEN undefined_object OR undefined_file OR feature_not_supported THEN
        RAISE WARNING 'members are searched one by one: %', SQLERRM;
END
$$;

-- Few: a list of them, and how many there are, walks through no others.
CREATE INDEX memberships_inactive ON memberships (tenant_id, organization_id, id) WHERE NOT is_active;

-- Lists have been in the order of nr since 0080.
DROP INDEX notifications_unread;
