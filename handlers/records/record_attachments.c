/*
 * Files of records.  One comes in a form, and its content is a stored object of the
 * workspace; clients get it from a signed address.
 */
#include <string.h>

#include "build/sql/records/record_attachments.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/tenancy/member_ref.h"
#include "lib/base/filename.h"
#include "lib/base/jx.h"
#include "lib/base/multipart.h"
#include "lib/db/column.h"
#include "lib/db/rows.h"
#include "lib/host/config.h"
#include "providers/storage.h"

static enum err attachment_list(struct req *rq), attachment_put(struct req *rq);

enum { URL_S = 3600, MAX_MIB = 50 };

/* clang-format off */
static const struct field attachment[] = {
	{ "id",           F_UUID,     0, .example = "attachment" },
	{ "record_id",    F_UUID,     0 },
	{ "file_name",    F_TEXT,     0, .example = "chart.png" },
	{ "content_type", F_TEXT,     0, .example = "image/png" },
	{ "size_bytes",   F_INT,      0, .example = "48213" },
	{ "url",          F_URL,      0, .about = "signed, for an hour", .example = "https://localhost:8443/storage/018f3c1e-7b5a-7c3e-8d2f-0a1b2c3d4e5f?token=ey" },
	{ "uploaded_by",  F_OBJECT,   F_NULL, .fields = member_ref, .about = "null: one who has left" },
	{ "created_at",   F_DATETIME, 0 },
	FIELD_END
};

static const struct field attachments_out[] = {
	{ "attachments", F_LIST, 0, .fields = attachment },
	{ "total",       F_INT,  0 },
	FIELD_END
};

static const struct field form[] = { { "file", F_FILE, F_REQUIRED }, FIELD_END };

static const struct shape attachment_shape = { "RecordAttachment", attachment, "Attachment" };
static const struct shape attachments_shape = { "RecordAttachments", attachments_out, "Record" };
static const struct child made[] = { { "attachment", &q_record_attachment_made }, { NULL } };

static const enum err refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };
static const enum err not_kept[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_LIMIT, ERR_PAYLOAD_TOO_LARGE, ERR_OK };

#define BASE "/api/v1/crud/records/{record_id}/attachments"

const struct route record_attachment_routes[] = {
	{ GET,    BASE,                      "workspace.records.list_attachments",  &by_member, "List a record's files", "The newest first. Needs can_view on its recordset.",
	  .out = &attachments_shape, .errors = refused, .run = attachment_list },
	{ POST,   BASE,                      "workspace.records.upload_attachment", &by_member, "Put a file on a record", "As the field file of a form, of up to 50 MiB. Needs can_edit on the recordset, or can_edit_own of who made or owns the record.",
	  .needs = { "a file in a form", ERR_VALIDATION }, .parts = form, .out = &attachment_shape, .errors = not_kept, .run = attachment_put, .flags = SLOW | RAW },
	{ DELETE, BASE "/{attachment_id}",   "workspace.records.delete_attachment", &by_member, "Take a file off a record", "For who uploaded it, and who has can_edit on the recordset.",
	  .out = &attachment_shape, .errors = refused, .sql = &q_record_attachment_delete, .status = 204 },
	ROUTE_END
};
/* clang-format on */

static const char *kept(struct req *rq, const PGresult *res, int row, const char *column)
{
	return arena_dup(&rq->tx.arena, column_text(res, row, column));
}

static const char *url_of(struct req *rq, const PGresult *res, int row)
{
	const struct storage_object object = {
		.tenant_id = kept(rq, res, row, "_tenant"),
		.id = kept(rq, res, row, "_object"),
		.backend = kept(rq, res, row, "_backend"),
		.content_type = kept(rq, res, row, "content_type"),
	};

	return storage_download_url(&rq->tx.arena, &object, column_text(res, row, "file_name"), URL_S);
}

