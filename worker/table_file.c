#include "worker/table_file.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/outputs.h"
#include "lib/db/rows.h"
#include "lib/host/spool.h"
#include "worker/spreadsheet.h"

enum { CHUNK = 64 * 1024 };

const char *table_file_type(const char *format)
{
	if (!strcmp(format, "csv"))
		return "text/csv";
	if (!strcmp(format, "json"))
		return "application/json";
	if (!strcmp(format, "geojson"))
		return "application/geo+json";
	return strcmp(format, "xlsx") != 0
		       ? NULL
		       : "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
}

static enum err failed(struct table_file *f, struct failure *why, const char *what)
{
	return failure_hide(why, f->arena, ERR_UNAVAILABLE, "a file cannot be written in %s: %s",
			    spool_place(f->arena), what);
}

static const struct output *output_of(const char *format)
{
	for (const struct output *o = outputs; o->type; o++)
		if (o->extension ? !strcmp(o->extension, format)
				 : o->bit == AS_GEOJSON && !strcmp(format, "geojson"))
			return o;
	return NULL;
}

enum err table_file_open(struct table_file *f, struct arena *a, const char *format, struct failure *why)
{
	*f = (struct table_file){ .arena = a, .fd = spool_open(a), .output = output_of(format) };
	if (f->fd < 0)
		return failed(f, why, strerror(errno));
	buf_init(&f->out, a, CHUNK + 4096);
	if (!strcmp(format, "xlsx") && !(f->sheet = spreadsheet_new(a, f->fd))) {
		table_file_close(f);
		return failed(f, why, "libxlsxwriter cannot begin one");
	}
	return ERR_OK;
}

static enum err flush(struct table_file *f, struct failure *why)
{
	const char *p = f->out.p;

	while (f->out.n) {
		ssize_t k = write(f->fd, p, f->out.n);

		if (k <= 0)
			return failed(f, why, strerror(errno));
		p += k;
		f->size += k;
		f->out.n -= (size_t)k;
	}
	return ERR_OK;
}

static void begin(struct table_file *f, const PGresult *res)
{
	const struct rows_form form = { .has_micros = true, .has_hidden = f->has_hidden };

	f->rows = rows_open(f->arena, res, 0, &form);
	if (f->output && f->output->head)
		f->output->head(&f->out, f->rows);
	else if (!f->output && !f->sheet)
		buf_char(&f->out, '[');
}

enum err table_file_add(struct table_file *f, const PGresult *res, struct failure *why)
{
	if (!f->rows)
		begin(f, res);
	rows_move(f->rows, res);
	if (f->sheet) {
		f->nrows++;
		return spreadsheet_add(f->sheet, f->rows, res) ? ERR_OK : failed(f, why, "of its rows");
	}
	if (f->output) {
		f->output->row(&f->out, f->rows, 0, !f->nrows);
	} else {
		buf_text(&f->out, f->nrows ? ",\n" : "\n");
		rows_object(&f->out, f->rows, 0);
	}
	f->nrows++;
	return f->out.n < CHUNK ? ERR_OK : flush(f, why);
}

static enum err end_sheet(struct table_file *f, struct failure *why)
{
	const char *problem = spreadsheet_end(f->sheet, f->rows);
	struct stat st;

	f->sheet = NULL;
	if (problem || fstat(f->fd, &st))
		return failed(f, why, problem ? problem : strerror(errno));
	f->size = st.st_size;
	return ERR_OK;
}

enum err table_file_end(struct table_file *f, const PGresult *res, struct failure *why)
{
	if (!f->rows)
		begin(f, res);
	if (f->sheet)
		return end_sheet(f, why);
	if (f->output)
		buf_text(&f->out, f->output->tail);
	else
		buf_text(&f->out, "\n]\n");
	return flush(f, why);
}

void table_file_close(struct table_file *f)
{
	spreadsheet_free(f->sheet);
	f->sheet = NULL;
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}
