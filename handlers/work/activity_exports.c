/*
 * What happened in a workspace as a file: started here, made by the worker
 * (worker/activity_export.c), and got from here, each by the member who started it.
 */
#include "build/sql/work/activity_exports.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "lib/base/base64.h"
#include "lib/base/filename.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "providers/storage.h"

static enum err export_download(struct req *rq), export_link(struct req *rq);

/* clang-format off */
static const char *const formats[] = { "csv", "json", "xlsx", NULL };
static const char *const types[] = { "action", "goal", "record", "integration", "user", NULL };
static const char *const whose[] = { "mine", "all", NULL };
static const char *const statuses[] = { "queued", "running", "completed", "failed", NULL };
static const char *const queued[] = { "queued", NULL };
static const char *const places[] = { "inline", "object_store", NULL };

static const struct field start_in[] = {
	{ "format",     F_ENUM, 0, .values = formats, .def = "csv" },
	{ "types",      F_LIST, 0, .item = F_ENUM, .values = types, .min = 1, .max = 5, .about = "left out: all", .example = "[\"goal\", \"user\"]" },
	{ "search",     F_TEXT, F_RARE, .max = 255, .about = "in the description, in any case; blank: no filter", .example = "berlin" },
	{ "start_date", F_DATETIME, F_DAY, .about = "then or later; a date is its whole day in UTC", .example = "2026-01-01" },
	{ "end_date",   F_DATETIME, F_RARE | F_DAY, .about = "and not later", .example = "2026-12-31" },
	{ "scope",      F_ENUM, 0, .values = whose, .def = "all" },
	{ "user_ids",   F_LIST, F_RARE, .item = F_UUID, .min = 1, .max = 100, .about = "of these: users or members" },
	{ "team_ids",   F_LIST, F_RARE, .item = F_UUID, .min = 1, .max = 100, .about = "of who is in one of these teams" },
	FIELD_END
};

static const struct field start_out[] = {
	{ "job_id",     F_UUID, 0, .example = "activity export" },
	{ "status",     F_ENUM, 0, .values = queued },
	{ "status_url", F_TEXT, 0, .about = "where to ask for it", .example = "/api/v1/activity/export/jobs/018f3c1e-7b5a-7c3e-8d2f-0a1b2c3d4e5f" },
	FIELD_END
};

static const struct field output[] = {
	{ "download_url", F_URL,      0, .about = "with the same token", .example = "https://localhost:8443/api/v1/activity/export/jobs/018f3c1e-7b5a-7c3e-8d2f-0a1b2c3d4e5f/download" },
	{ "expires_at",   F_DATETIME, 0, .about = "when the file goes" },
	FIELD_END
};

static const struct field job[] = {
	{ "job_id",        F_UUID,     0, .example = "activity export" },
	{ "status",        F_ENUM,     0, .values = statuses, .example = "completed" },
	{ "progress",      F_INT,      0, .about = "0 to 100, which is completed", .example = "100" },
	{ "format",        F_ENUM,     0, .values = formats, .example = "csv" },
	{ "filters",       F_OBJECT,   0, .about = "as they were sent" },
	{ "row_count",     F_INT,      F_NULL, .example = "19" },
	{ "file_name",     F_TEXT,     F_NULL, .example = "activity-2026-01-31-093000.csv" },
	{ "file_size",     F_INT,      F_NULL, .about = "in bytes", .example = "2140" },
	{ "storage",       F_ENUM,     F_NULL, .values = places, .about = "null: there is no file yet, or no more", .example = "inline" },
	{ "output_data",   F_OBJECT,   F_NULL, .fields = output, .about = "null: there is no file yet, or no more" },
	{ "error_message", F_TEXT,     F_NULL },
	{ "created_at",    F_DATETIME, 0 },
	{ "started_at",    F_DATETIME, F_NULL },
	{ "completed_at",  F_DATETIME, F_NULL },
	FIELD_END
};

static const struct field link_out[] = {
	{ "download_url", F_TEXT,     0, .about = "good for whoever has it; of a small file a data: URL, which is the file itself", .example = "https://localhost:8443/storage/01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e?token=AAAAAG4" },
	{ "file_name",    F_TEXT,     0, .example = "activity-2026-01-31-093000.csv" },
	{ "content_type", F_TEXT,     0, .example = "text/csv" },
	{ "expires_at",   F_DATETIME, F_NULL, .about = "when the link does; null: never" },
	FIELD_END
};

static const struct field job_path[] = { { "job_id", F_UUID, F_REQUIRED, .example = "activity export" }, FIELD_END };

static const struct shape start_shape = { "ActivityExportStart", start_out };
static const struct shape job_shape = { "ActivityExportJob", job, "Export" };
static const struct shape link_shape = { "ActivityExportLink", link_out, "Export" };

static const enum err of_file[] = { ERR_NOT_FOUND, ERR_CONFLICT, ERR_GONE, ERR_UNAVAILABLE, ERR_OK };

#define BASE "/api/v1/activity/export"

