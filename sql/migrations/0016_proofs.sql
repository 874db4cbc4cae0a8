-- Which passkey a session was opened with: of the passkeys of an account whose
-- address nobody had proved, it alone stays when that session proves it.  No
-- foreign key: a passkey that is removed leaves the sessions that it opened.
ALTER TABLE sessions ADD passkey_id uuid;
GRANT UPDATE (passkey_id) ON sessions TO ashlar_api;
