/*
 * Any bytes as the parts of a workbook, which are unpacked here: each begins with a line of its name and ends
 * with a NUL.  The archive around them is libarchive's to read.
 */
#include <strings.h>

#include "t/fuzz/import.h"

static struct {
	const char *p;
	size_t n;
} parts;

bool import_child_part(const char *name, bool (*each)(void *to, const char *p, size_t n), void *to)
{
	const char *p = parts.p, *end = parts.p + parts.n;

	while (p < end) {
		const char *stop = memchr(p, '\0', (size_t)(end - p)), *line;

		stop = stop ? stop : end;
		line = memchr(p, '\n', (size_t)(stop - p));
		if (line && strlen(name) == (size_t)(line - p) && !strncasecmp(name, p, (size_t)(line - p))) {
			for (p = line + 1; p < stop; p += 7)
				if (!each(to, p, stop - p < 7 ? (size_t)(stop - p) : 7))
					return true;
			return true;
		}
		p = stop + 1;
	}
	return false;
}

int64_t import_child_unpacked(void)
{
	return 0;
}

void import_child_forget(int64_t n)
{
	must(n == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	begin();
	return 0;
}

/* The first byte asks for a sheet, and for merged ranges. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const sheets[] = { "", "2", "One", "none" };
	struct import_child c = { .format = "xlsx", .encoding = "-" };

	if (n < 1)
		return 0;
	c.sheet = sheets[data[0] & 3];
	c.has_merges = data[0] & 4;
	parts.p = (const char *)data + 1;
	parts.n = n - 1;
	set_file(data + 1, n - 1);
	read_file(&c, import_child_xlsx);
	return 0;
}
