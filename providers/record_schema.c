#include "providers/record_schema.h"

#include <json-c/json.h>
#include <string.h>

#include "lib/base/jx.h"
#include "lib/base/pattern.h"
#include "lib/base/value_pattern.h"

/* clang-format off */
static const char *const types[] = { "text", "long_text", "number", "currency", "percent", "boolean", "date", "datetime", "email", "phone", "url",
	"select", "multi_select", "address", "latitude", "longitude", "geometry", "member", "record", "json", NULL };

const struct pattern record_key = { "^[a-z][a-z0-9_]{0,62}$", "a small letter, and up to 62 small letters, digits and _" };

static const struct field field_def[] = {
	{ "key",         F_TEXT, OUT | NEW | SET | F_REQUIRED, .min = 1, .max = 63, .fits = &record_key, .example = "light" },
	{ "label",       F_TEXT, 0, .max = 255, .about = "the key, unless given", .example = "Light" },
	{ "type",        F_ENUM, F_REQUIRED, .values = types, .example = "select" },
	{ "required",    F_BOOL, 0 },
	{ "options",     F_LIST, 0, .item = F_TEXT, .max = RECORD_OPTIONS, .about = "of select and multi_select, which need them", .example = "[\"fixed\",\"flashing\"]" },
	{ "default",     F_JSON, F_NULL, .about = "the value of a new record that has none", .example = "\"fixed\"" },
	{ "description", F_TEXT, F_NULL, .max = 2000, .example = "How it shines" },
	{ "hidden",      F_BOOL, 0, .about = "for pages; it is no protection" },
	{ "unique",      F_BOOL, F_OPTIONAL | F_RARE, .about = "no two records have the same value; of types that have one text, number or time; false is left out" },
	{ "integer",     F_BOOL, F_OPTIONAL | F_RARE, .about = "a number has no fraction" },
	{ "min",         F_NUMBER, F_OPTIONAL | F_NULL | F_SIGNED | F_RARE, .about = "of a number" },
	{ "max",         F_NUMBER, F_OPTIONAL | F_NULL | F_SIGNED | F_RARE, .about = "of a number" },
	{ "min_length",  F_INT,  F_OPTIONAL | F_NULL | F_RARE, .max = RECORD_TEXT_MAX, .about = "of a text, in characters" },
	{ "max_length",  F_INT,  F_OPTIONAL | F_NULL | F_RARE, .min = 1, .max = RECORD_TEXT_MAX, .about = "of a text, in characters" },
	{ "pattern",     F_TEXT, F_OPTIONAL | F_NULL | F_RARE, .min = 1, .max = VALUE_PATTERN_MAX, .about = "a regular expression that a text has a match of: no references back, no looking around" },
	FIELD_END
};

const struct field record_schema_fields[] = {
	{ "fields",      F_LIST, 0, .fields = field_def, .max = RECORD_FIELDS },
	{ "title_field", F_TEXT, F_NULL, .max = 63, .about = "the key of the field whose value is a record's title", .example = "light" },
	FIELD_END
};

static const struct field columns[] = {
	{ "promoted_text_1", F_TEXT, F_NULL, .max = 63, .fits = &record_key, .example = "city" },
	{ "promoted_text_2", F_TEXT, F_NULL | F_RARE, .max = 63, .fits = &record_key },
	{ "promoted_text_3", F_TEXT, F_NULL | F_RARE, .max = 63, .fits = &record_key },
	{ "promoted_text_4", F_TEXT, F_NULL | F_RARE, .max = 63, .fits = &record_key },
	{ "promoted_text_5", F_TEXT, F_NULL | F_RARE, .max = 63, .fits = &record_key },
	{ "promoted_num_1",  F_TEXT, F_NULL | F_RARE, .max = 63, .fits = &record_key },
	{ "promoted_num_2",  F_TEXT, F_NULL | F_RARE, .max = 63, .fits = &record_key },
	{ "promoted_num_3",  F_TEXT, F_NULL | F_RARE, .max = 63, .fits = &record_key },
	{ "promoted_num_4",  F_TEXT, F_NULL | F_RARE, .max = 63, .fits = &record_key },
	{ "promoted_num_5",  F_TEXT, F_NULL | F_RARE, .max = 63, .fits = &record_key },
	{ "promoted_date_1", F_TEXT, F_NULL | F_RARE, .max = 63, .fits = &record_key },
	{ "promoted_date_2", F_TEXT, F_NULL | F_RARE, .max = 63, .fits = &record_key },
	{ "promoted_date_3", F_TEXT, F_NULL | F_RARE, .max = 63, .fits = &record_key },
	{ "promoted_bool_1", F_TEXT, F_NULL | F_RARE, .max = 63, .fits = &record_key },
	{ "promoted_bool_2", F_TEXT, F_NULL | F_RARE, .max = 63, .fits = &record_key },
	{ "promoted_gis_1",  F_OBJECT, F_NULL | F_RARE, .fields = (const struct field[]){
		{ "lat", F_TEXT, F_REQUIRED, .max = 63, .fits = &record_key, .example = "latitude" },
		{ "lng", F_TEXT, F_REQUIRED, .max = 63, .fits = &record_key, .example = "longitude" },
		FIELD_END } },
	FIELD_END
};

