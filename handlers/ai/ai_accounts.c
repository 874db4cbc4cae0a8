/*
 * A tenant's own accounts at providers of language models: a key, and an address where the tenant runs a
 * server of that form.  What is asked for the tenant is asked there then, and not with the installation's
 * key, also where theirs fails.  A key is kept sealed, and shown by its last characters.
 */
#include "handlers/ai/ai_accounts.h"

#include <strings.h>

#include "build/sql/ai/ai_accounts.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"
#include "lib/crypto/seal.h"
#include "lib/db/column.h"
#include "lib/host/config.h"
#include "lib/net/http.h"
#include "providers/ai.h"

#define SEAL "ai_key"

enum { TAIL = 4, MIN_KEY = 8 };

static enum err account_put(struct req *rq);

/* clang-format off */
static const char *const providers[] = { "openai", "anthropic", "perplexity", NULL };

static const struct field account[] = {
	{ "provider",      F_ENUM,     OUT, .values = providers },
	{ "is_enabled",    F_BOOL,     OUT | SET, .about = "false: the installation's account is asked; true when first left out" },
	{ "base_url",      F_URL,      OUT | SET | F_NULL, .max = 2048, .about = "of a server that speaks the provider's form; null: the provider's own", .example = "https://models.acme.example/v1" },
	{ "api_key",       F_TEXT,     SET, .min = MIN_KEY, .max = 1000, .about = "kept when left out", .example = "sk-proj-5WbX5kEW" },
	{ "api_key_last4", F_TEXT,     OUT, .example = "5kEW" },
	{ "created_at",    F_DATETIME, OUT },
	{ "updated_at",    F_DATETIME, OUT },
	FIELD_END
};

static const struct field account_path[] = {
	{ "provider", F_ENUM, F_REQUIRED, .values = providers },
	FIELD_END
};

static const struct shape account_shape = { "AIAccount", account, "AIAccount" };

static const enum err errors[] = { ERR_UNAVAILABLE, ERR_OK };

#define BASE "/api/v1/dashboard/ai/accounts"

const struct route ai_accounts_routes[] = {
	{ GET,    BASE,               "platform.ai.list_ai_accounts",  &by_team, "List the tenant's own accounts at providers of models",
	  .about = "Without one, the installation's key is used.",
	  .out = &account_shape, .list = &unwrapped, .items = "accounts", .sql = &q_ai_account_list },
	{ PUT,    BASE "/{provider}", "platform.ai.put_ai_account",    &by_team_admin, "Set up the tenant's own account at a provider of models",
	  .about = "The key is kept encrypted. Models of the provider are asked with it alone.",
	  .needs = { "an address that is there", ERR_VALIDATION },
	  .params = account_path, .body = account, .as = SET, .out = &account_shape, .errors = errors, .sql = &q_ai_account_get,
	  .run = account_put, .flags = SLOW },
	{ DELETE, BASE "/{provider}", "platform.ai.delete_ai_account", &by_team_admin, "Give up the tenant's own account at a provider of models",
	  .params = account_path, .out = &account_shape, .sql = &q_ai_account_delete, .status = 204 },
	ROUTE_END
};
/* clang-format on */

static enum err check_url(struct req *rq, const char *url)
{
	const char *reason;

	if (strncasecmp(url, "https://", strlen("https://")) != 0 && !config_is_development())
		return req_fail_field(rq, ERR_VALIDATION, "base_url", "this is no https:// URL");
	if (strpbrk(url, "?#"))
		return req_fail_field(rq, ERR_VALIDATION, "base_url",
				      "base_url must not have a query or fragment");
	if (http_check_url(&rq->tx.arena, url, &reason))
		return req_fail_field(rq, ERR_VALIDATION, "base_url", "base_url cannot be used: %s", reason);
	return ERR_OK;
}

/* It becomes a header. */
static bool is_printable(const char *key)
{
	for (; *key; key++)
		if (*key < '!' || *key > '~')
			return false;
	return true;
}

static enum err account_put(struct req *rq)
{
	const char *key = req_text(rq, "api_key"), *url = req_text(rq, "base_url"), *tenant, *sealed = NULL;
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_ai_account_begin, true, &res);

	if (rc)
		return rc;
	tenant = arena_dup(&rq->tx.arena, column_text(res, 0, "tenant"));
	if (key && !is_printable(key))
		return req_fail_field(rq, ERR_VALIDATION, "api_key",
				      "this is no key: it has blanks, or what is not ASCII");
	if (url)
		rc = check_url(rq, url);
	if (rc)
		return rc;
	if (key)
		sealed = seal_text(&rq->tx.arena, SEAL, tenant, key);
	if (key && !sealed)
		return req_fail_inside(rq, ERR_UNAVAILABLE, "no key to seal a provider's key with");
	req_set(rq, "key_sealed", sealed);
	req_set(rq, "key_tail", key ? key + strlen(key) - TAIL : NULL);
	rc = tx_call(&rq->tx, &q_ai_account_put, false, &res);
	return rc ? rc : answer_rows(rq, &q_ai_account_get);
}

enum err ai_accounts_own(struct req *rq, const struct ai_server **own)
{
	struct arena *a = &rq->tx.arena;
	struct ai_server *servers;
	const char *provider;
	size_t n = 0;
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_ai_account_own, false, &res);

	*own = NULL;
	if (rc || !PQntuples(res))
		return rc;
	while (ai_provider_at(n))
		n++;
	servers = arena_alloc(a, n * sizeof(*servers));
	for (int i = 0; i < PQntuples(res); i++) {
		const char *url = column_text(res, i, "base_url"), *key;

		provider = column_text(res, i, "provider");
		key = seal_open(a, SEAL, column_text(res, i, "tenant"), column_text(res, i, "key_sealed"));
		if (!key)
			return failure_retry(&rq->tx.fail, a, ERR_UNAVAILABLE, 3600,
					     "the tenant's key of %s cannot be opened: set it up anew",
					     provider);
		for (size_t k = 0; k < n; k++)
			if (!strcmp(ai_provider_at(k), provider))
				servers[k] = (struct ai_server){ .url = url ? arena_dup(a, url) : NULL,
								 .key = key,
								 .is_users = url };
	}
	*own = servers;
	return ERR_OK;
}
