-- Refresh tokens: rotation is a tenant's choice, and a refresh whose answer was lost signs nobody out.

-- What the contract says: refreshing answers with the token that was sent.  Tenants that are there keep their choice.
ALTER TABLE tenant_settings ALTER refresh_token_rotation SET DEFAULT false;

-- used_generation is the newest generation that was used: refreshed, or let in
-- with its access token.  While it is less than generation, nobody can tell
-- whether the newest tokens have arrived.  NULL: the newest access token does
-- not say its generation (the last release's), so it counts as used.
--
-- earlier_rotations are those before rotated_at, newest first, as far as they
-- were made within half a minute of the next one.
ALTER TABLE sessions
    ADD used_generation integer,
    ADD earlier_rotations timestamptz[] NOT NULL DEFAULT '{}';
ALTER TABLE sessions ALTER used_generation SET DEFAULT 0;
GRANT UPDATE (used_generation, earlier_rotations) ON sessions TO ashlar_api;

-- The same for the team.
ALTER TABLE team_sessions
    ADD generation integer NOT NULL DEFAULT 0,
    ADD used_generation integer DEFAULT 0,
    ADD rotated_at timestamptz,
    ADD earlier_rotations timestamptz[] NOT NULL DEFAULT '{}';
GRANT UPDATE (generation, used_generation, rotated_at, earlier_rotations) ON team_sessions TO ashlar_api;
