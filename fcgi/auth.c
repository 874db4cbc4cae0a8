#include "fcgi/auth.h"

#include <strings.h>

#include "fcgi/db.h"
#include "fcgi/req.h"
#include "fcgi/shm.h"
#include "fcgi/tok.h"

/* Classes of rate-limit keys: an address must never collide with a user by spelling. */
enum { KEY_ADDRESS = 1, KEY_BEARER };

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
	rq->who.kind = BEARER;
	rq->who.issuer = c.issuer;
	rq->who.subject = c.subject;
	rq->who.session = c.session;
	rq->who.email = c.email;
	if (c.tenant_id)
		rq->who.tenant_id = c.tenant_id;
	rq->who.key = shm_hash(shm_hash(KEY_BEARER, c.issuer), c.subject);
	return ERR_OK;
}

enum err auth_check(struct req *rq)
{
	const char *authorization;
	enum err rc;

	rq->who = (struct principal){ .kind = ANONYMOUS,
				      .tenant_id = DEFAULT_TENANT,
				      .key = shm_hash(KEY_ADDRESS, rq->ip) };
	if (!rq->route || rq->route->access == PUBLIC)
		return ERR_OK;
	/* X-API-Key has its place here: enter() looks its hash up, in the same round trip. */
	authorization = req_header(rq, "Authorization");
	rc = authorization ? bearer(rq, authorization) : req_fail(rq, ERR_AUTHENTICATION, NULL);
	if (rc)
		rq->who.kind = ANONYMOUS;
	return rc;
}

bool auth_provision(struct req *rq)
{
	const struct query *q = &queries[Q_user_provision];
	const char *params[8] = { NULL };
	PGresult *res;

	for (int i = 0; i < q->nparams; i++) {
		if (!strcmp(q->params[i], "tenant"))
			params[i] = rq->who.tenant_id;
		else if (!strcmp(q->params[i], "issuer"))
			params[i] = rq->who.issuer;
		else if (!strcmp(q->params[i], "subject"))
			params[i] = rq->who.subject;
		else if (!strcmp(q->params[i], "email"))
			params[i] = rq->who.email;
	}
	res = db_outside(Q_user_provision, params);
	PQclear(res);
	return res;
}
