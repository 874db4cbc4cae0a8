/*
 * Signing in with Google.
 *
 * The page of the tenant's that is to get the tokens asks for a URL, and sends
 * the browser there.  Google sends it back to our callback, which exchanges the
 * code and sends it on to the page: with tokens behind '#', where no server
 * sees them, or with ?error=.
 *
 * All that the callback knows of the flow is in "state", signed, and valid for
 * ten minutes: tenant, page, and a random part that PKCE's verifier and the ID
 * token's nonce are made of (providers/google.h).  It is not tied to the browser
 * that began: the page is another site's, and gets no cookie of ours to come
 * back.  Hence a user can be brought to sign in as another one, as with any
 * link that signs in; a page that minds tells whose account it shows.
 */
#include <json-c/json.h>

#include "build/sql/identity/oauth.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/req.h"
#include "fcgi/share.h"
#include "handlers/identity/session.h"
#include "handlers/shapes.h"
#include "lib/base/base64.h"
#include "lib/base/email.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/base/qs.h"
#include "lib/crypto/seal.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "providers/google.h"

enum {
	STATE_TTL_S = 600,
	MAX_PAYLOAD = 2900, /* what a state has room for */
};

static const char *const google = "google"; /* the provider, the way of signing in, and the state's purpose */

/* clang-format off */
static const char *const provider_names[] = { "google", NULL };

static const struct field provider_out[] = {
	{ "provider", F_ENUM, 0, .values = provider_names },
	{ "name",     F_TEXT, 0, .example = "Google" },
	FIELD_END
};

static const struct field url_in[] = {
	{ "redirect_uri", F_URL, F_REQUIRED, .example = "https://app.example.com/signed-in",
	  .about = "the page that gets the tokens; exactly one of those that the tenant has configured" },
	FIELD_END
};

static const struct field url_out[] = {
	{ "authorization_url", F_URL, 0, .about = "where to send the browser",
	  .example = "https://accounts.google.com/o/oauth2/v2/auth?response_type=code&client_id=1234" },
	FIELD_END
};

static const struct field callback_in[] = {
	{ "state", F_TEXT, 0, .about = "as it was in authorization_url; required" },
	{ "code",  F_TEXT, 0, .about = "of a sign-in" },
	{ "error", F_TEXT, 0, .about = "instead of it, for instance access_denied" },
	FIELD_END
};

static const struct shape provider_shape = { "AuthProvider", provider_out };
static const struct shape url_shape = { "AuthorizationUrl", url_out };
/* clang-format on */

static const char *callback_url(struct req *rq)
{
	return arena_fmt(&rq->tx.arena, "%s/api/v1/auth/google/callback", cfg.public_url);
}

/* The state's payload, and the flow's binding: no two are the same. */
static const char *payload_of(struct req *rq, const char *tenant, const char *redirect_uri)
{
	unsigned char random[16];
	char nonce[sizeof(random) * 4 / 3 + 3];
	struct buf b;

	secret_random(random, sizeof(random));
	base64_url_encode(random, sizeof(random), nonce);
	buf_init(&b, &rq->tx.arena, 512);
	buf_char(&b, '{');
	jx_key(&b, "tenant"), jx_str(&b, tenant);
	jx_key(&b, "redirect_uri"), jx_str(&b, redirect_uri);
	jx_key(&b, "nonce"), jx_str(&b, nonce);
	buf_char(&b, '}');
	return buf_str(&b);
}

static enum err google_url(struct req *rq)
{
	const char *redirect_uri = req_text(rq, "redirect_uri"), *payload, *state, *url;
	struct google_flow flow = { .callback = callback_url(rq) };
	PGresult *res;
	struct buf *b;
	enum err rc;

	req_set(rq, "provider", google);
	rc = tx_call(&rq->tx, &q_oauth_client, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res) || !column_bool(res, 0, "is_enabled"))
		return req_fail(rq, ERR_NOT_FOUND, "signing in with Google is not enabled");
	payload = payload_of(rq, column_text(res, 0, "tenant"), redirect_uri);
	if (!column_bool(res, 0, "is_allowed") || strlen(payload) > MAX_PAYLOAD)
		return req_fail_field(rq, ERR_BAD_REQUEST, "redirect_uri",
				      "redirect_uri must be one of those that are configured for Google, "
				      "character by character");
	flow.client_id = column_text(res, 0, "client_id");
	flow.binding = payload;
	state = ticket_state_sign(&rq->tx.arena, google, payload, STATE_TTL_S);
	url = state ? google_authorization_url(&rq->tx.arena, &flow, state) : NULL;
	if (!url)
		return req_fail_inside(rq, ERR_UNAVAILABLE, "there is no JWT_SECRET to sign a state with");
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key(b, "authorization_url"), jx_str(b, url);
	buf_char(b, '}');
	return answer_close(rq);
}

