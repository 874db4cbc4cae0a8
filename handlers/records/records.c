/*
 * Records: the rows of recordsets.
 *
 * Values are checked here, against the schema as it stands in the same transaction, and
 * written by sql/functions/records/records.sql, in whose hands the right to do so, versions and counts
 * are.  /crud is the same, but for PUT, which replaces, and versions, which the recordset's settings may
 * switch off there.
 */
#include <json-c/json.h>
#include <string.h>

#include "build/sql/records/records.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "handlers/records/record_cache.h"
#include "handlers/records/record_filter.h"
#include "providers/record_geometry.h"
#include "handlers/records/record_input.h"
#include "handlers/records/recordsets.h"
#include "handlers/shapes.h"
#include "handlers/tenancy/member_ref.h"
#include "lib/base/jx.h"
#include "lib/db/rows.h"
#include "providers/record_schema.h"

static enum err record_list(struct req *rq);
static enum err record_create(struct req *rq);
static enum err record_update(struct req *rq);
static enum err record_write(struct req *rq);
static enum err record_bulk_delete(struct req *rq);

/* clang-format off */
static const char *const states[] = { "active", "draft", "archived", "deleted", NULL };
static const char *const given_states[] = { "active", "draft", "archived", NULL };
static const char *const changes[] = { "created", "updated", "restored", "deleted", NULL };
static const char *const reasons[] = { "not_found", "forbidden", NULL };

static const struct field one_tag = { "tags", F_TEXT, 0, .min = 1, .max = 100, .example = "harbour" };

static const struct field record[] = {
	{ "id",               F_UUID,     OUT },
	{ "recordset_id",     F_UUID,     OUT | NEW | NEEDED },
	{ "recordset_slug",   F_SLUG,     OUT, .example = "soundings" },
	{ "title",            F_TEXT,     OUT | NEW | SET | F_NULL_OUT, .max = 500, .about = "the value of the schema's title_field, unless given", .example = "Off the mole" },
	{ "field_values",     F_OBJECT,   OUT | NEW, .about = "by the keys of the schema; others stay as they are", .example = "{\"place\":\"Off the mole\",\"depth\":7.5}" },
	{ "field_values",     F_OBJECT,   SET, .about = "those that are sent; null takes one away", .example = "{\"depth\":7.5}" },
	{ "status",           F_ENUM,     OUT, .values = states },
	{ "status",           F_ENUM,     NEW | SET, .values = given_states, .def = "active" },
	{ "tags",             F_LIST,     OUT | NEW | SET, .item = F_TEXT, .each = &one_tag, .max = 100, .example = "[\"harbour\"]" },
	{ "geometry",         F_OBJECT,   OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .about = RECORD_GEOMETRY_ABOUT, .example = RECORD_GEOMETRY_EXAMPLE },
	{ "geometry_type",    F_TEXT,     OUT | F_NULL },
	{ "lat",              F_NUMBER,   OUT | F_NULL },
	{ "lng",              F_NUMBER,   OUT | F_NULL },
	{ "tool_statuses",    F_OBJECT,   OUT | NEW, .item = F_TEXT, .about = "of tools by their names: a-z, 0-9, _ and -", .example = "{\"survey\":\"queued\"}" },
	{ "tool_statuses",    F_OBJECT,   SET, .about = "those that are sent; null takes one away", .example = "{\"survey\":\"done\"}" },
	{ "group_id",         F_UUID,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET | F_RARE },
	{ "owner_id",         F_UUID,     OUT | NEW | SET | F_NULL_OUT, .about = "a member; of a new one the caller, unless given", .example = "member theo" },
	{ "owner",            F_OBJECT,   OUT | F_NULL, .fields = member_ref },
	{ "created_by",       F_OBJECT,   OUT | F_NULL, .fields = member_ref },
	{ "version",          F_INT,      OUT },
	{ "is_latest",        F_BOOL,     OUT, .about = "false: it is deleted" },
	{ "permissions",      F_OBJECT,   OUT | F_NULL, .fields = recordset_permissions, .about = "the caller's, on its recordset" },
	{ "comment_count",    F_INT,      OUT },
	{ "attachment_count", F_INT,      OUT },
	{ "deleted_at",       F_DATETIME, OUT | F_NULL },
	{ "created_at",       F_DATETIME, OUT },
	{ "updated_at",       F_DATETIME, OUT },
	{ "expected_version", F_INT,      SET | F_RARE, .min = 1, .about = "409, if it is another one" },
	FIELD_END
};

