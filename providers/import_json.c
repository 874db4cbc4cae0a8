/*
 * JSON: an array of objects, an object that holds one, or objects one behind the other (NDJSON); and GeoJSON,
 * a FeatureCollection, whose features are rows of their properties and a place.
 *
 * The text is cut into objects as it comes, and each is read as strictly as what clients send (json_read()),
 * so that memory is that of one of them.  It is gone through twice: which members there are is known only
 * then, and so is a "crs" that stands behind the features.
 */
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "providers/import_child.h"
#include "providers/record_geometry.h"

enum {
	PIECE = 65536,
	VALUE_MAX = 4 << 20, /* of a row, and of what stands beside the rows */
	MEMBERS = 200,       /* beside the rows */
	SLOTS = 8192,        /* for names of columns: a power of two, and far more than there may be */
	WGS84 = 4326,
};

struct reader {
	struct import_child *to;
	bool is_geo, is_second; /* the second time */
	char raw[PIECE];
	size_t nraw, at;
	char *value; /* in hand */
	size_t n, cap;
	struct arena arena; /* of it */
	uint64_t number;    /* of rows, from 1 */
	bool has_rows, is_collection;

	char *names[IMPORT_COLUMNS_MAX];
	size_t nnames;
	uint16_t slots[SLOTS]; /* of names, from 1 */
	struct import_cell cells[IMPORT_COLUMNS_MAX + 1];
	size_t ncells;

	uint64_t outside; /* the first feature that is no place on earth; 0: none */
};

/* What comes next */

static int peek(struct reader *r)
{
	if (r->at == r->nraw) {
		ssize_t k = read(0, r->raw, sizeof(r->raw));

		if (k < 0)
			import_child_fail(IMPORT_READ, 0);
		r->nraw = (size_t)k;
		r->at = 0;
	}
	return r->at < r->nraw ? (unsigned char)r->raw[r->at] : -1;
}

static int skip_space(struct reader *r)
{
	int c;

	while ((c = peek(r)) == ' ' || c == '\n' || c == '\r' || c == '\t')
		r->at++;
	return c;
}

static _Noreturn void broken(const struct reader *r)
{
	import_child_fail(IMPORT_JSON, r->number);
}

/* The sign that comes next, and no other one. */
static void take(struct reader *r, char c)
{
	if (skip_space(r) != c)
		broken(r);
	r->at++;
}

static void append(struct reader *r, char c)
{
	if (r->n == r->cap) {
		if (r->n == VALUE_MAX)
			import_child_fail(IMPORT_VALUE, r->number);
		r->cap = r->cap ? 2 * r->cap : PIECE;
		r->value = import_child_grow(r->value, r->cap);
	}
	r->value[r->n++] = c;
}

