/*
 * Many records of one recordset at once: created, changed, or what of both is needed,
 * each with a result of its own.  What each holds is checked here, all else by
 * sql/functions/records/record_batch.sql.
 */
#include <json-c/json.h>
#include <string.h>

#include "build/sql/records/record_batch.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/records/record_input.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "providers/record_geometry.h"

static enum err record_batch(struct req *rq);

enum { ITEMS = 1000, MAX_BODY = 8 << 20 };

/* clang-format off */
static const char *const ops[] = { "create", "update", "upsert", NULL };
static const char *const given_states[] = { "active", "draft", "archived", NULL };
static const char *const outcomes[] = { "created", "updated", "unchanged", "failed", NULL };
static const struct field one_tag = { "tags", F_TEXT, 0, .min = 1, .max = 100, .example = "harbour" };

static const struct field item[] = {
	{ "op",               F_ENUM,   0, .values = ops, .def = "create" },
	{ "record_id",        F_UUID,   F_RARE, .about = "of an update" },
	{ "title",            F_TEXT,   F_RARE, .max = 500 },
	{ "field_values",     F_OBJECT, 0, .about = "of a record that there is, those that are sent; null takes one away", .example = "{\"place\":\"At the slip\",\"depth\":1.5}" },
	{ "status",           F_ENUM,   F_RARE, .values = given_states },
	{ "tags",             F_LIST,   F_RARE, .item = F_TEXT, .each = &one_tag, .max = 100 },
	{ "tool_statuses",    F_OBJECT, F_RARE },
	{ "group_id",         F_UUID,   F_RARE | F_NULL },
	{ "owner_id",         F_UUID,   F_RARE, .about = "a member; of a new record the caller, unless given" },
	{ "geometry",         F_OBJECT, F_RARE | F_NULL, .about = RECORD_GEOMETRY_ABOUT, .example = RECORD_GEOMETRY_EXAMPLE },
	{ "expected_version", F_INT,    F_RARE, .min = 1, .about = "of a record that there is: refused, if it is another one" },
	FIELD_END
};

static const struct field batch_in[] = {
	{ "recordset_id", F_UUID, F_REQUIRED },
	{ "items",        F_LIST, F_REQUIRED, .fields = item, .min = 1, .max = ITEMS },
	{ "match_by",     F_TEXT, F_RARE, .min = 1, .max = 63, .fits = &record_key, .example = "number", .about = "the key of a unique field: an upsert changes the record that has its value, else creates one" },
	FIELD_END
};

static const struct field misfit[] = {
	{ "field",   F_TEXT, 0, .example = "field_values.depth" },
	{ "message", F_TEXT, 0 },
	FIELD_END
};

static const struct field failure[] = {
	{ "code",    F_TEXT, 0, .example = "VALIDATION_ERROR" },
	{ "message", F_TEXT, 0 },
	{ "field",   F_TEXT, F_NULL, .example = "field_values.depth" },
	{ "fields",  F_LIST, F_OPTIONAL, .fields = misfit, .about = "of values: all that do not fit" },
	FIELD_END
};

static const struct field result[] = {
	{ "index",     F_INT,    0, .about = "in items, from 0 on" },
	{ "result",    F_ENUM,   0, .values = outcomes },
	{ "record_id", F_UUID,   F_NULL },
	{ "version",   F_INT,    F_NULL },
	{ "error",     F_OBJECT, F_NULL, .fields = failure, .about = "why it failed, as a request of its own would have been told" },
	FIELD_END
};

static const struct field batch_out[] = {
	{ "created_count",   F_INT,  0 },
	{ "updated_count",   F_INT,  0 },
	{ "unchanged_count", F_INT,  0 },
	{ "failed_count",    F_INT,  0 },
	{ "results",         F_LIST, 0, .fields = result },
	FIELD_END
};

static const struct field event[] = {
	{ "workspace_id",  F_UUID, 0 },
	{ "recordset_id",  F_UUID, 0 },
	{ "created_count", F_INT,  0 },
	{ "updated_count", F_INT,  0 },
	{ "created_ids",   F_LIST, 0, .item = F_UUID },
	{ "updated_ids",   F_LIST, 0, .item = F_UUID },
	FIELD_END
};

static const struct shape batch_shape = { "RecordBatch", batch_out, "Recordset" };
const struct shape record_batch_event_shape = { "EventRecordsWritten", event };

static const struct constraint constraints[] = {
	{ "records_values_size", ERR_VALIDATION, "field_values",  "the values of a record may have 256 KiB" },
	{ "records_tools_size",  ERR_VALIDATION, "tool_statuses", "tool_statuses may have 16 KiB" },
	{ NULL }
};

static const enum err refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_VALIDATION, ERR_CONFLICT, ERR_OK };

const struct route record_batch_routes[] = {
	{ POST, "/api/v1/records/batch", "workspace.records.batch_records", &by_member, "Write many records",
	  "Up to 1,000 of one recordset, each with a result of its own: one that fails keeps the others from nothing. Needs can_view on the recordset; each item what it would need by itself.",
	  .body = batch_in, .out = &batch_shape, .constraints = constraints, .errors = refused, .sql = &q_records_batch, .run = record_batch, .status = 200, .max_body = MAX_BODY },
	ROUTE_END
};
/* clang-format on */

struct batch {
	struct arena *arena;
	struct record_schema schema;
	bool is_strict;
	const char *match_by;
};

static struct json_object *member(struct json_object *object, const char *name)
{
	struct json_object *found = NULL;

	json_object_object_get_ex(object, name, &found);
	return found;
}

