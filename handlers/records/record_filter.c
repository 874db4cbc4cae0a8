#include "handlers/records/record_filter.h"

#include <json-c/json.h>
#include <math.h>
#include <string.h>

#include "fcgi/field.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"

/* What is read, and where it goes. */
struct reader {
	struct arena *arena;
	struct buf *b;
	struct failure *why;
	int n;
};

static const char *const ops[] = { "eq", "ne",     "contains", "not_contains", "starts_with", "ends_with",
				   "in", "not_in", "is_null",  "is_not_null",  NULL };

static enum err refuse(struct reader *r, const char *path, const char *expected)
{
	return failure_set(r->why, r->arena, ERR_VALIDATION, path, "%s must be %s", path, expected);
}

static void open_one(struct reader *r, const char *path, const char *key, const char *op)
{
	jx_next(r->b), buf_char(r->b, '{');
	jx_key_str(r->b, "path", path);
	jx_key_str(r->b, "key", key);
	jx_key_str(r->b, "op", op);
}

/* A text, number, true or false, as text. */
static enum err take_value(struct reader *r, const char *path, struct json_object *json)
{
	bool is_plain =
		json_object_is_type(json, json_type_string) || json_object_is_type(json, json_type_int) ||
		json_object_is_type(json, json_type_double) || json_object_is_type(json, json_type_boolean);

	if (!is_plain || strlen(json_object_get_string(json)) > RECORD_FILTER_TEXT)
		return refuse(r, path, "a text of at most 1000 bytes, a number, true or false");
	jx_next(r->b), jx_str(r->b, json_object_get_string(json));
	return ERR_OK;
}

static enum err take_values(struct reader *r, const char *path, struct json_object *list)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	enum err rc = ERR_OK;

	if (n < 1 || n > RECORD_FILTER_VALUES)
		return refuse(r, path, "a list of 1 to 200 values");
	for (size_t i = 0; !rc && i < n; i++)
		rc = take_value(r, arena_fmt(r->arena, "%s[%zu]", path, i),
				json_object_array_get_idx(list, i));
	return rc;
}

static enum err column_filter(struct reader *r, const char *path, const char *key, struct json_object *json)
{
	struct json_object *value = json_at(json, "value", NULL);
	const char *op = NULL;
	enum err rc;
	int i = 0;

	if (json_object_is_type(json, json_type_array)) {
		open_one(r, path, key, "in");
		jx_key_open(r->b, "values", '[');
		rc = take_values(r, path, json);
		buf_text(r->b, "]}");
		return rc;
	}
	if (!json_object_is_type(json, json_type_object)) {
		op = "contains";
		value = json;
	} else {
		op = json_text(json_at(json, "op", NULL), 64);
		while (op && ops[i] && strcmp(ops[i], op) != 0)
			i++;
		if (!op || !ops[i])
			return refuse(r, arena_fmt(r->arena, "%s.op", path),
				      "eq, ne, contains, not_contains, starts_with, ends_with, in, not_in, "
				      "is_null or is_not_null");
		path = arena_fmt(r->arena, "%s.value", path);
	}
	open_one(r, path, key, !strcmp(op, "eq") ? "in" : !strcmp(op, "ne") ? "not_in" : op);
	jx_key_open(r->b, "values", '[');
	if (!strcmp(op, "is_null") || !strcmp(op, "is_not_null"))
		rc = ERR_OK;
	else if (!strcmp(op, "in") || !strcmp(op, "not_in"))
		rc = take_values(r, path, value);
	else
		rc = take_value(r, path, value);
	buf_text(r->b, "]}");
	return rc;
}

/* The members of a filter's object that there are; another one is refused. */
static enum err known_members(struct reader *r, const char *path, struct json_object *json,
			      const char *const *names, const char *expected)
{
	if (!json_object_is_type(json, json_type_object) || !json_object_object_length(json))
		return refuse(r, path, expected);
	json_object_object_foreach(json, name, value)
	{
		const char *const *known = names;

		(void)value;
		while (*known && strcmp(*known, name) != 0)
			known++;
		if (!*known)
			return refuse(r, path, expected);
	}
	return ERR_OK;
}

