/*
 * Jobs about stored objects.  The row stays until the content is removed, so that
 * whatever dies in between, it is known where the content was.
 */
#include "worker/storage.h"

#include <json-c/json.h>
#include <string.h>

#include "build/sql/content/storage.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"
#include "lib/host/log.h"
#include "providers/storage.h"

static enum err run_remove(struct tx *tx, const struct job *job)
{
	struct json_object *payload, *id = NULL;
	struct storage_object object;
	const char *problem;
	PGresult *res;
	enum err rc;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !json_object_object_get_ex(payload, "object_id", &id))
		return job_give_up(tx, "its payload has no object_id");
	tx_set(tx, "object_id", json_object_get_string(id));
	rc = tx_call(tx, &q_stored_object_gone, false, &res);
	if (rc || !PQntuples(res))
		return rc;
	object = (struct storage_object){
		.tenant_id = column_text(res, 0, "tenant_id"),
		.id = column_text(res, 0, "object_id"),
		.backend = column_text(res, 0, "backend"),
		.upload_id = column_text(res, 0, "upload_id"),
	};
	rc = storage_remove(&tx->arena, &object, &tx->fail);
	return rc ? rc : tx_call(tx, &q_stored_object_forget, false, &res);
}

/* A thousand at a time, each time in a separate transaction. */
static enum err run_expire(struct tx *tx, const struct job *job)
{
	PGresult *res;

	(void)job;
	tx_set(tx, "most", "1000");
	for (int i = 0; i < 100; i++) {
		enum err rc = tx_call(tx, &q_storage_expire, true, &res);

		if (rc || column_int(res, 0, "expired") < 1000)
			return rc;
	}
	return ERR_OK;
}

/* Comparing */

enum {
	GRACE_S = 86400, /* what is younger is nobody's business yet */
	BATCH = 500,
	FEW = 100,          /* files without a row, which may be removed whatever else there is */
	MOST_MISSING = 100, /* rows without content, which are told one by one */
};

struct found {
	char *path, *id, *upload_id;
};

struct comparison {
	struct tx *tx;
	const char *backend;
	struct arena memory; /* the batch's */
	struct found files[BATCH];
	int n;
	bool is_incoming; /* all of the batch */
	bool removes;
	long known, unknown, removed;
	enum err rc;
};

static bool is_in(const PGresult *res, const char *id)
{
	for (int i = 0; id && i < PQntuples(res); i++)
		if (!strcmp(column_text(res, i, "id"), id))
			return true;
	return false;
}

static void remove_file(struct comparison *c, const struct found *found)
{
	const struct storage_file file = { found->path, found->id, found->upload_id, c->is_incoming };
	struct failure why = { ERR_OK };

	if (!storage_discard(&c->memory, c->backend, &file, &why))
		c->removed++;
	else
		log_msg(LOG_ERROR, &c->tx->log, "storage: %s", failure_reason(&why));
}

static bool judge_batch(struct comparison *c)
{
	struct buf ids;
	PGresult *res;

	buf_init(&ids, &c->memory, 64 + (size_t)c->n * 40);
	buf_char(&ids, '{');
	for (int i = 0; i < c->n; i++)
		if (c->files[i].id) {
			if (ids.n > 1)
				buf_char(&ids, ',');
			buf_text(&ids, c->files[i].id);
		}
	buf_char(&ids, '}');
	tx_set(c->tx, "ids", buf_str(&ids));
	/* Where uploads come in, only what is awaited has anything to look for. */
	tx_set(c->tx, "states", c->is_incoming ? "{awaited}" : "{awaited,stored,gone}");
	c->rc = tx_call(c->tx, &q_storage_known, true, &res);
	for (int i = 0; !c->rc && i < c->n; i++) {
		if (is_in(res, c->files[i].id)) {
			c->known++;
			continue;
		}
		c->unknown++;
		if (c->removes)
			remove_file(c, &c->files[i]);
	}
	c->n = 0;
	arena_reset(&c->memory);
	return !c->rc;
}

