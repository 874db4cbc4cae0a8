/* How the records of a recordset are spread over the values of its fields, and what its numbers come to. */
#include <string.h>

#include "build/sql/records/record_facets.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/records/record_filter.h"
#include "providers/record_schema.h"
#include "handlers/records/recordsets.h"
#include "lib/base/jx.h"

static enum err record_facets(struct req *rq);

/* clang-format off */
static const char *const states[] = { "active", "draft", "archived", NULL };
static const char *const intervals[] = { "day", "month", "year", NULL };
static const struct field one_key = { "fields", F_TEXT, 0, .min = 1, .max = 63, .fits = &record_key, .example = "ground" };
static const struct field one_tag = { "tags", F_TEXT, 0, .min = 1, .max = 100, .example = "harbour" };

static const struct field facets_in[] = {
	{ "fields",          F_LIST, F_REQUIRED | F_CSV, .item = F_TEXT, .each = &one_key, .min = 1, .max = 10, .about = "keys of fields, or status, owner_id, tags, created_at, updated_at", .example = "[\"ground\"]" },
	{ "interval",        F_ENUM, F_RARE, .values = intervals, .about = "of dates: each of these, in UTC, the last one first" },
	{ "measure",         F_TEXT, 0, .max = 63, .fits = &record_key, .about = "the key of a field of numbers, whose sum, average, least and most are told", .example = "depth" },
	{ "limit",           F_INT,  F_RARE, .min = 1, .max = 1000, .def = "100", .about = "values of a field; those that most have, first" },
	{ "search",          F_TEXT, F_RARE, .max = 255 },
	{ "status",          F_LIST, F_RARE | F_CSV, .item = F_ENUM, .values = states, .min = 1, .max = 3 },
	{ "tags",            F_LIST, F_RARE | F_CSV, .item = F_TEXT, .each = &one_tag, .min = 1, .max = 50 },
	{ "column_filters",  F_TEXT, F_RARE, .max = 16000, .about = "as lists of records have them, and the three below" },
	{ "date_filters",    F_TEXT, F_RARE, .max = 16000 },
	{ "numeric_filters", F_TEXT, F_RARE, .max = 16000 },
	{ "filter",          F_TEXT, F_RARE, .max = 16000, .about = RECORD_FILTER_ABOUT, .example = RECORD_FILTER_EXAMPLE },
	FIELD_END
};

static const struct field value[] = {
	{ "value", F_JSON,   F_NULL, .about = "null: those without a value", .example = "\"sand\"" },
	{ "count", F_INT,    0 },
	{ "sum",   F_NUMBER, F_NULL | F_OPTIONAL, .about = "of the measure; null: none has a number" },
	{ "avg",   F_NUMBER, F_NULL | F_OPTIONAL },
	{ "min",   F_NUMBER, F_NULL | F_OPTIONAL },
	{ "max",   F_NUMBER, F_NULL | F_OPTIONAL },
	FIELD_END
};

static const struct field facet[] = {
	{ "field",       F_TEXT, 0, .example = "ground" },
	{ "value_count", F_INT,  0, .about = "different ones, also those that are not listed" },
	{ "other_count", F_INT,  0, .about = "records of the values that are not listed" },
	{ "values",      F_LIST, 0, .fields = value },
	FIELD_END
};

static const struct field facets_out[] = {
	{ "recordset_id", F_UUID, 0 },
	{ "total",        F_INT,  0, .about = "records that were looked at" },
	{ "facets",       F_LIST, 0, .fields = facet, .about = "in the order that was asked for; one with several values counts for each" },
	FIELD_END
};

static const struct shape facets_shape = { "RecordFacets", facets_out, "Recordset" };
static const enum err refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_VALIDATION, ERR_OK };

const struct route record_facet_routes[] = {
	{ GET, "/api/v1/recordsets/{recordset_slug}/facets", "workspace.records.list_record_facets", &by_member, "Count a recordset's records by values",
	  "Needs can_view on the recordset. All records, or with filters up to 100,000.",
	  .params = recordset_path, .query = facets_in, .out = &facets_shape, .errors = refused, .sql = &q_record_facets, .run = record_facets },
	ROUTE_END
};
/* clang-format on */

static void ask_list(struct req *rq, struct buf *b, const char *field, const char *name)
{
	const struct value *v = req_value(rq, field);

	if (v && v->given)
		jx_key_str(b, name, v->text);
}

static enum err record_facets(struct req *rq)
{
	const struct record_filters filters = { req_text(rq, "column_filters"),
						req_text(rq, "numeric_filters"), req_text(rq, "date_filters"),
						req_text(rq, "filter") };
	struct buf b;
	enum err rc;

	buf_init(&b, &rq->tx.arena, 512);
	buf_char(&b, '{');
	jx_key(&b, "filters");
	rc = record_filter_read(&rq->tx.arena, &filters, &b, &rq->tx.fail);
	if (rc)
		return rc;
	jx_key_str(&b, "search", req_text(rq, "search"));
	ask_list(rq, &b, "status", "statuses");
	ask_list(rq, &b, "tags", "tags");
	buf_char(&b, '}');
	req_set(rq, "asked", buf_str(&b));
	return answer_rows(rq, &q_record_facets);
}
