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
#include "handlers/shapes.h"
#include "handlers/tenancy/workspaces.h"

static enum err workspace_member_update(struct req *rq), workspace_member_tour_forget(struct req *rq),
	workspace_member_end_put(struct req *rq);

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
	{ "user_id",              F_UUID,     OUT | F_NULL, .about = "null: invited, and nobody yet" },
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
	{ "ends_at",              F_DATETIME, OUT | F_NULL, .about = "from then on they are nobody here, as a guest; null: it has no end" },
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
	{ "search",    F_TEXT, 0, .max = 255, .about = "only those whose name or address contains this; of them total is counted up to 51, or to one more than the page ends with" },
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

static const char *const kinds[] = { "actions", "tasks", "goals", "records", "recordsets", "documents", "record_tasks", "teams_led", NULL };
static const char *const relations[] = { "owner", "assignee", "lead", NULL };
static const char *const outcomes[] = { "invitation_deleted", "member_removed", "user_deleted", NULL };

static const struct field owned_item[] = {
	{ "id",       F_UUID, 0 },
	{ "type",     F_TEXT, 0, .example = "goal" },
	{ "title",    F_TEXT, 0, .example = "Launch the ferry" },
	{ "relation", F_ENUM, 0, .values = relations },
	{ "status",   F_TEXT, F_NULL, .example = "on-track" },
	{ "url",      F_TEXT, 0, .about = "the page about it, without the host", .example = "/goals/018f3c1e-7b5a-7c3e-8d2f-0a1b2c3d4e5f" },
	FIELD_END
};

#define KINDS(type, ...) \
	{ "actions", type, 0, __VA_ARGS__ }, { "tasks", type, 0, __VA_ARGS__ }, { "goals", type, 0, __VA_ARGS__ }, { "records", type, 0, __VA_ARGS__ }, \
	{ "recordsets", type, 0, __VA_ARGS__ }, { "documents", type, 0, __VA_ARGS__ }, { "record_tasks", type, 0, __VA_ARGS__ }, { "teams_led", type, 0, __VA_ARGS__ }
static const struct field counts[] = { KINDS(F_INT, .min = 0), FIELD_END };
static const struct field totals[] = { FIELDS_OF(counts), { "total", F_INT, 0 }, FIELD_END };
static const struct field lists[] = { KINDS(F_LIST, .fields = owned_item), FIELD_END };

static const struct field owned_out[] = {
	{ "member_id", F_UUID,   0 },
	{ "totals",    F_OBJECT, 0, .fields = totals },
	{ "items",     F_OBJECT, 0, .fields = lists, .about = "of each at most 100" },
	FIELD_END
};

static const struct field deletion_out[] = {
	{ "member_id",       F_UUID, 0 },
	{ "user_id",         F_UUID, 0 },
	{ "workspace_count", F_INT,  0, .about = "how many the user is in" },
	{ "can_delete_user", F_BOOL, 0, .about = "this workspace has made the account, nobody has shown whose it is, and nothing of it is elsewhere" },
	FIELD_END
};

static const struct field each_kind = { "", F_ENUM, 0, .values = kinds };
static const struct field reassign_in[] = {
	{ "to_member_id", F_UUID, F_REQUIRED, .about = "an active member", .example = "member" },
	{ "item_types",   F_LIST, 0, .item = F_ENUM, .each = &each_kind, .max = 8, .about = "left out: all", .example = "[\"goals\"]" },
	FIELD_END
};

static const struct field reassign_out[] = {
	{ "from_member_id", F_UUID,   0 },
	{ "to_member_id",   F_UUID,   0 },
	{ "reassigned",     F_OBJECT, 0, .fields = counts },
	{ "total",          F_INT,    0 },
	FIELD_END
};

static const struct field reassigned_event[] = {
	{ "organization_id", F_UUID, 0 },
	{ "from_member_id",  F_UUID, 0 },
	{ "to_member_id",    F_UUID, 0 },
	{ "reassigned",      F_OBJECT, 0, .fields = counts },
	{ "total",           F_INT,  0 },
	FIELD_END
};

