-- Computed fields of a user.

-- Does the user pay?  Of subscriptions that bill, those that are running or on trial.
CREATE OR REPLACE FUNCTION user_is_premium(plan text, status text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(plan <> 'free' AND status IN ('active', 'trialing'), false);

-- Whole days from a time until now.
CREATE OR REPLACE FUNCTION days_since(at timestamptz) RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE
RETURN greatest(0, floor(date_part('epoch', now() - at) / 86400))::integer;
