/*
 * Mails in development: what the worker keeps in MAIL_DIR where there is no MAIL_URL, so
 * that their links can be followed.  Elsewhere there is nothing of this: links and
 * codes in mails let in whoever reads them.
 *
 * The directory has the mails of all tenants: a file's name ends in the id of its
 * job, and whose that is PostgreSQL says.  No path is ever made of what a client
 * sends; what is opened is a name that the directory has.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build/sql/ops/mails.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "lib/host/config.h"

enum { MOST_LISTED = 500, STAMP = 16, ID = 36, MAX_NAME = 160, MAX_BYTES = 1 << 20 };

/* clang-format off */
static const struct field mail[] = {
	{ "id",       F_UUID,     OUT, .about = "its job's" },
	{ "template", F_TEXT,     OUT, .example = "verify_email" },
	{ "to",       F_TEXT,     OUT | F_NULL, .example = "ada@example.com" },
	{ "sent_at",  F_DATETIME, OUT },
	{ "source",   F_TEXT,     DETAIL, .about = "the mail as it would be sent (RFC 5322)", .example = "Subject: Confirm your e-mail address\r\n\r\nHello,\r\n" },
	FIELD_END
};

static const struct shape mail_shape = { "KeptMail", mail, "Mail" };
static const struct shape source_shape = { "KeptMailSource", mail, "Mail", .as = DETAIL };
/* clang-format on */

static enum err check_here(struct req *rq)
{
	if (config_is_development() && !*cfg.mail_url && *cfg.mail_dir)
		return ERR_OK;
	return req_fail(rq, ERR_NOT_FOUND, "mails are shown in development alone, where none is sent");
}

/* 20261130T040500Z-verify_email-01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f.eml */
static bool is_mail(const char *name)
{
	static const char end[] = ".eml";
	size_t n = strlen(name);
	char id[ID + 1];

	if (n < STAMP + 1 + 1 + 1 + ID + sizeof(end) - 1 || n > MAX_NAME ||
	    strcmp(name + n - (sizeof(end) - 1), end) != 0)
		return false;
	memcpy(id, name + n - (sizeof(end) - 1) - ID, ID);
	id[ID] = '\0';
	return field_is_uuid(id) && strspn(name, "0123456789TZ") == STAMP && name[STAMP] == '-' &&
	       strspn(name + STAMP + 1, "abcdefghijklmnopqrstuvwxyz_") ==
		       n - (STAMP + 1) - 1 - ID - (sizeof(end) - 1);
}

static const char *id_of(struct arena *a, const char *name)
{
	return arena_dup_n(a, name + strlen(name) - strlen(".eml") - ID, ID);
}

static const char *template_of(struct arena *a, const char *name)
{
	return arena_dup_n(a, name + STAMP + 1, strcspn(name + STAMP + 1, "-"));
}

/* 2026-11-30T04:05:00Z */
static const char *time_of(struct arena *a, const char *name)
{
	return arena_fmt(a, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", name, name + 4, name + 6, name + 9, name + 11,
			 name + 13);
}

static int newest_first(const void *a, const void *b)
{
	return strcmp(*(const char *const *)b, *(const char *const *)a);
}

/*
 * The names of mails in the directory, the newest first; how many.  With an id only
 * that of this one.  There is no more than development needs: beyond so many, those
 * that the directory gives first.
 */
static size_t names_of(struct req *rq, const char *id, const char ***out)
{
	enum { MOST = 20000 };
	DIR *dir = opendir(cfg.mail_dir);
	size_t n = 0;

	*out = arena_alloc(&rq->tx.arena, MOST * sizeof(**out));
	for (struct dirent *e; dir && n < MOST && (e = readdir(dir));)
		if (is_mail(e->d_name) && (!id || !strcmp(id_of(&rq->tx.arena, e->d_name), id)))
			(*out)[n++] = arena_dup(&rq->tx.arena, e->d_name);
	if (dir)
		closedir(dir);
	qsort(*out, n, sizeof(**out), newest_first);
	return n;
}

static enum err mail_list(struct req *rq)
{
	struct arena *a = &rq->tx.arena;
	struct buf ids, templates, times;
	const char **names;
	enum err rc = check_here(rq);
	size_t n;

	if (rc)
		return rc;
	n = names_of(rq, NULL, &names);
	buf_init(&ids, a, 4096), buf_init(&templates, a, 4096), buf_init(&times, a, 4096);
	buf_char(&ids, '{'), buf_char(&templates, '{'), buf_char(&times, '{');
	for (size_t i = 0; i < n && i < MOST_LISTED; i++) {
		buf_fmt(&ids, "%s%s", i ? "," : "", id_of(a, names[i]));
		buf_fmt(&templates, "%s%s", i ? "," : "", template_of(a, names[i]));
		buf_fmt(&times, "%s%s", i ? "," : "", time_of(a, names[i]));
	}
	buf_char(&ids, '}'), buf_char(&templates, '}'), buf_char(&times, '}');
	req_set(rq, "ids", buf_str(&ids));
	req_set(rq, "templates", buf_str(&templates));
	req_set(rq, "times", buf_str(&times));
	return answer_rows(rq, &q_kept_mail_list);
}

/* What is in the file; NULL: it is gone, or is none. */
static const char *read_file(struct req *rq, const char *name)
{
	int dir = open(cfg.mail_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;
	char *text = NULL;
	struct stat st;
	ssize_t n;

	if (dir < 0)
		return NULL;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	close(dir);
	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size <= MAX_BYTES) {
		text = arena_alloc(&rq->tx.arena, (size_t)st.st_size + 1);
		n = read(fd, text, (size_t)st.st_size);
		if (n == st.st_size)
			text[n] = '\0';
		else
			text = NULL;
	}
	close(fd);
	return text;
}

static enum err mail_get(struct req *rq)
{
	const char **names, *text;
	enum err rc = check_here(rq);

	if (rc)
		return rc;
	if (!names_of(rq, req_text(rq, "job_id"), &names) || !(text = read_file(rq, *names)))
		return req_fail(rq, ERR_NOT_FOUND, "Mail not found");
	req_set(rq, "template", template_of(&rq->tx.arena, *names));
	req_set(rq, "time", time_of(&rq->tx.arena, *names));
	req_set(rq, "source", text);
	return answer_rows(rq, &q_kept_mail_get);
}

/* clang-format off */
const struct route mail_routes[] = {
	{ GET, "/api/v1/dashboard/mails", "platform.ops.list_dashboard_mails", &by_team, "List the mails that were not sent",
	  .about = "Of an installation in development (ENVIRONMENT=development) without MAIL_URL: the newest 500 are looked through. Elsewhere it is a 404.",
	  .out = &mail_shape, .list = &unwrapped, .items = "mails", .sql = &q_kept_mail_list, .errors = (const enum err[]){ ERR_NOT_FOUND, ERR_OK }, .run = mail_list },
	{ GET, "/api/v1/dashboard/mails/{job_id}", "platform.ops.get_dashboard_mail", &by_team, "Read a mail that was not sent",
	  .needs = { "the id of a mail, which the list has", ERR_NOT_FOUND }, .out = &source_shape, .sql = &q_kept_mail_get, .run = mail_get },
	ROUTE_END
};
/* clang-format on */
