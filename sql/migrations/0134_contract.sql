-- What the last release kept for the binaries before it, and nobody calls any more.

DROP FUNCTION IF EXISTS
    notify_mail(uuid, uuid[], text, text, text, jsonb, notifications[]),
    notify_list(uuid, uuid[], text, text, text, jsonb, uuid, jsonb),
    owned_kinds(),
    owned_reassign(uuid, uuid, text[]);
