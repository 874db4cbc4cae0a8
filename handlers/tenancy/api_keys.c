/*
 * API keys, as the dashboard manages them.  What they let in is enter()'s to say.
 *
 * A key is of the mode in which it is made: with X-Test-Mode it belongs to the
 * tenant's test mode, and its text says so.
 */
#include <json-c/json.h>

#include "build/sql/tenancy/api_keys.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"
#include "handlers/tenancy/origin.h"
#include "lib/base/array.h"
#include "lib/crypto/ticket.h"

/* clang-format off */
static const char *const types[] = { "public", "secret", NULL };

enum { MAX_ORIGINS = 50 };

static const struct field list_in[] = {
	{ "include_revoked", F_BOOL, 0, .def = "false" },
	FIELD_END
};

static const struct field api_key[] = {
	{ "id",              F_UUID,     OUT },
	{ "name",            F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 100, .example = "Website" },
	{ "type",            F_ENUM,     OUT | NEW | NEEDED, .values = types },
	{ "prefix",          F_TEXT,     OUT, .about = "how the key begins", .example = "pk_live_q8Zt" },
	{ "key",             F_TEXT,     OUT | F_NULL, .about = "of a secret key only in the answer that made it", .example = "pk_live_q8ZtVw0cUeR2mYb7sKd4NfXh1aLpGi9J" },
	{ "allowed_origins", F_LIST,     OUT | NEW | SET, .max = MAX_ORIGINS, .item = F_TEXT, .example = "[\"https://app.example.com\"]",
	  .about = "scheme://host[:port] of the pages that may use a public key; https, but for localhost; empty for a secret key" },
	{ "is_active",       F_BOOL,     OUT | SET, .about = "false suspends the key: requests with it get 401 until it is true again" },
	{ "allows_writes",   F_BOOL,     OUT | NEW | SET | F_RARE, .def = "false",
	  .about = "of a secret key: assistants may change things with it, and not only read" },
	{ "created_by",      F_UUID,     OUT | F_NULL, .about = "the team member who did" },
	{ "last_used_at",    F_DATETIME, OUT | F_NULL, .about = "to ten minutes or so" },
	{ "revoked_at",      F_DATETIME, OUT | F_NULL },
	{ "created_at",      F_DATETIME, OUT },
	FIELD_END
};

/* Of the demo, the one that has origins. */
static const struct field public_path[] = {
	{ "key_id", F_UUID, F_REQUIRED, .example = "key public" },
	FIELD_END
};

static const struct shape key_shape = { "DashboardApiKey", api_key };

static const enum err is_revoked[] = { ERR_CONFLICT, ERR_OK };

static const char *const access_kinds[] = { "none", "public_key", "key", "user", "key_and_user", NULL };

static const struct field access[] = {
	{ "kind",          F_ENUM, 0, .values = access_kinds, .about = "who calls: nobody, a page, a key, a user, or both" },
	{ "scopes",        F_LIST, F_NULL, .item = F_TEXT, .about = "of a key that is for some things alone; null: for all" },
	{ "allows_writes", F_BOOL, 0, .about = "whether the key was made for assistants that change things" },
	FIELD_END
};

static const struct shape access_shape = { "KeyAccess", access };

static const struct constraint create_constraints[] = {
	{ "api_keys_allows_writes", ERR_VALIDATION, "allows_writes", "a public key is of no use to an assistant" },
	{ NULL },
};

static const struct constraint update_constraints[] = {
	{ "api_keys_allows_writes", ERR_VALIDATION, "allows_writes", "a public key is of no use to an assistant" },
	{ "api_keys_origins", ERR_VALIDATION, "allowed_origins", "a public key needs at least one origin, a secret key takes none" },
	{ NULL },
};
/* clang-format on */

