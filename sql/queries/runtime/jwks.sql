-- Key sets of other issuers.  Not a tenant's: what is at a URL is
-- the same for every caller.  The configured issuers are rows by their names;
-- the URLs that tenants name are rows of the issuer 'url:…', fetched while
-- a request wants them.

-- name: jwks_get :row
-- For a child that has no network, and for the housekeeper, who fetches.
-- fetched_at is null when a fetch was tried and none has worked yet; no row: none was tried.
SELECT url, keys::text AS keys, fetched_at,
       (extract(epoch FROM now() - fetched_at) * 1000)::bigint AS age_ms
FROM jwks
WHERE issuer = :issuer;

-- name: jwks_store :exec
-- The first set gives back the question that was asked when there was none: the
-- minute is for the key that the issuer takes next.
INSERT INTO jwks (issuer, url, keys, fetched_at, tried_at)
VALUES (:issuer, :url, :keys::jsonb, now(), now())
ON CONFLICT (issuer) DO UPDATE
SET url = excluded.url, keys = excluded.keys, fetched_at = now(), tried_at = now(), failure = NULL, failures = 0,
    asked_at = CASE WHEN jwks.fetched_at IS NOT NULL THEN jwks.asked_at END;

-- name: jwks_failed :exec
-- The keys that are there stay in use, and so does the URL that they came from.
INSERT INTO jwks (issuer, url, tried_at, failure)
VALUES (:issuer, :url, now(), :failure)
ON CONFLICT (issuer) DO UPDATE
SET tried_at = now(), failure = excluded.failure, failures = least(jwks.failures + 1, 1000);

-- name: jwks_url_get :row
-- For a child; that it looked is put down every hour, so that the set is kept.
-- No row: it was never fetched.
WITH wanted AS (
    UPDATE jwks SET wanted_at = now()
    WHERE issuer = 'url:' || :url AND wanted_at < now() - interval '1 hour'
)
SELECT keys::text AS keys
FROM jwks
WHERE issuer = 'url:' || :url AND fetched_at IS NOT NULL;

-- name: jwks_url_ask :row
-- For a child that lacks a key.  No row: another one asked within the last minute.
INSERT INTO jwks (issuer, url, wanted_at, asked_at)
VALUES ('url:' || :url, :url, now(), now())
ON CONFLICT (issuer) DO UPDATE
SET wanted_at = now(), asked_at = now()
WHERE jwks.asked_at IS NULL OR jwks.asked_at < now() - interval '1 minute'
RETURNING true AS asked;

-- name: jwks_url_due :row
-- For the housekeeper: a URL that is wanted and was never fetched, is asked for,
-- or is due again.  After n failures in a row it waits for 10 s times 2^n, at
-- most an hour, over all callers.
SELECT issuer, url
FROM jwks
WHERE wanted_at > now() - interval '1 day'
  AND (tried_at IS NULL
       OR (tried_at < now() - CASE WHEN failures = 0 THEN interval '0'
                                   ELSE least(interval '1 hour', interval '10 seconds' * 2 ^ least(failures, 10)) END
           AND (failures > 0 OR asked_at > tried_at OR fetched_at IS NULL
                OR fetched_at < now() - make_interval(secs => :refresh_s::integer))))
ORDER BY tried_at NULLS FIRST
LIMIT 1;

-- name: jwks_url_purge :exec
DELETE FROM jwks WHERE wanted_at < now() - interval '7 days';