static enum err numeric_filter(struct reader *r, const char *path, const char *key, struct json_object *json)
{
	static const char *const names[] = { "min", "max", "eq", NULL };
	enum err rc = known_members(r, path, json, names, "an object with min, max or both, or with eq");

	if (rc)
		return rc;
	open_one(r, path, key, "number");
	for (const char *const *name = names; *name; name++) {
		struct json_object *value;

		if (!json_object_object_get_ex(json, *name, &value))
			continue;
		if (!(json_object_is_type(value, json_type_int) ||
		      json_object_is_type(value, json_type_double)) ||
		    !isfinite(json_object_get_double(value)))
			return refuse(r, arena_fmt(r->arena, "%s.%s", path, *name), "a number");
		jx_key(r->b, *name), jx_double(r->b, json_object_get_double(value));
	}
	buf_char(r->b, '}');
	return ERR_OK;
}

static enum err date_filter(struct reader *r, const char *path, const char *key, struct json_object *json)
{
	static const char *const names[] = { "from", "to", NULL };
	enum err rc = known_members(r, path, json, names, "an object with from, to or both");

	if (rc)
		return rc;
	open_one(r, path, key, "time");
	for (const char *const *name = names; !rc && *name; name++) {
		const char *here = arena_fmt(r->arena, "%s.%s", path, *name);
		struct field rule = { .name = here, .type = F_DATETIME, .flags = F_DAY };
		struct json_object *value;
		struct value v;

		if (!json_object_object_get_ex(json, *name, &value))
			continue;
		if (!json_object_is_type(value, json_type_string))
			return refuse(r, here, "a date or a time");
		rc = field_from_text(r->arena, &rule, json_object_get_string(value), &v, r->why);
		if (!rc)
			jx_key_str(r->b, *name, json_object_get_string(value));
	}
	buf_char(r->b, '}');
	return rc;
}

/* A day or more of them, as a clock somewhere has them: is it written as one of these? */
static bool is_period(const char *text)
{
	static const char *const days[] = { "today", "yesterday", "tomorrow", NULL };
	static const char *const which[] = { "this_", "last_", "next_", NULL };
	static const char *const units[] = { "week", "month", "quarter", "year", NULL };
	size_t digits;

	for (int i = 0; days[i]; i++)
		if (!strcmp(text, days[i]))
			return true;
	for (int i = 0; which[i]; i++)
		for (int k = 0; !strncmp(text, which[i], 5) && units[k]; k++)
			if (!strcmp(text + 5, units[k]))
				return true;
	if (strncmp(text, "last_", 5) != 0 && strncmp(text, "next_", 5) != 0)
		return false;
	digits = strspn(text + 5, "0123456789");
	return digits >= 1 && digits <= 4 && text[5] != '0' && !strcmp(text + 5 + digits, "_days");
}

static enum err take_period(struct reader *r, const char *path, struct json_object *json)
{
	const char *value = json_text(json_at(json, "value", NULL), 64),
		   *zone = json_text(json_at(json, "time_zone", NULL), 64);

	if (!value || !is_period(value))
		return refuse(r, arena_fmt(r->arena, "%s.value", path),
			      "today, yesterday, tomorrow, this_, last_ or next_ with week, month, quarter "
			      "or year, or last_ or next_ with a number of days, such as last_7_days");
	if (!zone && json_at(json, "time_zone", NULL))
		return refuse(r, arena_fmt(r->arena, "%s.time_zone", path),
			      "the name of a time zone, such as Europe/Berlin");
	jx_next(r->b), jx_str(r->b, value);
	buf_char(r->b, ']');
	jx_key_str(r->b, "time_zone", zone);
	return ERR_OK;
}