static const struct field remove_in[] = {
	{ "remove_workspace_member", F_BOOL, 0, .def = "true", .about = "false: the membership stays, switched off, so that they can come back" },
	FIELD_END
};

static const struct field end_in[] = { { "ends_at", F_DATETIME, F_REQUIRED | F_NULL, .about = "null: it has none", .example = "2031-01-31T17:00:00Z" }, FIELD_END };
static const struct field gone_out[] = { { "is_ended", F_BOOL, 0 }, FIELD_END };
static const struct field taken_out[] = {
	{ "message",      F_TEXT, 0, .about = "for people" },
	{ "member_id",    F_UUID, 0 },
	{ "outcome",      F_ENUM, 0, .values = outcomes },
	{ "user_deleted", F_BOOL, 0 },
	FIELD_END
};

static const char *const standings[] = { "active", "pending", "inactive", NULL };
static const struct field person[] = {
	{ "id",                    F_UUID,     0, .about = "of the membership; of who is invited, the invitation's" },
	{ "user_id",               F_UUID,     F_NULL, .about = "null: invited" },
	{ "workspace_id",          F_UUID,     0 },
	{ "email",                 F_EMAIL,    F_NULL, .example = "theo@harbour.example" },
	{ "name",                  F_TEXT,     F_NULL, .example = "Theo Tiller" },
	{ "avatar_url",            F_URL,      F_NULL },
	{ "role",                  F_ENUM,     0, .values = workspace_roles },
	{ "status",                F_ENUM,     0, .values = standings, .about = "pending: invited, and nobody yet" },
	{ "has_password",          F_BOOL,     0 },
	{ "invited_by",            F_OBJECT,   F_NULL, .fields = user_brief_fields },
	{ "invited_at",            F_DATETIME, F_NULL },
	{ "invitation_expires_at", F_DATETIME, F_NULL },
	{ "accepted_at",           F_DATETIME, F_NULL },
	FIELD_END
};
static const struct field workspace_path[] = { { "workspace_id", F_UUID, F_REQUIRED, .example = "organization" }, FIELD_END };
static const struct list people = { "members", NULL, { "total", "active_count", "pending_count" } };

static const struct field taken_path[] = {
	{ "workspace_id", F_UUID, F_REQUIRED, .example = "organization" },
	{ "member_id",    F_UUID, F_REQUIRED, .example = "member vera" },
	FIELD_END
};

static const struct shape owned_shape = { "OwnedItems", owned_out, "Member" };
static const struct shape deletion_shape = { "MemberDeletionInfo", deletion_out, "Member" };
static const struct shape reassign_shape = { "ItemsReassigned", reassign_out, "Member" };
static const struct shape gone_shape = { "MemberGone", gone_out, "Member" };
static const struct shape taken_shape = { "MemberRemoved", taken_out, "Member" };
static const enum err not_moved[] = { ERR_BAD_REQUEST, ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_OK };
static const enum err not_gone[] = { ERR_BAD_REQUEST, ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_CONFLICT, ERR_OK };

const struct shape work_reassigned_shape = { "EventWorkReassigned", reassigned_event };
const struct shape workspace_member_shape = { "Member", workspace_member_fields };
const struct shape workspace_person_shape = { "WorkspaceMember", person, "Member" };
static const struct shape tours_shape = { "Tours", tours_out, "Member" };
static const struct shape compact_shape = { "MemberCompact", compact, "Member" };

