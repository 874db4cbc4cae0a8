#include "fcgi/refusal.h"

#include <string.h>

#include "fcgi/req.h"
#include "lib/base/jx.h"

enum err refusal_unavailable(struct req *rq, const char *reason)
{
	bool told = false;

	/* A request may find out more than once: in its own statement, and in what asks who calls. */
	for (int i = 0; i < rq->nheaders; i++)
		told = told || !strcmp(rq->headers[i].name, "Retry-After");
	req_fail_inside(rq, ERR_UNAVAILABLE, "PostgreSQL: %s", reason);
	if (!told)
		req_set_header(rq, "Retry-After", "1");
	return ERR_UNAVAILABLE;
}

static const struct {
	const char *sqlstate;
	enum err err;
	bool rerun;
} sqlstates[] = {
	{ "AS001", ERR_AUTHENTICATION, false }, /* the runtime makes the user and runs the request again, */
	{ "AS002", ERR_CONFLICT, false },       /* or gives the stored answer instead */
	{ "AS003", ERR_IDEMPOTENCY_RUNNING, false },
	{ "AS004", ERR_IDEMPOTENCY_MISMATCH, false },
	{ "AS005", ERR_API_KEY, false },
	{ "AS006", ERR_ORIGIN, false },
	{ "AS007", ERR_ACCOUNT_INACTIVE, false },
	{ "AS008", ERR_BAD_REQUEST, false },
	{ "AS010", ERR_SCOPE, false },
	{ "AS400", ERR_TICKET, false },
	{ "AS401", ERR_AUTHENTICATION,
	  false }, /* raised by our own functions, with a message for the client */
	{ "AS403", ERR_AUTHORIZATION, false },
	{ "AS404", ERR_NOT_FOUND, false },
	{ "AS409", ERR_CONFLICT, false },
	{ "AS412", ERR_PRECONDITION, false },
	{ "AS422", ERR_VALIDATION, false },
	{ "0A000", ERR_UNAVAILABLE, true },  /* cached plan must not change result type: after a migration */
	{ "26000", ERR_UNAVAILABLE, true },  /* invalid_sql_statement_name: what we prepared is gone */
	{ "40001", ERR_UNAVAILABLE, true },  /* serialization_failure */
	{ "40P01", ERR_UNAVAILABLE, true },  /* deadlock_detected */
	{ "42P01", ERR_UNAVAILABLE, false }, /* undefined_table: this binary is newer than the database; */
	{ "42703", ERR_UNAVAILABLE, false }, /* undefined_column and */
	{ "42883", ERR_UNAVAILABLE, false }, /* undefined_function, the same */
	{ "53300", ERR_UNAVAILABLE, false }, /* too_many_connections */
	{ "55P03", ERR_UNAVAILABLE, false }, /* lock_not_available */
	{ "57014", ERR_TIMEOUT, false },     /* query_canceled, by statement_timeout */
	{ "57P01", ERR_UNAVAILABLE, false }, /* admin_shutdown */
	{ "57P02", ERR_UNAVAILABLE, false }, /* crash_shutdown */
	{ "57P03", ERR_UNAVAILABLE, false }, /* cannot_connect_now */
};

static const struct constraint *constraint_of(const struct req *rq, const char *name)
{
	for (const struct constraint *c = rq->constraints; c && name && c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

/* "Organization not found", with the id as its DETAIL: both are in details, as req_not_found() has it. */
static void tell_resource(struct req *rq, const char *message, const char *id)
{
	const char *end = strstr(message, " not found");
	struct buf b;

	if (!end || end[strlen(" not found")])
		return;
	buf_init(&b, &rq->arena, 128);
	buf_text(&b, "\"resource\":");
	jx_text(&b, message, (size_t)(end - message));
	if (id) {
		buf_text(&b, ",\"id\":");
		jx_str(&b, id);
	}
	rq->fail.details = buf_str(&b);
}

/* Which permission is missing, the DETAIL of such an AS403. */
static void tell_permission(struct req *rq, const char *name)
{
	struct buf b;

	buf_init(&b, &rq->arena, 64);
	buf_text(&b, "\"permission\":");
	jx_str(&b, name);
	rq->fail.details = buf_str(&b);
}

bool refusal_read(struct req *rq, const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const struct constraint *c = constraint_of(rq, PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME));
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *hint = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);
	const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);

	if (c) {
		req_fail_field(rq, c->err, c->field, "%s",
			       c->message ? c->message : err_info(c->err)->message);
		return false;
	}
	if (state && !strcmp(state, "AS001"))
		rq->is_new_user = true;
	if (state && !strcmp(state, "AS002"))
		rq->is_replay = true;
	for (size_t i = 0; state && i < sizeof(sqlstates) / sizeof(*sqlstates); i++) {
		if (strcmp(sqlstates[i].sqlstate, state))
			continue;
		if (!strncmp(state, "AS", 2)) {
			req_fail(rq, sqlstates[i].err, "%s", message);
			rq->fail.field = hint ? arena_dup(&rq->arena, hint) : NULL;
			if (sqlstates[i].err == ERR_NOT_FOUND)
				tell_resource(rq, message, detail);
			if (sqlstates[i].err == ERR_AUTHORIZATION && detail)
				tell_permission(rq, detail);
			return false;
		}
		rq->may_rerun = sqlstates[i].rerun && !rq->committed;
		if (sqlstates[i].err == ERR_UNAVAILABLE)
			refusal_unavailable(rq, message);
		else
			req_fail_inside(rq, sqlstates[i].err, "PostgreSQL: %s", message);
		return !strcmp(state, "0A000") || !strcmp(state, "26000");
	}
	req_fail_inside(rq, ERR_INTERNAL, "PostgreSQL %s: %s", state ? state : "", PQresultErrorMessage(res));
	return false;
}
