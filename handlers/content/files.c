/*
 * Files: a client says what it will send, sends it straight to where it is stored,
 * and confirms that.  Nobody but the owner sees one.
 */
#include "build/sql/content/files.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "lib/base/filename.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/host/config.h"
#include "providers/storage.h"

static enum err file_upload(struct req *rq), file_parts(struct req *rq), file_confirm(struct req *rq),
	file_download(struct req *rq);

/* clang-format off */
static const char *const statuses[] = { "uploaded", NULL };

static const struct pattern media_type = { "^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,62}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,62}( *;[ -~]*)?$",
					   "a media type, such as image/png," };

static const struct pattern hex_digest = { "^[0-9a-f]{64}$", "a SHA-256 in 64 hexadecimal digits, lower-case," };

static const struct field file[] = {
	{ "id",           F_UUID,     OUT },
	{ "filename",     F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 255, .about = "a label; a path in front, and what does not show, is left out", .example = "harbour.png" },
	{ "content_type", F_TEXT,     OUT | NEW | NEEDED, .min = 3, .max = 255, .fits = &media_type, .example = "image/png" },
	{ "size",         F_INT,      OUT | NEW | NEEDED, .about = "in bytes", .example = "48213" },
	{ "sha256",       F_TEXT,     NEW, .fits = &hex_digest, .about = "of the content, in hexadecimal digits: other content is refused then", .example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" },
	{ "status",       F_ENUM,     OUT, .values = statuses },
	{ "created_at",   F_DATETIME, OUT },
	FIELD_END
};

static const struct field upload_headers[] = {
	{ "Content-Type",          F_TEXT, 0, .example = "image/png" },
	{ "x-amz-checksum-sha256", F_TEXT, F_OPTIONAL, .about = "where the content goes to a bucket, and sha256 was given", .example = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=" },
	FIELD_END
};

static const struct field upload_out[] = {
	{ "upload_url", F_URL,  0, .about = "PUT the content there, with this Content-Type and length", .example = "https://api.example.com/storage/01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e?token=AAAAAG4" },
	{ "file_id",    F_UUID, 0, .example = "file" },
	{ "headers",    F_OBJECT, 0, .about = "what the PUT must send, each just so; a browser sends the length by itself", .fields = upload_headers },
	{ "in_parts",   F_BOOL, 0, .about = "whether it can also be sent in parts", .example = "false" },
	{ "key",        F_TEXT, 0, .about = "a label", .example = "uploads/user_demo/01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e/harbour.png" },
	{ "expires_in", F_INT,  0, .about = "seconds", .example = "3600" },
	FIELD_END
};

static const struct field parts_in[] = {
	{ "first", F_INT, 0, .min = 1, .max = 10000, .def = "1", .about = "the number of the first one that is asked for", .example = "1" },
	FIELD_END
};

static const struct field part[] = {
	{ "number",     F_INT,  0, .about = "from 1", .example = "1" },
	{ "size",       F_INT,  0, .about = "in bytes: all but the last one have the same", .example = "67108864" },
	{ "upload_url", F_URL,  0, .about = "PUT the part there", .example = "https://s3.eu-central-1.amazonaws.com/files/objects/01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e?partNumber=1" },
	{ "is_uploaded", F_BOOL, 0, .example = "false" },
	FIELD_END
};

static const struct field parts_out[] = {
	{ "parts",      F_LIST, 0, .fields = part },
	{ "count",      F_INT, 0, .about = "how many there are in all", .example = "3" },
	{ "next",       F_INT, F_NULL, .about = "the first one to ask for next; null: there are no more" },
	{ "expires_in", F_INT, 0, .about = "seconds", .example = "3600" },
	FIELD_END
};

static const struct field confirm_in[] = {
	{ "file_id", F_UUID, F_REQUIRED, .example = "file awaited" },
	FIELD_END
};

static const struct field download_out[] = {
	{ "download_url", F_URL, 0, .example = "https://api.example.com/storage/01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e?token=AAAAAG4" },
	{ "expires_in",   F_INT, 0, .about = "seconds", .example = "3600" },
	FIELD_END
};

static const struct shape file_shape = { "File", file };
static const struct shape upload_shape = { "PresignedUpload", upload_out, "File" };
static const struct shape parts_shape = { "UploadParts", parts_out, "File" };
static const struct shape download_shape = { "DownloadUrl", download_out, "File" };

static const enum err of_upload[] = { ERR_LIMIT, ERR_UNAVAILABLE, ERR_OK };
static const enum err of_confirm[] = { ERR_NOT_FOUND, ERR_CONFLICT, ERR_UNAVAILABLE, ERR_OK };

const struct route file_routes[] = {
	{ POST,   "/api/v1/app/files/upload-url", "app.files.create_upload_url", &by_user, "Begin an upload",
	  "The content is then sent to upload_url, and confirmed.",
	  .body = file, .as = NEW, .out = &upload_shape, .errors = of_upload, .run = file_upload, .status = 200 },
	{ POST,   "/api/v1/app/files/{file_id}/parts", "app.files.create_part_urls", &by_user, "Send an upload in parts",
	  "To a bucket, of more than 100 MiB: any number of parts at once, again where one fails. At most 100 an answer.",
	  .needs = { "an upload to a bucket", ERR_CONFLICT }, .body = parts_in, .out = &parts_shape, .errors = of_confirm, .run = file_parts,
	  .slow_if = &cfg.s3_bucket, .status = 200 },
	{ POST,   "/api/v1/app/files/confirm", "app.files.confirm_upload", &by_user, "Confirm an upload",
	  "Content of another size or kind than was declared is thrown away: 422. Before it is there: 409.",
	  .needs = { "the content, uploaded", ERR_CONFLICT }, .body = confirm_in, .out = &file_shape, .errors = of_confirm,
	  .sql = &q_file_confirm, .run = file_confirm, .status = 200, .flags = SLOW },
	{ GET,    "/api/v1/app/files", "app.files.list", &by_user, "List my files", "Newest first.",
	  .out = &file_shape, .list = &skipped, .sql = &q_file_list },
	{ GET,    "/api/v1/app/files/{file_id}/download-url", "app.files.get_download_url", &by_user, "Get a link to a file",
	  "It is good for whoever has it.", .out = &download_shape, .errors = of_upload, .run = file_download,
	  .flags = WRITES },
	{ DELETE, "/api/v1/app/files/{file_id}", "app.files.delete", &by_user, "Delete a file",
	  .out = &file_shape, .sql = &q_file_delete, .status = 204 },
	ROUTE_END
};
/* clang-format on */

static const char *kept(struct req *rq, const PGresult *res, const char *column)
{
	const char *text = column_text(res, 0, column);

	return text ? arena_dup(&rq->tx.arena, text) : NULL;
}

static struct storage_object object_of(struct req *rq, const PGresult *res)
{
	return (struct storage_object){
		.tenant_id = kept(rq, res, "tenant_id"),
		.id = kept(rq, res, "object_id"),
		.backend = kept(rq, res, "backend"),
		.content_type = kept(rq, res, "content_type"),
		.size = column_int(res, 0, "size"),
		.sha256 = kept(rq, res, "declared_sha256"),
		.upload_id = kept(rq, res, "upload_id"),
	};
}

static enum err no_secret(struct req *rq)
{
	return req_fail_inside(rq, ERR_UNAVAILABLE, "links cannot be signed without JWT_SECRET");
}

static enum err file_upload(struct req *rq)
{
	long long size = req_int(rq, "size"), most = storage_max_bytes();
	const char *type = req_text(rq, "content_type"), *url;
	struct storage_object object;
	PGresult *res;
	struct buf *b;
	enum err rc;

	if (size < 0 || size > most)
		return req_fail_field(rq, ERR_VALIDATION, "size", "size must be 0 to %lld bytes", most);
	req_set(rq, "name", filename_clean(&rq->tx.arena, req_text(rq, "filename")));
	req_set(rq, "backend", storage_backend());
	if (req_text(rq, "sha256"))
		req_set(rq, "sha256", arena_fmt(&rq->tx.arena, "\\x%s", req_text(rq, "sha256")));
	req_set(rq, "ttl_s", arena_fmt(&rq->tx.arena, "%ld", cfg.storage_url_ttl_s));
	rc = tx_call(&rq->tx, &q_file_await, true, &res);
	if (rc)
		return rc;
	object = (struct storage_object){ .tenant_id = kept(rq, res, "tenant_id"),
					  .id = kept(rq, res, "object_id"),
					  .backend = storage_backend(),
					  .content_type = type,
					  .size = size,
					  .sha256 = req_text(rq, "sha256") };
	url = storage_upload_url(&rq->tx.arena, &object, cfg.storage_url_ttl_s);
	if (!url)
		return no_secret(rq);
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "upload_url", url);
	jx_key_str(b, "file_id", column_text(res, 0, "file_id"));
	jx_key_open(b, "headers", '{');
	jx_key_str(b, "Content-Type", type);
	if (storage_upload_checksum(&rq->tx.arena, &object))
		jx_key_str(b, "x-amz-checksum-sha256", storage_upload_checksum(&rq->tx.arena, &object));
	buf_char(b, '}');
	jx_key(b, "in_parts"), jx_bool(b, storage_in_parts(&object));
	jx_key_str(b, "key", column_text(res, 0, "key"));
	jx_key_int(b, "expires_in", cfg.storage_url_ttl_s);
	buf_char(b, '}');
	return answer_close(rq);
}

/* A hundred at most: an address has half a KiB. */
enum { PARTS_PAGE = 100 };

static enum err write_parts(struct req *rq, const struct storage_object *o, const bool *has)
{
	int count = storage_part_count(o), first = (int)req_int(rq, "first"), number = first;
	struct buf *b = answer_open(rq);

	buf_char(b, '{');
	jx_key_open(b, "parts", '[');
	for (; number <= count && number < first + PARTS_PAGE; number++) {
		long long behind = storage_part_size(o) * number;

		if (number > first)
			buf_char(b, ',');
		buf_char(b, '{');
		jx_key_int(b, "number", number);
		jx_key_int(b, "size", storage_part_size(o) - (behind > o->size ? behind - o->size : 0));
		jx_key_str(b, "upload_url",
			   storage_part_url(&rq->tx.arena, o, number, cfg.storage_url_ttl_s));
		jx_key(b, "is_uploaded"), jx_bool(b, has[number - 1]);
		buf_char(b, '}');
	}
	buf_char(b, ']');
	jx_key_int(b, "count", count);
	jx_key(b, "next");
	buf_text(b, number <= count ? arena_fmt(&rq->tx.arena, "%d", number) : "null");
	jx_key_int(b, "expires_in", cfg.storage_url_ttl_s);
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err file_parts(struct req *rq)
{
	struct storage_object object;
	const char *upload_id;
	PGresult *res;
	bool *has;
	enum err rc;

	rc = tx_call(&rq->tx, &q_file_awaited, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, req_path_text(rq, "file_id"));
	if (column_bool(res, 0, "is_uploaded"))
		return req_fail(rq, ERR_CONFLICT, "the file is there already");
	object = object_of(rq, res);
	if (!storage_in_parts(&object))
		return req_fail(rq, ERR_CONFLICT,
				"in parts comes what goes to a bucket and has more than 100 MiB: PUT it to "
				"upload_url");
	has = arena_alloc(&rq->tx.arena, (size_t)storage_part_count(&object) * sizeof(*has));
	rc = storage_parts(&rq->tx.arena, &object, has, &upload_id, &rq->tx.fail);
	if (rc)
		return rc;
	if (!upload_id)
		return write_parts(rq, &object, has);
	/* Of two that begin it at once one wins; the other's is collected. */
	req_set(rq, "object_id", object.id);
	req_set(rq, "before", object.upload_id);
	req_set(rq, "upload_id", upload_id);
	rc = tx_call(&rq->tx, &q_file_in_parts, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, req_path_text(rq, "file_id"));
	object.upload_id = kept(rq, res, "upload_id");
	return write_parts(rq, &object, has);
}

/* Reading a large one takes seconds: so in the slow pool, and without a connection. */
static enum err file_confirm(struct req *rq)
{
	unsigned char sha256[SECRET_BYTES];
	struct storage_object object;
	PGresult *res;
	enum err rc;

	rc = tx_call(&rq->tx, &q_file_awaited, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, req_text(rq, "file_id"));
	req_set(rq, "sha256", NULL);
	if (!column_bool(res, 0, "is_uploaded")) {
		object = object_of(rq, res);
		rc = storage_take(&rq->tx.arena, &object, sha256, &rq->tx.fail);
		if (rc)
			return rc;
		req_set(rq, "sha256", secret_bytea(&rq->tx.arena, sha256, sizeof(sha256)));
	}
	return answer_rows(rq, &q_file_confirm);
}

static enum err file_download(struct req *rq)
{
	struct storage_object object;
	const char *url;
	PGresult *res;
	struct buf *b;
	enum err rc;

	rc = tx_call(&rq->tx, &q_file_download, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, req_path_text(rq, "file_id"));
	object = object_of(rq, res);
	url = storage_download_url(&rq->tx.arena, &object, column_text(res, 0, "name"),
				   cfg.storage_url_ttl_s);
	if (!url)
		return no_secret(rq);
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "download_url", url);
	jx_key_int(b, "expires_in", cfg.storage_url_ttl_s);
	buf_char(b, '}');
	return answer_close(rq);
}