/* The text of the value that comes next, to where its brackets end; whether it is one, its reader says. */
static void cut(struct reader *r)
{
	bool in_text = false, is_escaped = false;
	int c = skip_space(r), depth = 0;

	r->n = 0;
	if (c != '{' && c != '[' && c != '"') {
		for (; c >= 0 && !strchr(" \t\r\n,]}", c); c = peek(r)) {
			append(r, (char)c);
			r->at++;
		}
		return;
	}
	do {
		c = peek(r);
		if (c < 0)
			broken(r);
		append(r, (char)c);
		r->at++;
		if (in_text) {
			in_text = is_escaped || c != '"';
			is_escaped = !is_escaped && c == '\\';
		} else if (c == '"') {
			in_text = true;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	} while (in_text || depth > 0);
}

/* It, read; good until the next one is. */
static struct json_object *value(struct reader *r)
{
	struct json_object *tree;
	const char *problem;

	cut(r);
	arena_reset(&r->arena);
	if (json_read(&r->arena, r->value ? r->value : "", r->n, &tree, &problem))
		broken(r);
	return tree;
}

/* Columns */

/* The number of a column, which is new if none has that name. */
static size_t column(struct reader *r, const char *name)
{
	uint64_t h = 14695981039346656037U;
	size_t at, n = strlen(name) + 1;

	for (const char *p = name; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211U;
	for (at = h % SLOTS; r->slots[at]; at = (at + 1) % SLOTS)
		if (!strcmp(r->names[r->slots[at] - 1], name))
			return r->slots[at] - 1U;
	if (r->nnames == IMPORT_COLUMNS_MAX)
		import_child_fail(IMPORT_MEMBERS, r->number);
	r->names[r->nnames] = memcpy(import_child_alloc(n), name, n);
	r->slots[at] = (uint16_t)++r->nnames;
	return r->nnames - 1;
}

static struct import_cell cell_of(struct json_object *json)
{
	enum import_kind kind = IMPORT_BLANK;
	const char *p = "";

	switch (json_object_get_type(json)) {
	case json_type_null: return (struct import_cell){ IMPORT_BLANK, "", 0 };
	case json_type_string:
		return (struct import_cell){ IMPORT_STRING, json_object_get_string(json),
					     (size_t)json_object_get_string_len(json) };
	case json_type_boolean:
		kind = IMPORT_TRUTH;
		p = json_object_get_boolean(json) ? "true" : "false";
		break;
	case json_type_int:
	case json_type_double: kind = IMPORT_DIGITS; break;
	case json_type_object:
	case json_type_array: kind = IMPORT_TREE; break;
	}
	if (kind != IMPORT_TRUTH)
		p = json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN);
	return (struct import_cell){ kind, p, strlen(p) };
}

static void put(struct reader *r, const char *name, struct json_object *json)
{
	size_t i = column(r, name);

	if (!r->is_second)
		return;
	while (r->ncells <= i)
		r->cells[r->ncells++] = (struct import_cell){ IMPORT_BLANK, "", 0 };
	r->cells[i] = cell_of(json);
}

static void put_members(struct reader *r, struct json_object *object)
{
	json_object_object_foreach(object, name, json)
	{
		put(r, name, json);
	}
}

static void end_row(struct reader *r)
{
	if (r->is_second)
		r->to->row(r->to, r->number + 1, r->cells, r->ncells);
}

/* Places */

static void see_position(struct reader *r, double x, double y)
{
	struct import_child *c = r->to;

	if (!c->has_box || x < c->box[0])
		c->box[0] = x;
	if (!c->has_box || y < c->box[1])
		c->box[1] = y;
	if (!c->has_box || x > c->box[2])
		c->box[2] = x;
	if (!c->has_box || y > c->box[3])
		c->box[3] = y;
	c->has_box = true;
	if ((fabs(x) > 180 || fabs(y) > 90) && !r->outside)
		r->outside = r->number;
}

/* Arrays of arrays of numbers, as deep as json_read() lets them be. */
static void see_coordinates(struct reader *r, struct json_object *json)
{
	size_t n = json_object_is_type(json, json_type_array) ? json_object_array_length(json) : 0;

	if (n >= 2 && !json_object_is_type(json_object_array_get_idx(json, 0), json_type_array)) {
		see_position(r, json_object_get_double(json_object_array_get_idx(json, 0)),
			     json_object_get_double(json_object_array_get_idx(json, 1)));
		return;
	}
	for (size_t i = 0; i < n; i++)
		see_coordinates(r, json_object_array_get_idx(json, i));
}

static void see_geometry(struct reader *r, struct json_object *json)
{
	const char *type = json_text(json_at(json, "type", NULL), 30);
	struct json_object *parts = json_at(json, "geometries", NULL);

	if (!type)
		import_child_fail(IMPORT_FEATURE, r->number);
	for (unsigned i = 0; record_geometry_types[i]; i++)
		if (!strcmp(record_geometry_types[i], type))
			r->to->geometry_types |= 1U << i;
	see_coordinates(r, json_at(json, "coordinates", NULL));
	for (size_t i = 0; json_object_is_type(parts, json_type_array) && i < json_object_array_length(parts);
	     i++)
		see_coordinates(r, json_at(json_object_array_get_idx(parts, i), "coordinates", NULL));
}

static void feature(struct reader *r, struct json_object *json)
{
	struct json_object *properties = json_at(json, "properties", NULL), *id = json_at(json, "id", NULL),
			   *geometry = json_at(json, "geometry", NULL);
	const char *type = json_text(json_at(json, "type", NULL), 30);

	if (!type || strcmp(type, "Feature") != 0 ||
	    (properties && !json_object_is_type(properties, json_type_object)) ||
	    (geometry && !json_object_is_type(geometry, json_type_object)))
		import_child_fail(IMPORT_FEATURE, r->number);
	if (properties)
		put_members(r, properties);
	if (id && !json_at(properties, "id", NULL))
		put(r, "id", id);
	if (!geometry)
		return;
	if (!r->is_second) {
		see_geometry(r, geometry);
		return;
	}
	/* Behind all columns. */
	while (r->ncells < r->nnames)
		r->cells[r->ncells++] = (struct import_cell){ IMPORT_BLANK, "", 0 };
	r->cells[r->ncells] = cell_of(geometry);
	r->cells[r->ncells++].kind = IMPORT_PLACE;
}

/* The number of EPSG that a "crs" names (GeoJSON of 2008); 0: degrees, longitude first, as RFC 7946 has it.
 */
static int crs_of(struct json_object *json)
{
	static const char *const degrees[] = { "urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84",
					       "OGC:CRS84", "CRS84",
					       "http://www.opengis.net/def/crs/OGC/1.3/CRS84" };
	static const char *const numbered[] = { "urn:ogc:def:crs:EPSG:", "EPSG:",
						"http://www.opengis.net/def/crs/EPSG/" };
	const char *type = json_text(json_at(json, "type", NULL), 10),
		   *name = json_text(json_at(json, "properties", "name"), 100), *last;

	if (!json)
		return 0;
	if (!type || strcmp(type, "name") != 0 || !name)
		import_child_fail(IMPORT_CRS, 0);
	for (size_t i = 0; i < sizeof(degrees) / sizeof(*degrees); i++)
		if (!strcasecmp(name, degrees[i]))
			return 0;
	last = name + strlen(name);
	while (last > name && last[-1] >= '0' && last[-1] <= '9')
		last--;
	for (size_t i = 0; i < sizeof(numbered) / sizeof(*numbered); i++)
		if (!strncasecmp(name, numbered[i], strlen(numbered[i])) && *last && strlen(last) <= 6 &&
		    last > name)
			return atoi(last) == WGS84 ? 0 : atoi(last);
	import_child_fail(IMPORT_CRS, 0);
}

/* Rows */

static void row(struct reader *r)
{
	struct json_object *json;

	r->number++;
	if (skip_space(r) != '{')
		import_child_fail(IMPORT_OBJECT, r->number);
	json = value(r);
	r->ncells = 0;
	if (r->is_geo)
		feature(r, json);
	else
		put_members(r, json);
	end_row(r);
}

/* An array whose bracket is taken, to its end; its elements are rows, or only looked at. */
static void elements(struct reader *r, bool are_rows)
{
	if (skip_space(r) == ']') {
		r->at++;
		return;
	}
	for (;;) {
		if (are_rows)
			row(r);
		else
			value(r);
		if (skip_space(r) != ',')
			break;
		r->at++;
	}
	take(r, ']');
}

static void member(struct reader *r, const char *name)
{
	int c;

	if (skip_space(r) == '[') {
		r->at++;
		c = skip_space(r);
		if (r->is_geo ? !strcmp(name, "features") : !r->has_rows && (c == '{' || c == ']')) {
			r->has_rows |= r->is_geo || c == '{';
			elements(r, true);
		} else {
			elements(r, false);
		}
		return;
	}
	if (r->is_geo && !strcmp(name, "crs")) {
		r->to->srid = crs_of(value(r));
	} else if (r->is_geo && !strcmp(name, "type")) {
		const char *type = json_text(value(r), 30);

		r->is_collection = type && !strcmp(type, "FeatureCollection");
	} else {
		value(r);
	}
}

/* What holds the rows. */
static void holder(struct reader *r)
{
	char *names[MEMBERS];
	size_t n = 0;

	take(r, '{');
	if (skip_space(r) != '}') {
		while (n < MEMBERS) {
			const char *name;

			if (skip_space(r) != '"')
				broken(r);
			name = json_object_get_string(value(r));
			names[n] = memcpy(import_child_alloc(strlen(name) + 1), name, strlen(name) + 1);
			for (size_t i = 0; i < n; i++)
				if (!strcmp(names[i], names[n]))
					broken(r);
			take(r, ':');
			member(r, names[n++]);
			if (skip_space(r) != ',')
				break;
			r->at++;
		}
	}
	take(r, '}');
}

static void rewind_to_start(struct reader *r)
{
	if (lseek(0, 0, SEEK_SET) != 0)
		import_child_fail(IMPORT_READ, 0);
	r->at = r->nraw = 0;
	r->number = 0;
	r->has_rows = false;
	if (peek(r) == 0xef && r->nraw >= 3 && !memcmp(r->raw, "\xef\xbb\xbf", 3))
		r->at = 3;
}

/* One object behind the other? Behind the first one comes another, or nothing and it holds no rows. */
static bool are_lines(struct reader *r)
{
	bool in_text = false, is_escaped = false, has_list = false;
	int c = skip_space(r), depth = 0;

	if (c != '{' || r->is_geo)
		return false;
	do {
		c = peek(r);
		r->at++;
		if (in_text) {
			in_text = is_escaped || c != '"';
			is_escaped = !is_escaped && c == '\\';
		} else if (c == '"') {
			in_text = true;
		} else if (c == '{' || c == '[') {
			depth++;
			if (c == '[' && depth == 2 && skip_space(r) == '{')
				has_list = true;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	} while (c >= 0 && (in_text || depth > 0));
	return skip_space(r) == '{' || !has_list;
}

static void walk(struct reader *r, bool as_lines)
{
	int c;

	rewind_to_start(r);
	c = skip_space(r);
	if (c < 0)
		import_child_fail(IMPORT_EMPTY, 0);
	if (as_lines) {
		while (skip_space(r) >= 0)
			row(r);
		return;
	}
	if (c == '[' && !r->is_geo) {
		r->at++;
		elements(r, true);
	} else if (c == '{') {
		holder(r);
	} else {
		import_child_fail(r->is_geo ? IMPORT_GEOJSON : IMPORT_ARRAY, 0);
	}
	if (skip_space(r) >= 0)
		broken(r);
	if (r->is_geo && !(r->is_collection && r->has_rows))
		import_child_fail(IMPORT_GEOJSON, 0);
}

void import_child_json(struct import_child *c)
{
	struct reader *r = import_child_alloc(sizeof(*r));
	bool as_lines;

	r->to = c;
	r->is_geo = !strcmp(c->format, "geojson");
	memcpy(c->encoding, "utf-8", 6);
	arena_init(&r->arena, PIECE);
	rewind_to_start(r);
	as_lines = are_lines(r);
	walk(r, as_lines);
	if (r->outside && !c->srid)
		import_child_fail(IMPORT_OUTSIDE, r->outside);
	for (size_t i = 0; i < r->nnames; i++)
		r->cells[i] = (struct import_cell){ IMPORT_TEXT, r->names[i], strlen(r->names[i]) };
	c->header(c, r->cells, r->nnames);
	r->is_second = true;
	walk(r, as_lines);
	arena_release(&r->arena);
}
