/*
 * Keys of organizations on the operations surface.  Each acts as who made it, and what that lets in is
 * enter_organization_key()'s to say (sql/functions/runtime/enter.sql).
 */
#include "build/sql/tenancy/operations_keys.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/tenancy/key_ranges.h"
#include "lib/crypto/ticket.h"

static enum err operations_key_create(struct req *rq), operations_key_update(struct req *rq),
	operations_key_rotate(struct req *rq), operations_key_roll(struct req *rq),
	operations_key_revoke(struct req *rq);

/* clang-format off */
static const char *const scopes[] = { "*", "tasks:read", "tasks:write", "agents:read", "agents:write", "templates:read", "templates:write", NULL };
static const struct field each_scope = { "", F_ENUM, 0, .values = scopes };

enum { MAX_NETWORKS = 50, MAX_GRACE_HOURS = 168 };

#define DEFAULT_SCOPES "[\"tasks:read\",\"agents:read\",\"templates:read\"]"

static const struct field organization_key[] = {
	{ "id",                      F_UUID,     OUT },
	{ "organization_id",         F_UUID,     OUT },
	{ "name",                    F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 100, .example = "Deployment" },
	{ "description",             F_TEXT,     NEW, .max = 500, .example = "Reports what was deployed" },
	{ "description",             F_TEXT,     OUT | SET | F_NULL, .max = 500, .example = "Reports what was deployed" },
	{ "masked_key",              F_TEXT,     OUT, .about = "how the key begins and ends", .example = "sk_live_q8Zt********Ns3U" },
	{ "scopes",                  F_LIST,     OUT | NEW | SET, .item = F_ENUM, .each = &each_scope, .max = 20, .example = DEFAULT_SCOPES,
	  .about = "what it is for: *, all; of public routes one kind of things, to read or to write. Left out: " DEFAULT_SCOPES },
	{ "allowed_networks",        F_LIST,     OUT | NEW | SET, .item = F_TEXT, .max = MAX_NETWORKS, .example = "[\"192.0.2.0/24\",\"2001:db8::1\"]",
	  .about = "addresses, or ranges of them, that the key is taken from; []: from all" },
	{ "is_active",               F_BOOL,     OUT | SET, .about = "false: suspended, until it is true again" },
	{ "expires_at",              F_DATETIME, NEW, .about = "left out: never", .example = "2099-12-31T00:00:00Z" },
	{ "expires_at",              F_DATETIME, OUT | F_NULL, .about = "null: never" },
	{ "last_used_at",            F_DATETIME, OUT | F_NULL, .about = "to a minute" },
	{ "usage_count",             F_INT,      OUT, .about = "requests that it let in, but for the last few seconds'" },
	{ "created_by",              F_TEXT,     OUT, .about = "the id of the user who made it, and whom it acts as", .example = "3" },
	{ "created_at",              F_DATETIME, OUT },
	{ "updated_at",              F_DATETIME, OUT },
	{ "revoked_at",              F_DATETIME, OUT | F_NULL },
	{ "rotated_at",              F_DATETIME, OUT | F_NULL, .about = "when it got the secret that it has" },
	{ "previous_key_expires_at", F_DATETIME, OUT | F_NULL, .about = "until then the secret before is taken, too" },
	FIELD_END
};

static const struct field with_secret[] = {
	FIELDS_OF(organization_key),
	{ "key", F_TEXT, OUT, .about = "shown in this answer and never again", .example = "sk_live_q8ZtVw0cUeR2mYb7sKd4NfXh1aLpGi9J0O2Ns3U0" },
	FIELD_END
};

static const struct field rotate_in[] = {
	{ "grace_hours", F_INT, 0, .min = 0, .max = MAX_GRACE_HOURS, .def = "24", .about = "how long the secret before is taken, too" },
	FIELD_END
};

static const struct field use[] = {
	{ "id",          F_INT,      0, .example = "4711" },
	{ "api_key_id",  F_UUID,     0 },
	{ "method",      F_TEXT,     0, .example = "GET" },
	{ "path",        F_TEXT,     0, .about = "without its query; where a part of it is a secret, with that part's name", .example = "/api/users" },
	{ "status_code", F_INT,      0, .example = "200" },
	{ "latency_ms",  F_INT,      0, .example = "3" },
	{ "ip",          F_TEXT,     F_NULL, .example = "192.0.2.7" },
	{ "user_agent",  F_TEXT,     F_NULL, .example = "curl/7.88.1" },
	{ "created_at",  F_DATETIME, 0 },
	FIELD_END
};

static const struct field gone[] = {
	{ "id",      F_UUID, 0 },
	{ "deleted", F_BOOL, 0, .example = "true" },
	FIELD_END
};

static const struct shape
	key_shape    = { "OrganizationApiKey", organization_key, "API key" },
	secret_shape = { "OrganizationApiKeyWithSecret", with_secret, "API key" },
	use_shape    = { "OrganizationApiKeyUse", use, "API key" },
	gone_shape   = { "OrganizationApiKeyDeleted", gone, "API key" };

static const enum err refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };
static const struct field key_path[] = { { "organization_id", F_UUID, 0 }, { "key_id", F_UUID, 0, .example = "operations key" }, FIELD_END };
static const enum err over[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_CONFLICT, ERR_OK };

