/*
 * Maps: recordsets whose records have a place, and which of them are where.
 *
 * A map is sent while PostgreSQL finds it, a line for each record, and the reading ends
 * when nobody waits for it any more; sql/functions/records/record_map.sql says which.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "build/sql/records/record_map.h"
#include "build/sql/records/recordsets.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/records/record_filter.h"
#include "providers/record_geometry.h"
#include "providers/record_schema.h"
#include "handlers/records/recordsets.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/db/rows.h"

enum { CHUNK = 64 << 10 };

static enum err map_enable(struct req *rq);
static enum err map_stream(struct req *rq);

/* clang-format off */
static const char *const queued[] = { "queued", NULL };

static const struct pattern four_numbers = { "^-?[0-9]{1,3}([.][0-9]{1,15})?(,-?[0-9]{1,3}([.][0-9]{1,15})?){3}$", "west,south,east,north in degrees" };

static const struct field one_key = { "fields", F_TEXT, 0, .min = 1, .max = 63, .fits = &record_key, .example = "depth" };

static const struct field map_path[] = {
	{ "recordset_id", F_TEXT, 0, .max = 120, .example = "soundings", .about = "its slug or its id" },
	FIELD_END
};

static const struct field enable_in[] = {
	{ "lat_field",      F_TEXT, 0, .max = 63, .fits = &record_key, .about = "the key of the field that has the latitude", .example = "latitude" },
	{ "lng_field",      F_TEXT, 0, .max = 63, .fits = &record_key, .about = "and the longitude", .example = "longitude" },
	{ "geometry_field", F_TEXT, F_RARE, .max = 63, .fits = &record_key, .about = "or of one that has GeoJSON", .example = "shape" },
	FIELD_END
};

static const struct choice places = { CHOICE_ONE, { WAY("lat_field", "lng_field"), WAY("geometry_field") } };

static const struct field enabled[] = {
	{ "recordset",     F_OBJECT, OUT, .fields = recordset_fields },
	{ "job_id",        F_UUID,   OUT, .about = "of the job that looks at the records that there are" },
	{ "status",        F_ENUM,   OUT, .values = queued },
	{ "total_records", F_INT,    OUT },
	FIELD_END
};

static const struct field map_in[] = {
	{ "recordset_id",    F_UUID, F_REQUIRED },
	{ "bbox",            F_TEXT, F_RARE, .max = 100, .fits = &four_numbers, .about = "west,south,east,north: whose geometry touches this box", .example = "17.9,59.2,18.3,59.5" },
	{ "limit",           F_INT,  F_RARE, .min = 1, .max = 100000000, .about = "unless given, all there are" },
	{ "fields",          F_LIST, F_CSV, .item = F_TEXT, .each = &one_key, .min = 1, .max = 500, .about = "of field_values these", .example = "[\"depth\"]" },
	{ "geometry_types",  F_LIST, F_RARE | F_CSV, .item = F_ENUM, .values = record_geometry_types, .min = 1, .max = 7, .about = "one of these" },
	{ "column_filters",  F_TEXT, F_RARE, .max = 16000, .about = "as of a list of records", .example = "{\"ground\":[\"sand\",\"mud\"]}" },
	{ "date_filters",    F_TEXT, F_RARE, .max = 16000, .example = "{\"created_at\":{\"from\":\"2026-01-01\"}}" },
	{ "numeric_filters", F_TEXT, F_RARE, .max = 16000, .example = "{\"depth\":{\"max\":10}}" },
	{ "filter",          F_TEXT, F_RARE, .max = 16000, .about = RECORD_FILTER_ABOUT, .example = RECORD_FILTER_EXAMPLE },
	FIELD_END
};

static const struct shape enabled_shape = { "RecordsetMap", enabled, "Recordset" };

static const struct child written[] = { { "recordset", &q_recordset_made }, { NULL } };

static const enum err not_enabled[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_VALIDATION, ERR_CONFLICT, ERR_OK };
static const enum err not_seen[] = { ERR_BAD_REQUEST, ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_VALIDATION, ERR_OK };

const struct route record_map_routes[] = {
	{ POST, "/api/v1/recordsets/{recordset_id}/enable-map", "workspace.records.enable_map_mode", &by_member, "Put a recordset's records on a map",
	  "Needs can_admin on the recordset. From now on values of these fields say where a record is, but for those whose geometry is sent; a job looks at those that there are. Coordinates that are missing, or none, are no place.",
	  .params = map_path, .body = enable_in, .choice = &places, .out = &enabled_shape, .errors = not_enabled, .run = map_enable, .status = 200 },
	{ GET, "/api/v1/records/map", "workspace.records.stream_map_records", &by_member, "Stream the records on a map",
	  "Needs can_view on the recordset. A line of JSON for each record that has a geometry: id, geometry, geometry_type, title, of points lat and lng, and fields, where they are asked for. The last line is {\"__meta__\":{\"count\",\"truncated\"}}; without it the answer is not whole.",
	  .query = map_in, .errors = not_seen, .run = map_stream, .status = 200, .content_type = "application/x-ndjson" },
	ROUTE_END
};
/* clang-format on */