/* Back to the page with what the user is to read; why goes to the log. */
static enum err go_back_failed(struct req *rq, const char *page, const char *description, const char *reason)
{
	struct buf url;

	if (reason)
		log_msg(LOG_WARNING, &rq->tx.log, "signing in with Google failed: %s", reason);
	buf_init(&url, &rq->tx.arena, 512);
	buf_text(&url, page);
	if (!strchr(page, '?'))
		buf_char(&url, '?');
	qs_add(&url, "error", "oauth_failed");
	qs_add(&url, "error_description", description);
	return answer_redirect(rq, buf_str(&url));
}

static enum err go_back(struct req *rq, const char *page, const struct tokens *t)
{
	struct buf url;

	buf_init(&url, &rq->tx.arena, 2048);
	buf_text(&url, page);
	buf_char(&url, '#');
	qs_add(&url, "access_token", t->access);
	qs_add(&url, "refresh_token", t->refresh);
	qs_add(&url, "expires_in", arena_fmt(&rq->tx.arena, "%lld", t->expires_in));
	return answer_redirect(rq, buf_str(&url));
}

static enum err refuse_state(struct req *rq)
{
	return req_fail(rq, ERR_TICKET, "the state is missing, forged or expired; begin again");
}

static const char *member(struct json_object *object, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(object, name, &value) ? json_object_get_string(value) : NULL;
}

/*
 * Read what the flow needs: its tenant from the signed state, and what that
 * tenant is at Google from the database.  *page is not an open redirect: it was
 * the tenant's when the flow began, and must be still.
 */
static enum err flow_read(struct req *rq, struct google_flow *flow, const char **page, bool *is_enabled)
{
	const char *state = req_text(rq, "state"), *problem, *began, *tenant, *sealed;
	const char *payload = state ? ticket_state_verify(&rq->tx.arena, google, state) : NULL;
	struct json_object *said;
	PGresult *res;
	enum err rc;

	if (!payload || json_read(&rq->tx.arena, payload, strlen(payload), &said, &problem))
		return refuse_state(rq);
	began = member(said, "redirect_uri");
	tenant = member(said, "tenant");
	if (!began || !tenant)
		return refuse_state(rq);
	*page = began;
	auth_act_for(rq, tenant);
	rc = share_take(rq);
	if (rc)
		return rc;
	req_set(rq, "provider", google);
	req_set(rq, "redirect_uri", *page);
	rc = tx_call(&rq->tx, &q_oauth_client, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res) || !column_bool(res, 0, "is_allowed"))
		return req_fail(rq, ERR_TICKET, "the page that began this is not allowed any more");
	*is_enabled = column_bool(res, 0, "is_enabled");
	if (!*is_enabled)
		return ERR_OK;
	sealed = column_text(res, 0, "client_secret_sealed");
	*flow = (struct google_flow){
		.client_id = arena_dup(&rq->tx.arena, column_text(res, 0, "client_id")),
		.client_secret = seal_open(&rq->tx.arena, "oauth", rq->who.tenant_id, sealed),
		.callback = callback_url(rq),
		.binding = payload,
	};
	if (!flow->client_secret)
		return req_fail_inside(rq, ERR_INTERNAL,
				       "the client secret of the tenant does not open: is its key in "
				       "ENCRYPTION_KEYS?");
	return ERR_OK;
}

