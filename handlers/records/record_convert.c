/*
 * Fields that get another type with what is stored in them, and runs that are undone.  What fits is
 * providers/record_convert.h's to say, what is done sql/functions/records/record_convert.sql and
 * record_undo.sql's, by the worker.
 */
#include <json-c/json.h>
#include <string.h>

#include "build/sql/records/record_undo.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "handlers/records/recordsets.h"
#include "handlers/shapes.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "providers/record_convert.h"

static enum err convert(struct req *rq);

/* clang-format off */
/* A geometry is none: it is written by itself, as a record's place. */
static const char *const types[] = { "text", "long_text", "number", "currency", "percent", "boolean", "date", "datetime", "email", "phone", "url",
	"select", "multi_select", "address", "latitude", "longitude", "member", "record", "json", NULL };
static const char *const statuses[] = { "queued", NULL };
static const char *const orders[] = { "dmy", "mdy", NULL };
static const char *const decimals[] = { ".", ",", NULL };

static const struct field field_path[] = {
	{ "recordset_slug", F_TEXT, 0, .max = 120, .example = "soundings", .about = "its slug or its id" },
	{ "key",            F_TEXT, 0, .max = 63, .example = "ground", .about = "of the field" },
	FIELD_END
};

static const struct field convert_in[] = {
	{ "type",        F_ENUM, F_REQUIRED, .values = types, .example = "long_text" },
	{ "options",     F_LIST, F_RARE, .item = F_TEXT, .max = RECORD_OPTIONS, .about = "of select and multi_select, which need them", .example = "[\"sand\",\"mud\"]" },
	{ "decimal",     F_ENUM, F_RARE, .values = decimals, .about = "what stands before fractions in texts that become numbers" },
	{ "date_format", F_ENUM, F_RARE, .values = orders, .about = "whether days or months come first in texts that become dates" },
	{ "dry_run",     F_BOOL, 0, .def = "false", .about = "nothing is changed: the job counts what fits, and shows 20 values that do not", .example = "true" },
	FIELD_END
};

static const struct field begun[] = {
	{ "recordset_id", F_UUID, 0 },
	{ "job_id",       F_UUID, 0, .example = "import job" },
	{ "status",       F_ENUM, 0, .values = statuses },
	{ "status_url",   F_TEXT, 0, .about = "where to ask for it", .example = "/api/v1/recordsets/import/jobs/018f3c1e-7b5a-7c3e-8d2f-0a1b2c3d4e5f" },
	FIELD_END
};

static const struct field undone[] = {
	{ "job_id",         F_UUID, 0, .about = "that has undone it" },
	{ "import_job_id",  F_UUID, 0, .example = "import job", .about = "that was undone" },
	{ "workspace_id",   F_UUID, 0 },
	{ "recordset_id",   F_UUID, 0 },
	{ "file_name",      F_TEXT, F_NULL, .example = "soundings.csv" },
	{ "deleted_count",  F_INT,  0, .example = "2" },
	{ "restored_count", F_INT,  0, .example = "0" },
	{ "kept_count",     F_INT,  0, .about = "that somebody has changed since", .example = "0" },
	FIELD_END
};

static const struct field converted[] = {
	{ "job_id",          F_UUID, 0 },
	{ "workspace_id",    F_UUID, 0 },
	{ "recordset_id",    F_UUID, 0 },
	{ "key",             F_TEXT, 0, .example = "depth" },
	{ "type",            F_TEXT, 0, .about = "that it has by now", .example = "number" },
	{ "is_undo",         F_BOOL, 0, .about = "it has the type again that it had before" },
	{ "converted_count", F_INT,  0, .example = "2" },
	{ "kept_count",      F_INT,  0, .about = "that did not fit", .example = "1" },
	FIELD_END
};

static const struct field undo_path[] = { { "job_id", F_UUID, F_REQUIRED, .example = "import job" }, FIELD_END };

static const struct shape begun_shape = { "JobBegun", begun, "Job" };
const struct shape import_undone_event_shape = { "EventImportUndone", undone };
const struct shape field_converted_event_shape = { "EventFieldConverted", converted };

static const struct constraint constraints[] = {
	{ "record_runs_convert_once", ERR_CONFLICT, NULL, "a job is undone or a field converted in this recordset: wait for that" },
	{ "record_runs_undo_once",    ERR_CONFLICT, NULL, "it was undone already" },
	{ NULL }
};

