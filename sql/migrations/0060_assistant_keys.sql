-- What a key may be used for by an assistant (fcgi/reference/assistant.h): to read, unless it was made to change things, too.
-- Whoever has the key may do as much without one: this is about what a program does of itself.
ALTER TABLE api_keys
    ADD allows_writes boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT api_keys_allows_writes CHECK (type = 'secret' OR NOT allows_writes);
GRANT UPDATE (allows_writes) ON api_keys TO ashlar_api;
