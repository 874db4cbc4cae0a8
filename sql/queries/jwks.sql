-- Key sets of other issuers.  Not a tenant's: issuers are the installation's.

-- name: jwks_get :row
-- For a child that has no network, and for the housekeeper, who fetches.
-- fetched_at is null when a fetch was tried and none has worked yet; no row: none was tried.
SELECT url, keys::text AS keys, fetched_at,
       (extract(epoch FROM now() - fetched_at) * 1000)::bigint AS age_ms
FROM jwks
WHERE issuer = :issuer;

-- name: jwks_store :exec
INSERT INTO jwks (issuer, url, keys, fetched_at, tried_at)
VALUES (:issuer, :url, :keys::jsonb, now(), now())
ON CONFLICT (issuer) DO UPDATE
SET url = excluded.url, keys = excluded.keys, fetched_at = now(), tried_at = now(), failure = NULL;

-- name: jwks_failed :exec
-- The keys that are there stay in use, and so does the URL that they came from.
INSERT INTO jwks (issuer, url, tried_at, failure)
VALUES (:issuer, :url, now(), :failure)
ON CONFLICT (issuer) DO UPDATE SET tried_at = now(), failure = excluded.failure;
