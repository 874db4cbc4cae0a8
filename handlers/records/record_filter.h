/*
 * Filters of records, as clients write them and as sql/functions/records/record_search.sql reads them.
 *
 * A client sends up to three JSON objects, whose members are fields of the recordset or title, status,
 *owner_id, created_at, updated_at; all of them have to hold:
 *
 *	column_filters	{"city":"aust"} contains; {"city":["Austin","Dallas"]} is one of;
 *			{"city":{"op":"starts_with","value":"A"}}, by eq, ne, contains, not_contains,
 *starts_with, ends_with, in, not_in, is_null, is_not_null numeric_filters	{"price":{"min":1,"max":2}},
 *either of them, or {"price":{"eq":2}} date_filters
 *{"created_at":{"from":"2026-01-01","to":"2026-01-31"}}, either of them; a date is its whole day in UTC
 *
 * Besides one "filter", which has all of it: {"field":"city","op":"eq","value":"Austin"}, by the ops above or
 *gt, gte, lt, lte, within; and, of such, {"and":[…]}, {"or":[…]}, {"not":…}, in one another up to
 * RECORD_FILTER_DEPTH deep.
 *
 * Which fields there are is asked where they are looked up, of the schema as it stands there.
 */
#ifndef HANDLERS_RECORD_FILTER_H
#define HANDLERS_RECORD_FILTER_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/failure.h"

struct json_object;

enum { RECORD_FILTERS = 50, RECORD_FILTER_VALUES = 200, RECORD_FILTER_TEXT = 1000, RECORD_FILTER_DEPTH = 5 };

/* As the reference has them. */
#define RECORD_FILTER_ABOUT \
	"{\"field\",\"op\",\"value\"}, and of such {\"and\":[…]}, {\"or\":[…]}, {\"not\":…}, up to 5 deep"
#define RECORD_FILTER_EXAMPLE                                                                                \
	"{\"or\":[{\"field\":\"depth\",\"op\":\"lt\",\"value\":5},{\"field\":\"place\",\"op\":\"contains\"," \
	"\"value\":\"mole\"}]}"

/* The four as texts of JSON; NULL or "": none. */
struct record_filters {
	const char *column, *numeric, *date, *tree;
};

/*
 * Append what they say to b as one JSON array, all of which has to hold:
 *
 *	{"path":"column_filters.city","key":"city","op":"in","values":["Austin"]}
 *	… "op":"number","min":1,"max":2,"eq":3		those that were sent
 *	… "op":"time","from":"2026-01-01","to":null	as they were sent
 *	… "op":"compare","sign":"gt","is_number":true,"values":["5"]	or gte, lt, lte
 *	… "op":"within","values":["this_month"],"time_zone":"Europe/Berlin"
 *	{"and":[…]}  {"or":[…]}  {"not":[…]}	of these; of not one
 *
 * op is contains, not_contains, starts_with, ends_with (one value), in, not_in, is_null, is_not_null, number
 *or time: eq and ne are in and not_in.
 *
 * ERR_OK; ERR_VALIDATION: no JSON object, an op that there is not, a value that is none, more than
 * RECORD_FILTERS of them, groups too deep; *why names the member.
 */
enum err record_filter_read(struct arena *a, const struct record_filters *filters, struct buf *b,
			    struct failure *why);

/*
 * The same of an object that has them as members, each an object itself.
 *
 * path     what the object is called, for messages: "source_filters"; borrowed
 * filters  NULL: none
 */
enum err record_filter_read_object(struct arena *a, const char *path, struct json_object *filters,
				   struct buf *b, struct failure *why);

/*
 * The same of what the platform surface sends: {"city":"Bern","price":{"operator":"gte","value":2}}, by the
 * names of data's fields, or created_at and updated_at; with the operators eq, ne, gt, gte, lt, lte, like,
 * ilike, in and not_in.  In the array each has "is_data", unless it is one of the two, and these ops besides:
 * gt, gte, lt, lte, like, ilike, with one value.
 *
 * query       NULL: nothing
 * has_schema  else values are compared as JSON, and stand there as such, in texts ("is_json")
 */
enum err record_filter_entity(struct arena *a, struct json_object *query, bool has_schema, struct buf *b,
			      struct failure *why);

#endif
