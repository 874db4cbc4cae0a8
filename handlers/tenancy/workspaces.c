/*
 * Workspaces: organizations as their members see them on the workspace surface.
 *
 * Which one is active is the token's to say ("wid"), so that two devices can be in two: switching answers
 * with tokens that say another one.  Who may change one is the role's, whatever the workspace's permissions
 * are.
 */
#include "handlers/tenancy/workspaces.h"

#include "build/sql/tenancy/workspace_members.h"
#include "build/sql/tenancy/workspaces.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/identity/session.h"
#include "handlers/permissions.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/db/rows.h"

static enum err workspace_switch(struct req *rq);

/* clang-format off */
static const char *const statuses[] = { "active", "provisioning", "migrating", "suspended", NULL };
static const char *const bearer[] = { "Bearer", NULL };

const struct pattern workspace_timezone = { "^(UTC|GMT|Etc/GMT[+-]?[0-9]{1,2}|[A-Za-z_]+(/[A-Za-z_]+(-[A-Za-z_]+)*){1,2})$",
	"the name of a time zone, such as Europe/Berlin" };

const struct field workspace_fields[] = {
	{ "id",                  F_UUID,     OUT },
	{ "name",                F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 255, .example = "Harbour Works" },
	{ "slug",                F_SLUG,     OUT, .example = "harbour-works" },
	{ "slug",                F_SLUG,     NEW | F_RARE, .max = 60, .about = "left out: made of the name; it cannot be changed", .example = "harbour" },
	{ "description",         F_TEXT,     OUT | NEW | SET | F_NULL, .max = 2000, .example = "Builds boats" },
	{ "industry",            F_TEXT,     OUT | NEW | SET | F_NULL, .max = 100, .example = "Shipbuilding" },
	{ "website",             F_URL,      OUT | NEW | SET | F_NULL, .max = 2048, .example = "https://harbour.example" },
	{ "logo_url",            F_URL,      OUT | NEW | SET | F_NULL, .max = 2048, .example = "https://harbour.example/logo.png" },
	{ "timezone",            F_TEXT,     OUT | SET, .max = 64, .fits = &workspace_timezone, .about = "of its members who have not said another", .example = "Europe/Berlin" },
	{ "timezone",            F_TEXT,     NEW, .max = 64, .fits = &workspace_timezone, .def = "UTC", .example = "Europe/Berlin" },
	{ "owner_id",            F_UUID,     OUT | F_NULL, .about = "a user: of several owners the one who has been there longest" },
	{ "status",              F_ENUM,     OUT, .values = statuses },
	{ "subscription_tier",   F_TEXT,     OUT | F_NULL, .example = "pro" },
	{ "subscription_status", F_TEXT,     OUT | F_NULL, .example = "active" },
	{ "member_count",        F_INT,      OUT, .about = "who are active" },
	{ "settings",            F_OBJECT,   OUT | SET, .about = "the product's own: members that are sent replace those of the same name", .example = "{\"week_starts\":\"monday\"}" },
	{ "role",                F_ENUM,     OUT | F_NULL, .values = workspace_roles, .about = "the caller's; null: no member, but an administrator of the tenant" },
	{ "is_current",          F_BOOL,     OUT, .about = "it is the caller's active one" },
	{ "created_at",          F_DATETIME, OUT },
	{ "updated_at",          F_DATETIME, OUT },
	FIELD_END
};

const struct field workspace_brief_fields[] = {
	{ "id",       F_UUID, 0 },
	{ "name",     F_TEXT, 0, .example = "Harbour Works" },
	{ "slug",     F_SLUG, 0, .example = "harbour-works" },
	{ "logo_url", F_URL,  F_NULL },
	FIELD_END
};

static const struct field list_out[] = {
	{ "workspaces",           F_LIST, 0, .fields = workspace_fields },
	{ "total",                F_INT,  0 },
	{ "current_workspace_id", F_UUID, F_NULL, .about = "the caller's active one" },
	FIELD_END
};

static const struct field create_in[] = {
	{ "skip_seed", F_BOOL, 0, .def = "true", .about = "no sample data are put in, whatever this says" },
	FIELD_END
};

static const struct field one_path[] = {
	{ "workspace_id", F_UUID, F_REQUIRED, .example = "organization" },
	FIELD_END
};

static const struct field switch_in[] = {
	{ "workspace_id", F_UUID, F_REQUIRED, .example = "organization" },
	FIELD_END
};

