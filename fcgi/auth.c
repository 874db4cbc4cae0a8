#include "fcgi/auth.h"

#include <strings.h>
#include <time.h>

#include "build/sql/integrations/realtime.h"
#include "build/sql/runtime/runtime.h"
#include "fcgi/answer.h"
#include "fcgi/config.h"
#include "fcgi/db.h"
#include "fcgi/email.h"
#include "fcgi/key_use.h"
#include "fcgi/limit.h"
#include "fcgi/req.h"
#include "fcgi/secret.h"
#include "fcgi/shm.h"
#include "fcgi/ticket.h"
#include "fcgi/tok.h"

/* Classes of rate-limit keys: an address must never collide with a user by spelling. */
enum { KEY_ADDRESS = 1, KEY_BEARER, KEY_SECRET };

/*
 * Whose budget?  Tenants count apart, and the tenant is known before anybody has
 * asked the database by the token, or else by the key: not by one that no request
 * has shown to be one, or whoever makes keys up makes budgets up.
 */
static uint64_t budgets_of(const struct req *rq, uint64_t class, const char *tenant)
{
	const char *key = rq->who.api_key;

	if (!tenant && key && key_use_was_good(key))
		tenant = key;
	return shm_hash(class, tenant ? tenant : DEFAULT_TENANT);
}

static uint64_t budget_of_address(const struct req *rq)
{
	return shm_hash_address(budgets_of(rq, KEY_ADDRESS, NULL), rq->ip);
}

static uint64_t budget_of_user(const struct req *rq, const char *tenant)
{
	return shm_hash(shm_hash(budgets_of(rq, KEY_BEARER, tenant), rq->who.issuer), rq->who.subject);
}

