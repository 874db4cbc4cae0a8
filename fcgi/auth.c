#include "fcgi/auth.h"

#include <assert.h>
#include <strings.h>
#include <time.h>

#include "build/sql/integrations/realtime.h"
#include "build/sql/runtime/doors.h"
#include "build/sql/runtime/runtime.h"
#include "build/sql/traces/sign_up.h"
#include "fcgi/answer.h"
#include "fcgi/key_use.h"
#include "fcgi/req.h"
#include "lib/base/email.h"
#include "lib/base/jx.h"
#include "lib/crypto/issuer.h"
#include "lib/crypto/project_token.h"
#include "lib/crypto/seal.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/ticket.h"
#include "lib/crypto/tok.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/host/address.h"
#include "lib/host/config.h"
#include "lib/host/limit.h"
#include "lib/host/shm.h"
#include "lib/host/span.h"

/* Classes of rate-limit keys: an address must never collide with a user by spelling. */
enum { BUDGET_ADDRESS = 1, BUDGET_BEARER, BUDGET_SECRET, BUDGET_PROJECT };

/*
 * Whose budget?  Tenants count apart, and the tenant is known before the caller has
 * asked the database by the token, or else by the key: not by one that no request
 * has shown to be one, or a client that makes keys up makes budgets up.
 */
static uint64_t budgets_of(const struct req *rq, uint64_t class, const char *tenant)
{
	const char *key = rq->who.api_key;

	if (!tenant && key && key_use_was_good(key))
		tenant = key;
	return shm_hash(class, tenant ? tenant : DEFAULT_TENANT);
}

uint64_t auth_budget_of_address(const struct req *rq)
{
	return shm_hash_address(budgets_of(rq, BUDGET_ADDRESS, NULL), rq->asked.ip);
}

static uint64_t budget_of_user(const struct req *rq, const char *tenant)
{
	return shm_hash(shm_hash(budgets_of(rq, BUDGET_BEARER, tenant), rq->who.issuer), rq->who.subject);
}

