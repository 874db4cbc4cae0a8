/*
 * A user's sessions: every signing in is one, and to end one takes effect with
 * the next request that uses it.
 */
#include "build/sql/identity/sessions.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"

/* clang-format off */
static const char *const methods[] = { "token", "password", "google", "passkey", "impersonation", NULL };

static const struct field session_params[] = {
	{ "session", F_UUID },
	FIELD_END
};

static const struct field session_out[] = {
	{ "id",           F_UUID,     0 },
	{ "method",       F_ENUM,     0, .values = methods, .about = "how it began; token: by an operator" },
	{ "device",       F_TEXT,     F_NULL, .max = 1024, .example = "Mozilla/5.0 (X11; Linux x86_64)", .about = "User-Agent at that time" },
	{ "ip",           F_TEXT,     F_NULL, .example = "192.0.2.10" },
	{ "is_current",   F_BOOL,     0, .about = "the one that asks" },
	{ "last_seen_at", F_DATETIME, 0, .about = "the last refresh" },
	{ "created_at",   F_DATETIME, 0 },
	{ "expires_at",   F_DATETIME, 0 },
	FIELD_END
};

static const struct shape session_shape = { "Session", session_out };

const struct route session_routes[] = {
	{ GET,    "/api/v1/auth/sessions", "platform.identity.list_sessions", &by_user_with_key, "List my sessions",
	  "Newest first, those that can still be used; at most 100.",
	  .out = &session_shape, .list = &unwrapped, .items = "sessions", .sql = &q_session_list },
	{ DELETE, "/api/v1/auth/sessions", "platform.identity.revoke_other_sessions", &by_user_with_key, "End all my sessions but this one",
	  .out = &message_shape, .sql = &q_session_revoke_others },
	{ DELETE, "/api/v1/auth/sessions/{session}", "platform.identity.revoke_session", &by_user_with_key, "End one of my sessions",
	  .needs = { "the id of a session, which the list has", ERR_NOT_FOUND }, .params = session_params, .out = &message_shape, .sql = &q_session_revoke },
	ROUTE_END
};
/* clang-format on */
