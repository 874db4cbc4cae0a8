-- Who is told of what: a line a table.
--
-- Runs again behind every migration, since it looks at the columns of the tables.
--
-- A trigger on the table sees every way in which its rows change (each surface,
-- another issuer's token, a webhook of somebody else's, a command), also the one
-- that is written next year, and stands in the transaction of the change: there
-- is no change without its event, and no event of what was rolled back.  What no
-- client can see (a counter, a password's hash, the time of a sign-in) is no
-- change.  announce() writes these triggers with all names in them, so what it
-- decides costs nothing when a row changes.
--
-- The events are listed in handlers/events.c, with the members of their data;
-- t/api/events.t sends each and compares.

-- Is a change of this tenant's rows told?  Not of those that an operator makes
-- by hand, in no tenant, nor where app.quiet is set: by what fills the database
-- (ashlar seed), which no subscriber waits for.
CREATE OR REPLACE FUNCTION is_told(tenant uuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN    -- in SQL, each statement that changes rows would plan it for each trigger
    RETURN tenant = app_tenant() AND nullif(current_setting('app.quiet', true), '') IS NULL;
END
$$;

-- Tell of one.  channels: who hears of it at once, in the order of their names.
-- No subscriber can listen to the channel of a user whose id has a space in it, and
-- what is more than a message may hold is told without its data: neither is a
-- reason to refuse the change.
CREATE OR REPLACE FUNCTION tell(type text, organization uuid, data jsonb, VARIADIC channels text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    message jsonb := jsonb_build_object('type', 'update', 'event', type, 'data', data);
    channel text;
BEGIN
    PERFORM event_emit(type, organization, data);
    IF pg_column_size(message) > 5000 AND octet_length(message::text) > 32768 THEN
        message := jsonb_build_object('type', 'update', 'event', type, 'is_truncated', true,
                                      'data', jsonb_build_object('id', data -> 'id'));
    END IF;
    FOREACH channel IN ARRAY channels LOOP
        IF realtime_kind(channel) IS NOT NULL THEN
            PERFORM realtime_put(channel, message, NULL, 'message', NULL, false);
        END IF;
    END LOOP;
END
$$;

-- What a resource was before, of the members that are other ones now.
CREATE OR REPLACE FUNCTION previous_attributes(before jsonb, after jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN jsonb_build_object('previous_attributes',
        (SELECT coalesce(jsonb_object_agg(b.key, b.value), '{}')
         FROM jsonb_each(before) b
         WHERE b.key <> 'updated_at' AND b.value IS DISTINCT FROM after -> b.key));
END
$$;

-- A double as JSON has it, which knows neither NaN nor infinity: null, as in answers.
CREATE OR REPLACE FUNCTION json_double(x double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN x > '-Infinity' AND x < 'Infinity' THEN x END;

-- The statements that tell of one row, NEW or OLD, or of those in "made"; NULL:
-- nothing is told.  told is the expression of a row's data, before that of what
-- they were, or NULL.  Where no channel hears of it, the data are made only if
-- somebody wants to know.
CREATE OR REPLACE FUNCTION announcement(told text, which text, noun text, verb text, organization text, channels text,
                                        before text, hidden text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    is_word boolean := verb ~ '^\w+$';
    type    text := CASE WHEN is_word THEN quote_literal(noun || '.' || verb) ELSE 'type' END;
    owner   text := CASE WHEN organization IS NULL THEN 'NULL' ELSE format('%s.%I', which, organization) END;
    shown   text := CASE WHEN hidden = '{}' THEN '' ELSE format(' - %L::text[]', hidden) END;
    heard   text;
BEGIN
    -- 'user:{owner_id} on created' is 'user:' || (data ->> 'owner_id').
    SELECT string_agg(', ' || CASE WHEN is_word OR verbs IS NULL THEN name
                                   ELSE format('CASE WHEN split_part(type, ''.'', 2) = ANY (%L) THEN %s END', verbs, name) END,
                      '' ORDER BY name)
    INTO heard
    FROM string_to_table(channels, ', ') c,
         LATERAL (SELECT string_to_array(nullif(split_part(c, ' on ', 2), ''), ' '),
                         replace(regexp_replace(quote_literal(split_part(c, ' on ', 1)), '\{(\w+)\}', ''' || (data ->> ''\1'') || ''', 'g'),
                                 ' || ''''', '')) x (verbs, name)
    WHERE NOT is_word OR verbs IS NULL OR verb = ANY (verbs);
    RETURN CASE WHEN is_word THEN '' ELSE E'    type := ' || quote_literal(noun || '.') || ' || (' || verb || E');\n' END    -- NULL: nothing is told
        || CASE WHEN heard IS NULL THEN format(E'    IF NOT event_wanted(%s, %s) THEN\n        RETURN NULL;\n    END IF;\n', type, owner) ELSE '' END
        || CASE WHEN which = 'made' THEN format(E'    PERFORM event_emit(%s, %s, %s) FROM made WHERE is_told(tenant_id);\n', type, owner, format(told, which))
                ELSE format(E'    data := %s;\n    PERFORM %s(%s, %s, data%s%s%s);\n', format(told, which),
                            CASE WHEN heard IS NULL THEN 'event_emit' ELSE 'tell' END, type, owner, shown,
                            ' || previous_attributes((' || before || ')' || shown || ', data' || shown || ')', heard) END
        || E'    RETURN NULL;\n';
END
$$;

-- Make one of an announcement's functions, and the trigger of its name that calls
-- it; the function's comment is the trigger's definition.  What has not changed is
-- not written again: that would lock the table.  body NULL: there is to be none.
CREATE OR REPLACE FUNCTION announced(tbl regclass, func text, args text, kind text, body text, fires text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    has oid := to_regprocedure(format('%I(%s)', func, regexp_replace(args, '^r ', '')));
BEGIN
    IF body IS NULL THEN
        IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = tbl AND tgname = func) THEN
            EXECUTE format('DROP TRIGGER %I ON %s', func, tbl);
        END IF;
        IF has IS NOT NULL THEN
            EXECUTE format('DROP FUNCTION %s', has::regprocedure);
        END IF;
        RETURN;
    END IF;
    IF body IS DISTINCT FROM (SELECT prosrc FROM pg_proc WHERE oid = has) THEN
        EXECUTE format('CREATE OR REPLACE FUNCTION %I(%s) RETURNS %s AS %L', func, args, kind, body);
    END IF;
    IF fires IS DISTINCT FROM obj_description(has, 'pg_proc') THEN
        EXECUTE format('CREATE OR REPLACE TRIGGER %I AFTER %s EXECUTE FUNCTION %1$I()', func, fires);
        EXECUTE format('COMMENT ON FUNCTION %I() IS %L', func, fires);
    END IF;
END
$$;

-- Announce what becomes of a table's rows.
--
--   noun          what a row is called: the event is "project.updated"
--   made, changed, gone
--                 what it is called that one is inserted, updated, deleted: a word,
--                 or an expression of NEW and OLD that gives one, NULL where nothing
--                 is told.  NULL: nothing ever is.  Where there is a deleted_at, a
--                 row is deleted by setting it, and told of no more.
--   shows         the columns that are told: 'id, name'.  NULL: all but tenant_id,
--                 deleted_at and those that hides names
--   also          what is told beside them or is called otherwise: member =>
--                 expression of the row r and of source.  A name that begins with
--                 "_" is for channels alone.
--   source        what else is read for it: 'users u ON …'
--   data          an expression of r in place of these four
--   channels      who hears of it at once: 'project:{id}', a member in braces; of some events
--                 'project:{id} on updated deleted'; commas between
--   organization  the column that names the organization whose endpoints hear of it
--                 beside the tenant's: organization_id, where there is one
--   watches       the columns whose change is told.  NULL: those that are told, but
--                 for id, created_at and updated_at
--   has_previous  is told with an update what the members were that are other ones now?
--   has_micros    have times microseconds, as the workspace surface shows them?
--
-- Channels are locked until the transaction ends (see realtime_publish), so
-- that their messages are in order.  They are locked behind the rows that the
-- statement changed and in the order of their names, an organization's before a
-- user's; and nobody changes a row of users behind the lock of that user's
-- channel: see member_gone().
CREATE OR REPLACE FUNCTION announce(tbl regclass, noun text, made text DEFAULT 'created', changed text DEFAULT 'updated',
                                    gone text DEFAULT 'deleted', shows text DEFAULT NULL, hides text DEFAULT NULL,
                                    also jsonb DEFAULT '{}', source text DEFAULT NULL, data text DEFAULT NULL,
                                    channels text DEFAULT '', organization name DEFAULT 'organization_id',
                                    watches text DEFAULT NULL, has_previous boolean DEFAULT true,
                                    has_micros boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    named   name := (SELECT relname FROM pg_class WHERE oid = tbl);
    types   jsonb := (SELECT jsonb_object_agg(attname, atttypid::regtype) FROM pg_attribute
                      WHERE attrelid = tbl AND attnum > 0 AND NOT attisdropped);
    is_soft boolean := types ? 'deleted_at';
    owner   text := CASE WHEN types ? organization THEN organization END;
    is_many boolean := owner IS NULL AND made ~ '^\w+$'
        AND NOT EXISTS (SELECT FROM string_to_table(channels, ', ') c WHERE c !~ ' on ' OR c ~ (' on .*\m' || made || '\M'));
    hidden  text[] := ARRAY(SELECT k FROM jsonb_object_keys(also) k WHERE k LIKE '\_%' ORDER BY k);
    columns text[] := ARRAY(SELECT c FROM jsonb_object_keys(types) c
                            WHERE CASE WHEN data IS NOT NULL OR also ? c THEN false
                                       WHEN shows IS NULL THEN c <> ALL (string_to_array('tenant_id, deleted_at, ' || coalesce(hides, ''), ', '))
                                       ELSE c = ANY (string_to_array(shows, ', ')) END);
    watched text[] := '{}';
    members text := '';
    joined  text := '';
    told    text := format('%I(%%1$s)', named || '_told');
    before  text := format('%I(OLD)', named || '_told');
    word    text;
    code    text;
BEGIN
    -- No subscriber is told a secret because its column is new.
    SELECT c INTO word FROM unnest(columns) c WHERE shows IS NULL AND c ~ 'hash|secret|sealed|token|password';
    IF FOUND THEN
        RAISE '%: is % told? "hides" names what is not, or "shows" all that is', tbl, word;
    END IF;
    SELECT w INTO word FROM unnest(string_to_array(concat_ws(', ', shows, hides, watches), ', ')) w WHERE NOT types ? w;
    IF FOUND THEN
        RAISE '%: there is no column %', tbl, word;
    END IF;

    -- The data: columns in the form in which the API shows them, and what an expression says.
    FOR word, code IN
        SELECT c, 'r.' || quote_ident(c) FROM unnest(columns) c UNION ALL SELECT * FROM jsonb_each_text(also) ORDER BY 1
    LOOP
        watched := watched || ARRAY(SELECT m[1] FROM regexp_matches(code, '\mr\.(\w+)', 'g') m);
        IF source IS NOT NULL AND code !~ '^r\.\w+$' THEN
            joined := joined || format(E',\n        %L, %s', word, code);
        ELSE
            members := members || format(E',\n        %L, %s', word, CASE types ->> substring(code FROM '^r\.(\w+)$')
                WHEN 'timestamp with time zone' THEN format('json_time%s(%s)', CASE WHEN has_micros THEN '_us' END, code)
                WHEN 'double precision' THEN format('json_double(%s)', code)
                WHEN 'inet' THEN format('host(%s)', code)
                ELSE code END);
        END IF;
    END LOOP;
    PERFORM announced(tbl, named || '_told', 'r ' || tbl, 'jsonb LANGUAGE plpgsql STABLE',
                      format(E'\nBEGIN\n    RETURN %s;\nEND\n', coalesce(data, format('jsonb_build_object(%s)', substr(members, 2)))));
    PERFORM announced(tbl, named || '_joined', 'r ' || tbl, 'jsonb LANGUAGE plpgsql STABLE',
                      format(E'\nBEGIN\n    RETURN (SELECT jsonb_build_object(%s)\n    FROM (SELECT) one LEFT JOIN ', substr(joined, 2))
                      || source || E');\nEND\n');
    -- What is joined is read again only for a row that names another one.
    IF source IS NOT NULL THEN
        told := told || format(' || %I(%%1$s)', named || '_joined');
        SELECT string_agg(quote_ident(m[1]), ', '), watched || array_agg(m[1]) INTO word, watched
        FROM regexp_matches(source, '\mr\.(\w+)', 'g') m
        WHERE m[1] <> 'tenant_id';
        before := before || format(' || CASE WHEN (%s) IS DISTINCT FROM (%s) THEN %I(OLD) ELSE ''{}'' END',
                                   'OLD.' || replace(word, ', ', ', OLD.'), 'NEW.' || replace(word, ', ', ', NEW.'), named || '_joined');
    END IF;
    IF NOT has_previous THEN
        before := NULL;
    END IF;

    -- Inserted: many at once cost nothing where there is no subscriber.
    code := announcement(told, CASE WHEN is_many THEN 'made' ELSE 'NEW' END, noun, made, owner, channels, NULL, hidden);
    IF is_many AND is_soft THEN
        code := replace(code, 'is_told(tenant_id)', 'deleted_at IS NULL AND is_told(tenant_id)');
    END IF;
    PERFORM announced(tbl, named || '_made', '', 'trigger LANGUAGE plpgsql',
        E'\nDECLARE\n    type text;\n    data jsonb;\nBEGIN\n' || code || E'END\n',
        format('INSERT ON %s ', tbl) || CASE
            WHEN is_many THEN 'REFERENCING NEW TABLE AS made FOR EACH STATEMENT'
            ELSE format('FOR EACH ROW WHEN (%s%sis_told(NEW.tenant_id))', CASE WHEN is_soft THEN 'NEW.deleted_at IS NULL AND ' END,
                        CASE WHEN made !~ '^\w+$' THEN format('(%s) IS NOT NULL AND ', made) END) END);

    -- Updated, or deleted by that.
    SELECT array_agg(DISTINCT w ORDER BY w) INTO watched
    FROM unnest(coalesce(string_to_array(watches, ', '), watched) || CASE WHEN is_soft AND gone IS NOT NULL THEN '{deleted_at}'::text[] END) w
    WHERE w NOT IN ('tenant_id', 'id', 'created_at', 'updated_at');
    code := announcement(told, 'NEW', noun, changed, owner, channels, before, hidden);
    IF is_soft AND gone IS NOT NULL THEN
        code := E'    IF NEW.deleted_at IS NOT NULL THEN\n'
            || regexp_replace(announcement(told, 'NEW', noun, gone, owner, channels, NULL, hidden), '^', '    ', 'gn') || E'END IF;\n'
            || coalesce(code, E'    RETURN NULL;\n');
    END IF;
    PERFORM announced(tbl, named || '_changed', '', 'trigger LANGUAGE plpgsql',
        E'\nDECLARE\n    type text;\n    data jsonb;\nBEGIN\n' || code || E'END\n',
        format('UPDATE OF %s ON %s FOR EACH ROW WHEN ((%s) IS DISTINCT FROM (%s)%s%s AND is_told(NEW.tenant_id))',
               array_to_string(watched, ', '), tbl, 'OLD.' || array_to_string(watched, ', OLD.'), 'NEW.' || array_to_string(watched, ', NEW.'),
               CASE WHEN is_soft AND gone IS NULL THEN ' AND NEW.deleted_at IS NULL' WHEN is_soft THEN ' AND OLD.deleted_at IS NULL' END,
               CASE WHEN changed !~ '^\w+$' THEN format(' AND (%s(%s) IS NOT NULL)', CASE WHEN is_soft AND gone IS NOT NULL THEN 'NEW.deleted_at IS NOT NULL OR ' END, changed) END));

    -- Deleted.
    PERFORM announced(tbl, named || '_gone', '', 'trigger LANGUAGE plpgsql',
        E'\nDECLARE\n    type text;\n    data jsonb;\nBEGIN\n'
            || announcement(told, 'OLD', noun, CASE WHEN NOT is_soft THEN gone END, owner, channels, NULL, hidden) || E'END\n',
        format('DELETE ON %s FOR EACH ROW WHEN (%sis_told(OLD.tenant_id))', tbl, CASE WHEN gone !~ '^\w+$' THEN format('(%s) IS NOT NULL AND ', gone) END));
END
$$;

-- ---------------------------------------------------------------- users

SELECT announce('users', 'user',
    changed  => $$CASE WHEN NEW.is_active = OLD.is_active THEN 'updated' WHEN NEW.is_active THEN 'activated' ELSE 'deactivated' END$$,
    shows    => 'id, tenant_id, email, is_email_verified, avatar_url, locale, role, status, is_active, current_plan_id, default_organization_id, created_at, updated_at',
    also     => '{"sub": "r.public_id", "display_name": "r.full_name"}',
    channels => 'user:{sub} on updated activated deactivated deleted');

-- A session that a person began: not one that a command or an administrator made.
SELECT announce('sessions', 'user', changed => NULL, gone => NULL,
    made  => $$CASE WHEN NEW.method IN ('password', 'google', 'passkey') THEN 'signed_in' END$$,
    shows => 'user_id, method, has_mfa, ip, user_agent',
    also  => '{"session_id": "r.id", "sub": "r.subject", "signed_in_at": "r.created_at"}');

-- ---------------------------------------------------------------- organizations

-- What has just been made has no subscriber.
SELECT announce('organizations', 'organization', gone => NULL, shows => 'id, name, slug, description, logo_url, created_at, updated_at', organization => 'id',
    channels => 'organization:{id} on updated');

-- The same as its members see it, on the workspace surface, where there is more of it.  On no channel: they are told to read it
-- anew (workspace_tell).
CREATE OR REPLACE FUNCTION workspace_data(o organizations) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN jsonb_build_object('id', o.id, 'name', o.name, 'slug', o.slug, 'description', o.description, 'industry', o.industry, 'website', o.website,
        'logo_url', o.logo_url, 'timezone', o.timezone, 'status', o.status, 'settings', o.settings);
END
$$;
CREATE OR REPLACE FUNCTION workspace_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    data jsonb;
BEGIN
    IF event_wanted('workspace.updated', NEW.id) THEN
        data := workspace_data(NEW);
        PERFORM event_emit('workspace.updated', NEW.id, data || previous_attributes(workspace_data(OLD), data));
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER organizations_workspace_changed
    AFTER UPDATE OF name, slug, description, industry, website, logo_url, timezone, status, settings ON organizations FOR EACH ROW
    WHEN ((OLD.name, OLD.slug, OLD.description, OLD.industry, OLD.website, OLD.logo_url, OLD.timezone, OLD.status, OLD.settings)
          IS DISTINCT FROM (NEW.name, NEW.slug, NEW.description, NEW.industry, NEW.website, NEW.logo_url, NEW.timezone, NEW.status, NEW.settings)
          AND NEW.deleted_at IS NULL AND is_told(NEW.tenant_id))
    EXECUTE FUNCTION workspace_changed();

-- The member hears of it, too: until then they are on no channel of the organization's.
SELECT announce('memberships', 'organization', 'member_added', 'member_updated', 'member_removed',
    shows    => 'organization_id, user_id, role, is_active, joined_at', watches => 'role, is_active',
    also     => '{"email": "u.email", "display_name": "u.full_name", "_sub": "u.public_id"}',
    source   => 'users u ON u.tenant_id = r.tenant_id AND u.id = r.user_id',
    channels => 'organization:{organization_id}, user:{_sub}');

-- On no channel: members who may not invite do not see them.
SELECT announce('invitations', 'invitation', gone => NULL, has_previous => false,
    made    => $$CASE WHEN NEW.status = 'pending' THEN 'created' END$$,
    changed => $$CASE WHEN OLD.status = 'pending' AND NEW.status IN ('accepted', 'rejected', 'cancelled') THEN NEW.status END$$,
    shows   => 'id, organization_id, email, role, status, invited_by, expires_at, created_at', watches => 'status',
    also    => '{"organization_name": "o.name"}',
    source  => 'organizations o ON o.tenant_id = r.tenant_id AND o.id = r.organization_id');

SELECT announce('departments', 'department', gone => NULL, channels => 'organization:{organization_id}');

-- ---------------------------------------------------------------- projects

-- Who has the project open hears of a change; the owner, whose list is another one, of a new and of a deleted one.
SELECT announce('projects', 'project',
    also     => '{"owner_id": "u.public_id"}',
    source   => 'users u ON u.tenant_id = r.tenant_id AND u.id = r.owner_id',
    channels => 'user:{owner_id} on created deleted, project:{id} on updated deleted');

-- What traces are sent to; a new key is told nobody.
SELECT announce('trace_projects', 'trace_project', shows => 'id, organization_id, name, environment, created_at, updated_at');

-- ---------------------------------------------------------------- workspaces

-- On no channel: a workspace says which roles may see goals.  A change of key results alone is one of the goal.
SELECT announce('goals', 'goal', hides => 'organization_id, level_rank, key_results_at', has_micros => true,
    changed => $$CASE WHEN app_goal_report() IS NULL THEN 'updated' ELSE 'progress_updated' END$$,
    also    => '{"workspace_id": "r.organization_id", "owner": "owner.ref", "team": "team_ref(t)", "key_results": "key_results_of(r)",
                 "note": "app_goal_report() -> $$note$$", "_key_results_at": "r.key_results_at"}',
    source  => 'member_ref(r.tenant_id, r.organization_id, r.owner_id) owner ON true
                LEFT JOIN workspace_teams t ON t.tenant_id = r.tenant_id AND t.organization_id = r.organization_id AND t.id = r.team_id');

-- Teams, as goals.  Who goes with their team is not told of one by one.
CREATE OR REPLACE FUNCTION team_is_there(tenant uuid, organization uuid, team uuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM workspace_teams t WHERE t.tenant_id = tenant AND t.organization_id = organization AND t.id = team);
END
$$;

SELECT announce('workspace_teams', 'team', hides => 'organization_id', has_micros => true, also => '{"workspace_id": "r.organization_id"}');

SELECT announce('workspace_team_members', 'team', 'member_added', 'member_updated', has_micros => true,
    gone    => $$CASE WHEN team_is_there(OLD.tenant_id, OLD.organization_id, OLD.team_id) THEN 'member_removed' END$$,
    shows   => 'id, team_id, member_id, role', watches => 'role',
    also    => '{"workspace_id": "r.organization_id", "joined_at": "r.created_at", "member": "who.ref"}',
    source  => 'member_ref(r.tenant_id, r.organization_id, r.member_id) who ON true');

-- Teams of a tenant, as the operations surface names them: by numbers.  Not team.…, of which each is in a workspace.
CREATE OR REPLACE FUNCTION tenant_team_number(tenant uuid, team uuid) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT t.number FROM tenant_teams t WHERE t.tenant_id = tenant AND t.id = team);
END
$$;

SELECT announce('tenant_teams', 'tenant_team', shows => 'name, description, created_at, updated_at', watches => 'name, description', also => '{"id": "r.number"}');

SELECT announce('tenant_team_members', 'tenant_team', 'member_added', 'member_updated',
    gone    => $$CASE WHEN tenant_team_number(OLD.tenant_id, OLD.team_id) IS NOT NULL THEN 'member_removed' END$$,
    shows   => 'role', watches => 'role',
    also    => '{"team_id": "tenant_team_number(r.tenant_id, r.team_id)", "user_id": "a.number", "joined_at": "r.created_at"}',
    source  => 'user_accounts a ON a.tenant_id = r.tenant_id AND a.user_id = r.user_id');

-- Agents of a tenant, which are never deleted; those that chat with users are told nobody.
SELECT announce('tenant_agents', 'agent', gone => NULL, shows => 'name, display_name, role, status, current_task, created_at, updated_at',
    watches => 'display_name, role, status, current_task', also => '{"id": "r.number"}');

-- Tasks of a tenant, by their numbers, in the words of its internal rows; those of records are no events.
SELECT announce('tasks', 'task', organization => 'none', made => $$CASE NEW.kind WHEN 'tenant' THEN 'created' END$$,
    changed => $$CASE NEW.kind WHEN 'tenant' THEN 'updated' END$$, gone => $$CASE OLD.kind WHEN 'tenant' THEN 'deleted' END$$,
    shows => 'title, type, assignee, completed_at, created_at, updated_at', watches => 'title, type, status, priority, assignee, product_number',
    also => $${"id": "r.number", "status": "task_shown(r.status)", "priority": "'P' || r.priority", "product_id": "r.product_number"}$$);

-- Products of a tenant, by their numbers; its description, which may be long, is asked for.
SELECT announce('products', 'product', gone => NULL, shows => 'name, slug, tagline, status, brand_color, accent_color, created_at, updated_at',
    watches => 'name, tagline, status, brand_color, accent_color', also => '{"id": "r.number"}');

-- On no channel: who may see a recordset, its grants say.
SELECT announce('recordsets', 'recordset', has_micros => true,
    changed => $$CASE WHEN OLD.trashed_at IS NULL AND NEW.trashed_at IS NOT NULL THEN 'trashed'
                      WHEN OLD.trashed_at IS NOT NULL AND NEW.trashed_at IS NULL THEN 'restored' ELSE 'updated' END$$,
    shows   => 'id, name, slug, description, type, mode, schema_version, owner_id, is_active, created_at, updated_at',
    also    => '{"workspace_id": "r.organization_id"}',
    watches => 'name, slug, description, type, mode, schema_version, owner_id, is_active, icon, color, settings, trashed_at');

-- Of many that are deleted at once, records_delete() tells.
SELECT announce('records', 'record', has_micros => true,
    changed => $$CASE WHEN NEW.change_type = 'restored' AND NEW.version <> OLD.version THEN 'restored' ELSE 'updated' END$$,
    shows   => 'id, recordset_id, title, status, tags, field_values, tool_statuses, owner_id, group_id, version, created_at, updated_at',
    also    => '{"workspace_id": "r.organization_id"}');

-- ---------------------------------------------------------------- billing

-- What changes it, whoever has read it first; to look again tells nothing.  An organization's are on no channel: not every
-- member may see what it pays.
SELECT announce('subscriptions', 'subscription', gone => NULL,
    changed  => $$CASE WHEN OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL THEN 'canceled' ELSE 'updated' END$$,
    shows    => 'id, organization_id, plan_id, tier, interval, status, quantity, amount, currency, started_at, period_start, period_end, trial_start, trial_end, cancel_at_period_end, canceled_at, ended_at, next_plan_id, next_at, provider, provider_id, created_at, updated_at',
    also     => '{"sub": "u.public_id"}',
    source   => 'users u ON u.tenant_id = r.tenant_id AND u.id = r.user_id',
    channels => 'user:{sub}');

-- One that is listed for the first time and was paid long ago is no news.
SELECT announce('invoices', 'invoice', gone => NULL, has_previous => false,
    made     => $$CASE WHEN NEW.status = 'paid' AND NEW.paid_at > now() - interval '30 days' THEN 'paid'
                       WHEN NEW.status = 'open' AND NEW.attempts > 0 THEN 'payment_failed' END$$,
    changed  => $$CASE WHEN NEW.status = 'paid' AND OLD.status <> 'paid' THEN 'paid'
                       WHEN NEW.status = 'open' AND NEW.attempts > OLD.attempts THEN 'payment_failed' END$$,
    shows    => 'id, organization_id, number, status, currency, total, amount_due, amount_paid, amount_remaining, attempts, next_attempt_at, issued_at, period_start, period_end, paid_at, provider, provider_id',
    watches  => 'status, attempts',
    also     => '{"sub": "u.public_id", "subscription_id": "s.id"}',
    source   => 'users u ON u.tenant_id = r.tenant_id AND u.id = r.user_id
                 LEFT JOIN subscriptions s ON s.tenant_id = r.tenant_id AND s.provider = r.provider AND s.provider_id = r.subscription',
    channels => 'user:{sub}');

-- ---------------------------------------------------------------- a tenant's own

SELECT announce('contact_submissions', 'contact', 'submitted', NULL, NULL, data => 'contact_data(r)');

-- Without the key itself, also of a public one.
SELECT announce('api_keys', 'api_key', gone => NULL,
    changed => $$CASE WHEN NEW.revoked_at IS NULL THEN 'updated' ELSE 'revoked' END$$,
    shows   => 'id, name, type, prefix, allowed_origins, is_active, created_by, revoked_at, created_at');

SELECT announce('feature_flags', 'feature_flag', hides => 'updated_at');

-- One that was switched off because nothing could be delivered to it; others of the
-- same owner hear of it.  Without its URL, which often is a secret.
SELECT announce('webhook_endpoints', 'webhook', made => NULL, gone => NULL, has_previous => false,
    changed => $$CASE WHEN OLD.is_active AND NOT NEW.is_active AND NEW.disabled_reason IS NOT NULL THEN 'disabled' END$$,
    shows   => 'id, name, events, disabled_reason, last_status_code, failing_since', watches => 'is_active',
    also    => '{"workspace_id": "r.organization_id"}', has_micros => true);

-- A job that has come to its end without success.  Jobs of all tenants are ended
-- by functions that are in none (see jobs.sql): this one is in the job's meanwhile.
-- Whatever fails a job sets last_error; what claims and completes it does not, and
-- so does not pay for looking.
CREATE OR REPLACE FUNCTION job_failed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    before text := current_setting('app.tenant_id', true);
BEGIN
    PERFORM set_config('app.tenant_id', NEW.tenant_id::text, true);
    IF event_wanted('job.failed', NULL) THEN
        PERFORM event_emit('job.failed', NULL, jsonb_build_object(
            'id', NEW.id, 'queue', NEW.queue, 'kind', NEW.kind, 'attempts', NEW.attempts,
            'max_attempts', NEW.max_attempts, 'error', NEW.last_error, 'created_at', json_time(NEW.created_at),
            'failed_at', json_time(coalesce(NEW.finished_at, now()))));
    END IF;
    PERFORM set_config('app.tenant_id', coalesce(before, ''), true);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER jobs_failed AFTER UPDATE OF last_error ON jobs FOR EACH ROW
    WHEN (NEW.state = 'failed' AND OLD.state <> 'failed') EXECUTE FUNCTION job_failed();
