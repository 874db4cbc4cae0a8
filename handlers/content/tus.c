/*
 * Uploads that go on where they broke off: tus 1.0.0 (https://tus.io/protocols/resumable-upload), core,
 * creation, expiration and termination, for files of users.
 *
 * A POST of the user makes one; what it answers with is a signed address, and whoever has it sends the
 * content, piece by piece, and asks how much is there.  nginx keeps a piece until it is whole, so a slow
 * client costs no child; then it is a file here, and its bytes are appended to those before.  The last one
 * ends the upload as /confirm ends others: what it is not said to be is thrown away.
 *
 * The content is on this machine.  A bucket has its own way (parts), so with one there is none of this.
 */
#include <strings.h>
#include <time.h>

#include "build/sql/content/tus.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/req.h"
#include "fcgi/share.h"
#include "lib/base/base64.h"
#include "lib/base/filename.h"
#include "lib/base/jx.h"
#include "lib/base/utf8.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/host/config.h"
#include "providers/storage.h"

static enum err tus_create(struct req *rq), tus_show(struct req *rq), tus_append(struct req *rq),
	tus_end(struct req *rq);

/* clang-format off */
static const struct field create_headers[] = {
	{ "Tus-Resumable",   F_TEXT, 0, .about = "1.0.0", .example = "1.0.0" },
	{ "Upload-Length",   F_TEXT, 0, .about = "bytes in all, from 1", .example = "48213" },
	{ "Upload-Metadata", F_TEXT, 0, .about = "filename, filetype and sha256 (in hexadecimal digits), each with its value in base64", .example = "filename aGFyYm91ci5wbmc=,filetype aW1hZ2UvcG5n" },
	FIELD_END
};
static const struct field token_in[] = {
	{ "token", F_TEXT, F_REQUIRED, .min = 1, .max = 8000, .example = "AAAAAG4" },
	FIELD_END
};

static const struct field created[] = {
	{ "upload_url", F_URL,  0, .about = "PATCH and HEAD it; also the header Location", .example = "https://api.example.com/uploads/01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e?token=AAAAAG4" },
	{ "file_id",    F_UUID, 0, .example = "file" },
	{ "max_piece",  F_INT,  0, .about = "the most bytes that one PATCH may have", .example = "52428800" },
	{ "expires_in", F_INT,  0, .about = "seconds", .example = "90000" },
	FIELD_END
};
static const struct field upload[] = {
	{ "offset",  F_INT,  0, .about = "how many bytes are there", .example = "48213" },
	{ "length",  F_INT,  0, .about = "in all", .example = "48213" },
	{ "file_id", F_UUID, 0, .example = "file" },
	FIELD_END
};

static const struct shape created_shape = { "ResumableUpload", created, "File" };
static const struct shape upload_shape = { "ResumableState", upload, "Upload" };

static const enum err of_create[] = { ERR_LIMIT, ERR_UNAVAILABLE, ERR_PRECONDITION, ERR_VALIDATION, ERR_CONFLICT, ERR_OK };

const struct route tus_routes[] = {
	{ POST,   "/api/v1/app/files/tus", "app.files.create_resumable_upload", &by_user, "Begin an upload that can be resumed",
	  "By the tus protocol 1.0.0: the address of the answer takes its PATCH, HEAD and DELETE.",
	  .needs = { "headers of the tus protocol", ERR_VALIDATION }, .headers = create_headers, .out = &created_shape, .errors = of_create, .run = tus_create,
	  .flags = RAW | RESUMABLE },
	{ GET,    "/uploads/{object_id}", "app.uploads.get", &by_anyone, "Show how much of an upload is there", .query = token_in, .out = &upload_shape, .run = tus_show,
	  .flags = LINK | BARE | SLOW | WRITES },
	{ PATCH,  "/uploads/{object_id}", "app.uploads.send", &by_anyone, "Send a piece of an upload", .query = token_in, .out = &upload_shape, .run = tus_append,
	  .flags = LINK | BARE | SLOW | RAW | SPOOLED, .status = 204 },
	{ DELETE, "/uploads/{object_id}", "app.uploads.delete", &by_anyone, "Give an upload up", .query = token_in, .out = &upload_shape, .run = tus_end,
	  .flags = LINK | BARE, .status = 204 },
	ROUTE_END
};
/* clang-format on */

static const char *kept(struct req *rq, const PGresult *res, const char *column)
{
	const char *text = column_text(res, 0, column);

	return text ? arena_dup(&rq->tx.arena, text) : NULL;
}

static enum err check_version(struct req *rq)
{
	const char *version = req_header(rq, "Tus-Resumable");

