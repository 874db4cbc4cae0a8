/*
 * Tail a database and print what comes, for t/ops/realtime_order.t:
 *
 *	build/tailer 'host=… dbname=…'
 *
 * "ready" when the first look is done, then a line for each message, "id
 * tenant channel payload"; "lost" when the tailer says so.  Until the end of
 * standard input.  Looks are at random times, to meet as many states as
 * there are.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "build/sql/integrations/realtime.h"
#include "lib/db/db.h"
#include "realtime/tail.h"

static void deliver(void *ctx, const struct message *m)
{
	(void)ctx;
	printf("%lld %s %s %s\n", (long long)m->id, m->tenant, m->channel, m->payload);
}

int main(int argc, char **argv)
{
	PGconn *db = PQconnectdb(argc > 1 ? argv[1] : "");
	struct pollfd in = { .fd = 0, .events = POLLIN };
	bool is_ready = false;
	PGresult *prepared = PQprepare(db, "tail", q_realtime_tail.text, 0, NULL);
	struct tail t;

	if (PQresultStatus(prepared) != PGRES_COMMAND_OK) {
		fprintf(stderr, "tailer: %s", PQerrorMessage(db));
		return 1;
	}
	PQclear(prepared);
	tail_init(&t);
	while (!(in.revents & (POLLIN | POLLHUP))) {
		const char *values[TAIL_PARAMS];
		enum tail_next next;
		PGresult *res;

		tail_ask(&t, values);
		res = PQexecPrepared(db, "tail", TAIL_PARAMS, values, NULL, NULL, 0);
		if (PQresultStatus(res) != PGRES_TUPLES_OK) {
			fprintf(stderr, "tailer: %s", PQerrorMessage(db));
			return 1;
		}
		next = tail_read(&t, res, deliver, NULL);
		PQclear(res);
		if (next == TAIL_LOST)
			puts("lost");
		else if (!is_ready && puts("ready") >= 0)
			is_ready = true;
		fflush(stdout);
		poll(&in, 1, next == TAIL_MORE ? 0 : (int)(random() % 5));
	}
	tail_release(&t);
	PQfinish(db);
	return 0;
}