const struct field record_settings_fields[] = {
	{ "promoted_fields",    F_OBJECT, F_NULL, .fields = columns, .about = "fields that filters and sorts find by an index" },
	{ "versioning_enabled", F_BOOL, F_NULL, .about = "/crud keeps versions; true, unless given", .example = "true" },
	{ "strict_schema",      F_BOOL, F_NULL, .about = "records have no keys beside the schema's; false, unless given" },
	{ "lat_field",          F_TEXT, F_NULL | F_RARE, .max = 63, .fits = &record_key },
	{ "lng_field",          F_TEXT, F_NULL | F_RARE, .max = 63, .fits = &record_key },
	{ "geometry_field",     F_TEXT, F_NULL | F_RARE, .max = 63, .fits = &record_key },
	FIELD_END
};
/* clang-format on */

static struct json_object *member(struct json_object *object, const char *name)
{
	struct json_object *found = NULL;

	return object && json_object_object_get_ex(object, name, &found) ? found : NULL;
}

static const char *text(struct json_object *object, const char *name)
{
	struct json_object *found = member(object, name);

	return found ? json_object_get_string(found) : NULL;
}

static bool is_select(enum record_type type)
{
	return type == RECORD_SELECT || type == RECORD_MULTI_SELECT;
}

/* What can be compared by one value, and is short: sql: recordset_uniques(). */
static bool may_be_unique(enum record_type type)
{
	switch (type) {
	case RECORD_LONG_TEXT:
	case RECORD_BOOLEAN:
	case RECORD_MULTI_SELECT:
	case RECORD_GEOMETRY:
	case RECORD_JSON: return false;
	default: return true;
	}
}

static enum err read_options(struct arena *a, struct json_object *list, const char *path,
			     struct record_field *f, struct failure *why)
{
	size_t n = list ? json_object_array_length(list) : 0;
	const char **options = arena_alloc(a, (n + 1) * sizeof(*options));

	if (!is_select(f->type) && n)
		return failure_set(why, a, ERR_VALIDATION, path,
				   "%s are for the types select and multi_select", path);
	if (is_select(f->type) && !n)
		return failure_set(why, a, ERR_VALIDATION, path,
				   "%s must be a list of 1 to %d texts for the type %s", path, RECORD_OPTIONS,
				   types[f->type]);
	for (size_t i = 0; i < n; i++) {
		options[i] = json_object_get_string(json_object_array_get_idx(list, i));
		if (!*options[i] || strlen(options[i]) > 1020)
			return failure_set(why, a, ERR_VALIDATION, arena_fmt(a, "%s[%zu]", path, i),
					   "%s[%zu] must be a text of 1 to 255 characters", path, i);
		for (size_t k = 0; k < i; k++)
			if (!strcmp(options[k], options[i]))
				return failure_set(why, a, ERR_VALIDATION, arena_fmt(a, "%s[%zu]", path, i),
						   "%s[%zu] is there already: %s", path, i, options[i]);
	}
	options[n] = NULL;
	f->options = options;
	return ERR_OK;
}

