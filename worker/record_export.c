#include "worker/record_export.h"

#include <string.h>

#include "build/sql/records/record_exports.h"
#include "build/sql/records/record_imports.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/db/tx.h"
#include "lib/db/wire.h"
#include "providers/storage.h"
#include "worker/table_file.h"

enum { BATCH = 5000, LINES = 100, JSON_TYPE = 114 };

struct export
{
	struct tx *tx;
	struct table_file file;
	const char *format;
	PGresAttDesc *columns;
	int ncolumns;
	PGresult *line;       /* the row that is written; it keeps what was in it before */
	int nlines;           /* that it was */
	struct slice *values; /* of the record that is written, by the columns */
	int *order;           /* which column the n-th value of the record before was */
	long long seen;       /* records that have been looked at */
	int in_batch;
	char at[64], id[40]; /* the last one that was seen */
};

/* A value as JSON, in the text of a record's values; NULL: it has none. */
struct slice {
	const char *p;
	int n;
};

/* The elements of a text[], one by one. */
struct elements {
	const char *p;
	int n; /* that follow */
};

static struct elements elements_of(const PGresult *res, const char *name)
{
	int column = PQfnumber(res, name);
	const char *p = PQgetvalue(res, 0, column);

	/* dimensions, whether there are nulls, type; of the only dimension the length and where it begins */
	return (struct elements){ p + 20, wire_int4(p, 4) ? wire_int4(p + 12, 4) : 0 };
}

/* The next one; NULL: it is null, and n is -1. */
static const char *next(struct elements *e, int *n)
{
	const char *p = e->p + 4;

	*n = wire_int4(e->p, 4);
	e->p = p + (*n > 0 ? *n : 0);
	e->n--;
	return *n < 0 ? NULL : p;
}

/* Behind a text, from its first quote on. */
static const char *behind_text(const char *p)
{
	while (*++p && *p != '"')
		p += *p == '\\' && p[1];
	return *p ? p + 1 : p;
}

/* Behind a value of an object: at the comma that follows, or at the object's end. */
static const char *behind_value(const char *p)
{
	for (int depth = 0;; p++) {
		while (*p == '"')
			p = behind_text(p);
		if (!*p || (!depth && (*p == ',' || *p == '}')))
			return p;
		if (*p == '{' || *p == '[')
			depth++;
		else if (*p == '}' || *p == ']')
			depth--;
	}
}

/* The column of that name; -1: none. What the record before had as its n-th value is most often meant. */
static int column_of(struct export *e, int nr, const char *name, size_t n)
{
	int guess = nr < e->ncolumns ? e->order[nr] : 0;

	for (int i = 0; i < e->ncolumns; i++) {
		int at = (guess + i) % e->ncolumns;

		if (strncmp(e->columns[at].name, name, n) || e->columns[at].name[n])
			continue;
		if (nr < e->ncolumns)
			e->order[nr] = at;
		return at;
	}
	return -1;
}

/* Where a record's values are in their text, as PostgreSQL writes an object: {"a": 1, "b": "two"}. Names that
 * are written otherwise than they are have a cell of their own. */
static void find_values(struct export *e, const char *p)
{
	memset(e->values, 0, (size_t)e->ncolumns * sizeof(*e->values));
	for (int nr = 0; *p && p[1] == '"'; nr++) {
		const char *name = p + 2, *value, *end = behind_text(p + 1);
		int at = column_of(e, nr, name, (size_t)(end - 1 - name));

		value = end + strspn(end, ": ");
		p = behind_value(value);
		if (at >= 0)
			e->values[at] = (struct slice){ value, (int)(p - value) };
		p += *p == ',';
	}
}

static void new_line(struct export *e)
{
	PQclear(e->line);
	e->line = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PQsetResultAttrs(e->line, e->ncolumns, e->columns);
	e->nlines = 0;
}