/* A row, with its address; false: it cannot be signed. */
static bool write_row(struct req *rq, struct buf *b, const struct rows *r, const PGresult *res, int row)
{
	const char *url = url_of(rq, res, row);

	buf_char(b, '{');
	for (int i = 0; url && i < rows_columns(r); i++) {
		const char *name = rows_name(r, i);

		if (*name == '_')
			continue;
		jx_key(b, name);
		if (!strcmp(name, "url"))
			jx_str(b, url);
		else
			rows_value(b, r, row, i);
	}
	buf_char(b, '}');
	return url != NULL;
}

static enum err no_secret(struct req *rq)
{
	return req_fail(rq, ERR_UNAVAILABLE, "addresses of files cannot be signed: JWT_SECRET is not set");
}

static enum err attachment_list(struct req *rq)
{
	const struct rows_form form_of = { .has_micros = true };
	struct rows *r;
	PGresult *res;
	struct buf *b;
	enum err rc = tx_call(&rq->tx, &q_record_attachment_list, true, &res);

	if (rc)
		return rc;
	r = rows_open(&rq->tx.arena, res, 0, &form_of);
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_open(b, "attachments", '[');
	for (int row = 0; row < PQntuples(res); row++) {
		jx_next(b);
		if (!write_row(rq, b, r, res, row))
			return no_secret(rq);
	}
	buf_char(b, ']');
	jx_key_int(b, "total", PQntuples(res));
	buf_char(b, '}');
	return answer_close(rq);
}

/* What was made, as the transaction's last statement. */
static enum err answer(struct req *rq)
{
	const struct rows_form form_of = { .has_micros = true };
	PGresult *res, *row;
	enum err rc = tx_call_family(&rq->tx, &q_record_attachment_put, made, true, &res);

	if (rc)
		return rc;
	row = rq->tx.children[0];
	if (!write_row(rq, answer_open(rq), rows_open(&rq->tx.arena, row, 0, &form_of), row, 0))
		return no_secret(rq);
	return answer_close(rq);
}

/* Room first, then the content, then the file: no connection is held while it is written. */
static enum err attachment_put(struct req *rq)
{
	const struct part *part = req_part(rq, "file");
	unsigned char sha256[SECRET_BYTES];
	struct storage_object o = { .backend = storage_backend(), .content_type = part->content_type };
	struct failure why = { ERR_OK };
	long most = cfg.storage_form_max_mib < MAX_MIB ? cfg.storage_form_max_mib : MAX_MIB;
	PGresult *res;
	enum err rc;

	if (part->n > (size_t)most << 20)
		return req_fail(rq, ERR_PAYLOAD_TOO_LARGE, "a file of a record may have at most %ld MiB",
				most);
	/* Of a browser that does not know it. */
	if (!o.content_type || !strchr(o.content_type, '/') || strlen(o.content_type) > 127)
		o.content_type = "application/octet-stream";
	o.size = (long long)part->n;
	req_set(rq, "name", filename_clean(&rq->tx.arena, part->filename));
	req_set(rq, "backend", o.backend);
	req_set(rq, "content_type", o.content_type);
	req_set(rq, "size", arena_fmt(&rq->tx.arena, "%zu", part->n));
	rc = tx_call(&rq->tx, &q_record_attachment_await, true, &res);
	if (rc)
		return rc;
	o.tenant_id = kept(rq, res, 0, "tenant");
	o.id = kept(rq, res, 0, "object_id");
	req_set(rq, "object", o.id);
	if (!storage_put(&rq->tx.arena, &o, part->bytes, part->n, sha256, &why)) {
		req_set(rq, "sha256", secret_bytea(&rq->tx.arena, sha256, sizeof(sha256)));
		return answer(rq);
	}
	rc = tx_call(&rq->tx, &q_record_attachment_give_up, true, &res);
	if (rc)
		return rc;
	rq->tx.fail = why;
	return why.err;
}