static const struct field replacement[] = {
	{ "title",            F_TEXT,     0, .max = 500, .example = "Off the mole" },
	{ "field_values",     F_OBJECT,   F_REQUIRED, .example = "{\"place\":\"Off the mole\",\"depth\":7.5}" },
	{ "status",           F_ENUM,     0, .values = given_states, .def = "active" },
	{ "tags",             F_LIST,     0, .item = F_TEXT, .each = &one_tag, .max = 100, .example = "[\"harbour\"]" },
	{ "owner_id",         F_UUID,     0, .about = "a member; left out, it stays", .example = "member theo" },
	{ "group_id",         F_UUID,     F_RARE },
	{ "tool_statuses",    F_OBJECT,   0, .example = "{\"survey\":\"done\"}" },
	{ "geometry",         F_OBJECT,   0, .about = RECORD_GEOMETRY_ABOUT, .example = RECORD_GEOMETRY_EXAMPLE },
	FIELD_END
};

static const struct field history[] = {
	{ "id",                    F_UUID,     0 },
	{ "record_id",             F_UUID,     0 },
	{ "version",               F_INT,      0 },
	{ "change_type",           F_ENUM,     0, .values = changes },
	{ "title",                 F_TEXT,     F_NULL, .example = "Off the mole" },
	{ "field_values",          F_OBJECT,   0, .example = "{\"place\":\"Off the mole\",\"depth\":7.5}" },
	{ "status",                F_ENUM,     0, .values = states },
	{ "tags",                  F_LIST,     0, .item = F_TEXT },
	{ "changed_fields",        F_LIST,     0, .item = F_TEXT, .about = "the keys whose values are other ones than before" },
	{ "restored_from_version", F_INT,      F_NULL },
	{ "changed_by",            F_OBJECT,   F_NULL, .fields = member_ref },
	{ "created_at",            F_DATETIME, 0 },
	FIELD_END
};

static const struct field event[] = {
	{ "id",            F_UUID,     0 },
	{ "workspace_id",  F_UUID,     0 },
	{ "recordset_id",  F_UUID,     0 },
	{ "title",         F_TEXT,     F_NULL, .example = "Off the mole" },
	{ "status",        F_ENUM,     0, .values = states },
	{ "tags",          F_LIST,     0, .item = F_TEXT },
	{ "field_values",  F_OBJECT,   0, .example = "{\"place\":\"Off the mole\",\"depth\":7.5}" },
	{ "tool_statuses", F_OBJECT,   0 },
	{ "group_id",      F_UUID,     F_NULL },
	{ "owner_id",      F_UUID,     F_NULL },
	{ "version",       F_INT,      0 },
	{ "created_at",    F_DATETIME, 0 },
	{ "updated_at",    F_DATETIME, 0 },
	FIELD_END
};

static const struct field bulk_event[] = {
	{ "workspace_id",  F_UUID, 0 },
	{ "recordset_id",  F_UUID, 0 },
	{ "deleted_count", F_INT,  0 },
	{ "deleted_ids",   F_LIST, 0, .item = F_UUID, .about = "empty: all that the recordset had" },
	FIELD_END
};

static const char *const orders[] = { "asc", "desc", NULL };
static const struct field one_key = { "fields", F_TEXT, 0, .min = 1, .max = 63, .fits = &record_key, .example = "depth" };

#define FIND \
	{ "recordset_id", F_UUID, F_RARE, .about = "left out: of all that the caller may see" }, \
	{ "search",       F_TEXT, F_RARE, .max = 255, .about = "in the title and in texts, in any case; blank: no filter", .example = "mole" }, \
	{ "status",       F_LIST, F_RARE | F_CSV, .item = F_ENUM, .values = states, .min = 1, .max = 4, .about = "one of these; deleted is for who has can_admin" }, \
	{ "tags",         F_LIST, F_RARE | F_CSV, .item = F_TEXT, .each = &one_tag, .min = 1, .max = 50, .about = "that have one of these", .example = "[\"harbour\"]" }

