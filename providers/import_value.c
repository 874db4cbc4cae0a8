#include "providers/import_value.h"

#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/base/utf8.h"

static const double most_number = 1e18;

static bool no(const char **problem, const char *what)
{
	*problem = what;
	return false;
}

/* By the rules of the type. */
static bool by_schema(struct arena *a, const struct record_field *f, struct json_object *json, struct buf *b,
		      const char **problem)
{
	struct failure why = { ERR_OK };
	bool is_fine = !record_schema_value(a, f, json, "it", b, &why);

	json_object_put(json);
	return is_fine ? true : no(problem, why.message);
}

static bool text(struct arena *a, const struct record_field *f, const struct import_cell *cell, struct buf *b,
		 const char **problem)
{
	if (!utf8_valid(cell->p, cell->n))
		return no(problem, "it must be text in the file's encoding");
	if (cell->kind == IMPORT_TREE)
		return no(problem, "it must be a string");
	if (cell->n > RECORD_TEXT_MAX && utf8_length(cell->p, cell->n) > RECORD_TEXT_MAX)
		return no(problem, "it must be a string of at most 100000 characters");
	if (f->min_length || f->max_length || f->pattern || f->is_dialled)
		return by_schema(a, f, json_object_new_string_len(cell->p, (int)cell->n), b, problem);
	jx_text(b, cell->p, cell->n);
	return true;
}

/* Digits of a number as an export has it, be they more than 15, all of which a double gives back? */
static bool is_kept_whole(const struct import_cell *cell)
{
	char text[40], again[64];
	const char *point;

	if (!cell->n || cell->n > 32)
		return false;
	memcpy(text, cell->p, cell->n);
	text[cell->n] = '\0';
	point = strchr(text, '.');
	if (strspn(text + (*text == '-'), "0123456789.") != cell->n - (*text == '-'))
		return false;
	snprintf(again, sizeof(again), "%.*f", point ? (int)strlen(point + 1) : 0, strtod(text, NULL));
	return !strcmp(text, again);
}

static bool number(struct arena *a, const struct import_column *col, const struct import_cell *cell,
		   struct buf *b, const char **problem)
{
	const struct record_field *f = col->field;
	double most = f->type == RECORD_LATITUDE ? 90 : f->type == RECORD_LONGITUDE ? 180 : most_number;
	enum import_decimal decimal = col->decimal;
	struct json_object *json;
	const char *why;
	struct buf form;

	if (cell->kind == IMPORT_DIGITS)
		decimal = IMPORT_POINT;
	if (decimal == IMPORT_DECIMAL_UNKNOWN) {
		if (memchr(cell->p, ',', cell->n) || memchr(cell->p, '.', cell->n))
			return no(problem,
				  "it must be a number of which decimal says what commas and points are");
		decimal = IMPORT_POINT;
	}
	buf_init(&form, a, 64);
	if (cell->kind == IMPORT_DIGITS || (decimal == IMPORT_POINT && is_kept_whole(cell)))
		buf_add(&form, cell->p, cell->n);
	else if (!import_text_number(cell->p, cell->n, decimal, &form))
		return no(problem, "it must be a number of at most 15 digits, and no zeros in front");
	if (fabs(strtod(buf_str(&form), NULL)) > most)
		return no(problem, arena_fmt(a, "it must be a number from -%.0f to %.0f", most, most));
	if ((f->min || f->max || f->is_integer) && !json_read(a, form.p, form.n, &json, &why))
		return by_schema(a, f, json_object_get(json), b, problem);
	buf_add(b, form.p, form.n);
	return true;
}

static bool boolean(const struct import_cell *cell, struct buf *b, const char **problem)
{
	bool value;

	if (!import_text_bool(cell->p, cell->n, &value))
		return no(problem, "it must be true or false, or yes or no");
	jx_bool(b, value);
	return true;
}

static bool moment(struct arena *a, const struct import_column *col, const struct import_cell *cell,
		   struct buf *b, const char **problem)
{
	bool is_date = col->field->type == RECORD_DATE;
	enum import_time kind;
	struct buf form;
	char *written;

