/*
 * Keys of a workspace, by which its owners' programs read its data (by_workspace_key).  What they let in is
 * enter_workspace_key()'s to say; the tenant's own keys are in api_keys.c.
 */
#include "build/sql/tenancy/workspace_keys.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "handlers/tenancy/key_ranges.h"
#include "lib/crypto/ticket.h"

static enum err workspace_key_create(struct req *rq), workspace_key_update(struct req *rq),
	workspace_key_rotate(struct req *rq);

/* clang-format off */
static const char *const scopes[] = { "data:read", "records:read", "records:write", "activity:read", NULL };
static const struct field each_scope = { "", F_ENUM, 0, .values = scopes };

enum { MAX_RANGES = 50, MAX_GRACE_S = 7 * 24 * 60 * 60 };

#define SCOPES(flags, ...) { "scopes", F_LIST, flags, .item = F_ENUM, .each = &each_scope, .max = 20, .example = "[\"data:read\"]", __VA_ARGS__ }
#define RANGES "[\"192.0.2.0/24\",\"2001:db8::1\"]"

static const struct field workspace_key[] = {
	{ "id",              F_UUID,     OUT },
	{ "name",            F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 255, .example = "Reporting" },
	{ "description",     F_TEXT,     OUT | NEW | SET | F_NULL, .max = 2000, .example = "Fills the warehouse each night" },
	{ "key_prefix",      F_TEXT,     OUT, .about = "how the key begins", .example = "ash_live_q8Zt" },
	SCOPES(OUT | NEW | SET, .about = "what it is for; [\"data:read\"] when left out, and []: all of them"),
	{ "allowed_ranges",  F_LIST,     OUT | NEW | SET, .item = F_TEXT, .max = MAX_RANGES, .example = RANGES,
	  .about = "addresses, or ranges of them, that the key is taken from; []: from all" },
	{ "is_active",       F_BOOL,     OUT | SET, .about = "false: switched off, until it is true again" },
	{ "is_revoked",      F_BOOL,     OUT },
	{ "revoked_at",      F_DATETIME, OUT | F_NULL },
	{ "revoked_by_id",   F_UUID,     OUT | F_NULL, .about = "the member who did; null: one who has left" },
	{ "revoke_reason",   F_TEXT,     OUT | F_NULL, .example = "Was in a log" },
	{ "expires_at",      F_DATETIME, OUT | NEW | F_NULL, .about = "null: never", .example = "2099-12-31T00:00:00Z" },
	{ "last_used_at",    F_DATETIME, OUT | F_NULL, .about = "to a few seconds" },
	{ "usage_count",     F_INT,      OUT, .about = "requests that it let in, but for the last few seconds'" },
	{ "rotated_from_id", F_UUID,     OUT | F_NULL, .about = "the key that it took the place of" },
	{ "created_by_id",   F_UUID,     OUT | F_NULL, .about = "the member who did; null: one who has left" },
	{ "created_at",      F_DATETIME, OUT },
	{ "updated_at",      F_DATETIME, OUT },
	FIELD_END
};

static const struct field with_secret[] = {
	FIELDS_OF(workspace_key),
	{ "key", F_TEXT, OUT, .about = "shown in this answer and never again", .example = "ash_live_q8ZtVw0cUeR2mYb7sKd4NfXh1aLpGi9J0O2Ns3U" },
	FIELD_END
};

static const struct field find_in[] = {
	{ "is_active",  F_BOOL, 0 },
	{ "is_revoked", F_BOOL, 0 },
	FIELD_END
};

static const struct field count_out[] = { { "count", F_INT, 0, .example = "1" }, FIELD_END };

static const struct field key_path[] = { { "api_key_id", F_UUID, 0 }, FIELD_END };

static const struct field revoke_in[] = { { "reason", F_TEXT, F_NULL, .max = 500, .example = "Was in a log" }, FIELD_END };

static const struct field rotate_in[] = {
	{ "grace_seconds", F_INT, 0, .min = 0, .max = MAX_GRACE_S, .def = "0",
	  .about = "how long the old key is taken beside the new one, so that no program stands still; 0: it is revoked at once" },
	FIELD_END
};

static const struct field self_out[] = {
	{ "id",           F_UUID,     0 },
	{ "name",         F_TEXT,     0, .example = "Reporting" },
	{ "key_prefix",   F_TEXT,     0, .example = "ash_live_q8Zt" },
	{ "workspace_id", F_UUID,     0 },
	{ "scopes",       F_LIST,     0, .item = F_TEXT, .about = "what it is for; []: all" },
	{ "expires_at",   F_DATETIME, F_NULL },
	FIELD_END
};