/* As a member of that name. */
static void write_failure(struct buf *b, const char *name, const struct failure *f)
{
	jx_key_open(b, name, '{');
	jx_key(b, "code"), jx_str(b, err_info(f->err)->code);
	jx_key(b, "message"), jx_str(b, f->message);
	jx_key(b, "field"), jx_str(b, f->field);
	if (f->details)
		buf_char(b, ','), buf_text(b, f->details);
	buf_char(b, '}');
}

static enum err need(struct batch *t, const char *field, const char *why_not, struct failure *why)
{
	return failure_set(why, t->arena, ERR_VALIDATION, field, "%s is needed %s", field, why_not);
}

/* "values" and "dropped", and what it has besides as a new record: "defaults", or "missing", which says why
 * it cannot be one.  An update is none; whatever is created has to be one. */
static enum err write_values(struct batch *t, struct json_object *given, const char *op, struct buf *b,
			     struct failure *why)
{
	struct record_input in, as_new;
	struct failure missing = { ERR_OK };
	struct buf dropped;

	record_input_begin(&in, t->arena);
	record_input_begin(&as_new, t->arena);
	buf_init(&dropped, t->arena, 64);
	buf_char(&dropped, '[');
	jx_key_open(b, "values", '{');
	record_input_values(&in, &t->schema, t->is_strict, given, b, &dropped);
	buf_char(b, '}'), buf_char(&dropped, ']');
	jx_key(b, "dropped"), buf_text(b, buf_str(&dropped));
	if (!strcmp(op, "update"))
		return record_input_end(&in, why);
	jx_key_open(b, "defaults", '{');
	record_input_defaults(strcmp(op, "create") ? &as_new : &in, &t->schema, given, b);
	buf_char(b, '}');
	if (record_input_end(&as_new, &missing))
		write_failure(b, "missing", &missing);
	return record_input_end(&in, why);
}

static enum err write_set(struct batch *t, struct json_object *given, struct buf *b, struct failure *why)
{
	static const char *const members[] = {
		"title", "status", "owner_id", "group_id", "tags", "geometry"
	};
	struct json_object *geometry = member(given, "geometry");
	enum err rc = geometry ? record_geometry_check(t->arena, geometry, "geometry", why) : ERR_OK;

	if (rc)
		return rc;
	jx_key_open(b, "set", '{');
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		struct json_object *value;

		if (json_object_object_get_ex(given, members[i], &value))
			jx_key(b, members[i]),
				buf_text(b, json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
	}
	buf_char(b, '}');
	return ERR_OK;
}

/* What an item holds, as records_batch() has it. */
static enum err write_members(struct batch *t, struct json_object *given, const char *op, struct buf *b,
			      struct failure *why)
{
	struct json_object *values = member(given, "field_values"), *tools = member(given, "tool_statuses"),
			   *version = member(given, "expected_version"), *id = member(given, "record_id");
	bool is_update = !strcmp(op, "update");
	enum err rc = ERR_OK;

	if (is_update && !id)
		return need(t, "record_id", "for an update", why);
	if (!is_update && id)
		return failure_set(why, t->arena, ERR_VALIDATION, "record_id", "record_id is for an update");
	if (!strcmp(op, "upsert") && !(values && member(values, t->match_by)))
		return need(t, arena_fmt(t->arena, "field_values.%s", t->match_by), "to match by", why);
	if (id)
		jx_key_str(b, "id", json_object_get_string(id));
	if (version)
		jx_key_int(b, "expected_version", json_object_get_int64(version));
	rc = write_set(t, given, b, why);
	if (!rc && (values || !is_update))
		rc = write_values(t, values, op, b, why);
	if (!rc && tools)
		rc = record_input_tools(t->arena, tools, !strcmp(op, "create"), b, why);
	return rc;
}

static const char *op_of(struct json_object *given)
{
	struct json_object *op = member(given, "op");

	return op ? json_object_get_string(op) : "create";
}

/* What cannot be done for what it holds is an item all the same, which says why. */
static void write_item(struct batch *t, struct json_object *given, struct buf *b)
{
	const char *op = op_of(given);
	struct failure why = { ERR_OK };
	struct buf members;

	jx_next(b), buf_char(b, '{');
	jx_key(b, "op"), jx_str(b, op);
	buf_init(&members, t->arena, 256);
	buf_char(&members, '{');
	if (write_members(t, given, op, &members, &why))
		write_failure(b, "failure", &why);
	else
		buf_char(b, ','), buf_text(b, buf_str(&members) + 1);
	buf_char(b, '}');
}

static enum err record_batch(struct req *rq)
{
	struct batch t = { .arena = &rq->tx.arena, .match_by = req_text(rq, "match_by") };
	struct json_object *items = req_value(rq, "items")->json;
	PGresult *schema;
	struct buf b;
	enum err rc = tx_call(&rq->tx, &q_record_batch_schema, false, &schema);

	if (rc)
		return rc;
	if (PQntuples(schema) == 0)
		return answer_not_found(rq, req_text(rq, "recordset_id"));
	rc = record_input_schema(t.arena, column_text(schema, 0, "_fields"), &t.schema, &rq->tx.fail);
	if (rc)
		return rc;
	t.is_strict = column_bool(schema, 0, "_is_strict");
	buf_init(&b, t.arena, 4096);
	buf_char(&b, '[');
	for (size_t i = 0; i < json_object_array_length(items); i++) {
		struct json_object *given = json_object_array_get_idx(items, i);

		if (!t.match_by && !strcmp(op_of(given), "upsert"))
			return req_fail_field(rq, ERR_VALIDATION, "match_by",
					      "match_by is needed for an upsert");
		write_item(&t, given, &b);
	}
	buf_char(&b, ']');
	req_set(rq, "given", buf_str(&b));
	req_set(rq, "schema_version", column_text(schema, 0, "_version"));
	return answer_rows(rq, &q_records_batch);
}
