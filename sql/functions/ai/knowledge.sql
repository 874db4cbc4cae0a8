-- What agents know beside their prompts: passages of the tenant's files, found by their words (PostgreSQL's full text).

-- The configuration whose stop words a text is fullest of, of the first 20,000 characters; 'simple', where none has a seventh.
CREATE OR REPLACE FUNCTION text_language(text text) RETURNS regconfig
LANGUAGE plpgsql STABLE AS $$
DECLARE
    sample text := left(text, 20000);
    words  bigint;
BEGIN
    SELECT sum(cardinality(u.positions)) INTO words FROM unnest(to_tsvector('simple', sample)) u;
    RETURN coalesce((SELECT c.name
                     FROM unnest('{english,german,french,spanish,italian,portuguese,dutch,danish,swedish,norwegian,finnish,russian,hungarian,turkish}'::regconfig[])
                              WITH ORDINALITY c (name, place)
                     CROSS JOIN LATERAL (SELECT coalesce(sum(cardinality(u.positions)), 0) AS kept FROM unnest(to_tsvector(c.name, sample)) u) k
                     WHERE words - k.kept > words / 7
                     ORDER BY k.kept, c.place
                     LIMIT 1), 'simple');
END
$$;

-- Passages of at most 2,000 characters, of whole paragraphs where those are not longer.  A text is taken in blocks: to find a
-- character far inside of one takes time.
CREATE OR REPLACE FUNCTION text_passages(text text) RETURNS TABLE (starts_at integer, content text)
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    most CONSTANT integer := 2000;
    here integer := 0;
    base integer := 0;
    block text := left(text, 50 * most);
    cut  text;
    back text;
    n    integer;
BEGIN
    LOOP
        cut := substr(block, here - base + 1, most);
        IF length(cut) < most AND base + length(block) < length(text) THEN
            base := here;
            block := substr(text, base + 1, 50 * most);
            CONTINUE;
        END IF;
        EXIT WHEN cut = '';
        n := length(cut);
        IF n = most THEN
            -- Up to the last empty line, else the last line or sentence, else the last word that ends in its second half.
            back := left(reverse(cut), most / 2);
            n := most + 1 - coalesce(nullif(strpos(back, E'\n\n'), 0),
                                     least(nullif(strpos(back, E'\n'), 0), nullif(strpos(back, ' .'), 0)),
                                     nullif(strpos(back, ' '), 0), 1);
            cut := left(cut, n);
        END IF;
        starts_at := here;
        content := btrim(cut, E' \t\r\n');
        IF content <> '' THEN
            RETURN NEXT;
        END IF;
        here := here + n;
    END LOOP;
END
$$;

-- An agent is to know these files: each must be one of the tenant's own, uploaded, and has its text read unless it was.
-- Raises AS422.
CREATE OR REPLACE FUNCTION knowledge_want(files uuid[]) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    file   uuid;
    object uuid;
BEGIN
    FOREACH file IN ARRAY coalesce(files, '{}') LOOP
        SELECT f.object_id INTO object FROM files f
        WHERE f.tenant_id = tenant AND f.id = file AND f.owner_id IS NULL AND f.uploaded_at IS NOT NULL;
        IF NOT FOUND THEN
            RAISE SQLSTATE 'AS422' USING HINT = 'rag_config.file_ids', MESSAGE = format('%s is no file of the tenant', file);
        END IF;
        INSERT INTO file_texts AS t (tenant_id, object_id) VALUES (tenant, object)
        ON CONFLICT ON CONSTRAINT file_texts_pkey DO UPDATE SET state = 'wanted', reason = NULL WHERE t.state = 'failed';
        IF FOUND THEN
            PERFORM job_add('ashlar', 'file.text', jsonb_build_object('object_id', object));
        END IF;
    END LOOP;
    RETURN true;
END
$$;

-- The text of an object, or why there is none.  The object may be gone by now.
CREATE OR REPLACE FUNCTION knowledge_keep(object uuid, content text, problem text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    tenant  uuid := app_tenant();
    spoken  regconfig := CASE WHEN problem IS NULL THEN text_language(content) ELSE 'simple' END;
BEGIN
    UPDATE file_texts t
    SET state = CASE WHEN problem IS NULL THEN 'ready' ELSE 'failed' END, reason = problem, language = spoken
    WHERE t.tenant_id = tenant AND t.object_id = object;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM file_passages p WHERE p.tenant_id = tenant AND p.object_id = object;
    INSERT INTO file_passages (tenant_id, object_id, position, starts_at, content, words)
    SELECT tenant, object, row_number() OVER (ORDER BY c.starts_at) - 1, c.starts_at, c.content, to_tsvector(spoken, c.content)
    FROM text_passages(content) c
    WHERE problem IS NULL;
    RETURN true;
END
$$;

-- The passages of these files that have most of a question's words: [{"file_id", "name", "position", "content", "headline"}], the best
-- one first.  It reads all passages of the files, and of nobody else's.
CREATE OR REPLACE FUNCTION knowledge_passages(files uuid[], question text, most integer) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(jsonb_agg(jsonb_build_object('file_id', b.file, 'name', b.name, 'position', b.position, 'content', b.content,
                                                         'headline', ts_headline(b.language, b.content, b.query,
                                                                                 'StartSel="", StopSel="", MaxFragments=1, MaxWords=20, MinWords=8'))
                                      ORDER BY b.rank DESC, b.name, b.position), '[]')
            FROM (SELECT f.id AS file, f.name, p.position, p.content, t.language, q.query, ts_rank_cd(p.words, q.query) AS rank
                  FROM files f
                  JOIN file_texts t ON t.tenant_id = f.tenant_id AND t.object_id = f.object_id AND t.state = 'ready'
                  CROSS JOIN LATERAL (SELECT replace(plainto_tsquery(t.language, left(question, 4000))::text, '&', '|')::tsquery AS query) q
                  JOIN file_passages p ON p.tenant_id = f.tenant_id AND p.object_id = f.object_id AND p.words @@ q.query
                  WHERE f.tenant_id = app_tenant() AND f.id = ANY (files) AND f.owner_id IS NULL
                  ORDER BY rank DESC, f.name, p.position
                  LIMIT most) b);
END
$$;
