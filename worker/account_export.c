#include "worker/account_export.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "build/sql/identity/account_exports.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/db/tx.h"
#include "lib/host/spool.h"
#include "providers/storage.h"

enum { BLOCK = 1 << 16 };

struct export
{
	struct tx *tx;
	struct archive *zip;
	int fd;
	char name[64]; /* of the rows that are being written; "": none */
	bool has_rows;
};

static enum err failed(struct export *e)
{
	return tx_fail_inside(e->tx, ERR_UNAVAILABLE, "the ZIP cannot be written: %s",
			      archive_error_string(e->zip));
}

static bool put(struct export *e, const char *p, size_t n)
{
	return archive_write_data(e->zip, p, n) == (la_ssize_t)n;
}

/* Begin a file in it.  size: NULL, if that is not known. */
static bool begin(struct export *e, const char *path, const long long *size)
{
	struct archive_entry *entry = archive_entry_new();
	bool ok;

	if (!entry)
		return false;
	archive_entry_set_pathname(entry, path);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_mtime(entry, time(NULL), 0);
	if (size)
		archive_entry_set_size(entry, *size);
	ok = archive_write_header(e->zip, entry) == ARCHIVE_OK;
	archive_entry_free(entry);
	return ok;
}

/* Rows of one name are a file: an array of objects. */
static bool end_rows(struct export *e)
{
	bool ok = !*e->name || put(e, "\n]\n", 3);

	*e->name = '\0';
	return ok;
}

static bool begin_rows(struct export *e, const char *name)
{
	char path[sizeof(e->name) + 8];

	snprintf(e->name, sizeof(e->name), "%s", name);
	snprintf(path, sizeof(path), "%s.json", e->name);
	return begin(e, path, NULL) && put(e, "[\n", 2);
}

static enum err each(void *to, const PGresult *row, struct failure *why)
{
	struct export *e = to;
	const char *name = column_text(row, 0, "name"), *line = column_text(row, 0, "line");
	bool ok;

	if (!name || !line)
		return ERR_OK;
	e->has_rows = true;
	if (strcmp(name, e->name) != 0)
		ok = end_rows(e) && begin_rows(e, name);
	else
		ok = put(e, ",\n", 2);
	if (ok && put(e, line, strlen(line)))
		return ERR_OK;
	return failure_hide(why, &e->tx->arena, ERR_UNAVAILABLE, "the ZIP cannot be written: %s",
			    archive_error_string(e->zip));
}

static enum err write_rows(struct export *e)
{
	struct tx *tx = e->tx;
	PGresult *res;
	enum err rc;

	tx->each = each;
	tx->each_to = e;
	tx->peer_fd = -1;
	rc = tx_call(tx, &q_account_export_rows, true, &res);
	tx->each = NULL;
	if (!rc && !end_rows(e))
		rc = failed(e);
	return rc;
}

static enum err copy(struct export *e, int fd)
{
	char block[BLOCK];
	ssize_t n;

	while ((n = read(fd, block, sizeof(block))) > 0)
		if (!put(e, block, (size_t)n))
			return failed(e);
	return n ? tx_fail_inside(e->tx, ERR_UNAVAILABLE, "a file cannot be read: %s", strerror(errno))
		 : ERR_OK;
}

/* No connection waits while they are read. */
static enum err write_files(struct export *e)
{
	struct tx *tx = e->tx;
	PGresult *res;
	enum err rc = tx_call(tx, &q_account_export_files, true, &res);

	db_close();
	for (int i = 0; !rc && i < PQntuples(res); i++) {
		const struct storage_object o = {
			.tenant_id = column_text(res, i, "tenant_id"),
			.id = column_text(res, i, "object_id"),
			.backend = column_text(res, i, "backend"),
			.content_type = column_text(res, i, "content_type"),
			.size = column_int(res, i, "size"),
		};
		int fd = storage_open(&tx->arena, &o, &tx->fail);

		if (fd < 0)
			return tx->fail.err;
		rc = begin(e, column_text(res, i, "path"), &o.size) ? copy(e, fd) : failed(e);
		close(fd);
	}
	return rc;
}