static enum err map_enable(struct req *rq)
{
	const struct rows_form form = { .has_micros = true };
	PGresult *res;
	struct buf *b;
	enum err rc = tx_call_family(&rq->tx, &q_recordset_map, written, true, &res);

	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key(b, "recordset");
	rows_object(b, rows_open(&rq->tx.arena, rq->tx.children[0], 0, &form), 0);
	jx_key_str(b, "job_id", column_text(res, 0, "job_id"));
	jx_key_str(b, "status", "queued");
	jx_key_int(b, "total_records", column_int(res, 0, "total_records"));
	buf_char(b, '}');
	return answer_close(rq);
}

/* Four numbers, degrees; into a JSON array. */
static enum err read_box(struct req *rq, const char *text, struct buf *b)
{
	static const double most[] = { 180, 90, 180, 90 };
	bool is_within = true;
	double side[4];

	for (int i = 0; i < 4; i++) {
		char *end;

		side[i] = strtod(text, &end);
		is_within = is_within && fabs(side[i]) <= most[i];
		text = end + 1;
	}
	if (!is_within)
		return req_fail_field(rq, ERR_BAD_REQUEST, "bbox",
				      "bbox must be within 180 and 90 degrees: 17.9,59.2,18.3,59.5");
	if (side[0] > side[2] || side[1] > side[3])
		return req_fail_field(rq, ERR_BAD_REQUEST, "bbox",
				      "bbox: its west must not be over its east, nor its south over its "
				      "north; ask for two boxes across the antimeridian");
	jx_key_open(b, "box", '[');
	for (int i = 0; i < 4; i++)
		jx_next(b), jx_double(b, side[i]);
	buf_char(b, ']');
	return ERR_OK;
}

/* The lines, and how many of them there may be. */
struct lines {
	struct req *rq;
	long long n, limit; /* limit 0: all */
	bool is_truncated, has_fields;
};

static enum err send_chunk(struct req *rq, struct failure *why)
{
	rq->answer.status = 200;
	if (!rq->answer.send || rq->answer.send(rq))
		return ERR_OK;
	return failure_hide(why, &rq->tx.arena, ERR_UNAVAILABLE, "nobody waits for the answer");
}

static void write_raw(struct buf *b, const char *name, const char *json)
{
	if (json)
		jx_key(b, name), buf_text(b, json);
}

static enum err each_record(void *to, const PGresult *row, struct failure *why)
{
	struct lines *l = to;
	struct buf *b = &l->rq->answer.out;

	/* One more than were wanted was asked for. */
	if (l->limit && l->n == l->limit) {
		l->is_truncated = true;
		return ERR_OK;
	}
	l->n++;
	buf_char(b, '{');
	jx_key_str(b, "id", column_text(row, 0, "id"));
	write_raw(b, "geometry", column_text(row, 0, "geometry"));
	jx_key_str(b, "geometry_type", column_text(row, 0, "geometry_type"));
	jx_key_text(b, "title", column_text(row, 0, "title"));
	write_raw(b, "lat", column_text(row, 0, "lat"));
	write_raw(b, "lng", column_text(row, 0, "lng"));
	if (l->has_fields)
		write_raw(b, "fields", column_text(row, 0, "fields"));
	buf_text(b, "}\n");
	return b->n < CHUNK ? ERR_OK : send_chunk(l->rq, why);
}

static enum err map_stream(struct req *rq)
{
	const struct value *types = req_value(rq, "geometry_types"), *limit = req_value(rq, "limit");
	struct lines l = { .rq = rq, .has_fields = req_given(rq, "fields") };
	const char *box = req_text(rq, "bbox");
	const struct record_filters filters = { req_text(rq, "column_filters"),
						req_text(rq, "numeric_filters"), req_text(rq, "date_filters"),
						req_text(rq, "filter") };
	struct buf b, *out;
	PGresult *res;
	enum err rc;

	buf_init(&b, &rq->tx.arena, 512);
	buf_char(&b, '{');
	jx_key(&b, "filters");
	rc = record_filter_read(&rq->tx.arena, &filters, &b, &rq->tx.fail);
	if (!rc && box)
		rc = read_box(rq, box, &b);
	if (rc)
		return rc;
	if (types && types->given)
		jx_key_str(&b, "types", types->text);
	buf_char(&b, '}');
	req_set(rq, "asked", buf_str(&b));
	if (limit && limit->given) {
		l.limit = limit->i;
		req_set(rq, "most", arena_fmt(&rq->tx.arena, "%lld", l.limit + 1));
	} else {
		req_set(rq, "most", NULL);
	}
	if (!req_value(rq, "fields"))
		req_set(rq, "fields", NULL);

	answer_body(rq);
	rq->tx.each = each_record;
	rq->tx.each_to = &l;
	rc = tx_call(&rq->tx, &q_record_map, true, &res);
	rq->tx.each = NULL;
	if (rc)
		return rc;
	out = &rq->answer.out;
	buf_text(out, "{\"__meta__\":{");
	jx_key_int(out, "count", l.n);
	jx_key(out, "truncated"), jx_bool(out, l.is_truncated);
	buf_text(out, "}}\n");
	rq->answer.status = 200;
	return rq->answer.is_sent ? send_chunk(rq, &rq->tx.fail) : ERR_OK;
}