static const struct field find_in[] = {
	FIND,
	{ "fields",                 F_LIST, F_RARE | F_CSV, .item = F_TEXT, .each = &one_key, .min = 1, .max = 500, .about = "of field_values only these", .example = "[\"place\",\"depth\"]" },
	{ "sort_by",                F_TEXT, F_RARE, .max = 63, .fits = &record_key, .def = "created_at",
	  .about = "created_at, updated_at, title, status or, of one recordset, the key of a field; without a value: at the end, either way", .example = "title" },
	{ "sort_order",             F_ENUM, F_RARE, .values = orders, .def = "desc" },
	{ "column_filters",         F_TEXT, F_RARE, .max = 16000, .about = "JSON by keys of fields: a text contains, a list is one of, or {\"op\",\"value\"}", .example = "{\"ground\":[\"sand\",\"mud\"]}" },
	{ "date_filters",           F_TEXT, F_RARE, .max = 16000, .about = "JSON: from and to; a date is its whole day in UTC", .example = "{\"created_at\":{\"from\":\"2026-01-01\"}}" },
	{ "numeric_filters",        F_TEXT, F_RARE, .max = 16000, .about = "JSON: min and max, or eq", .example = "{\"depth\":{\"max\":10}}" },
	{ "filter",                 F_TEXT, F_RARE, .max = 16000, .about = RECORD_FILTER_ABOUT, .example = RECORD_FILTER_EXAMPLE },
	{ "tool",                   F_TEXT, F_RARE, .min = 1, .max = 64, .about = "that are in this tool's view", .example = "survey" },
	{ "exclude_recommendation", F_LIST, F_RARE | F_CSV, .item = F_TEXT, .min = 1, .max = 50, .about = "whose value of ai_recommendation is none of these", .example = "[\"skip\"]" },
	{ "group_id",               F_UUID, F_RARE, .example = "01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e" },
	FIELD_END
};

static const struct field crud_find_in[] = { FIND, FIELD_END };

static const struct field delete_in[] = {
	{ "record_ids",   F_LIST, 0, .item = F_UUID, .min = 1, .max = 1000, .about = "unless all" },
	{ "recordset_id", F_UUID, F_RARE, .about = "needed with all" },
	{ "all",          F_BOOL, 0, .def = "false", .example = "false" },
	FIELD_END
};

static const struct field failed[] = {
	{ "record_id", F_UUID, 0 },
	{ "reason",    F_ENUM, 0, .values = reasons },
	FIELD_END
};

static const struct field deleted[] = {
	{ "deleted_count", F_INT,  0 },
	{ "deleted_ids",   F_LIST, 0, .item = F_UUID, .about = "empty where all were deleted" },
	{ "failed",        F_LIST, 0, .fields = failed },
	FIELD_END
};

static const struct field recounted[] = {
	{ "updated_count",    F_INT, 0, .about = "whose number was another one" },
	{ "total_recordsets", F_INT, 0 },
	FIELD_END
};

static const struct field dismiss_in[] = {
	{ "tool", F_TEXT, F_REQUIRED, .min = 1, .max = 64, .example = "survey" },
	FIELD_END
};

static const struct shape record_shape = { "Record", record };
static const struct shape history_shape = { "RecordHistoryEntry", history, "Record" };
static const struct shape deleted_shape = { "RecordsDeleted", deleted, "Record" };
static const struct shape recounted_shape = { "RecordsRecounted", recounted, "Recordset" };
const struct shape record_event_shape = { "EventRecord", event };
const struct shape record_bulk_event_shape = { "EventRecordsDeleted", bulk_event };

static const struct constraint constraints[] = {
	{ "records_values_size", ERR_VALIDATION, "field_values",  "the values of a record may have 256 KiB" },
	{ "records_tools_size",  ERR_VALIDATION, "tool_statuses", "tool_statuses may have 16 KiB" },
	{ NULL }
};

static const enum err refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };
static const enum err not_written[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_VALIDATION, ERR_CONFLICT, ERR_OK };

static const struct child written[] = { { "record", &q_record_made }, { NULL } };

#define BASE "/api/v1/records"
#define ONE BASE "/{record_id}"
#define CRUD "/api/v1/crud/records"
#define CRUD_ONE CRUD "/{record_id}"
#define EDIT "Needs can_edit on the recordset, or can_edit_own of who made or owns the record."

