/*
 * Members of a workspace.
 *
 * A member's own profile is the member's; with can_edit_member one changes others', and role and standing are
 * for owners and admins, up to their own rank.  Who is locked, and what is refused, is in
 * sql/functions/tenancy/workspace_members.sql.
 */
#include <string.h>

#include "build/sql/tenancy/workspace_members.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "handlers/tenancy/workspaces.h"

static enum err workspace_member_update(struct req *rq), workspace_member_tour_forget(struct req *rq);

/* clang-format off */
const struct field user_brief_fields[] = {
	{ "id",         F_UUID,  0 },
	{ "email",      F_EMAIL, F_NULL, .example = "ada@example.com" },
	{ "name",       F_TEXT,  F_NULL, .example = "Ada Lovelace" },
	{ "avatar_url", F_URL,   F_NULL },
	FIELD_END
};

const struct field workspace_member_fields[] = {
	{ "id",                   F_UUID,     OUT },
	{ "user_id",              F_UUID,     OUT },
	{ "workspace_id",         F_UUID,     OUT },
	{ "email",                F_EMAIL,    OUT | F_NULL, .about = "null for who signed in elsewhere and has told no address", .example = "theo@harbour.example" },
	{ "full_name",            F_TEXT,     OUT | SET | F_NULL, .min = 1, .max = 255, .about = "here; null in a change: the account's", .example = "Theo Tiller" },
	{ "display_name",         F_TEXT,     OUT | SET | F_NULL, .max = 255, .example = "Theo" },
	{ "avatar_url",           F_URL,      OUT | F_NULL },
	{ "role",                 F_ENUM,     OUT | SET, .values = workspace_roles, .example = "member" },
	{ "title",                F_TEXT,     OUT | SET | F_NULL, .max = 255, .example = "Shipwright" },
	{ "department",           F_TEXT,     OUT | SET | F_NULL, .max = 255, .example = "Boatyard" },
	{ "phone",                F_TEXT,     OUT | SET | F_NULL, .max = 50, .example = "+49 40 5550100" },
	{ "bio",                  F_TEXT,     OUT | SET | F_NULL, .max = 2000, .example = "Has built boats since 1998." },
	{ "timezone",             F_TEXT,     OUT, .example = "Europe/Berlin" },
	{ "timezone",             F_TEXT,     SET | F_NULL, .max = 64, .fits = &workspace_timezone, .about = "null: the workspace's", .example = "Europe/Berlin" },
	{ "is_active",            F_BOOL,     OUT | SET, .about = "false: they may do nothing here, and everything of theirs stays" },
	{ "onboarding_completed", F_BOOL,     OUT },
	{ "onboarding_step",      F_INT,      OUT, .about = "of 5" },
	{ "tours",                F_OBJECT,   OUT, .item = F_BOOL, .about = "tour: whether it is done" },
	{ "team_ids",             F_LIST,     OUT, .item = F_UUID },
	{ "joined_at",            F_DATETIME, OUT | F_NULL },
	{ "last_active_at",       F_DATETIME, OUT | F_NULL, .about = "when they last signed in" },
	{ "created_at",           F_DATETIME, OUT },
	{ "updated_at",           F_DATETIME, OUT },
	FIELD_END
};

static const struct field compact[] = {
	{ "id",           F_UUID,  0 },
	{ "email",        F_EMAIL, F_NULL, .example = "ada@example.com" },
	{ "full_name",    F_TEXT,  F_NULL, .example = "Ada Lovelace" },
	{ "display_name", F_TEXT,  F_NULL, .example = "Ada" },
	{ "avatar_url",   F_URL,   F_NULL },
	{ "role",         F_ENUM,  0, .values = workspace_roles },
	FIELD_END
};

static const struct field find_in[] = {
	{ "search",    F_TEXT, 0, .max = 255, .about = "only those whose name or address contains this" },
	{ "is_active", F_BOOL, 0 },
	FIELD_END
};

static const struct field tours_out[] = { { "tours", F_OBJECT, F_WHOLE, .item = F_BOOL, .about = "tour: whether it is done; those that were never touched are not there" }, FIELD_END };
static const struct field tour_in[] = {
	{ "tour_id",   F_TEXT, F_REQUIRED, .min = 1, .max = 100, .example = "welcome" },
	{ "completed", F_BOOL, 0, .def = "true", .about = "finished, or skipped" },
	FIELD_END
};
static const struct field tour_forget[] = {
	{ "tour_id", F_TEXT, F_NULL, .min = 1, .max = 100, .about = "left out: all of them", .example = "welcome" },
	FIELD_END
};