static enum err store(struct export *e)
{
	struct storage_object o = { .backend = storage_backend(), .content_type = "application/zip" };
	unsigned char sha256[SECRET_BYTES];
	struct tx *tx = e->tx;
	struct stat st;
	PGresult *res;
	enum err rc;

	if (fstat(e->fd, &st))
		return tx_fail_inside(tx, ERR_UNAVAILABLE, "the ZIP cannot be read: %s", strerror(errno));
	o.size = st.st_size;
	if (o.size > storage_max_bytes())
		return job_give_up(tx, "a file may have at most %lld bytes, and it has %lld",
				   storage_max_bytes(), o.size);
	tx_set(tx, "backend", o.backend);
	tx_set(tx, "size", arena_fmt(&tx->arena, "%lld", o.size));
	rc = tx_call(tx, &q_account_export_await, true, &res);
	if (rc == ERR_LIMIT)
		return job_give_up(tx, "there is no room for a file of %lld bytes", o.size);
	if (rc || !column_text(res, 0, "object_id"))
		return rc;
	o.id = arena_dup(&tx->arena, column_text(res, 0, "object_id"));
	o.tenant_id = arena_dup(&tx->arena, column_text(res, 0, "tenant_id"));
	db_close();
	rc = storage_put_file(&tx->arena, &o, e->fd, sha256, &tx->fail);
	if (rc)
		return rc;
	tx_set(tx, "object", o.id);
	tx_set(tx, "sha256", secret_bytea(&tx->arena, sha256, sizeof(sha256)));
	return tx_call(tx, &q_account_export_done, false, &res);
}

static enum err write_zip(struct export *e)
{
	enum err rc;

	if (archive_write_set_format_zip(e->zip) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(e->zip, 1) != ARCHIVE_OK ||
	    archive_write_open_fd(e->zip, e->fd) != ARCHIVE_OK)
		return failed(e);
	rc = write_rows(e);
	if (rc || !e->has_rows) /* asked for by nobody any more */
		return rc;
	rc = write_files(e);
	if (rc)
		return rc;
	return archive_write_close(e->zip) == ARCHIVE_OK ? store(e) : failed(e);
}

/* Will it not be tried again?  Then that is told, in another transaction than the one that failed. */
static enum err tell(struct tx *tx, const struct job *job, enum err rc)
{
	struct failure why = tx->fail;
	PGresult *res;

	if (!job_verdict.give_up && job->attempt < job->max_attempts)
		return rc;
	tx_finish(tx, false);
	tx->fail = (struct failure){ ERR_OK };
	tx_set(tx, "message",
	       job_verdict.give_up ? failure_reason(&why) : "it could not be made: ask for it again");
	tx_call(tx, &q_account_export_failed, true, &res);
	tx->fail = why;
	return rc;
}

static enum err run(struct tx *tx, const struct job *job)
{
	struct export e = { .tx = tx };
	struct json_object *payload;
	const char *id, *problem;
	enum err rc;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !(id = json_text(json_at(payload, "export_id", NULL), 36)))
		return job_give_up(tx, "the payload names no export");
	tx_set(tx, "export", id);
	e.fd = spool_open(&tx->arena);
	if (e.fd < 0)
		return tx_fail_inside(tx, ERR_UNAVAILABLE, "there is no place for the ZIP: %s",
				      strerror(errno));
	e.zip = archive_write_new();
	rc = e.zip ? write_zip(&e) : tx_fail_inside(tx, ERR_UNAVAILABLE, "there is no memory for a ZIP");
	archive_write_free(e.zip);
	close(e.fd);
	return rc ? tell(tx, job, rc) : ERR_OK;
}

const struct job_kind account_export_job = { .name = "account.export", .run = run };
