#include "providers/import_child.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/host/sandbox.h"

static struct {
	char bytes[65536];
	size_t n;
} out;

static void flush(void)
{
	size_t sent = 0;

	while (sent < out.n) {
		ssize_t n = write(1, out.bytes + sent, out.n - sent);

		if (n <= 0)
			_exit(IMPORT_READ);
		sent += (size_t)n;
	}
	out.n = 0;
}

void import_child_put(const void *p, size_t n)
{
	const char *from = p;

	while (n) {
		size_t piece = sizeof(out.bytes) - out.n < n ? sizeof(out.bytes) - out.n : n;

		memcpy(out.bytes + out.n, from, piece);
		out.n += piece;
		from += piece;
		n -= piece;
		if (out.n == sizeof(out.bytes))
			flush();
	}
}

void import_child_fail(enum import_status status, uint64_t number)
{
	char kind = 'E';
	uint32_t len = sizeof(number);

	import_child_put(&kind, 1);
	import_child_put(&len, sizeof(len));
	import_child_put(&number, sizeof(number));
	flush();
	_exit(status);
}

void *import_child_grow(void *p, size_t n)
{
	p = realloc(p, n);
	if (!p)
		sandbox_no_memory();
	return p;
}

void *import_child_alloc(size_t n)
{
	void *p = calloc(1, n);

	if (!p)
		sandbox_no_memory();
	return p;
}

static struct import_child begin(const char *arg)
{
	struct import_child c = { 0 };
	unsigned long long after;
	int has_merges, n = 0;

	if (sscanf(arg, "%15s %63s %d %llu %d%n", c.format, c.encoding, &c.delimiter, &after, &has_merges,
		   &n) != 5 ||
	    arg[n] != ' ')
		_exit(IMPORT_READ);
	c.after = after;
	c.has_merges = has_merges;
	c.sheet = arg + n + 1;
	return c;
}

static void read_file(struct import_child *c)
{
	if (!strcmp(c->format, "csv"))
		import_child_csv(c);
	else if (!strcmp(c->format, "xlsx"))
		import_child_xlsx(c);
	else if (!strcmp(c->format, "json") || !strcmp(c->format, "geojson"))
		import_child_json(c);
	else
		import_child_fail(IMPORT_FORM, 0);
}

/* 'R', how many bytes follow, the row's number, how many cells there are; each of them its kind, its length,
 * its bytes. */
static void hand_on(struct import_child *c, uint64_t number, const struct import_cell *cells, size_t n)
{
	uint32_t len = sizeof(number) + sizeof(uint32_t), count = (uint32_t)n;
	char kind = 'R';

	if (number && number <= c->after)
		return;
	for (size_t i = 0; i < n; i++)
		len += 1 + sizeof(uint32_t) + (uint32_t)cells[i].n;
	import_child_put(&kind, 1);
	import_child_put(&len, sizeof(len));
	import_child_put(&number, sizeof(number));
	import_child_put(&count, sizeof(count));
	for (size_t i = 0; i < n; i++) {
		uint32_t k = (uint32_t)cells[i].n;

		kind = (char)cells[i].kind;
		import_child_put(&kind, 1);
		import_child_put(&k, sizeof(k));
		import_child_put(cells[i].p, cells[i].n);
	}
}

static void hand_on_header(struct import_child *c, const struct import_cell *cells, size_t n)
{
	(void)c, (void)cells, (void)n; /* who asks for rows has them from the survey */
}

int import_child_rows(const char *arg)
{
	struct import_child c = begin(arg);

	c.header = hand_on_header;
	c.row = hand_on;
	read_file(&c);
	flush();
	return IMPORT_OK;
}

int import_child_survey(const char *arg)
{
	struct import_child c = begin(arg);

	c.header = import_child_header;
	c.row = import_child_row;
	c.merged = import_child_merged;
	read_file(&c);
	import_child_tell(&c);
	flush();
	return IMPORT_OK;
}