/* One that asks something of a field. */
static enum err read_leaf(struct reader *r, const char *path, struct json_object *json)
{
	static const char *const names[] = { "field", "op", "value", "time_zone", NULL };
	static const char *const more[] = { "gt", "gte", "lt", "lte", "within", NULL };
	const char *key = json_text(json_at(json, "field", NULL), 63),
		   *op = json_text(json_at(json, "op", NULL), 64), *value_path;
	struct json_object *value = json_at(json, "value", NULL);
	enum err rc = known_members(r, path, json, names,
				    "an object with field, op and value, or with and, or or not");
	bool is_more = false;
	int i = 0;

	if (rc)
		return rc;
	if (!key)
		return refuse(r, arena_fmt(r->arena, "%s.field", path), "the key of a field");
	while (op && ops[i] && strcmp(ops[i], op) != 0)
		i++;
	for (int k = 0; op && more[k]; k++)
		is_more = is_more || !strcmp(more[k], op);
	if (!op || (!ops[i] && !is_more))
		return refuse(r, arena_fmt(r->arena, "%s.op", path),
			      "eq, ne, gt, gte, lt, lte, contains, not_contains, starts_with, ends_with, in, "
			      "not_in, within, is_null or is_not_null");
	if (json_at(json, "time_zone", NULL) && strcmp(op, "within") != 0)
		return refuse(r, arena_fmt(r->arena, "%s.time_zone", path), "left out but for within");
	value_path = arena_fmt(r->arena, "%s.value", path);
	open_one(r, arena_fmt(r->arena, "%s.field", path), key,
		 !strcmp(op, "eq")       ? "in"
		 : !strcmp(op, "ne")     ? "not_in"
		 : !strcmp(op, "within") ? op
		 : is_more               ? "compare"
					 : op);
	if (is_more && strcmp(op, "within") != 0) {
		jx_key_str(r->b, "sign", op);
		jx_key(r->b, "is_number");
		jx_bool(r->b, json_object_is_type(value, json_type_int) ||
				      json_object_is_type(value, json_type_double));
	}
	jx_key_open(r->b, "values", '[');
	if (!strcmp(op, "within")) {
		rc = take_period(r, path, json);
		buf_char(r->b, '}');
		return rc;
	}
	if (!strcmp(op, "is_null") || !strcmp(op, "is_not_null"))
		rc = json_object_object_get_ex(json, "value", NULL) ? refuse(r, value_path, "left out")
								    : ERR_OK;
	else if (!strcmp(op, "in") || !strcmp(op, "not_in"))
		rc = take_values(r, value_path, value);
	else
		rc = take_value(r, value_path, value);
	buf_text(r->b, "]}");
	return rc;
}

/*
 * A filter, or several as one.
 *
 * depth   how many stand around it
 * is_all  what is around it has to hold as a whole: of an "and" each stands by itself there, where an index
 *	   may find it
 */
static enum err read_node(struct reader *r, const char *path, struct json_object *json, int depth,
			  bool is_all)
{
	static const char *const groups[] = { "and", "or", "not", NULL };
	struct json_object *inner = NULL;
	enum err rc = ERR_OK;
	size_t n = 1;
	int i = 0;

	while (groups[i] && !json_object_object_get_ex(json, groups[i], &inner))
		i++;
	if (!json_object_is_type(json, json_type_object) || !groups[i]) {
		if (r->n++ == RECORD_FILTERS)
			return failure_set(r->why, r->arena, ERR_VALIDATION, "filter",
					   "filter: there may be 50 filters in all");
		return read_leaf(r, path, json);
	}
	path = arena_fmt(r->arena, "%s.%s", path, groups[i]);
	if (json_object_object_length(json) != 1)
		return refuse(r, path, "the only member of its object");
	if (depth == RECORD_FILTER_DEPTH)
		return failure_set(r->why, r->arena, ERR_VALIDATION, path,
				   "%s: and, or and not may stand in one another up to 5 deep", path);
	if (!strcmp(groups[i], "not")) {
		jx_next(r->b), buf_char(r->b, '{');
		jx_key_open(r->b, groups[i], '[');
		rc = read_node(r, path, inner, depth + 1, false);
		buf_text(r->b, "]}");
		return rc;
	}
	n = json_object_is_type(inner, json_type_array) ? json_object_array_length(inner) : 0;
	if (n < 1 || n > RECORD_FILTERS)
		return refuse(r, path, "a list of 1 to 50 filters");
	is_all = is_all && !strcmp(groups[i], "and");
	if (!is_all) {
		jx_next(r->b), buf_char(r->b, '{');
		jx_key_open(r->b, groups[i], '[');
	}
	for (size_t k = 0; !rc && k < n; k++)
		rc = read_node(r, arena_fmt(r->arena, "%s[%zu]", path, k),
			       json_object_array_get_idx(inner, k), depth + 1, is_all);
	if (!is_all)
		buf_text(r->b, "]}");
	return rc;
}