static const struct field member_path[] = {
	{ "member_id", F_UUID, 0, .about = "of the membership", .example = "member theo" },
	FIELD_END
};

const struct shape workspace_member_shape = { "Member", workspace_member_fields };
static const struct shape tours_shape = { "Tours", tours_out, "Member" };
static const struct shape compact_shape = { "MemberCompact", compact, "Member" };

static const struct constraint tour_constraints[] = {
	{ "member_profiles_tours_size", ERR_VALIDATION, "tour_id", "there are too many tours" },
	{ NULL }
};
static const enum err not_fit[] = { ERR_VALIDATION, ERR_OK };
static const enum err not_changed[] = { ERR_BAD_REQUEST, ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_OK };

#define BASE "/api/v1/members"
#define ONE BASE "/{member_id}"

const struct route workspace_member_routes[] = {
	{ GET, BASE,        "workspace.organizations.list_members",         &by_member, "List members", .about = "By name; also those who are not active.",
	  .may = &can_view_member, .query = find_in, .out = &workspace_member_shape, .list = &skipped, .size = { 50, 200 }, .sql = &q_workspace_member_list },
	{ GET, BASE "/all", "workspace.organizations.list_members_compact", &by_member, "List all active members, in short", .about = "For pickers.",
	  .may = &can_view_member, .out = &compact_shape, .list = &counted, .items = "members", .sql = &q_workspace_member_list_all },
	{ GET, BASE "/me",  "workspace.organizations.get_my_member",        &by_member, "Get my membership",
	  .out = &workspace_member_shape, .sql = &q_workspace_member_me },
	{ GET,    BASE "/me/tours", "workspace.organizations.get_my_tours",   &by_member, "List the tours that I have taken",
	  .out = &tours_shape, .sql = &q_workspace_member_tours },
	{ POST,   BASE "/me/tours", "workspace.organizations.update_my_tour", &by_member, "Say that I have taken a tour", .about = "At most 500.",
	  .body = tour_in, .out = &tours_shape, .constraints = tour_constraints, .errors = not_fit, .sql = &q_workspace_member_tour_put, .status = 200 },
	{ DELETE, BASE "/me/tours", "workspace.organizations.reset_my_tours", &by_member, "Forget tours that I have taken",
	  .about = "One, that the body names, or without one the query; else all.", .query = tour_forget, .body = tour_forget, .out = &tours_shape,
	  .sql = &q_workspace_member_tour_forget, .run = workspace_member_tour_forget, .status = 200 },
	{ GET, ONE,         "workspace.organizations.get_member",           &by_member, "Get a member",
	  .may = &can_view_member, .params = member_path, .out = &workspace_member_shape, .sql = &q_workspace_member_get },
	{ PUT, ONE,         "workspace.organizations.update_member",        &by_member, "Change a member",
	  .about = "One's own profile, and with can_edit_member others'. Role and standing are for owners and admins: nobody is given a higher role than the caller's, "
		   "nor one who has a higher one changed. The last owner stays one (400).",
	  .params = member_path, .body = workspace_member_fields, .as = SET, .out = &workspace_member_shape, .errors = not_changed, .sql = &q_workspace_member_get,
	  .run = workspace_member_update, .flags = IF_MATCH },
	ROUTE_END
};
/* clang-format on */

static enum err workspace_member_update(struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_workspace_member_change, false, &res);

	return rc ? rc : answer_rows(rq, &q_workspace_member_get);
}

/* Which one stands in the body, or the query; the body goes first, also where it says null. */
static enum err workspace_member_tour_forget(struct req *rq)
{
	const char *tour = NULL;

	for (size_t i = 0; i < rq->tx.nvalues; i++) /* the query's stand before the body's */
		if (!strcmp(rq->tx.values[i].name, "tour_id") && rq->tx.values[i].given)
			tour = rq->tx.values[i].text;
	req_set(rq, "tour", tour);
	return answer_rows(rq, &q_workspace_member_tour_forget);
}
