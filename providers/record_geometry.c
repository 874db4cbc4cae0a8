#include "providers/record_geometry.h"

#include <json-c/json.h>
#include <math.h>
#include <string.h>

#include "lib/base/json.h"

/* clang-format off */
const char *const record_geometry_types[] = { "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection", NULL };
/* clang-format on */

/* What an array of coordinates is of. */
enum of { POSITION, LINE, RING, POSITIONS, LINES, RINGS, POLYGONS };

/* Where in it we are, for messages: a path is put together only where something is wrong. */
struct place {
	struct arena *arena;
	const char *path;
	size_t at[4];
	int depth;
};

static enum err refuse(const struct place *p, struct failure *why, const char *expected)
{
	const char *path = p->path;

	for (int i = 0; i < p->depth; i++)
		path = arena_fmt(p->arena, "%s[%zu]", path, p->at[i]);
	return failure_set(why, p->arena, ERR_VALIDATION, path, "%s must be %s", path, expected);
}

static bool is_number(struct json_object *json, double most)
{
	return (json_object_is_type(json, json_type_int) || json_object_is_type(json, json_type_double)) &&
	       fabs(json_object_get_double(json)) <= most;
}

static enum err check_position(const struct place *p, struct json_object *json, struct failure *why)
{
	size_t n = json_object_is_type(json, json_type_array) ? json_object_array_length(json) : 0;

	if (n < 2 || n > 3 || !is_number(json_object_array_get_idx(json, 0), 180) ||
	    !is_number(json_object_array_get_idx(json, 1), 90) ||
	    (n == 3 && !is_number(json_object_array_get_idx(json, 2), INFINITY)))
		return refuse(p, why, "[longitude, latitude], within 180 and 90 degrees");
	return ERR_OK;
}

static bool is_closed(struct json_object *ring, size_t n)
{
	struct json_object *first = json_object_array_get_idx(ring, 0),
			   *last = json_object_array_get_idx(ring, n - 1);

	for (size_t i = 0; i < 2; i++)
		if (json_object_get_double(json_object_array_get_idx(first, i)) !=
		    json_object_get_double(json_object_array_get_idx(last, i)))
			return false;
	return true;
}

/* Arrays within arrays; each level is looked at in order. */
static enum err check_array(struct place *p, enum of of, struct json_object *json, struct failure *why)
{
	/* clang-format off */
	static const struct { enum of each; size_t least; const char *expected; } levels[] = {
		[LINE] =      { POSITION, 2, "an array of two positions or more" },
		[RING] =      { POSITION, 4, "a ring: four positions or more, the last one as the first" },
		[POSITIONS] = { POSITION, 1, "an array of positions" },
		[LINES] =     { LINE,     1, "an array of lines" },
		[RINGS] =     { RING,     1, "an array of rings, the outer one first" },
		[POLYGONS] =  { RINGS,    1, "an array of polygons" },
	};
	/* clang-format on */
	size_t n = json_object_is_type(json, json_type_array) ? json_object_array_length(json) : 0;
	enum err rc = ERR_OK;

	if (of == POSITION)
		return check_position(p, json, why);
	if (n < levels[of].least)
		return refuse(p, why, levels[of].expected);
	p->depth++;
	for (size_t i = 0; !rc && i < n; i++) {
		p->at[p->depth - 1] = i;
		rc = check_array(p, levels[of].each, json_object_array_get_idx(json, i), why);
	}
	p->depth--;
	if (!rc && of == RING && !is_closed(json, n))
		rc = refuse(p, why, levels[RING].expected);
	return rc;
}

static enum err check(struct arena *a, struct json_object *json, const char *path, bool is_within,
		      struct failure *why)
{
	static const enum of coordinates[] = { POSITION, LINE, RINGS, POSITIONS, LINES, POLYGONS };
	const char *type = json_text(json_at(json, "type", NULL), 32);
	struct json_object *list = json_at(json, "geometries", NULL);
	struct place p = { .arena = a, .path = path };
	enum err rc = ERR_OK;
	size_t i = 0;

	while (type && record_geometry_types[i] && strcmp(record_geometry_types[i], type) != 0)
		i++;
	if (!type || !record_geometry_types[i])
		return failure_set(
			why, a, ERR_VALIDATION, path,
			"%s is no GeoJSON geometry, which has a type, and coordinates or geometries", path);
	if (is_within && !strcmp(type, "GeometryCollection"))
		return refuse(&p, why, "a geometry, and no collection within a collection");
	if (json_at(json, "crs", NULL)) {
		p.path = arena_fmt(a, "%s.crs", path);
		return refuse(&p, why, "left out: coordinates are WGS 84, longitude first");
	}
	if (i < sizeof(coordinates) / sizeof(*coordinates)) {
		p.path = arena_fmt(a, "%s.coordinates", path);
		return check_array(&p, coordinates[i], json_at(json, "coordinates", NULL), why);
	}
	p.path = arena_fmt(a, "%s.geometries", path);
	if (!json_object_is_type(list, json_type_array) || !json_object_array_length(list))
		return refuse(&p, why, "an array of geometries");
	for (i = 0; !rc && i < json_object_array_length(list); i++)
		rc = check(a, json_object_array_get_idx(list, i), arena_fmt(a, "%s[%zu]", p.path, i), true,
			   why);
	return rc;
}

enum err record_geometry_check(struct arena *a, struct json_object *json, const char *path,
			       struct failure *why)
{
	return check(a, json, path, false, why);
}
