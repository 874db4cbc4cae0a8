#include "fcgi/caller.h"

#include <string.h>

#include "build/sql/runtime/doors.h"
#include "build/sql/traces/sign_up.h"

#define NOBODY .door = &q_enter_anyone, .key_door = &q_enter_anyone
#define USER(role) .least_role = role, .door = &q_enter_user, .key_door = &q_enter_key
#define TEAM(role) .is_team = true, .least_role = role, .door = &q_enter_team, .key_door = &q_enter_anyone

/* clang-format off */
const struct caller
	by_anyone = { "anyone", KEY_UNREAD, TOKEN_UNREAD, NOBODY, .security = "",
		.about = "Credentials are not read." },

	by_guest = { "guest", KEY_BESIDE, TOKEN_TAKEN, USER("user"), .security = "{},{\"bearer\":[]}",
		.about = "A user's token that comes along is checked, and its user is the caller." },

	by_user = { "user", KEY_BESIDE, TOKEN_NEEDED, USER("user"), .security = "{\"bearer\":[]}",
		.about = "Needs a user's token." },

	by_admin = { "admin", KEY_BESIDE, TOKEN_NEEDED, USER("admin"), .security = "{\"bearer\":[]}",
		.about = "Needs the role admin." },

	by_member = { "member", KEY_BESIDE, TOKEN_NEEDED, IN_WORKSPACE, .least_role = "user",
		.door = &q_enter_member, .key_door = &q_enter_key, .security = "{\"bearer\":[]}",
		.about = "Needs the token of a member of the workspace." },

	by_workspace_member = { "workspace_member", KEY_BESIDE, TOKEN_NEEDED, IN_ORGANIZATION, .least_role = "user",
		.names = "workspace_id", .door = &q_enter_workspace, .key_door = &q_enter_key, .security = "{\"bearer\":[]}",
		.about = "Needs the token of a member of the workspace." },

	by_key = { "key", KEY_NEEDED, TOKEN_UNREAD, USER(NULL), .security = "{\"apiKey\":[]}",
		.about = "Needs an API key, public or secret." },

	by_anyone_with_key = { "anyone_with_key", KEY_TAKEN, TOKEN_UNREAD, USER(NULL), .security = "{\"apiKey\":[]},{}",
		.about = "Without a key it acts for the default tenant." },

	by_key_with_user = { "key_with_user", KEY_NEEDED, TOKEN_TAKEN, USER("user"),
		.security = "{\"apiKey\":[]},{\"apiKey\":[],\"bearer\":[]}",
		.about = "Needs an API key; with a user's token it is for that user." },

	by_key_and_user = { "key_and_user", KEY_NEEDED, TOKEN_NEEDED, USER("user"),
		.security = "{\"apiKey\":[],\"bearer\":[]}", .about = "Needs an API key and a user's token." },

	by_user_with_key = { "user_with_key", KEY_TAKEN, TOKEN_NEEDED, USER("user"),
		.security = "{\"apiKey\":[],\"bearer\":[]},{\"bearer\":[]}",
		.about = "Without a key it acts for the token's tenant." },

	by_key_and_member = { "key_and_member", KEY_NEEDED, TOKEN_NEEDED, IN_WORKSPACE, .least_role = "user", .header = "X-Organization-Id",
		.door = &q_enter_member, .key_door = &q_enter_key, .security = "{\"apiKey\":[],\"bearer\":[]}",
		.about = "Needs an API key and the token of a member of the organization." },

	by_secret_key_and_member = { "secret_key_and_member", KEY_SECRET, TOKEN_NEEDED, IN_WORKSPACE, .least_role = "user", .header = "X-Organization-Id",
		.door = &q_enter_member, .key_door = &q_enter_key, .security = "{\"apiKey\":[],\"bearer\":[]}",
		.about = "Needs a secret key and the token of a member of the organization." },

	by_organization_member = { "organization_member", KEY_NEEDED, TOKEN_NEEDED, IN_ORGANIZATION, .least_role = "user",
		.door = &q_enter_organization, .key_door = &q_enter_key, .security = "{\"apiKey\":[],\"bearer\":[]}",
		.about = "Needs an API key and the token of a member of the organization." },

	by_opsboard = { "opsboard", KEY_BESIDE, TOKEN_NEEDED, .least_role = "user", .sign_up = &q_opsboard_sign_up,
		.door = &q_enter_opsboard, .key_door = &q_enter_key, .security = "{\"bearer\":[]}",
		.about = "Needs a user's token." },

	by_org_member = { "org_member", KEY_BESIDE, TOKEN_NEEDED, IN_ORGANIZATION, .least_role = "user", .names = "org_id",
		.sign_up = &q_opsboard_sign_up, .door = &q_enter_org, .key_door = &q_enter_key, .security = "{\"bearer\":[]}",
		.about = "Needs the token of a member of the organization." },

	by_project = { "project", KEY_UNREAD, TOKEN_UNREAD, .is_project = true, .door = &q_enter_project, .key_door = &q_enter_project,
		.security = "{\"project\":[]}", .about = "Needs a project's token or API key." },

	by_secret_key = { "secret_key", KEY_SECRET, TOKEN_UNREAD, USER(NULL), .security = "{\"apiKey\":[]}",
		.about = "Needs a secret key." },

	by_secret_key_and_user = { "secret_key_and_user", KEY_SECRET, TOKEN_NEEDED, USER("user"),
		.security = "{\"apiKey\":[],\"bearer\":[]}", .about = "Needs a secret key." },

	by_workspace_key = { "workspace_key", KEY_WORKSPACE, TOKEN_UNREAD, IN_WORKSPACE, .door = &q_enter_workspace_key,
		.key_door = &q_enter_workspace_key, .security = "{\"apiKey\":[]}",
		.about = "Needs a key of the workspace; X-Workspace-Id may be left out." },

	by_key_or_user = { "key_or_user", KEY_NEEDED, TOKEN_OR_KEY, USER("user"),
		.security = "{\"apiKey\":[]},{\"apiKey\":[],\"bearer\":[]}",
		.about = "A secret key is enough by itself; with a public one a user's token is needed." },

	by_user_or_key = { "user_or_key", KEY_BESIDE, TOKEN_OR_KEY, .key_is_bearer = true, .takes_organization_key = true, .least_role = "user",
		.door = &q_enter_operator, .key_door = &q_enter_operator_key, .security = "{\"bearer\":[]},{\"apiKey\":[]}",
		.about = "A user's token, or a secret key or an organization's key as X-API-Key or as the bearer." },

	by_person = { "person", KEY_BESIDE, TOKEN_OR_KEY, .key_is_bearer = true, .takes_organization_key = true, .needs_person = true,
		.least_role = "user", .door = &q_enter_operator, .key_door = &q_enter_organization_key,
		.security = "{\"bearer\":[]},{\"organizationKey\":[]}",
		.about = "A user's token, or an organization's key as X-API-Key or as the bearer: a tenant's own key is nobody." },

	by_own_session = { "session", KEY_BESIDE, TOKEN_OR_KEY, .key_is_bearer = true, .takes_organization_key = true, .needs_person = true,
		.least_role = "user", .door = &q_enter_operator, .key_door = &q_enter_organization_key, .security = "{\"bearer\":[]}",
		.about = "A user's token." },

	by_signed_in = { "signed_in", KEY_BESIDE, TOKEN_NEEDED, .least_role = "user",
		.door = &q_enter_operator, .key_door = &q_enter_operator_key, .security = "{\"bearer\":[]}",
		.about = "Needs a user's token: no key, whoever has made it." },

	by_gateway = { "gateway", KEY_TAKEN, TOKEN_OR_SECRET, .key_is_bearer = true, .least_role = "user",
		.door = &q_enter_user, .key_door = &q_enter_key, .security = "{\"bearer\":[]},{\"apiKey\":[]},{\"apiKey\":[],\"bearer\":[]}",
		.about = "A secret key, as X-API-Key or as the bearer, which may come with a user's token; or that token, with a public key or without." },

	by_holder = { "holder", KEY_TAKEN, TOKEN_TAKEN, .key_is_bearer = true, .least_role = "user",
		.door = &q_enter_user, .key_door = &q_enter_holder, .security = "{\"apiKey\":[]},{\"apiKey\":[],\"bearer\":[]},{\"bearer\":[]},{}",
		.about = "A key, a user's token, both or neither; a key of whatever scopes." },

	by_operator = { "operator", KEY_BESIDE, TOKEN_OR_KEY, .key_is_bearer = true, .takes_organization_key = true, .is_installation = true,
		.least_role = "user", .door = &q_enter_operator, .key_door = &q_enter_operator_key,
		.security = "{\"bearer\":[]},{\"apiKey\":[]}",
		.about = "A user's token, or a secret key as X-API-Key or as the bearer, of the installation's own tenant." },

	by_operator_session = { "operator_session", KEY_BESIDE, TOKEN_OR_KEY, .key_is_bearer = true, .takes_organization_key = true, .is_installation = true,
		.least_role = "user", .door = &q_enter_operator, .key_door = &q_enter_operator_key, .security = "{\"bearer\":[]}",
		.about = "A user's token, of the installation's own tenant." },

	by_team = { "team", KEY_BESIDE, TOKEN_NEEDED, .has_test_mode = true, TEAM("member"), .security = "{\"team\":[]}",
		.about = "Needs a team user's token." },

	by_team_admin = { "team_admin", KEY_BESIDE, TOKEN_NEEDED, .has_test_mode = true, TEAM("admin"),
		.security = "{\"team\":[]}", .about = "Needs the team role owner or admin." },

	by_team_any_mode = { "team_any_mode", KEY_BESIDE, TOKEN_NEEDED, TEAM("member"), .security = "{\"team\":[]}",
		.about = "Needs a team user's token." },

	by_team_admin_any_mode = { "team_admin_any_mode", KEY_BESIDE, TOKEN_NEEDED, TEAM("admin"),
		.security = "{\"team\":[]}", .about = "Needs the team role owner or admin." };
/* clang-format on */

bool caller_may_be_user(const struct caller *c)
{
	return c->token != TOKEN_UNREAD && !c->is_team;
}

const char *caller_organization(const struct caller *c)
{
	return c->names ? c->names : "organization_id";
}

const char *caller_header(const struct caller *c)
{
	return c->header ? c->header : "X-Workspace-Id";
}

bool caller_takes_key(const struct caller *c)
{
	return c->key >= KEY_TAKEN;
}

static bool asks(const struct query *door, const char *name)
{
	for (int i = 0; i < door->nparams; i++)
		if (!strcmp(door->params[i], name))
			return true;
	return false;
}

bool caller_is_asked(const struct caller *c, const char *name)
{
	return asks(c->door, name) || asks(c->key_door, name);
}
