#include "handlers/ops/probe.h"

#include "build/sql/runtime/runtime.h"
#include "fcgi/req.h"
#include "lib/base/clock.h"
#include "lib/db/column.h"
#include "lib/host/log.h"

bool probe_database(struct req *rq, int64_t *took_ns)
{
	int64_t from = clock_ns();
	PGresult *res;
	bool ok;

	rq->tx.timeout_ms = PROBE_TIMEOUT_MS;
	ok = !tx_call(&rq->tx, &q_ready_check, true, &res) && column_bool(res, 0, "ready");
	if (!ok)
		log_msg(LOG_WARNING, &rq->tx.log, "%s",
			rq->tx.fail.reason ? rq->tx.fail.reason : "the database is not ready");
	rq->tx.fail = (struct failure){ ERR_OK };
	rq->tx.may_rerun = false;
	if (took_ns)
		*took_ns = clock_ns() - from;
	return ok;
}
