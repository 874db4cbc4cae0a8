-- Among very many members one is found by six characters in a row.
--
-- Of three there are the same with thousands: an address such as ann777@example.com has hardly one that not all have, and to find those that have all of them
-- took four times as long among 100,000 members as among 1,000. Six in a row are nearly a person's own. Which of 1,024 the workspace belongs to is in the number, as
-- project_grams() has it. It takes 190 bytes a member. What is shorter is still found by three (member_profiles_search).
--
-- A table of what each has in the order of the list would find a page of what very many have at once, too: measured, 35 rows and 5.4 KB a member, of each
-- workspace however small. It is not worth that.
--
-- Never to be changed: what is in an index was computed by it.
CREATE FUNCTION member_grams(organization uuid, said text) RETURNS bigint[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    seed  bigint := uuid_hash_extended(organization, 0) & 1023;
    grams bigint[] := '{}';
BEGIN
    FOR i IN 1 .. char_length(said) - 5 LOOP
        grams[i] := hashtextextended(substr(said, i, 6), seed);
    END LOOP;
    RETURN grams;
END
$$;
CREATE INDEX member_profiles_grams ON member_profiles USING gin (member_grams(organization_id, search_text)) WITH (fastupdate = off);
