#include "providers/record_convert.h"

#include <json-c/json.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/jx.h"

enum import_decimal record_convert_decimal(const char *said)
{
	return !said ? IMPORT_DECIMAL_UNKNOWN : *said == ',' ? IMPORT_COMMA : IMPORT_POINT;
}

enum import_order record_convert_order(const char *said)
{
	return !said ? IMPORT_ORDER_UNKNOWN : *said == 'd' ? IMPORT_DAY_FIRST : IMPORT_MONTH_FIRST;
}

/* As somebody would have written it into a cell; a list is its texts, with semicolons between them. */
static const char *written(struct arena *a, struct json_object *value)
{
	struct buf b;

	if (json_object_is_type(value, json_type_string))
		return json_object_get_string(value);
	if (!json_object_is_type(value, json_type_array))
		return arena_dup(a, json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
	buf_init(&b, a, 64);
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		struct json_object *one = json_object_array_get_idx(value, i);

		if (!json_object_is_type(one, json_type_string))
			return arena_dup(a, json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
		buf_text(&b, i ? "; " : "");
		buf_text(&b, json_object_get_string(one));
	}
	return buf_str(&b);
}

/* Numbers of ours have a point, whatever texts have. */
static struct import_column column_of(const struct import_column *col, struct json_object *value)
{
	struct import_column own = *col;

	if (!json_object_is_type(value, json_type_string))
		own.decimal = IMPORT_POINT;
	return own;
}

bool record_convert_value(struct arena *a, const struct import_column *col, struct json_object *value,
			  struct buf *b, bool *is_same, const char **problem)
{
	struct import_column own = column_of(col, value);
	struct import_cell cell = { .kind = IMPORT_TEXT };
	struct failure why = { ERR_OK };
	struct json_object *is;
	struct buf form;

	buf_init(&form, a, 256);
	if (record_schema_value(a, col->field, value, "it", &form, &why)) {
		cell.p = written(a, value);
		cell.n = strlen(cell.p);
		buf_init(&form, a, 256);
		if (!cell.n) {
			*problem = "it is an empty text";
			return false;
		}
		if (!import_value_write(a, &own, &cell, &form, problem))
			return false;
	}
	*is_same = !json_read(a, form.p, form.n, &is, problem) && json_object_equal(is, value);
	buf_add(b, form.p, form.n);
	return true;
}

static void put(void *tree)
{
	json_object_put(tree);
}

static const char *const kept[] = { "key", "label", "required", "description", "hidden", "unique", NULL };

/* Its default as one of the new type. */
static enum err convert_default(struct arena *a, struct json_object *field, const struct record_field *f,
				struct json_object *value, enum import_decimal decimal,
				enum import_order order, struct failure *why)
{
	struct import_column col = { .field = f, .decimal = decimal, .order = order };
	const char *problem = NULL;
	struct json_object *is;
	bool is_same;
	struct buf b;

	buf_init(&b, a, 64);
	if (!record_convert_value(a, &col, value, &b, &is_same, &problem) ||
	    json_read(a, b.p, b.n, &is, &problem))
		return failure_set(why, a, ERR_VALIDATION, "type",
				   "the field's default is none of this type: %s", problem);
	json_object_object_add(field, "default", json_object_get(is));
	return ERR_OK;
}

/* Messages call what is wrong as the request does: "field.options" is options. */
static void rename_failure(struct arena *a, struct failure *why)
{
	static const char before[] = "field.";

	if (why->field && !strncmp(why->field, before, sizeof(before) - 1))
		why->field += sizeof(before) - 1;
	if (why->field && !strncmp(why->field, "unique", 6))
		why->field = "type";
	if (why->message && !strncmp(why->message, before, sizeof(before) - 1))
		why->message = arena_dup(a, why->message + sizeof(before) - 1);
}

static enum err make_field(struct arena *a, struct json_object *field, struct json_object *def,
			   enum import_decimal decimal, enum import_order order, struct buf *out,
			   struct failure *why)
{
	struct record_field f;
	struct buf list;
	enum err rc = record_schema_field(a, field, "field", &f, why);

	if (!rc && def && !json_object_is_type(def, json_type_null))
		rc = convert_default(a, field, &f, def, decimal, order, why);
	if (!rc)
		rc = record_schema_field(a, field, "field", &f, why);
	if (rc) {
		rename_failure(a, why);
		return rc;
	}
	buf_init(&list, a, 512);
	record_schema_write(&list, &(struct record_schema){ .fields = &f, .n = 1 });
	buf_add(out, list.p + 1, list.n - 2); /* without the brackets */
	return ERR_OK;
}

enum err record_convert_field(struct arena *a, struct json_object *was, const char *type,
			      struct json_object *options, enum import_decimal decimal,
			      enum import_order order, struct buf *out, struct failure *why)
{
	struct json_object *field = json_object_new_object();

	arena_defer(a, put, field);
	for (const char *const *k = kept; *k; k++) {
		struct json_object *value;

		if (json_object_object_get_ex(was, *k, &value) && value)
			json_object_object_add(field, *k, json_object_get(value));
	}
	json_object_object_add(field, "type", json_object_new_string(type));
	if (options)
		json_object_object_add(field, "options", json_object_get(options));
	return make_field(a, field, json_at(was, "default", NULL), decimal, order, out, why);
}