	req_set_header(rq, "Tus-Resumable", "1.0.0");
	if (!version)
		return req_fail_field(rq, ERR_VALIDATION, "Tus-Resumable",
				      "the header Tus-Resumable must be there, and be 1.0.0");
	if (!strcmp(version, "1.0.0"))
		return ERR_OK;
	return req_fail(rq, ERR_PRECONDITION, "the header Tus-Resumable must be 1.0.0");
}

/* A header that is a number of bytes; -1: it is none. */
static long long number_in(struct req *rq, const char *name)
{
	const char *text = req_header(rq, name);

	if (!text || !*text || strlen(text) > 15 || text[strspn(text, "0123456789")])
		return -1;
	return strtoll(text, NULL, 10);
}

/* "filename aGk=,filetype dGV4dC9wbGFpbg==": the value of a name; NULL: there is none, or it is no text. */
static const char *metadata(struct req *rq, const char *name)
{
	const char *p = req_header(rq, "Upload-Metadata");
	size_t len = strlen(name);

	for (; p && *p; p += *p == ',') {
		size_t n = strcspn(p += strspn(p, " "), ",");

		if (n > len + 1 && n < 4096 && !memcmp(p, name, len) && p[len] == ' ') {
			char *text = arena_alloc(&rq->tx.arena, n);
			ssize_t k = base64_decode(p + len + 1, n - len - 1, text);

			if (k <= 0 || memchr(text, '\0', (size_t)k) || !utf8_valid(text, (size_t)k))
				return NULL;
			text[k] = '\0';
			return text;
		}
		p += n;
	}
	return NULL;
}

/* As a browser's form has it: who does not know it says nothing. */
static const char *type_in(struct req *rq)
{
	const char *type = metadata(rq, "filetype");

	if (!type || !strchr(type, '/') || strlen(type) > 127 || strpbrk(type, "\r\n\t\"\\"))
		return "application/octet-stream";
	return type;
}

static long ttl(void)
{
	return cfg.storage_url_ttl_s + 86400; /* as the row of one that is awaited */
}

static void set_expires(struct req *rq, int64_t at)
{
	char text[40];
	time_t t = (time_t)at;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	req_set_header(rq, "Upload-Expires", arena_dup(&rq->tx.arena, text));
}

static enum err tus_create(struct req *rq)
{
	long long length = number_in(rq, "Upload-Length"), most = storage_max_bytes();
	const char *sha256 = metadata(rq, "sha256"), *name = metadata(rq, "filename"), *url;
	struct storage_object object;
	PGresult *res;
	struct buf *b;
	enum err rc = check_version(rq);

	if (rc)
		return rc;
	if (length < 1 || length > most)
		return req_fail_field(rq, ERR_VALIDATION, "Upload-Length",
				      "Upload-Length must be 1 to %lld bytes, and known from the start",
				      most);
	if (sha256 && (strlen(sha256) != 64 || sha256[strspn(sha256, "0123456789abcdef")]))
		return req_fail_field(rq, ERR_VALIDATION, "Upload-Metadata",
				      "sha256 must be 64 hexadecimal digits, lower-case");
	object = (struct storage_object){ .backend = storage_backend(), .size = length };
	if (!storage_is_local(&object))
		return req_fail(rq, ERR_CONFLICT,
				"files of this server are in a bucket: send a large one in parts "
				"(upload-url, then /parts)");
	req_set(rq, "filename", filename_clean(&rq->tx.arena, name && strlen(name) <= 1024 ? name : "file"));
	req_set(rq, "name", req_text(rq, "filename"));
	req_set(rq, "content_type", type_in(rq));
	req_set(rq, "size", arena_fmt(&rq->tx.arena, "%lld", length));
	req_set(rq, "backend", object.backend);
	req_set(rq, "sha256", sha256 ? arena_fmt(&rq->tx.arena, "\\x%s", sha256) : NULL);
	req_set(rq, "ttl_s", arena_fmt(&rq->tx.arena, "%ld", cfg.storage_url_ttl_s));
	rc = tx_call(&rq->tx, &q_tus_await, true, &res);
	if (rc)
		return rc;
	object.tenant_id = kept(rq, res, "tenant_id");
	object.id = kept(rq, res, "object_id");
	object.content_type = req_text(rq, "content_type");
	url = storage_resume_url(&rq->tx.arena, &object, ttl());
	if (!url)
		return req_fail_inside(rq, ERR_UNAVAILABLE, "links cannot be signed without JWT_SECRET");
	req_set_header(rq, "Location", url);
	set_expires(rq, (int64_t)time(NULL) + ttl());
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "upload_url", url);
	jx_key_str(b, "file_id", column_text(res, 0, "file_id"));
	jx_key_int(b, "max_piece", (long long)cfg.storage_form_max_mib << 20);
	jx_key_int(b, "expires_in", ttl());
	buf_char(b, '}');
	return answer_close(rq);
}

struct upload {
	struct storage_object object;
	const char *file_id;
	bool is_stored;
	int64_t expires_at;
};

