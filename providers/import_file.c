#include "providers/import_file.h"

#include <limits.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/host/spool.h"

const struct sandbox_task import_tasks[] = {
	{ "import-survey", NULL, import_child_survey },
	{ "import-rows", NULL, import_child_rows },
	{ NULL },
};

enum { SURVEY_BYTES = 16 << 20, FRAME_BYTES = 64 << 20, HOURS_MS = 4 * 3600 * 1000 };

static const struct sandbox_limits for_survey = {
	.cpu_s = 40, .wall_ms = 45000, .memory_bytes = (size_t)512 << 20, .output_bytes = SURVEY_BYTES
};

/* Who takes rows may take hours. */
static const struct sandbox_limits for_rows = {
	.cpu_s = 1800, .wall_ms = HOURS_MS, .memory_bytes = (size_t)512 << 20, .output_bytes = SIZE_MAX
};

const char *import_file_format(const char *name)
{
	static const char *const endings[][2] = { { ".csv", "csv" },    { ".tsv", "csv" },
						  { ".tab", "csv" },    { ".txt", "csv" },
						  { ".xlsx", "xlsx" },  { ".xlsm", "xlsx" },
						  { ".json", "json" },  { ".ndjson", "json" },
						  { ".jsonl", "json" }, { ".geojson", "geojson" } };
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		size_t k = strlen(endings[i][0]);

		if (n > k && !strcasecmp(name + n - k, endings[i][0]))
			return endings[i][1];
	}
	return NULL;
}

static enum err say(struct arena *a, struct failure *why, enum sandbox_end end, int status, uint64_t number)
{
	unsigned long long at = number;

	switch (end) {
	case SANDBOX_TIME:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL, "the file takes too long to be read");
	case SANDBOX_MEMORY:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL,
				   "the file takes too much memory to be read");
	case SANDBOX_FAILED:
		return failure_hide(why, a, ERR_UNAVAILABLE, "import: a sandbox could not be started");
	case SANDBOX_STOPPED:
	case SANDBOX_OUTPUT:
	case SANDBOX_CRASHED:
	case SANDBOX_ENDED: break;
	}
	switch (status) {
	case IMPORT_EMPTY:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL, "the file is empty: it has no header");
	case IMPORT_BINARY: return failure_set(why, a, ERR_BAD_REQUEST, NULL, "the file is no text");
	case IMPORT_ENCODING:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL,
				   "the text is not in the encoding that it should be in");
	case IMPORT_QUOTE:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL,
				   "the quote that begins in line %llu does not end", at);
	case IMPORT_COLUMNS:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL, "row %llu has more than %d columns", at,
				   IMPORT_COLUMNS_MAX);
	case IMPORT_CELL:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL, "row %llu has a cell of more than 1 MiB",
				   at);
	case IMPORT_BOOK:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL, "the file is no workbook (.xlsx)");
	case IMPORT_CUT:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL,
				   "the file is cut off, or a part of it is broken");
	case IMPORT_ENCRYPTED:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL,
				   "the file is encrypted, or of the format before XLSX: save it as .xlsx "
				   "without a password");
	case IMPORT_PARTS: return failure_set(why, a, ERR_BAD_REQUEST, NULL, "the file has too many parts");
	case IMPORT_UNPACKS:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL, "the file unpacks to more than 2 GiB");
	case IMPORT_SPILL: return failure_hide(why, a, ERR_UNAVAILABLE, "import: no room for a file's texts");
	case IMPORT_DOCTYPE:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL,
				   "the file declares a document type, which no workbook does");
	case IMPORT_XML:
		return failure_set(
			why, a, ERR_BAD_REQUEST, NULL,
			at ? "the file's XML is broken behind row %llu" : "the file's XML is broken", at);
	case IMPORT_JSON:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL,
				   at ? "row %llu is no valid JSON: it is broken, has a member twice, is "
					"deeper than 32 levels, or has more than 100,000 values"
				      : "the file is no valid JSON",
				   at);
	case IMPORT_VALUE:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL,
				   at ? "row %llu has more than 4 MiB"
				      : "what stands beside the rows has more than 4 MiB",
				   at);
	case IMPORT_MEMBERS:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL,
				   "up to row %llu there are more than %d different members", at,
				   IMPORT_COLUMNS_MAX);
	case IMPORT_OBJECT: return failure_set(why, a, ERR_BAD_REQUEST, NULL, "row %llu is no object", at);
	case IMPORT_ARRAY:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL, "the file has no array of objects");
	case IMPORT_GEOJSON:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL, "the file is no GeoJSON FeatureCollection");
	case IMPORT_FEATURE:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL, "row %llu is no GeoJSON Feature", at);
	case IMPORT_CRS:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL,
				   "the file's crs is none that is known: it must be named by its number, "
				   "such as EPSG:3857");
	case IMPORT_OUTSIDE:
		return failure_set(why, a, ERR_BAD_REQUEST, NULL,
				   "row %llu has coordinates beyond 180 and 90 degrees, and the file has no "
				   "crs that they could be of",
				   at);
	case IMPORT_SHEET: return failure_set(why, a, ERR_BAD_REQUEST, "sheet", "the file has no such sheet");
	default: return failure_set(why, a, ERR_BAD_REQUEST, NULL, "the file cannot be read");
	}
}

