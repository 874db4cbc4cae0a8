/*
 * Who calls, on the operations surface, and the end of their sessions, which are those of all surfaces.
 */
#include "build/sql/identity/operations_identity.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"

static enum err operations_logout(struct req *rq);

/* clang-format off */
static const char *const roles[] = { "admin", "editor", "member", "viewer", "builder", "agent", "demo", NULL };
static const char *const team_roles[] = { "owner", "admin", "member", NULL };

static const struct field organization_ref[] = {
	{ "id",   F_UUID, 0 },
	{ "name", F_TEXT, 0, .example = "Acme Inc." },
	{ "slug", F_SLUG, 0, .max = 60, .example = "acme-inc" },
	{ "role", F_ENUM, 0, .values = workspace_roles, .about = "the user's there; a developer reads as a member" },
	FIELD_END
};

static const struct field team_ref[] = {
	{ "id",   F_INT,  0, .example = "4" },
	{ "name", F_TEXT, 0, .example = "Harbour" },
	{ "role", F_ENUM, 0, .values = team_roles },
	FIELD_END
};

static const struct field me[] = {
	{ "id",            F_INT,      0, .example = "3" },
	{ "username",      F_TEXT,     0, .example = "theo", .about = "the one that was chosen, else the name, or what stands before the @ of the address" },
	{ "email",         F_EMAIL,    F_NULL, .example = "theo.tidewater@example.com", .about = "null for who signed in elsewhere and has told no address" },
	{ "role",          F_ENUM,     0, .values = roles, .about = "in the tenant; a key never is an administrator, whoever made it" },
	{ "avatar_url",    F_URL,      F_NULL, .example = "https://example.com/theo.png" },
	{ "created_at",    F_DATETIME, 0 },
	{ "updated_at",    F_DATETIME, 0 },
	{ "tenant_id",     F_INT,      0, .about = "the tenant's number", .example = "1" },
	{ "last_login_at", F_DATETIME, F_NULL },
	{ "organizations", F_LIST,     0, .fields = organization_ref, .about = "by name" },
	{ "teams",         F_LIST,     0, .fields = team_ref, .about = "by name" },
	FIELD_END
};

static const struct field logout_in[] = {
	{ "all_devices", F_BOOL, 0, .def = "false", .about = "end all of the user's sessions" },
	FIELD_END
};

static const struct field logout_out[] = {
	{ "success",          F_BOOL, 0, .example = "true" },
	{ "revoked_sessions", F_INT,  0, .example = "1" },
	FIELD_END
};

static const struct shape me_shape = { "OperationsMe", me, "User" };
static const struct shape logout_shape = { "OperationsSignedOut", logout_out };

const struct route operations_identity_routes[] = {
	{ GET,  "/api/auth/me", "operations.identity.get_me", &by_person, "Who am I",
	  .about = "With an organization's key, who made it.", .out = &me_shape, .sql = &q_operations_me },
	{ POST, "/api/auth/logout", "operations.identity.logout", &by_own_session, "Sign out",
	  .about = "Ends the session of the token, with its refresh token: the next request with either is 401. A key has no session to end (400).",
	  .body = logout_in, .out = &logout_shape, .done = "Signed out", .run = operations_logout, .sql = &q_operations_logout, .status = 200 },
	ROUTE_END
};
/* clang-format on */

static enum err operations_logout(struct req *rq)
{
	enum err rc = tx_enter(&rq->tx);

	if (rc)
		return rc;
	if (rq->who.kind == API_KEY)
		return req_fail(rq, ERR_BAD_REQUEST, "a key has no session to end: revoke it");
	return answer_rows(rq, &q_operations_logout);
}