const struct route activity_export_routes[] = {
	{ POST, BASE, "workspace.activity.start_export", &by_member, "Start an export of what happened",
	  .about = "A file of what the feed shows the caller when it is made. Of a workspace two are made at a time; who started it is told when it is ready.",
	  .may = &can_export_activity, .body = start_in, .out = &start_shape, .sql = &q_activity_export_start, .status = 200 },
	{ GET, BASE "/jobs", "workspace.activity.list_export_jobs", &by_member, "List my exports", .about = "The newest first; those of the last 30 days.",
	  .out = &job_shape, .list = &shifted, .sql = &q_activity_export_list },
	{ GET, BASE "/jobs/{job_id}", "workspace.activity.get_export_job", &by_member, "Show an export of mine",
	  .params = job_path, .out = &job_shape, .sql = &q_activity_export_get },
	{ GET, BASE "/jobs/{job_id}/download", "workspace.activity.download_export", &by_member, "Download an export of mine",
	  .about = "Up to 1 MB it is sent at once, else by a redirect to a signed link. After seven days it is gone.",
	  .params = job_path, .out = &job_shape, .errors = of_file, .run = export_download, .flags = SENDS_FILE | BARE },
	{ GET, BASE "/jobs/{job_id}/download-url", "workspace.activity.get_export_download_url", &by_member, "Get a link to an export of mine",
	  .about = "Up to 1 MB it is the file itself, as a data: URL; else it is good for an hour, or until the file goes.",
	  .params = job_path, .out = &link_shape, .errors = of_file, .run = export_link },
	ROUTE_END
};
/* clang-format on */

enum { REDIRECT_S = 300 }; /* it is followed at once */

static const char *type_of(const char *format)
{
	return !strcmp(format, "csv") ? "text/csv"
	       : !strcmp(format, "json")
		       ? "application/json"
		       : "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
}

static const char *kept(struct req *rq, const PGresult *res, const char *column)
{
	return arena_dup(&rq->tx.arena, column_text(res, 0, column));
}

/* The one that the path names, whose file is there. */
static enum err find(struct req *rq, PGresult **out)
{
	enum err rc = tx_call(&rq->tx, &q_activity_export_file, true, out);
	const char *status;

	if (rc)
		return rc;
	if (!PQntuples(*out))
		return answer_not_found(rq, req_path_text(rq, "job_id"));
	status = column_text(*out, 0, "status");
	if (!strcmp(status, "failed"))
		return req_fail(rq, ERR_CONFLICT, "the export has failed: start it again");
	if (strcmp(status, "completed") != 0)
		return req_fail(rq, ERR_CONFLICT, "the export is not completed yet");
	if (column_bool(*out, 0, "is_over"))
		return req_fail(rq, ERR_GONE, "the file was kept for seven days: start the export again");
	return ERR_OK;
}

static struct storage_object object_of(struct req *rq, const PGresult *res)
{
	return (struct storage_object){ .tenant_id = kept(rq, res, "tenant_id"),
					.id = kept(rq, res, "object_id"),
					.backend = kept(rq, res, "backend"),
					.content_type = kept(rq, res, "content_type") };
}

static enum err export_download(struct req *rq)
{
	struct storage_object object;
	const char *url;
	PGresult *res;
	enum err rc = find(rq, &res);
	int content;

	if (rc)
		return rc;
	content = PQfnumber(res, "content");
	if (PQgetisnull(res, 0, content)) {
		object = object_of(rq, res);
		url = storage_download_url(&rq->tx.arena, &object, column_text(res, 0, "file_name"),
					   REDIRECT_S);
		return url ? answer_redirect(rq, url)
			   : req_fail_inside(rq, ERR_UNAVAILABLE,
					     "links cannot be signed without JWT_SECRET");
	}
	req_set_header(rq, "Content-Type", type_of(column_text(res, 0, "format")));
	req_set_header(rq, "Content-Disposition",
		       filename_disposition(&rq->tx.arena, true, column_text(res, 0, "file_name")));
	req_set_header(rq, "Cache-Control", "private, no-cache");
	buf_add(answer_open(rq), PQgetvalue(res, 0, content), (size_t)PQgetlength(res, 0, content));
	return answer_close(rq);
}

/* "data:text/csv;base64,…" */
static const char *data_url(struct req *rq, const char *type, const char *p, size_t n)
{
	char *url = arena_fmt(&rq->tx.arena, "data:%s;base64,", type), *text;
	size_t head = strlen(url);

	text = arena_alloc_raw(&rq->tx.arena, head + (n + 2) / 3 * 4 + 1);
	memcpy(text, url, head);
	text[head + base64_encode((const unsigned char *)p, n, text + head)] = '\0';
	return text;
}

static enum err export_link(struct req *rq)
{
	const char *url, *type;
	struct storage_object object;
	PGresult *res;
	struct buf *b;
	enum err rc = find(rq, &res);
	int content;

	if (rc)
		return rc;
	content = PQfnumber(res, "content");
	type = type_of(column_text(res, 0, "format"));
	if (PQgetisnull(res, 0, content)) {
		object = object_of(rq, res);
		url = storage_download_url(&rq->tx.arena, &object, column_text(res, 0, "file_name"),
					   column_int(res, 0, "ttl_s"));
	} else {
		url = data_url(rq, type, PQgetvalue(res, 0, content), (size_t)PQgetlength(res, 0, content));
	}
	if (!url)
		return req_fail_inside(rq, ERR_UNAVAILABLE, "links cannot be signed without JWT_SECRET");
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "download_url", url);
	jx_key_str(b, "file_name", column_text(res, 0, "file_name"));
	jx_key_str(b, "content_type", type);
	jx_key(b, "expires_at");
	if (PQgetisnull(res, 0, content))
		jx_str(b, column_text(res, 0, "link_expires_at"));
	else
		jx_null(b);
	buf_char(b, '}');
	return answer_close(rq);
}
