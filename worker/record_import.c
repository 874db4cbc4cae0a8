#include "worker/record_import.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build/sql/records/record_imports.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/db/tx.h"
#include "providers/import_file.h"
#include "providers/import_value.h"
#include "providers/record_geometry.h"
#include "providers/record_schema.h"
#include "providers/storage.h"
#include "worker/run_report.h"

enum {
	BATCH = 500,
	BATCH_BYTES = 8 << 20,
	VALUES_BYTES = 262144, /* of a record, as PostgreSQL writes them (records_values_size) */
	SHOWN = 255,           /* of a value in a report */
	ENDED = 1000,
	BEGINNINGS = 100,
	BATCH_MS =
		60000, /* more than requests have: one that runs out of it would be begun again and again */
};

struct import {
	struct tx *tx;
	struct arena kept; /* for what the whole of it takes */
	size_t nvalues;    /* of the transaction, without a batch's */
	struct record_schema schema;
	struct import_column *columns; /* of the file */
	const size_t *column_of;       /* of each field of the schema; ncolumns: none */
	size_t ncolumns;
	bool skips_invalid;
	int above;      /* what is above the first row and counted, though the file has no header */
	bool is_turned; /* its coordinates are no degrees, and PostGIS makes them some */
	struct range {
		const char *text;
		uint64_t row;
		size_t column; /* from 0 */
	} * merges;
	size_t nmerges, next_merge;
	const struct record_field *match; /* by which records are found that are changed; NULL: all are new */

	/* the batch */
	struct arena arena;
	struct buf rows, errors;
	size_t *row_ends; /* where each record ends in rows */
	uint64_t *row_numbers;
	int nrows;
	long long refused, skipped;
	uint64_t after, last; /* rows of the file: done before it, and looked at */

	bool is_over;        /* there is nothing more to do: it was cancelled */
	bool is_moved;       /* it is to begin anew: its schema is another one by now */
	const char *problem; /* it ends here, without what follows */
};

static void begin_batch(struct import *m)
{
	m->tx->nvalues = m->nvalues;
	arena_reset(&m->arena);
	buf_init(&m->rows, &m->arena, 1 << 16);
	buf_init(&m->errors, &m->arena, 1024);
	m->nrows = 0;
	m->refused = m->skipped = 0;
	m->after = m->last;
}

/* What is wrong with a row, be it that it is refused for it or not. */
static void refuse(struct import *m, uint64_t number, const char *field, const struct import_cell *cell,
		   const char *problem)
{
	struct buf *b = &m->errors;
	size_t n = cell ? cell->n : 0;

	while (n > SHOWN && (n = SHOWN))
		while (n && ((unsigned char)cell->p[n] & 0xc0) == 0x80)
			n--;
	jx_next(b);
	buf_char(b, '{');
	jx_key_int(b, "row", (long long)number - m->above);
	jx_key_str(b, "field", field);
	jx_key(b, "value");
	if (cell && !memchr(cell->p, '\0', n))
		jx_text(b, cell->p, n);
	else
		jx_null(b);
	jx_key_str(b, "error", problem);
	buf_char(b, '}');
}

/* What a record has that no cell has said: its field's default; NULL: nothing. */
static const char *default_of(const struct record_field *f)
{
	return f->def ? json_object_to_json_string_ext(f->def, JSON_C_TO_STRING_PLAIN) : NULL;
}

/* An empty text is a value of what is text. */
static bool is_value(const struct record_field *f, const struct import_cell *cell)
{
	return cell->kind && cell->kind != IMPORT_FAULT &&
	       (cell->n || (f->type == RECORD_TEXT || f->type == RECORD_LONG_TEXT || f->type == RECORD_JSON));
}

/* The values of a row, or all that is wrong with it; fields without one are blank.  False: something is. */
static bool write_values(struct import *m, uint64_t number, const struct import_cell *cells, size_t n,
			 struct buf *b)
{
	bool is_fine = true;

	for (size_t i = 0; i < m->schema.n; i++) {
		const struct record_field *f = &m->schema.fields[i];
		const struct import_cell *cell = m->column_of[i] < n ? &cells[m->column_of[i]] : NULL;
		const char *problem;
		bool is_fault = cell && cell->kind == IMPORT_FAULT;

		if (is_fault)
			refuse(m, number, f->key, cell, "it is an error in the spreadsheet, and left out");
		if (cell && is_value(f, cell)) {
			jx_key(b, f->key);
			if (!import_value_write(&m->arena, &m->columns[m->column_of[i]], cell, b, &problem)) {
				refuse(m, number, f->key, cell, problem);
				is_fine = false;
			}
		} else if (m->match ? f == m->match : f->is_required && !f->def) {
			refuse(m, number, f->key, NULL, "it is required");
			is_fine = false;
		} else if (!m->match && default_of(f)) {
			jx_key(b, f->key);
			buf_text(b, default_of(f));
		}
	}
	for (size_t i = m->ncolumns; i < n && is_fine; i++) {
		if (!cells[i].kind || cells[i].kind == IMPORT_PLACE)
			continue;
		refuse(m, number, NULL, &cells[i], "the row has more cells than the header");
		is_fine = false;
	}
	return is_fine;
}

