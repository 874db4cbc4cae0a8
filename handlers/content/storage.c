/*
 * Behind the signed addresses of stored objects on this machine: nginx asks here
 * whether content may come, and what is to be sent.  The signature says all that it takes;
 * PostgreSQL is asked only whether an upload is still awaited, so that what comes
 * is held by somebody's quota.
 */
#include "providers/storage.h"

#include <string.h>
#include <strings.h>

#include "build/sql/content/storage.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/req.h"

static enum err storage_upload(struct req *rq), storage_download(struct req *rq);

/* clang-format off */
static const struct field token_in[] = {
	{ "token", F_TEXT, F_REQUIRED, .min = 1, .max = 8000 },
	FIELD_END
};

static const struct field nothing[] = { FIELD_END };
static const struct shape object_shape = { "StoredObject", nothing, "File" };

const struct route storage_routes[] = {
	{ PUT, "/storage/{object_id}", "app.storage.upload",   &by_anyone, "Send content", .query = token_in, .out = &object_shape,
	  .sql = &q_stored_object_awaited, .run = storage_upload, .flags = LINK | RAW | HELD_BODY, .status = 204 },
	{ GET, "/storage/{object_id}", "app.storage.download", &by_anyone, "Get content", .query = token_in, .out = &object_shape,
	  .run = storage_download, .flags = LINK | BARE },
	ROUTE_END
};
/* clang-format on */

static enum err refuse(struct req *rq)
{
	return req_fail(rq, ERR_AUTHORIZATION, "the link has expired, or is none of ours; ask for a new one");
}

/* The body is at nginx, and waits. */
static enum err storage_upload(struct req *rq)
{
	const char *length = req_param(rq, "CONTENT_LENGTH"), *type = req_header(rq, "Content-Type");
	struct storage_ticket t;
	PGresult *res;
	char *end;
	enum err rc;

	if (!storage_ticket(&rq->tx.arena, req_text(rq, "token"), req_path_text(rq, "object_id"),
			    STORAGE_UPLOAD, &t))
		return refuse(rq);
	if (!length || strtoll(length, &end, 10) != t.size || *end)
		return req_fail_field(rq, ERR_VALIDATION, "size", "the body must have %lld bytes", t.size);
	if (!type || strcasecmp(type, t.content_type))
		return req_fail_field(rq, ERR_VALIDATION, "content_type", "Content-Type must be %s",
				      t.content_type);
	auth_act_for(rq, t.tenant_id);
	rc = tx_call(&rq->tx, &q_stored_object_awaited, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return req_fail(rq, ERR_NOT_FOUND, "this upload is not awaited any more");
	rq->answer.status = 204;
	answer_open(rq);
	return answer_close(rq);
}

static enum err storage_download(struct req *rq)
{
	const char *id = req_path_text(rq, "object_id");
	struct storage_ticket t;

	if (!storage_ticket(&rq->tx.arena, req_text(rq, "token"), id, STORAGE_DOWNLOAD, &t))
		return refuse(rq);
	req_set_header(rq, "Content-Type", t.content_type);
	req_set_header(rq, "Content-Disposition", t.disposition);
	req_set_header(rq, "Cache-Control", "private, max-age=3600");
	req_set_header(rq, "X-Accel-Redirect", storage_internal(&rq->tx.arena, id));
	answer_open(rq);
	return answer_close(rq);
}