static enum err take_columns(struct export *e, const PGresult *res)
{
	struct elements names = elements_of(res, "columns");
	struct arena *a = &e->tx->arena;
	const char *p;
	int n;

	e->ncolumns = names.n;
	e->columns = arena_alloc(a, (size_t)(names.n + 1) * sizeof(*e->columns));
	e->values = arena_alloc(a, (size_t)(names.n + 1) * sizeof(*e->values));
	e->order = arena_alloc(a, (size_t)(names.n + 1) * sizeof(*e->order));
	for (int i = 0; i < e->ncolumns; i++) {
		p = next(&names, &n);
		e->columns[i] = (PGresAttDesc){
			.name = arena_dup_n(a, p, (size_t)n), .format = 1, .typid = JSON_TYPE, .typlen = -1
		};
	}
	new_line(e);
	return e->line ? ERR_OK : tx_fail_inside(e->tx, ERR_UNAVAILABLE, "there is no memory for a row");
}

static enum err each(void *to, const PGresult *row, struct failure *why)
{
	struct elements cells;
	struct export *e = to;

	e->in_batch++;
	snprintf(e->at, sizeof(e->at), "%s", column_text(row, 0, "at"));
	snprintf(e->id, sizeof(e->id), "%s", column_text(row, 0, "id"));
	if (PQgetisnull(row, 0, PQfnumber(row, "cells")))
		return ERR_OK;
	if (e->nlines++ == LINES)
		new_line(e);
	cells = elements_of(row, "cells");
	find_values(e, column_text(row, 0, "field_values"));
	for (int i = 0; i < e->ncolumns && e->line; i++) {
		int n;
		const char *p = cells.n ? next(&cells, &n) : NULL;

		if (p && !n) {
			p = e->values[i].p;
			n = e->values[i].n;
		}
		if (p && n == 4 && !memcmp(p, "null", 4))
			p = NULL;
		if (!PQsetvalue(e->line, 0, i, (char *)p, p ? n : -1))
			new_line(e), e->line = NULL;
	}
	if (!e->line)
		return failure_hide(why, &e->tx->arena, ERR_UNAVAILABLE, "there is no memory for a row");
	return table_file_add(&e->file, e->line, why);
}

/* Where no schema says which columns there are, all records do.  A result without rows: there is nothing to
 * do. */
static enum err survey(struct tx *tx, PGresult **out)
{
	const char *after = NULL;
	enum err rc;

	tx_set(tx, "columns", "{}");
	do {
		tx_set(tx, "after", after);
		rc = tx_call(tx, &q_record_export_survey, true, out);
		if (rc || !PQntuples(*out))
			return rc;
		after = column_text(*out, 0, "last");
		tx_set(tx, "columns", column_text(*out, 0, "columns_text"));
	} while (after);
	return ERR_OK;
}

static enum err write_rows(struct export *e)
{
	struct tx *tx = e->tx;
	PGresult *res;
	enum err rc;

	tx_set(tx, "after_at", NULL);
	tx_set(tx, "after_id", NULL);
	do {
		e->in_batch = 0;
		tx_set(tx, "seen", arena_fmt(&tx->arena, "%lld", e->seen));
		tx->each = each;
		tx->each_to = e;
		tx->peer_fd = -1;
		rc = tx_call(tx, &q_record_export_rows, true, &res);
		tx->each = NULL;
		if (rc)
			return rc;
		tx_set(tx, "after_at", e->at);
		tx_set(tx, "after_id", e->id);
		e->seen += e->in_batch;
	} while (e->in_batch == BATCH);
	if (e->nlines == 0)
		new_line(e);
	return table_file_end(&e->file, e->line, &tx->fail);
}

/* No connection waits while it is stored.  *is_stored false: there is nothing to do any more. */
static enum err store(struct export *e, bool *is_stored)
{
	struct storage_object o = { .backend = storage_backend(),
				    .content_type = table_file_type(e->format),
				    .size = e->file.size };
	unsigned char sha256[SECRET_BYTES];
	struct tx *tx = e->tx;
	PGresult *res;
	enum err rc;

