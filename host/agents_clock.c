#include "host/agents_clock.h"

#include "build/sql/work/agent_control.h"

#include <string.h>
#include <unistd.h>

#include "host/agents.h"
#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/host/log.h"

enum { TICK_S = 2 };

/* One row: what is to be done with one agent.  A run has no wish to put down. */
static void carry_out(struct arena *a, const PGresult *res, int row, const char *host)
{
	const char *question = column_text(res, row, "question"), *problem = NULL, *action;
	const char *const done[] = { host, column_text(res, row, "tenant"), column_text(res, row, "agent"),
				     column_text(res, row, "wish") };
	struct json_object *asked = NULL;
	struct buf out;

	if (json_read(a, question, strlen(question), &asked, &problem) != ERR_OK)
		return;
	buf_init(&out, a, 1024);
	action = json_text(json_at(asked, "do", NULL), 16);
	problem = agents_apply(a, asked, &out);
	if (problem)
		log_msg(LOG_WARNING, NULL, "%s of %s, which is due: %s", action ? action : "",
			json_text(json_at(asked, "instance", NULL), 100), problem);
	else if (action && strcmp(action, "run") != 0)
		PQclear(db_outside(&q_host_agent_done, done));
}

_Noreturn void agents_clock_run(void)
{
	char host[256] = "";
	const char *const params[] = { host };
	struct arena a;
	PGresult *res;

	gethostname(host, sizeof(host) - 1);
	arena_init(&a, 65536);
	db_open();
	for (;; sleep(TICK_S)) {
		res = db_outside(&q_host_agent_due_list, params);
		for (int i = 0; res && i < PQntuples(res); i++) {
			carry_out(&a, res, i, host);
			arena_reset(&a);
		}
		PQclear(res);
	}
}