#define BASE "/api/organizations/{organization_id}/api-keys"
#define ONE BASE "/{key_id}"
#define MANAGERS "For owners and admins of the organization."

const struct route operations_key_routes[] = {
	{ GET,    BASE, "operations.apikeys.list", &by_person, "List an organization's API keys",
	  .about = "Newest first, without the keys themselves; at most 1,000. For owners, admins and members of the organization.",
	  .out = &key_shape, .list = &unpaged, .errors = refused, .sql = &q_operations_key_list },
	{ POST,   BASE, "operations.apikeys.create", &by_person, "Make an API key of an organization",
	  .about = "It is shown in full in this answer only, and acts as who makes it: with their role, but never as an administrator, and while they are a "
		   "member. " MANAGERS " A key that may call this is for everything, so that it gives out nothing that it does not have.",
	  .body = organization_key, .as = NEW, .out = &secret_shape, .errors = refused, .run = operations_key_create, .sql = &q_operations_key_shown, .flags = PRIVATE },
	{ GET,    ONE,  "operations.apikeys.get", &by_person, "Get an organization's API key", .params = key_path, .about = "Without the key itself.",
	  .out = &key_shape, .errors = refused, .sql = &q_operations_key_get },
	{ PATCH,  ONE,  "operations.apikeys.update", &by_person, "Change an organization's API key", .params = key_path, .about = "Takes effect at once. " MANAGERS,
	  .body = organization_key, .as = SET, .out = &key_shape, .errors = over, .run = operations_key_update, .sql = &q_operations_key_update, .flags = IF_MATCH },
	{ DELETE, ONE,  "operations.apikeys.delete", &by_person, "Delete an organization's API key", .params = key_path, .about = "It stops working at once. " MANAGERS,
	  .out = &gone_shape, .done = "API key deleted", .errors = refused, .sql = &q_operations_key_delete },
	{ POST,   ONE "/revoke", "operations.apikeys.revoke", &by_person, "Revoke an organization's API key",
	  .params = key_path, .about = "Final, and at once, also for the secret before. One that is revoked stays as it is. " MANAGERS,
	  .out = &key_shape, .errors = refused, .run = operations_key_revoke, .sql = &q_operations_key_revoked, .status = 200 },
	{ POST,   ONE "/rotate", "operations.apikeys.rotate", &by_person, "Give an organization's API key another secret",
	  .params = key_path, .about = "The secret before is taken for some hours more, and any before that no longer: at most two are, at any time. " MANAGERS,
	  .body = rotate_in, .out = &secret_shape, .errors = over, .run = operations_key_rotate, .sql = &q_operations_key_shown, .status = 200, .flags = PRIVATE },
	{ POST,   ONE "/roll", "operations.apikeys.roll", &by_person, "Give an organization's API key another secret at once",
	  .params = key_path, .about = "As after a leak: no secret from before is taken any more. " MANAGERS,
	  .out = &secret_shape, .errors = over, .run = operations_key_roll, .sql = &q_operations_key_shown, .status = 200, .flags = PRIVATE },
	{ GET,    ONE "/usage", "operations.apikeys.list_usage", &by_person, "List what an organization's API key was used for",
	  .params = key_path, .about = "Each request that it let in, or that it was not for, in the last 30 days; the latest 100, newest first. A few seconds may pass until one is there.",
	  .out = &use_shape, .list = &unpaged, .size = { 100, 100 }, .errors = refused, .sql = &q_operations_key_use_list },
	ROUTE_END
};
/* clang-format on */

static void make_text(struct req *rq)
{
	const char *key = ticket_organization_key(&rq->tx.arena);

	req_set(rq, "key_text", key);
	req_set(rq, "key_hash", secret_sha256_hex(&rq->tx.arena, key));
}

/* First, then what it has made or changed, which the statement that does it cannot see. */
static enum err then(struct req *rq, const struct query *first, const struct query *shown)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, first, false, &res);

	return rc ? rc : answer_rows(rq, shown);
}

static enum err operations_key_create(struct req *rq)
{
	enum err rc = key_ranges_read(rq, "allowed_networks");

	if (rc)
		return rc;
	make_text(rq);
	return then(rq, &q_operations_key_create, &q_operations_key_shown);
}

static enum err operations_key_update(struct req *rq)
{
	enum err rc = key_ranges_read(rq, "allowed_networks");

	return rc ? rc : answer_rows(rq, &q_operations_key_update);
}

static enum err renew(struct req *rq, const char *grace, const char *action)
{
	make_text(rq);
	req_set(rq, "grace", grace);
	req_set(rq, "action", action);
	return then(rq, &q_operations_key_renew, &q_operations_key_shown);
}

static enum err operations_key_rotate(struct req *rq)
{
	return renew(rq, arena_fmt(&rq->tx.arena, "%lld", req_int(rq, "grace_hours")), "key.rotate");
}

static enum err operations_key_roll(struct req *rq)
{
	return renew(rq, "0", "key.roll");
}

static enum err operations_key_revoke(struct req *rq)
{
	return then(rq, &q_operations_key_revoke, &q_operations_key_revoked);
}