/* Find or make the user, and sign them in.  *refusal: why not, for the user. */
static enum err user_sign_in(struct req *rq, const struct google_user *user, struct tokens *out,
			     const char **refusal)
{
	struct email email = { NULL };
	const char *why;
	PGresult *res;
	enum err rc;

	if (user->email)
		email_find(&rq->tx.arena, user->email, &email);
	req_set(rq, "issuer", cfg.google_issuer);
	req_set(rq, "subject", user->subject);
	req_set(rq, "email", email.address);
	req_set(rq, "is_verified", user->is_email_verified ? "true" : "false");
	req_set(rq, "full_name", user->name);
	req_set(rq, "avatar_url", user->picture);
	rc = tx_call(&rq->tx, &q_oauth_sign_in, false, &res);
	if (rc)
		return rc;
	why = column_text(res, 0, "refusal");
	if (why) {
		*refusal = !strcmp(why, "unverified") ? "Google has not verified this e-mail address"
						      : "this account is not active";
		return tx_finish(&rq->tx, true);
	}
	/* No second factor of ours: Google has asked for what it wants, as a passkey's device does. */
	return session_open(
		rq,
		&(struct signin){ .user = arena_dup(&rq->tx.arena, column_text(res, 0, "user_id")),
				  .method = google },
		out);
}

static enum err google_callback(struct req *rq)
{
	const char *error = req_text(rq, "error"), *code = req_text(rq, "code");
	const char *page = "", *reason = NULL, *refusal = NULL;
	int nheaders = rq->answer.nheaders;
	bool is_enabled = false;
	struct google_flow flow;
	struct google_user user;
	struct tokens tokens;
	enum err rc = flow_read(rq, &flow, &page, &is_enabled);

	if (rc)
		return rc;
	if (!is_enabled)
		return go_back_failed(rq, page, "signing in with Google is not enabled", NULL);
	if (error && !strcmp(error, "access_denied"))
		return go_back_failed(rq, page, "the sign-in was cancelled", NULL);
	if (error || !code || !*code)
		return go_back_failed(rq, page, "Google has refused the sign-in", NULL);

	/* Google may take its time, and no connection should wait with us. */
	db_close();
	rc = google_sign_in(&rq->tx.arena, &flow, code, &user, &reason);
	if (rc)
		return go_back_failed(rq, page,
				      rc == ERR_AUTHENTICATION
					      ? "Google does not confirm the sign-in; try again"
					      : "Google cannot be reached; try again later",
				      reason);
	rc = user_sign_in(rq, &user, &tokens, &refusal);
	if (!rc)
		return refusal ? go_back_failed(rq, page, refusal, NULL) : go_back(rq, page, &tokens);

	/* The browser is to end where its user can go on, whatever went wrong: the code is used up. */
	refusal = rc == ERR_AUTHENTICATION ? "this account is not active"
					   : "something went wrong on our side; try again";
	reason = failure_reason(&rq->tx.fail);
	rq->tx.fail = (struct failure){ ERR_OK };
	rq->answer.nheaders = nheaders;
	return go_back_failed(rq, page, refusal, reason ? reason : "see above");
}

static const enum err url_errors[] = { ERR_NOT_FOUND, ERR_OK };
static const enum err callback_errors[] = { ERR_TICKET, ERR_OK };

/* clang-format off */
const struct route oauth_routes[] = {
	{ GET, "/api/v1/auth/providers", "platform.identity.providers", &by_anyone_with_key, "Which buttons does the sign-in page show?",
	  "Those that the tenant has set up and enabled; perhaps none.",
	  .out = &provider_shape, .list = &unwrapped, .items = "providers", .sql = &q_oauth_providers_list },
	{ GET, "/api/v1/auth/google/url", "platform.identity.google_url", &by_anyone_with_key, "Begin to sign in with Google",
	  "Send the browser to authorization_url; it comes back to redirect_uri within ten minutes. 404 when Google is not enabled, "
	  "400 when redirect_uri is not configured.",
	  .needs = { "Google, set up and enabled", ERR_NOT_FOUND }, .query = url_in, .out = &url_shape, .errors = url_errors, .run = google_url },
	{ GET, "/api/v1/auth/google/callback", "platform.identity.google_callback", &by_anyone, "Come back from Google",
	  "Called by Google through the browser, and by nobody else. Redirects to redirect_uri: with #access_token=, &refresh_token= and "
	  "&expires_in= in the fragment, or with ?error=oauth_failed and &error_description= in the query. Where the state cannot be "
	  "trusted there is nowhere to redirect to: 400 TOKEN_INVALID.",
	  .needs = { "a state that Google brings back", ERR_TICKET }, .flags = SLOW | WRITES | OPEN_QUERY, .query = callback_in, .errors = callback_errors, .run = google_callback, .redirect = true },
	ROUTE_END
};
/* clang-format on */
