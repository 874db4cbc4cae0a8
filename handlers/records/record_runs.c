/*
 * Imports and exports that were started: how far they are, how they end, and what they leave.
 *
 * A run is seen by all members of its workspace; what was in it, and the file that it made, by who started
 * it, owners and admins.  That file is got by a link that is signed, so that a browser can open it.
 */
#include <openssl/crypto.h>
#include <string.h>
#include <time.h>

#include "build/sql/records/record_runs.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "handlers/tenancy/member_ref.h"
#include "lib/base/filename.h"
#include "lib/crypto/secret.h"
#include "lib/db/column.h"
#include "lib/host/config.h"
#include "providers/storage.h"

static enum err run_with_link(struct req *rq), run_file(struct req *rq);

/* clang-format off */
static const char *const kinds[] = { "import", "export", "gis_backfill", "undo", "convert", NULL };
static const char *const statuses[] = { "pending", "queued", "running", "processing", "completed", "failed", "cancelled", NULL };

static const struct field run[] = {
	{ "job_id",         F_UUID,     0, .example = "import job" },
	{ "job_type",       F_ENUM,     0, .values = kinds },
	{ "status",         F_ENUM,     0, .values = statuses, .example = "completed" },
	{ "progress",       F_INT,      0, .about = "0 to 100, which is completed", .example = "100" },
	{ "current_step",   F_TEXT,     F_NULL, .about = "what it is about; null: it has not begun, or is over" },
	{ "recordset_id",   F_UUID,     F_NULL, .about = "null: it is no more" },
	{ "recordset_name", F_TEXT,     F_NULL, .example = "Soundings" },
	{ "recordset_slug", F_SLUG,     F_NULL, .example = "soundings" },
	{ "file_name",      F_TEXT,     F_NULL, .example = "soundings.csv" },
	{ "format",         F_TEXT,     F_NULL, .example = "csv" },
	{ "total_rows",     F_INT,      0, .about = "as far as that is known", .example = "3" },
	{ "processed_rows", F_INT,      0, .example = "3" },
	{ "success_count",  F_INT,      0, .example = "2" },
	{ "error_count",    F_INT,      0, .about = "rows that were refused", .example = "1" },
	{ "skipped_count",  F_INT,      0, .about = "rows that there was nothing to do for", .example = "0" },
	{ "error_message",  F_TEXT,     F_NULL },
	{ "dry_run",        F_BOOL,     0, .about = "it is only tried: nothing is written", .example = "false" },
	{ "created_by",     F_OBJECT,   F_NULL, .fields = member_ref, .about = "null: one who has left" },
	{ "created_at",     F_DATETIME, 0 },
	{ "started_at",     F_DATETIME, F_NULL },
	{ "completed_at",   F_DATETIME, F_NULL },
	FIELD_END
};

static const struct field sample_error[] = {
	{ "row_number", F_INT,  0, .about = "the first row below the header is 2", .example = "4" },
	{ "field",      F_TEXT, F_NULL, .example = "depth" },
	{ "value",      F_TEXT, F_NULL, .example = "deep" },
	{ "error",      F_TEXT, 0, .example = "is no number" },
	FIELD_END
};

static const struct field kept_record[] = {
	{ "record_id", F_UUID, 0 },
	{ "value",     F_TEXT, F_NULL, .about = "that does not fit, of a conversion", .example = "deep" },
	{ "reason",    F_TEXT, 0, .example = "it was changed since" },
	FIELD_END
};

static const struct field summary[] = {
	{ "total_rows",      F_INT,    0, .example = "3" },
	{ "valid_rows",      F_INT,    0, .example = "2" },
	{ "invalid_rows",    F_INT,    0, .example = "1" },
	{ "created_rows",    F_INT,    F_OPTIONAL, .about = "that became records, or would have", .example = "2" },
	{ "updated_rows",    F_INT,    F_OPTIONAL, .about = "that changed one", .example = "0" },
	{ "unchanged_rows",  F_INT,    F_OPTIONAL, .about = "whose record had all of it", .example = "0" },
	{ "errors_by_field", F_OBJECT, 0, .item = F_INT, .about = "how many there are, by the keys of fields", .example = "{\"depth\":1}" },
	{ "sample_errors",   F_LIST,   0, .fields = sample_error, .about = "the first 20" },
	{ "deleted_records",   F_INT,  F_OPTIONAL, .about = "by an undo", .example = "2" },
	{ "restored_records",  F_INT,  F_OPTIONAL, .about = "by an undo", .example = "0" },
	{ "converted_records", F_INT,  F_OPTIONAL, .about = "whose value has another form, or would have", .example = "2" },
	{ "kept",              F_LIST, F_OPTIONAL, .fields = kept_record, .about = "the first 20 that an undo or a conversion has left as they are" },
	FIELD_END
};

