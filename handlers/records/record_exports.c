/* Exports: records of a recordset as a file, which the worker makes (worker/record_export.c). */
#include <json-c/json.h>

#include "build/sql/records/record_exports.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "handlers/records/record_filter.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"

static enum err export_start(struct req *rq);

/* clang-format off */
static const char *const formats[] = { "csv", "xlsx", "json", "geojson", NULL };
static const char *const queued[] = { "queued", NULL };
static const struct field one_key = { "fields", F_TEXT, 0, .min = 1, .max = 255, .example = "depth" };

static const struct field filters[] = {
	{ "search",          F_TEXT,   F_RARE, .max = 255, .example = "mole" },
	{ "column_filters",  F_OBJECT, F_RARE, .example = "{\"ground\":[\"sand\",\"mud\"]}" },
	{ "date_filters",    F_OBJECT, F_RARE },
	{ "numeric_filters", F_OBJECT, F_RARE },
	{ "filter",          F_OBJECT, F_RARE | F_TREE, .about = RECORD_FILTER_ABOUT, .example = RECORD_FILTER_EXAMPLE },
	FIELD_END
};

static const struct field start_in[] = {
	{ "recordset_id", F_UUID,   F_REQUIRED },
	{ "format",       F_ENUM,   0, .values = formats, .def = "csv" },
	{ "fields",       F_LIST,   F_RARE, .item = F_TEXT, .each = &one_key, .min = 1, .max = 500, .about = "keys of fields, or id, title, status, tags, owner_id, geometry, created_at, updated_at; left out: id, title and all fields", .example = "[\"place\",\"depth\"]" },
	{ "record_ids",   F_LIST,   F_RARE, .item = F_UUID, .min = 1, .max = 10000, .about = "only these" },
	{ "filters",      F_OBJECT, F_RARE | F_TREE, .fields = filters, .about = "as of a list of records" },
	FIELD_END
};

static const struct field started[] = {
	{ "job_id",       F_UUID, 0, .example = "export job" },
	{ "status",       F_ENUM, 0, .values = queued },
	{ "recordset_id", F_UUID, 0 },
	{ "status_url",   F_TEXT, 0, .about = "where to ask for it", .example = "/api/v1/recordsets/import/jobs/018f3c1e-7b5a-7c3e-8d2f-0a1b2c3d4e5f" },
	FIELD_END
};

static const struct shape started_shape = { "RecordExport", started, "Export" };
static const enum err refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_VALIDATION, ERR_CONFLICT, ERR_OK };

const struct route record_export_routes[] = {
	{ POST, "/api/v1/recordsets/export", "workspace.imports.export_recordset", &by_member, "Export a recordset's records", "Needs can_view on the recordset. The file is made in the background; its link is the job's download_url, for seven days. GeoJSON has each record's geometry, null where it has none.",
	  .may = &can_export_record, .body = start_in, .out = &started_shape, .errors = refused, .sql = &q_record_export_start, .run = export_start, .status = 200 },
	ROUTE_END
};
/* clang-format on */

/* A list as it was sent, if it was. */
static void take_list(struct req *rq, struct buf *b, const char *name)
{
	const struct value *v = req_value(rq, name);

	if (!v || !v->given || !v->json)
		return;
	jx_key(b, name);
	buf_text(b, json_object_to_json_string_ext(v->json, JSON_C_TO_STRING_PLAIN));
}

static const char *member_of(struct json_object *tree, const char *name)
{
	struct json_object *one = json_at(tree, name, NULL);

	return one ? json_object_to_json_string_ext(one, JSON_C_TO_STRING_PLAIN) : NULL;
}

static enum err export_start(struct req *rq)
{
	const struct value *v = req_value(rq, "filters");
	struct json_object *tree = v && v->given ? v->json : NULL;
	const struct record_filters wanted = { member_of(tree, "column_filters"),
					       member_of(tree, "numeric_filters"),
					       member_of(tree, "date_filters"), member_of(tree, "filter") };
	struct buf b;
	enum err rc;

	buf_init(&b, &rq->tx.arena, 512);
	buf_char(&b, '{');
	take_list(rq, &b, "fields");
	take_list(rq, &b, "record_ids");
	jx_key_str(&b, "search", json_text(json_at(tree, "search", NULL), 1024));
	jx_key(&b, "filters");
	rc = record_filter_read(&rq->tx.arena, &wanted, &b, &rq->tx.fail);
	if (rc)
		return rc;
	buf_char(&b, '}');
	req_set(rq, "options", buf_str(&b));
	return answer_rows(rq, rq->asked.route->sql);
}
