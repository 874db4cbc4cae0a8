/*
 * Issuers that a tenant trusts to sign its users in, beside those that are
 * configured for all tenants.
 */
#include "build/sql/tenancy/issuers.h"
#include "lib/crypto/issuer.h"

#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"
#include "lib/crypto/seal.h"
#include "lib/db/column.h"
#include "lib/host/config.h"
#include "lib/net/http.h"

/* clang-format off */
static const struct field issuer[] = {
	{ "id",              F_UUID, OUT },
	{ "name",            F_TEXT, OUT | NEW | SET | NEEDED, .min = 1, .max = 100, .example = "Our login" },
	{ "issuer",          F_TEXT, OUT | NEW | SET | NEEDED, .min = 1, .max = ISSUER_MAX_NAME,
	  .about = "what its tokens have in \"iss\", letter by letter", .example = "https://login.acme.example" },
	{ "jwks_url",        F_URL,  OUT | NEW | SET | F_NULL_OUT, .max = JWKS_MAX_URL,
	  .about = "where its key set is (RS256, ES256, EdDSA)", .example = "https://login.acme.example/jwks.json" },
	{ "secret",          F_TEXT, NEW | SET | F_RARE, .min = ISSUER_MIN_SECRET, .max = 1024, .example = "an-example-of-at-least-32-characters", .about = "what it signs with (HS256); kept sealed and never shown" },
	{ "has_secret",      F_BOOL, OUT },
	{ "audience",        F_TEXT, OUT | NEW | SET | F_NULL, .min = 1, .max = ISSUER_MAX_AUDIENCE,
	  .about = "what its tokens must have in \"aud\"; null: anything", .example = "authenticated" },
	{ "email_claim",     F_TEXT, OUT | NEW | SET, .min = 1, .max = ISSUER_MAX_CLAIM, .def = "email",
	  .about = "the claim with the user's e-mail address; dots lead into objects", .example = "email" },
	{ "role_claim",      F_TEXT, OUT | NEW | SET | F_NULL, .min = 1, .max = ISSUER_MAX_CLAIM,
	  .about = "the claim with the user's role, a string or a list of them; null: roles are ours to give", .example = "app_metadata.role" },
	{ "max_role",        F_ENUM, OUT | NEW | SET, .values = user_roles_of_issuers, .def = "admin", .about = "the highest role that its tokens can give" },
	{ "is_enabled",      F_BOOL, OUT | NEW | SET, .def = "true", .about = "false: its tokens are refused, within a minute" },
	{ "keys_fetched_at", F_DATETIME, OUT | F_NULL, .about = "when the key set was last fetched" },
	{ "keys_failure",    F_TEXT, OUT | F_NULL, .about = "why the last fetch failed; null: it did not" },
	{ "created_at",      F_DATETIME, OUT },
	{ "updated_at",      F_DATETIME, OUT },
	FIELD_END
};

static const struct shape issuer_shape = { "TrustedIssuer", issuer };

static const struct choice one_key = { CHOICE_ONE, { WAY("jwks_url"), WAY("secret") } };
static const struct choice most_one_key = { CHOICE_MOST, { WAY("jwks_url"), WAY("secret") } };

static const struct constraint constraints[] = {
	{ "tenant_issuers_issuer_unique", ERR_CONFLICT,   "issuer",   "this issuer is there already" },
	{ "tenant_issuers_one_key",       ERR_VALIDATION, "jwks_url", "give either jwks_url or secret" },
	{ NULL }
};
/* clang-format on */

/* Would it be fetched?  The housekeeper does so later, again and again, under the same guard. */
static enum err check_url(struct req *rq, const char *url)
{
	const char *reason;

	if (strncmp(url, "https://", 8) && !config_is_development())
		return req_fail_field(rq, ERR_VALIDATION, "jwks_url", "jwks_url must be an https:// URL");
	if (http_check_url(&rq->tx.arena, url, &reason))
		return req_fail_field(rq, ERR_VALIDATION, "jwks_url", "jwks_url cannot be used: %s", reason);
	return ERR_OK;
}

/*
 * Check and seal what came, then write it.  First the caller is let in and the
 * tenant found, which may be the test mode's; resolving a name takes time, so
 * that transaction ends before.
 */
static enum err issuer_write(struct req *rq)
{
	const char *url = req_text(rq, "jwks_url"), *secret = req_text(rq, "secret"),
		   *name = req_text(rq, "issuer"), *tenant;
	char *sealed = NULL;
	PGresult *res;
	enum err rc;

	rc = tx_call(&rq->tx, &q_issuer_tenant, true, &res);
	if (rc)
		return rc;
	tenant = column_text(res, 0, "tenant");
	if (name && issuer_find(name))
		return req_fail_field(rq, ERR_CONFLICT, "issuer",
				      "this issuer is configured for all tenants");
	rc = url ? check_url(rq, url) : ERR_OK;
	if (rc)
		return rc;
	if (secret) {
		sealed = seal_text(&rq->tx.arena, "issuer", tenant, secret);
		if (!sealed)
			return req_fail(rq, ERR_UNAVAILABLE,
					"secrets cannot be kept: ENCRYPTION_KEYS is not set");
	}
	req_set(rq, "secret_sealed", sealed);
	return answer_rows(rq, rq->asked.route->sql);
}

/* clang-format off */
const struct route issuer_routes[] = {
	{ GET,    "/api/v1/dashboard/issuers",             "platform.admin.issuer_list",   &by_team, "List trusted issuers",
	  .about = "Whose tokens sign the tenant's users in, beside the issuers that are configured for all tenants; at most 10.",
	  .out = &issuer_shape, .list = &unwrapped, .items = "issuers", .sql = &q_issuer_list },
	{ POST,   "/api/v1/dashboard/issuers",             "platform.admin.issuer_create", &by_team_admin, "Trust an issuer",
	  .about = "By its key set's URL, or its shared secret. The URL must lead to a public address.",
	  .needs = { "a URL that DNS knows", ERR_VALIDATION }, .body = issuer, .as = NEW, .choice = &one_key, .out = &issuer_shape, .constraints = constraints,
	  .sql = &q_issuer_create, .run = issuer_write, .flags = SLOW },
	{ PUT,    "/api/v1/dashboard/issuers/{issuer_id}", "platform.admin.issuer_update", &by_team_admin, "Change a trusted issuer",
	  .about = "Fields left out keep their value. A jwks_url replaces a secret, and a secret a jwks_url.",
	  .needs = { "a URL that DNS knows", ERR_VALIDATION }, .body = issuer, .as = SET, .choice = &most_one_key, .out = &issuer_shape, .constraints = constraints,
	  .sql = &q_issuer_update, .run = issuer_write, .flags = SLOW },
	{ DELETE, "/api/v1/dashboard/issuers/{issuer_id}", "platform.admin.issuer_delete", &by_team_admin, "Stop trusting an issuer",
	  .about = "Its tokens are refused within a minute; the users that it brought stay.",
	  .out = &issuer_shape, .sql = &q_issuer_delete, .status = 204 },
	ROUTE_END
};
/* clang-format on */
