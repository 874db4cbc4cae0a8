#include "worker/master.h"

#include "lib/host/log.h"
#include "worker/claimed.h"
#include "worker/completions.h"
#include "worker/failures.h"
#include "worker/processes.h"

struct master master;
struct pgpipe control_link = { .name = "control" };

void master_lose_identity(const char *why)
{
	if (!*master.id)
		return;
	log_msg(LOG_WARNING, NULL, "worker: %s: dropping %zu jobs", why, claimed_jobs);
	*master.id = '\0';
	master.identity++;
	while (processes_take_back())
		;
	for (struct portion_of_work *p = claimed_first, *next; p; p = next) {
		next = p->next;
		p->is_not_ours = true;
		if (p->was_sent && processes_has(p->number)) {
			processes_kill(p->number, why);
			p = claimed_find(p->number);
		}
		if (p && p->is_not_ours)
			claimed_remove(p);
	}
	failures_drop();
	completions_drop();
}
