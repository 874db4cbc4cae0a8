/*
 * A tenant's settings, and the sign-in providers that it has set up.  Test mode
 * has its own.
 */
#include <json-c/json.h>

#include "build/sql/tenancy/settings.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"
#include "handlers/tenancy/origin.h"
#include "lib/crypto/seal.h"
#include "lib/db/column.h"

/* clang-format off */
static const char *const providers[] = { "google", NULL };

enum { MAX_REDIRECT_URIS = 50 };

static const struct field provider[] = {
	{ "provider",          F_ENUM,     OUT, .values = providers },
	{ "name",              F_TEXT,     OUT, .example = "Google" },
	{ "is_enabled",        F_BOOL,     OUT | SET | F_REQUIRED, .about = "true needs all three of the others, sent now or before" },
	{ "client_id",         F_TEXT,     OUT | SET | F_NULL_OUT, .min = 1, .max = 255, .example = "1234.apps.googleusercontent.com" },
	{ "client_secret",     F_TEXT,     SET, .min = 1, .max = 1024, .about = "stored encrypted, and kept when left out", .example = "GOCSPX-1234" },
	{ "has_client_secret", F_BOOL,     OUT, .about = "the secret itself is never shown" },
	{ "redirect_uris",     F_LIST,     OUT | SET, .max = MAX_REDIRECT_URIS, .item = F_URL, .example = "[\"https://app.example.com/signed-in\"]",
	  .about = "all pages that sign-in may come back to, compared exactly; https, but for localhost" },
	{ "callback_url",      F_URL,      OUT, .about = "to be entered at the provider", .example = "https://api.example.com/api/v1/auth/google/callback" },
	{ "updated_at",        F_DATETIME, OUT | F_NULL },
	FIELD_END
};

static const struct field settings[] = {
	{ "tenant_id",                   F_UUID,  OUT },
	{ "name",                        F_TEXT,  OUT | SET,          .min = 1, .max = 255, .example = "Acme" },
	{ "slug",                        F_SLUG,  OUT,                .example = "acme" },
	{ "support_email",               F_EMAIL, OUT | SET | F_NULL, .example = "help@example.com" },
	{ "email_from_name",             F_TEXT,  OUT | SET | F_NULL, .max = 100, .example = "Acme" },
	{ "logo_url",                    F_URL,   OUT | SET | F_NULL, .about = "shown in mails", .example = "https://example.com/logo.png" },
	{ "brand_color",                 F_COLOR, OUT | SET | F_NULL, .about = "of mails: # and six hexadecimal digits", .example = "#1a73e8" },
	{ "email_verification_required", F_BOOL,  OUT | SET,          .about = "who registers gets no tokens before a mailed link was followed" },
	{ "refresh_token_rotation",      F_BOOL,  OUT | SET,          .about = "true: refreshing answers with the next refresh token, and an older one that is shown ends the session; recommended" },
	{ "verification_url",            F_URL,   OUT | SET | F_NULL | F_PAGE, .about = "the page that mails lead to, with ?token=; null: our own", .example = "https://app.example.com/verify" },
	{ "password_reset_url",          F_URL,   OUT | SET | F_NULL | F_PAGE, .about = "the same, for a new password", .example = "https://app.example.com/reset" },
	{ "invitation_url",              F_URL,   OUT | SET | F_NULL | F_PAGE, .about = "the same, for invitations to organizations", .example = "https://app.example.com/join" },
	{ "webauthn_rp_id",              F_TEXT,  OUT | SET | F_NULL, .min = 1, .max = 253, .about = "the domain that passkeys are bound to; null: the host of the page", .example = "example.com" },
	{ "default_plan_id",             F_UUID,  OUT | SET | F_NULL | F_RARE, .about = "an active free plan, for whoever has none", .example = "plan" },
	{ "oauth_providers",             F_LIST,  OUT,                .fields = provider, .about = "all that there are, configured or not" },
	{ "created_at",                  F_DATETIME, OUT },
	{ "updated_at",                  F_DATETIME, OUT },
	FIELD_END
};

static const struct field provider_path[] = {
	{ "provider", F_ENUM, F_REQUIRED, .values = providers },
	FIELD_END
};

static const struct shape settings_shape = { "TenantSettings", settings };
static const struct shape provider_shape = { "OAuthProviderConfig", provider };

static const struct constraint provider_constraints[] = {
	{ "oauth_providers_enabled_complete", ERR_VALIDATION, "is_enabled",
	  "a provider that is enabled needs client_id, client_secret and at least one of redirect_uris" },
	{ NULL },
};
/* clang-format on */

/* example.com: what a passkey can be bound to; no address, no port. */
static bool is_domain(const char *text)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
	size_t n = strlen(text);

	return strspn(text, chars) == n && !strchr("-.", *text) && !strchr("-.", text[n - 1]) &&
	       !strstr(text, "..") && text[strspn(text, "0123456789.")];
}

static enum err settings_update(struct req *rq)
{
	const char *rp_id = req_text(rq, "webauthn_rp_id");
	PGresult *res;
	enum err rc;

	if (rp_id && !is_domain(rp_id))
		return req_fail_field(rq, ERR_VALIDATION, "webauthn_rp_id",
				      "passkeys are bound to a domain, as in example.com");
	rc = tx_call(&rq->tx, &q_settings_update, false, &res);
	return rc ? rc : answer_rows(rq, &q_settings_get);
}

static enum err oauth_provider_put(struct req *rq)
{
	const struct value *uris = req_value(rq, "redirect_uris");
	const char *secret = req_text(rq, "client_secret"), *sealed = NULL;
	size_t n = uris->json ? json_object_array_length(uris->json) : 0;
	PGresult *res;
	enum err rc;

	for (size_t i = 0; i < n; i++) {
		const char *problem = origin_redirect_problem(
			&rq->tx.arena, json_object_get_string(json_object_array_get_idx(uris->json, i)));

		if (problem)
			return req_fail_field(rq, ERR_VALIDATION, "redirect_uris", "%s", problem);
	}
	rc = tx_call(&rq->tx, &q_settings_lock, false, &res);
	if (rc)
		return rc;
	if (secret) {
		/* Of the tenant that enter() has chosen: the test mode's is another one. */
		sealed = seal_text(&rq->tx.arena, "oauth", column_text(res, 0, "tenant"), secret);
		if (!sealed)
			return req_fail_inside(rq, ERR_UNAVAILABLE, "no key to seal a client secret with");
	}
	req_set(rq, "client_secret_sealed", sealed);
	return answer_rows(rq, &q_oauth_provider_put);
}

/* clang-format off */
const struct route settings_routes[] = {
	{ GET, "/api/v1/dashboard/settings",                   "platform.admin.get_settings",       &by_team, "Get the settings",
	  .out = &settings_shape, .sql = &q_settings_get },
	{ PUT, "/api/v1/dashboard/settings",                   "platform.admin.update_settings",    &by_team_admin, "Change the settings",
	  .about = "Fields left out keep their value, null clears them. Whoever is signed in stays so when email_verification_required "
		   "becomes true, but can sign in again only with a verified address.",
	  .body = settings, .as = SET, .out = &settings_shape, .sql = &q_settings_get, .run = settings_update, .flags = IF_MATCH },
	{ PUT, "/api/v1/dashboard/oauth-providers/{provider}", "platform.admin.put_oauth_provider", &by_team_admin, "Set up a sign-in provider",
	  .params = provider_path, .body = provider, .as = SET, .out = &provider_shape, .constraints = provider_constraints, .run = oauth_provider_put },
	ROUTE_END
};
/* clang-format on */