static bool note_file(void *to, const struct storage_file *f)
{
	struct comparison *c = to;

	/* What somebody else has put where objects stay is not ours to remove. */
	if (!f->id && !f->is_incoming)
		return true;
	if (c->n && (c->n == BATCH || c->is_incoming != f->is_incoming) && !judge_batch(c))
		return false;
	c->is_incoming = f->is_incoming;
	c->files[c->n++] =
		(struct found){ arena_dup(&c->memory, f->path), f->id ? arena_dup(&c->memory, f->id) : NULL,
				f->upload_id ? arena_dup(&c->memory, f->upload_id) : NULL };
	return true;
}

static enum err pass(struct comparison *c, long grace_s)
{
	enum err rc = storage_walk(&c->tx->arena, c->backend, grace_s, note_file, c, &c->tx->fail);

	if (!rc && !c->rc && c->n)
		judge_batch(c);
	return rc ? rc : c->rc;
}

/* How many of these rows have no content. */
static enum err count_lost(struct tx *tx, const char *backend, const PGresult *res, long *missing)
{
	int n = PQntuples(res);
	const char **ids = arena_alloc(&tx->arena, (size_t)(n + 1) * sizeof(*ids));
	bool *has = arena_alloc(&tx->arena, (size_t)(n + 1) * sizeof(*has));
	enum err rc;

	for (int i = 0; i < n; i++)
		ids[i] = arena_dup(&tx->arena, column_text(res, i, "id"));
	rc = storage_find(&tx->arena, backend, ids, n, has, &tx->fail);
	for (int i = 0; !rc && i < n; i++)
		*missing += !has[i];
	if (!rc && n)
		tx_set(tx, "behind", ids[n - 1]);
	return rc;
}

/* Rows whose content is lost: nothing here can bring it back, so it is told. */
static enum err find_lost(struct tx *tx, const char *backend)
{
	long missing = 0;
	PGresult *res;
	enum err rc;

	tx_set(tx, "backend", backend);
	tx_set(tx, "behind", "00000000-0000-0000-0000-000000000000");
	do {
		rc = tx_call(tx, &q_storage_next, true, &res);
		if (!rc)
			rc = count_lost(tx, backend, res, &missing);
		if (rc)
			return rc;
	} while (PQntuples(res) && missing < MOST_MISSING);
	if (missing)
		log_msg(LOG_ERROR, &tx->log,
			"storage: %s%ld files are lost: their rows are there, and no content",
			missing >= MOST_MISSING ? "at least " : "", missing);
	return ERR_OK;
}

/*
 * Content without a row is counted first, and removed in a second pass: a database
 * that knows less than half of what lies here is another one, or an old copy.
 */
static enum err compare(struct tx *tx, const char *backend, long grace_s)
{
	static struct comparison c;
	enum err rc;

	c = (struct comparison){ .tx = tx, .backend = backend };
	arena_init(&c.memory, 64 * 1024);
	rc = pass(&c, grace_s);
	if (!rc && c.unknown > FEW && c.unknown > c.known)
		rc = tx_fail_inside(
			tx, ERR_INTERNAL,
			"the database knows %ld of the files in %s, and not %ld: nothing was removed",
			c.known, storage_where(backend), c.unknown);
	if (!rc && c.unknown) {
		c.removes = true;
		rc = pass(&c, grace_s);
		log_msg(LOG_INFO, &tx->log, "storage: %ld files that nobody had were removed", c.removed);
	}
	arena_release(&c.memory);
	return rc ? rc : find_lost(tx, backend);
}

static enum err run_compare(struct tx *tx, const struct job *job)
{
	struct json_object *payload = NULL, *grace = NULL;
	const char *problem;
	long grace_s = GRACE_S;
	enum err rc = ERR_OK;

	if (!json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) &&
	    json_object_object_get_ex(payload, "grace_s", &grace))
		grace_s = json_object_get_int(grace);
	for (int i = 0; !rc && storage_backend_at(i); i++)
		rc = compare(tx, storage_backend_at(i), grace_s);
	return rc;
}

const struct job_kind storage_expire_job = { .name = "storage.expire", .run = run_expire };
const struct job_kind storage_compare_job = { .name = "storage.compare", .run = run_compare };
const struct job_kind storage_remove_job = { .name = "storage.remove", .run = run_remove };
