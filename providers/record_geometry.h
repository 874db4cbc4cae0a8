/*
 * Geometries as clients send them: GeoJSON (RFC 7946), WGS 84, longitude first.
 *
 * Their form is looked at here, where a place in them has a name; whether a polygon
 * crosses itself is PostGIS's to say (sql/functions/records/record_geometries.sql).
 */
#ifndef ASHLAR_RECORD_GEOMETRY_H
#define ASHLAR_RECORD_GEOMETRY_H

#include "lib/base/arena.h"
#include "lib/base/failure.h"

struct json_object;

#define RECORD_GEOMETRY_ABOUT \
	"GeoJSON, longitude first; unless it is sent, what its recordset's settings say where it is"
#define RECORD_GEOMETRY_EXAMPLE "{\"type\":\"Point\",\"coordinates\":[18.072,59.325]}"

/* The seven types; ends with NULL. */
extern const char *const record_geometry_types[];

/*
 * Is it one?  Numbers within 180 and 90 degrees, lines of two positions, rings of four
 * that end where they begin, nothing empty, no collection within a collection, which
 * RFC 7946 advises against and PostGIS does not write; a third number of a position is left out
 * when it is stored, and members that GeoJSON does not have are passed over, but for
 * "crs", which would be taken for WGS 84.
 *
 * path  how messages call it: "geometry"; borrowed
 *
 * ERR_OK; ERR_VALIDATION, *why names the member.
 */
enum err record_geometry_check(struct arena *a, struct json_object *json, const char *path,
			       struct failure *why);

#endif
