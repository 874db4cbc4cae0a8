-- The search among the operations surface's files; sql/search/close.sql says whose function this is, and why.

-- The first of those whose name contains search, in any case, and whose content does, up to 101 together: names first, each the
-- latest first.  of_workspace, of_category, of_ext: NULL, any.
--
-- What many have is found by walking through the latest, 10,000 names and 700 contents: what few of those have is found by three
-- characters in a row, of which what is shorter has none, and then that is all.  So neither costs more where there are more files.
CREATE OR REPLACE FUNCTION text_file_candidates(search text, of_workspace text, of_category text, of_ext text)
RETURNS TABLE (number bigint, in_name boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp ROWS 101 AS $$
#variable_conflict use_column
DECLARE
    pattern text := like_pattern(search);
    most    integer := 101;
    names   bigint[] := '{}';
    texts   bigint[] := '{}';
    found   bigint[];
    seen    bigint;
    walked  bigint := 0;
    ahead   bigint := 300;
BEGIN
    LOOP
        SELECT array_agg(n.number ORDER BY n.updated_at DESC, n.number DESC)
                   FILTER (WHERE n.name ILIKE pattern AND (of_workspace IS NULL OR n.workspace = of_workspace)
                             AND (of_category IS NULL OR n.category = of_category) AND (of_ext IS NULL OR n.ext = of_ext)), count(*)
        INTO found, seen
        FROM (SELECT f.number, f.name, f.workspace, f.category, f.ext, f.updated_at FROM text_files f
              WHERE f.tenant_id = (SELECT app_tenant())
              ORDER BY f.updated_at DESC, f.number DESC LIMIT ahead OFFSET walked) n;
        names := names || coalesce(found, '{}');
        walked := walked + seen;
        EXIT WHEN seen < ahead OR cardinality(names) >= most;
        IF walked >= 9000 THEN
            IF char_length(search) > 2 THEN
                names := ARRAY(SELECT n.number
                               FROM (SELECT f.tenant_id, f.number, f.workspace, f.category, f.ext, f.updated_at FROM text_files f
                                     WHERE f.tenant_id::text = (SELECT app_tenant())::text AND f.name ILIKE pattern OFFSET 0) n
                               WHERE n.tenant_id = (SELECT app_tenant()) AND (of_workspace IS NULL OR n.workspace = of_workspace)
                                 AND (of_category IS NULL OR n.category = of_category) AND (of_ext IS NULL OR n.ext = of_ext)
                               ORDER BY n.updated_at DESC, n.number DESC LIMIT most);
            END IF;
            EXIT;
        END IF;
        ahead := 2 * ahead;
    END LOOP;
    names := names[1:most];

    walked := 0;
    ahead := 100;
    WHILE cardinality(names) + cardinality(texts) < most LOOP
        SELECT array_agg(n.number ORDER BY n.updated_at DESC, n.number DESC)
                   FILTER (WHERE (of_workspace IS NULL OR n.workspace = of_workspace) AND (of_category IS NULL OR n.category = of_category)
                             AND (of_ext IS NULL OR n.ext = of_ext) AND n.number <> ALL (names) AND n.content ILIKE pattern), count(*)
        INTO found, seen
        FROM (SELECT f.number, f.content, f.workspace, f.category, f.ext, f.updated_at FROM text_files f
              WHERE f.tenant_id = (SELECT app_tenant())
              ORDER BY f.updated_at DESC, f.number DESC LIMIT ahead OFFSET walked) n;
        texts := texts || coalesce(found, '{}');
        walked := walked + seen;
        EXIT WHEN seen < ahead;
        IF walked >= 700 THEN
            IF char_length(search) > 2 AND cardinality(names) + cardinality(texts) < most THEN
                texts := ARRAY(SELECT n.number
                               FROM (SELECT f.tenant_id, f.number, f.workspace, f.category, f.ext, f.updated_at FROM text_files f
                                     WHERE f.tenant_id::text = (SELECT app_tenant())::text AND f.content ILIKE pattern OFFSET 0) n
                               WHERE n.tenant_id = (SELECT app_tenant()) AND (of_workspace IS NULL OR n.workspace = of_workspace)
                                 AND (of_category IS NULL OR n.category = of_category) AND (of_ext IS NULL OR n.ext = of_ext)
                                 AND n.number <> ALL (names)
                               ORDER BY n.updated_at DESC, n.number DESC LIMIT most);
            END IF;
            EXIT;
        END IF;
        ahead := 2 * ahead;
    END LOOP;
    RETURN QUERY SELECT n, true FROM unnest(names) n
        UNION ALL SELECT t, false FROM unnest(texts[1:most - cardinality(names)]) t;
END
$$;
REVOKE ALL ON FUNCTION text_file_candidates(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION text_file_candidates(text, text, text, text) TO ashlar_api;

-- Up to 200 characters of a text around where it says that, in any case.
CREATE OR REPLACE FUNCTION text_snippet(content text, search text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN substr(content, greatest(1, strpos(lower(content), lower(search)) - (200 - least(200, char_length(search))) / 2), 200);

-- Raises AS422 of a path that leads anywhere but down: absolute, with . or .. or nothing between two slashes, and also where whoever
-- reads it would decode that, %2e%2e%2f, or take \ for a slash.
CREATE OR REPLACE FUNCTION text_file_path(path text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM valid(path !~ '(^|/)\.{0,2}(/|$)' AND path !~* '\\|%(2e|2f|5c|00)', 'path',
                  'path must be relative, without . and .. and empty parts, \ and encoded slashes and dots');
    RETURN path;
END
$$;