static bool is_kind(char c)
{
	return c == IMPORT_BLANK || memchr("tnbdesjg", c, 8);
}

/* What the child writes, frame by frame: a letter, how many bytes follow, and these. */
struct frames {
	struct arena *arena;
	struct buf in;
	struct buf *survey; /* NULL: rows are wanted */
	enum err (*each)(void *to, uint64_t number, const struct import_cell *cells, size_t n,
			 struct failure *why);
	void *to;
	struct failure *why;
	struct import_cell *cells;
	size_t cells_cap;
	uint64_t number; /* of the row that it failed at */
	bool is_broken;
	enum err rc;
};

static uint32_t read_u32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static bool take_row(struct frames *f, const char *p, size_t n)
{
	uint64_t number;
	uint32_t count;
	size_t at = sizeof(number) + sizeof(count);

	if (n < at)
		return false;
	memcpy(&number, p, sizeof(number));
	count = read_u32(p + sizeof(number));
	if (count > IMPORT_COLUMNS_MAX + 1)
		return false;
	if (!f->cells)
		f->cells = arena_alloc(f->arena, (IMPORT_COLUMNS_MAX + 1) * sizeof(*f->cells));
	for (uint32_t i = 0; i < count; i++) {
		uint32_t k;

		if (n - at < 1 + sizeof(k))
			return false;
		k = read_u32(p + at + 1);
		if (n - at - 1 - sizeof(k) < k || !is_kind(p[at]))
			return false;
		f->cells[i] = (struct import_cell){ k || p[at] == IMPORT_STRING ? (enum import_kind)p[at]
										: IMPORT_BLANK,
						    p + at + 1 + sizeof(k), k };
		at += 1 + sizeof(k) + k;
	}
	if (at != n)
		return false;
	f->rc = f->each(f->to, number, f->cells, count, f->why);
	return true;
}

static bool take_frame(struct frames *f, char kind, const char *p, size_t n)
{
	switch (kind) {
	case 'R': return f->each && take_row(f, p, n);
	case 'S':
		if (!f->survey)
			return false;
		buf_add(f->survey, p, n);
		return true;
	case 'E':
		if (n != sizeof(f->number))
			return false;
		memcpy(&f->number, p, n);
		return true;
	default: return false;
	}
}

static bool take(void *to, const char *p, size_t n)
{
	enum { HEAD = 1 + sizeof(uint32_t) };
	struct frames *f = to;
	size_t at = 0;

	buf_add(&f->in, p, n);
	while (f->in.n - at >= HEAD) {
		size_t len = read_u32(f->in.p + at + 1);

		if (len > FRAME_BYTES) {
			f->is_broken = true;
			return false;
		}
		if (f->in.n - at - HEAD < len)
			break;
		if (!take_frame(f, f->in.p[at], f->in.p + at + HEAD, len))
			f->is_broken = true;
		if (f->is_broken || f->rc)
			return false;
		at += HEAD + len;
	}
	f->in.n -= at;
	memmove(f->in.p, f->in.p + at, f->in.n);
	return true;
}

static enum err run(const char *task, const struct sandbox_limits *limits, const struct import_file *file,
		    uint64_t after, struct frames *f)
{
	const char *arg = arena_fmt(
		f->arena, "%s %s %d %llu %d %s", file->format, file->encoding ? file->encoding : "-",
		file->delimiter, (unsigned long long)after, file->has_merges, file->sheet ? file->sheet : "");
	struct sandbox_limits own = *limits;
	enum sandbox_end end;
	int status;

	buf_init(&f->in, f->arena, 1 << 17);
	if (lseek(file->fd, 0, SEEK_SET) != 0)
		return failure_hide(f->why, f->arena, ERR_UNAVAILABLE,
				    "import: a file cannot be read from its beginning");
	if (!strcmp(file->format, "xlsx")) {
		own.spill_fd = spool_open(f->arena);
		own.spill_bytes = (size_t)3 << 30;
		if (own.spill_fd < 0)
			return failure_hide(f->why, f->arena, ERR_UNAVAILABLE,
					    "import: a file cannot be written in %s", spool_place(f->arena));
	}
	end = sandbox_stream(task, arg, file->fd, &own, take, f, &status);
	if (own.spill_fd)
		close(own.spill_fd);
	if (f->rc)
		return f->rc;
	if (end == SANDBOX_ENDED && !status && !f->is_broken)
		return ERR_OK;
	return say(f->arena, f->why, end, status, f->number);
}

enum err import_file_survey(struct arena *a, const struct import_file *file, struct buf *out,
			    struct failure *why)
{
	struct frames f = { .arena = a, .survey = out, .why = why };

	return run("import-survey", &for_survey, file, 0, &f);
}

enum err import_file_rows(struct arena *a, const struct import_file *file, uint64_t after,
			  enum err (*each)(void *to, uint64_t number, const struct import_cell *cells,
					   size_t n, struct failure *why),
			  void *to, struct failure *why)
{
	struct frames f = { .arena = a, .each = each, .to = to, .why = why };

	return run("import-rows", &for_rows, file, after, &f);
}