static bool is_number(enum record_type type)
{
	return type == RECORD_NUMBER || type == RECORD_CURRENCY || type == RECORD_PERCENT ||
	       type == RECORD_LATITUDE || type == RECORD_LONGITUDE;
}

static bool is_text(enum record_type type)
{
	return type == RECORD_TEXT || type == RECORD_LONG_TEXT || type == RECORD_EMAIL ||
	       type == RECORD_PHONE || type == RECORD_URL || type == RECORD_ADDRESS;
}

/* The bound of that name, which its kind of type alone may have. */
static enum err read_bound(struct arena *a, struct json_object *json, const char *path, const char *name,
			   bool is_of_type, struct json_object **out, struct failure *why)
{
	const char *here = arena_fmt(a, "%s.%s", path, name);

	*out = member(json, name);
	if (*out && !is_of_type &&
	    (!json_object_is_type(*out, json_type_boolean) || json_object_get_boolean(*out)))
		return failure_set(why, a, ERR_VALIDATION, here, "%s is not for fields of this type", here);
	return ERR_OK;
}

static enum err read_bounds(struct arena *a, struct json_object *json, const char *path,
			    struct record_field *f, struct failure *why)
{
	struct json_object *integer, *least, *most, *pattern;
	const char *problem, *here;
	enum err rc;

	rc = read_bound(a, json, path, "integer", is_number(f->type), &integer, why);
	rc = rc ? rc : read_bound(a, json, path, "min", is_number(f->type), &f->min, why);
	rc = rc ? rc : read_bound(a, json, path, "max", is_number(f->type), &f->max, why);
	rc = rc ? rc : read_bound(a, json, path, "min_length", is_text(f->type), &least, why);
	rc = rc ? rc : read_bound(a, json, path, "max_length", is_text(f->type), &most, why);
	rc = rc ? rc : read_bound(a, json, path, "pattern", is_text(f->type), &pattern, why);
	if (rc)
		return rc;
	f->is_integer = json_object_get_boolean(integer);
	f->min_length = json_object_get_int64(least);
	f->max_length = json_object_get_int64(most);
	f->pattern = pattern ? json_object_get_string(pattern) : NULL;
	if (f->min && f->max && json_object_get_double(f->min) > json_object_get_double(f->max)) {
		here = arena_fmt(a, "%s.max", path);
		return failure_set(why, a, ERR_VALIDATION, here, "%s must not be less than min", here);
	}
	if (f->max_length && f->min_length > f->max_length) {
		here = arena_fmt(a, "%s.max_length", path);
		return failure_set(why, a, ERR_VALIDATION, here, "%s must not be less than min_length", here);
	}
	problem = f->pattern ? value_pattern_check(f->pattern) : NULL;
	if (problem) {
		here = arena_fmt(a, "%s.pattern", path);
		return failure_set(why, a, ERR_VALIDATION, here, "%s %s", here, problem);
	}
	return ERR_OK;
}

enum err record_schema_field(struct arena *a, struct json_object *json, const char *path,
			     struct record_field *f, struct failure *why)
{
	const char *type = text(json, "type"), *label = text(json, "label");
	struct buf form;
	enum err rc;

	*f = (struct record_field){ .key = text(json, "key"), .description = text(json, "description") };
	f->label = label && *label ? label : f->key;
	f->is_required = json_object_get_boolean(member(json, "required"));
	f->is_hidden = json_object_get_boolean(member(json, "hidden"));
	f->is_unique = json_object_get_boolean(member(json, "unique"));
	for (int i = 0; type && types[i]; i++)
		if (!strcmp(types[i], type))
			f->type = (enum record_type)i;
	if (f->is_unique && !may_be_unique(f->type))
		return failure_set(why, a, ERR_VALIDATION, arena_fmt(a, "%s.unique", path),
				   "%s.unique is not for the type %s", path, types[f->type]);
	rc = read_options(a, member(json, "options"), arena_fmt(a, "%s.options", path), f, why);
	rc = rc ? rc : read_bounds(a, json, path, f, why);
	f->def = member(json, "default");
	if (rc || !f->def)
		return rc;
	buf_init(&form, a, 64);
	return record_schema_value(a, f, f->def, arena_fmt(a, "%s.default", path), &form, why);
}