static const struct shape key_shape = { "WorkspaceApiKey", workspace_key, "API key" };
static const struct shape secret_shape = { "WorkspaceApiKeyWithSecret", with_secret, "API key" };
static const struct shape count_shape = { "WorkspaceApiKeyCount", count_out, "API key" };
static const struct shape self_shape = { "WorkspaceApiKeySelf", self_out, "API key" };

static const enum err is_revoked[] = { ERR_CONFLICT, ERR_OK };

#define BASE "/api/v1/api-keys"
#define ONE BASE "/{api_key_id}"

const struct route workspace_key_routes[] = {
	{ GET,    BASE,          "workspace.apikeys.list_api_keys",  &by_member, "List a workspace's API keys", .about = "Newest first; without the keys themselves.",
	  .may = &can_view_api_key, .query = find_in, .out = &key_shape, .list = &sliced, .size = { 100, 500 }, .sql = &q_workspace_key_list },
	{ GET,    BASE "/count", "workspace.apikeys.count_api_keys", &by_member, "Count a workspace's API keys",
	  .may = &can_view_api_key, .query = find_in, .out = &count_shape, .sql = &q_workspace_key_count },
	{ GET,    BASE "/self",  "workspace.apikeys.get_own_key",    &by_workspace_key, "What is this key for?", .about = "As a program asks that has one.",
	  .needs = { "a workspace's key", ERR_API_KEY }, .out = &self_shape, .sql = &q_workspace_key_self },
	{ GET,    ONE,           "workspace.apikeys.get_api_key",    &by_member, "Get a workspace's API key", .about = "Without the key itself.",
	  .may = &can_view_api_key, .params = key_path, .out = &key_shape, .sql = &q_workspace_key_get },
	{ POST,   BASE,          "workspace.apikeys.create_api_key", &by_member, "Make an API key of the workspace", .about = "It is shown in full in this answer only.",
	  .may = &api_key_manager, .body = workspace_key, .as = NEW, .out = &secret_shape, .run = workspace_key_create, .sql = &q_workspace_key_create, .flags = PRIVATE },
	{ PUT,    ONE,           "workspace.apikeys.update_api_key", &by_member, "Change a workspace's API key", .about = "Takes effect at once. The key itself stays: rotate it for another.",
	  .may = &api_key_manager, .params = key_path, .body = workspace_key, .as = SET, .out = &key_shape, .errors = is_revoked, .run = workspace_key_update,
	  .sql = &q_workspace_key_update, .flags = IF_MATCH },
	{ POST,   ONE "/toggle", "workspace.apikeys.toggle_api_key", &by_member, "Switch a workspace's API key off or on", .about = "Takes effect at once.",
	  .may = &api_key_manager, .params = key_path, .out = &key_shape, .errors = is_revoked, .sql = &q_workspace_key_toggle, .status = 200 },
	{ POST,   ONE "/revoke", "workspace.apikeys.revoke_api_key", &by_member, "Revoke a workspace's API key", .about = "Final, and at once; its row stays.",
	  .may = &api_key_manager, .params = key_path, .body = revoke_in, .out = &key_shape, .errors = is_revoked, .sql = &q_workspace_key_revoke, .status = 200 },
	{ POST,   ONE "/rotate", "workspace.apikeys.rotate_api_key", &by_member, "Have another key in the place of one",
	  .about = "The new one is set as the old one, and shown in full in this answer only. Each key is replaced once.",
	  .may = &api_key_manager, .params = key_path, .body = rotate_in, .out = &secret_shape, .errors = is_revoked, .run = workspace_key_rotate,
	  .sql = &q_workspace_key_rotated, .status = 200, .flags = PRIVATE },
	{ DELETE, ONE,           "workspace.apikeys.delete_api_key", &by_member, "Remove a workspace's API key", .about = "For good, and at once: revoking keeps its row.",
	  .may = &api_key_manager, .params = key_path, .out = &key_shape, .sql = &q_workspace_key_delete, .status = 204 },
	ROUTE_END
};
/* clang-format on */

static void make_key(struct req *rq)
{
	const char *key = ticket_workspace_key(&rq->tx.arena);

	req_set(rq, "key_text", key);
	req_set(rq, "key_hash", secret_sha256_hex(&rq->tx.arena, key));
}

static enum err workspace_key_create(struct req *rq)
{
	enum err rc = key_ranges_read(rq, "allowed_ranges");

	if (rc)
		return rc;
	make_key(rq);
	return answer_rows(rq, &q_workspace_key_create);
}

static enum err workspace_key_update(struct req *rq)
{
	enum err rc = key_ranges_read(rq, "allowed_ranges");

	return rc ? rc : answer_rows(rq, &q_workspace_key_update);
}

static enum err workspace_key_rotate(struct req *rq)
{
	PGresult *res;
	enum err rc;

	make_key(rq);
	rc = tx_call(&rq->tx, &q_workspace_key_rotate, false, &res);
	return rc ? rc : answer_rows(rq, &q_workspace_key_rotated);
}
