#include "worker/run_report.h"

#include "build/sql/records/record_imports.h"
#include "lib/crypto/secret.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/db/tx.h"
#include "providers/storage.h"
#include "worker/table_file.h"

static enum err each_row(void *to, const PGresult *row, struct failure *why)
{
	return table_file_add(to, row, why);
}

static enum err store(struct tx *tx, struct arena *a, const struct query *q, struct table_file *f)
{
	struct storage_object o = { .backend = storage_backend(), .content_type = table_file_type("csv") };
	unsigned char sha256[SECRET_BYTES];
	PGresult *res;
	enum err rc;

	tx->each = each_row;
	tx->each_to = f;
	tx->peer_fd = -1;
	rc = tx_call(tx, q, true, &res);
	tx->each = NULL;
	if (rc || !f->nrows)
		return rc;
	rc = table_file_end(f, res, &tx->fail);
	if (rc)
		return rc;
	o.size = f->size;
	tx_set(tx, "backend", o.backend);
	tx_set(tx, "content_type", o.content_type);
	tx_set(tx, "size", arena_fmt(a, "%lld", o.size));
	rc = tx_call(tx, &q_record_run_await, true, &res);
	if (rc == ERR_LIMIT) { /* it does without */
		tx->fail = (struct failure){ ERR_OK };
		return ERR_OK;
	}
	if (rc)
		return rc;
	o.id = column_text(res, 0, "object_id");
	o.tenant_id = column_text(res, 0, "tenant_id");
	if (!o.id)
		return ERR_OK;
	o.id = arena_dup(a, o.id);
	o.tenant_id = arena_dup(a, o.tenant_id);
	db_close();
	rc = storage_put_file(a, &o, f->fd, sha256, &tx->fail);
	tx_set(tx, "object", o.id);
	tx_set(tx, "sha256", secret_bytea(a, sha256, sizeof(sha256)));
	return rc;
}

enum err run_report(struct tx *tx, struct arena *a, const struct query *q)
{
	struct table_file f;
	enum err rc;

	tx_set(tx, "object", NULL);
	tx_set(tx, "sha256", NULL);
	rc = table_file_open(&f, a, "csv", &tx->fail);
	if (rc)
		return rc;
	rc = store(tx, a, q, &f);
	table_file_close(&f);
	return rc;
}