	buf_init(&form, a, 40);
	kind = import_text_time(cell->p, cell->n, col->order, &form);
	if (!kind && col->order == IMPORT_ORDER_UNKNOWN &&
	    import_text_time(cell->p, cell->n, IMPORT_DAY_FIRST, NULL))
		return no(problem, "it must be a date of which date_format says whether days come first");
	if (!kind && col->order == IMPORT_ORDER_UNKNOWN &&
	    import_text_time(cell->p, cell->n, IMPORT_MONTH_FIRST, NULL))
		return no(problem, "it must be a date of which date_format says whether days come first");
	if (!kind)
		return no(problem, is_date ? "it must be a date" : "it must be a time");
	if (is_date && kind == IMPORT_DATETIME) {
		written = buf_str(&form);
		if (strcmp(written + 10, "T00:00:00Z") != 0)
			return no(problem, "it must be a date without a time of day");
		form.n = 10;
	} else if (!is_date && kind == IMPORT_DATE) {
		buf_text(&form, "T00:00:00Z");
	}
	return by_schema(a, col->field, json_object_new_string_len(form.p, (int)form.n), b, problem);
}

static struct json_object *trimmed(const char *p, size_t n)
{
	p = import_text_trim(p, &n);
	return json_object_new_string_len(p, (int)n);
}

/* What is an option by itself is one; else there are several, with semicolons between them, or commas, or as
 * a JSON array. */
static bool options(struct arena *a, const struct record_field *f, const struct import_cell *cell,
		    struct buf *b, const char **problem)
{
	char *whole = arena_dup_n(a, cell->p, cell->n), sign = memchr(cell->p, ';', cell->n) ? ';' : ',';
	struct json_object *list = json_object_new_array(), *tree;
	const char *why;

	for (const char *const *o = f->options; *o; o++)
		if (!strcmp(*o, whole))
			sign = '\0';
	if (sign && *whole == '[' && !json_read(a, cell->p, cell->n, &tree, &why) &&
	    json_object_is_type(tree, json_type_array)) {
		json_object_put(list);
		return by_schema(a, f, json_object_get(tree), b, problem);
	}
	for (const char *p = whole, *end; p; p = end ? end + 1 : NULL) {
		size_t n;

		end = sign ? strchr(p, sign) : NULL;
		n = end ? (size_t)(end - p) : strlen(p);
		json_object_array_add(list, trimmed(p, n));
	}
	return by_schema(a, f, list, b, problem);
}

static bool json(struct arena *a, const struct record_field *f, const struct import_cell *cell, struct buf *b,
		 const char **problem)
{
	struct json_object *tree;
	const char *why;

	if (cell->kind == IMPORT_STRING && f->type == RECORD_JSON)
		return text(a, f, cell, b, problem);
	if (json_read(a, cell->p, cell->n, &tree, &why))
		return f->type == RECORD_JSON ? text(a, f, cell, b, problem)
					      : no(problem, "it must be a GeoJSON geometry");
	return by_schema(a, f, json_object_get(tree), b, problem);
}

bool import_value_write(struct arena *a, const struct import_column *col, const struct import_cell *cell,
			struct buf *b, const char **problem)
{
	const struct record_field *f = col->field;

	if (memchr(cell->p, '\0', cell->n))
		return no(problem, "it must be text, without NUL");
	switch (f->type) {
	case RECORD_TEXT:
	case RECORD_LONG_TEXT:
	case RECORD_PHONE:
	case RECORD_ADDRESS: return text(a, f, cell, b, problem);
	case RECORD_NUMBER:
	case RECORD_CURRENCY:
	case RECORD_PERCENT:
	case RECORD_LATITUDE:
	case RECORD_LONGITUDE: return number(a, col, cell, b, problem);
	case RECORD_BOOLEAN: return boolean(cell, b, problem);
	case RECORD_DATE:
	case RECORD_DATETIME: return moment(a, col, cell, b, problem);
	case RECORD_MULTI_SELECT: return options(a, f, cell, b, problem);
	case RECORD_GEOMETRY:
	case RECORD_JSON: return json(a, f, cell, b, problem);
	case RECORD_SELECT:
	case RECORD_EMAIL:
	case RECORD_URL:
	case RECORD_MEMBER:
	case RECORD_RECORD: break;
	}
	if (!utf8_valid(cell->p, cell->n))
		return no(problem, "it must be text in the file's encoding");
	return by_schema(a, f, trimmed(cell->p, cell->n), b, problem);
}
