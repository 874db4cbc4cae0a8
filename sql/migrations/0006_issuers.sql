-- Key sets at URLs that tenants name: which are wanted, and which are asked for.

-- Such a row's issuer is 'url:' and its url: tenants who name the same URL share
-- what is there, and none can replace what another one named.  wanted_at is null
-- for the configured issuers.  failures counts those in a row.
ALTER TABLE jwks
    ADD wanted_at timestamptz,
    ADD asked_at timestamptz,
    ADD failures integer NOT NULL DEFAULT 0;
CREATE INDEX jwks_wanted ON jwks (wanted_at) WHERE wanted_at IS NOT NULL;
GRANT DELETE ON jwks TO ashlar_api;
