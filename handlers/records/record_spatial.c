/*
 * Records of one recordset by where those of another one are: leads within chosen areas, places near
 * others, what is outside of all.  sql/functions/records/record_spatial.sql finds them.
 */
#include <json-c/json.h>

#include "build/sql/records/record_map.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/records/record_filter.h"

static enum err spatial_filter(struct req *rq);

/* clang-format off */
static const char *const operations[] = { "INTERSECTS", "WITHIN", "CONTAINS", "NOT_INTERSECTS", "WITHIN_DISTANCE", NULL };

static const struct field filters[] = {
	{ "column_filters",  F_OBJECT, 0, .about = "as of a list of records, but JSON itself", .example = "{\"ground\":[\"sand\",\"mud\"]}" },
	{ "numeric_filters", F_OBJECT, 0, .example = "{\"depth\":{\"max\":10}}" },
	{ "date_filters",    F_OBJECT, F_RARE },
	{ "filter",          F_OBJECT, F_RARE, .about = RECORD_FILTER_ABOUT, .example = RECORD_FILTER_EXAMPLE },
	FIELD_END
};

static const struct field filter_in[] = {
	{ "source_recordset_id", F_UUID,   F_REQUIRED, .example = "recordset" },
	{ "target_recordset_id", F_UUID,   F_REQUIRED, .example = "recordset" },
	{ "operation",           F_ENUM,   0, .values = operations, .def = "INTERSECTS", .about = "of a target: it touches a source, is within one, contains one, touches none, or is as near as buffer_meters" },
	{ "buffer_meters",       F_NUMBER, 0, .max = 500000, .about = "by which sources grow first", .example = "250" },
	{ "source_record_ids",   F_LIST,   F_RARE, .item = F_UUID, .min = 1, .max = 10000, .about = "of the sources these alone" },
	{ "source_filters",      F_OBJECT, F_RARE, .fields = filters },
	{ "target_filters",      F_OBJECT, F_RARE, .fields = filters },
	{ "limit",               F_INT,    0, .min = 1, .max = 100000, .def = "100000" },
	FIELD_END
};

static const struct field found[] = {
	{ "record_ids",   F_LIST, 0, .item = F_UUID, .about = "of targets, in no order" },
	{ "count",        F_INT,  0, .about = "of record_ids" },
	{ "total",        F_INT,  0, .about = "targets that have a geometry, and are what target_filters ask for" },
	{ "source_count", F_INT,  0, .about = "sources that were looked at" },
	{ "operation",    F_ENUM, 0, .values = operations },
	{ "truncated",    F_BOOL, 0, .about = "limit has left some out" },
	FIELD_END
};

static const struct shape found_shape = { "RecordsFoundBySpace", found, "Recordset" };

static const enum err refused[] = { ERR_BAD_REQUEST, ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_VALIDATION, ERR_OK };

const struct route record_spatial_routes[] = {
	{ POST, "/api/v1/records/spatial-filter", "workspace.records.spatial_filter_records", &by_member, "Find records by where others are",
	  "Needs can_view on both recordsets. Metres are along the great circle; to touch is to intersect.",
	  .body = filter_in, .out = &found_shape, .errors = refused, .sql = &q_record_spatial, .run = spatial_filter, .status = 200 },
	ROUTE_END
};
/* clang-format on */

static enum err take_filters(struct req *rq, const char *member, const char *parameter)
{
	const struct value *v = req_value(rq, member);
	struct buf b;
	enum err rc;

	buf_init(&b, &rq->tx.arena, 256);
	rc = record_filter_read_object(&rq->tx.arena, member, v && v->given ? v->json : NULL, &b,
				       &rq->tx.fail);
	if (!rc)
		req_set(rq, parameter, buf_str(&b));
	return rc;
}

static enum err spatial_filter(struct req *rq)
{
	enum err rc = take_filters(rq, "source_filters", "sources");

	if (!rc)
		rc = take_filters(rq, "target_filters", "targets");
	return rc ? rc : answer_rows(rq, &q_record_spatial);
}
