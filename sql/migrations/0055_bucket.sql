-- Content in a bucket (S3): how it comes.
--
--   declared_sha256  what the content has to have, where the client said so
--   upload_id        of the upload in parts that it comes by, as the bucket's server calls it
ALTER TABLE stored_objects
    ADD COLUMN declared_sha256 bytea,
    ADD COLUMN upload_id       text,
    ADD CONSTRAINT stored_objects_declared_length CHECK (octet_length(declared_sha256) = 32),
    ADD CONSTRAINT stored_objects_upload_length CHECK (char_length(upload_id) BETWEEN 1 AND 2048);
GRANT UPDATE (upload_id) ON stored_objects TO ashlar_api;