static const struct field switch_out[] = {
	{ "access_token",  F_TEXT,   0, .example = "eyJhbGciOiJIUzI1NiJ9.e30.4nL5c0t", .about = "good for expires_in seconds" },
	{ "refresh_token", F_TEXT,   F_OPTIONAL, .example = "AAAAAAAAcACAAAAAAAAAAQ", .about = "not where somebody acts as the user" },
	{ "token_type",    F_ENUM,   0, .values = bearer },
	{ "expires_in",    F_INT,    0, .example = "3600", .about = "seconds" },
	{ "workspace",     F_OBJECT, 0, .fields = workspace_fields },
	{ "member",        F_OBJECT, 0, .fields = workspace_member_fields },
	FIELD_END
};

const struct shape workspace_shape = { "Workspace", workspace_fields };
static const struct shape list_shape = { "Workspaces", list_out, "Workspace" };
static const struct shape switch_shape = { "WorkspaceSwitched", switch_out, "Workspace" };

static const struct child listed[] = { { "workspaces", &q_workspace_list_of_user }, { NULL } };
static const struct child entered[] = { { "workspace", &q_workspace_get }, { "member", &q_workspace_member_me }, { NULL } };

static const struct constraint constraints[] = {
	{ "organizations_slug_unique",   ERR_CONFLICT,   "slug", "this slug is taken" },
	{ "organizations_settings_size", ERR_VALIDATION, "settings", "settings may have 64 KiB" },
	{ NULL }
};

static const enum err not_there[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };
static const enum err not_fit[] = { ERR_VALIDATION, ERR_OK };

#define BASE "/api/v1/workspaces"
#define ONE BASE "/{workspace_id}"

const struct route workspace_routes[] = {
	{ GET,  BASE,           "workspace.organizations.list_workspaces",  &by_user, "List my workspaces", "Those in which the caller is an active member, by name.",
	  .out = &list_shape, .children = listed, .sql = &q_workspace_list },
	{ POST, BASE,           "workspace.organizations.create_workspace", &by_user, "Create a workspace",
	  "The caller becomes its owner. It is the active one of who has none.",
	  .query = create_in, .body = workspace_fields, .as = NEW, .out = &workspace_shape, .constraints = constraints, .sql = &q_workspace_create },
	{ POST, BASE "/switch", "workspace.organizations.switch_workspace", &by_user, "Make a workspace the active one",
	  "The tokens name it: what is asked with them is about it, unless X-Workspace-Id names another. Refreshing keeps it, and later sign-ins begin there. "
	  "Tokens of other issuers are kept by those: with one, send X-Workspace-Id (403).",
	  .body = switch_in, .out = &switch_shape, .errors = not_there, .run = workspace_switch,
	  .flags = PRIVATE, .status = 200 },
	{ GET,  ONE,            "workspace.organizations.get_workspace",    &by_user, "Get a workspace", "For its members, and for administrators of the tenant.",
	  .params = one_path, .out = &workspace_shape, .sql = &q_workspace_get },
	{ PUT,  ONE,            "workspace.organizations.update_workspace", &by_workspace_member, "Change a workspace", "For owners and admins. The slug stays.",
	  .may = &org_manage, .params = one_path, .body = workspace_fields, .as = SET, .out = &workspace_shape, .constraints = constraints, .errors = not_fit, .sql = &q_workspace_update },
	ROUTE_END
};
/* clang-format on */

/* The first row of one of the children, as an object. */
static void write_child(struct buf *b, struct req *rq, int i)
{
	const struct rows_form form = { .has_micros = true };

	jx_key(b, entered[i].member);
	rows_object(b, rows_open(&rq->tx.arena, rq->tx.children[i], 0, &form), 0);
}

static enum err workspace_switch(struct req *rq)
{
	PGresult *res;
	struct tokens t;
	struct buf *b;
	enum err rc;

	if (!rq->who.session)
		return req_fail(rq, ERR_AUTHORIZATION,
				"this token is kept by its issuer: name the workspace in X-Workspace-Id");
	req_set(rq, "@chosen", req_text(rq, "workspace_id")); /* for what is shown of it */
	rc = tx_call_family(&rq->tx, &q_workspace_switch, entered, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, req_text(rq, "workspace_id"));
	rc = session_read(rq, res, &t);
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key(b, "access_token"), jx_str(b, t.access);
	if (t.refresh)
		jx_key(b, "refresh_token"), jx_str(b, t.refresh);
	jx_key(b, "token_type"), jx_str(b, *bearer);
	jx_key(b, "expires_in"), jx_int(b, t.expires_in);
	write_child(b, rq, 0);
	write_child(b, rq, 1);
	buf_char(b, '}');
	return answer_close(rq);
}