const struct route record_routes[] = {
	{ GET,    BASE,               "workspace.records.list_records",           &by_member, "List records", "Of one recordset, or of all that the caller may see. All that is asked for has to be so. total is exact without filters, else counted up to 10,001.",
	  .query = find_in, .out = &record_shape, .list = &numbered, .size = { 50, 200 }, .errors = refused, .sql = &q_record_list, .run = record_list },
	{ GET,    ONE,                "workspace.records.get_record",             &by_member, "Get a record", "Needs can_view on its recordset.",
	  .out = &record_shape, .sql = &q_record_get },
	{ POST,   BASE,               "workspace.records.create_record",          &by_member, "Create a record", "Needs can_create on the recordset. Values are checked against its schema; all that do not fit are named.",
	  .body = record, .as = NEW, .out = &record_shape, .constraints = constraints, .errors = not_written, .run = record_create },
	{ PUT,    ONE,                "workspace.records.update_record",          &by_member, "Change a record", EDIT " What changes something makes a new version.",
	  .body = record, .as = SET, .out = &record_shape, .constraints = constraints, .errors = not_written, .run = record_update, .flags = IF_MATCH },
	{ DELETE, ONE,                "workspace.records.delete_record",          &by_member, "Delete a record", "Needs can_delete on the recordset, or can_delete_own of who made or owns the record.",
	  .out = &record_shape, .errors = refused, .sql = &q_record_delete, .status = 204 },
	{ POST,   ONE "/restore",     "workspace.records.restore_record",         &by_member, "Take a deleted record back", "As a new version, with the values and the status that it had. Needs can_delete on the recordset, or can_delete_own of who made or owns the record.",
	  .needs = { "a record that is deleted", ERR_CONFLICT }, .out = &record_shape, .errors = not_written, .run = record_write, .status = 200, .flags = IF_MATCH },
	{ POST,   BASE "/bulk-delete", "workspace.records.bulk_delete_records",   &by_member, "Delete many records, or all of a recordset", "Those that may be deleted are; the others are named. All needs can_delete on the recordset.",
	  .body = delete_in, .out = &deleted_shape, .errors = not_written, .sql = &q_records_delete, .run = record_bulk_delete, .status = 200 },
	{ GET,    ONE "/history",     "workspace.records.list_record_history",    &by_member, "List a record's versions", "The newest first. Needs can_view on its recordset.",
	  .out = &history_shape, .list = &unwrapped, .errors = refused, .sql = &q_record_history },
	{ POST,   ONE "/history/{history_id}/restore", "workspace.records.restore_record_version", &by_member, "Give a record the values of an earlier version", "As a new version. Needs can_edit on the recordset.",
	  .out = &record_shape, .errors = refused, .run = record_write, .status = 200 },
	{ POST,   ONE "/dismiss",     "workspace.records.dismiss_record",         &by_member, "Take a record out of a tool's view", EDIT,
	  .query = dismiss_in, .out = &record_shape, .errors = refused, .run = record_write, .status = 200 },

	{ GET,    CRUD,               "workspace.records.crud_list_records",      &by_member, "List records, for /crud", "The newest first.",
	  .query = crud_find_in, .out = &record_shape, .list = &numbered, .size = { 50, 200 }, .errors = refused, .sql = &q_record_list, .run = record_list },
	{ GET,    CRUD_ONE,           "workspace.records.crud_get_record",        .summary = "Get a record, for /crud", .alias_of = "workspace.records.get_record" },
	{ POST,   CRUD,               "workspace.records.crud_create_record",     .summary = "Create a record, for /crud", .alias_of = "workspace.records.create_record" },
	{ PUT,    CRUD_ONE,           "workspace.records.crud_replace_record",    &by_member, "Replace a record", EDIT " What is left out is as in a new one.",
	  .body = replacement, .out = &record_shape, .constraints = constraints, .errors = not_written, .run = record_update, .flags = IF_MATCH },
	{ PATCH,  CRUD_ONE,           "workspace.records.crud_patch_record",      .summary = "Change a record, for /crud", .about = EDIT " Versions are kept unless the recordset's settings say otherwise.",
	  .alias_of = "workspace.records.update_record" },
	{ DELETE, CRUD_ONE,           "workspace.records.crud_delete_record",     .summary = "Delete a record, for /crud", .alias_of = "workspace.records.delete_record" },
	{ POST,   "/api/v1/crud/recordsets/sync-counts", "workspace.records.crud_sync_record_counts", &by_member, "Count the records of all recordsets anew", "For owners and admins.",
	  .may = &workspace_admin, .out = &recounted_shape, .sql = &q_recordsets_recount, .status = 200 },
	ROUTE_END
};
/* clang-format on */

/* The last statement, and behind it in the same round trip the record as it is now. */
static enum err record_answer(struct req *rq, const struct query *q)
{
	const struct rows_form form = { .has_micros = true };
	PGresult *res;
	enum err rc = tx_call_family(&rq->tx, q, written, true, &res);

