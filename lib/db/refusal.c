#include "lib/db/refusal.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/jx.h"

enum { RETRY_S = 2 }; /* behind what a tenant has more of at once than is its share */

struct failure refusal_unavailable(struct arena *a, const char *reason)
{
	struct failure f;

	failure_hide(&f, a, ERR_UNAVAILABLE, "PostgreSQL: %s", reason);
	f.retry_after = 1;
	return f;
}

static const struct {
	const char *sqlstate;
	enum err err;
	bool passes;
} sqlstates[] = {
	{ "AS001", ERR_AUTHENTICATION, false }, /* the runtime makes the user and runs the request again, */
	{ "AS002", ERR_CONFLICT, false },       /* or gives the stored answer instead */
	{ "AS003", ERR_IDEMPOTENCY_RUNNING, false },
	{ "AS004", ERR_IDEMPOTENCY_MISMATCH, false },
	{ "AS005", ERR_API_KEY, false },
	{ "AS006", ERR_ORIGIN, false },
	{ "AS007", ERR_ACCOUNT_INACTIVE, false },
	{ "AS008", ERR_BAD_REQUEST, false },
	{ "AS009", ERR_AUTHENTICATION,
	  false }, /* the runtime has the user be on the surface, and runs it again */
	{ "AS010", ERR_SCOPE, false },
	{ "AS011", ERR_BALANCE, false },
	{ "AS012", ERR_TIER, false },
	{ "AS400", ERR_TICKET, false },
	{ "AS401", ERR_AUTHENTICATION,
	  false }, /* raised by our own functions, with a message for the client */
	{ "AS402", ERR_LIMIT, false },
	{ "AS403", ERR_AUTHORIZATION, false },
	{ "AS404", ERR_NOT_FOUND, false },
	{ "AS409", ERR_CONFLICT, false },
	{ "AS410", ERR_GONE, false },
	{ "AS412", ERR_PRECONDITION, false },
	{ "AS422", ERR_VALIDATION, false },
	{ "AS429", ERR_RATE_LIMIT, false },
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

static const struct constraint *constraint_of(const struct constraint *table, const char *name)
{
	for (const struct constraint *c = table; c && name && c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

/* "Organization not found", with the id as its DETAIL: both are in details, as a 404 of the runtime has it.
 */
static const char *resource_of(struct arena *a, const char *message, const char *id)
{
	const char *end = strstr(message, " not found");
	struct buf b;

	if (!end || end[strlen(" not found")])
		return NULL;
	buf_init(&b, a, 128);
	buf_text(&b, "\"resource\":");
	jx_text(&b, message, (size_t)(end - message));
	if (id) {
		buf_text(&b, ",\"id\":");
		jx_str(&b, id);
	}
	return buf_str(&b);
}

/* Which permission is missing, the DETAIL of such an AS403. */
static const char *permission_of(struct arena *a, const char *name)
{
	struct buf b;

	buf_init(&b, a, 64);
	buf_text(&b, "\"permission\":");
	jx_str(&b, name);
	return buf_str(&b);
}

/* What is used and what the limit is, the DETAIL of an AS402, AS011 or AS012, or what is in the way, of an
 * AS409: a JSON object, whose members these are. */
static const char *members_of(struct arena *a, const char *object)
{
	size_t n = strlen(object);

	return n > 2 && object[0] == '{' && object[n - 1] == '}' ? arena_dup_n(a, object + 1, n - 2) : NULL;
}

/* Raised by our own functions, with a message for the client, and a HINT that names the field. */
static struct failure read_own(struct arena *a, const PGresult *res, enum err e)
{
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *hint = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);
	const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
	struct failure f;

	failure_set(&f, a, e, hint ? arena_dup(a, hint) : NULL, "%s", message);
	if (e == ERR_NOT_FOUND)
		f.details = resource_of(a, message, detail);
	if ((e == ERR_LIMIT || e == ERR_BALANCE || e == ERR_TIER || e == ERR_CONFLICT) && detail)
		f.details = members_of(a, detail);
	if (e == ERR_RATE_LIMIT) {
		f.retry_after = RETRY_S;
		f.details = arena_fmt(a, "\"retry_after\":%d", RETRY_S);
	}
	if (e == ERR_AUTHORIZATION && detail)
		f.details = permission_of(a, detail);
	return f;
}

static struct failure read_state(struct arena *a, const PGresult *res, const char *state, unsigned *how)
{
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	struct failure f;

	for (size_t i = 0; i < sizeof(sqlstates) / sizeof(*sqlstates); i++) {
		if (strcmp(sqlstates[i].sqlstate, state))
			continue;
		if (!strncmp(state, "AS", 2))
			return read_own(a, res, sqlstates[i].err);
		if (sqlstates[i].passes)
			*how |= REFUSAL_PASSES;
		if (!strcmp(state, "0A000") || !strcmp(state, "26000"))
			*how |= REFUSAL_IS_STALE;
		if (sqlstates[i].err == ERR_UNAVAILABLE)
			return refusal_unavailable(a, message);
		failure_hide(&f, a, sqlstates[i].err, "PostgreSQL: %s", message);
		return f;
	}
	failure_hide(&f, a, ERR_INTERNAL, "PostgreSQL %s: %s", state, PQresultErrorMessage(res));
	return f;
}

struct failure refusal_read(struct arena *a, const PGresult *res, const struct constraint *constraints,
			    unsigned *how)
{
	const struct constraint *c =
		constraint_of(constraints, PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME));
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	struct failure f;

	*how = 0;
	if (c)
		failure_set(&f, a, c->err, c->field, "%s",
			    c->message ? c->message : err_info(c->err)->message);
	else
		f = read_state(a, res, state ? state : "", how);
	if (state && strlen(state) < sizeof(f.state))
		memcpy(f.state, state, strlen(state) + 1);
	return f;
}
