#include "worker/notifications.h"

#include "build/sql/work/notify.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"

enum { MOST_PORTIONS = 10000, DIGESTS = 100 };

/* Again and again, each a transaction, so that no member's list is locked for long, while it finds some. */
static enum err repeat(struct tx *tx, const struct query *q, const char *column)
{
	PGresult *res;
	enum err rc = ERR_OK;

	for (int i = 0; !rc && i < MOST_PORTIONS; i++) {
		rc = tx_call(tx, q, true, &res);
		if (!rc && !column_bool(res, 0, column))
			break;
	}
	return rc;
}

static enum err run(struct tx *tx, const struct job *job)
{
	enum err rc;

	(void)job;
	tx_set(tx, "batch", arena_fmt(&tx->arena, "%d", DIGESTS));
	rc = repeat(tx, &q_notify_next, "told");
	if (!rc)
		rc = repeat(tx, &q_notification_wake, "woken");
	return rc ? rc : repeat(tx, &q_notification_digests, "is_more");
}

const struct job_kind notifications_job = { .name = "notifications", .run = run };