/* (pk|sk)_(live|test)_ and 32 letters and digits */
static bool is_api_key(const char *text)
{
	static const char alnum[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	return (text[0] == 'p' || text[0] == 's') && !strncmp(text + 1, "k_", 2) &&
	       (!strncmp(text + 3, "live_", 5) || !strncmp(text + 3, "test_", 5)) &&
	       strspn(text + 8, alnum) == 32 && !text[40];
}

/* Of a workspace, and taken where its rows are alone: of nothing else it says whose it is. */
static enum err workspace_key(struct req *rq, const char *text)
{
	if (!ticket_is_workspace_key(text))
		return req_fail(rq, ERR_API_KEY, "a valid key of a workspace is required as X-API-Key");
	if (rq->asked.route->caller->key != KEY_WORKSPACE)
		return req_fail(rq, ERR_AUTHORIZATION,
				"a workspace's key is for that workspace's data alone");
	rq->who.kind = API_KEY;
	rq->who.tenant_id = NULL;
	rq->who.api_key = secret_sha256_hex(&rq->tx.arena, text);
	rq->who.is_secret = true;
	return ERR_OK;
}

/* A key is a separate credential: who.kind says BEARER once there is a token beside it. */
static enum err api_key(struct req *rq, const char *text)
{
	if (rq->asked.route->caller->key == KEY_WORKSPACE || ticket_is_workspace_key(text))
		return workspace_key(rq, text);
	if (ticket_is_organization_key(text) && rq->asked.route->caller->takes_organization_key)
		rq->who.is_organizations = true;
	else if (!is_api_key(text))
		return req_fail(rq, ERR_API_KEY, NULL);
	rq->who.kind = API_KEY;
	rq->who.tenant_id = NULL;
	rq->who.api_key = secret_sha256_hex(&rq->tx.arena, text);
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
	return key && !strncmp(key, "pk_", 3) && rq->asked.route->caller->key <= KEY_BESIDE;
}

static void lay_aside(struct req *rq, const char *key)
{
	if (is_api_key(key) && req_header(rq, "Origin") && !answer_origin(rq))
		rq->who.page_key = secret_sha256_hex(&rq->tx.arena, key);
}

static enum err bearer(struct req *rq, const char *header)
{
	struct claims c;
	enum err rc;

	if (strncasecmp(header, "Bearer ", 7))
		return req_fail(rq, ERR_AUTHENTICATION, "Authorization must be: Bearer <token>");
	header += 7;
	header += strspn(header, " ");
	rc = tok_verify(&rq->tx.arena, &(struct whose){ rq->who.api_key, rq->who.tenant_id }, header, &c,
			&rq->tx.fail);
	if (rc)
		return rc;
	if (c.team != rq->asked.route->caller->is_team) {
		req_fail(rq, ERR_AUTHENTICATION,
			 c.team ? "a team user's token is for the dashboard only"
				: "the dashboard takes a team user's token only");
		rq->tx.fail.reason = "another ctx";
		return ERR_AUTHENTICATION;
	}
	rq->who.kind = BEARER;
	rq->who.issuer = c.issuer;
	rq->who.subject = c.subject;
	rq->who.session = c.session;
	rq->who.email = c.email;
	rq->who.role = c.own ? NULL : c.role;
	rq->who.actor = c.actor;
	rq->who.workspace = c.workspace;
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
	rq->who.signed_in_s = c.auth_at;
	return ERR_OK;
}

/* A ticket is worth the credentials that it was made with; the door asks whether they still stand. */
static enum err by_ticket(struct req *rq, const char *text)
{
	const char *params[2];
	const char *issuer;
	PGresult *res;
	enum err rc = ERR_OK;

	if (!ticket_parse(&rq->tx.arena, text, &params[0], &params[1]))
		return req_fail(rq, ERR_AUTHENTICATION, "the ticket is none of ours");
	res = db_outside(&q_realtime_ticket_redeem, params);
	if (!res) {
		req_fail_inside(rq, ERR_UNAVAILABLE, "the ticket could not be looked at");
		rq->tx.fail.retry_after = 1;
		return ERR_UNAVAILABLE;
	}
	if (PQntuples(res)) {
		const char *session = column_text(res, 0, "session_id");

		issuer = session ? cfg.jwt_issuer : column_text(res, 0, "issuer");
		rq->who.kind = BEARER;
		rq->who.tenant_id = params[0];
		rq->who.session = session ? arena_dup(&rq->tx.arena, session) : NULL;
		rq->who.issuer = arena_dup(&rq->tx.arena, issuer);
		rq->who.subject =
			arena_dup(&rq->tx.arena, column_text(res, 0, session ? "public_id" : "subject"));
		rq->who.expires_s = column_int(res, 0, "end_at");
		rq->who.key = budget_of_user(rq, params[0]);
	} else {
		rc = req_fail(rq, ERR_AUTHENTICATION, "the ticket was used, or is older than 30 seconds");
	}
	PQclear(res);
	return rc;
}

static enum err check_key(struct req *rq)
{
	enum caller_key asked = rq->asked.route->caller->key;
	const char *text = req_header(rq, "X-API-Key");

	if (!text)
		return asked >= KEY_NEEDED ? req_fail(rq, ERR_API_KEY, NULL) : ERR_OK;
	if (opens_nothing(rq, text) && !is_api_key(text))
		return ERR_OK;
	return api_key(rq, text);
}

/* A tenant's own key, where somebody has to be there. */
static bool is_nobodys(const struct req *rq)
{
	return rq->who.is_secret && !rq->who.is_organizations && rq->asked.route->caller->needs_person;
}

static enum err check_token(struct req *rq)
{
	const struct caller *c = rq->asked.route->caller;
	const char *authorization;

	if (c->token == TOKEN_UNREAD || (c->token == TOKEN_OR_KEY && rq->who.is_secret && !is_nobodys(rq)))
		return ERR_OK;
	if (rq->asked.route->flags & REALTIME && req_param(rq, "REALTIME_TICKET"))
		return by_ticket(rq, req_param(rq, "REALTIME_TICKET"));
	authorization = req_header(rq, "Authorization");
	if (authorization && c->key_is_bearer &&
	    !strncasecmp(authorization, "Bearer sk_", strlen("Bearer sk_"))) {
		if (!rq->who.api_key)
			return api_key(rq, authorization + strlen("Bearer "));
		if (c->token == TOKEN_OR_SECRET) /* some clients send theirs twice */
			authorization = NULL;
	}
	if (authorization)
		return bearer(rq, authorization);
	if (c->token == TOKEN_OR_SECRET && rq->who.api_key)
		return rq->who.is_secret
			       ? ERR_OK
			       : req_fail(rq, ERR_AUTHORIZATION,
					  "a public key alone may not do this: it takes a user's token, too");
	if (c->token != TOKEN_TAKEN)
		return req_fail(rq, ERR_AUTHENTICATION, NULL);
	if (opens_nothing(rq, req_header(rq, "X-API-Key"))) {
		rq->who.kind = ANONYMOUS;
		rq->who.tenant_id = DEFAULT_TENANT;
		rq->who.api_key = NULL;
		lay_aside(rq, req_header(rq, "X-API-Key"));
	}
	return ERR_OK;
}

/*
 * A project's token, or its API key (a UUID), as the bearer or as X-API-Key, which exporters take more
 * easily.  A token is proved here, and has its project's budget; whether a key is one only the door knows, so
 * that its address is counted.
 */
static enum err check_project(struct req *rq)
{
	const char *authorization = req_header(rq, "Authorization"), *text = req_header(rq, "X-API-Key");
	struct project_token t;
	enum err rc;

	if (authorization && strncasecmp(authorization, "Bearer ", 7))
		return req_fail(rq, ERR_AUTHENTICATION, "Authorization must be: Bearer <token>");
	if (authorization) {
		text = authorization + 7;
		text += strspn(text, " ");
	}
	if (!text)
		return req_fail(rq, ERR_AUTHENTICATION, "a project's token or API key is required");
	if (field_is_uuid(text)) {
		rq->who.project_key = secret_sha256_hex(&rq->tx.arena, arena_lower(&rq->tx.arena, text));
		rq->who.tenant_id = NULL;
	} else {
		rc = project_token_verify(&rq->tx.arena, text, &t, &rq->tx.fail);
		if (rc)
			return rc;
		rq->who.tenant_id = t.tenant_id;
		rq->who.project = t.project_id;
		rq->who.project_plan = t.plan;
		rq->who.project_key_id = t.key_id;
		rq->who.expires_s = t.exp;
		rq->who.signed_in_s = t.iat;
		rq->who.key = shm_hash(shm_hash(BUDGET_PROJECT, t.tenant_id), t.project_id);
	}
	rq->who.kind = PROJECT;
	return ERR_OK;
}

enum err auth_check(struct req *rq)
{
	enum err rc;

	rq->who = (struct principal){ .kind = ANONYMOUS, .tenant_id = DEFAULT_TENANT };
	rq->who.key = auth_budget_of_address(rq);
	if (!rq->asked.route)
		return ERR_OK;
	if (rq->asked.route->caller->is_project)
		return check_project(rq);
	if (rq->asked.route->caller->key == KEY_UNREAD) {
		if (opens_nothing(rq, req_header(rq, "X-API-Key")))
			lay_aside(rq, req_header(rq, "X-API-Key"));
		return ERR_OK;
	}
	rc = check_key(rq);
	rq->who.key = auth_budget_of_address(rq);
	if (!rc)
		rc = check_token(rq);
	if (!rc && rq->who.kind == API_KEY && is_nobodys(rq))
		rc = req_fail(
			rq, ERR_AUTHENTICATION,
			"a tenant's key is nobody: this takes a user's token, or an organization's key");
	if (rc) {
		rq->who.kind = ANONYMOUS;
	} else if (rq->who.kind == API_KEY && rq->who.is_organizations) {
		uint64_t organization = key_use_organization(rq->who.api_key);
		const char *agent = req_header(rq, "User-Agent");

		rq->who.path = arena_dup(&rq->tx.arena, rq->asked.path);
		rq->who.agent = agent ? arena_dup(&rq->tx.arena, agent) : NULL;
		if (organization)
			rq->who.key = organization;
	} else if (rq->who.kind == API_KEY && rq->who.is_secret) {
		rq->who.is_counted_apart = true;
		rq->who.key = shm_hash(BUDGET_SECRET, rq->who.api_key);
	}
	return rc;
}

/* What is asked of good credentials */

/*
 * A token that got into other hands, or a browser left open, must not become a way
 * in that stays.  Who acts as the user has not signed in as one: the handler says so.
 */
enum err auth_check_recent(struct req *rq)
{
	if (rq->who.kind != BEARER || rq->who.actor ||
	    time(NULL) - rq->who.signed_in_s <= cfg.recent_sign_in_s)
		return ERR_OK;
	req_fail(rq, ERR_SIGN_IN_AGE, NULL);
	rq->tx.fail.details = arena_fmt(&rq->tx.arena, "\"max_age\":%ld", cfg.recent_sign_in_s);
	return ERR_SIGN_IN_AGE;
}

static enum err check_test_mode(struct req *rq)
{
	const char *text = rq->asked.route->caller->has_test_mode ? req_header(rq, "X-Test-Mode") : NULL;

	rq->who.is_test = text && (!strcmp(text, "true") || !strcmp(text, "1"));
	if (!text || rq->who.is_test || !strcmp(text, "false") || !strcmp(text, "0"))
		return ERR_OK;
	return req_fail_field(rq, ERR_BAD_REQUEST, "X-Test-Mode", "X-Test-Mode must be true or false");
}

/* Which workspace; without the header it is the token's, or the user's to have chosen. */
static enum err check_workspace(struct req *rq)
{
	const struct caller *by = rq->asked.route->caller;
	const char *name = caller_header(by), *text = by->place == IN_WORKSPACE ? req_header(rq, name) : NULL;

	if (!text && by->header)
		return req_fail_field(rq, ERR_BAD_REQUEST, name, "%s is required", name);
	if (text && !field_is_uuid(text))
		return req_fail_field(rq, ERR_BAD_REQUEST, name, "%s must be a UUID", name);
	rq->asked.workspace = text ? arena_lower(&rq->tx.arena, text) : NULL;
	return ERR_OK;
}

enum err auth_check_use(struct req *rq)
{
	enum err rc = ERR_OK;

	if (rq->asked.route->caller->key == KEY_SECRET && !rq->who.is_secret)
		rc = req_fail(rq, ERR_AUTHORIZATION, "this needs a secret key");
	if (!rc && rq->asked.route->flags & RECENT)
		rc = auth_check_recent(rq);
	if (!rc)
		rc = check_test_mode(rq);
	return rc ? rc : check_workspace(rq);
}

/* The door */

/* Scheme and host are compared without case (RFC 6454 4); api_keys has them in lower case. */
static const char *origin_of(struct req *rq)
{
	bool is_page = (rq->who.api_key && !rq->who.is_secret) || rq->who.page_key;
	const char *origin = is_page ? req_header(rq, "Origin") : NULL;

	return origin ? arena_lower(&rq->tx.arena, origin) : NULL;
}

/* For what is written about who changed something; NULL, which makes the transaction read-only, else. */
static const char *note_of(struct req *rq)
{
	enum { MAX_USER_AGENT = 512 };
	char trace[TRACE_CONTEXT_TEXT];
	struct trace_context here;
	const char *agent;
	struct buf b;

	if (!req_writes(rq))
		return NULL;
	agent = req_header(rq, "User-Agent");
	buf_init(&b, &rq->tx.arena, 1024);
	buf_text(&b, "{\"ip\":");
	jx_str(&b, rq->who.client_ip ? rq->who.client_ip : rq->asked.ip);
	if (rq->who.client_ip)
		buf_text(&b, ",\"via\":"), jx_str(&b, rq->asked.ip);
	if (agent) {
		buf_text(&b, ",\"user_agent\":");
		jx_text(&b, agent, strnlen(agent, MAX_USER_AGENT));
	}
	buf_text(&b, ",\"request_id\":");
	jx_str(&b, rq->tx.log.request_id);
	buf_text(&b, ",\"route\":");
	jx_str(&b, rq->asked.route->id);
	if (rq->who.kind == BEARER) {
		buf_text(&b, rq->who.session ? ",\"session\":" : ",\"issuer\":");
		jx_str(&b, rq->who.session ? rq->who.session : rq->who.issuer);
	}
	if (!cfg.security_limits)
		buf_text(&b, ",\"limits\":\"off\"");
	if (span_context(&here)) {
		trace_context_write(&here, trace);
		buf_text(&b, ",\"trace\":"), jx_str(&b, trace);
	}
	buf_char(&b, '}');
	return buf_str(&b);
}

/* The door cannot be asked about a place that is not named: then it is about the user alone. */
static bool is_nowhere(struct req *rq)
{
	switch (rq->asked.route->caller->place) {
	case IN_ORGANIZATION: return !req_path_text(rq, caller_organization(rq->asked.route->caller));
	case IN_WORKSPACE:
		return !rq->asked.workspace &&
		       (rq->asked.route->caller->header || req_header(rq, "X-Workspace-Id"));
	default: return false;
	}
}

static const struct query *door_of(struct req *rq)
{
	switch (rq->who.kind) {
	case BEARER: return is_nowhere(rq) ? &q_enter_user : rq->asked.route->caller->door;
	case API_KEY:
		return rq->who.is_organizations ? &q_enter_organization_key
						: rq->asked.route->caller->key_door;
	case PROJECT: return rq->asked.route->caller->door;
	default: return &q_enter_anyone;
	}
}

/* May the page that a key came from read the answer?  Asked beside the door. */
static void ask_page(struct req *rq, const char *origin)
{
	const char **values;

	if (!rq->who.page_key)
		return;
	values = arena_alloc(&rq->tx.arena, 2 * sizeof(*values));
	values[0] = rq->who.page_key;
	values[1] = origin;
	rq->tx.beside = &q_key_page;
	rq->tx.beside_values = values;
}

void auth_door(struct req *rq)
{
	const struct principal *who = &rq->who;
	const struct caller *by = rq->asked.route->caller;
	const struct permission *may = rq->asked.route->may;
	const char *origin = origin_of(rq), **values;
	/* What doors ask for, by the names that their queries have for it. */
	const struct {
		const char *name, *value;
	} known[] = {
		{ "tenant", who->tenant_id },
		{ "key", who->api_key },
		{ "address", rq->asked.ip ? address_text(&rq->tx.arena, rq->asked.ip) : NULL },
		{ "origin", origin },
		{ "scope", rq->asked.route->scope },
		{ "project", who->project },
		{ "project_key", who->project_key },
		{ "project_key_id", who->project_key_id },
		{ "issuer", who->issuer },
		{ "subject", who->subject },
		{ "role", who->role },
		{ "session", who->session },
		{ "generation", who->generation ? arena_fmt(&rq->tx.arena, "%d", who->generation) : NULL },
		{ "least_role", by->least_role },
		{ "note", note_of(rq) },
		{ "test", who->is_test ? "true" : "false" },
		{ "organization",
		  by->place == IN_ORGANIZATION ? req_path_text(rq, caller_organization(by)) : NULL },
		{ "workspace", rq->asked.workspace },
		{ "chosen", who->workspace },
		{ "permission", may ? may->name : NULL },
		{ "roles", may ? may->roles : NULL },
		{ "own_roles", may && may->own ? may->own->roles : NULL },
		{ "is_installation", by->is_installation ? "true" : "false" },
	};

	ask_page(rq, origin);
	rq->tx.door = door_of(rq);
	rq->tx.door_values = values =
		arena_alloc(&rq->tx.arena, (size_t)rq->tx.door->nparams * sizeof(*values));
	for (int i = 0; i < rq->tx.door->nparams; i++) {
		size_t k = 0;

		while (strcmp(known[k].name, rq->tx.door->params[i])) {
			k++;
			assert(k < sizeof(known) / sizeof(*known));
		}
		values[i] = known[k].value;
	}
}

void auth_door_of_tenant(struct req *rq)
{
	const char **values = arena_alloc(&rq->tx.arena, (size_t)q_enter_anyone.nparams * sizeof(*values));

	for (int i = 0; i < q_enter_anyone.nparams; i++)
		values[i] = !strcmp(q_enter_anyone.params[i], "tenant") ? rq->who.tenant_id : note_of(rq);
	rq->tx.door = &q_enter_anyone;
	rq->tx.door_values = values;
}

void auth_act_for(struct req *rq, const char *tenant_id)
{
	rq->who.tenant_id = tenant_id;
	auth_door(rq);
}

bool auth_provision(struct req *rq)
{
	const struct query *q = &q_user_provision;
	struct email email = { NULL };
	const char *params[8] = { NULL };
	PGresult *res;

	if (rq->who.email)
		email_find(&rq->tx.arena, rq->who.email, &email);

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

/* Whose the request is, where only the key says so.  NULL: that failed (logged), or it is nobody's. */
static const char *tenant_of(struct req *rq)
{
	const char *params[] = { rq->who.tenant_id, rq->who.api_key }, *tenant = NULL;
	PGresult *res;

	if (!rq->who.api_key)
		return rq->who.tenant_id;
	res = db_outside(&q_sign_up_tenant, params);
	if (res && !PQgetisnull(res, 0, 0))
		tenant = arena_dup(&rq->tx.arena, PQgetvalue(res, 0, 0));
	PQclear(res);
	return tenant;
}

bool auth_sign_up(struct req *rq)
{
	const struct query *q = rq->asked.route->caller->sign_up;
	const char *key, *tenant = tenant_of(rq);
	const char *params[6] = { NULL };
	PGresult *res;

	if (!tenant)
		return false;
	key = secret_uuid(&rq->tx.arena);
	for (int i = 0; i < q->nparams; i++) {
		if (!strcmp(q->params[i], "tenant"))
			params[i] = tenant;
		else if (!strcmp(q->params[i], "issuer"))
			params[i] = rq->who.issuer;
		else if (!strcmp(q->params[i], "subject"))
			params[i] = rq->who.subject;
		else if (!strcmp(q->params[i], "session"))
			params[i] = rq->who.session;
		else if (!strcmp(q->params[i], "key_hash"))
			params[i] = secret_sha256_hex(&rq->tx.arena, key);
		else if (!strcmp(q->params[i], "key_sealed"))
			params[i] = seal_text(&rq->tx.arena, "trace_project", tenant, key);
	}
	res = db_outside(q, params);
	PQclear(res);
	return res;
}
