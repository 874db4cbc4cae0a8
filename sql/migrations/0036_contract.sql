-- What the last release kept for the binaries before it, and nobody calls any more.

DROP FUNCTION IF EXISTS
    goal_shown(goals),
    project_candidates(uuid, text, bigint, bigint);