typedef enum err take_fn(struct reader *, const char *, const char *, struct json_object *);

/* One of the three: its members, each by take. */
static enum err read_json(struct reader *r, const char *name, struct json_object *json, take_fn *take)
{
	enum err rc = ERR_OK;

	if (!json_object_is_type(json, json_type_object))
		return refuse(r, name, "a JSON object");
	json_object_object_foreach(json, key, value)
	{
		if (rc)
			break;
		if (r->n++ == RECORD_FILTERS)
			return failure_set(r->why, r->arena, ERR_VALIDATION, name,
					   "%s: there may be 50 filters in all", name);
		if (strlen(key) < 1 || strlen(key) > 63)
			return refuse(r, name, "an object of fields by their keys");
		rc = take(r, arena_fmt(r->arena, "%s.%s", name, key), key, value);
	}
	return rc;
}

/* take NULL: a whole one, with and, or, not. */
static enum err read_one(struct reader *r, const char *name, const char *text, take_fn *take)
{
	struct json_object *json = NULL;
	const char *problem;

	if (!text || !*text)
		return ERR_OK;
	if (json_read(r->arena, text, strlen(text), &json, &problem))
		return failure_set(r->why, r->arena, ERR_VALIDATION, name, "%s: %s", name, problem);
	return take ? read_json(r, name, json, take) : read_node(r, name, json, 0, true);
}

enum err record_filter_read_object(struct arena *a, const char *path, struct json_object *filters,
				   struct buf *b, struct failure *why)
{
	static const struct {
		const char *name;
		take_fn *take;
	} members[] = { { "column_filters", column_filter },
			{ "numeric_filters", numeric_filter },
			{ "date_filters", date_filter } };
	static const char *const names[] = { "column_filters", "numeric_filters", "date_filters", "filter",
					     NULL };
	struct json_object *tree = NULL;
	struct reader r = { .arena = a, .b = b, .why = why };
	enum err rc = ERR_OK;

	if (filters && json_object_object_length(filters))
		rc = known_members(&r, path, filters, names,
				   "an object with column_filters, numeric_filters, date_filters, filter, or "
				   "several of them");
	buf_char(b, '[');
	for (size_t i = 0; !rc && i < sizeof(members) / sizeof(*members); i++) {
		struct json_object *json = json_at(filters, members[i].name, NULL);

		if (json)
			rc = read_json(&r, arena_fmt(a, "%s.%s", path, members[i].name), json,
				       members[i].take);
	}
	if (!rc && filters && json_object_object_get_ex(filters, "filter", &tree))
		rc = read_node(&r, arena_fmt(a, "%s.filter", path), tree, 0, true);
	buf_char(b, ']');
	return rc;
}

enum err record_filter_read(struct arena *a, const struct record_filters *filters, struct buf *b,
			    struct failure *why)
{
	struct reader r = { .arena = a, .b = b, .why = why };
	enum err rc;

	buf_char(b, '[');
	rc = read_one(&r, "column_filters", filters->column, column_filter);
	if (!rc)
		rc = read_one(&r, "numeric_filters", filters->numeric, numeric_filter);
	if (!rc)
		rc = read_one(&r, "date_filters", filters->date, date_filter);
	if (!rc)
		rc = read_one(&r, "filter", filters->tree, NULL);
	buf_char(b, ']');
	return rc;
}
