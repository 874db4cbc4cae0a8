/*
 * A reader of import_child.h in this process.  Where a child would end it comes back here, and what it has
 * left is freed; what it tells of a file is looked at as it is told.
 */
#include <json-c/json.h>
#include <sanitizer/allocator_interface.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/json.h"
#include "lib/base/utf8.h"
#include "lib/host/sandbox.h"
#include "providers/import_survey.c" /* which keeps what it has seen for as long as a child lives */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { LEFT = 1 << 20 };

static struct {
	jmp_buf end;
	char *out; /* what was put */
	size_t nout, out_cap;
	uint64_t row; /* the last one that was told */
	size_t columns;
	bool has_header, is_geo;

	bool is_watched;
	void *left[LEFT];
	size_t nleft;
} run;

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* What import_child.c has, and the sandbox. */

void import_child_put(const void *p, size_t n)
{
	bool was_watched = run.is_watched;

	run.is_watched = false;
	if (run.nout + n > run.out_cap) {
		run.out_cap = 2 * (run.nout + n);
		run.out = realloc(run.out, run.out_cap);
		must(run.out != NULL);
	}
	memcpy(run.out + run.nout, p, n);
	run.nout += n;
	run.is_watched = was_watched;
}

void import_child_fail(enum import_status status, uint64_t number)
{
	(void)number;
	must(status >= IMPORT_READ && status <= IMPORT_OUTSIDE);
	longjmp(run.end, 1);
}

void *import_child_alloc(size_t n)
{
	void *p = calloc(1, n);

	must(p != NULL);
	return p;
}

void *import_child_grow(void *p, size_t n)
{
	p = realloc(p, n);
	must(p != NULL);
	return p;
}

void sandbox_no_memory(void)
{
	abort();
}

int sandbox_spill(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("spill", 0);
	must(fd >= 0 && ftruncate(fd, 0) == 0);
	return fd;
}

/* What is allocated, and not freed: the last ones are freed first, mostly. */

static void on_malloc(const volatile void *p, size_t n)
{
	(void)n;
	if (run.is_watched && run.nleft < LEFT)
		run.left[run.nleft++] = (void *)(uintptr_t)p;
}

static void on_free(const volatile void *p)
{
	if (!run.is_watched)
		return;
	for (size_t i = run.nleft; i > 0; i--)
		if (run.left[i - 1] == p) {
			memmove(&run.left[i - 1], &run.left[i], (run.nleft - i) * sizeof(*run.left));
			run.nleft--;
			return;
		}
}

static void free_left(void)
{
	run.is_watched = false;
	while (run.nleft)
		free(run.left[--run.nleft]);
}

static void check_json(const char *p, size_t n, enum json_type type)
{
	struct json_object *tree;
	const char *problem;
	struct arena a;

	arena_init(&a, 4096);
	must(!json_read(&a, p, n, &tree, &problem));
	must(type == json_type_null || json_object_is_type(tree, type));
	arena_release(&a);
}

static void check_cell(const struct import_cell *cell)
{
	must(cell->n <= IMPORT_CELL_MAX && (!cell->n || utf8_valid(cell->p, cell->n)));
	switch (cell->kind) {
	case IMPORT_BLANK: return;
	case IMPORT_STRING:
	case IMPORT_TEXT:
	case IMPORT_FAULT:
	case IMPORT_MOMENT: return;
	case IMPORT_TREE: check_json(cell->p, cell->n, json_type_null); return;
	case IMPORT_PLACE:
		must(run.is_geo);
		check_json(cell->p, cell->n, json_type_object);
		return;
	case IMPORT_DIGITS: check_json(cell->p, cell->n, json_type_null); return;
	case IMPORT_TRUTH:
		must((cell->n == 4 && !memcmp(cell->p, "true", 4)) ||
		     (cell->n == 5 && !memcmp(cell->p, "false", 5)));
		return;
	}
	abort();
}

static void see_header(struct import_child *c, const struct import_cell *cells, size_t n)
{
	(void)c;
	must(!run.has_header && n <= IMPORT_COLUMNS_MAX);
	run.has_header = true;
	for (size_t i = 0; i < n; i++)
		check_cell(&cells[i]);
}

static void see_row(struct import_child *c, uint64_t number, const struct import_cell *cells, size_t n)
{
	(void)c;
	must(number > run.row && n <= IMPORT_COLUMNS_MAX + 1);
	run.row = number;
	for (size_t i = 0; i < n; i++)
		check_cell(&cells[i]);
}

static void see_merged(struct import_child *c, const char *range)
{
	(void)c;
	must(utf8_valid(range, strlen(range)));
}

/* The bytes are descriptor 0, from their beginning. */
static void set_file(const uint8_t *data, size_t n)
{
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("file", 0);
		must(fd >= 0 && dup2(fd, 0) == 0);
	}
	must(ftruncate(0, 0) == 0 && pwrite(0, data, n, 0) == (ssize_t)n && lseek(0, 0, SEEK_SET) == 0);
}

/* One way through a file: its rows, or a survey. */
static void read_as(struct import_child c, void (*reader)(struct import_child *), bool is_survey)
{
	run.nout = 0;
	run.row = 0;
	run.has_header = false;
	run.is_geo = !strcmp(c.format, "geojson");
	memset(&survey, 0, sizeof(survey));
	c.header = is_survey ? import_child_header : see_header;
	c.row = is_survey ? import_child_row : see_row;
	c.merged = is_survey ? import_child_merged : see_merged;
	must(lseek(0, 0, SEEK_SET) == 0);
	if (!setjmp(run.end)) {
		run.is_watched = true;
		reader(&c);
		if (is_survey) {
			import_child_tell(&c);
			run.is_watched = false;
			must(run.nout > 5 && run.out[0] == 'S');
			check_json(run.out + 5, run.nout - 5, json_type_object);
		} else {
			must(run.has_header);
		}
	}
	free_left();
}

static void read_file(const struct import_child *c, void (*reader)(struct import_child *))
{
	read_as(*c, reader, false);
	read_as(*c, reader, true);
}

static void begin(void)
{
	must(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) > 0);
}
