/* Filters of entity records, of which each compares a field's value: see record_filter.h. */
#include <json-c/json.h>
#include <string.h>

#include "handlers/records/record_filter.h"
#include "lib/base/jx.h"

static const char *const ops[] = {
	"eq", "ne", "gt", "gte", "lt", "lte", "like", "ilike", "in", "not_in", NULL
};

struct reader {
	struct arena *arena;
	struct buf *b;
	struct failure *why;
	bool has_schema;
};

static enum err refuse(struct reader *r, const char *path, const char *expected)
{
	return failure_set(r->why, r->arena, ERR_VALIDATION, path, "%s must be %s", path, expected);
}

/* One that values are compared with: as text, or where no type is known as the JSON that it is. */
static enum err write_value(struct reader *r, const char *path, struct json_object *json)
{
	const char *text = json_object_is_type(json, json_type_string)
				   ? json_object_get_string(json)
				   : json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN);

	if (!json || json_object_is_type(json, json_type_object) ||
	    json_object_is_type(json, json_type_array) || strlen(text) > RECORD_FILTER_TEXT)
		return refuse(r, path, "a text of at most 1000 bytes, a number, true or false");
	jx_next(r->b);
	if (r->has_schema)
		jx_str(r->b, text);
	else
		jx_str(r->b, json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
	return ERR_OK;
}

static enum err write_values(struct reader *r, const char *path, struct json_object *list)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	enum err rc = ERR_OK;

	if (n < 1 || n > RECORD_FILTER_VALUES)
		return refuse(r, path, "a list of 1 to 200 values");
	for (size_t i = 0; !rc && i < n; i++)
		rc = write_value(r, arena_fmt(r->arena, "%s[%zu]", path, i),
				 json_object_array_get_idx(list, i));
	return rc;
}

/* A backslash escapes % and _ and itself; before anything else, and at the end, it stands for itself. */
static enum err write_pattern(struct reader *r, const char *path, struct json_object *json)
{
	struct buf b;

	if (!json_object_is_type(json, json_type_string) ||
	    json_object_get_string_len(json) > RECORD_FILTER_TEXT)
		return refuse(r, path, "a text of at most 1000 bytes, in which % and _ stand for others");
	buf_init(&b, r->arena, 64);
	for (const char *p = json_object_get_string(json); *p; p++) {
		if (*p == '\\' && p[1] && strchr("%_\\", p[1]))
			buf_char(&b, *p++);
		else if (*p == '\\')
			buf_char(&b, '\\');
		buf_char(&b, *p);
	}
	jx_next(r->b), jx_str(r->b, buf_str(&b));
	return ERR_OK;
}

/* By which column, or by which name of data. */
static void open_one(struct reader *r, const char *path, const char *name, const char *op)
{
	bool is_column = !strcmp(name, "created_at") || !strcmp(name, "updated_at");

	jx_next(r->b), buf_char(r->b, '{');
	jx_key_str(r->b, "path", path);
	jx_key_str(r->b, "key", name);
	jx_key_str(r->b, "op", op);
	jx_key(r->b, "is_data"), jx_bool(r->b, !is_column);
	jx_key(r->b, "is_json"), jx_bool(r->b, !is_column && !r->has_schema);
	jx_key_open(r->b, "values", '[');
}

static enum err read_filter(struct reader *r, const char *path, const char *name, struct json_object *json)
{
	struct json_object *value = json, *found;
	const char *op = "eq", *said = NULL;
	enum err rc;
	int i = 0;

	if (json_object_is_type(json, json_type_object) &&
	    json_object_object_get_ex(json, "operator", &found)) {
		said = json_object_is_type(found, json_type_string) ? json_object_get_string(found) : NULL;
		while (said && ops[i] && strcmp(ops[i], said) != 0)
			i++;
		if (!said || !ops[i])
			return refuse(r, arena_fmt(r->arena, "%s.operator", path),
				      "eq, ne, gt, gte, lt, lte, like, ilike, in or not_in");
		op = ops[i];
		value = NULL;
		json_object_object_get_ex(json, "value", &value);
		path = arena_fmt(r->arena, "%s.value", path);
	}
	if (!value && (!strcmp(op, "eq") || !strcmp(op, "ne"))) {
		open_one(r, path, name, !strcmp(op, "eq") ? "is_null" : "is_not_null");
		buf_text(r->b, "]}");
		return ERR_OK;
	}
	open_one(r, path, name, !strcmp(op, "eq") ? "in" : !strcmp(op, "ne") ? "not_in" : op);
	if (!strcmp(op, "in") || !strcmp(op, "not_in"))
		rc = write_values(r, path, value);
	else if (!strcmp(op, "like") || !strcmp(op, "ilike"))
		rc = write_pattern(r, path, value);
	else
		rc = write_value(r, path, value);
	buf_text(r->b, "]}");
	return rc;
}

enum err record_filter_entity(struct arena *a, struct json_object *query, bool has_schema, struct buf *b,
			      struct failure *why)
{
	struct reader r = { .arena = a, .b = b, .why = why, .has_schema = has_schema };
	enum err rc = ERR_OK;

	buf_char(b, '[');
	if (query && json_object_object_length(query) > RECORD_FILTERS)
		return failure_set(why, a, ERR_VALIDATION, "query", "query may have 50 fields");
	if (query) {
		json_object_object_foreach(query, name, value)
		{
			if (rc)
				break;
			if (strlen(name) < 1 || strlen(name) > 63)
				return refuse(&r, "query", "an object of fields by their names");
			rc = read_filter(&r, arena_fmt(a, "query.%s", name), name, value);
		}
	}
	buf_char(b, ']');
	return rc;
}
