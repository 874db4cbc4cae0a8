-- Feature flags: who sees what.

-- Is a flag on for a user, and why?  The reason is one of
--   disabled                                 for no user
--   boolean                                  for everybody
--   percentage_rollout, not_in_percentage    by the user's number
--   user_list, not_in_user_list              by name
--   plan, not_in_plans                       by the plan that is being paid or tried
--
-- A user's number is the first 32 bits of SHA-256(key ':' user id), modulo
-- 10,000; below a hundred times the percentage it is on.  So the same user gets
-- the same answer every time and on every host, another flag draws other users,
-- and a user who is in stays in when the percentage grows.
CREATE OR REPLACE FUNCTION flag_reason(f feature_flags, user_id text, plan text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN NOT f.is_enabled THEN 'disabled'
    WHEN f.flag_type = 'boolean' THEN 'boolean'
    WHEN f.flag_type = 'percentage' THEN
        CASE WHEN ('x' || encode(substr(sha256(convert_to(f.key || ':' || user_id, 'UTF8')), 1, 4), 'hex'))::bit(32)::bigint
                  % 10000 < f.percentage * 100
             THEN 'percentage_rollout' ELSE 'not_in_percentage' END
    WHEN f.flag_type = 'user_list' THEN
        CASE WHEN user_id = ANY (f.user_ids) THEN 'user_list' ELSE 'not_in_user_list' END
    WHEN plan = ANY (f.plans) THEN 'plan'
    ELSE 'not_in_plans' END;

-- The plan that counts for a user: "free" where none is paid or tried.
CREATE OR REPLACE FUNCTION flag_plan(plan text, status text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN status IN ('active', 'trialing') OR status IS NULL THEN coalesce(plan, 'free') ELSE 'free' END;

-- flag_reason(), and whether the flag is on by it.
CREATE OR REPLACE FUNCTION flag_decision(f feature_flags, user_id text, plan text, OUT is_enabled boolean, OUT reason text)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    reason := flag_reason(f, user_id, plan);
    is_enabled := reason IN ('boolean', 'percentage_rollout', 'user_list', 'plan');
END
$$;

-- A flag to be tried out, as if it were on where that is asked for.  Raises AS404.
CREATE OR REPLACE FUNCTION flag_to_try(flag uuid, as_enabled boolean) RETURNS SETOF feature_flags
LANGUAGE plpgsql STABLE ROWS 1 AS $$
DECLARE
    f feature_flags;
BEGIN
    SELECT * INTO f FROM feature_flags x WHERE x.tenant_id = app_tenant() AND x.id = flag;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'FeatureFlag not found', DETAIL = flag::text;
    END IF;
    f.is_enabled := f.is_enabled OR coalesce(as_enabled, false);
    RETURN NEXT f;
END
$$;

-- A tenant has at most 1,000 flags, and 100,000 names in them: the list answers
-- with all of them.  Raises AS409.  Changes of one tenant's flags wait for each
-- other here, so that two at once cannot both be the last.
CREATE OR REPLACE FUNCTION flags_have_room(one_more boolean, names integer, without uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    flags bigint;
    taken bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hash_record_extended(ROW ('flags'::text, app_tenant()), 0));
    SELECT count(*), coalesce(sum(cardinality(f.user_ids)) FILTER (WHERE f.id IS DISTINCT FROM without), 0)
    INTO flags, taken
    FROM feature_flags f
    WHERE f.tenant_id = app_tenant();
    IF one_more AND flags >= 1000 THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'there are 1,000 flags, which is the most: delete one that is not used any more';
    ELSIF taken + names > 100000 THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'user_ids',
            MESSAGE = 'all flags together may name 100,000 users: use a percentage or plans for larger groups';
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION flag_create(key text, name text, description text, flag_type text, is_enabled boolean,
                                       percentage integer, user_ids text[], plans text[]) RETURNS SETOF feature_flags
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    f feature_flags;
BEGIN
    PERFORM flags_have_room(true, coalesce(cardinality(user_ids), 0), NULL);
    INSERT INTO feature_flags (tenant_id, key, name, description, flag_type, is_enabled, percentage, user_ids, plans)
    VALUES (app_tenant(), flag_create.key, flag_create.name, flag_create.description, flag_create.flag_type,
            coalesce(flag_create.is_enabled, false), flag_create.percentage, coalesce(flag_create.user_ids, '{}'),
            coalesce(flag_create.plans, '{}'))
    RETURNING * INTO f;
    PERFORM audit('flag.create', 'feature_flag', f.id::text,
                  jsonb_build_object('key', f.key, 'flag_type', f.flag_type, 'is_enabled', f.is_enabled));
    RETURN NEXT f;
END
$$;

-- What is NULL stays as it is; a description can be taken away, hence has_description.
CREATE OR REPLACE FUNCTION flag_change(flag uuid, wanted bigint[], new_name text, has_description boolean,
                                       new_description text, new_type text, enabled boolean, new_percentage integer,
                                       new_user_ids text[], new_plans text[]) RETURNS SETOF feature_flags
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    f feature_flags;
BEGIN
    IF new_user_ids IS NOT NULL THEN
        PERFORM flags_have_room(false, cardinality(new_user_ids), flag);
    END IF;
    UPDATE feature_flags x
    SET name = coalesce(new_name, x.name),
        description = CASE WHEN has_description THEN new_description ELSE x.description END,
        flag_type = coalesce(new_type, x.flag_type),
        is_enabled = coalesce(enabled, x.is_enabled),
        percentage = coalesce(new_percentage, x.percentage),
        user_ids = coalesce(new_user_ids, x.user_ids),
        plans = coalesce(new_plans, x.plans)
    WHERE x.tenant_id = app_tenant() AND x.id = flag AND if_match(x.updated_at, wanted)
    RETURNING * INTO f;
    IF FOUND THEN
        PERFORM audit('flag.update', 'feature_flag', f.id::text, jsonb_build_object(
            'key', f.key, 'flag_type', new_type, 'is_enabled', enabled, 'percentage', new_percentage,
            'user_ids', cardinality(new_user_ids), 'plans', to_jsonb(new_plans)));
        RETURN NEXT f;
    END IF;
END
$$;
