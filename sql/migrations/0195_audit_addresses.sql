-- Entries of the audit log that name an address, such as of who asked for a new password: they are found for who is erased.
CREATE INDEX audit_events_of_address ON audit_events (tenant_id, lower(details ->> 'email')) WHERE details ? 'email';
