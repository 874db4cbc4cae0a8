-- What the last release kept for the binaries before it, and nobody calls any more.

DROP FUNCTION IF EXISTS
    session_tokens(uuid, timestamptz),
    enter_member(uuid, uuid, text, text[], text[]),
    notification_types();