	if (o.size > storage_max_bytes())
		return job_give_up(tx, "a file may have at most %lld bytes, and it has %lld: ask for less",
				   storage_max_bytes(), o.size);
	tx_set(tx, "backend", o.backend);
	tx_set(tx, "content_type", o.content_type);
	tx_set(tx, "size", arena_fmt(&tx->arena, "%lld", o.size));
	rc = tx_call(tx, &q_record_run_await, true, &res);
	if (rc == ERR_LIMIT)
		return job_give_up(tx, "the workspace has no room for a file of %lld bytes", o.size);
	if (rc || !column_text(res, 0, "object_id"))
		return rc;
	o.id = arena_dup(&tx->arena, column_text(res, 0, "object_id"));
	o.tenant_id = arena_dup(&tx->arena, column_text(res, 0, "tenant_id"));
	db_close();
	rc = storage_put_file(&tx->arena, &o, e->file.fd, sha256, &tx->fail);
	tx_set(tx, "object", o.id);
	tx_set(tx, "sha256", secret_bytea(&tx->arena, sha256, sizeof(sha256)));
	*is_stored = !rc;
	return rc;
}

static enum err write_file(struct export *e)
{
	bool is_stored = false;
	PGresult *res;
	enum err rc = table_file_open(&e->file, &e->tx->arena, e->format, &e->tx->fail);

	if (rc)
		return rc;
	e->file.has_hidden = true;
	rc = write_rows(e);
	if (!rc)
		rc = store(e, &is_stored);
	tx_set(e->tx, "row_count", arena_fmt(&e->tx->arena, "%lld", e->file.nrows));
	table_file_close(&e->file);
	return rc || !is_stored ? rc : tx_call(e->tx, &q_record_export_done, false, &res);
}

static enum err make(struct export *e)
{
	struct tx *tx = e->tx;
	PGresult *res;
	enum err rc = tx_call(tx, &q_record_export_begin, true, &res);

	if (rc || !PQntuples(res))
		return rc;
	e->format = arena_dup(&tx->arena, column_text(res, 0, "format"));
	if (column_text(res, 0, "columns_text"))
		tx_set(tx, "columns", column_text(res, 0, "columns_text"));
	else
		rc = survey(tx, &res);
	if (rc || !PQntuples(res))
		return rc;
	rc = take_columns(e, res);
	return rc ? rc : write_file(e);
}

/* Will it not be tried again?  Then its member is told, in another transaction than the one that failed. */
static enum err tell(struct tx *tx, const struct job *job, enum err rc)
{
	struct failure why = tx->fail;
	PGresult *res;

	if (!job_verdict.give_up && job->attempt < job->max_attempts)
		return rc;
	tx_finish(tx, false);
	tx->fail = (struct failure){ ERR_OK };
	tx_set(tx, "message",
	       job_verdict.give_up ? failure_reason(&why) : "it could not be made: start it again");
	tx_call(tx, &q_record_export_failed, true, &res);
	tx->fail = why;
	return rc;
}

static enum err run(struct tx *tx, const struct job *job)
{
	const char *organization, *run_id, *problem;
	struct export e = { .tx = tx };
	struct json_object *payload;
	enum err rc;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !(organization = json_text(json_at(payload, "organization_id", NULL), 36)) ||
	    !(run_id = json_text(json_at(payload, "run_id", NULL), 36)))
		return job_give_up(tx, "the payload names no run");
	tx_set(tx, "organization", organization);
	tx_set(tx, "run", run_id);
	tx_set(tx, "most", arena_fmt(&tx->arena, "%d", BATCH));
	rc = make(&e);
	PQclear(e.line);
	return rc ? tell(tx, job, rc) : ERR_OK;
}

const struct job_kind record_export_job = { .name = "record.export", .run = run };