/* (pk|sk)_(live|test)_ and 32 letters and digits */
static bool is_api_key(const char *text)
{
	static const char alnum[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	return (text[0] == 'p' || text[0] == 's') && !strncmp(text + 1, "k_", 2) &&
	       (!strncmp(text + 3, "live_", 5) || !strncmp(text + 3, "test_", 5)) &&
	       strspn(text + 8, alnum) == 32 && !text[40];
}

/* A key is a credential of its own: who.kind says BEARER once there is a token beside it. */
static enum err api_key(struct req *rq, const char *text)
{
	if (!is_api_key(text))
		return req_fail(rq, ERR_API_KEY, NULL);
	rq->who.kind = API_KEY;
	rq->who.tenant_id = NULL;
	rq->who.api_key = sha256_hex(&rq->arena, text);
	rq->who.is_secret = text[0] == 's';
	return ERR_OK;
}

/*
 * A page sends its public key along wherever it calls.  Where a row asks for
 * none, a bad one is no reason to refuse and a good one opens nothing: it only
 * says whose pages may read the answer, unless CORS_ORIGINS has said so already.
 */
static bool opens_nothing(const struct req *rq, const char *key)
{
	return key && !strncmp(key, "pk_", 3) && !route_takes_key(rq->route);
}

static void lay_aside(struct req *rq, const char *key)
{
	if (is_api_key(key) && req_header(rq, "Origin") && !answer_origin(rq))
		rq->who.page_key = sha256_hex(&rq->arena, key);
}

/*
 * A token that got into other hands, or a browser left open, must not become a way
 * in that stays.  Who acts as the user has not signed in as one: the handler says so.
 */
static enum err check_age(struct req *rq, const struct claims *c)
{
	if (!(rq->route->flags & RECENT) || c->actor || time(NULL) - c->auth_at <= cfg.recent_sign_in_s)
		return ERR_OK;
	req_fail(rq, ERR_SIGN_IN_AGE, NULL);
	rq->fail.details = arena_fmt(&rq->arena, "\"max_age\":%ld", cfg.recent_sign_in_s);
	return ERR_SIGN_IN_AGE;
}

static enum err bearer(struct req *rq, const char *header)
{
	struct claims c;
	enum err rc;

	if (strncasecmp(header, "Bearer ", 7))
		return req_fail(rq, ERR_AUTHENTICATION, "Authorization must be: Bearer <token>");
	header += 7;
	header += strspn(header, " ");
	rc = tok_verify(rq, header, &c);
	if (rc)
		return rc;
	if (c.team != route_is_team(rq->route)) {
		req_fail(rq, ERR_AUTHENTICATION,
			 c.team ? "a team user's token is for the dashboard only"
				: "the dashboard takes a team user's token only");
		rq->fail.reason = "another ctx";
		return ERR_AUTHENTICATION;
	}
	rq->who.kind = BEARER;
	rq->who.issuer = c.issuer;
	rq->who.subject = c.subject;
	rq->who.session = c.session;
	rq->who.email = c.email;
	rq->who.role = c.own ? NULL : c.role;
	rq->who.actor = c.actor;
	rq->who.is_team = c.team;
	rq->who.expires_s = c.exp;
	rq->who.generation = c.generation;
	if (c.tenant_id)
		rq->who.tenant_id = c.tenant_id;
	/* Another issuer's token is for the tenant that the key tells. */
	if (c.own && opens_nothing(rq, req_header(rq, "X-API-Key"))) {
		rq->who.api_key = NULL;
		lay_aside(rq, req_header(rq, "X-API-Key"));
	}
	rq->who.key = budget_of_user(rq, c.tenant_id);
	return check_age(rq, &c);
}

/* A ticket is worth the credentials that it was made with; enter() asks whether they still stand. */
static enum err by_ticket(struct req *rq, const char *text)
{
	const char *params[2];
	const char *issuer;
	PGresult *res;
	enum err rc = ERR_OK;

	if (!ticket_parse(&rq->arena, text, &params[0], &params[1]))
		return req_fail(rq, ERR_AUTHENTICATION, "the ticket is none of ours");
	res = db_outside(&q_realtime_ticket_redeem, params);
	if (!res) {
		req_set_header(rq, "Retry-After", "1");
		return req_fail_inside(rq, ERR_UNAVAILABLE, "the ticket could not be looked at");
	}
	if (PQntuples(res)) {
		const char *session = db_text(res, 0, "session_id");

		issuer = session ? cfg.jwt_issuer : db_text(res, 0, "issuer");
		rq->who.kind = BEARER;
		rq->who.tenant_id = params[0];
		rq->who.session = session ? arena_dup(&rq->arena, session) : NULL;
		rq->who.issuer = arena_dup(&rq->arena, issuer);
		rq->who.subject = arena_dup(&rq->arena, db_text(res, 0, session ? "public_id" : "subject"));
		rq->who.expires_s = db_int(res, 0, "end_at");
		rq->who.key = budget_of_user(rq, params[0]);
	} else {
		rc = req_fail(rq, ERR_AUTHENTICATION, "the ticket was used, or is older than 30 seconds");
	}
	PQclear(res);
	return rc;
}

static enum err check_key(struct req *rq)
{
	const struct route *r = rq->route;
	const char *text = req_header(rq, "X-API-Key");
	enum err rc;

	if (!text)
		return route_takes_key(r) && !(r->flags & KEYLESS) ? req_fail(rq, ERR_API_KEY, NULL) : ERR_OK;
	if (opens_nothing(rq, text) && !is_api_key(text))
		return ERR_OK;
	rc = api_key(rq, text);
	if (!rc && (r->access == SECRET_KEY || r->access == SECRET_USER) && !rq->who.is_secret)
		return req_fail(rq, ERR_AUTHORIZATION, "this needs a secret key");
	return rc;
}

/*
 * Where no token is needed none is read, so that an expired one, which client
 * libraries send along, does no harm.
 */
static enum err check_token(struct req *rq)
{
	const struct route *r = rq->route;
	bool key_will_do = r->access == KEY_OR_USER || r->access == USER_OR_KEY;
	const char *authorization;

	if (r->access == SECRET_KEY || (r->access == KEY && !(r->flags & TOKEN_TOO)) ||
	    (key_will_do && rq->who.is_secret))
		return ERR_OK;
	if (r->flags & REALTIME && req_param(rq, "REALTIME_TICKET"))
		return by_ticket(rq, req_param(rq, "REALTIME_TICKET"));
	authorization = req_header(rq, "Authorization");
	if (authorization && r->access == USER_OR_KEY && !rq->who.api_key &&
	    !strncasecmp(authorization, "Bearer sk_", strlen("Bearer sk_")))
		return api_key(rq, authorization + strlen("Bearer "));
	if (authorization)
		return bearer(rq, authorization);
	return r->access == KEY ? ERR_OK : req_fail(rq, ERR_AUTHENTICATION, NULL);
}

static enum err check_test_mode(struct req *rq)
{
	bool has_test_mode = route_is_team(rq->route) && !(rq->route->flags & ONE_MODE);
	const char *text = has_test_mode ? req_header(rq, "X-Test-Mode") : NULL;

	rq->who.is_test = text && (!strcmp(text, "true") || !strcmp(text, "1"));
	if (!text || rq->who.is_test || !strcmp(text, "false") || !strcmp(text, "0"))
		return ERR_OK;
	return req_fail_field(rq, ERR_BAD_REQUEST, "X-Test-Mode", "X-Test-Mode must be true or false");
}

enum err auth_check(struct req *rq)
{
	enum err rc;

	rq->who = (struct principal){ .kind = ANONYMOUS, .tenant_id = DEFAULT_TENANT };
	rq->who.key = budget_of_address(rq);
	if (!rq->route)
		return ERR_OK;
	if (rq->route->access == PUBLIC) {
		if (opens_nothing(rq, req_header(rq, "X-API-Key")))
			lay_aside(rq, req_header(rq, "X-API-Key"));
		return ERR_OK;
	}
	rc = check_key(rq);
	rq->who.key = budget_of_address(rq);
	if (!rc)
		rc = check_token(rq);
	if (!rc)
		rc = check_test_mode(rq);
	if (rc) {
		rq->who.kind = ANONYMOUS;
	} else if (rq->who.kind == API_KEY && rq->who.is_secret) {
		rq->who.is_counted_apart = true;
		rq->who.key = shm_hash(KEY_SECRET, rq->who.api_key);
	}
	return rc;
}

bool auth_provision(struct req *rq)
{
	const struct query *q = &q_user_provision;
	struct email email = { NULL };
	const char *params[8] = { NULL };
	PGresult *res;

	if (rq->who.email)
		email_find(&rq->arena, rq->who.email, &email);

	for (int i = 0; i < q->nparams; i++) {
		if (!strcmp(q->params[i], "tenant"))
			params[i] = rq->who.tenant_id;
		else if (!strcmp(q->params[i], "issuer"))
			params[i] = rq->who.issuer;
		else if (!strcmp(q->params[i], "subject"))
			params[i] = rq->who.subject;
		else if (!strcmp(q->params[i], "email"))
			params[i] = email.address;
		else if (!strcmp(q->params[i], "email_key"))
			params[i] = email.key;
		else if (!strcmp(q->params[i], "role"))
			params[i] = rq->who.role;
		else if (!strcmp(q->params[i], "key"))
			params[i] = rq->who.api_key;
	}
	res = db_outside(&q_user_provision, params);
	PQclear(res);
	return res;
}
