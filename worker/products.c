#include "worker/products.h"

#include <string.h>

#include "build/sql/work/products.h"
#include "build/sql/work/tenant_tasks.h"
#include "lib/base/json.h"
#include "lib/db/tx.h"

/* Of a product that is no more there is nothing to write. */
static enum err sync(struct tx *tx, const struct job *job)
{
	const char *slug, *problem;
	struct json_object *payload;
	PGresult *res;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !(slug = json_text(json_at(payload, "slug", NULL), 100)))
		return job_give_up(tx, "the payload names no product");
	tx_set(tx, "slug", slug);
	return tx_call(tx, &q_brand_sync, false, &res);
}

const struct job_kind brand_sync_job = { .name = "brand.sync", .run = sync };

/* A batch is a transaction; what is left over is a job that this one's has added. */
static enum err archive(struct tx *tx, const struct job *job)
{
	PGresult *res;

	tx_set(tx, "payload", job->payload);
	return tx_call(tx, &q_product_tasks_archive, false, &res);
}

const struct job_kind product_archive_job = { .name = "product.archive", .run = archive };