static const enum err refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_CONFLICT, ERR_OK };
static const enum err not_converted[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_VALIDATION, ERR_CONFLICT, ERR_OK };

const struct route record_convert_routes[] = {
	{ POST, "/api/v1/recordsets/{recordset_slug}/fields/{key}/convert", "workspace.records.convert_field", &by_member, "Give a field another type, and what is stored in it",
	  "Needs can_admin on the recordset. The schema has the type at once, for writes to come; a job converts the values that fit, and leaves and lists the others. It can be undone for 30 days.",
	  .params = field_path, .body = convert_in, .out = &begun_shape, .constraints = constraints, .errors = not_converted, .sql = &q_record_convert_start, .run = convert, .status = 200 },
	{ POST, "/api/v1/recordsets/import/jobs/{job_id}/undo", "workspace.imports.undo_job", &by_member, "Undo an import, or the conversion of a field",
	  "For who started it, owners and admins, within 30 days, once. Needs can_delete on the recordset, can_edit where records were changed, can_admin for a conversion. Records that it created are deleted, those that it changed have what they had before; what was changed since is kept, and listed.",
	  .params = undo_path, .out = &begun_shape, .constraints = constraints, .errors = refused, .sql = &q_record_run_undo, .status = 200 },
	ROUTE_END
};
/* clang-format on */

/* The field that the path names, of the recordset's; NULL: there is none. */
static struct json_object *find(struct json_object *fields, const char *key)
{
	for (size_t i = 0; i < json_object_array_length(fields); i++) {
		struct json_object *one = json_object_array_get_idx(fields, i);
		const char *name = json_text(json_at(one, "key", NULL), 63);

		if (name && !strcmp(name, key))
			return one;
	}
	return NULL;
}

static void set_options(struct req *rq)
{
	struct buf b;

	buf_init(&b, &rq->tx.arena, 128);
	buf_char(&b, '{');
	jx_key_str(&b, "decimal", req_text(rq, "decimal"));
	jx_key_str(&b, "date_format", req_text(rq, "date_format"));
	jx_key(&b, "dry_run"), jx_bool(&b, req_value(rq, "dry_run")->b);
	buf_char(&b, '}');
	req_set(rq, "options", buf_str(&b));
}

/* The field as it is to be: "was" and "field". */
static enum err set_fields(struct req *rq, struct json_object *was)
{
	const struct value *options = req_value(rq, "options");
	const char *had = json_text(json_at(was, "type", NULL), 63), *type = req_text(rq, "type");
	struct arena *a = &rq->tx.arena;
	struct buf field;
	enum err rc;

	if (had && !strcmp(had, "geometry"))
		return req_fail_field(rq, ERR_VALIDATION, "type", "a geometry cannot be converted");
	if (had && !strcmp(had, type))
		return req_fail_field(rq, ERR_VALIDATION, "type", "the field is of the type %s already",
				      type);
	buf_init(&field, a, 512);
	rc = record_convert_field(a, was, type, options && options->given ? options->json : NULL,
				  record_convert_decimal(req_text(rq, "decimal")),
				  record_convert_order(req_text(rq, "date_format")), &field, &rq->tx.fail);
	if (rc)
		return rc;
	req_set(rq, "was", arena_dup(a, json_object_to_json_string_ext(was, JSON_C_TO_STRING_PLAIN)));
	req_set(rq, "field", buf_str(&field));
	return ERR_OK;
}

static enum err convert(struct req *rq)
{
	const char *key = req_path_text(rq, "key"), *text, *problem;
	struct json_object *fields, *was;
	struct arena *a = &rq->tx.arena;
	PGresult *res;
	enum err rc;

	rc = tx_call(&rq->tx, &q_record_convert_schema, false, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, req_path_text(rq, "recordset_slug"));
	text = column_text(res, 0, "_fields");
	if (json_read(a, text, strlen(text), &fields, &problem))
		return req_fail_inside(rq, ERR_INTERNAL, "a schema cannot be read: %s", problem);
	was = find(fields, key);
	if (!was)
		return req_fail_field(rq, ERR_NOT_FOUND, "key", "Field not found");
	req_set(rq, "recordset", arena_dup(a, column_text(res, 0, "_recordset")));
	req_set(rq, "schema_version", arena_dup(a, column_text(res, 0, "_version")));
	rc = set_fields(rq, was);
	if (rc)
		return rc;
	set_options(rq);
	return answer_rows(rq, &q_record_convert_start);
}
