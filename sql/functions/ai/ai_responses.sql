-- What was said before, in the form of OpenAI's Responses.

-- Whose turns they are: the user's, or those of a secret key that asks for nobody.  key: its SHA-256.
CREATE OR REPLACE FUNCTION ai_owner(usr uuid, key bytea) RETURNS uuid
LANGUAGE sql STABLE AS $$
SELECT coalesce(usr, (SELECT k.id FROM api_keys k WHERE k.tenant_id = app_tenant() AND k.hash = key))
$$;

-- A turn by what clients call it; NULL: nothing is called that.
CREATE OR REPLACE FUNCTION ai_response_id(name text) RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$
SELECT CASE WHEN name ~ '^resp_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN substr(name, 6)::uuid END
$$;

-- The items of a turn and of those before it, the oldest first: 200 turns at most, and no more behind 8 MiB.  Raises AS404: it is
-- nobody's, or another's.
CREATE OR REPLACE FUNCTION ai_response_items(previous text, usr uuid, key bytea) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    owner uuid := ai_owner(usr, key);
    turns jsonb[] := '{}';
    bytes bigint := 0;
    turn  ai_responses;
    next  uuid := ai_response_id(previous);
BEGIN
    WHILE next IS NOT NULL AND cardinality(turns) < 200 AND bytes < 8388608 LOOP
        SELECT * INTO turn FROM ai_responses r WHERE r.tenant_id = app_tenant() AND r.id = next;
        EXIT WHEN turn.id IS NULL OR turn.owner_id IS DISTINCT FROM owner;
        turns := array_prepend(turn.items, turns);
        bytes := bytes + octet_length(turn.items::text);
        next := turn.previous_id;
    END LOOP;
    IF cardinality(turns) = 0 THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Response not found', DETAIL = previous;
    END IF;
    RETURN (SELECT coalesce(jsonb_agg(i.item ORDER BY t.nth, i.nth), '[]')
            FROM unnest(turns) WITH ORDINALITY t (items, nth), jsonb_array_elements(t.items) WITH ORDINALITY i (item, nth));
END
$$;
