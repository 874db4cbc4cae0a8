/*
 * By libarchive, which the extractor of texts has, too: one parser of strangers' archives is enough, and
 * libzip wants a seekable file of its own making, where here is a descriptor alone that fstat() is not
 * allowed of.  It goes by the archive's directory, so that parts that are not wanted are not unpacked.
 */
#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/host/sandbox.h"
#include "providers/import_child.h"

enum { PIECE = 65536 };

static const int64_t most = INT64_C(2) << 30;

static struct {
	char piece[PIECE], unpacked[PIECE];
	int64_t n; /* bytes that came out */
} zip;

static ssize_t next_piece(struct archive *a, void *to, const void **p)
{
	(void)a, (void)to;
	*p = zip.piece;
	return read(0, zip.piece, sizeof(zip.piece));
}

static int64_t move_to(struct archive *a, void *to, int64_t at, int whence)
{
	(void)a, (void)to;
	return lseek(0, at, whence);
}

static int64_t skip(struct archive *a, void *to, int64_t n)
{
	(void)a, (void)to;
	return lseek(0, n, SEEK_CUR) < 0 ? 0 : n;
}

/* Why it is no archive. */
static _Noreturn void give_up(void)
{
	char p[8];
	ssize_t n;

	if (lseek(0, 0, SEEK_SET) != 0)
		import_child_fail(IMPORT_READ, 0);
	n = read(0, p, sizeof(p));
	if (n == 8 && !memcmp(p, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8))
		import_child_fail(IMPORT_ENCRYPTED, 0);
	import_child_fail(n >= 4 && !memcmp(p, "PK\3\4", 4) ? IMPORT_CUT : n ? IMPORT_BOOK : IMPORT_EMPTY, 0);
}

static bool is_called(const char *name, const char *wanted)
{
	for (; *name && *wanted; name++, wanted++)
		if (strncasecmp(*name == '\\' ? "/" : name, wanted, 1) != 0)
			return false;
	return !*name && !*wanted;
}

static void unpack(struct archive *a, bool (*each)(void *to, const char *p, size_t n), void *to)
{
	ssize_t n;

	while ((n = archive_read_data(a, zip.unpacked, sizeof(zip.unpacked))) > 0) {
		zip.n += n;
		if (zip.n > most)
			import_child_fail(IMPORT_UNPACKS, 0);
		if (!each(to, zip.unpacked, (size_t)n))
			return;
	}
	if (n < 0)
		import_child_fail(IMPORT_CUT, 0);
}

bool import_child_part(const char *name, bool (*each)(void *to, const char *p, size_t n), void *to)
{
	struct archive *a = archive_read_new();
	struct archive_entry *entry;
	bool is_found = false;
	int rc, parts = 0;

	if (!a)
		sandbox_no_memory();
	if (lseek(0, 0, SEEK_SET) != 0)
		import_child_fail(IMPORT_READ, 0);
	if (archive_read_support_format_zip_seekable(a) || archive_read_set_read_callback(a, next_piece) ||
	    archive_read_set_seek_callback(a, move_to) || archive_read_set_skip_callback(a, skip) ||
	    archive_read_set_callback_data(a, &zip) || archive_read_open1(a))
		give_up();
	while (!is_found &&
	       ((rc = archive_read_next_header(a, &entry)) == ARCHIVE_OK || rc == ARCHIVE_WARN)) {
		const char *called = archive_entry_pathname(entry);

		if (++parts > IMPORT_PARTS_MAX)
			import_child_fail(IMPORT_PARTS, 0);
		if (archive_entry_is_encrypted(entry))
			import_child_fail(IMPORT_ENCRYPTED, 0);
		if (!called || !is_called(called, name))
			continue;
		is_found = true;
		/* What it says is no limit, but saves the work of those that say it. */
		if (archive_entry_size(entry) > most - zip.n)
			import_child_fail(IMPORT_UNPACKS, 0);
		unpack(a, each, to);
	}
	if (!is_found && rc != ARCHIVE_EOF)
		give_up();
	archive_read_free(a);
	return is_found;
}

int64_t import_child_unpacked(void)
{
	return zip.n;
}

void import_child_forget(int64_t n)
{
	zip.n -= n;
}