/* Where it is, in front of its values; false: it is nowhere that can be. */
static bool write_place(struct import *m, uint64_t number, const struct import_cell *cell, struct buf *b)
{
	const char *problem = "it must be a GeoJSON geometry", *broken;
	struct failure why = { ERR_OK };
	struct json_object *json;
	struct arena a; /* a tree is many times as large as its text: it goes before the next one comes */
	bool is_fine;

	arena_init(&a, 4096);
	is_fine = !json_read(&a, cell->p, cell->n, &json, &broken) &&
		  json_object_is_type(json, json_type_object);
	if (is_fine && !m->is_turned && record_geometry_check(&a, json, "geometry", &why)) {
		is_fine = false;
		problem = why.message;
	}
	if (is_fine) {
		jx_key(b, "geometry");
		buf_text(b, json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
	} else {
		refuse(m, number, "geometry", NULL, problem);
	}
	arena_release(&a);
	return is_fine;
}

/* Of a record that may be there: what it gets if it is not, or why it cannot be made then. */
static void write_unless_there(struct import *m, const struct import_cell *cells, size_t n, struct buf *b)
{
	const char *missing = NULL;

	jx_key_open(b, "defaults", '{');
	for (size_t i = 0; i < m->schema.n; i++) {
		const struct record_field *f = &m->schema.fields[i];

		if (m->column_of[i] < n && is_value(f, &cells[m->column_of[i]]))
			continue;
		if (default_of(f)) {
			jx_key(b, f->key);
			buf_text(b, default_of(f));
		} else if (f->is_required && !missing) {
			missing = f->key;
		}
	}
	buf_char(b, '}');
	if (!missing)
		return;
	jx_key_open(b, "missing", '{');
	jx_key_str(b, "code", "VALIDATION_ERROR");
	jx_key_str(b, "message", "it is required");
	jx_key_str(b, "field", missing);
	buf_char(b, '}');
}

static enum err call_batch(struct import *m, const char *rows, size_t n, const char *errors,
			   long long refused, long long skipped, uint64_t last)
{
	struct tx *tx = m->tx;
	struct buf b;
	const char *came;
	PGresult *res;
	enum err rc;

	buf_init(&b, &m->arena, n + 3);
	buf_char(&b, '[');
	buf_add(&b, rows, n);
	buf_char(&b, ']');
	tx_set(tx, "rows", buf_str(&b));
	tx_set(tx, "errors", arena_fmt(&m->arena, "[%s]", errors));
	tx_set(tx, "refused", arena_fmt(&m->arena, "%lld", refused));
	tx_set(tx, "skipped", arena_fmt(&m->arena, "%lld", skipped));
	tx_set(tx, "after", arena_fmt(&m->arena, "%llu", (unsigned long long)m->after));
	tx_set(tx, "last", arena_fmt(&m->arena, "%llu", (unsigned long long)last));
	rc = tx_call(tx, &q_record_import_put, true, &res);
	if (rc)
		return rc;
	came = column_text(res, 0, "came");
	m->is_over = strcmp(came, "done") != 0;
	m->is_moved = !strcmp(came, "again");
	m->after = last;
	return ERR_OK;
}

/* Reports call fields by their keys alone. */
static const char *of_values(const char *text)
{
	static const char values[] = "field_values.";

	return text && !strncmp(text, values, sizeof(values) - 1) ? text + sizeof(values) - 1 : text;
}

/* Records of the batch; with the last one goes what was refused, and all that was looked at is done.  What
 * PostgreSQL refuses is a record's own fault: which one's, halves tell. */
static enum err write_rows(struct import *m, int from, int to)
{
	size_t start = from ? m->row_ends[from - 1] + 1 : 0; /* behind the comma */
	bool is_last = to == m->nrows;
	uint64_t last = is_last ? m->last : m->row_numbers[to - 1];
	struct buf errors = m->errors;
	int middle = from + (to - from) / 2;
	enum err rc;

	rc = call_batch(m, m->rows.p + start, m->row_ends[to - 1] - start, is_last ? buf_str(&m->errors) : "",
			is_last ? m->refused : 0, is_last ? m->skipped : 0, last);
	if (rc != ERR_VALIDATION && rc != ERR_CONFLICT)
		return rc;
	if (to - from > 1) {
		m->tx->fail = (struct failure){ ERR_OK };
		rc = write_rows(m, from, middle);
		return rc || m->is_over ? rc : write_rows(m, middle, to);
	}
	if (!is_last)
		buf_init(&m->errors, &m->arena, 256);
	refuse(m, m->row_numbers[from], of_values(m->tx->fail.field), NULL,
	       of_values(arena_dup(&m->arena, m->tx->fail.message)));
	m->tx->fail = (struct failure){ ERR_OK };
	rc = call_batch(m, "", 0, buf_str(&m->errors), is_last ? m->refused + 1 : 1, is_last ? m->skipped : 0,
			last);
	if (!is_last)
		m->errors = errors;
	return rc;
}

/* What has come together since the last one. */
static enum err end_batch(struct import *m)
{
	enum err rc = ERR_OK;

	if (m->last == m->after)
		return ERR_OK;
	rc = m->nrows ? write_rows(m, 0, m->nrows)
		      : call_batch(m, "", 0, buf_str(&m->errors), m->refused, m->skipped, m->last);
	if (!rc)
		begin_batch(m);
	return rc;
}

/* Merged ranges that begin above the next row, or in it. */
static void report_merges(struct import *m, uint64_t number)
{
	for (; m->next_merge < m->nmerges && m->merges[m->next_merge].row <= number; m->next_merge++) {
		const struct range *r = &m->merges[m->next_merge];
		const struct record_field *f = r->column < m->ncolumns ? m->columns[r->column].field : NULL;
		struct import_cell cell = { IMPORT_TEXT, r->text, strlen(r->text) };

		if (r->row > m->last)
			refuse(m, r->row, f ? f->key : NULL, &cell,
			       "these cells are merged: the value is the first one's, and the others are "
			       "blank");
	}
}

static bool is_blank(const struct import_cell *cells, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (cells[i].kind)
			return false;
	return true;
}

static enum err each(void *to, uint64_t number, const struct import_cell *cells, size_t n,
		     struct failure *why)
{
	struct import *m = to;
	const struct import_cell *place = n && cells[n - 1].kind == IMPORT_PLACE ? &cells[n - 1] : NULL;
	size_t front;
	struct buf b;

	(void)why;
	if (number <= m->last)
		return ERR_OK;
	report_merges(m, number);
	m->last = number;
	if (is_blank(cells, n)) {
		m->skipped++;
	} else {
		bool is_fine = true;

		buf_init(&b, &m->arena, 512);
		buf_text(&b, m->match ? "{\"op\":\"upsert\",\"dropped\":[],\"set\":{" : "{");
		if (place)
			is_fine = write_place(m, number, place, &b);
		if (m->match)
			buf_char(&b, '}');
		jx_key_open(&b, m->match ? "values" : "field_values", '{');
		front = b.n;
		if (!write_values(m, number, cells, n, &b) || !is_fine) {
			m->refused++;
		} else if (b.n - front + m->schema.n * 2 > VALUES_BYTES) {
			refuse(m, number, NULL, NULL, "the values of a record may have 256 KiB");
			m->refused++;
		} else {
			buf_char(&b, '}');
			if (m->match || place)
				jx_key_int(&b, "row", (long long)number - m->above);
			if (m->match) {
				write_unless_there(m, cells, n, &b);
			}
			buf_char(&b, '}');
			jx_next(&m->rows);
			buf_add(&m->rows, b.p, b.n);
			m->row_ends[m->nrows] = m->rows.n;
			m->row_numbers[m->nrows++] = number;
		}
		if (m->refused && !m->skips_invalid)
			m->problem = "a row was refused, and skip_invalid_rows is false";
	}
	if (m->nrows < BATCH && m->refused + m->skipped < BATCH && m->rows.n + m->errors.n < BATCH_BYTES &&
	    !m->problem)
		return ERR_OK;
	if (end_batch(m))
		return m->tx->fail.err;
	return m->is_over || m->problem ? ERR_GONE : ERR_OK; /* to be told from what fails */
}

/* How it is to be read: the columns of the file and the fields that they are. */
static enum err read_columns(struct import *m, struct json_object *survey, struct json_object *options)
{
	struct json_object *list = json_at(survey, "columns", NULL),
			   *mappings = json_at(options, "field_mappings", NULL);
	const char *decimal = json_text(json_at(options, "decimal", NULL), 1),
		   *order = json_text(json_at(options, "date_format", NULL), 3);
	size_t *column_of = arena_alloc(&m->kept, (m->schema.n + 1) * sizeof(*column_of));

	m->ncolumns = list ? json_object_array_length(list) : 0;
	m->columns = arena_alloc(&m->kept, (m->ncolumns + 1) * sizeof(*m->columns));
	for (size_t k = 0; k < m->schema.n; k++)
		column_of[k] = (size_t)-1;
	for (size_t i = 0; i < m->ncolumns; i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		const char *name = json_text(json_at(one, "name", NULL), 4096), *key,
			   *own_decimal = json_text(json_at(one, "decimal", NULL), 1),
			   *own_order = json_text(json_at(one, "date_format", NULL), 3);
		struct import_column *col = &m->columns[i];

		own_decimal = decimal ? decimal : own_decimal;
		own_order = order ? order : own_order;
		key = name ? json_text(json_at(mappings, name, NULL), 63) : NULL;
		col->decimal = !own_decimal          ? IMPORT_DECIMAL_UNKNOWN
			       : *own_decimal == ',' ? IMPORT_COMMA
						     : IMPORT_POINT;
		col->order = !own_order          ? IMPORT_ORDER_UNKNOWN
			     : *own_order == 'd' ? IMPORT_DAY_FIRST
						 : IMPORT_MONTH_FIRST;
		for (size_t k = 0; key && k < m->schema.n; k++)
			if (!strcmp(m->schema.fields[k].key, key)) {
				col->field = &m->schema.fields[k];
				column_of[k] = i;
			}
	}
	m->column_of = column_of;
	return ERR_OK;
}

static int compare(const void *one, const void *other)
{
	const struct range *a = one, *b = other;

	return (a->row > b->row) - (a->row < b->row);
}

/* Ranges such as "B2:C4", in the order in which they begin. */
static void read_merges(struct import *m, struct json_object *survey)
{
	struct json_object *list = json_at(survey, "merged", NULL);
	size_t n = list ? json_object_array_length(list) : 0;

	m->merges = arena_alloc(&m->kept, (n + 1) * sizeof(*m->merges));
	for (size_t i = 0; i < n; i++) {
		const char *text = json_text(json_object_array_get_idx(list, i), 40), *p = text;
		size_t column = 0;

		for (; p && isalpha((unsigned char)*p) && p - text < 4; p++)
			column = column * 26 + (size_t)(toupper((unsigned char)*p) - 'A') + 1;
		if (p && column)
			m->merges[m->nmerges++] = (struct range){ text, strtoull(p, NULL, 10), column - 1 };
	}
	qsort(m->merges, m->nmerges, sizeof(*m->merges), compare);
}

static enum err read_json(struct import *m, const PGresult *res, const char *name, struct json_object **out)
{
	const char *text = column_text(res, 0, name), *problem;

	return json_read(&m->kept, text, strlen(text), out, &problem)
		       ? tx_fail_inside(m->tx, ERR_INTERNAL, "record_import: %s: %s", name, problem)
		       : ERR_OK;
}

static enum err read_begin(struct import *m, const PGresult *res, struct import_file *file,
			   struct storage_object *object)
{
	struct json_object *fields, *options, *survey, *whole;
	const char *delimiter;
	enum err rc = read_json(m, res, "fields", &fields);

	if (!rc)
		rc = read_json(m, res, "options", &options);
	if (!rc)
		rc = read_json(m, res, "survey", &survey);
	if (rc)
		return rc;
	whole = json_object_new_object();
	json_object_object_add(whole, "fields", json_object_get(fields));
	rc = record_schema_read(&m->kept, whole, "schema", &m->schema, &m->tx->fail);
	json_object_put(whole);
	if (rc)
		return rc;
	m->skips_invalid = !json_at(options, "skip_invalid_rows", NULL) ||
			   json_object_get_boolean(json_at(options, "skip_invalid_rows", NULL));
	if (json_text(json_at(options, "match_field", NULL), 63)) {
		m->match =
			record_schema_find(&m->schema, json_text(json_at(options, "match_field", NULL), 63));
		if (!m->match)
			m->problem = "the field that records are found by is no more";
	}
	m->after = m->last = (uint64_t)column_int(res, 0, "after");
	delimiter = json_text(json_at(survey, "delimiter", NULL), 1);
	*file = (struct import_file){ .format = arena_dup(&m->kept, column_text(res, 0, "format")),
				      .encoding = json_text(json_at(survey, "encoding", NULL), 40),
				      .delimiter = delimiter ? (unsigned char)*delimiter : 0 };
	tx_set(m->tx, "checked", arena_dup(&m->kept, column_text(res, 0, "schema_version")));
	*object = (struct storage_object){ .tenant_id = arena_dup(&m->kept, column_text(res, 0, "tenant_id")),
					   .id = arena_dup(&m->kept, column_text(res, 0, "object_id")),
					   .backend = arena_dup(&m->kept, column_text(res, 0, "backend")),
					   .content_type =
						   arena_dup(&m->kept, column_text(res, 0, "content_type")),
					   .size = column_int(res, 0, "size") };
	file->sheet = json_text(json_at(survey, "sheet", NULL), 4096);
	m->above = !strcmp(file->format, "json") || !strcmp(file->format, "geojson");
	m->is_turned = json_object_get_int(json_at(survey, "srid", NULL)) != 0;
	read_merges(m, survey);
	file->has_merges = m->nmerges > 0;
	return read_columns(m, survey, options);
}

static enum err end(struct import *m)
{
	struct tx *tx = m->tx;
	PGresult *res;
	enum err rc;

	tx_set(tx, "message", m->problem);
	rc = run_report(tx, &m->kept, &q_record_import_errors);
	return rc ? rc : tx_call(tx, &q_record_import_end, false, &res);
}

static enum err read_rows(struct import *m, const struct import_file *file)
{
	struct failure why = { ERR_OK };
	enum err rc;

	m->row_ends = arena_alloc(&m->kept, BATCH * sizeof(*m->row_ends));
	m->row_numbers = arena_alloc(&m->kept, BATCH * sizeof(*m->row_numbers));
	m->nvalues = m->tx->nvalues;
	begin_batch(m);
	rc = import_file_rows(&m->kept, file, m->after, each, m, &why);
	if (m->tx->fail.err)
		return m->tx->fail.err;
	if (m->is_over)
		return ERR_OK;
	if (m->problem)
		return end(m);
	if (rc == ERR_BAD_REQUEST) {
		m->problem = why.message;
		rc = end_batch(m);
		return rc || m->is_over ? rc : end(m);
	}
	if (rc) {
		m->tx->fail = why;
		return rc;
	}
	rc = end_batch(m);
	return rc || m->is_over ? rc : end(m);
}

static enum err make(struct import *m)
{
	struct storage_object object;
	struct import_file file;
	PGresult *res;
	enum err rc = tx_call(m->tx, &q_record_import_open, true, &res);

	if (rc || !PQntuples(res))
		return rc;
	rc = read_begin(m, res, &file, &object);
	if (rc)
		return rc;
	if (m->problem)
		return end(m);
	file.fd = storage_open(&m->kept, &object, &m->tx->fail);
	if (file.fd < 0)
		return m->tx->fail.err;
	rc = read_rows(m, &file);
	close(file.fd);
	return rc;
}

/* All of it, from where it is; *again: the schema is another one by now. */
static enum err begin(struct tx *tx, bool *again)
{
	struct import m = { .tx = tx };
	size_t nvalues = tx->nvalues;
	enum err rc;

	arena_init(&m.kept, 1 << 16);
	arena_init(&m.arena, 1 << 20);
	rc = make(&m);
	if (rc && tx->fail.message) /* what says why is to outlive these */
		tx->fail.message = arena_dup(&tx->arena, tx->fail.message);
	*again = !rc && m.is_moved;
	if (*again)
		tx->nvalues = nvalues;
	arena_release(&m.arena);
	arena_release(&m.kept);
	return rc;
}

static enum err run(struct tx *tx, const struct job *job)
{
	const char *organization, *run_id, *problem;
	struct json_object *payload;
	bool again = true;
	enum err rc = ERR_OK;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !(organization = json_text(json_at(payload, "organization_id", NULL), 36)) ||
	    !(run_id = json_text(json_at(payload, "run_id", NULL), 36)))
		return job_give_up(tx, "the payload names no run");
	tx_set(tx, "organization", organization);
	tx_set(tx, "run", run_id);
	tx->timeout_ms = BATCH_MS;
	for (int i = 0; again && !rc; i++)
		rc = i < BEGINNINGS ? begin(tx, &again)
				    : job_retry_after(tx, 1, "the schema changes all the time");
	return rc;
}

static enum err tend(struct tx *tx, const struct job *job)
{
	PGresult *res;

	(void)job;
	tx_set(tx, "most", arena_fmt(&tx->arena, "%d", ENDED));
	return tx_call(tx, &q_record_uploads_tend, false, &res);
}

const struct job_kind record_import_job = { .name = "record.import", .run = run };
const struct job_kind record_uploads_job = { .name = "record.uploads", .run = tend };