	if (rc)
		return rc;
	rows_object(answer_open(rq), rows_open(&rq->tx.arena, rq->tx.children[0], 0, &form), 0);
	return answer_close(rq);
}

/* A list as it was sent, for records_find(): as PostgreSQL writes an array. */
static void ask_list(struct req *rq, struct buf *b, const char *field, const char *name)
{
	const struct value *v = req_value(rq, field);

	if (v && v->given)
		jx_key_str(b, name, v->text);
}

static enum err record_list(struct req *rq)
{
	const struct record_filters filters = { req_text(rq, "column_filters"),
						req_text(rq, "numeric_filters"), req_text(rq, "date_filters"),
						req_text(rq, "filter") };
	const char *order = req_text(rq, "sort_order");
	struct buf b;
	enum err rc;

	buf_init(&b, &rq->tx.arena, 512);
	buf_char(&b, '{');
	jx_key(&b, "filters");
	rc = record_filter_read(&rq->tx.arena, &filters, &b, &rq->tx.fail);
	if (rc)
		return rc;
	jx_key_str(&b, "search", req_text(rq, "search"));
	ask_list(rq, &b, "status", "statuses");
	ask_list(rq, &b, "tags", "tags");
	ask_list(rq, &b, "exclude_recommendation", "exclude");
	jx_key_str(&b, "tool", req_text(rq, "tool"));
	jx_key_str(&b, "group_id", req_text(rq, "group_id"));
	jx_key_str(&b, "sort_by", req_text(rq, "sort_by"));
	jx_key(&b, "descends"), jx_bool(&b, !order || strcmp(order, "asc") != 0);
	buf_char(&b, '}');
	req_set(rq, "asked", buf_str(&b));
	if (!req_value(rq, "fields"))
		req_set(rq, "fields", NULL);
	return answer_rows(rq, &q_record_list);
}

/* "values" and "dropped" of what record_change() takes. */
static enum err write_values(struct req *rq, const struct record_cached *schema, bool is_whole, struct buf *b)
{
	struct arena *a = &rq->tx.arena;
	const struct value *v = req_value(rq, "field_values");
	struct json_object *given = v && v->given ? v->json : NULL;
	struct record_schema s;
	struct record_input in;
	struct buf dropped;
	enum err rc;

	rc = record_input_schema(a, schema->fields, &s, &rq->tx.fail);
	if (rc)
		return rc;
	record_input_begin(&in, a);
	buf_init(&dropped, a, 64);
	buf_char(&dropped, '[');
	jx_key_open(b, "values", '{');
	record_input_values(&in, &s, schema->is_strict, given, b, &dropped);
	if (is_whole)
		record_input_defaults(&in, &s, given, b);
	buf_char(b, '}'), buf_char(&dropped, ']');
	jx_key(b, "dropped"), buf_text(b, buf_str(&dropped));
	return record_input_end(&in, &rq->tx.fail);
}

/* "tools" and "dropped_tools". */
static enum err write_tools(struct req *rq, bool is_whole, struct buf *b)
{
	const struct value *v = req_value(rq, "tool_statuses");

	return v && v->given ? record_input_tools(&rq->tx.arena, v->json, is_whole, b, &rq->tx.fail) : ERR_OK;
}

/* Members of what was sent, or has a default. */
static enum err write_set(struct req *rq, struct buf *b)
{
	static const char *const texts[] = { "title", "status", "owner_id", "group_id" };
	const struct value *tags = req_value(rq, "tags"), *geometry = req_value(rq, "geometry");
	enum err rc = ERR_OK;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const struct value *v = req_value(rq, texts[i]);

		if (v && (v->given || !v->is_null))
			jx_key(b, texts[i]), jx_str(b, v->is_null ? NULL : v->text);
	}
	if (tags && tags->given)
		jx_key(b, "tags"),
			buf_text(b, json_object_to_json_string_ext(tags->json, JSON_C_TO_STRING_PLAIN));
	if (geometry && geometry->given && !geometry->is_null)
		rc = record_geometry_check(&rq->tx.arena, geometry->json, "geometry", &rq->tx.fail);
	if (!rc && geometry && geometry->given)
		jx_key(b, "geometry"),
			buf_text(b, geometry->is_null ? "null"
						      : json_object_to_json_string_ext(
								geometry->json, JSON_C_TO_STRING_PLAIN));
	return rc;
}

