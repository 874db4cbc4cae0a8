/*
 * What a person is given of theirs: a ZIP, which the worker makes (worker/account_export.c), behind a link
 * that is good for ten minutes.
 */
#include "build/sql/identity/account_exports.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "lib/db/column.h"
#include "providers/storage.h"

static enum err account_export_get(struct req *rq);

/* clang-format off */
static const char *const statuses[] = { "queued", "completed", "failed", NULL };
static const char *const queued[] = { "queued", NULL };

static const struct field started[] = {
	{ "id",         F_UUID, 0, .example = "account export" },
	{ "status",     F_ENUM, 0, .values = queued },
	{ "status_url", F_TEXT, 0, .about = "where to ask for it", .example = "/api/v1/auth/me/export" },
	FIELD_END
};

static const struct field export[] = {
	{ "id",              F_UUID,     0, .example = "account export" },
	{ "status",          F_ENUM,     0, .values = statuses, .example = "completed" },
	{ "file_size",       F_INT,      F_NULL, .about = "in bytes", .example = "20480" },
	{ "download_url",    F_TEXT,     F_NULL, .about = "good for whoever has it, until link_expires_at; asked again, there is another. null: there is no file yet, or no more",
	  .example = "https://localhost:8443/storage/01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e?token=AAAAAG4" },
	{ "link_expires_at", F_DATETIME, F_NULL, .about = "in ten minutes" },
	{ "error_message",   F_TEXT,     F_NULL },
	{ "created_at",      F_DATETIME, 0 },
	{ "completed_at",    F_DATETIME, F_NULL },
	{ "expires_at",      F_DATETIME, F_NULL, .about = "when the file goes: a day after it was made" },
	FIELD_END
};

static const struct shape started_shape = { "AccountExportStart", started };
static const struct shape export_shape = { "AccountExport", export };
static const enum err not_started[] = { ERR_AUTHORIZATION, ERR_RATE_LIMIT, ERR_OK };
static const enum err not_linked[] = { ERR_NOT_FOUND, ERR_UNAVAILABLE, ERR_OK };

#define BASE "/api/v1/auth/me/export"

const struct route account_export_routes[] = {
	{ POST, BASE, "platform.identity.start_export", &by_user_with_key, "Have all that is mine made into a file",
	  .about = "A ZIP of JSON, a file for each kind of thing, and of the files that I keep here: all that erasing my account would end, without passwords and keys. Once a day.",
	  .out = &started_shape, .errors = not_started, .sql = &q_account_export_start, .flags = RECENT },
	{ GET,  BASE, "platform.identity.get_export", &by_user_with_key, "Show the file of all that is mine",
	  .about = "The newest that was asked for.", .out = &export_shape, .errors = not_linked, .run = account_export_get, .flags = RECENT },
	ROUTE_END
};
/* clang-format on */

static enum err account_export_get(struct req *rq)
{
	const char *url = NULL;
	struct arena *a = &rq->tx.arena;
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_account_export_file, false, &res);

	if (rc)
		return rc;
	if (!PQntuples(res))
		return req_fail(rq, ERR_NOT_FOUND, "you have not asked for it yet");
	if (column_text(res, 0, "object_id")) {
		const struct storage_object object = {
			.tenant_id = arena_dup(a, column_text(res, 0, "tenant_id")),
			.id = arena_dup(a, column_text(res, 0, "object_id")),
			.backend = arena_dup(a, column_text(res, 0, "backend")),
			.content_type = arena_dup(a, column_text(res, 0, "content_type")),
		};

		url = storage_download_url(a, &object, column_text(res, 0, "file_name"),
					   column_int(res, 0, "ttl_s"));
		if (!url)
			return req_fail_inside(rq, ERR_UNAVAILABLE,
					       "links cannot be signed without JWT_SECRET");
	}
	req_set(rq, "download_url", url);
	return answer_rows(rq, &q_account_export_get);
}
