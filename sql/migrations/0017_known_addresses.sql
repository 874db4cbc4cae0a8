-- From where an account has signed in: what slows down guessing at it from
-- everywhere else never meets these addresses (guess_wait()).

-- account_id is a user's or a team member's: both are UUIDs of one kind, and no
-- two are the same.  address is what limits count: of IPv6 the /64.  signed_in_at
-- is true to a day, so that who signs in all the time writes once.  Twenty of an
-- account are kept, see address_note().
CREATE TABLE known_addresses (
    tenant_id    uuid NOT NULL REFERENCES tenants,
    account_id   uuid NOT NULL,
    address      cidr NOT NULL,
    signed_in_at timestamptz NOT NULL DEFAULT now(),
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, account_id, address)
);
CREATE INDEX known_addresses_age ON known_addresses (signed_in_at);
CREATE TRIGGER known_addresses_touch BEFORE UPDATE ON known_addresses FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('known_addresses');
SELECT purgeable('known_addresses', 'signed_in_at < now() - interval ''180 days''');
GRANT SELECT, INSERT, DELETE ON known_addresses TO ashlar_api;
GRANT UPDATE (signed_in_at) ON known_addresses TO ashlar_api;

-- Whoever has signed in before there was this table, from the newest twenty
-- addresses.  And what was counted when right ones were counted, too, is forgotten.
DO $$
DECLARE
    t tenants;
BEGIN
    FOR t IN SELECT * FROM tenants LOOP
        PERFORM set_config('app.tenant_id', t.id::text, true);
        INSERT INTO known_addresses (tenant_id, account_id, address, signed_in_at)
        SELECT t.id, r.account_id, r.address, r.at
        FROM (SELECT a.account_id, a.address, max(a.at) AS at,
                     row_number() OVER (PARTITION BY a.account_id ORDER BY max(a.at) DESC) AS n
              FROM (SELECT s.user_id AS account_id, s.ip, s.created_at AS at FROM sessions s
                    WHERE s.tenant_id = t.id AND s.ip IS NOT NULL AND s.impersonator_id IS NULL
                    UNION ALL
                    SELECT s.member_id, s.ip, s.created_at FROM team_sessions s
                    WHERE s.tenant_id = t.id AND s.ip IS NOT NULL) x,
                   LATERAL (SELECT x.account_id, x.at,
                                   network(set_masklen(x.ip, CASE family(x.ip) WHEN 6 THEN 64 ELSE 32 END)) AS address) a
              GROUP BY a.account_id, a.address) r
        WHERE r.n <= 20;
        DELETE FROM rate_limits
        WHERE tenant_id = t.id AND name IN ('login', 'tenant_login', 'change_password', 'tenant_change_password');
    END LOOP;
END
$$;