static const struct field detail[] = {
	FIELDS_OF(run),
	{ "validation_summary",  F_OBJECT,   F_NULL, .fields = summary, .about = "of an import, an undo or a conversion that is over" },
	{ "report_download_url", F_URL,      F_NULL, .about = "a CSV of all rows that an import refused, or all records that an undo or a conversion kept, for whoever has the link; null: there is none, or no more", .example = "https://localhost:8443/api/v1/recordsets/import/error-report/018f3c1e-7b5a-7c3e-8d2f-0a1b2c3d4e5f?exp=1764500000&sig=9f86d081" },
	{ "report_expires_at",   F_DATETIME, F_NULL, .about = "when the link does" },
	{ "download_url",        F_URL,      F_NULL, .about = "the file of an export, for whoever has the link" },
	{ "field_mappings",      F_OBJECT,   F_NULL, .item = F_TEXT, .about = "the file's columns, and the fields that they are", .example = "{\"Place\":\"place\"}" },
	FIELD_END
};

static const struct field status[] = {
	{ "job_id",         F_UUID, 0, .example = "import job" },
	{ "status",         F_ENUM, 0, .values = statuses, .example = "completed" },
	{ "progress",       F_INT,      0, .about = "0 to 100, which is completed", .example = "100" },
	{ "total_rows",     F_INT,  0, .example = "3" },
	{ "processed_rows", F_INT,  0, .example = "3" },
	{ "success_count",  F_INT,  0, .example = "2" },
	{ "error_count",    F_INT,  0, .example = "1" },
	{ "error_message",  F_TEXT, F_NULL },
	FIELD_END
};

static const struct field link_out[] = {
	{ "url",        F_URL,      0, .about = "good for whoever has it", .example = "https://localhost:8443/api/v1/recordsets/import/error-report/018f3c1e-7b5a-7c3e-8d2f-0a1b2c3d4e5f?exp=1764500000&sig=9f86d081" },
	{ "expires_at", F_DATETIME, 0 },
	FIELD_END
};

static const struct field cancelled[] = {
	{ "cancelled_count", F_INT,  0, .example = "1" },
	{ "job_ids",         F_LIST, 0, .item = F_UUID },
	FIELD_END
};

static const struct field find_in[] = {
	{ "job_type", F_ENUM, 0, .values = kinds },
	{ "status",   F_ENUM, 0, .values = statuses },
	FIELD_END
};

