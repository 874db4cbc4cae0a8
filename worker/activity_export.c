/*
 * What happened in a workspace as a file, for the member who asked for it: rows come in batches, each a
 * transaction that asks anew what they may see, so that no snapshot is held for long and what is made is of
 * no more than a batch's size in memory.
 */
#include "worker/activity_export.h"

#include <string.h>
#include <unistd.h>

#include "build/sql/work/activity_exports.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/db/tx.h"
#include "providers/storage.h"
#include "worker/table_file.h"

enum { BATCH = 10000, INLINE_BYTES = 1 << 20, ENDED = 1000 };

struct export
{
	struct tx *tx;
	struct table_file file;
	const char *format;
	long long total, seen; /* rows: what there is about, what has been looked at */
	int in_batch, progress;
	char at[64], id[40]; /* the last one that was seen */
};

static enum err each(void *to, const PGresult *row, struct failure *why)
{
	struct export *e = to;

	e->in_batch++;
	snprintf(e->at, sizeof(e->at), "%s", column_text(row, 0, "_at"));
	snprintf(e->id, sizeof(e->id), "%s", column_text(row, 0, "_id"));
	return column_bool(row, 0, "_matches") ? table_file_add(&e->file, row, why) : ERR_OK;
}

/* Told when it is another per cent: a row that is written each time would cost more than what it tells. */
static enum err tell_progress(struct export *e)
{
	int progress = e->seen >= e->total ? 99 : (int)(e->seen * 99 / e->total);
	PGresult *res;

	if (progress <= e->progress)
		return ERR_OK;
	e->progress = progress;
	tx_set(e->tx, "progress", arena_fmt(&e->tx->arena, "%d", progress));
	return tx_call(e->tx, &q_activity_export_progress, true, &res);
}

static enum err write_rows(struct export *e)
{
	struct tx *tx = e->tx;
	PGresult *res;
	enum err rc;

	tx_set(tx, "most", arena_fmt(&tx->arena, "%d", BATCH));
	tx_set(tx, "before_at", NULL);
	tx_set(tx, "before_id", NULL);
	do {
		e->in_batch = 0;
		tx->each = each;
		tx->each_to = e;
		tx->peer_fd = -1;
		rc = tx_call(tx, &q_activity_export_rows, true, &res);
		tx->each = NULL;
		if (rc)
			return rc;
		if (!e->seen) { /* what these hold is another row's with each batch */
			tx_set(tx, "before_at", e->at);
			tx_set(tx, "before_id", e->id);
		}
		e->seen += e->in_batch;
		if (e->in_batch == BATCH)
			rc = tell_progress(e);
	} while (!rc && e->in_batch == BATCH);
	return rc ? rc : table_file_end(&e->file, res, &tx->fail);
}

/* A small one is kept in its row. */
static enum err keep_inline(struct export *e)
{
	char *content = arena_alloc_raw(&e->tx->arena, (size_t)e->file.size + 1);

	if (pread(e->file.fd, content, (size_t)e->file.size, 0) != e->file.size)
		return tx_fail_inside(e->tx, ERR_UNAVAILABLE, "the file that was written cannot be read");
	tx_set_binary(e->tx, "content", content, (size_t)e->file.size);
	tx_set(e->tx, "object", NULL);
	tx_set(e->tx, "sha256", NULL);
	return ERR_OK;
}

/* A larger one is stored; no connection waits for that. */
static enum err keep_object(struct export *e)
{
	struct storage_object object = { .backend = storage_backend(),
					 .content_type = table_file_type(e->format),
					 .size = e->file.size };
	unsigned char sha256[SECRET_BYTES];
	struct tx *tx = e->tx;
	PGresult *res;
	enum err rc;

	if (e->file.size > storage_max_bytes())
		return job_give_up(tx, "a file may have at most %lld bytes, and it has %lld: ask for less",
				   storage_max_bytes(), e->file.size);
	tx_set(tx, "backend", object.backend);
	tx_set(tx, "content_type", object.content_type);
	rc = tx_call(tx, &q_activity_export_await, true, &res);
	if (rc == ERR_LIMIT)
		return job_give_up(tx, "the workspace has no room for a file of %lld bytes", e->file.size);
	if (rc)
		return rc;
	object.id = column_text(res, 0, "object_id");
	object.tenant_id = column_text(res, 0, "tenant_id");
	tx_set(tx, "content", NULL);
	tx_set(tx, "object", object.id);
	if (!object.id) /* its member has left */
		return ERR_OK;
	db_close();
	rc = storage_put_file(&tx->arena, &object, e->file.fd, sha256, &tx->fail);
	tx_set(tx, "sha256", secret_bytea(&tx->arena, sha256, sizeof(sha256)));
	return rc;
}

static enum err write_file(struct export *e)
{
	enum err rc = write_rows(e);

	if (rc)
		return rc;
	tx_set(e->tx, "row_count", arena_fmt(&e->tx->arena, "%lld", e->file.nrows));
	tx_set(e->tx, "size", arena_fmt(&e->tx->arena, "%lld", e->file.size));
	return e->file.size <= INLINE_BYTES ? keep_inline(e) : keep_object(e);
}

static enum err make(struct tx *tx)
{
	static const char *const names[] = { "format",  "member",   "actors", "types",
					     "from_at", "until_at", "search" };
	struct export e = { .tx = tx };
	PGresult *res;
	enum err rc = tx_call(tx, &q_activity_export_begin, true, &res);

	if (rc || !PQntuples(res))
		return rc;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		tx_set(tx, names[i], column_text(res, 0, names[i]));
	e.format = column_text(res, 0, "format");
	e.total = column_int(res, 0, "total");
	rc = table_file_open(&e.file, &tx->arena, e.format, &tx->fail);
	if (rc)
		return rc;
	rc = write_file(&e);
	table_file_close(&e.file);
	return rc ? rc : tx_call(tx, &q_activity_export_done, false, &res);
}

/* Will it not be tried again?  Then its member is told, in another transaction than the one that failed. */
static enum err tell(struct tx *tx, const struct job *job, enum err rc)
{
	struct failure why = tx->fail;
	PGresult *res;

	if (!job_verdict.give_up && job->attempt < job->max_attempts)
		return rc;
	tx_finish(tx, false);
	tx->fail = (struct failure){ ERR_OK };
	tx_set(tx, "message",
	       job_verdict.give_up ? failure_reason(&why) : "it could not be made: start it again");
	tx_call(tx, &q_activity_export_failed, true, &res);
	tx->fail = why;
	return rc;
}

static enum err run(struct tx *tx, const struct job *job)
{
	const char *organization, *export, *problem;
	struct json_object *payload;
	enum err rc;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !(organization = json_text(json_at(payload, "organization_id", NULL), 36)) ||
	    !(export = json_text(json_at(payload, "export_id", NULL), 36)))
		return job_give_up(tx, "the payload names no export");
	tx_set(tx, "organization", organization);
	tx_set(tx, "export", export);
	rc = make(tx);
	return rc ? tell(tx, job, rc) : ERR_OK;
}

static enum err tend(struct tx *tx, const struct job *job)
{
	PGresult *res;

	(void)job;
	tx_set(tx, "most", arena_fmt(&tx->arena, "%d", ENDED));
	return tx_call(tx, &q_activity_exports_tend, false, &res);
}

const struct job_kind activity_export_job = { .name = "activity.export", .run = run };
const struct job_kind activity_exports_job = { .name = "activity.exports", .run = tend };
