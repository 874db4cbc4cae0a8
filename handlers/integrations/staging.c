/*
 * Rows of virtual recordsets, straight from the staging table that an integration fills.  Which tables there
 * are, and their columns, is the list below: of a request only the recordset's row names one, and no word of
 * it becomes SQL.
 */
#include <ctype.h>
#include <string.h>

#include "build/sql/integrations/staging.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/db/rows.h"

static enum err staging_list(struct req *rq), staging_count(struct req *rq), staging_get(struct req *rq);

/* clang-format off */
struct staging_column {
	const char *name, *type;
	bool is_null, is_key;
};

struct staging {
	const char *table; /* as recordsets call it */
	const struct staging_column *columns;
	const struct query *list, *count, *get; /* which have these columns in their order */
};

static const struct staging_column shopify_products[] = {
	{ "id",             "BIGINT", .is_key = true },
	{ "title",          "TEXT" },
	{ "vendor",         "TEXT",          .is_null = true },
	{ "product_type",   "TEXT",          .is_null = true },
	{ "status",         "TEXT",          .is_null = true },
	{ "price",          "NUMERIC(12,2)", .is_null = true },
	{ "inventory",      "INTEGER",       .is_null = true },
	{ "published_at",   "TIMESTAMPTZ",   .is_null = true },
	{ "sys_created_at", "TIMESTAMPTZ" },
	{ "sys_updated_at", "TIMESTAMPTZ" },
	{ NULL },
};

static const struct staging tables[] = {
	{ "shopify_products", shopify_products, &q_staging_shopify_product_list, &q_staging_shopify_product_count, &q_staging_shopify_product_get },
};

static const char *const orders[] = { "asc", "desc", NULL };

static const struct field path[] = {
	{ "recordset_slug", F_TEXT, 0, .min = 1, .max = 120, .example = "shopify-products", .about = "its slug or its id" },
	{ "record_id",      F_TEXT, 0, .min = 1, .max = 255, .example = "7982301", .about = "the row's primary key" },
	FIELD_END
};

static const struct field list_in[] = {
	{ "page",       F_INT,  0, .min = 1, .max = 1000000000, .def = "1" },
	{ "page_size",  F_INT,  0, .min = 1, .max = 200, .def = "50" },
	{ "search",     F_TEXT, F_RARE, .max = 255, .about = "in its texts, in any case; blank: no filter", .example = "rope" },
	{ "sort_by",    F_TEXT, F_RARE, .max = 63, .about = "a column; left out: the primary key", .example = "price" },
	{ "sort_order", F_ENUM, 0, .values = orders, .def = "asc" },
	FIELD_END
};

static const struct field recordset[] = {
	{ "id",               F_UUID, 0, .example = "recordset products" },
	{ "slug",             F_TEXT, 0, .example = "shopify-products" },
	{ "name",             F_TEXT, 0, .example = "Products" },
	{ "integration_type", F_TEXT, 0, .example = "shopify" },
	{ "staging_table",    F_TEXT, 0, .example = "shopify_products" },
	FIELD_END
};

static const struct field column[] = {
	{ "name",        F_TEXT, 0, .example = "price" },
	{ "type",        F_TEXT, 0, .about = "as SQL has it", .example = "NUMERIC(12,2)" },
	{ "nullable",    F_BOOL, 0 },
	{ "primary_key", F_BOOL, 0 },
	FIELD_END
};

#define ROW_EXAMPLE "{\"id\":7982301,\"title\":\"Storm lantern\",\"price\":49.90}"

static const struct field page_out[] = {
	{ "recordset",   F_OBJECT, 0, .fields = recordset },
	{ "columns",     F_LIST,   0, .fields = column },
	{ "items",       F_LIST,   0, .item = F_OBJECT, .about = "each column by its name", .example = "[" ROW_EXAMPLE "]" },
	{ "total",       F_INT,    0, .about = "counted up to 10,001", .example = "3" },
	{ "page",        F_INT,    0, .example = "1" },
	{ "page_size",   F_INT,    0, .example = "50" },
	{ "total_pages", F_INT,    0, .example = "1" },
	FIELD_END
};

static const struct field count_out[] = {
	{ "count", F_INT, 0, .example = "3" },
	FIELD_END
};

static const struct field row_out[] = {
	{ "record",  F_OBJECT, 0, .about = "each column by its name", .example = ROW_EXAMPLE },
	{ "columns", F_LIST,   0, .fields = column },
	FIELD_END
};

static const struct shape page_shape = { "StagingPage", page_out, "Recordset" };
static const struct shape count_shape = { "StagingCount", count_out, "Recordset" };
static const struct shape row_shape = { "StagingRecord", row_out, "Record" };

static const enum err refused[] = { ERR_BAD_REQUEST, ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };

#define BASE "/api/v1/integration-records/{recordset_slug}"
#define NEEDS "Of a virtual recordset. Needs can_view on it."

const struct route staging_routes[] = {
	{ GET, BASE, "workspace.integrations.list_staging_records", &by_member, "List rows of an integration", NEEDS,
	  .params = path, .query = list_in, .out = &page_shape, .errors = refused, .run = staging_list },
	{ GET, BASE "/count", "workspace.integrations.count_staging_records", &by_member, "Count rows of an integration", NEEDS,
	  .params = path, .out = &count_shape, .errors = refused, .run = staging_count },
	{ GET, BASE "/{record_id}", "workspace.integrations.get_staging_record", &by_member, "Show a row of an integration", NEEDS,
	  .params = path, .out = &row_shape, .errors = refused, .run = staging_get },
	ROUTE_END
};
/* clang-format on */

