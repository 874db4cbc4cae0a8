/*
 * Who reaches what in a workspace, for who has to look through it: as CSV, all of it.
 */
#include "build/sql/tenancy/access_review.h"
#include "handlers/permissions.h"

/* clang-format off */
static const char *const kinds[] = { "workspace", "team", "recordset", NULL };
static const char *const whos[] = { "member", "api_key", NULL };
static const char *const roles[] = { "owner", "admin", "member", "viewer", NULL };
static const char *const ways[] = { "role", "owner", "grant", "team", "key", NULL };

static const struct field review_in[] = {
	{ "who_id",      F_UUID, F_RARE, .about = "of a member or a key", .example = "member" },
	{ "kind",        F_ENUM, F_RARE, .values = kinds },
	{ "resource_id", F_UUID, F_RARE, .example = "recordset" },
	FIELD_END
};

static const struct field way[] = {
	{ "who_type",      F_ENUM, 0, .values = whos, .example = "member" },
	{ "who_id",        F_UUID, 0, .example = "member" },
	{ "who_name",      F_TEXT, F_NULL, .example = "Ada Byron" },
	{ "who_email",     F_TEXT, F_NULL, .about = "null: a key", .example = "ada@example.com" },
	{ "role",          F_ENUM, F_NULL, .values = roles, .about = "null: a key" },
	{ "kind",          F_ENUM, 0, .values = kinds, .example = "recordset" },
	{ "resource_id",   F_UUID, 0, .example = "recordset" },
	{ "resource_name", F_TEXT, 0, .example = "Berths" },
	{ "access",        F_TEXT, 0, .about = "of a workspace the role, or a key's scopes; of a team the place in it; of a recordset the rights", .example = "view, create" },
	{ "through",       F_ENUM, 0, .values = ways, .about = "what it comes of", .example = "grant" },
	{ "via",           F_TEXT, F_NULL, .about = "which team, or which key", .example = "Navigation" },
	FIELD_END
};

static const struct shape way_shape = { "AccessReviewRow", way };

const struct route access_review_routes[] = {
	{ GET, "/api/v1/permissions/access-review", "workspace.permissions.list_access_review", &by_member, "Review who reaches what",
	  .about = "A row for each way: who may see a recordset by two teams has two. As CSV or NDJSON all of it. For owners and admins.",
	  .may = &workspace_admin, .query = review_in, .out = &way_shape, .list = &skipped, .sql = &q_access_review, .outputs = AS_CSV | AS_NDJSON },
	ROUTE_END
};
/* clang-format on */