/* The origins that were sent, canonical and each once, as the value "origins"; how many. */
static enum err read_origins(struct req *rq, int *count)
{
	const struct value *v = req_value(rq, "allowed_origins");
	size_t n = v->json ? json_object_array_length(v->json) : 0;
	const char **seen = arena_alloc(&rq->tx.arena, (n + 1) * sizeof(*seen));
	struct buf b;

	*count = 0;
	buf_init(&b, &rq->tx.arena, 256);
	buf_char(&b, '{');
	for (size_t i = 0; i < n; i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(v->json, i)), *problem;
		const char *origin = origin_canonical(&rq->tx.arena, text, &problem);
		int k = 0;

		if (!origin)
			return req_fail_field(rq, ERR_VALIDATION, "allowed_origins", "%s", problem);
		while (k < *count && strcmp(seen[k], origin) != 0)
			k++;
		if (k < *count)
			continue;
		seen[(*count)++] = origin;
		array_add(&b, origin);
	}
	buf_char(&b, '}');
	req_set(rq, "origins", buf_str(&b));
	return ERR_OK;
}

static enum err api_key_create(struct req *rq)
{
	bool is_public = !strcmp(req_text(rq, "type"), "public");
	char prefix[] = "sk_live_";
	const char *key;
	int origins;
	enum err rc = read_origins(rq, &origins);

	if (rc)
		return rc;
	if (is_public && !origins)
		return req_fail_field(rq, ERR_VALIDATION, "allowed_origins",
				      "a public key needs at least one origin");
	if (!is_public && origins)
		return req_fail_field(rq, ERR_VALIDATION, "allowed_origins",
				      "a secret key takes no origins, since it is for servers only");
	if (is_public)
		prefix[0] = 'p';
	if (rq->who.is_test)
		memcpy(prefix + 3, "test", 4);
	key = ticket_api_key(&rq->tx.arena, prefix);
	req_set(rq, "key_text", key);
	req_set(rq, "key_hash", secret_sha256_hex(&rq->tx.arena, key));
	return answer_rows(rq, &q_api_key_create);
}

static enum err api_key_update(struct req *rq)
{
	int origins;
	enum err rc = read_origins(rq, &origins);

	return rc ? rc : answer_rows(rq, &q_api_key_update);
}

/* clang-format off */
const struct route api_key_routes[] = {
	{ GET,    "/api/v1/dashboard/api-keys",          "platform.apikeys.list_dashboard_keys",  &by_team_admin, "List the API keys",
	  .about = "Newest first; those of the test mode with X-Test-Mode. At most limit, 1000 when left out.",
	  .query = list_in, .out = &key_shape, .list = &sliced, .items = "api_keys", .sql = &q_api_key_list },
	{ POST,   "/api/v1/dashboard/api-keys",          "platform.apikeys.create_dashboard_key", &by_team_admin, "Make an API key",
	  .about = "A secret key is shown in full in this answer only. With X-Test-Mode: true the key is one of the test mode.",
	  .body = api_key, .as = NEW, .out = &key_shape, .constraints = create_constraints, .run = api_key_create, .flags = PRIVATE },
	{ PUT,    "/api/v1/dashboard/api-keys/{key_id}", "platform.apikeys.update_dashboard_key", &by_team_admin, "Change an API key",
	  .about = "Takes effect at once.",
	  .params = public_path, .body = api_key, .as = SET, .out = &key_shape, .errors = is_revoked, .constraints = update_constraints, .run = api_key_update },
	{ DELETE, "/api/v1/dashboard/api-keys/{key_id}", "platform.apikeys.revoke_dashboard_key", &by_team_admin, "Revoke an API key",
	  .about = "Final, and at once. Revoking it again changes nothing.",
	  .out = &key_shape, .sql = &q_api_key_revoke, .status = 204 },
	{ GET,    "/api/v1/mcp/access",                  "platform.apikeys.get_access",           &by_holder,     "What my credentials are for",
	  .about = "As an assistant asks, before it says what it can do with them.",
	  .out = &access_shape, .sql = &q_api_key_access },
	ROUTE_END
};
/* clang-format on */
