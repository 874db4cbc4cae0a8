#include "worker/notifications.h"

#include "build/sql/work/notify.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"

enum { MOST_PORTIONS = 10000, DIGESTS = 100 };

/* Portion after portion, each a transaction, so that no member's list is locked for long. */
static enum err run(struct tx *tx, const struct job *job)
{
	PGresult *res;
	enum err rc = ERR_OK;

	(void)job;
	for (int i = 0; !rc && i < MOST_PORTIONS; i++) {
		rc = tx_call(tx, &q_notify_next, true, &res);
		if (!rc && !column_bool(res, 0, "told"))
			break;
	}
	tx_set(tx, "batch", arena_fmt(&tx->arena, "%d", DIGESTS));
	for (int i = 0; !rc && i < MOST_PORTIONS; i++) {
		rc = tx_call(tx, &q_notification_digests, true, &res);
		if (!rc && column_int(res, 0, "n") < DIGESTS)
			break;
	}
	return rc;
}

const struct job_kind notifications_job = { .name = "notifications", .run = run };