static const struct field link_in[] = {
	{ "exp", F_INT,  F_REQUIRED, .min = 1, .about = "when the link ends, in seconds since 1970", .example = "1764500000" },
	{ "sig", F_TEXT, F_REQUIRED, .min = 1, .max = 128, .example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" },
	FIELD_END
};

static const struct field ended_path[] = { { "job_id", F_UUID, F_REQUIRED, .example = "import job" }, FIELD_END };
static const struct field open_path[] = { { "job_id", F_UUID, F_REQUIRED, .example = "import job queued" }, FIELD_END };

static const struct shape run_shape = { "ImportJob", run, "Job" };
static const struct shape detail_shape = { "ImportJobDetail", detail, "Job" };
static const struct shape status_shape = { "ImportStatus", status, "Job" };
static const struct shape link_shape = { "ImportReportLink", link_out, "Report" };
static const struct shape cancelled_shape = { "ImportJobsCancelled", cancelled };

static const enum err not_mine[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_CONFLICT, ERR_OK };
static const enum err not_shown[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };
static const enum err of_link[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_GONE, ERR_OK };

#define BASE "/api/v1/recordsets/import"
#define ONE BASE "/jobs/{job_id}"
#define MINE "For who started it, owners and admins."

const struct route record_run_routes[] = {
	{ GET,    BASE "/jobs",               "workspace.imports.list_jobs",       &by_member, "List imports and exports", "Those of the workspace, the newest first.",
	  .query = find_in, .out = &run_shape, .list = &numbered, .size = { 50, 200 }, .sql = &q_record_run_list },
	{ GET,    ONE,                        "workspace.imports.get_job",         &by_member, "Get an import or export", "What was in it is shown to who started it, owners and admins.",
	  .params = ended_path, .out = &detail_shape, .sql = &q_record_run_get, .run = run_with_link },
	{ GET,    BASE "/status/{job_id}",    "workspace.imports.get_import_status", &by_member, "How far an import or export is",
	  .params = ended_path, .out = &status_shape, .sql = &q_record_run_status },
	{ GET,    ONE "/report-url",          "workspace.imports.get_report_url",  &by_member, "Get a link to what an import refused, or to an export", MINE " It is good for an hour.",
	  .params = ended_path, .out = &link_shape, .errors = not_shown, .sql = &q_record_run_link, .run = run_with_link },
	{ GET,    BASE "/error-report/{job_id}", "workspace.imports.download_error_report", &by_anyone, "Download what an import refused, or an export", "A CSV with row_number, field, value and error, a line for each; or the export's file. From a bucket it comes by a redirect.",
	  .needs = { "a link that is signed", ERR_AUTHORIZATION }, .params = ended_path, .query = link_in, .out = &link_shape, .errors = of_link, .run = run_file, .flags = SENDS_FILE | BARE },
	{ POST,   BASE "/jobs/cancel-all",    "workspace.imports.cancel_all_jobs", &by_member, "Cancel all imports and exports that are under way", "For owners and admins.",
	  .may = &workspace_admin, .out = &cancelled_shape, .sql = &q_record_runs_cancel, .status = 200 },
	{ POST,   ONE "/cancel",              "workspace.imports.cancel_job",      &by_member, "Cancel an import or export", MINE " Rows that were written stay.",
	  .params = open_path, .out = &run_shape, .errors = not_mine, .sql = &q_record_run_cancel, .status = 200 },
	{ DELETE, ONE,                        "workspace.imports.delete_job",      &by_member, "Take an import or export out of the history", MINE " Its file goes with it.",
	  .params = ended_path, .out = &run_shape, .errors = not_mine, .sql = &q_record_run_delete, .status = 204 },
	ROUTE_END
};
/* clang-format on */

enum { LINK_S = 3600, REDIRECT_S = 300 };

/* The signature of a link to a run's file that ends at exp, in hexadecimal digits; NULL without JWT_SECRET.
 */
static const char *sign(struct arena *a, const char *id, long long exp)
{
	const char *text = arena_fmt(a, "%s:%lld", id, exp);
	unsigned char mac[SECRET_BYTES];

	/* Behind the "\x" of a bytea. */
	return secret_mac("record run", text, strlen(text), mac) ? secret_bytea(a, mac, sizeof(mac)) + 2
								 : NULL;
}

/* A link to the file of the run that the path names, whether there is one or not: the query decides. */
static enum err run_with_link(struct req *rq)
{
	const char *id = req_path_text(rq, "job_id"), *sig;
	struct arena *a = &rq->tx.arena;
	long long exp = time(NULL) + LINK_S;

	sig = sign(a, id, exp);
	if (!sig)
		return req_fail_inside(rq, ERR_UNAVAILABLE, "links cannot be signed without JWT_SECRET");
	req_set(rq, "link",
		arena_fmt(a, "%s" BASE "/error-report/%s?exp=%lld&sig=%s", cfg.public_url, id, exp, sig));
	req_set(rq, "link_expires", arena_fmt(a, "%lld", exp));
	return answer_rows(rq, rq->asked.route->sql);
}

static enum err run_file(struct req *rq)
{
	const char *id = req_path_text(rq, "job_id"), *sent = req_text(rq, "sig"), *right, *name;
	struct arena *a = &rq->tx.arena;
	long long exp = req_int(rq, "exp");
	struct storage_object o;
	PGresult *res;
	enum err rc;

	right = sign(a, id, exp);
	if (!right || strlen(sent) != strlen(right) || CRYPTO_memcmp(sent, right, strlen(right)) != 0)
		return req_fail_field(rq, ERR_AUTHORIZATION, "sig",
				      "this link is none of ours: ask for another one");
	if (exp <= time(NULL))
		return req_fail(rq, ERR_GONE, "the link has expired: ask for another one");
	rc = tx_call(&rq->tx, &q_record_run_file, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, id);
	o = (struct storage_object){
		.tenant_id = arena_dup(a, column_text(res, 0, "tenant_id")),
		.id = arena_dup(a, column_text(res, 0, "object_id")),
		.backend = arena_dup(a, column_text(res, 0, "backend")),
		.content_type = arena_dup(a, column_text(res, 0, "content_type")),
	};
	name = arena_dup(a, column_text(res, 0, "file_name"));
	if (!storage_is_local(&o))
		return answer_redirect(rq, storage_download_url(a, &o, name, REDIRECT_S));
	if (!storage_has(a, &o))
		return answer_not_found(rq, id);
	req_set_header(rq, "Content-Type", o.content_type);
	req_set_header(rq, "Content-Disposition", filename_disposition(a, true, name));
	req_set_header(rq, "Cache-Control", "private, no-cache");
	req_set_header(rq, "X-Accel-Redirect", storage_internal(a, o.id));
	answer_open(rq);
	return answer_close(rq);
}