/* Whoever has the address may; its row says what of it is still awaited. */
static enum err find(struct req *rq, struct upload *out)
{
	struct storage_ticket t;
	PGresult *res;
	enum err rc = check_version(rq);

	if (rc)
		return rc;
	if (!storage_ticket(&rq->tx.arena, req_text(rq, "token"), req_path_text(rq, "object_id"),
			    STORAGE_RESUME, &t))
		return req_fail(rq, ERR_AUTHORIZATION,
				"the address has expired, or is none of ours; begin the upload anew");
	auth_act_for(rq, t.tenant_id);
	rq->who.tenant_id = t.tenant_id;
	rc = share_take(rq);
	if (!rc)
		rc = tx_call(&rq->tx, &q_tus_find, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return req_fail(rq, ERR_NOT_FOUND, "this upload is not awaited any more; begin it anew");
	*out = (struct upload){
		.object = { .tenant_id = t.tenant_id,
			    .id = kept(rq, res, "object_id"),
			    .backend = kept(rq, res, "backend"),
			    .content_type = kept(rq, res, "content_type"),
			    .size = column_int(res, 0, "size"),
			    .sha256 = kept(rq, res, "declared_sha256") },
		.file_id = kept(rq, res, "file_id"),
		.is_stored = column_bool(res, 0, "is_stored"),
		.expires_at = column_int(res, 0, "expires_at"),
	};
	return ERR_OK;
}

/* All is there: now it is looked at, and a file. */
static enum err finish(struct req *rq, const struct upload *u)
{
	unsigned char sha256[SECRET_BYTES];
	PGresult *res;
	enum err rc = storage_take(&rq->tx.arena, &u->object, sha256, &rq->tx.fail);

	if (rc)
		return rc;
	req_set(rq, "sha256", secret_bytea(&rq->tx.arena, sha256, sizeof(sha256)));
	rc = tx_call(&rq->tx, &q_tus_confirm, true, &res);
	if (!rc && !PQntuples(res))
		return req_fail(rq, ERR_NOT_FOUND, "this upload is not awaited any more; begin it anew");
	return rc;
}

static void set_state(struct req *rq, const struct upload *u, long long offset)
{
	req_set_header(rq, "Upload-Offset", arena_fmt(&rq->tx.arena, "%lld", offset));
	req_set_header(rq, "Upload-Length", arena_fmt(&rq->tx.arena, "%lld", u->object.size));
	if (offset < u->object.size)
		set_expires(rq, u->expires_at);
}

/* One whose last piece was written by a process that died before it looked at it is ended here. */
static enum err tus_show(struct req *rq)
{
	struct upload u;
	long long offset;
	struct buf *b;
	enum err rc = find(rq, &u);

	if (rc)
		return rc;
	offset = u.is_stored ? u.object.size : storage_arrived(&rq->tx.arena, &u.object);
	if (offset == u.object.size && !u.is_stored) {
		rc = finish(rq, &u);
		if (rc)
			return rc;
	}
	set_state(rq, &u, offset);
	req_set_header(rq, "Cache-Control", "no-store");
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_int(b, "offset", offset);
	jx_key_int(b, "length", u.object.size);
	jx_key_str(b, "file_id", u.file_id);
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err tus_append(struct req *rq)
{
	const char *type = req_header(rq, "Content-Type");
	long long offset = number_in(rq, "Upload-Offset");
	struct upload u;
	enum err rc = find(rq, &u);

	if (rc)
		return rc;
	if (!type || strcasecmp(type, "application/offset+octet-stream") != 0)
		return req_fail(rq, ERR_UNSUPPORTED_MEDIA_TYPE,
				"Content-Type must be application/offset+octet-stream");
	if (offset < 0)
		return req_fail_field(rq, ERR_VALIDATION, "Upload-Offset",
				      "Upload-Offset must be a number of bytes");
	if (u.is_stored)
		return req_fail(rq, ERR_CONFLICT, "the upload has ended");
	rc = storage_append(&rq->tx.arena, &u.object, offset, rq->asked.body_fd,
			    (long long)rq->asked.body_len, &rq->tx.fail);
	if (rc)
		return rc;
	offset += (long long)rq->asked.body_len;
	if (offset == u.object.size)
		rc = finish(rq, &u);
	if (rc)
		return rc;
	set_state(rq, &u, offset);
	answer_open(rq);
	return answer_close(rq);
}

static enum err tus_end(struct req *rq)
{
	struct upload u;
	PGresult *res;
	enum err rc = find(rq, &u);

	if (rc)
		return rc;
	if (u.is_stored)
		return req_fail(rq, ERR_CONFLICT, "the upload has ended; its file can be deleted");
	rc = tx_call(&rq->tx, &q_tus_end, true, &res);
	if (rc)
		return rc;
	answer_open(rq);
	return answer_close(rq);
}