enum err record_schema_read(struct arena *a, struct json_object *json, const char *path,
			    struct record_schema *out, struct failure *why)
{
	struct json_object *list = member(json, "fields");
	enum err rc = ERR_OK;

	*out = (struct record_schema){ .n = list ? json_object_array_length(list) : 0 };
	out->fields = arena_alloc(a, (out->n + 1) * sizeof(*out->fields));
	for (size_t i = 0; !rc && i < out->n; i++) {
		struct record_field *f = &out->fields[i];
		const char *here = arena_fmt(a, "%s.fields[%zu]", path, i);

		rc = record_schema_field(a, json_object_array_get_idx(list, i), here, f, why);
		for (size_t k = 0; !rc && k < i; k++)
			if (!strcmp(out->fields[k].key, f->key))
				rc = failure_set(why, a, ERR_VALIDATION, arena_fmt(a, "%s.key", here),
						 "%s.key is that of another field: %s", here, f->key);
	}
	if (rc)
		return rc;
	out->title_field = text(json, "title_field");
	if (out->title_field && !record_schema_find(out, out->title_field)) {
		const char *here = arena_fmt(a, "%s.title_field", path);

		return failure_set(why, a, ERR_VALIDATION, here, "%s must be the key of one of the fields",
				   here);
	}
	return ERR_OK;
}

const struct record_field *record_schema_find(const struct record_schema *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->fields[i].key, key))
			return &s->fields[i];
	return NULL;
}

/* Those that it has: most fields have none. */
static void write_bounds(struct buf *b, const struct record_field *f)
{
	if (f->is_integer)
		jx_key(b, "integer"), jx_bool(b, true);
	if (f->min)
		jx_key(b, "min"), buf_text(b, json_object_to_json_string_ext(f->min, JSON_C_TO_STRING_PLAIN));
	if (f->max)
		jx_key(b, "max"), buf_text(b, json_object_to_json_string_ext(f->max, JSON_C_TO_STRING_PLAIN));
	if (f->min_length)
		jx_key_int(b, "min_length", f->min_length);
	if (f->max_length)
		jx_key_int(b, "max_length", f->max_length);
	if (f->pattern)
		jx_key_str(b, "pattern", f->pattern);
}

void record_schema_write(struct buf *b, const struct record_schema *s)
{
	buf_char(b, '[');
	for (const struct record_field *f = s->fields; f < s->fields + s->n; f++) {
		jx_next(b), buf_char(b, '{');
		jx_key(b, "key"), jx_str(b, f->key);
		jx_key(b, "label"), jx_str(b, f->label);
		jx_key(b, "type"), jx_str(b, types[f->type]);
		jx_key(b, "required"), jx_bool(b, f->is_required);
		jx_key_open(b, "options", '[');
		for (const char *const *o = f->options; *o; o++)
			jx_next(b), jx_str(b, *o);
		buf_char(b, ']');
		jx_key(b, "default");
		buf_text(b, f->def ? json_object_to_json_string_ext(f->def, JSON_C_TO_STRING_PLAIN) : "null");
		jx_key(b, "description"), jx_str(b, f->description);
		jx_key(b, "hidden"), jx_bool(b, f->is_hidden);
		if (f->is_unique)
			jx_key(b, "unique"), jx_bool(b, true);
		write_bounds(b, f);
		buf_char(b, '}');
	}
	buf_char(b, ']');
}

enum err record_schema_settings(struct arena *a, struct json_object *settings, struct failure *why)
{
	struct json_object *promoted = member(settings, "promoted_fields");

	if (!promoted)
		return ERR_OK;
	json_object_object_foreach(promoted, name, value)
	{
		const struct field *f = columns;

		(void)value;
		while (f->type != F_END && strcmp(f->name, name))
			f++;
		if (f->type == F_END) {
			const char *here = arena_fmt(a, "settings.promoted_fields.%s", name);

			return failure_set(
				why, a, ERR_VALIDATION, here,
				"%s is no column: there are promoted_text_1 to 5, promoted_num_1 to 5, "
				"promoted_date_1 to 3, promoted_bool_1 and 2, and promoted_gis_1",
				here);
		}
	}
	return ERR_OK;
}