static const struct constraint tour_constraints[] = {
	{ "member_profiles_tours_size", ERR_VALIDATION, "tour_id", "there are too many tours" },
	{ NULL }
};
static const enum err not_fit[] = { ERR_VALIDATION, ERR_OK };
static const enum err not_changed[] = { ERR_BAD_REQUEST, ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_CONFLICT, ERR_OK };

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
		   "nor one who has a higher one changed. The last owner stays one (400). Who is invited may be changed, too, and is active once they accept (409).",
	  .params = member_path, .body = workspace_member_fields, .as = SET, .out = &workspace_member_shape, .errors = not_changed, .sql = &q_workspace_member_or_invited,
	  .run = workspace_member_update, .flags = IF_MATCH },
	{ PUT,    ONE "/end", "workspace.organizations.set_member_end", &by_member, "Have a membership end at a date", .about = "A guest's: from that moment they are nobody here, and soon after they are "
	  "switched off. For owners and admins, of nobody who has a higher role; an owner's has no end (409).",
	  .may = &workspace_admin, .params = member_path, .body = end_in, .out = &workspace_member_shape, .errors = not_changed, .sql = &q_workspace_member_get, .run = workspace_member_end_put },
	{ GET,    ONE "/deletion-info", "workspace.organizations.get_member_deletion_info", &by_member, "May a member's account be ended?", .about = "For owners and admins.",
	  .may = &workspace_admin, .params = member_path, .out = &deletion_shape, .sql = &q_workspace_member_deletion_info },
	{ GET,    ONE "/owned-items",   "workspace.organizations.list_member_owned_items",  &by_member, "What does a member own?",
	  .about = "Or is assigned to, before they go. For owners and admins, and one's own.",
	  .params = member_path, .out = &owned_shape, .sql = &q_workspace_member_owned },
	{ POST,   ONE "/reassign",      "workspace.organizations.reassign_member_items",    &by_member, "Give what a member owns to another one",
	  .about = "All at once. For owners and admins.",
	  .may = &workspace_admin, .params = member_path, .body = reassign_in, .out = &reassign_shape, .errors = not_moved, .sql = &q_workspace_member_reassign, .status = 200 },
	{ DELETE, ONE,                  "workspace.organizations.remove_member",            &by_member, "Remove a member",
	  .about = "Or cancel an invitation. Not oneself, nor who has a higher role; the last owner stays (400). Their streams end within seconds, and what they made stays.",
	  .may = &can_delete_member, .params = member_path, .query = remove_in, .out = &gone_shape, .errors = not_moved, .sql = &q_workspace_member_remove, .status = 204 },
	{ DELETE, ONE "/permanent",     "workspace.organizations.delete_member_permanently", &by_member, "Remove a member and end the account",
	  .about = "For owners and admins, of an account that this workspace has made and nobody has proved to be theirs, which has no other workspace (400) and nothing "
		   "elsewhere (409). For any other: 403.",
	  .needs = { "a member whose account the workspace has made", ERR_AUTHORIZATION }, .may = &workspace_admin, .params = member_path, .out = &gone_shape, .errors = not_gone,
	  .sql = &q_workspace_member_end, .status = 204 },
	{ GET,    "/api/v1/workspaces/{workspace_id}/members", "workspace.organizations.list_workspace_members", &by_workspace_member, "List who is in a workspace, and who is invited",
	  .about = "Owners first, then by name.", .may = &org_read, .params = workspace_path, .out = &workspace_person_shape, .list = &people, .sql = &q_workspace_member_people },
	{ DELETE, "/api/v1/workspaces/{workspace_id}/members/{member_id}", "workspace.organizations.remove_workspace_member", &by_workspace_member, "Remove a member of a workspace",
	  .about = "Or leave it, or cancel an invitation. An account that this workspace has made, that nobody has proved to be theirs and that has nothing elsewhere, ends with it. The last owner stays (400).",
	  .may = &org_manage, .params = taken_path, .out = &taken_shape, .errors = not_moved, .sql = &q_workspace_member_take_out, .status = 200 },
	ROUTE_END
};
/* clang-format on */

static enum err workspace_member_update(struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_workspace_member_change, false, &res);

	return rc ? rc : answer_rows(rq, &q_workspace_member_or_invited);
}

static enum err workspace_member_end_put(struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_workspace_member_end_put, false, &res);

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
