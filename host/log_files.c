/*
 * A log may be of any length: its last MiB is read, from where that begins.  Of the
 * files those are read that were changed last, so that no question reads more than
 * 64 MiB.
 */
#include "host/log_files.h"

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

#include "host/log_newest.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/host/config.h"
#include "lib/host/log.h"

enum { LISTED = 1000, READ = 64, PIECE = 1 << 20, NAME = 200, LOOKED_AT = 100000 };

struct log_file {
	char name[NAME + 1];
	char agent[NAME + 1]; /* "": nobody's */
	int64_t size, at_us;
};

static bool is_name(const char *p)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t n = strlen(p);

	return n && n <= NAME && !strchr("._-", *p) && strspn(p, letters) == n;
}

/* agent-NAME.log is that agent's. */
static void read_agent(struct log_file *f)
{
	const char *dot = strchr(f->name, '.');

	if (!strncmp(f->name, "agent-", 6) && dot && dot > f->name + 6)
		snprintf(f->agent, sizeof(f->agent), "%.*s", (int)(dot - f->name) - 6, f->name + 6);
}

static int by_time(const void *a, const void *b)
{
	const struct log_file *x = a, *y = b;

	return x->at_us != y->at_us ? (x->at_us < y->at_us) - (x->at_us > y->at_us)
				    : strcmp(x->name, y->name);
}

/* The files of the directory, the last changed first; how many, -1 where it cannot be read. */
static int find_files(struct arena *a, int dir, struct log_file **out)
{
	struct log_file *files = arena_alloc(a, LISTED * sizeof(*files));
	DIR *d = fdopendir(dup(dir));
	struct dirent *one;
	struct stat st;
	int n = 0, seen = 0;

	*out = files;
	if (!d)
		return -1;
	while ((one = readdir(d)) && seen++ < LOOKED_AT) {
		struct log_file f = { .size = 0 };

		if (!is_name(one->d_name) || fstatat(dir, one->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode))
			continue;
		memcpy(f.name, one->d_name, strlen(one->d_name) + 1);
		read_agent(&f);
		f.size = st.st_size;
		f.at_us = st.st_mtim.tv_sec * 1000000LL + st.st_mtim.tv_nsec / 1000;
		if (n == LISTED) { /* of too many the last changed */
			qsort(files, (size_t)n, sizeof(*files), by_time);
			n = LISTED / 2;
		}
		files[n++] = f;
	}
	closedir(d);
	qsort(files, (size_t)n, sizeof(*files), by_time);
	return n;
}

static int open_directory(void)
{
	return *cfg.log_dir ? open(cfg.log_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

const char *log_files_list(struct arena *a, struct json_object *asked, struct buf *out)
{
	int dir = open_directory(), n;
	struct log_file *files = NULL;

	(void)asked;
	n = dir < 0 ? -1 : find_files(a, dir, &files);
	if (dir >= 0)
		close(dir);
	if (n < 0 && errno != ENOENT)
		return "the directory of logs cannot be read";
	buf_char(out, '{');
	jx_key_open(out, "files", '[');
	for (int i = 0; i < n; i++) {
		jx_next(out);
		buf_char(out, '{');
		jx_key_str(out, "name", files[i].name);
		jx_key_text(out, "agent", *files[i].agent ? files[i].agent : NULL);
		jx_key_int(out, "size_bytes", files[i].size);
		jx_key(out, "modified_at"), jx_timestamptz_us(out, files[i].at_us - CLOCK_PG_EPOCH_US);
		buf_char(out, '}');
	}
	buf_text(out, "]}");
	return NULL;
}

/* Of the directory itself, and no link: it may be another file than the one that was looked at. */
static int open_file(int dir, const char *name, struct stat *st)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));

	if (fd >= 0 && (fstat(fd, st) || !S_ISREG(st->st_mode))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The file's end, from the first line on that is there whole: how many bytes, and where in p they begin. */
static size_t read_end(int fd, const struct stat *st, char *p, const char **from)
{
	off_t at = st->st_size > PIECE ? st->st_size - PIECE : 0;
	size_t n = 0;
	const char *line;
	ssize_t got;

	while (n < PIECE && (got = pread(fd, p + n, PIECE - n, at + (off_t)n)) > 0)
		n += (size_t)got;
	*from = p;
	if (!at || !n)
		return n;
	line = memchr(p, '\n', n);
	*from = line ? line + 1 : p + n;
	return (size_t)(p + n - *from);
}

static void read_lines(struct log_newest *to, const struct log_file *f, const char *p, size_t n)
{
	const char *end = p + n;
	int64_t at_us = f->at_us;

	while (p < end) {
		const char *line_end = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((line_end ? line_end : end) - p);
		struct log_line l;

		while (len && (p[len - 1] == '\r' || p[len - 1] == '\0'))
			len--;
		/* What a crash has left of a line that was being written. */
		while (len && !*p)
			p++, len--;
		if (len) {
			log_line_read(p, len, &l);
			if (l.has_time)
				at_us = l.at_us;
			/* What has no time is of the time of what stands in front of it. */
			log_newest_add(to, p, len, &l, at_us, f->name, *f->agent ? f->agent : NULL);
		}
		p = line_end ? line_end + 1 : end;
	}
}

/* A compressed one is listed, and not read. */
static bool is_readable(const struct log_file *f)
{
	const char *dot = strrchr(f->name, '.');

	return !dot ||
	       (strcmp(dot, ".gz") && strcmp(dot, ".xz") && strcmp(dot, ".zst") && strcmp(dot, ".bz2"));
}

static const char *read_wanted(struct json_object *asked, struct log_newest *to)
{
	const char *level = json_text(json_at(asked, "level", NULL), 10);
	long long limit = json_object_get_int64(json_at(asked, "limit", NULL));

	if (limit < 1 || limit > LOG_NEWEST_MOST)
		return "limit is not from 1 to 1000";
	to->most = (int)limit;
	to->wanted.agent = json_text(json_at(asked, "agent", NULL), 1000);
	to->wanted.q = json_text(json_at(asked, "q", NULL), 1000);
	to->wanted.level = LOG_LINE_LEVELS;
	for (int i = 0; level && i < LOG_LINE_LEVELS; i++)
		if (!strcmp(level, log_line_levels[i]))
			to->wanted.level = i;
	return level && to->wanted.level == LOG_LINE_LEVELS ? "there is no such level" : NULL;
}

const char *log_files_read(struct arena *a, struct json_object *asked, struct buf *out)
{
	struct log_newest *newest = arena_alloc(a, sizeof(*newest));
	const char *why, *from;
	int dir, n, done = 0;
	struct log_file *files = NULL;
	char *p;

	newest->a = a;
	why = read_wanted(asked, newest);
	if (why)
		return why;
	dir = open_directory();
	n = dir < 0 ? -1 : find_files(a, dir, &files);
	if (n < 0 && errno != ENOENT)
		return "the directory of logs cannot be read";
	p = arena_alloc_raw(a, PIECE);
	for (int i = 0; i < n && done < READ; i++) {
		struct stat st;
		int fd;
		size_t len;

		if (!is_readable(&files[i]) || (fd = open_file(dir, files[i].name, &st)) < 0)
			continue;
		len = read_end(fd, &st, p, &from);
		read_lines(newest, &files[i], from, len);
		close(fd);
		done++;
	}
	if (dir >= 0)
		close(dir);
	buf_char(out, '{');
	log_newest_write(newest, out);
	buf_char(out, '}');
	return NULL;
}
