/* What a value of a field must be, and the form in which it is kept: see record_schema.h. */
#include <json-c/json.h>
#include <math.h>
#include <string.h>

#include "providers/record_geometry.h"
#include "providers/record_schema.h"
#include "lib/base/jx.h"
#include "lib/base/utf8.h"
#include "lib/base/value_pattern.h"

static enum err refuse(struct arena *a, const char *path, struct failure *why, const char *expected)
{
	return failure_set(why, a, ERR_VALIDATION, path, "%s must be %s", path, expected);
}

/* As the API takes a value of that type everywhere. */
static enum err take(struct arena *a, struct field rule, struct json_object *json, const char *path,
		     struct value *out, struct failure *why)
{
	struct field table[2] = { rule, FIELD_END };
	struct json_object *object = json_object_new_object();
	enum err rc;

	table[0].name = path;
	table[0].flags |= F_REQUIRED;
	json_object_object_add(object, path, json_object_get(json));
	rc = field_from_json(a, table, object, out, why);
	json_object_put(object);
	return rc;
}

/* As people write numbers to dial: at least three digits, and what stands between them. */
static bool is_dialable(const char *text)
{
	size_t n = strlen(text), digits = 0;

	for (const char *p = text; *p; p++)
		digits += *p >= '0' && *p <= '9';
	return n <= 40 && digits >= 3 &&
	       strspn(text + (*text == '+'), "0123456789 ()./-") == n - (*text == '+');
}

/* What the field wants of a text beyond its type. */
static enum err check_text(struct arena *a, const struct record_field *f, const char *text, const char *path,
			   struct failure *why)
{
	long long n = f->min_length || f->max_length ? (long long)utf8_length(text, strlen(text)) : 0;

	if (n < f->min_length)
		return refuse(a, path, why,
			      arena_fmt(a, "a text of at least %lld characters", f->min_length));
	if (f->max_length && n > f->max_length)
		return refuse(a, path, why, arena_fmt(a, "a text of at most %lld characters", f->max_length));
	if (f->is_dialled && !is_dialable(text))
		return refuse(a, path, why, "a telephone number");
	if (f->pattern && !value_pattern_fits(a, f->pattern, text))
		return refuse(a, path, why, arena_fmt(a, "like %s", f->pattern));
	return ERR_OK;
}

static enum err take_text(struct arena *a, const struct record_field *f, enum field_type type,
			  struct json_object *json, const char *path, struct buf *b, struct failure *why)
{
	struct value v;
	enum err rc = take(a, (struct field){ .type = type, .max = type == F_TEXT ? RECORD_TEXT_MAX : 0 },
			   json, path, &v, why);

	if (!rc)
		rc = check_text(a, f, v.text, path, why);
	if (!rc)
		jx_str(b, v.text);
	return rc;
}

/* What PostgreSQL writes of a larger one is a whole number that nobody can send again (json.h). */
#define MOST 1000000000000000000

static enum err take_number(struct arena *a, const struct record_field *f, long long bound,
			    struct json_object *json, const char *path, struct buf *b, struct failure *why)
{
	struct field rule = { .type = F_NUMBER, .flags = F_SIGNED, .min = -bound, .max = bound };
	struct value v;
	enum err rc = take(a, rule, json, path, &v, why);
	double n;

	if (rc)
		return rc;
	n = json_object_get_double(json);
	if (f->is_integer && floor(n) != n)
		return refuse(a, path, why, "a whole number");
	if (f->min && n < json_object_get_double(f->min))
		return refuse(a, path, why, arena_fmt(a, "at least %s", json_object_get_string(f->min)));
	if (f->max && n > json_object_get_double(f->max))
		return refuse(a, path, why, arena_fmt(a, "at most %s", json_object_get_string(f->max)));
	buf_text(b, json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
	return ERR_OK;
}

static bool is_option(const struct record_field *f, struct json_object *json)
{
	if (json_object_is_type(json, json_type_string))
		for (const char *const *o = f->options; *o; o++)
			if (!strcmp(*o, json_object_get_string(json)))
				return true;
	return false;
}

static enum err take_options(struct arena *a, const struct record_field *f, struct json_object *json,
			     const char *path, struct buf *b, struct failure *why)
{
	size_t n;

	if (!json_object_is_type(json, json_type_array))
		return refuse(a, path, why, "an array of the field's options");
	n = json_object_array_length(json);
	buf_char(b, '[');
	for (size_t i = 0; i < n; i++) {
		struct json_object *one = json_object_array_get_idx(json, i);

		if (!is_option(f, one))
			return refuse(a, path, why, "an array of the field's options");
		for (size_t k = 0; k < i; k++)
			if (!strcmp(json_object_get_string(json_object_array_get_idx(json, k)),
				    json_object_get_string(one)))
				return refuse(a, path, why, "an array of the field's options, each once");
		jx_next(b), jx_str(b, json_object_get_string(one));
	}
	buf_char(b, ']');
	return ERR_OK;
}

enum err record_schema_value(struct arena *a, const struct record_field *f, struct json_object *json,
			     const char *path, struct buf *b, struct failure *why)
{
	switch (f->type) {
	case RECORD_TEXT:
	case RECORD_LONG_TEXT:
	case RECORD_PHONE:
	case RECORD_ADDRESS: return take_text(a, f, F_TEXT, json, path, b, why);
	case RECORD_NUMBER:
	case RECORD_CURRENCY:
	case RECORD_PERCENT: return take_number(a, f, MOST, json, path, b, why);
	case RECORD_LATITUDE: return take_number(a, f, 90, json, path, b, why);
	case RECORD_LONGITUDE: return take_number(a, f, 180, json, path, b, why);
	case RECORD_DATE: return take_text(a, f, F_DATE, json, path, b, why);
	case RECORD_DATETIME: return take_text(a, f, F_DATETIME, json, path, b, why);
	case RECORD_EMAIL: return take_text(a, f, F_EMAIL, json, path, b, why);
	case RECORD_URL: return take_text(a, f, F_URL, json, path, b, why);
	case RECORD_MEMBER:
	case RECORD_RECORD: return take_text(a, f, F_UUID, json, path, b, why);
	case RECORD_MULTI_SELECT: return take_options(a, f, json, path, b, why);
	case RECORD_BOOLEAN:
		if (!json_object_is_type(json, json_type_boolean))
			return refuse(a, path, why, "true or false");
		break;
	case RECORD_SELECT:
		if (!is_option(f, json))
			return refuse(a, path, why, "one of the field's options");
		break;
	case RECORD_GEOMETRY: {
		enum err rc = record_geometry_check(a, json, path, why);

		if (rc)
			return rc;
		break;
	}
	case RECORD_JSON: break;
	}
	buf_text(b, json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
	return ERR_OK;
}
