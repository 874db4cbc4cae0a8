/*
 * A dump is a file of the directory itself whose name ends as dumps' names do; one
 * that is still being written has another name.
 */
#include "host/dump_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/jx.h"
#include "lib/host/config.h"

enum { LISTED = 1000, NAME = 200, LOOKED_AT = 100000, LINES = 100, LOG_END = 256 << 10 };

struct dump {
	char name[NAME + 1];
	long long size, at_us;
};

struct dumps {
	struct dump *newest;
	int n;
	long long count, bytes, oldest_us;
};

static bool ends_in(const char *p, const char *end)
{
	size_t n = strlen(p), m = strlen(end);

	return n > m && !strcmp(p + n - m, end);
}

/* ^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$, and in .dump, .sql or .sql.gz at its end. */
static bool is_dump(const char *p)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t n = strlen(p);

	return n && n <= NAME && !strchr("._-", *p) && strspn(p, letters) == n &&
	       (ends_in(p, ".dump") || ends_in(p, ".sql") || ends_in(p, ".sql.gz"));
}

static int by_time(const void *a, const void *b)
{
	const struct dump *x = a, *y = b;

	return x->at_us != y->at_us ? (x->at_us < y->at_us) - (x->at_us > y->at_us)
				    : strcmp(x->name, y->name);
}

static void add_dump(struct dumps *to, const struct dump *one)
{
	if (!to->count || one->at_us < to->oldest_us)
		to->oldest_us = one->at_us;
	to->count++;
	to->bytes += one->size;
	if (to->n == 2 * LISTED) { /* of too many the newest */
		qsort(to->newest, (size_t)to->n, sizeof(*to->newest), by_time);
		to->n = LISTED;
	}
	to->newest[to->n++] = *one;
}

/* False, with errno: it cannot be read.  One that is not there has none. */
static bool find_dumps(struct arena *a, struct dumps *out)
{
	DIR *d = *cfg.backup_dir ? opendir(cfg.backup_dir) : NULL;
	struct dirent *one;
	struct stat st;
	int seen = 0;

	if (!d)
		return !*cfg.backup_dir || errno == ENOENT;
	out->newest = arena_alloc(a, 2 * LISTED * sizeof(*out->newest));
	while ((one = readdir(d)) && seen++ < LOOKED_AT) {
		struct dump f = { .size = 0 };

		if (!is_dump(one->d_name) || fstatat(dirfd(d), one->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode))
			continue;
		memcpy(f.name, one->d_name, strlen(one->d_name) + 1);
		f.size = st.st_size;
		f.at_us = st.st_mtim.tv_sec * 1000000LL + st.st_mtim.tv_nsec / 1000;
		add_dump(out, &f);
	}
	closedir(d);
	if (out->n)
		qsort(out->newest, (size_t)out->n, sizeof(*out->newest), by_time);
	return true;
}

static void write_time(struct buf *out, const char *name, long long us)
{
	jx_key(out, name);
	jx_timestamptz(out, us - CLOCK_PG_EPOCH_US);
}

const char *dump_files_list(struct arena *a, struct json_object *asked, struct buf *out)
{
	struct dumps found = { .n = 0 };

	(void)asked;
	if (!find_dumps(a, &found))
		return "the directory of dumps cannot be read";
	buf_char(out, '{');
	jx_key_int(out, "count", found.count);
	jx_key_int(out, "bytes", found.bytes);
	if (found.count)
		write_time(out, "oldest_at", found.oldest_us);
	jx_key_open(out, "files", '[');
	for (int i = 0; i < found.n && i < LISTED; i++) {
		jx_next(out);
		buf_char(out, '{');
		jx_key_str(out, "filename", found.newest[i].name);
		jx_key_int(out, "size_bytes", found.newest[i].size);
		write_time(out, "created_at", found.newest[i].at_us);
		buf_char(out, '}');
	}
	buf_text(out, "]}");
	return NULL;
}

/* The end of the log, from the first line on that is there whole; NULL, with errno: there is none. */
static const char *read_log(struct arena *a, size_t *len)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	int dir = open(cfg.log_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1 : (int)syscall(SYS_openat2, dir, "offsite_backup.log", &how, sizeof(how));
	char *p = arena_alloc_raw(a, LOG_END);
	const char *line, *from = NULL;
	struct stat st;
	size_t n = 0;
	ssize_t got;

	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode)) {
		off_t at = st.st_size > LOG_END ? st.st_size - LOG_END : 0;

		while (n < LOG_END && (got = pread(fd, p + n, LOG_END - n, at + (off_t)n)) > 0)
			n += (size_t)got;
		line = at ? memchr(p, '\n', n) : NULL;
		from = line ? line + 1 : p;
		*len = (size_t)(p + n - from);
		for (size_t i = 0; i < n; i++) /* of a crash, or of what is no text: jsonb has no zero */
			p[i] = p[i] ? p[i] : ' ';
	}
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	return from;
}

const char *dump_files_log(struct arena *a, struct json_object *asked, struct buf *out)
{
	size_t len = 0;
	const char *p = read_log(a, &len), *end = p ? p + len : NULL, *from = end;

	(void)asked;
	if (!p && errno != ENOENT)
		return "the log of copies cannot be read";
	if (from > p && from[-1] == '\n')
		from--;
	for (int lines = 0; p && from > p; from--)
		if (from[-1] == '\n' && ++lines == LINES)
			break;
	buf_text(out, "{\"lines\":[");
	while (from < end) {
		const char *eol = memchr(from, '\n', (size_t)(end - from));
		const char *stop = eol ? eol : end;

		jx_next(out);
		jx_text(out, from, (size_t)(stop - from) - (stop > from && stop[-1] == '\r'));
		from = eol ? eol + 1 : end;
	}
	buf_text(out, "]}");
	return NULL;
}
