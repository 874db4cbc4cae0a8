-- What the last release kept for the binaries before it, and nobody calls any more.

DROP FUNCTION IF EXISTS storage_next(uuid, integer);