static const struct rows_form plain = { .without = NULL };

/* The recordset that the path names, and its table. */
static enum err find(struct req *rq, PGresult **out, const struct staging **table)
{
	enum err rc = tx_call(&rq->tx, &q_staging_recordset, false, out);
	const char *name;

	if (rc)
		return rc;
	if (!PQntuples(*out))
		return req_fail(rq, ERR_NOT_FOUND, "Recordset not found");
	if (!column_bool(*out, 0, "is_virtual"))
		return req_fail(rq, ERR_BAD_REQUEST,
				"the rows of this recordset are records: it is not virtual");
	name = column_text(*out, 0, "staging_table");
	for (size_t i = 0; name && i < sizeof(tables) / sizeof(*tables); i++)
		if (!strcmp(tables[i].table, name)) {
			*table = &tables[i];
			return ERR_OK;
		}
	return req_fail(rq, ERR_NOT_FOUND, "Staging table not found");
}

static void write_columns(struct buf *b, const struct staging *table)
{
	jx_key_open(b, "columns", '[');
	for (const struct staging_column *c = table->columns; c->name; c++) {
		jx_next(b), buf_char(b, '{');
		jx_key_str(b, "name", c->name);
		jx_key_str(b, "type", c->type);
		jx_key(b, "nullable"), jx_bool(b, c->is_null);
		jx_key(b, "primary_key"), jx_bool(b, c->is_key);
		buf_char(b, '}');
	}
	buf_char(b, ']');
}

static void write_recordset(struct buf *b, const PGresult *set)
{
	static const char *const names[] = { "id", "slug", "name", "integration_type", "staging_table" };

	jx_key_open(b, "recordset", '{');
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		jx_key_text(b, names[i], column_text(set, 0, names[i]));
	buf_char(b, '}');
}

/* What is sorted by is a word of the list: 400 says so, as of each query value here that is none. */
static enum err choose_sort(struct req *rq, const struct staging *table)
{
	const char *by = req_text(rq, "sort_by");

	for (const struct staging_column *c = table->columns; c->name; c++)
		if (by ? !strcmp(c->name, by) : c->is_key) {
			req_set(rq, "sort_by", c->name);
			return ERR_OK;
		}
	return req_fail_field(rq, ERR_BAD_REQUEST, "sort_by", "sort_by must be one of the columns");
}

/* How many there are; of a page behind the last one no row says it. */
static enum err count_all(struct req *rq, const struct staging *table, const PGresult *page, long long *total)
{
	PGresult *res;
	enum err rc;

	*total = PQntuples(page) ? column_int(page, 0, "total") : 0;
	if (PQntuples(page) || req_int(rq, "page") == 1)
		return ERR_OK;
	rc = tx_total(&rq->tx, table->list, &res);
	if (!rc)
		*total = column_int(res, 0, "total");
	return rc;
}

static bool is_blank(const char *text)
{
	return text && !text[strspn(text, " \t\r\n")];
}

static enum err staging_list(struct req *rq)
{
	long long page = req_int(rq, "page"), size = req_int(rq, "page_size"), total = 0;
	const struct staging *table = tables; /* until find() says which */
	PGresult *set, *res;
	struct rows *rows;
	struct buf *b;
	enum err rc = find(rq, &set, &table);

	if (!rc)
		rc = choose_sort(rq, table);
	if (rc)
		return rc;
	if (is_blank(req_text(rq, "search")))
		req_set(rq, "search", NULL);
	req_set(rq, "limit", arena_fmt(&rq->tx.arena, "%lld", size));
	req_set(rq, "skip", arena_fmt(&rq->tx.arena, "%lld", (page - 1) * size));
	rc = tx_call(&rq->tx, table->list, false, &res);
	if (!rc)
		rc = count_all(rq, table, res, &total);
	if (!rc)
		rc = tx_finish(&rq->tx, true);
	if (rc)
		return rc;
	rows = rows_open(&rq->tx.arena, res, 1, &plain);
	b = answer_open(rq);
	buf_char(b, '{');
	write_recordset(b, set);
	write_columns(b, table);
	jx_key_open(b, "items", '[');
	/* An empty page may be one row of nulls beside its total. */
	for (int i = 0; i < PQntuples(res) && !PQgetisnull(res, i, 1); i++) {
		if (i)
			buf_char(b, ',');
		rows_object(b, rows, i);
	}
	buf_char(b, ']');
	jx_key_int(b, "total", total);
	jx_key_int(b, "page", page);
	jx_key_int(b, "page_size", size);
	jx_key_int(b, "total_pages", (total + size - 1) / size);
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err staging_count(struct req *rq)
{
	const struct staging *table = tables; /* until find() says which */
	PGresult *set;
	enum err rc = find(rq, &set, &table);

	return rc ? rc : answer_rows(rq, table->count);
}

/* A key of the one form that all tables have so far: a number. */
static bool is_key(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if (!isdigit((unsigned char)text[i]))
			return false;
	return n && n <= 18;
}

static enum err staging_get(struct req *rq)
{
	const char *key = req_path_text(rq, "record_id");
	const struct staging *table = tables; /* until find() says which */
	PGresult *set, *res;
	struct buf *b;
	enum err rc = find(rq, &set, &table);

	if (rc)
		return rc;
	if (!is_key(key))
		return answer_not_found(rq, key);
	req_set(rq, "record_key", key);
	rc = tx_call(&rq->tx, table->get, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, key);
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key(b, "record");
	rows_object(b, rows_open(&rq->tx.arena, res, 0, &plain), 0);
	write_columns(b, table);
	buf_char(b, '}');
	return answer_close(rq);
}
