-- What a statement tests while it changes a row, in its WHERE: beside if_match(),
-- the 409 of a state action and the 403 of a right on the object.
--
--     UPDATE documents d SET status = 'published'
--     WHERE d.tenant_id = @tenant AND d.id = :document_id
--       AND may(d.owner_id = @member, 'only its owner publishes a document')
--       AND must(d.status = 'draft', 'only a draft can be published')
--
-- The keys are compared first, then the right is asked, then if_match(), then the
-- state, by what each says that it costs; of two at once the
-- second waits, and they are asked again of what the first one left.  True, or it
-- raises AS409 or AS403; what is null does not hold.
CREATE OR REPLACE FUNCTION must(condition boolean, message text) RETURNS boolean
LANGUAGE plpgsql STABLE COST 10000 AS $$
BEGIN
    IF condition THEN
        RETURN true;
    END IF;
    RAISE SQLSTATE 'AS409' USING MESSAGE = message;
END
$$;

CREATE OR REPLACE FUNCTION may(condition boolean, message text) RETURNS boolean
LANGUAGE plpgsql STABLE COST 50 AS $$
BEGIN
    IF condition THEN
        RETURN true;
    END IF;
    RAISE SQLSTATE 'AS403' USING MESSAGE = message;
END
$$;

-- The 422 of what a field says that only the row can tell: valid(:level <> 'team' OR
-- t.team_id IS NOT NULL, 'team_id', 'a goal of a team needs one').  Behind may().
CREATE OR REPLACE FUNCTION valid(condition boolean, field text, message text) RETURNS boolean
LANGUAGE plpgsql STABLE COST 100 AS $$
BEGIN
    IF condition THEN
        RETURN true;
    END IF;
    RAISE SQLSTATE 'AS422' USING HINT = field, MESSAGE = message;
END
$$;

-- The id of what a statement makes, for the queries of its children behind it (@made).
CREATE OR REPLACE FUNCTION made(id uuid) RETURNS uuid
LANGUAGE sql VOLATILE
RETURN set_config('app.made', id::text, true)::uuid;

CREATE OR REPLACE FUNCTION app_made() RETURNS uuid
LANGUAGE sql STABLE
RETURN nullif(current_setting('app.made', true), '')::uuid;