static enum err prepare_create(struct req *rq, const struct record_cached *schema)
{
	struct buf b;
	enum err rc;

	buf_init(&b, &rq->tx.arena, 1024);
	buf_char(&b, '{');
	rc = write_values(rq, schema, true, &b);
	if (!rc)
		rc = write_tools(rq, true, &b);
	if (rc)
		return rc;
	jx_key_open(&b, "set", '{');
	rc = write_set(rq, &b);
	if (rc)
		return rc;
	buf_text(&b, "}}");
	req_set(rq, "given", buf_str(&b));
	req_set(rq, "schema_version", arena_fmt(&rq->tx.arena, "%d", schema->version));
	return ERR_OK;
}

static enum err no_recordset(struct req *rq)
{
	return req_fail_field(rq, ERR_NOT_FOUND, "recordset_id", "Recordset not found");
}

static enum err record_create(struct req *rq)
{
	return record_cache_write(rq, &(struct record_write){ .recordset = req_text(rq, "recordset_id"),
							      .read = &q_record_schema_of_recordset,
							      .write = &q_record_create,
							      .column = "recordset_id",
							      .prepare = prepare_create,
							      .answer = record_answer,
							      .missing = no_recordset });
}

static bool is_whole(const struct req *rq)
{
	return rq->asked.route->body == replacement;
}

static bool has_values(const struct req *rq)
{
	const struct value *values = req_value(rq, "field_values");

	return is_whole(rq) || (values && values->given);
}

/* schema is NULL where no values are asked for. */
static enum err prepare_update(struct req *rq, const struct record_cached *schema)
{
	const struct value *expected = req_value(rq, "expected_version");
	bool is_crud = strstr(rq->asked.route->id, ".crud_") != NULL;
	enum err rc = ERR_OK;
	struct buf b;

	buf_init(&b, &rq->tx.arena, 1024);
	buf_char(&b, '{');
	jx_key(&b, "is_crud"), jx_bool(&b, is_crud);
	jx_key(&b, "is_replaced"), jx_bool(&b, is_whole(rq));
	if (expected && expected->given)
		jx_key(&b, "expected_version"), jx_int(&b, expected->i);
	if (schema)
		jx_key_int(&b, "schema_version", schema->version);
	if (schema)
		rc = write_values(rq, schema, is_whole(rq), &b);
	if (!rc)
		rc = write_tools(rq, is_whole(rq), &b);
	if (rc)
		return rc;
	jx_key_open(&b, "set", '{');
	rc = write_set(rq, &b);
	if (rc)
		return rc;
	buf_text(&b, "}}");
	req_set(rq, "change", buf_str(&b));
	req_set(rq, "if_match", answer_if_match(rq));
	return ERR_OK;
}

static enum err no_record(struct req *rq)
{
	return answer_not_found(rq, req_text(rq, "record_id"));
}

static enum err record_update(struct req *rq)
{
	enum err rc;

	if (has_values(rq))
		return record_cache_write(rq,
					  &(struct record_write){ .record = req_path_text(rq, "record_id"),
								  .read = &q_record_schema_of_record,
								  .write = &q_record_update,
								  .column = "recordset_id",
								  .prepare = prepare_update,
								  .answer = record_answer,
								  .missing = no_record });
	rc = prepare_update(rq, NULL);
	return rc ? rc : record_answer(rq, &q_record_update);
}

/* What asks for no values: PostgreSQL decides all of it. */
static enum err record_write(struct req *rq)
{
	if (strstr(rq->asked.route->id, ".restore_record_version"))
		return record_answer(rq, &q_record_restore);
	req_set(rq, "if_match", answer_if_match(rq));
	return record_answer(rq, strstr(rq->asked.route->id, ".restore_") ? &q_record_undelete
									  : &q_record_dismiss);
}

static enum err record_bulk_delete(struct req *rq)
{
	const struct value *all = req_value(rq, "all");

	if (all->b) {
		if (!req_text(rq, "recordset_id"))
			return req_fail_field(rq, ERR_VALIDATION, "recordset_id",
					      "recordset_id is needed to delete all");
		return answer_rows(rq, &q_records_delete_all);
	}
	if (!req_given(rq, "record_ids"))
		return req_fail_field(rq, ERR_VALIDATION, "record_ids", "record_ids or all is needed");
	return answer_rows(rq, &q_records_delete);
}
